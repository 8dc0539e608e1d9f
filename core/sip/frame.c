#include "sip/frame.h"

#include "sip/line.h"
#include "sip/msg.h"

/* CRLFs between messages. Two in a row are a ping (RFC 5626 4.4.1); one that ends the bytes waits
 * for its second half, unless a message follows it. Bare LFs are skipped and answer nothing. */
static struct span skip_line_ends(struct span bytes, uint32_t *pongs)
{
	bool half = false;
	const char *at = bytes.p, *end = span_end(bytes);
	uint32_t n;
	while ((n = line_end_at(at, end)) > 0) {
		if (n == 2 && half)
			++*pongs;
		half = n == 2 && !half;
		at += n;
	}
	if (half && (at == end || (*at == '\r' && end - at == 1)))
		at -= 2;
	return span_between(at, end);
}

/* The end of the first line of the header section of `bytes`, and the end of the section: NULL when
 * not here yet. */
static const char *head_end(struct span bytes, const char **first_line_end)
{
	const char *at = bytes.p, *end = span_end(bytes);
	*first_line_end = NULL;
	while (at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		if (!lf)
			return NULL;
		if (!*first_line_end)
			*first_line_end = lf;
		at = lf + 1;
		uint32_t blank = line_end_at(at, end);
		if (blank)
			return at + blank;
	}
	return NULL;
}

/* The value of the header line at `at` when it is a Content-Length: from behind the colon to the
 * end of the last fold. */
static bool is_content_length(const char *at, const char *end, struct span *value)
{
	if ((*at | 0x20) != 'c' && (*at | 0x20) != 'l')
		return false;
	const char *lf = memchr(at, '\n', (size_t)(end - at));
	const char *colon = memchr(at, ':', (size_t)((lf ? lf : end) - at));
	if (!colon)
		return false;
	struct span name = span_between(at, colon);
	while (name.n && char_is_blank(name.p[name.n - 1]))
		name.n--;
	if (hdr_id_of(name) != HDR_CONTENT_LENGTH)
		return false;
	while (lf && lf + 1 < end && char_is_blank(lf[1]))
		lf = memchr(lf + 1, '\n', (size_t)(end - lf - 1));
	*value = span_trim(span_between(colon + 1, lf ? lf : end));
	return true;
}

/* RFC 3261 18.3: streams need it. -1: absent, malformed, too large, or two that differ. */
static int64_t body_length(const char *at, const char *end)
{
	int64_t length = -1;
	while (at < end) {
		struct span value;
		if (is_content_length(at, end, &value)) {
			uint32_t n;
			if (!span_u32(value, &n) || n > MSG_SIZE_MAX ||
				(length >= 0 && length != n))
				return -1;
			length = n;
		}
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		at = lf ? lf + 1 : end;
	}
	return length;
}

int64_t frame_next(struct span bytes, uint32_t *skip, uint32_t *pongs)
{
	*pongs = 0;
	struct span rest = skip_line_ends(bytes, pongs);
	*skip = (uint32_t)(rest.p - bytes.p);
	if (!rest.n || rest.p[0] == '\r')
		return rest.n > 1 && rest.p[1] != '\n' ? -1 : 0;
	if (!char_is(rest.p[0], CHAR_TOKEN))
		return -1;
	const char *first_line_end;
	const char *body = head_end(rest, &first_line_end);
	if (first_line_end && !line_is_sip(span_between(rest.p, first_line_end)))
		return -1;
	if (!body)
		return rest.n >= MSG_HEADER_SECTION_MAX ? -1 : 0;
	size_t head = (size_t)(body - rest.p);
	int64_t length = body_length(first_line_end + 1, body);
	if (head > MSG_HEADER_SECTION_MAX || length < 0 || head + (size_t)length > MSG_SIZE_MAX)
		return -1;
	return rest.n >= head + (size_t)length ? (int64_t)head + length : 0;
}

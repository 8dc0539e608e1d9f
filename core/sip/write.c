#include "sip/write.h"

#include "base/check.h"
#include "base/put.h"

enum { WRITE_PIECES_MAX = 64 };

/* Piece `k` of a message: start line, headers, a Content-Length line that was missing, blank line,
 * body. */
static struct span piece(const struct msg *msg, struct span length_line, uint32_t k)
{
	if (k == 0)
		return msg->start_line;
	k--;
	if (k < msg->n_headers)
		return span_of(msg->headers[k].line, msg->headers[k].line_n);
	switch (k - msg->n_headers) {
	case 0:
		return length_line;
	case 1:
		return msg->blank;
	default:
		return msg->body;
	}
}

static struct span length_line_make(struct msg *msg)
{
	char text[40], *end = put_u32(put_text(text, "Content-Length: "), msg->body.n);
	return arena_copy(&msg->arena, span_between(text, put_text(end, "\r\n")));
}

/* The last piece given and all from `k` on as one copy. */
static void copy_rest(
	struct msg *msg, struct span length_line, struct iovec *last, uint32_t k, uint32_t pieces)
{
	size_t n = last->iov_len;
	for (uint32_t i = k; i < pieces; i++)
		n += piece(msg, length_line, i).n;
	char *copy = arena_alloc(&msg->arena, (uint32_t)n), *at = copy;
	memcpy(at, last->iov_base, last->iov_len);
	at += last->iov_len;
	for (; k < pieces; k++) {
		struct span s = piece(msg, length_line, k);
		memcpy(at, s.p, s.n);
		at += s.n;
	}
	*last = (struct iovec){copy, n};
}

uint32_t write_msg(struct msg *msg, struct iovec *iov, uint32_t max, bool reliable)
{
	BUG(max == 0);
	bool adds_length = reliable && msg_find(msg, HDR_CONTENT_LENGTH, 0) < 0;
	if (!msg->edited && !adds_length) {
		iov[0] = (struct iovec){(char *)msg->raw.p, msg->raw.n};
		return 1;
	}
	struct span length_line = adds_length ? length_line_make(msg) : span_of("", 0);
	uint32_t n = 0, pieces = msg->n_headers + 4u;
	const char *end = NULL; /* of the piece being extended */
	for (uint32_t k = 0; k < pieces; k++) {
		struct span s = piece(msg, length_line, k);
		if (s.n == 0)
			continue;
		if (s.p != end) {
			if (n == max) {
				copy_rest(msg, length_line, &iov[n - 1], k, pieces);
				break;
			}
			iov[n++].iov_base = (char *)s.p;
		}
		end = span_end(s);
		for (; k < msg->n_headers && msg->headers[k].line == end; k++) /* piece k + 1 */
			end += msg->headers[k].line_n;
		iov[n - 1].iov_len = (size_t)(end - (char *)iov[n - 1].iov_base);
	}
	return n;
}

char *write_joined(const struct iovec *iov, uint32_t pieces, uint32_t *n)
{
	*n = (uint32_t)write_length(iov, pieces);
	char *copy = must_alloc(*n ? *n : 1), *to = copy;
	for (uint32_t i = 0; i < pieces; i++)
		to = put_span(to, span_of(iov[i].iov_base, iov[i].iov_len));
	return copy;
}

char *write_copy(struct msg *msg, bool reliable, uint32_t *n)
{
	struct iovec iov[WRITE_PIECES_MAX];
	return write_joined(iov, write_msg(msg, iov, WRITE_PIECES_MAX, reliable), n);
}

size_t write_length(const struct iovec *iov, uint32_t n)
{
	size_t length = 0;
	for (uint32_t i = 0; i < n; i++)
		length += iov[i].iov_len;
	return length;
}

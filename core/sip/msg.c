#include "sip/msg.h"

#include "base/put.h"
#include "sip/line.h"

#define VERSION_TEXT "SIP/2.0"
enum { VERSION_LENGTH = sizeof VERSION_TEXT - 1 };

/* The first reason stands; indexing goes on, because an answer needs the headers behind the error
 * too. */
static void refuse(struct msg_error *error, uint32_t code, const char *reason)
{
	if (!error->reason)
		*error = (struct msg_error){code, reason};
}

/* SIP-Version is compared without regard to case (RFC 3261 7.1). */
static bool is_version(struct span text)
{
	return text.n == VERSION_LENGTH && (memcmp(text.p, VERSION_TEXT, VERSION_LENGTH) == 0 ||
						   span_ieq(text, SPAN(VERSION_TEXT)));
}

/* Walks the control bytes of the header section once, whatever they turn out to be. */
struct controls {
	const char *next;  /* the block after that of `mask` */
	uint64_t mask;	   /* possible control bytes of the block before `next` not yet given */
	const char *begin; /* of the message */
	const char *limit; /* of the header section */
};

/* The mask of the last block at `p`, which is shorter. */
static __attribute__((noinline)) uint64_t control_tail(
	const char *begin, const char *p, const char *limit)
{
	int n = (int)(limit - p);
	if (limit - begin >= CONTROL_BLOCK)
		return control_mask(limit - CONTROL_BLOCK) >> (CONTROL_BLOCK - n);
	uint64_t mask = 0;
	for (int i = 0; i < n; i++)
		mask |= (uint64_t)(p[i] == '\t' || char_is_control(p[i])) << i;
	return mask;
}

/* Steps to the next block that has any; false at the limit. */
static inline __attribute__((always_inline)) bool control_fill(struct controls *controls)
{
	do {
		const char *p = controls->next;
		if (p >= controls->limit)
			return false;
		controls->mask = controls->limit - p >= CONTROL_BLOCK
					 ? control_mask(p)
					 : control_tail(controls->begin, p, controls->limit);
		controls->next = p + CONTROL_BLOCK;
	} while (!controls->mask);
	return true;
}

/* What a line holds besides text. */
enum { LINE_FOLDS = 1, LINE_TABS = 2, LINE_CONTROLS = 4 };

struct line {
	const char *end;     /* where its line end begins */
	const char *next;    /* behind the line end */
	unsigned char first; /* of the next line; NUL when there is none */
	unsigned odd;	     /* LINE_ bits */
};

enum folds { NO_FOLDS, FOLDS };

/* The line that begins at `at`. False when it does not end before the limit; line->end is that
 * then. */
static inline __attribute__((always_inline)) bool line_next(struct msg *msg,
	struct controls *controls, const char *at, enum folds folds, struct line *line)
{
	line->odd = 0;
	for (;;) {
		if (!controls->mask && !control_fill(controls)) {
			line->end = line->next = controls->limit;
			return false;
		}
		size_t bit = (size_t)__builtin_ctzll(controls->mask);
		const char *p = controls->next - CONTROL_BLOCK + bit, *next = p + 1;
		controls->mask &= controls->mask - 1;
		if (__builtin_expect(*p == '\r' && next < controls->limit && *next == '\n', 1)) {
			next++;
			controls->mask &= controls->mask - 1; /* the LF, or nothing: see below */
		} else if (p < at) {
			continue; /* an LF whose CR was the last byte of the block before */
		} else if (*p != '\n') {
			line->odd |= *p == '\t' ? LINE_TABS : 0;
			line->odd |= char_is_control(*p) ? LINE_CONTROLS : 0;
			continue;
		} else {
			msg->has_bare_lf = true;
		}
		line->end = p;
		line->next = next;
		line->first = next < controls->limit ? (unsigned char)*next : 0;
		if (folds == NO_FOLDS || line->first > ' ' || !char_is_blank((char)line->first))
			return true;
		line->odd |= LINE_FOLDS;
		at = next;
	}
}

/* Status-Line = SIP-Version SP Status-Code SP Reason-Phrase. Nobody answers a response, so every
 * error has code 0. */
static void parse_status_line(struct msg *msg, struct span line, struct msg_error *error)
{
	struct span rest = span_from(line, VERSION_LENGTH);
	msg->is_request = false;
	if (line.n < VERSION_LENGTH || !is_version(span_of(line.p, VERSION_LENGTH)) || rest.n < 4 ||
		rest.p[0] != ' ' || !span_u32(span_of(rest.p + 1, 3), &msg->code) ||
		msg->code < 100 || msg->code > 699) {
		refuse(error, 0, "Bad Status Line");
		return;
	}
	rest = span_from(rest, 4);
	if (rest.n && rest.p[0] != ' ')
		refuse(error, 0, "Bad Status Code");
	msg->reason = span_from(rest, 1);
}

/* Why a line that does not read "Method SP Request-URI SP SIP/2.0" is refused. */
static void refuse_request_line(struct span line, struct msg_error *error)
{
	if (!line_is_sip(line)) {
		refuse(error, 0, "Not SIP");
		return;
	}
	struct span trimmed = span_trim(line);
	const char *last = memrchr(trimmed.p, ' ', trimmed.n);
	struct span version = last ? span_between(last + 1, span_end(trimmed)) : trimmed;
	if (version.n > 4 && span_ieq(span_of(version.p, 4), SPAN("SIP/")) && !is_version(version))
		refuse(error, 505, "Version Not Supported");
	else
		refuse(error, 400, "Bad Request Line");
}

/* Request-Line = Method SP Request-URI SP SIP-Version, with exactly these spaces: RFC 4475 3.1.2.8
 * to 3.1.2.10. */
static void parse_request_line(
	struct msg *msg, struct span line, unsigned odd, struct msg_error *error)
{
	const char *end = span_end(line), *first = byte_find(line.p, end, ' ');
	const char *last = line.n > VERSION_LENGTH ? end - VERSION_LENGTH - 1 : NULL;
	msg->is_request = true;
	if (first) { /* an ACK of any version must be known for one: it is never answered */
		msg->method = span_between(line.p, first);
		msg->method_id = method_id_of(msg->method);
	}
	if (!last || *last != ' ' || !is_version(span_between(last + 1, end))) {
		refuse_request_line(line, error);
		return;
	}
	msg->uri = last > first ? span_between(first + 1, last) : span_of(last, 0);
	if (!msg->method_id && !span_is_token(msg->method))
		refuse(error, 400, "Bad Method");
	else if (msg->method.n > MSG_METHOD_MAX)
		refuse(error, 501, "Method Too Long");
	else if (!msg->uri.n || span_find(msg->uri, ' ') || (odd && span_find(msg->uri, '\t')))
		refuse(error, 400, "Bad Request-URI");
	else if (msg->uri.n > URI_LENGTH_MAX)
		refuse(error, 414, "Request-URI Too Long");
}

/* Parses the first line. NULL when this is no SIP, or nothing follows that line. */
static const char *index_start_line(
	struct msg *msg, struct controls *controls, struct msg_error *error)
{
	const char *at = msg->raw.p;
	struct line line;
	bool ends = line_next(msg, controls, at, NO_FOLDS, &line);
	struct span text = span_between(at, line.end);
	msg->start_line = span_between(at, line.next);
	if (text.n >= 4 && at[3] == '/' && span_ieq(span_of(at, 4), SPAN("SIP/")))
		parse_status_line(msg, text, error);
	else
		parse_request_line(msg, text, line.odd, error);
	if (error->reason && error->code == 0)
		return NULL;
	if (line.odd & LINE_CONTROLS)
		refuse(error, 400, "Control Byte In Request Line");
	if (!ends) {
		refuse(error, 400, "Header Section Not Closed");
		return NULL;
	}
	return line.next;
}

struct name {
	uint32_t n;
	enum hdr_id id;
};

/* A name to look closer at: blanks may separate it from its colon. n is 0 when it is none. */
static __attribute__((noinline)) struct name odd_name(const char *at, const char *colon)
{
	struct span name = span_between(at, colon ? colon : at);
	while (name.n && char_is_blank(name.p[name.n - 1]))
		name.n--;
	enum hdr_id id = hdr_id_of(name);
	bool good = id != HDR_OTHER || (name.n <= MSG_NAME_MAX && span_is_token(name));
	return (struct name){good ? name.n : 0, id};
}

/* The first colon of the line, or NULL, and the id when it is seen at a glance. */
static inline const char *take_colon(const char *at, const struct line *line, enum hdr_id *id)
{
	*id = HDR_OTHER;
#ifdef __SSE2__
	if (line->next - at >= HDR_LINE) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		int colons = _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(':')));
		if (colons) {
			*id = hdr_id_of_line(v, (unsigned)colons);
			return at + __builtin_ctz((unsigned)colons);
		}
	}
#endif
	return memchr(at, ':', (size_t)(line->end - at));
}

/* The value of a line whose colon is at `colon`. */
static inline struct span take_value(const char *colon, const char *end)
{
	if (end - colon > 2 && colon[1] == ' ' && (unsigned char)colon[2] > ' ' &&
		(unsigned char)end[-1] > ' ') /* as nearly all have it */
		return span_between(colon + 2, end);
	return span_trim(span_between(colon + 1, end));
}

/* message-header of RFC 3261 25.1: a token, blanks, ":", the value. What is no header is not
 * indexed: false. */
static inline bool index_header(const char *at, const struct line *line, struct hdr *hdr,
	uint8_t *id, struct msg_error *error)
{
	struct name name;
	const char *colon = take_colon(at, line, &name.id);
	if (name.id == HDR_OTHER)
		name = odd_name(at, colon);
	else
		name.n = (uint32_t)(colon - at);
	if (!name.n) {
		refuse(error, 400, "Bad Header Name");
		return false;
	}
	if (line->next - at > MSG_HEADER_LENGTH_MAX) {
		refuse(error, 400, "Header Too Long");
		return false;
	}
	struct span value = take_value(colon, line->end);
	if (line->odd & LINE_CONTROLS && !text_is_clean(span_between(colon + 1, line->end)))
		refuse(error, 400, "Control Byte In Header");
	*id = (uint8_t)name.id;
	*hdr = (struct hdr){.line = at,
		.line_n = (uint16_t)(line->next - at),
		.value_n = (uint16_t)value.n,
		.value_at = (uint16_t)(value.p - at),
		.name_n = (uint16_t)name.n,
		.folded = line->odd & LINE_FOLDS};
	return true;
}

/* Where the body begins, or NULL when the section is not closed. */
static __attribute__((noinline)) const char *index_headers(
	struct msg *msg, const char *at, struct controls controls, struct msg_error *error)
{
	const char *limit = controls.limit;
	struct hdr *headers = msg->headers;
	uint8_t *id = msg->id;
	unsigned n = 0;
	struct line line = {.first = at < limit ? (unsigned char)*at : 0};
	for (;;) {
		uint32_t blank = line.first <= '\r' ? line_end_at(at, limit) : 0;
		if (blank) {
			msg->blank = span_of(at, blank);
			return at + blank;
		}
		if (n == MSG_HEADERS_MAX) {
			if (at == limit)
				break;
			refuse(error, 400, "Too Many Headers");
			return NULL;
		}
		if (!line_next(msg, &controls, at, FOLDS, &line))
			break;
		if (index_header(at, &line, &headers[n], &id[n], error))
			msg->n_headers = (uint16_t)++n;
		at = line.next;
	}
	if (limit < span_end(msg->raw))
		refuse(error, 513, "Header Section Too Long");
	else
		refuse(error, 400, "Header Section Not Closed");
	return NULL;
}

/* RFC 3261 18.3: on datagrams a shorter Content-Length cuts, a longer one is an error. */
static void cut_body(struct msg *msg, const char *at, struct msg_error *error)
{
	struct span rest = span_between(at, span_end(msg->raw));
	uint32_t length = rest.n;
	bool found = false;
	for (int i = msg_find(msg, HDR_CONTENT_LENGTH, 0); i >= 0;
		i = msg_find(msg, HDR_CONTENT_LENGTH, i + 1)) {
		uint32_t value;
		if (!span_u32(hdr_value(&msg->headers[i]), &value)) {
			refuse(error, 400, "Bad Content-Length");
			return;
		}
		if (found && value != length) {
			refuse(error, 400, "Conflicting Content-Length");
			return;
		}
		found = true;
		length = value;
	}
	if (length > rest.n) {
		refuse(error, 400, "Content-Length Beyond Message");
		return;
	}
	msg->body = span_of(at, length);
	msg->raw = span_between(msg->raw.p, at + length);
}

/* Lines end with CRLF (RFC 3261 7). Who ends them with less is understood, but others have to read
 * what is made of it: on a stream a strict one takes all that follows for the rest of this head. So
 * the message is replaced by a copy, in the arena, with a CR before each LF of its head that has
 * none. */
static __attribute__((noinline)) int parse_with_crlf(struct msg *msg, struct msg_error *error)
{
	const char *at = msg->raw.p, *body = at + msg->head_n;
	uint32_t lines = 0;
	for (const char *lf = at; (lf = memchr(lf, '\n', (size_t)(body - lf))); lf++)
		lines++;
	char *text = arena_alloc(&msg->arena, msg->raw.n + lines), *to = text;
	for (; at < body; at++) {
		if (*at == '\n' && at[-1] != '\r')
			*to++ = '\r';
		*to++ = *at;
	}
	return msg_parse(msg, span_between(text, put_span(to, msg->body)), error);
}

int msg_parse(struct msg *msg, struct span bytes, struct msg_error *error)
{
	uint32_t n;
	while ((n = line_end_at(bytes.p, span_end(bytes))) > 0) /* RFC 3261 7.5 */
		bytes = span_from(bytes, n);
	msg->raw = bytes;
	msg->is_request = msg->edited = msg->has_bare_lf = false;
	msg->method_id = METHOD_OTHER;
	msg->code = 0;
	msg->method = msg->uri = msg->reason = msg->start_line = span_of(bytes.p, 0);
	msg->blank = msg->body = span_from(bytes, bytes.n);
	msg->n_headers = 0;
	msg_wake(msg);
	msg_views_forget(msg);
	*error = (struct msg_error){0, NULL};
	if (!bytes.n) {
		refuse(error, 0, "Empty");
		return -1;
	}
	struct controls controls = {.next = bytes.p, .begin = bytes.p};
	controls.limit =
		bytes.p + (bytes.n < MSG_HEADER_SECTION_MAX ? bytes.n : MSG_HEADER_SECTION_MAX);
	const char *at = index_start_line(msg, &controls, error);
	msg->received_uri = msg->uri;
	if (at)
		at = index_headers(msg, at, controls, error);
	if (at) {
		msg->head_n = (uint32_t)(at - bytes.p);
		cut_body(msg, at, error);
		if (msg->raw.n > MSG_SIZE_MAX)
			refuse(error, 513, "Message Too Large");
	}
	if (!error->reason && (msg->has_bare_lf || msg->blank.n == 1))
		return parse_with_crlf(msg, error);
	if (!error->reason)
		return 0;
	if (!msg->is_request)
		error->code = 0;
	return -1;
}

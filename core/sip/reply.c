/* Replies from requests (RFC 3261 8.2.6), malformed requests included. */
#include "base/put.h"
#include "sip/line.h"
#include "sip/write.h"

struct span reason_phrase(uint32_t code)
{
	switch (code) {
#define REASON(number, phrase)                                                                     \
	case number:                                                                               \
		return SPAN(phrase);
#include "sip/reason.def"
#undef REASON
	default:
		return SPAN("Unknown");
	}
}

/* Echoes what a peer wrote. Folds stay folds (a bare LF becomes CRLF) and escaped control bytes of
 * quoted strings stay; any other control byte becomes a space, so that no header line begins that
 * we did not begin. */
static char *put_echo(char *at, struct span text)
{
	const char *end = span_end(text);
	bool quoted = false;
	if (control_find(text.p, end) == end)
		return text.n ? put_span(at, text) : at;
	for (const char *p = text.p; p < end; p++) {
		uint32_t fold = line_end_at(p, end);
		if (*p == '"')
			quoted = !quoted;
		if (quoted && *p == '\\' && p + 1 < end && p[1] != '\r' && p[1] != '\n') {
			*at++ = *p++;
			*at++ = *p;
		} else if (fold && p + fold < end && char_is_blank(p[fold])) {
			*at++ = '\r';
			*at++ = '\n';
			p += fold - 1;
		} else {
			*at++ = char_is_control(*p) ? ' ' : *p;
		}
	}
	return at;
}

/* `text` may be absent. */
static char *put(char *at, struct span text)
{
	return text.n ? put_span(at, text) : at;
}

/* Room for put_echo: each LF may grow by one byte. */
static size_t echo_room(const struct msg *msg, int i)
{
	return msg->headers[i].value_n * (size_t)(msg->headers[i].folded ? 2 : 1);
}

/* Headers that go into the reply, by index. */
struct echoed {
	uint32_t n;
	uint8_t header[MSG_HEADERS_MAX];
	size_t room;
};

enum which { ECHO_FIRST, ECHO_ALL };

static void echo(const struct msg *msg, struct echoed *echoed, enum hdr_id id, enum which which)
{
	int i = msg_find(msg, id, 0);
	for (; i >= 0; i = which == ECHO_ALL ? msg_find(msg, id, i + 1) : -1) {
		echoed->header[echoed->n++] = (uint8_t)i;
		echoed->room += hdr_name(id).n + 4 + echo_room(msg, i);
	}
}

/* RFC 3261 12.1.1, RFC 6665 4.4.1: only these requests create dialogs. */
static bool creates_dialog(enum method_id method)
{
	return method == METHOD_INVITE || method == METHOD_SUBSCRIBE || method == METHOD_REFER ||
	       method == METHOD_NOTIFY;
}

/* Whether a tag must be added to the To. One that does not parse is searched for what looks like a
 * tag. */
static bool lacks_tag(struct msg *msg)
{
	const struct nameaddr *to = msg_to(msg);
	if (to)
		return !nameaddr_tag(to).p;
	struct span text = msg_value(msg, HDR_TO);
	const char *bracket = text.n ? memrchr(text.p, '>', text.n) : NULL;
	struct span params = bracket ? span_between(bracket, span_end(text)) : text;
	const char *semicolon = span_find(params, ';');
	struct param param;
	return !semicolon ||
	       !param_find(span_between(semicolon, span_end(params)), SPAN("tag"), &param);
}

static void choose_headers(const struct msg *msg, const struct reply *reply, struct echoed *echoed)
{
	echo(msg, echoed, HDR_VIA, ECHO_ALL);
	if (reply->code > 100 && reply->code < 300 && creates_dialog(msg->method_id))
		echo(msg, echoed, HDR_RECORD_ROUTE, ECHO_ALL);
	echo(msg, echoed, HDR_FROM, ECHO_FIRST);
	echo(msg, echoed, HDR_TO, ECHO_FIRST);
	echo(msg, echoed, HDR_CALL_ID, ECHO_FIRST);
	echo(msg, echoed, HDR_CSEQ, ECHO_FIRST);
	if (reply->code == 100)
		echo(msg, echoed, HDR_TIMESTAMP, ECHO_FIRST);
}

static char *put_headers(char *at, struct msg *msg, const struct echoed *echoed, struct span to_tag)
{
	for (uint32_t k = 0; k < echoed->n; k++) {
		int i = echoed->header[k];
		at = put(at, hdr_name(msg->id[i]));
		at = put_text(at, ": ");
		at = put_echo(at, hdr_value(&msg->headers[i]));
		if (msg->id[i] == HDR_TO && to_tag.n) {
			at = put_text(at, ";tag=");
			at = put(at, to_tag);
		}
		at = put_text(at, "\r\n");
	}
	return at;
}

bool write_reply(struct msg *request, const struct reply *reply, struct span *out)
{
	struct echoed echoed = {.n = 0, .room = 0};
	if (!request->is_request || reply->code < 100 || reply->code > 699 ||
		msg_find(request, HDR_VIA, 0) < 0)
		return false;
	choose_headers(request, reply, &echoed);
	struct span reason = reply->reason.n ? reply->reason : reason_phrase(reply->code);
	struct span tag = reply->to_tag;
	if (reply->code == 100 || msg_find(request, HDR_TO, 0) < 0 || !lacks_tag(request))
		tag.n = 0;
	struct span type = reply->body.n ? reply->body_type : span_of("", 0);
	enum {
		FIXED = sizeof "SIP/2.0 100 \r\n;tag=Content-Type: \r\nContent-Length: "
			       "4294967295\r\n\r\n"
	};
	size_t room = FIXED + echoed.room + reason.n + (size_t)tag.n + reply->headers.n + type.n +
		      reply->body.n;
	if (room > REPLY_LENGTH_MAX)
		return false;
	char *text = arena_alloc(&request->arena, (uint32_t)room), *at = text;
	at = put_u32(put_text(at, "SIP/2.0 "), reply->code);
	*at++ = ' ';
	at = put_echo(at, reason);
	at = put_text(at, "\r\n");
	at = put_headers(at, request, &echoed, tag);
	at = put(at, reply->headers);
	if (type.n) {
		at = put_text(at, "Content-Type: ");
		at = put_echo(at, type);
		at = put_text(at, "\r\n");
	}
	at = put_u32(put_text(at, "Content-Length: "), reply->body.n);
	at = put_text(at, "\r\n\r\n");
	at = put(at, reply->body);
	*out = span_between(text, at);
	return true;
}

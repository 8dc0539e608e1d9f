#include "sip/edit.h"

#include "base/put.h"
#include "sip/line.h"

static void views_changed(struct msg *msg, enum hdr_id id)
{
	msg->edited = true;
	switch (id) {
	case HDR_VIA:
		msg->via_view = VIEW_UNKNOWN;
		break;
	case HDR_FROM:
		msg->from_view = VIEW_UNKNOWN;
		break;
	case HDR_TO:
		msg->to_view = VIEW_UNKNOWN;
		break;
	case HDR_CSEQ:
		msg->cseq_view = VIEW_UNKNOWN;
		if (!msg->is_request)
			msg->method_id =
				msg_cseq(msg) ? msg->room->views.cseq.method_id : METHOD_OTHER;
		break;
	default:
		break;
	}
}

/* Whether `add` more bytes fit where `remove` bytes of the header section go away. */
static bool fits(const struct msg *msg, size_t add, uint32_t remove)
{
	return add <= MSG_HEADER_LENGTH_MAX && msg->arena.used + add <= MSG_EDITS_MAX &&
	       msg->head_n - remove + add <= MSG_HEADER_SECTION_MAX;
}

static size_t line_length(struct span name, struct span value)
{
	return (size_t)name.n + 2 + value.n + 2;
}

static int line_check(const struct msg *msg, struct span name, struct span value)
{
	if (name.n > MSG_NAME_MAX || !span_is_token(name))
		return EDIT_BAD_NAME;
	if (!text_is_writable(value))
		return EDIT_BAD_VALUE;
	return fits(msg, line_length(name, value), 0) ? 0 : EDIT_TOO_MANY;
}

/* The same where the name is known to be one. */
static int value_check(
	const struct msg *msg, struct span name, struct span value, uint32_t replaced)
{
	if (!text_is_writable(value))
		return EDIT_BAD_VALUE;
	return fits(msg, line_length(name, value), replaced) ? 0 : EDIT_TOO_MANY;
}

/* "name: value" in the arena. Limits are checked before. */
static struct hdr line_make(struct msg *msg, struct span name, struct span value)
{
	uint32_t n = (uint32_t)line_length(name, value);
	char *line = arena_alloc(&msg->arena, n);
	memcpy(line, name.p, name.n);
	memcpy(line + name.n, ": ", 2);
	if (value.n)
		memcpy(line + name.n + 2, value.p, value.n);
	memcpy(line + n - 2, "\r\n", 2);
	return (struct hdr){.line = line,
		.line_n = (uint16_t)n,
		.value_at = (uint16_t)(name.n + 2),
		.value_n = (uint16_t)value.n,
		.name_n = (uint16_t)name.n};
}

static void header_replace(struct msg *msg, int i, struct hdr hdr)
{
	msg->head_n += hdr.line_n - msg->headers[i].line_n;
	msg->headers[i] = hdr;
	views_changed(msg, msg->id[i]);
}

/* Makes room for `n` headers at index `at`. */
static void headers_open(struct msg *msg, int at, int n)
{
	size_t behind = (size_t)(msg->n_headers - at);
	msg_wake(msg);
	memmove(msg->headers + at + n, msg->headers + at, behind * sizeof msg->headers[0]);
	memmove(msg->id + at + n, msg->id + at, behind);
	msg->n_headers = (uint16_t)(msg->n_headers + n);
}

static void header_fill(struct msg *msg, int at, enum hdr_id id, struct hdr hdr)
{
	msg->headers[at] = hdr;
	msg->id[at] = (uint8_t)id;
	msg->head_n += hdr.line_n;
}

static void header_insert(struct msg *msg, int at, enum hdr_id id, struct hdr hdr)
{
	headers_open(msg, at, 1);
	header_fill(msg, at, id, hdr);
	views_changed(msg, id);
}

/* Removes the headers of that name from index `from` on, in one pass. */
static void headers_remove(struct msg *msg, struct span name, int from)
{
	enum hdr_id id = hdr_id_of(name);
	int kept = msg_find_name(msg, name, from);
	if (kept < 0)
		return;
	for (int i = kept; i < msg->n_headers; i++) {
		struct hdr *hdr = &msg->headers[i];
		if (msg->id[i] == id && (id != HDR_OTHER || span_ieq(hdr_name_text(hdr), name))) {
			msg->head_n -= hdr->line_n;
			continue;
		}
		msg->headers[kept] = *hdr;
		msg->id[kept++] = msg->id[i];
	}
	msg->n_headers = (uint16_t)kept;
	views_changed(msg, id);
}

int edit_set(struct msg *msg, struct span name, struct span value)
{
	int i = msg_find_name(msg, name, 0);
	if (i < 0)
		return edit_add(msg, name, value);
	int error = edit_value(msg, i, value);
	if (!error)
		headers_remove(msg, name, i + 1);
	return error;
}

int edit_add(struct msg *msg, struct span name, struct span value)
{
	enum hdr_id id = hdr_id_of(name);
	value = span_trim(value);
	if (id == HDR_CONTENT_LENGTH)
		return EDIT_REFUSED;
	int error = line_check(msg, name, value);
	if (error)
		return error;
	if (msg->n_headers == MSG_HEADERS_MAX)
		return EDIT_TOO_MANY;
	int at = msg->n_headers;
	for (int i = msg_find_name(msg, name, 0); i >= 0; i = msg_find_name(msg, name, i + 1))
		at = i + 1;
	header_insert(msg, at, id, line_make(msg, name, value));
	return 0;
}

int edit_remove(struct msg *msg, struct span name)
{
	if (hdr_id_of(name) == HDR_CONTENT_LENGTH)
		return EDIT_REFUSED;
	headers_remove(msg, name, 0);
	return 0;
}

int edit_insert(struct msg *msg, int at, enum hdr_id id, struct span value)
{
	value = span_trim(value);
	if (id == HDR_CONTENT_LENGTH)
		return EDIT_REFUSED;
	if (id == HDR_OTHER)
		return EDIT_BAD_NAME;
	int error = value_check(msg, hdr_name(id), value, 0);
	if (error)
		return error;
	if (msg->n_headers == MSG_HEADERS_MAX)
		return EDIT_TOO_MANY;
	at = at < 0 ? 0 : at > msg->n_headers ? msg->n_headers : at;
	header_insert(msg, at, id, line_make(msg, hdr_name(id), value));
	return 0;
}

char *edit_lines_room(struct msg *msg, uint32_t lines, uint32_t n)
{
	if (msg->n_headers + lines > MSG_HEADERS_MAX || !fits(msg, n, 0))
		return NULL;
	return arena_alloc(&msg->arena, n);
}

void edit_lines_written(struct msg *msg, char *end)
{
	arena_shrink(&msg->arena, end);
}

void edit_insert_lines(struct msg *msg, int at, const struct edit_line *lines, uint32_t n)
{
	at = at < 0 ? 0 : at;
	headers_open(msg, at, (int)n);
	for (uint32_t i = 0; i < n; i++) {
		struct span text = lines[i].text;
		uint32_t name_n = hdr_name(lines[i].id).n;
		header_fill(msg, at + (int)i, lines[i].id,
			(struct hdr){.line = text.p,
				.line_n = (uint16_t)text.n,
				.value_at = (uint16_t)(name_n + 2),
				.value_n = (uint16_t)(text.n - name_n - 4),
				.name_n = (uint16_t)name_n});
		views_changed(msg, lines[i].id);
	}
}

int edit_value(struct msg *msg, int i, struct span value)
{
	if (i < 0 || i >= msg->n_headers)
		return EDIT_BAD_NAME;
	if (msg->id[i] == HDR_CONTENT_LENGTH)
		return EDIT_REFUSED;
	struct span name = hdr_name_text(&msg->headers[i]);
	value = span_trim(value);
	int error = value_check(msg, name, value, msg->headers[i].line_n);
	if (!error)
		header_replace(msg, i, line_make(msg, name, value));
	return error;
}

int edit_clean_value(struct msg *msg, int i, struct span value)
{
	struct span name = hdr_name_text(&msg->headers[i]);
	if (!fits(msg, line_length(name, value), msg->headers[i].line_n))
		return EDIT_TOO_MANY;
	header_replace(msg, i, line_make(msg, name, value));
	return 0;
}

void edit_remove_at(struct msg *msg, int i)
{
	if (i < 0 || i >= msg->n_headers)
		return;
	enum hdr_id id = msg->id[i];
	size_t behind = (size_t)(msg->n_headers - i - 1);
	msg->head_n -= msg->headers[i].line_n;
	memmove(msg->headers + i, msg->headers + i + 1, behind * sizeof msg->headers[0]);
	memmove(msg->id + i, msg->id + i + 1, behind);
	msg->n_headers--;
	views_changed(msg, id);
}

int edit_pop_value(struct msg *msg, enum hdr_id id)
{
	int i = msg_find(msg, id, 0);
	if (i < 0)
		return 0;
	if (id == HDR_CONTENT_LENGTH)
		return EDIT_REFUSED;
	struct span rest = msg_unfolded(msg, i), value;
	if (hdr_kind_of(id) == HDR_KIND_LIST && span_find(rest, ',') && list_next(&rest, &value))
		rest = span_trim(rest);
	else
		rest.n = 0;
	if (!rest.n) {
		edit_remove_at(msg, i);
		return 0;
	}
	/* A quote that stood in <> no longer covers the control bytes behind it. */
	if (!text_is_clean(rest))
		return EDIT_BAD_VALUE;
	struct span name = hdr_name_text(&msg->headers[i]);
	if (!fits(msg, line_length(name, rest), msg->headers[i].line_n))
		return EDIT_TOO_MANY;
	header_replace(msg, i, line_make(msg, name, rest));
	return 0;
}

static char *put(char *at, struct span text)
{
	return text.n ? put_span(at, text) : at;
}

int edit_uri(struct msg *msg, struct span uri)
{
	static const char version[] = " SIP/2.0\r\n";
	struct uri parsed;
	if (!msg->is_request)
		return EDIT_REFUSED;
	if (uri_parse(uri, &parsed) < 0)
		return EDIT_BAD_VALUE;
	/* RFC 3261 19.1.1: no headers in a Request-URI */
	if (parsed.scheme != URI_OTHER && parsed.scheme != URI_TEL && parsed.headers.n)
		return EDIT_BAD_VALUE;
	size_t n = (size_t)msg->method.n + 1 + uri.n + sizeof version - 1;
	if (!fits(msg, n, msg->start_line.n))
		return EDIT_TOO_MANY;
	char *line = arena_alloc(&msg->arena, (uint32_t)n), *at = put(line, msg->method);
	*at++ = ' ';
	msg->uri = span_of(at, uri.n);
	at = put(at, uri);
	memcpy(at, version, sizeof version - 1);
	msg->head_n += (uint32_t)n - msg->start_line.n;
	msg->method.p = line;
	msg->start_line = span_of(line, n);
	msg->ruri_view = VIEW_UNKNOWN;
	msg->edited = true;
	return 0;
}

/* Sets or appends without the refusals of the public functions; limits are checked before. */
static void header_put(struct msg *msg, enum hdr_id id, struct span value)
{
	int i = msg_find(msg, id, 0);
	if (i < 0) {
		header_insert(msg, msg->n_headers, id, line_make(msg, hdr_name(id), value));
		return;
	}
	header_replace(msg, i, line_make(msg, hdr_name_text(&msg->headers[i]), value));
	headers_remove(msg, hdr_name(id), i + 1);
}

int edit_body(struct msg *msg, struct span body, struct span type)
{
	char digits[16];
	size_t n = (size_t)(put_u32(digits, body.n) - digits);
	type = span_trim(type);
	if (!text_is_writable(type))
		return EDIT_BAD_VALUE;
	bool adds_length = msg_find(msg, HDR_CONTENT_LENGTH, 0) < 0;
	bool adds_type = type.n && msg_find(msg, HDR_CONTENT_TYPE, 0) < 0;
	/* both lines with the longest name a peer may have given them */
	size_t lines = 2 * (MSG_NAME_MAX + 4) + (size_t)type.n + sizeof digits;
	if (msg->n_headers + adds_length + adds_type > MSG_HEADERS_MAX || body.n > MSG_SIZE_MAX ||
		msg->head_n + body.n > MSG_SIZE_MAX || !fits(msg, lines, 0) ||
		msg->arena.used + lines + body.n > MSG_EDITS_MAX)
		return EDIT_TOO_MANY;
	if (type.n)
		header_put(msg, HDR_CONTENT_TYPE, type);
	header_put(msg, HDR_CONTENT_LENGTH, span_of(digits, n));
	msg->body = arena_copy(&msg->arena, body);
	return 0;
}

enum { RECEIVED_ROOM = sizeof ";rport=65535" + sizeof ";received=" + ADDR_IP_TEXT_MAX };

static bool is_ip(struct span host, const struct addr *ip)
{
	struct addr addr;
	return addr_parse_ip(host, 0, &addr) && addr_same_ip(&addr, ip);
}

static char *put_rport(char *at, struct via *via, const struct addr *source)
{
	*at++ = '=';
	char *end = put_u32(at, addr_port(source));
	via->rport = span_between(at, end);
	return end;
}

/* The value without received, and with the port in rport wherever it stands. */
static char *put_replaced(char *at, struct via *via, const struct addr *source)
{
	struct param param;
	struct span rest = via->params;
	at = put(at, rest.n ? span_between(via->text.p, rest.p) : via->text);
	while (param_next(&rest, &param) > 0) {
		if (span_ieq(param.name, SPAN("rport")))
			at = put_rport(put_text(at, ";rport"), via, source);
		else if (!span_ieq(param.name, SPAN("received")))
			at = put(at, param.whole);
	}
	return at;
}

/* Writes the first Via value with the source in it and notes in `via` where it stands; true when
 * that says anything new. */
static bool put_received(char **at, struct via *via, const struct addr *source)
{
	bool is_new = via->has_rport || via->received.p;
	if (via->bare_rport && !via->received.p) { /* as nearly all write it */
		*at = put(*at, span_between(via->text.p, via->bare_rport));
		*at = put_rport(*at, via, source);
		*at = put(*at, span_between(via->bare_rport, span_end(via->text)));
	} else {
		*at = put_replaced(*at, via, source);
	}
	via->received = span_of(NULL, 0);
	if (!via->has_rport && is_ip(via->host, source))
		return is_new;
	char *value = put_text(*at, ";received=");
	*at = value + addr_print_ip(source, value);
	via->received = span_between(value, *at);
	return true;
}

int edit_received(struct msg *msg, const struct addr *source)
{
	const struct via *top = msg_top_via(msg);
	if (!top)
		return EDIT_BAD_VALUE;
	struct via via = *top;
	int i = msg_find(msg, HDR_VIA, 0);
	struct span name = hdr_name_text(&msg->headers[i]), value = msg_unfolded(msg, i);
	size_t room = line_length(name, value) + RECEIVED_ROOM;
	if (!fits(msg, room, msg->headers[i].line_n))
		return EDIT_TOO_MANY;
	char *line = arena_alloc(&msg->arena, (uint32_t)room),
	     *begin = put_text(put(line, name), ": ");
	char *at = begin;
	if (!put_received(&at, &via, source))
		return 0;
	while (char_is_blank(at[-1])) /* stood before what is gone now */
		at--;
	uint32_t params_at = via.params.n ? (uint32_t)(via.params.p - via.text.p) : via.text.n;
	struct span rest = span_between(span_end(via.text), span_end(value));
	via.text = span_between(begin, at);
	via.params = span_from(via.text, params_at);
	at = put(at, rest);
	struct hdr hdr = {
		.line = line, .value_at = (uint16_t)(begin - line), .name_n = (uint16_t)name.n};
	hdr.value_n = (uint16_t)(at - begin);
	at = put_text(at, "\r\n");
	hdr.line_n = (uint16_t)(at - line);
	header_replace(msg, i, hdr);
	/* The view stays: what else it points to has not changed. */
	msg->room->views.via = via;
	msg->via_view = VIEW_OK;
	return 0;
}

void edit_save(const struct msg *msg, struct edit_state *state)
{
	state->edited = msg->edited;
	state->n_headers = msg->n_headers;
	state->head_n = msg->head_n;
	state->method = msg->method;
	state->uri = msg->uri;
	state->start_line = msg->start_line;
	state->body = msg->body;
	memcpy(state->id, msg->id, msg->n_headers);
	memcpy(state->headers, msg->headers, msg->n_headers * sizeof msg->headers[0]);
}

void edit_restore(struct msg *msg, const struct edit_state *state)
{
	msg->edited = state->edited;
	msg->n_headers = state->n_headers;
	msg->head_n = state->head_n;
	msg->method = state->method;
	msg->uri = state->uri;
	msg->start_line = state->start_line;
	msg->body = state->body;
	memcpy(msg->id, state->id, state->n_headers);
	memcpy(msg->headers, state->headers, state->n_headers * sizeof msg->headers[0]);
	msg_views_forget(msg);
}

#include "engine/registrar_parts.h"

#include <stdio.h>
#include <time.h>

#include "base/put.h"
#include "sip/edit.h"

enum {
	MALFORMED_EXPIRES_S = 3600, /* RFC 3261 20.10, 20.19 */
	SWEEP_MS = 1000,
};

/* One Contact of a REGISTER, as far as it was understood. */
struct wish {
	struct binding binding;
	struct uri uri;
	uint32_t expires_s;
	struct span key;
};

struct registration {
	struct packet *packet;
	const struct registrar *registrar;
	struct span aor;
	int64_t now; /* ms, monotonic: a clock that is set ends no binding */
	bool star;
	uint32_t n;
	struct wish wishes[REGISTER_CONTACTS_MAX];
};

/* What stands against it: code 0: nothing. */
struct refusal {
	uint32_t code;
	const char *reason; /* NULL: the standard phrase */
};

/* ---- keys ---- */

static struct span aor_of(struct arena *arena, const struct uri *uri)
{
	char *text = arena_alloc(arena, uri->text.n + 8);
	return span_of(text, uri_aor(uri, text));
}

/* ---- reading the request ---- */

static uint32_t expires_of(
	struct msg *msg, const struct registrar *registrar, const struct nameaddr *contact)
{
	struct param param;
	uint32_t seconds = registrar->default_expires_s;
	struct span header = msg_value(msg, HDR_EXPIRES);
	if (param_find(contact->params, SPAN("expires"), &param)) {
		if (!span_u32(param.value, &seconds))
			seconds = MALFORMED_EXPIRES_S;
	} else if (header.p && !span_u32(header, &seconds)) {
		seconds = MALFORMED_EXPIRES_S;
	}
	return seconds > registrar->max_expires_s ? registrar->max_expires_s : seconds;
}

/* qvalue of RFC 3261 25.1, "0.7" as 700; none given counts as 1. False: it is no qvalue. */
static bool read_q(const struct nameaddr *contact, uint16_t *q)
{
	struct param param;
	*q = BINDING_Q_MAX;
	if (!param_find(contact->params, SPAN("q"), &param))
		return true;
	struct span value = param.value;
	bool has_form = value.n && value.n <= 5 && (value.p[0] == '0' || value.p[0] == '1') &&
			(value.n == 1 || value.p[1] == '.');
	if (!has_form)
		return false;
	uint32_t thousandths = (uint32_t)(value.p[0] - '0') * 1000;
	for (uint32_t i = 2, weight = 100; i < value.n; i++, weight /= 10) {
		if (!char_is(value.p[i], CHAR_DIGIT))
			return false;
		thousandths += (uint32_t)(value.p[i] - '0') * weight;
	}
	*q = (uint16_t)thousandths;
	return thousandths <= BINDING_Q_MAX;
}

/* All header parameters but expires, to be given back as they came. */
static struct span kept_params(struct arena *arena, const struct nameaddr *contact)
{
	char *text = arena_alloc(arena, contact->params.n + 1), *out = text;
	struct span rest = contact->params;
	for (struct param param; param_next(&rest, &param) > 0;)
		if (!span_ieq(param.name, SPAN("expires")))
			out = put_span(out, span_trim(param.whole));
	return span_between(text, out);
}

static struct span joined(struct msg *msg, enum hdr_id id)
{
	struct msg_values values = msg_values(msg, id);
	uint32_t length = 0;
	for (struct span value; msg_values_next(&values, &value);)
		length += value.n + 2;
	char *text = arena_alloc(&msg->arena, length + 1), *out = text;
	values = msg_values(msg, id);
	for (struct span value; msg_values_next(&values, &value);) {
		if (out > text)
			out = put_text(out, ", ");
		out = put_span(out, value);
	}
	return span_between(text, out);
}

static struct refusal read_contact(struct registration *reg, struct span value)
{
	struct msg *msg = &reg->packet->msg;
	struct nameaddr contact;
	if (span_eq(value, SPAN("*"))) {
		reg->star = true;
		return (struct refusal){0};
	}
	if (reg->n == REGISTER_CONTACTS_MAX)
		return (struct refusal){403, "Too Many Contacts"};
	if (nameaddr_parse(value, &contact))
		return (struct refusal){400, "Bad Contact"};
	uint16_t q;
	if (!read_q(&contact, &q))
		return (struct refusal){400, "Bad q"};
	struct wish *wish = &reg->wishes[reg->n++];
	wish->uri = contact.uri;
	wish->expires_s = expires_of(msg, reg->registrar, &contact);
	wish->key = registrar_contact_key(&msg->arena, &contact.uri);
	wish->binding = (struct binding){
		.aor = reg->aor,
		.contact = contact.uri_text,
		.call_id = msg_value(msg, HDR_CALL_ID),
		.params = kept_params(&msg->arena, &contact),
		.path = joined(msg, HDR_PATH),
		.q = q,
		.cseq = msg_cseq(msg)->number,
		.expires_at = reg->now + (int64_t)wish->expires_s * 1000,
		.flow = reg->packet->from,
	};
	if (wish->expires_s && wish->expires_s < reg->registrar->min_expires_s)
		return (struct refusal){423, NULL};
	if (bindings_check(&wish->binding))
		return (struct refusal){403, "Contact Too Long"};
	return (struct refusal){0};
}

static struct refusal read_contacts(struct registration *reg)
{
	struct msg *msg = &reg->packet->msg;
	struct msg_values values = msg_values(msg, HDR_CONTACT);
	uint32_t expires, n = 0;
	for (struct span value; msg_values_next(&values, &value); n++) {
		struct refusal refusal = read_contact(reg, value);
		if (refusal.code)
			return refusal;
	}
	/* RFC 3261 10.3 step 6 */
	if (reg->star &&
		(n != 1 || !span_u32(msg_value(msg, HDR_EXPIRES), &expires) || expires != 0))
		return (struct refusal){400, "Contact * Needs Expires 0 And Stands Alone"};
	return (struct refusal){0};
}

/* ---- the bindings there are ---- */

static bool same_contact(const struct binding *stored, const struct uri *uri)
{
	struct uri known;
	return span_eq(stored->contact, uri->text) ||
	       (uri_parse(stored->contact, &known) == 0 && uri_eq(&known, uri));
}

static bool find_contact(struct registration *reg, const struct uri *uri,
	struct bindings_cursor *cursor, struct binding *stored)
{
	bindings_find(reg->packet->engine->bindings, reg->aor, reg->now, cursor);
	while (bindings_next(cursor, stored))
		if (same_contact(stored, uri))
			return true;
	return false;
}

enum order { ORDER_NEWER, ORDER_REPEATED, ORDER_OLDER };

/* RFC 3261 10.3 step 7: within one Call-ID only a higher CSeq changes a binding. */
static enum order order_of(const struct registration *reg, const struct binding *stored)
{
	struct msg *msg = &reg->packet->msg;
	uint32_t cseq = msg_cseq(msg)->number;
	if (!span_eq(stored->call_id, msg_value(msg, HDR_CALL_ID)) || cseq > stored->cseq)
		return ORDER_NEWER;
	return cseq == stored->cseq ? ORDER_REPEATED : ORDER_OLDER;
}

static struct refusal check_order(struct registration *reg)
{
	static const struct refusal too_late = {500, "CSeq Is Too Low"};
	struct bindings_cursor cursor;
	struct binding stored;
	uint32_t added = 0;
	if (reg->star) {
		bindings_find(reg->packet->engine->bindings, reg->aor, reg->now, &cursor);
		while (bindings_next(&cursor, &stored))
			if (order_of(reg, &stored) == ORDER_OLDER)
				return too_late;
	}
	for (uint32_t i = 0; i < reg->n; i++) {
		if (!find_contact(reg, &reg->wishes[i].uri, &cursor, &stored))
			added += reg->wishes[i].expires_s > 0;
		else if (order_of(reg, &stored) == ORDER_OLDER)
			return too_late;
	}
	if (added > bindings_room(reg->packet->engine->bindings, reg->aor, reg->now))
		return (struct refusal){403, "Too Many Bindings"};
	return (struct refusal){0};
}

static void apply(struct registration *reg)
{
	struct bindings *store = reg->packet->engine->bindings;
	struct bindings_cursor cursor;
	struct binding stored;
	if (reg->star)
		bindings_remove_all(store, reg->aor, reg->now);
	for (uint32_t i = 0; i < reg->n; i++) {
		struct wish *wish = &reg->wishes[i];
		bool known = find_contact(reg, &wish->uri, &cursor, &stored);
		if (known && order_of(reg, &stored) == ORDER_REPEATED)
			continue;
		if (!wish->expires_s) {
			if (known)
				bindings_remove(&cursor);
		} else if (known) {
			bindings_replace(&cursor, &wish->binding, wish->key);
		} else {
			bindings_put(store, &wish->binding, wish->key, reg->now);
		}
	}
}

/* ---- answering ---- */

static char *put_date(char *out, int64_t now_ms)
{
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	/* Names of RFC 1123, whatever the locale. */
	static const char days[] = "SunMonTueWedThuFriSat",
			  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char line[96];
	snprintf(line, sizeof line, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n",
		days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
		tm.tm_hour, tm.tm_min, tm.tm_sec);
	return put_span(out, span_str(line));
}

static char *put_binding(char *out, const struct binding *binding, int64_t now)
{
	out = put_text(out, "Contact: <");
	out = put_span(out, binding->contact);
	*out++ = '>';
	out = put_span(out, binding->params);
	out = put_text(out, ";expires=");
	out = put_u32(out, (uint32_t)((binding->expires_at - now + 999) / 1000));
	return put_text(out, "\r\n");
}

static void answer_bindings(struct registration *reg)
{
	enum { REST = 128 };
	struct packet *packet = reg->packet;
	struct bindings_cursor cursor;
	struct binding binding;
	struct span path = joined(&packet->msg, HDR_PATH);
	uint32_t room = REST + path.n;
	bindings_find(packet->engine->bindings, reg->aor, reg->now, &cursor);
	while (bindings_next(&cursor, &binding))
		room += binding.contact.n + binding.params.n + REST;
	char *text = arena_alloc(&packet->msg.arena, room),
	     *out = put_date(text, packet->engine->world->wall_ms(packet->engine->world));
	bindings_find(packet->engine->bindings, reg->aor, reg->now, &cursor);
	while (bindings_next(&cursor, &binding))
		out = put_binding(out, &binding, reg->now);
	if (path.n) {
		out = put_text(out, "Path: ");
		out = put_span(out, path);
		out = put_text(out, "\r\n");
	}
	packet->engine->count[COUNT_registrations]++;
	packet_reply(packet, 200, span_of(NULL, 0), span_between(text, out));
}

static uint32_t refuse(struct registration *reg, struct refusal refusal)
{
	char text[64];
	struct span headers = {0};
	if (refusal.code == 423)
		headers = span_of(text, (size_t)snprintf(text, sizeof text, "Min-Expires: %u\r\n",
						reg->registrar->min_expires_s));
	reg->packet->engine->count[COUNT_registrations_refused]++;
	packet_reply(reg->packet, refusal.code, span_str(refusal.reason), headers);
	return refusal.code;
}

/* RFC 3261 10.3 step 2: everything required but path is unknown here. */
static bool requires_unknown(struct msg *msg, struct span *headers)
{
	if (msg_find(msg, HDR_REQUIRE, 0) < 0)
		return false;
	char *text = arena_alloc(&msg->arena, MSG_HEADER_LENGTH_MAX);
	char *out = put_text(text, "Unsupported: "), *first = out;
	struct msg_values tags = msg_values(msg, HDR_REQUIRE);
	for (struct span tag; msg_values_next(&tags, &tag);) {
		if (span_ieq(tag, SPAN("path")) || out + tag.n + 4 > text + MSG_HEADER_LENGTH_MAX)
			continue;
		if (out > first)
			out = put_text(out, ", ");
		out = put_span(out, tag);
	}
	bool unknown = out > first;
	out = put_text(out, "\r\n");
	*headers = span_between(text, out);
	return unknown;
}

/* ---- expiry ---- */

static void sweep(struct timer *timer)
{
	struct engine *engine = (struct engine *)((char *)timer - offsetof(struct engine, sweep));
	bindings_expire(engine->bindings, engine_now_ms(engine));
	if (bindings_count(engine->bindings))
		timers_arm(&engine->timers, timer, engine_now_ms(engine) + SWEEP_MS);
}

static void keep_sweeping(struct engine *engine)
{
	engine->sweep.fire = sweep;
	if (!timer_is_armed(&engine->sweep))
		timers_arm(&engine->timers, &engine->sweep, engine_now_ms(engine) + SWEEP_MS);
}

/* ---- the three questions ---- */

/* RFC 3261 10.3 step 1: the Request-URI names the domain that shall register, or, as many phones
 * have it, our own address. */
static bool is_addressed(struct packet *packet, const struct registrar *registrar, bool to_is_ours)
{
	const struct uri *uri = msg_ruri(&packet->msg);
	struct leg *self;
	if (!registrar->n_domains)
		return true;
	return uri && (registrar_in_domains(registrar, uri->host) ||
			      (to_is_ours && legs_is_self(packet->engine, uri, &self)));
}

static uint32_t receive_register(struct packet *packet, const struct registrar *registrar)
{
	struct msg *msg = &packet->msg;
	const struct nameaddr *to = msg_to(msg);
	bool sip = to && (to->uri.scheme == URI_SIP || to->uri.scheme == URI_SIPS);
	bool to_is_ours =
		sip && (!registrar->n_domains || registrar_in_domains(registrar, to->uri.host));
	if (!is_addressed(packet, registrar, to_is_ours))
		return 0;
	struct registration reg = {.packet = packet, .registrar = registrar};
	reg.now = engine_now_ms(packet->engine);
	reg.aor = sip ? aor_of(&msg->arena, &to->uri) : span_of(NULL, 0);
	if (!reg.aor.n)
		return refuse(&reg, (struct refusal){400, "To Is No Address Of Record"});
	if (!to_is_ours)
		return refuse(&reg, (struct refusal){404, NULL});
	struct span unsupported;
	if (requires_unknown(msg, &unsupported)) {
		packet->engine->count[COUNT_registrations_refused]++;
		packet_reply(packet, 420, span_of(NULL, 0), unsupported);
		return 420;
	}
	struct refusal refusal = read_contacts(&reg);
	if (!refusal.code)
		refusal = check_order(&reg);
	if (refusal.code)
		return refuse(&reg, refusal);
	apply(&reg);
	keep_sweeping(packet->engine);
	answer_bindings(&reg);
	return 200;
}

uint32_t registrar_receive(struct packet *packet, const struct registrar *registrar)
{
	struct msg *msg = &packet->msg;
	if (!msg->is_request)
		return 0;
	if (msg->method_id == METHOD_REGISTER)
		return receive_register(packet, registrar);
	if (msg->method_id != METHOD_OPTIONS || !registrar_is_asked_itself(packet, registrar))
		return 0;
	packet_reply(packet, 200, span_of(NULL, 0), OPTIONS_HEADERS);
	return 200;
}

#include "engine/forward.h"

#include <errno.h>

#include "base/put.h"
#include "engine/branch.h"
#include "engine/route.h"
#include "sip/edit.h"

enum { VIA_TEXT_MAX = LEG_SPEC_MAX + 128, RR_TEXT_MAX = LEG_SPEC_MAX + 96 };

/* ---- refusing ---- */

static void answer(struct packet *packet, uint32_t code, struct span headers)
{
	if (packet->msg.method_id == METHOD_ACK)
		packet_drop(packet, COUNT_acks_undeliverable);
	else
		packet_reply(packet, code, span_of(NULL, 0), headers);
}

/* 420 names what is not understood: everything (RFC 3261 16.3 (5), 20.40). */
static void answer_bad_extension(struct packet *packet)
{
	struct msg *msg = &packet->msg;
	char *text = arena_alloc(&msg->arena, MSG_HEADER_LENGTH_MAX), *out = text;
	out = put_text(out, "Unsupported: ");
	struct msg_values tags = msg_values(msg, HDR_PROXY_REQUIRE);
	bool first = true;
	for (struct span tag; msg_values_next(&tags, &tag); first = false) {
		if (out + tag.n + 4 > text + MSG_HEADER_LENGTH_MAX)
			break;
		if (!first)
			out = put_text(out, ", ");
		out = put_span(out, tag);
	}
	out = put_text(out, "\r\n");
	answer(packet, 420, span_between(text, out));
}

static void refuse(struct packet *packet, const struct route *route)
{
	if (route->loop)
		packet->engine->count[COUNT_loops]++;
	if (route->too_many_hops)
		packet->engine->count[COUNT_too_many_hops]++;
	if (route->code == 420)
		answer_bad_extension(packet);
	else
		answer(packet, route->code, span_of(NULL, 0));
}

/* The request is for ourselves and no element before us wanted it (RFC 3261 16.5: no element to forward to;
 * sending it to ourselves would only go round in a circle). */
static void answer_as_target(struct packet *packet)
{
	bool ping = packet->msg.method_id == METHOD_OPTIONS;
	const struct uri *uri = msg_ruri(&packet->msg);
	if (ping && uri && !uri->user.n)
		answer(packet, 200, SPAN("Accept: application/sdp\r\n"));
	else
		answer(packet, 404, span_of(NULL, 0));
}

/* ---- what a forwarded request gains ---- */

static char *put_transport_param(char *out, const struct leg *leg)
{
	return leg->address.transport == TRANSPORT_TCP ? put_text(out, ";transport=tcp") : out;
}

static int add_record_route(struct packet *packet, const struct leg *leg, uint64_t mark)
{
	char text[RR_TEXT_MAX], *out = put_text(text, "<sip:");
	out = put_span(out, span_of(leg->sent_by, leg->sent_by_n));
	out = put_transport_param(out, leg);
	out = put_text(out, ";lr;d=");
	out = put_hex64(out, mark);
	*out++ = '>';
	int at = msg_find(&packet->msg, HDR_RECORD_ROUTE, 0);
	if (at < 0)
		at = msg_find(&packet->msg, HDR_VIA, 0);
	return edit_insert(&packet->msg, at, HDR_RECORD_ROUTE, span_between(text, out));
}

/* Puts our Via on top; `*below` becomes its branch. `connection`: where the answer goes back on, if the request came by a
 * stream. */
static int add_via(struct packet *packet, const struct leg *leg, struct span *below,
	const struct route *route, uint64_t connection)
{
	struct msg *msg = &packet->msg;
	char text[VIA_TEXT_MAX], *out = put_text(text, "SIP/2.0/");
	out = put_span(out, transport_name(leg->address.transport));
	*out++ = ' ';
	out = put_span(out, span_of(leg->sent_by, leg->sent_by_n));
	out = put_text(out, ";branch=");
	uint32_t branch_at = (uint32_t)(out - text);
	out = put_branch(out, branch_answer_part(&route->seed, leg, *below), route->loop_part);
	if (connection) {
		out = put_text(out, ";i=");
		out = put_hex64(out, connection);
		out = put_hex64(out, branch_connection_part(&route->seed, *below, connection));
	}
	int at = msg_find(msg, HDR_VIA, 0);
	int rc = edit_insert(msg, at, HDR_VIA, span_between(text, out));
	if (rc == 0)
		*below = span_of(hdr_value(&msg->headers[at]).p + branch_at, BRANCH_LENGTH);
	return rc;
}

/* In the dialog-forming request only: later ones follow the route set it made (RFC 3261 16.6 (4)). */
static bool wants_record_route(struct packet *packet)
{
	struct msg *msg = &packet->msg;
	const struct nameaddr *to = msg_to(msg);
	return msg->method_id != METHOD_REGISTER && msg->method_id != METHOD_CANCEL &&
	       msg->method_id != METHOD_ACK && !(to && nameaddr_tag(to).p);
}

static int set_max_forwards(struct msg *msg, int64_t hops)
{
	char text[10];
	struct span value = span_between(text, put_u32(text, (uint32_t)hops));
	int at = msg_find(msg, HDR_MAX_FORWARDS, 0);
	return at >= 0 ? edit_value(msg, at, value) : edit_add(msg, hdr_name(HDR_MAX_FORWARDS), value);
}

static struct span wrapped(struct msg *msg, struct span uri)
{
	char *text = arena_alloc(&msg->arena, uri.n + 2), *out = text;
	*out++ = '<';
	out = put_span(out, uri);
	*out++ = '>';
	return span_between(text, out);
}

static int remove_last_route(struct msg *msg)
{
	int last = -1;
	for (int i = msg_find(msg, HDR_ROUTE, 0); i >= 0; i = msg_find(msg, HDR_ROUTE, i + 1))
		last = i;
	struct span rest = msg_unfolded(msg, last), value, kept = span_of(rest.p, 0);
	const char *end_of_kept = rest.p;
	while (list_next(&rest, &value)) {
		kept.n = (uint32_t)(end_of_kept - kept.p);
		end_of_kept = span_end(value);
	}
	if (kept.n)
		return edit_value(msg, last, kept);
	edit_remove_at(msg, last);
	return 0;
}

/* RFC 3261 16.4 and 16.6 (6): Route and Request-URI as the plan says. */
static int apply_route(struct msg *msg, const struct route *route)
{
	int rc = 0;
	if (route->undo_strict) {
		struct span uri = arena_copy(&msg->arena, route->request_uri);
		rc |= remove_last_route(msg);
		rc |= edit_uri(msg, uri);
	}
	for (uint32_t i = 0; i < route->own_routes; i++)
		rc |= edit_pop_value(msg, HDR_ROUTE);
	if (route->strict_next) {
		struct span next = arena_copy(&msg->arena, route->next_hop.text);
		rc |= edit_pop_value(msg, HDR_ROUTE);
		rc |= edit_add(msg, hdr_name(HDR_ROUTE), wrapped(msg, msg->uri));
		rc |= edit_uri(msg, next);
	}
	return rc;
}

/* ---- requests ---- */

static int send_request(struct packet *packet, struct leg *out, const struct addr *target)
{
	struct iovec iov[WORLD_IOV_MAX];
	bool stream = transport_is_reliable(out->address.transport);
	uint32_t n = write_msg(&packet->msg, iov, WORLD_IOV_MAX, stream);
	struct flow to = {.leg = out->index, .peer = *target};
	packet->to = to;
	out->used_ms = engine_now_ms(packet->engine);
	return engine_send(packet->engine, &to, iov, n);
}

/* The edits of RFC 3261 16.6; `*vias` is how many Vias of ours they put on top. Negative: a limit of the message
 * was reached on the way. */
static int edit_request(struct packet *packet, const struct route *route, struct leg *out, int *vias)
{
	struct msg *msg = &packet->msg;
	struct leg *in = packet_leg(packet);
	bool record = wants_record_route(packet);
	uint64_t mark = record ? dialog_mark(&route->seed) : 0;
	const struct via *via = msg_top_via(msg);
	struct span below = via ? via->branch : span_of(NULL, 0);
	int rc = set_max_forwards(msg, route->hops_left) | apply_route(msg, route);
	/* Leaving by another leg we are two hops in one, so that answers and later requests find the right leg
	 * (RFC 5658). */
	if (in != out && rc == 0) {
		rc = record ? add_record_route(packet, in, mark) : 0;
		if (rc == 0)
			rc = add_via(packet, in, &below, route, packet->from.connection);
		*vias += rc == 0;
	}
	if (record && rc == 0)
		rc = add_record_route(packet, out, mark);
	if (rc == 0) {
		rc = add_via(packet, out, &below, route, in == out ? packet->from.connection : 0);
		*vias += rc == 0;
	}
	return rc;
}

static void forward_by(
	struct packet *packet, const struct route *route, struct leg *out, const struct addr *target)
{
	int vias = 0;
	uint32_t code = 0;
	if (edit_request(packet, route, out, &vias) < 0)
		code = 513;
	else if (send_request(packet, out, target) < 0)
		code = 503;
	if (!code) {
		packet->decision = DECISION_FORWARDED;
		packet->engine->count[COUNT_forwarded]++;
		return;
	}
	while (vias-- > 0) /* the answer is for those before us */
		edit_pop_value(&packet->msg, HDR_VIA);
	answer(packet, code, span_of(NULL, 0));
}

static bool is_own_address(struct engine *engine, enum transport transport, const struct addr *target)
{
	for (uint32_t i = 0; i < engine->legs.n; i++) {
		const struct leg *leg = &engine->legs.leg[i];
		if (leg->state != LEG_CLOSED && leg->address.transport == transport &&
			addr_port(&leg->address.bind) == addr_port(target) &&
			(addr_same_ip(&leg->address.bind, target) ||
				(addr_is_any(&leg->address.bind) && addr_is_loopback(target))))
			return true;
	}
	return false;
}

static void forward_planned(struct packet *packet, const struct route *route, enum transport transport,
	const struct addr *target)
{
	struct leg *preferred = route->leg ? route->leg : packet_leg(packet);
	struct leg *out = addr_is_unroutable(target)
				  ? NULL
				  : legs_towards(packet->engine, transport, target, preferred);
	if (!out)
		answer(packet, 503, span_of(NULL, 0));
	else if (is_own_address(packet->engine, out->address.transport, target))
		answer_as_target(packet);
	else
		forward_by(packet, route, out, target);
}

static enum forward_result forward_request(struct packet *packet, struct forward_need *need)
{
	struct route route;
	struct leg *self;
	enum transport transport;
	struct addr target;
	struct param maddr;
	route_request(packet, &route);
	if (route.code) {
		refuse(packet, &route);
		return FORWARD_DONE;
	}
	struct uri *next = &route.next_hop;
	if (!uri_transport(next, &transport) || transport == TRANSPORT_TLS) {
		answer(packet, next->scheme == URI_SIPS ? 416 : 503, span_of(NULL, 0));
		return FORWARD_DONE;
	}
	struct span host = next->host;
	if (param_find(next->params, SPAN("maddr"), &maddr) && maddr.value.n) {
		host = maddr.value;
	} else if (legs_is_self(packet->engine, next, &self)) {
		answer_as_target(packet);
		return FORWARD_DONE;
	}
	if (!addr_parse_ip(host, uri_port_or_default(next), &target)) {
		*need = (struct forward_need){host, next->port, transport};
		return FORWARD_RESOLVE;
	}
	forward_planned(packet, &route, transport, &target);
	return FORWARD_DONE;
}

void forward_request_to(struct packet *packet, enum transport transport, const struct addr *target)
{
	struct route route;
	route_request(packet, &route);
	if (route.code)
		refuse(packet, &route);
	else
		forward_planned(packet, &route, transport, target);
}

bool forward_is_in_dialog(struct packet *packet)
{
	struct msg_values routes = msg_values(&packet->msg, HDR_ROUTE);
	struct span value, mark;
	struct nameaddr route;
	struct leg *leg;
	char expected[16];
	if (!msg_values_next(&routes, &value) || nameaddr_parse(value, &route) ||
		!legs_is_self(packet->engine, &route.uri, &leg) ||
		!uri_param(&route.uri, SPAN("d"), &mark))
		return false;
	struct branch_seed seed = branch_seed(packet);
	put_hex64(expected, dialog_mark(&seed));
	return span_ieq(mark, span_of(expected, sizeof expected));
}

/* ---- responses ---- */

struct own_via {
	struct leg *leg;
	uint64_t connection;
};

static uint64_t hex64(struct span text)
{
	uint64_t value = 0;
	for (uint32_t i = 0; i < text.n && i < 16; i++) {
		char c = ascii_lower(text.p[i]);
		value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return value;
}

/* `via` is one we wrote on this very request; `below` is the Via under it. */
static bool is_own_via(struct packet *packet, const struct branch_seed *seed, const struct via *via,
	struct span below, struct own_via *own)
{
	struct param connection;
	own->leg = legs_by_sent_by(packet->engine, via->transport, via->host, via->port);
	if (!own->leg || !branch_has_answer_part(
				 via->branch, branch_answer_part(seed, own->leg, below)))
		return false;
	own->connection = 0;
	if (!param_find(via->params, SPAN("i"), &connection) || connection.value.n != 32 ||
		!span_is(connection.value, CHAR_HEX))
		return true;
	/* Whoever answers must not choose among the connections of others. */
	uint64_t number = hex64(connection.value);
	if (hex64(span_from(connection.value, 16)) == branch_connection_part(seed, below, number))
		own->connection = number;
	return true;
}

/* Who a message with our Vias on top came from or goes back to. */
struct upstream {
	int own_vias; /* 1, or 2 when the request left by another leg than it came in; 0: not ours */
	bool is_known; /* `flow` can be sent to */
	struct flow flow;
};

static struct upstream find_upstream(struct packet *packet)
{
	struct upstream up = {0};
	struct via via[3];
	struct span value, name;
	int n = 0;
	struct own_via own, inner;
	struct branch_seed seed = branch_seed(packet);
	struct msg_values vias = msg_values(&packet->msg, HDR_VIA);
	while (n < 3 && msg_values_next(&vias, &value) && via_parse(value, &via[n]) == 0)
		n++;
	if (n < 1 || !is_own_via(packet, &seed, &via[0], n > 1 ? via[1].branch : span_of(NULL, 0), &own))
		return up;
	up.own_vias = 1;
	if (n > 1 && is_own_via(packet, &seed, &via[1], n > 2 ? via[2].branch : span_of(NULL, 0), &inner)) {
		own = inner;
		up.own_vias = 2;
	}
	up.is_known = n > up.own_vias && via_response_target(&via[up.own_vias], &up.flow.peer, &name);
	up.flow.leg = own.leg->index;
	up.flow.connection = own.connection;
	return up;
}

static void forward_response(struct packet *packet)
{
	struct msg *msg = &packet->msg;
	struct upstream up = find_upstream(packet);
	if (!up.own_vias || !up.is_known) {
		packet_drop(packet, up.own_vias ? COUNT_responses_no_target : COUNT_responses_not_ours);
		return;
	}
	for (int i = 0; i < up.own_vias; i++)
		edit_pop_value(msg, HDR_VIA);
	struct iovec iov[WORLD_IOV_MAX];
	const struct leg *leg = &packet->engine->legs.leg[up.flow.leg];
	bool stream = transport_is_reliable(leg->address.transport);
	uint32_t pieces = write_msg(msg, iov, WORLD_IOV_MAX, stream);
	packet->to = up.flow;
	packet->decision = DECISION_FORWARDED;
	packet->engine->count[COUNT_forwarded]++;
	engine_send(packet->engine, &up.flow, iov, pieces);
}

void forward_undelivered(struct packet *packet)
{
	struct upstream up = find_upstream(packet);
	if (!up.own_vias || !up.is_known || packet->msg.method_id == METHOD_ACK) {
		packet_drop(packet, COUNT_acks_undeliverable);
		return;
	}
	for (int i = 0; i < up.own_vias; i++)
		edit_pop_value(&packet->msg, HDR_VIA);
	packet->from = up.flow;
	packet_reply(packet, 503, span_of(NULL, 0), span_of(NULL, 0));
}

enum forward_result forward(struct packet *packet, struct forward_need *need)
{
	if (packet->msg.is_request)
		return forward_request(packet, need);
	forward_response(packet);
	return FORWARD_DONE;
}

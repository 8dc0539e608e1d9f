#include "engine/forward.h"

#include <errno.h>

#include "base/put.h"
#include "engine/branch.h"
#include "engine/contacts.h"
#include "engine/outgoing.h"
#include "engine/relay.h"
#include "engine/targets.h"
#include "sip/edit.h"

/* ---- refusing ---- */

static void answer_with(
	struct packet *packet, uint32_t code, struct span reason, struct span headers)
{
	if (packet->msg.method_id == METHOD_ACK)
		packet_drop(packet, COUNT_acks_undeliverable);
	else if (code >= 300 && packet->proxy && packet->proxy->quiet)
		packet_drop(packet, COUNT_answers_withheld);
	else
		packet_reply(packet, code, reason, headers);
}

static void answer(struct packet *packet, uint32_t code, struct span headers)
{
	answer_with(packet, code, span_of(NULL, 0), headers);
}

void forward_refuse_extensions(struct packet *packet)
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

/* While its handler waited. */
static bool was_cancelled(struct packet *packet)
{
	if (!packet->relay || !packet->relay->cancelled)
		return false;
	packet_reply(packet, 487, span_of(NULL, 0), span_of(NULL, 0));
	return true;
}

static void refuse(struct packet *packet, const struct route *route)
{
	if (route->loop)
		packet->engine->count[COUNT_loops]++;
	if (route->bad_contact)
		packet->engine->count[COUNT_contacts_refused]++;
	if (route->too_many_hops)
		packet->engine->count[COUNT_too_many_hops]++;
	if (route->code == 420)
		forward_refuse_extensions(packet);
	else
		answer(packet, route->code, span_of(NULL, 0));
}

/* The request is for ourselves and no element before us wanted it (RFC 3261 16.5: no element to
 * forward to; sending it to ourselves would only go round in a circle). */
static void answer_as_target(struct packet *packet)
{
	bool ping = packet->msg.method_id == METHOD_OPTIONS;
	const struct uri *uri = msg_ruri(&packet->msg);
	if (ping && uri && !uri->user.n)
		answer(packet, 200, OPTIONS_HEADERS);
	else
		answer(packet, 404, span_of(NULL, 0));
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

/* Contacts before the Vias: what is refused here has to find its way back by those before us. */
static uint32_t change(struct packet *packet, const struct route *route, struct leg *out, int *vias)
{
	struct outgoing made;
	const struct proxy *proxy = packet->proxy;
	*vias = 0;
	if (proxy_hides(proxy, packet_leg(packet), out) && !proxy->by_script) {
		uint32_t code = contacts_rewrite(packet, out);
		if (code)
			return code;
	}
	int rc = outgoing_edit(packet, route, out, 0, &made);
	*vias = made.vias;
	return rc < 0 ? 513 : 0;
}

static void forward_by(struct packet *packet, const struct route *route, struct leg *out,
	const struct addr *target)
{
	int vias;
	uint32_t code = change(packet, route, out, &vias);
	if (!code && send_request(packet, out, target) < 0)
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

bool forward_is_too_big(const struct packet *packet)
{
	return packet->msg.head_n + packet->msg.body.n > RESOLVE_UDP_MAX;
}

static bool is_by_size(const struct packet *packet, const struct leg *out,
	const struct locate_target *later, uint32_t n)
{
	if (!forward_is_too_big(packet) || !transport_is_reliable(out->address.transport))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!transport_is_reliable(later[i].transport))
			return true;
	return false;
}

static struct leg *choose_leg(
	struct packet *packet, const struct route *route, const struct locate_target *target)
{
	struct leg_wish wish = route_wish(packet, route);
	return addr_is_unroutable(&target->addr) ? NULL
						 : legs_towards(packet->engine, target, &wish);
}

/* The first of them that a leg leads to. */
static enum forward_result plan_towards(struct packet *packet, const struct route *route,
	const struct locate_target *targets, uint32_t n)
{
	struct leg *out = choose_leg(packet, route, targets);
	for (; !out && n > 1; n--)
		out = choose_leg(packet, route, ++targets);
	if (!out)
		answer(packet, 503, span_of(NULL, 0));
	else if (legs_is_own_address(packet->engine, out->address.transport, &targets->addr))
		answer_as_target(packet);
	else {
		packet->to = (struct flow){.leg = out->index, .peer = targets->addr};
		packet->is_by_size = is_by_size(packet, out, targets + 1, n - 1);
		return FORWARD_PLANNED;
	}
	return FORWARD_DONE;
}

/* The next hop is a contact that a word of ours, or a script, led to. */
static bool leads_home(const struct packet *packet, const struct route *route)
{
	return route->at_target && (route->found || packet->home_only);
}

static struct resolve_query query_of(const struct packet *packet, const struct route *route)
{
	return (struct resolve_query){
		.uri = &route->next_hop,
		.routing = packet->routing,
		.direct = leads_home(packet, route),
		.too_big_for_udp = forward_is_too_big(packet),
		.seed = route->loop_part,
	};
}

static enum forward_result plan_request(struct packet *packet, struct route *route)
{
	struct leg *self;
	struct locate_target targets[RESOLVE_NOW_MAX] = {0};
	struct span maddr;
	route_request(packet, route);
	if (route->code) {
		refuse(packet, route);
		return FORWARD_DONE;
	}
	struct uri *next = &route->next_hop;
	if (!uri_transport(next, &targets->transport) || targets->transport == TRANSPORT_TLS) {
		answer(packet, next->scheme == URI_SIPS ? 416 : 503, span_of(NULL, 0));
		return FORWARD_DONE;
	}
	bool elsewhere = uri_param(next, SPAN("maddr"), &maddr) && maddr.n;
	if (!elsewhere && legs_is_self(packet->engine, next, &self)) {
		answer_as_target(packet);
		return FORWARD_DONE;
	}
	struct resolve_query query = query_of(packet, route);
	bool is_plain = !query.too_big_for_udp && !query.routing; /* nearly always: no choice */
	uint32_t n = is_plain ? addr_parse_ip(elsewhere ? maddr : next->host,
					uri_port_or_default(next), &targets->addr)
			      : resolve_now(packet->engine, &query, targets);
	return n ? plan_towards(packet, route, targets, n) : FORWARD_RESOLVE;
}

static enum forward_result plan_request_to(struct packet *packet, enum locate_result result,
	const struct locate_target *targets, uint32_t n, struct route *route)
{
	if (was_cancelled(packet))
		return FORWARD_DONE;
	route_request(packet, route);
	if (route->code)
		refuse(packet, route);
	else if (!n)
		answer(packet, resolve_code(result), span_of(NULL, 0));
	else
		return plan_towards(packet, route, targets, n);
	return FORWARD_DONE;
}

static void send_planned(struct packet *packet, const struct route *route)
{
	struct addr target = packet->to.peer;
	forward_by(packet, route, &packet->engine->legs.leg[packet->to.leg], &target);
}

struct resolve *forward_resolve(
	struct packet *packet, const struct proxy *proxy, resolve_fn done, void *arg)
{
	struct route route;
	if (!packet->msg.is_request)
		return NULL;
	packet->proxy = proxy;
	route_request(packet, &route);
	packet->proxy = NULL;
	if (route.code)
		return NULL;
	struct resolve_query query = query_of(packet, &route);
	return resolve_start(packet->engine, &query, done, arg);
}

static bool has_mark(const struct branch_seed *seed, struct span tag, struct span mark)
{
	char expected[16];
	put_hex64(expected, dialog_mark(seed, tag));
	return span_ieq(mark, span_of(expected, sizeof expected));
}

bool forward_is_in_dialog(struct packet *packet)
{
	struct msg *msg = &packet->msg;
	struct msg_values routes = msg_values(msg, HDR_ROUTE);
	const struct nameaddr *from = msg_from(msg), *to = msg_to(msg);
	struct span value, mark;
	struct nameaddr route;
	struct leg *leg;
	if (!from || !to || !nameaddr_tag(to).p || !msg_values_next(&routes, &value) ||
		nameaddr_parse(value, &route) || !legs_is_self(packet->engine, &route.uri, &leg) ||
		!uri_param(&route.uri, SPAN("d"), &mark))
		return false;
	struct branch_seed seed = branch_seed(packet);
	return has_mark(&seed, nameaddr_tag(from), mark) || has_mark(&seed, nameaddr_tag(to), mark);
}

/* ---- responses ---- */

static uint64_t hex64(struct span text)
{
	uint64_t value = 0;
	for (uint32_t i = 0; i < text.n && i < 16; i++) {
		char c = ascii_lower(text.p[i]);
		value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return value;
}

/* The leg whose Via this is: one we wrote on this very request, with `under` below it; else NULL.
 */
static struct leg *own_leg(struct packet *packet, const struct branch_seed *seed,
	const struct via *via, const struct via *under)
{
	struct branch_below below = branch_below(under);
	const struct leg_name *name;
	struct leg *leg =
		legs_by_sent_by(packet->engine, via->transport, via->host, via->port, &name);
	if (!leg)
		return NULL;
	uint64_t part = branch_answer_part(seed, name, &below, branch_number(via->branch));
	return branch_has_answer_part(via->branch, part) ? leg : NULL;
}

/* The connection such a Via names; 0: none. Whoever answers must not choose among the connections
 * of others. */
static uint64_t own_connection(
	const struct branch_seed *seed, const struct via *via, const struct via *under)
{
	struct branch_below below = branch_below(under);
	struct param said;
	if (!param_find(via->params, SPAN("i"), &said) || said.value.n != 32 ||
		!span_is(said.value, CHAR_HEX))
		return 0;
	uint64_t number = hex64(said.value);
	bool vouched =
		hex64(span_from(said.value, 16)) == branch_connection_part(seed, &below, number);
	return vouched ? number : 0;
}

/* Who a message with our Vias on top came from or goes back to. */
struct upstream {
	int own_vias;  /* 1, or 2 when the request left by another leg than it came in; 0: not ours
			*/
	bool is_known; /* `flow` can be sent to */
	bool by_transaction;
	struct flow flow;
};

static struct upstream find_upstream(struct packet *packet)
{
	struct upstream up = {0};
	struct via via[3]; /* that of a UAC, under two of ours */
	struct span value, name;
	const struct via *top = msg_top_via(&packet->msg);
	if (!top)
		return up;
	int n = 1;
	via[0] = *top;
	struct branch_seed seed = branch_seed(packet);
	struct msg_values vias = msg_values(&packet->msg, HDR_VIA);
	msg_values_next(&vias, &value);
	while (n < 3 && msg_values_next(&vias, &value) && via_parse(value, &via[n]) == 0)
		n++;
	struct leg *leg = own_leg(packet, &seed, &via[0], n > 1 ? &via[1] : NULL), *inner = NULL;
	if (!leg)
		return up;
	if (n > 1)
		inner = own_leg(packet, &seed, &via[1], n > 2 ? &via[2] : NULL);
	int last = inner ? 1 : 0;
	const struct via *under = n > last + 1 ? &via[last + 1] : NULL;
	up.own_vias = last + 1;
	up.is_known = under && via_response_target(under, &up.flow.peer, &name);
	up.by_transaction = branch_number(via[0].branch) > 0;
	up.flow.leg = inner ? inner->index : leg->index;
	up.flow.connection = own_connection(&seed, &via[last], under);
	return up;
}

static enum forward_result plan_response(struct packet *packet)
{
	struct upstream up = find_upstream(packet);
	if (!up.own_vias || !up.is_known) {
		packet_drop(
			packet, up.own_vias ? COUNT_responses_no_target : COUNT_responses_not_ours);
		return FORWARD_DONE;
	}
	/* RFC 6026: who keeps transactions passes on what they await, and nothing else. */
	if (up.by_transaction && !packet->is_awaited) {
		packet_drop(packet, COUNT_responses_stray);
		return FORWARD_DONE;
	}
	packet->own_vias = up.own_vias;
	packet->to = up.flow;
	return FORWARD_PLANNED;
}

static void send_response(struct packet *packet)
{
	struct msg *msg = &packet->msg;
	const struct proxy *proxy = packet->proxy;
	const struct leg *out = &packet->engine->legs.leg[packet->to.leg];
	for (int i = 0; i < packet->own_vias; i++)
		edit_pop_value(msg, HDR_VIA);
	bool hides = proxy_hides(proxy, packet_leg(packet), out);
	if (hides && proxy->by_script)
		contacts_remove_unreadable(packet);
	else if (hides)
		contacts_rewrite(packet, out);
	struct iovec iov[WORLD_IOV_MAX];
	bool stream = transport_is_reliable(out->address.transport);
	uint32_t pieces = write_msg(msg, iov, WORLD_IOV_MAX, stream);
	packet->decision = DECISION_FORWARDED;
	packet->engine->count[COUNT_forwarded]++;
	engine_send(packet->engine, &packet->to, iov, pieces);
}

void forward_undelivered(struct packet *packet, const char *reason)
{
	struct engine *engine = packet->engine;
	struct upstream up = find_upstream(packet);
	targets_mark_dead(engine->targets, packet_leg(packet)->address.transport,
		&packet->from.peer, reason, 0, engine_now_ms(engine));
	if (packet->msg.method_id == METHOD_ACK)
		packet_drop(packet, COUNT_acks_undeliverable);
	if (!up.own_vias || !up.is_known || packet->msg.method_id == METHOD_ACK)
		return;
	for (int i = 0; i < up.own_vias; i++)
		edit_pop_value(&packet->msg, HDR_VIA);
	packet->from = up.flow;
	packet_reply(packet, 503, span_of(NULL, 0), span_of(NULL, 0));
}

/* ---- whole, and in two steps ---- */

enum forward_result forward(struct packet *packet, const struct proxy *proxy)
{
	struct route route;
	enum forward_result result = FORWARD_DONE;
	packet->proxy = proxy;
	if (packet->msg.is_request) {
		if (!was_cancelled(packet))
			result = plan_request(packet, &route);
		if (result == FORWARD_PLANNED)
			send_planned(packet, &route);
	} else if (plan_response(packet) == FORWARD_PLANNED) {
		send_response(packet);
	}
	packet->proxy = NULL;
	return result == FORWARD_RESOLVE ? FORWARD_RESOLVE : FORWARD_DONE;
}

enum forward_result forward_plan(struct packet *packet, const struct proxy *proxy)
{
	struct route route;
	enum forward_result result = FORWARD_DONE;
	packet->proxy = proxy;
	if (!packet->msg.is_request)
		result = plan_response(packet);
	else if (!was_cancelled(packet))
		result = plan_request(packet, &route);
	packet->proxy = NULL;
	return result;
}

enum forward_result forward_plan_to(struct packet *packet, const struct proxy *proxy,
	enum locate_result result, const struct locate_target *targets, uint32_t n)
{
	struct route route;
	packet->proxy = proxy;
	enum forward_result planned = plan_request_to(packet, result, targets, n, &route);
	packet->proxy = NULL;
	return planned;
}

void forward_go(struct packet *packet, const struct proxy *proxy)
{
	struct route route;
	packet->proxy = proxy;
	if (!packet->msg.is_request) {
		send_response(packet);
	} else if (!was_cancelled(packet)) {
		route_request(packet, &route);
		if (route.code)
			refuse(packet, &route);
		else
			send_planned(packet, &route);
	}
	packet->proxy = NULL;
}

void forward_refuse(
	struct packet *packet, const struct proxy *proxy, uint32_t code, struct span reason)
{
	packet->proxy = proxy;
	if (packet->msg.is_request)
		answer_with(packet, code, reason, span_of(NULL, 0));
	else
		packet_drop(packet, COUNT_responses_refused);
	packet->proxy = NULL;
}

#include "engine/route.h"

#include "base/put.h"

enum { MAX_FORWARDS_DEFAULT = 70 };

static void refuse(struct route *route, uint32_t code)
{
	route->code = code;
}

/* RFC 3261 16.3 (4) with RFC 5393: did this very request pass here before? Only a Via that has the
 * text of the loop part in it is worth parsing; the top one is parsed already. */
static bool is_loop(struct packet *packet, uint64_t loop_part)
{
	const struct via *top = msg_top_via(&packet->msg);
	struct msg_values vias = msg_values(&packet->msg, HDR_VIA);
	struct span value;
	char text[16];
	if (top && branch_has_loop_part(top->branch, loop_part))
		return true;
	bool more = msg_values_next(&vias, &value) && msg_values_next(&vias, &value);
	if (more)
		put_hex64(text, loop_part);
	for (; more; more = msg_values_next(&vias, &value)) {
		struct via via;
		if (memmem(value.p, value.n, text, sizeof text) && via_parse(value, &via) == 0 &&
			branch_has_loop_part(via.branch, loop_part))
			return true;
	}
	return false;
}

/* RFC 3261 16.3: what is checked before any routing. */
static void check(struct packet *packet, struct route *route)
{
	struct msg *msg = &packet->msg;
	int64_t hops = msg_max_forwards(msg);
	const struct uri *uri = msg_ruri(msg);
	struct leg *self;
	bool for_us =
		msg->method_id == METHOD_OPTIONS && uri && legs_is_self(packet->engine, uri, &self);
	if (hops == 0 && !for_us) { /* RFC 3261 16.3 (3) */
		route->too_many_hops = true;
		return refuse(route, 483);
	}
	route->hops_left = hops < 0 ? MAX_FORWARDS_DEFAULT : hops > 0 ? hops - 1 : 0;
	route->seed = branch_seed(packet);
	route->loop_part = branch_loop_part(packet, &route->seed);
	if (is_loop(packet, route->loop_part)) {
		route->loop = true;
		return refuse(route, 482);
	}
	if (msg->method_id != METHOD_ACK && msg->method_id != METHOD_CANCEL &&
		msg_find(msg, HDR_PROXY_REQUIRE, 0) >= 0)
		refuse(route, 420);
}

static bool parse_route(struct span value, struct uri *uri)
{
	struct nameaddr nameaddr;
	if (nameaddr_parse(value, &nameaddr))
		return false;
	*uri = nameaddr.uri;
	return true;
}

static bool is_sip(const struct uri *uri)
{
	return uri->scheme == URI_SIP || uri->scheme == URI_SIPS;
}

/* RFC 3261 16.4: the Request-URI is what we put into Record-Route; a strict router did that. */
static void undo_strict_router(struct packet *packet, struct route *route, struct uri *request_uri)
{
	struct leg *leg;
	struct uri uri;
	if (!is_sip(request_uri) || !uri_has_param(request_uri, SPAN("lr")) ||
		!legs_is_self(packet->engine, request_uri, &leg))
		return;
	struct msg_values routes = msg_values(&packet->msg, HDR_ROUTE);
	struct span last = {0};
	for (struct span value; msg_values_next(&routes, &value);)
		last = value;
	if (!last.p || !parse_route(last, &uri))
		return;
	route->undo_strict = true;
	route->last_route = last;
	route->request_uri = uri.text;
	*request_uri = uri;
}

bool route_is_strict(struct packet *packet, struct uri *request_uri)
{
	struct route route = {0};
	undo_strict_router(packet, &route, request_uri);
	return route.undo_strict;
}

/* Without what a Contact may say and a Request-URI may not (RFC 3261 19.1.1). */
static struct span as_target(struct packet *packet, struct span scheme, struct span contact)
{
	struct arena *arena = &packet->msg.arena;
	struct uri uri;
	if (!span_find(contact, '?') && !span_find(contact, ';'))
		return contact;
	char *text = arena_alloc(arena, scheme.n + 1 + contact.n), *out = put_span(text, scheme);
	*out++ = ':';
	if (uri_parse(span_between(text, put_span(out, contact)), &uri))
		return contact;
	char *target = arena_alloc(arena, uri.text.n);
	return span_from(span_of(target, uri_as_target(&uri, target)), scheme.n + 1);
}

/* The Request-URI may be a word of ours: the contact behind it is meant, and the place that leads
 * to it. */
static void read_contact(struct packet *packet, struct route *route, struct uri *request_uri)
{
	enum contact_kind kind = contact_read(packet, request_uri, &route->contact);
	if (kind == CONTACT_PLAIN)
		return;
	if (kind == CONTACT_OURS)
		route->contact.contact =
			as_target(packet, request_uri->scheme_name, route->contact.contact);
	const struct leg at_home = {.place = route->contact.leads_to};
	struct span text = kind == CONTACT_OURS
				   ? contact_shown(packet, request_uri, &route->contact, &at_home)
				   : span_of(NULL, 0);
	struct uri uri;
	if (!text.p || uri_parse(text, &uri)) {
		route->bad_contact = true;
		return refuse(route, 404);
	}
	route->found = true;
	route->found_uri = *request_uri;
	*request_uri = uri;
}

void route_request(struct packet *packet, struct route *route)
{
	struct msg *msg = &packet->msg;
	*route = (struct route){.request_uri = msg->uri};
	check(packet, route);
	if (route->code)
		return;
	const struct uri *parsed = msg_ruri(msg);
	if (!parsed)
		return refuse(route, 400);
	struct uri request_uri = *parsed;
	undo_strict_router(packet, route, &request_uri);
	if (packet->proxy && packet->proxy->rewrites && !packet->proxy->by_script) {
		read_contact(packet, route, &request_uri);
		if (route->code)
			return;
	}

	bool is_secure = request_uri.scheme == URI_SIPS;
	struct msg_values routes = msg_values(msg, HDR_ROUTE);
	for (struct span value; msg_values_next(&routes, &value);) {
		struct leg *leg;
		if (route->undo_strict && value.p == route->last_route.p)
			break; /* it is the Request-URI now */
		if (!parse_route(value, &route->next_hop))
			return refuse(route, 400);
		if (!is_sip(&route->next_hop))
			return refuse(route, 416);
		if (!legs_is_self(packet->engine, &route->next_hop, &leg)) {
			route->strict_next = !uri_has_param(&route->next_hop, SPAN("lr"));
			if (is_secure) /* whatever the Route says (RFC 3261 16.6 (7)) */
				route->next_hop.scheme = URI_SIPS;
			return;
		}
		route->own_routes++;
		/* Without our mark it may be a phone's own, which says no more than: come here. */
		bool says = leg->place != packet_leg(packet)->place ||
			    uri_has_param(&route->next_hop, SPAN("d"));
		route->leg = says ? leg : NULL;
	}
	if (!is_sip(&request_uri))
		return refuse(route, 416);
	route->next_hop = request_uri;
	route->at_target = true;
}

struct leg_wish route_wish(const struct packet *packet, const struct route *route)
{
	struct leg *in = packet_leg(packet);
	struct leg_wish wish = {.rather = in};
	if (route->found && route->at_target) {
		wish.place = route->contact.leads_to;
		wish.nowhere_else = true;
	} else if (packet->home && (route->at_target || !packet->home_only)) {
		wish.place = packet->home;
		wish.nowhere_else = packet->home_only;
	} else if (route->leg) {
		wish.leg = route->leg;
	} else {
		wish.by_network = true;
		wish.place = legs_other_place(packet->engine, in);
	}
	return wish;
}

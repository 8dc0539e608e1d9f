#include "engine/outgoing.h"

#include "base/put.h"
#include "sip/edit.h"

enum { VIA_TEXT_MAX = LEG_SPEC_MAX + 128, RR_TEXT_MAX = LEG_SPEC_MAX + 96 };

static int add_record_route(struct packet *packet, const struct leg *leg, uint64_t mark)
{
	struct msg *msg = &packet->msg;
	char *text = edit_line_room(msg, RR_TEXT_MAX), *out = text;
	if (!text)
		return EDIT_TOO_MANY;
	out = put_span(out, span_of(leg->record_route, leg->record_route_n));
	out = put_text(out, ";lr;d=");
	out = put_hex64(out, mark);
	*out++ = '>';
	int at = msg_find(msg, HDR_RECORD_ROUTE, 0);
	if (at < 0)
		at = msg_find(msg, HDR_VIA, 0);
	return edit_insert_line(msg, at, HDR_RECORD_ROUTE, span_between(text, out));
}

/* Puts our Via on top; `*below` becomes its branch. `connection`: where the answer goes back on, if
 * the request came by a stream. */
static int add_via(struct packet *packet, const struct leg *leg, struct branch_below *below,
	const struct route *route, uint32_t number, uint64_t connection)
{
	struct msg *msg = &packet->msg;
	char *text = edit_line_room(msg, VIA_TEXT_MAX), *out = text;
	if (!text)
		return EDIT_TOO_MANY;
	out = put_span(out, span_of(leg->via, leg->via_n));
	out = put_text(out, ";branch=");
	char *branch = out;
	uint64_t answer_part = branch_answer_part(&route->seed, &leg->shown, below, number);
	out = put_branch(out, answer_part, route->loop_part, number);
	struct span written = span_between(branch, out);
	if (connection) {
		out = put_text(out, ";i=");
		out = put_hex64(out, connection);
		out = put_hex64(out, branch_connection_part(&route->seed, below, connection));
	}
	*below = (struct branch_below){.branch = written};
	return edit_insert_line(msg, msg_find(msg, HDR_VIA, 0), HDR_VIA, span_between(text, out));
}

/* In requests that may form a dialog: later ones follow the route set that made (RFC 3261 16.6
 * (4)). */
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
	return at >= 0 ? edit_value(msg, at, value)
		       : edit_add(msg, hdr_name(HDR_MAX_FORWARDS), value);
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

/* RFC 3261 16.4 and 16.6 (6): Route and Request-URI as the plan says. A contact of ours is shown as
 * the side it is sent to may see it. */
static int apply_route(struct packet *packet, const struct route *route, const struct leg *out)
{
	struct msg *msg = &packet->msg;
	int rc = 0;
	if (route->undo_strict) {
		struct span uri = arena_copy(&msg->arena, route->request_uri);
		rc |= remove_last_route(msg);
		rc |= edit_uri(msg, uri);
	}
	if (route->found)
		rc |= edit_uri(msg, contact_shown(packet, &route->found_uri, &route->contact, out));
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

int outgoing_edit(struct packet *packet, const struct route *route, struct leg *out,
	uint32_t number, struct outgoing *made)
{
	struct msg *msg = &packet->msg;
	struct leg *in = packet_leg(packet);
	uint64_t connection = packet->from.connection;
	bool record = wants_record_route(packet);
	const struct nameaddr *from = msg_from(msg);
	uint64_t mark = from ? route->seed.mark : 0;
	const struct via *via = msg_top_via(msg);
	struct branch_below below = branch_below(via);
	*made = (struct outgoing){0};
	int rc = set_max_forwards(msg, route->hops_left) | apply_route(packet, route, out);
	/* Leaving by another leg we are two hops in one, so that answers and later requests find
	 * the right leg (RFC 5658). */
	if (in != out && rc == 0) {
		rc = record ? add_record_route(packet, in, mark) : 0;
		if (rc == 0)
			rc = add_via(packet, in, &below, route, number, connection);
		made->vias += rc == 0;
		connection = 0;
	}
	if (record && rc == 0)
		rc = add_record_route(packet, out, mark);
	if (rc == 0) {
		rc = add_via(packet, out, &below, route, number, connection);
		made->vias += rc == 0;
	}
	made->branch = below.branch;
	return rc;
}

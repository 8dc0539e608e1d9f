#include "engine/outgoing.h"

#include "base/put.h"
#include "sip/edit.h"

/* What stands behind the text of the leg. */
enum {
	VIA_REST_MAX = sizeof ";branch=;i=\r\n" + BRANCH_TEXT_MAX + 2 * 16,
	RR_REST_MAX = sizeof ";lr;d=>\r\n" + 16,
};

/* The legs a request leaves by, as their lines stand in it. Leaving by another leg than it came in
 * we are two hops in one, so that answers and later requests find the right leg (RFC 5658). */
struct own_hops {
	const struct leg *leg[2];
	uint32_t n;
};

static struct own_hops own_hops(const struct packet *packet, const struct leg *out)
{
	const struct leg *in = packet_leg(packet);
	return (struct own_hops){.leg = {out, in}, .n = in == out ? 1 : 2};
}

/* Record-Route lines, then Via lines, one behind the other. */
struct own_lines {
	struct edit_line line[4];
	uint32_t n;
	char *out; /* behind the last one */
};

static void end_line(struct own_lines *lines, enum hdr_id id, char *begin, char *out)
{
	lines->out = put_text(out, "\r\n");
	lines->line[lines->n++] = (struct edit_line){span_between(begin, lines->out), id};
}

static void put_record_routes(struct own_lines *lines, const struct own_hops *hops, uint64_t mark)
{
	for (uint32_t i = 0; i < hops->n; i++) {
		const struct leg *leg = hops->leg[i];
		char *begin = lines->out, *out = begin;
		out = put_span(out, span_of(leg->record_route, leg->record_route_n));
		out = put_hex64(put_text(out, ";lr;d="), mark);
		*out++ = '>';
		end_line(lines, HDR_RECORD_ROUTE, begin, out);
	}
}

/* Returns where its branch ends. */
static char *put_via(char *out, const struct leg *leg, struct span branch)
{
	out = put_text(put_span(out, span_of(leg->via, leg->via_n)), ";branch=");
	return put_span(out, branch);
}

/* Where an answer goes back on, if the request came by a stream. */
static char *put_connection(char *out, const struct packet *packet, const struct route *route,
	const struct branch_below *below)
{
	uint64_t connection = packet->from.connection;
	if (!connection)
		return out;
	out = put_hex64(put_text(out, ";i="), connection);
	return put_hex64(out, branch_connection_part(&route->seed, below, connection));
}

/* Each vouches for the one under it; the lowest one says on which connection the answer goes back.
 */
static struct span put_vias(struct own_lines *lines, struct packet *packet,
	const struct own_hops *hops, const struct route *route, uint32_t number)
{
	const struct branch_below lowest = branch_below(msg_top_via(&packet->msg));
	struct branch_below below = lowest;
	char text[2][BRANCH_TEXT_MAX];
	struct span branch[2];
	for (uint32_t i = hops->n; i-- > 0;) {
		uint64_t part =
			branch_answer_part(&route->seed, &hops->leg[i]->shown, &below, number);
		branch[i] =
			span_between(text[i], put_branch(text[i], part, route->loop_part, number));
		below = (struct branch_below){.branch = branch[i]};
	}
	struct span top = {0};
	for (uint32_t i = 0; i < hops->n; i++) {
		char *begin = lines->out, *out = put_via(begin, hops->leg[i], branch[i]);
		if (i == 0)
			top = span_of(out - branch[i].n, branch[i].n);
		if (i == hops->n - 1)
			out = put_connection(out, packet, route, &lowest);
		end_line(lines, HDR_VIA, begin, out);
	}
	return top;
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

int outgoing_remove_last_route(struct msg *msg)
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
		rc |= outgoing_remove_last_route(msg);
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

/* Record-Route goes before those of others, or before Via. */
static void insert(struct msg *msg, const struct own_lines *lines, uint32_t record_routes)
{
	int at = record_routes ? msg_find(msg, HDR_RECORD_ROUTE, 0) : -1;
	if (at < 0)
		record_routes = 0;
	else
		edit_insert_lines(msg, at, lines->line, record_routes);
	edit_insert_lines(msg, msg_find(msg, HDR_VIA, 0), lines->line + record_routes,
		lines->n - record_routes);
}

int outgoing_edit(struct packet *packet, const struct route *route, struct leg *out,
	uint32_t number, struct outgoing *made)
{
	struct msg *msg = &packet->msg;
	bool record = wants_record_route(packet);
	struct own_hops hops = own_hops(packet, out);
	struct own_lines lines = {.n = 0};
	uint32_t room = 0;
	*made = (struct outgoing){0};
	int rc = set_max_forwards(msg, route->hops_left) | apply_route(packet, route, out);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < hops.n; i++)
		room += hops.leg[i]->via_n + VIA_REST_MAX +
			(record ? hops.leg[i]->record_route_n + RR_REST_MAX : 0);
	lines.out = edit_lines_room(msg, hops.n << record, room);
	if (!lines.out)
		return EDIT_TOO_MANY;
	if (record)
		put_record_routes(&lines, &hops, msg_from(msg) ? route->seed.mark : 0);
	made->branch = put_vias(&lines, packet, &hops, route, number);
	made->vias = (int)hops.n;
	edit_lines_written(msg, lines.out);
	insert(msg, &lines, record ? hops.n : 0);
	return 0;
}

/* One target of a relay: its addresses are tried one after the other (RFC 3263 4.3), each by a
 * client transaction. */
#include <stdlib.h>

#include "base/put.h"
#include "engine/outgoing.h"
#include "engine/registrar.h"
#include "engine/relay_parts.h"
#include "engine/resolve.h"
#include "sip/edit.h"

static void try_next(struct branch *branch);

static struct branch *branch_of(struct timer *timer)
{
	return (struct branch *)((char *)timer - offsetof(struct branch, patience));
}

static void final(struct branch *branch, uint16_t code, struct packet *response)
{
	timers_cancel(&branch->relay->engine->timers, &branch->patience);
	relay_branch_final(branch, code, response);
}

/* ---- patience ---- */

static void give_up(struct branch *branch, struct span reason)
{
	branch->is_cancelled = true;
	if (branch->hunt.client)
		client_cancel(branch->hunt.client, reason);
	if (branch->resolve)
		resolve_cancel(branch->resolve);
	branch->resolve = NULL;
}

/* Nobody answered in the time given. What is out there is cancelled; should it still say 2xx, that
 * goes upstream. */
static void patience_over(struct timer *timer)
{
	struct branch *branch = branch_of(timer);
	give_up(branch, span_of(NULL, 0));
	if (branch->state == BRANCH_PENDING)
		final(branch, 408, NULL);
}

static void be_patient(struct branch *branch)
{
	struct relay *relay = branch->relay;
	uint32_t ms = relay->options.timeout_ms;
	if (!ms && relay->fork.is_invite)
		ms = RELAY_TIMER_C_MS;
	branch->patience.fire = patience_over;
	if (ms)
		timers_arm(&relay->engine->timers, &branch->patience,
			engine_now_ms(relay->engine) + ms);
}

/* ---- answers ---- */

/* RFC 3261 16.7 (5), (10): nothing new once it is over. */
static bool has_another(const struct branch *branch)
{
	return hunt_has_next(&branch->hunt) && !branch->is_cancelled && !branch->relay->cancelled &&
	       !branch->relay->fork.closed;
}

static void next_address(struct branch *branch)
{
	hunt_leave(&branch->hunt);
	try_next(branch);
}

/* This address is no good: the next one, or the end. */
static void fail_over(struct branch *branch, uint16_t code, const char *reason)
{
	hunt_mark_dead(&branch->hunt, reason);
	if (branch->state != BRANCH_PENDING)
		return;
	if (has_another(branch)) {
		next_address(branch);
	} else {
		final(branch, code, NULL);
	}
}

static void silence_over(struct timer *timer)
{
	struct branch *branch =
		(struct branch *)((char *)timer - offsetof(struct branch, hunt.silence));
	if (branch->state != BRANCH_PENDING || !has_another(branch))
		return;
	hunt_abandon(&branch->hunt);
	try_next(branch);
}

static void answered(struct branch *branch, struct packet *response)
{
	struct relay *relay = branch->relay;
	uint32_t code = response->msg.code;
	hunt_heard(&branch->hunt, response);
	if (code < 200) {
		if (code > 100 && !relay->options.timeout_ms)
			be_patient(branch); /* RFC 3261 16.7 (2) */
		relay_provisional(branch, response);
		return;
	}
	if (code == 503 && branch->state == BRANCH_PENDING && has_another(branch)) {
		next_address(branch);
		return;
	}
	final(branch, (uint16_t)code, response);
}

/* An address given up for its silence. Its 2xx is one of the branch, and whom we tried instead is
 * cancelled; a provisional one makes the client send CANCEL; a failure comes too late to count. */
static void told_late(struct branch *branch, const struct client *client, enum client_news news,
	struct packet *response)
{
	if (hunt_late(&branch->hunt, client, news, response)) {
		branch->is_cancelled = true;
		final(branch, (uint16_t)response->msg.code, response);
	} else {
		relay_let_go(branch->relay);
	}
}

static void told(void *user, struct client *client, enum client_news news, struct packet *response)
{
	struct branch *branch = user;
	if (response)
		response->own_vias = client->vias;
	if (client != branch->hunt.client) {
		told_late(branch, client, news, response);
		return;
	}
	switch (news) {
	case CLIENT_RESPONSE:
		answered(branch, response);
		return;
	case CLIENT_TIMED_OUT:
		fail_over(branch, 408, "ETIMEDOUT");
		return;
	case CLIENT_FAILED:
		fail_over(branch, 503, client->error);
		return;
	case CLIENT_ENDED:
		branch->hunt.client = NULL;
		relay_let_go(branch->relay);
		return;
	}
}

/* ---- sending ---- */

/* The request is for this target, and goes by its Path. 0 or a code. */
static uint16_t aim(struct branch *branch)
{
	struct packet *request = branch->relay->request;
	struct msg *msg = &request->msg;
	struct span uri = span_of(branch->uri, branch->uri_n);
	struct span path = span_of(branch->uri + branch->uri_n, branch->path_n);
	uint32_t path_routes = request->path_routes; /* of the request itself, where that leads */
	bool is_its_own = span_eq(uri, msg->uri) && !path.n;
	uint16_t code = 0;
	if (edit_uri(msg, uri) < 0)
		code = 400;
	else if (!is_its_own && registrar_take_path(request, path) < 0)
		code = 513;
	request->path_routes = path_routes;
	return code;
}

/* RFC 5393 5.3.3: its share of what all branches together may fork into. */
static int set_breadth(struct msg *msg, uint32_t breadth)
{
	char text[10];
	struct span value = span_between(text, put_u32(text, breadth));
	return edit_set(msg, hdr_name(HDR_MAX_BREADTH), value);
}

struct made {
	char *bytes, *cancel; /* new; the latter of an INVITE only */
	uint32_t n, cancel_n;
	struct outgoing outgoing; /* in the arena of the request */
};

/* The request as it goes to this target, in bytes of its own. False with a code when it can not be
 * made. */
static bool make_request(struct branch *branch, struct leg *out, struct made *made, uint16_t *code)
{
	struct packet *request = branch->relay->request;
	struct msg *msg = &request->msg;
	struct edit_state *saved = &request->engine->saved;
	struct route route;
	request->proxy = branch->relay->proxy;
	packet_touch(request);
	edit_save(msg, saved);
	*code = aim(branch);
	if (branch->route)
		route = *branch->route;
	else
		route_request(request, &route);
	if (!*code)
		*code = (uint16_t)route.code;
	if (!*code && proxy_hides(request->proxy, packet_leg(request), out))
		*code = (uint16_t)contacts_rewrite(request, out);
	if (!*code && (outgoing_edit(request, &route, out, branch->number, &made->outgoing) < 0 ||
			      set_breadth(msg, branch->breadth) < 0))
		*code = 513;
	if (!*code) {
		bool stream = transport_is_reliable(out->address.transport);
		made->bytes = write_copy(msg, stream, &made->n);
		if (branch->relay->fork.is_invite)
			made->cancel = client_cancel_of(msg, &made->cancel_n);
	}
	edit_restore(msg, saved);
	request->proxy = NULL;
	return !*code;
}

static void try_next(struct branch *branch)
{
	struct relay *relay = branch->relay;
	struct packet *request = relay->request;
	struct hunt *hunt = &branch->hunt;
	if (hunt->tried) /* another transaction, another branch (RFC 3263 4.3) */
		branch->number = ++relay->n_branches;
	struct flow to;
	struct leg *out = request ? hunt_next(hunt, relay->engine, &branch->wish, &to) : NULL;
	struct made made = {0};
	uint16_t code = 503;
	/* To ourselves it would go round in a circle: nobody here wanted it (RFC 3261 16.5). */
	if (out && legs_is_own_address(relay->engine, out->address.transport, &to.peer)) {
		final(branch, 404, NULL);
		return;
	}
	if (out && make_request(branch, out, &made, &code)) {
		hunt->client = client_new(relay->engine, made.bytes, made.n, made.outgoing.branch,
			request->msg.method, &to, told, branch);
		request->no_room |= !hunt->client;
		code = 503;
	}
	if (!hunt->client) {
		free(made.cancel);
		final(branch, code, NULL);
		return;
	}
	client_take_cancel(hunt->client, made.cancel, made.cancel_n);
	hunt->client->vias = made.outgoing.vias;
	request->to = to;
	hunt_listen(hunt, &branch->patience, silence_over);
	client_go(hunt->client);
}

static void located(
	void *arg, enum locate_result result, const struct locate_target *targets, uint32_t n)
{
	struct branch *branch = arg;
	branch->resolve = NULL;
	if (!n || !branch->relay->request) {
		final(branch, resolve_code(result), NULL);
		return;
	}
	hunt_begin(&branch->hunt, targets, n);
	try_next(branch);
}

/* What it leaves by: where the contact registered, and else as the proxy has it. */
static struct leg_wish wish_of(const struct branch *branch, const struct route *route)
{
	struct packet *request = branch->relay->request;
	struct leg *in = packet_leg(request);
	uint64_t home = request->home;
	if (!request->proxy)
		return (struct leg_wish){.leg = branch->home ? NULL : in,
			.place = branch->home ? branch->home : in->place,
			.rather = in};
	if (branch->home)
		request->home = branch->home;
	struct leg_wish wish = route_wish(request, route);
	request->home = home;
	return wish;
}

/* Where it goes is decided by the first Route that is left, or by the target itself. */
static uint32_t next_hop_of(struct branch *branch, struct route *route)
{
	struct packet *request = branch->relay->request;
	struct edit_state *saved = &request->engine->saved;
	request->proxy = branch->relay->proxy;
	packet_touch(request);
	edit_save(&request->msg, saved);
	uint16_t code = aim(branch);
	route_request(request, route);
	if (code)
		route->code = code;
	edit_restore(&request->msg, saved);
	branch->wish = wish_of(branch, route);
	request->proxy = NULL;
	return route->code;
}

void branch_start(struct branch *branch)
{
	struct packet *request = branch->relay->request;
	struct engine *engine = branch->relay->engine;
	struct route route;
	struct locate_target targets[RESOLVE_NOW_MAX];
	be_patient(branch);
	uint32_t code = next_hop_of(branch, &route);
	engine->count[COUNT_contacts_refused] += route.bad_contact;
	if (!code && !branch->breadth)
		code = 440;
	if (code) {
		final(branch, (uint16_t)code, NULL);
		return;
	}
	struct resolve_query query = {
		.uri = &route.next_hop,
		.routing = request->routing,
		.direct = branch->wish.nowhere_else,
		.too_big_for_udp = request->msg.head_n + request->msg.body.n > RESOLVE_UDP_MAX,
		.seed = route.loop_part,
	};
	uint32_t n = resolve_now(engine, &query, targets);
	if (n) {
		branch->route = &route;
		located(branch, LOCATE_FOUND, targets, n);
		branch->route = NULL;
	} else {
		branch->resolve = resolve_start(engine, &query, located, branch);
	}
}

void branch_cancel(struct branch *branch, struct span reason)
{
	give_up(branch, reason);
	if (branch->hunt.client)
		return;
	branch->state = BRANCH_DONE;
	timers_cancel(&branch->relay->engine->timers, &branch->patience);
}

void branch_free(struct branch *branch)
{
	timers_cancel(&branch->relay->engine->timers, &branch->patience);
	hunt_end(&branch->hunt, branch->relay->engine);
	if (branch->resolve)
		resolve_cancel(branch->resolve);
	free(branch);
}

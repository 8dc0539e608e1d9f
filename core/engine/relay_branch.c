/* One target of a relay: its addresses are tried one after the other (RFC 3263 4.3), each by a
 * client transaction. */
#include <stdlib.h>

#include "base/check.h"
#include "base/put.h"
#include "engine/outgoing.h"
#include "engine/relay_parts.h"
#include "engine/resolve.h"
#include "engine/targets.h"
#include "sip/edit.h"

static void try_next(struct branch *branch);

static struct branch *branch_of(struct timer *timer)
{
	return (struct branch *)((char *)timer - offsetof(struct branch, patience));
}

static void final(struct branch *branch, uint16_t code, struct packet *response)
{
	timers_cancel(&branch->relay->engine->timers, &branch->patience);
	timers_cancel(&branch->relay->engine->timers, &branch->silence);
	relay_branch_final(branch, code, response);
}

/* ---- patience ---- */

static void give_up(struct branch *branch)
{
	branch->is_cancelled = true;
	if (branch->client)
		client_cancel(branch->client);
	if (branch->resolve)
		resolve_cancel(branch->resolve);
	branch->resolve = NULL;
}

/* Nobody answered in the time given. What is out there is cancelled; should it still say 2xx, that
 * goes upstream. */
static void patience_over(struct timer *timer)
{
	struct branch *branch = branch_of(timer);
	give_up(branch);
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

static void mark_dead(const struct branch *branch, const char *reason)
{
	struct engine *engine = branch->relay->engine;
	const struct flow *to = &branch->client->to;
	targets_mark_dead(engine->targets, engine->legs.leg[to->leg].address.transport, &to->peer,
		reason, 0, engine_now_ms(engine));
}

static void mark_alive(const struct client *client)
{
	struct engine *engine = client->engine;
	targets_mark_alive(engine->targets, engine->legs.leg[client->to.leg].address.transport,
		&client->to.peer);
}

/* RFC 3261 16.7 (5), (10): nothing new once it is over. */
static bool has_another(const struct branch *branch)
{
	return branch->next_target < branch->n_targets && !branch->is_cancelled &&
	       !branch->relay->cancelled && !branch->relay->fork.closed;
}

/* This address is no good: the next one, or the end. */
static void fail_over(struct branch *branch, uint16_t code, const char *reason)
{
	struct engine *engine = branch->relay->engine;
	mark_dead(branch, reason);
	if (branch->state != BRANCH_PENDING)
		return;
	if (has_another(branch)) {
		engine->count[COUNT_failovers]++;
		branch->client->told = NULL; /* it ends by itself */
		branch->client = NULL;
		try_next(branch);
	} else {
		final(branch, code, NULL);
	}
}

static void silence_over(struct timer *timer)
{
	struct branch *branch = (struct branch *)((char *)timer - offsetof(struct branch, silence));
	struct client *client = branch->client;
	if (branch->state != BRANCH_PENDING || !has_another(branch))
		return;
	mark_dead(branch, "ETIMEDOUT");
	branch->relay->engine->count[COUNT_failovers]++;
	branch->client = NULL;
	branch->abandoned++;
	client_cancel(client);
	try_next(branch);
}

/* An even share of the time that is left, for each address that is left. */
static void await_sign(struct branch *branch)
{
	struct engine *engine = branch->relay->engine;
	int64_t now = engine_now_ms(engine), share = RELAY_ADDRESS_MS;
	uint32_t left = branch->n_targets - branch->next_target + 1;
	if (left == 1)
		return;
	if (timer_is_armed(&branch->patience) && (branch->patience.due_ms - now) / left < share)
		share = (branch->patience.due_ms - now) / left;
	branch->silence.fire = silence_over;
	timers_arm(&engine->timers, &branch->silence, now + share);
}

static void answered(struct branch *branch, struct packet *response)
{
	struct relay *relay = branch->relay;
	uint32_t code = response->msg.code;
	timers_cancel(&relay->engine->timers, &branch->silence);
	if (code < 200) {
		if (code > 100 && !relay->options.timeout_ms)
			be_patient(branch); /* RFC 3261 16.7 (2) */
		relay_provisional(branch, response);
		return;
	}
	if (code == 503 && branch->state == BRANCH_PENDING && has_another(branch)) {
		fail_over(branch, 503, "503");
		return;
	}
	mark_alive(branch->client);
	final(branch, (uint16_t)code, response);
}

/* An address given up for its silence. Its 2xx is one of the branch, and whom we tried instead is
 * cancelled; a provisional one makes the client send CANCEL; a failure comes too late to count. */
static void told_late(struct branch *branch, const struct client *client, enum client_news news,
	struct packet *response)
{
	if (news == CLIENT_ENDED) {
		branch->abandoned--;
		relay_let_go(branch->relay);
		return;
	}
	if (!response)
		return;
	mark_alive(client);
	if (response->msg.code < 200 || response->msg.code >= 300)
		return;
	branch->is_cancelled = true;
	if (branch->client)
		client_cancel(branch->client);
	final(branch, (uint16_t)response->msg.code, response);
}

static void told(void *user, struct client *client, enum client_news news, struct packet *response)
{
	struct branch *branch = user;
	if (response)
		response->own_vias = client->vias;
	if (client != branch->client) {
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
		fail_over(branch, 503, "ECONNREFUSED");
		return;
	case CLIENT_ENDED:
		branch->client = NULL;
		relay_let_go(branch->relay);
		return;
	}
}

/* ---- sending ---- */

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
	packet_touch(request);
	edit_save(msg, saved);
	edit_uri(msg, span_of(branch->uri, branch->uri_n));
	if (branch->route)
		route = *branch->route;
	else
		route_request(request, &route);
	*code = (uint16_t)route.code;
	if (!route.code &&
		(outgoing_edit(request, &route, out, branch->number, &made->outgoing) < 0 ||
			set_breadth(msg, branch->breadth) < 0))
		*code = 513;
	if (!*code) {
		bool stream = transport_is_reliable(out->address.transport);
		made->bytes = write_copy(msg, stream, &made->n);
		if (branch->relay->fork.is_invite)
			made->cancel = client_cancel_of(msg, &made->cancel_n);
	}
	edit_restore(msg, saved);
	return !*code;
}

static void try_next(struct branch *branch)
{
	struct relay *relay = branch->relay;
	struct packet *request = relay->request;
	if (branch->next_target) /* another transaction, another branch (RFC 3263 4.3) */
		branch->number = ++relay->n_branches;
	const struct locate_target *target = &branch->targets[branch->next_target++];
	struct leg_wish wish = {.leg = request ? packet_leg(request) : NULL};
	struct leg *out =
		request && !addr_is_unroutable(&target->addr)
			? legs_towards(relay->engine, target->transport, &target->addr, &wish)
			: NULL;
	struct made made = {0};
	uint16_t code = 503;
	/* To ourselves it would go round in a circle: nobody here wanted it (RFC 3261 16.5). */
	if (out && legs_is_own_address(relay->engine, out->address.transport, &target->addr)) {
		final(branch, 404, NULL);
		return;
	}
	if (out && make_request(branch, out, &made, &code)) {
		struct flow to = {.leg = out->index, .peer = target->addr};
		out->used_ms = engine_now_ms(relay->engine);
		branch->client = client_new(relay->engine, made.bytes, made.n, made.outgoing.branch,
			request->msg.method, &to, told, branch);
		request->no_room |= !branch->client;
		code = 503;
	}
	if (!branch->client) {
		free(made.cancel);
		final(branch, code, NULL);
		return;
	}
	client_take_cancel(branch->client, made.cancel, made.cancel_n);
	branch->client->vias = made.outgoing.vias;
	request->to = branch->client->to;
	await_sign(branch);
	client_go(branch->client);
}

static void located(
	void *arg, enum locate_result result, const struct locate_target *targets, uint32_t n)
{
	struct branch *branch = arg;
	branch->resolve = NULL;
	if (!n || !branch->relay->request) {
		final(branch, result == LOCATE_BAD_URI ? 416 : 503, NULL);
		return;
	}
	branch->targets = must_alloc(n * sizeof *targets);
	memcpy(branch->targets, targets, n * sizeof *targets);
	branch->n_targets = n;
	try_next(branch);
}

/* Where it goes is decided by the first Route that is left, or by the target itself. */
static uint32_t next_hop_of(struct branch *branch, struct route *route)
{
	struct packet *request = branch->relay->request;
	struct edit_state *saved = &request->engine->saved;
	packet_touch(request);
	edit_save(&request->msg, saved);
	if (edit_uri(&request->msg, span_of(branch->uri, branch->uri_n)) < 0)
		route->code = 400;
	else
		route_request(request, route);
	edit_restore(&request->msg, saved);
	return route->code;
}

void branch_start(struct branch *branch)
{
	struct packet *request = branch->relay->request;
	struct engine *engine = branch->relay->engine;
	struct route route;
	struct locate_target target;
	be_patient(branch);
	uint32_t code = next_hop_of(branch, &route);
	if (!code && !branch->breadth)
		code = 440;
	if (code) {
		final(branch, (uint16_t)code, NULL);
		return;
	}
	struct resolve_query query = {
		.uri = &route.next_hop,
		.routing = request->routing,
		.too_big_for_udp = request->msg.head_n + request->msg.body.n > RESOLVE_UDP_MAX,
		.seed = route.loop_part,
	};
	if (resolve_now(engine, &query, &target)) {
		branch->route = &route;
		located(branch, LOCATE_FOUND, &target, 1);
		branch->route = NULL;
	} else {
		branch->resolve = resolve_start(engine, &query, located, branch);
	}
}

void branch_cancel(struct branch *branch)
{
	give_up(branch);
	if (branch->client)
		return;
	branch->state = BRANCH_DONE;
	timers_cancel(&branch->relay->engine->timers, &branch->patience);
}

void branch_free(struct branch *branch)
{
	timers_cancel(&branch->relay->engine->timers, &branch->patience);
	timers_cancel(&branch->relay->engine->timers, &branch->silence);
	if (branch->client)
		client_free(branch->client);
	if (branch->resolve)
		resolve_cancel(branch->resolve);
	free(branch->targets);
	free(branch);
}

/* One request and the branches it was sent out on: groups, the best response, the end (RFC
 * 3261 16.7). */
#include "engine/relay_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/put.h"
#include "engine/forward.h"
#include "sip/edit.h"

/* ---- life ---- */

static void keep(struct packet **kept, struct packet *packet)
{
	if (packet)
		packet_hold(packet);
	if (*kept)
		packet_release(*kept);
	*kept = packet;
}

static void forget_best(struct relay *relay)
{
	keep(&relay->best, NULL);
	keep(&relay->this_best, NULL);
}

static void relay_free(struct relay *relay)
{
	relay->engine->legs.leg[relay->upstream.leg].n_transactions--;
	relay_leave_table(relay);
	timers_cancel(&relay->engine->timers, &relay->soon);
	forget_best(relay);
	proxy_release(relay->proxy);
	while (relay->branches) {
		struct branch *branch = relay->branches;
		relay->branches = branch->next;
		branch_free(branch);
	}
	engine_free_later(relay->engine, relay->response);
	free(relay);
}

void relay_let_go(struct relay *relay)
{
	if (relay->request || relay->holds || relay->in_table)
		return;
	for (struct branch *branch = relay->branches; branch; branch = branch->next)
		if (!hunt_is_over(&branch->hunt) || branch->resolve)
			return;
	relay_free(relay);
}

void relays_free_all(struct engine *engine)
{
	uint32_t bucket = 0;
	struct table_link *link = NULL;
	while ((link = table_walk(&engine->transactions, &bucket, link))) {
		struct relay *relay = (struct relay *)link; /* or a client, which begins alike */
		if (relay->is_client)
			continue;
		relay->request = NULL;
		relay_free(relay);
		link = NULL; /* the bucket from its start: clients have gone from it too */
	}
	bucket = 0;
	while ((link = table_walk(&engine->transactions, &bucket, NULL)))
		client_free((struct client *)link);
}

/* ---- branches, as groups ---- */

static bool has_pending(const struct relay *relay)
{
	for (const struct branch *branch = relay->branches; branch; branch = branch->next)
		if (branch->state == BRANCH_CHOSEN || branch->state == BRANCH_PENDING)
			return true;
	return false;
}

static void forget_waiting(struct relay *relay)
{
	for (struct branch *branch = relay->branches; branch; branch = branch->next)
		if (branch->state < BRANCH_PENDING)
			branch->state = BRANCH_DONE;
}

static void cancel_pending(struct relay *relay, struct span reason)
{
	forget_waiting(relay);
	for (struct branch *branch = relay->branches; branch; branch = branch->next)
		if (branch->state == BRANCH_PENDING)
			branch_cancel(branch, reason);
}

/* Somebody else has answered: a phone that rings is not to show a missed call (RFC 3326 2). */
static void cancel_for(struct relay *relay, uint32_t code)
{
	char reason[64];
	int n = snprintf(reason, sizeof reason, "SIP;cause=%" PRIu32 "%s", code,
		code < 300 ? ";text=\"Call completed elsewhere\"" : "");
	cancel_pending(relay, span_of(reason, (size_t)n));
}

static enum relay_end end_of(const struct relay *relay)
{
	if (relay->this_best)
		return relay->cancelled && relay->this_best->msg.code >= 300 ? RELAY_CANCELLED
									     : RELAY_FINAL;
	if (relay->cancelled)
		return RELAY_CANCELLED;
	if (relay->fork.answered)
		return RELAY_ANSWERED;
	if (relay->this_failure == 408)
		return RELAY_TIMEOUT;
	return relay->request->no_room ? RELAY_REFUSED : RELAY_UNREACHABLE;
}

static void complete_soon(struct timer *timer);

/* From within Lua nobody may be resumed: in the next run of the timers. */
static void complete_later(struct relay *relay)
{
	relay->soon.fire = complete_soon;
	if (relay->options.done)
		timers_arm(&relay->engine->timers, &relay->soon, engine_now_ms(relay->engine));
}

/* Tells the owner, which may do anything then: forward again, answer, end. */
static void complete(struct relay *relay)
{
	struct relay_options options = relay->options;
	if (relay->is_starting) { /* relay_forward has not returned yet */
		complete_later(relay);
		return;
	}
	timers_cancel(&relay->engine->timers, &relay->soon);
	relay->options = (struct relay_options){0};
	relay->round++;
	if (!options.done)
		return;
	enum relay_end end = end_of(relay);
	_Static_assert(COUNT_forwards_refused == COUNT_forwards_final + RELAY_REFUSED,
		"the counters are in the order of enum relay_end");
	relay->engine->count[COUNT_forwards_final + end]++;
	options.done(options.arg, end, relay->this_best);
}

void relay_cancel(struct relay *relay, struct span reason)
{
	bool was_waiting = has_pending(relay);
	relay->cancelled = true;
	relay->holds++;
	cancel_pending(relay, reason);
	if (was_waiting && !has_pending(relay))
		complete(relay);
	relay->holds--;
	relay_let_go(relay);
}

static bool waits_in(const struct branch *branch, uint32_t group)
{
	return branch->state == BRANCH_WAITING && branch->group == group;
}

/* RFC 5393 5.3.3.1: those that go out at one time share what the request may fork into. Whoever is
 * left without a share is tried when the others have failed, unless there is none at all. */
static void share_breadth(struct relay *relay, uint32_t group)
{
	struct branch *branch;
	uint32_t n = 0, breadth = RELAY_BREADTH;
	span_u32(msg_value(&relay->request->msg, HDR_MAX_BREADTH), &breadth);
	for (branch = relay->branches; branch; branch = branch->next)
		n += waits_in(branch, group);
	bool has_any = breadth > 0;
	for (branch = relay->branches; branch; branch = branch->next) {
		if (!waits_in(branch, group))
			continue;
		branch->breadth = breadth / n + (breadth % n != 0);
		breadth -= branch->breadth;
		n--;
		if (branch->breadth || !has_any)
			branch->state = BRANCH_CHOSEN;
	}
}

/* Starts the lowest group that waits; with nobody left, that was it. */
static void next_group(struct relay *relay)
{
	uint32_t lowest, round = relay->round;
	struct branch *branch;
	while (relay->round == round && !has_pending(relay)) {
		lowest = UINT32_MAX;
		for (branch = relay->branches; branch; branch = branch->next)
			if (branch->state == BRANCH_WAITING && branch->group < lowest)
				lowest = branch->group;
		if (lowest == UINT32_MAX) {
			complete(relay);
			return;
		}
		share_breadth(relay, lowest);
		for (branch = relay->branches; branch && relay->round == round;
			branch = branch->next)
			if (branch->state == BRANCH_CHOSEN) {
				branch->state = BRANCH_PENDING;
				branch_start(branch);
			}
	}
}

/* The challenges of all branches go upstream with the best response (RFC 3261 16.7 (7)). */
static void add_challenges(struct relay *relay, struct packet *response)
{
	static const enum hdr_id kinds[] = {HDR_WWW_AUTHENTICATE, HDR_PROXY_AUTHENTICATE};
	if (relay->best)
		packet_touch(relay->best);
	for (size_t k = 0; relay->best && k < sizeof kinds / sizeof kinds[0]; k++)
		for (int i = msg_find(&response->msg, kinds[k], 0); i >= 0;
			i = msg_find(&response->msg, kinds[k], i + 1))
			edit_add(&relay->best->msg, hdr_name(kinds[k]),
				msg_unfolded(&response->msg, i));
}

/* A branch that was given up counts no more, but for its 2xx: there is a call then. */
void relay_branch_final(struct branch *branch, uint16_t code, struct packet *response)
{
	struct relay *relay = branch->relay;
	bool was_pending = branch->state == BRANCH_PENDING;
	branch->state = BRANCH_DONE;
	if (!was_pending && code >= 300)
		return;
	relay->holds++; /* the owner may end it in between */
	uint32_t actions = fork_response(&relay->fork, code);
	uint32_t here = fork_response(&relay->this_fork, code);
	if (!response)
		relay->this_failure = code;
	if (here & (FORK_FORWARD | FORK_KEEP))
		keep(&relay->this_best, response);
	if ((actions & FORK_FORWARD) && response)
		relay_upstream(relay, response);
	else if (actions & FORK_KEEP)
		keep(&relay->best, response);
	else if ((actions & FORK_CHALLENGE) && response)
		add_challenges(relay, response);
	if (!relay->request)
		forget_best(relay);
	if (actions & FORK_CANCEL)
		cancel_for(relay, code);
	if (relay->fork.closed) /* told of an INVITE only: others have nothing to cancel */
		forget_waiting(relay);
	if (!relay->fork.answered)
		next_group(relay);
	else if (relay->options.done)
		complete(relay);
	relay->holds--;
	relay_let_go(relay);
}

static void add_branch(struct relay *relay, const struct relay_target *target)
{
	struct branch *branch = must_zalloc(sizeof *branch + target->uri.n + target->path.n);
	struct branch **at = &relay->branches;
	branch->relay = relay;
	branch->group = target->group;
	branch->number = ++relay->n_branches;
	branch->home = target->home;
	branch->uri_n = target->uri.n;
	branch->path_n = target->path.n;
	put_span(put_span(branch->uri, target->uri), target->path);
	while (*at)
		at = &(*at)->next;
	*at = branch;
}

static void complete_soon(struct timer *timer)
{
	complete((struct relay *)((char *)timer - offsetof(struct relay, soon)));
}

int relay_forward(struct packet *request, const struct relay_target *targets, uint32_t n,
	const struct relay_options *options)
{
	struct engine *engine = request->engine;
	struct relay *relay = request->relay ? request->relay : relay_new(request);
	request->no_room = !relay && engine->transactions.n >= engine->limits.transactions;
	engine->count[COUNT_overload] += request->no_room;
	if (!relay || relay->options.done || relay->fork.answered || !n || n > RELAY_TARGETS_MAX)
		return -1;
	if (relay->cancelled)
		return RELAY_GIVEN_UP;
	relay_arm_trying(relay);
	relay->fork.closed = false; /* the owner saw the 6xx and wants to go on all the same */
	if (relay->fork.best / 100 == 3) { /* and followed the redirection (RFC 3261 16.7 (4)) */
		relay->fork.best = 0;
		keep(&relay->best, NULL);
	}
	relay->options = *options;
	proxy_hold(options->proxy);
	proxy_release(relay->proxy);
	relay->proxy = options->proxy;
	relay->round++;
	relay->this_fork = (struct fork){.is_invite = relay->fork.is_invite};
	relay->this_failure = 0;
	keep(&relay->this_best, NULL);
	for (uint32_t i = 0; i < n; i++)
		add_branch(relay, &targets[i]);
	relay->is_starting = true;
	next_group(relay);
	relay->is_starting = false;
	return 0;
}

void relay_forget(struct relay *relay)
{
	relay->options.done = NULL;
	relay->options.provisional = NULL;
}

/* ---- answers ---- */

void relay_answer(struct relay *relay, uint32_t code, struct span bytes)
{
	if (code >= 200) {
		relay->fork.answered = true;
		cancel_for(relay, code); /* RFC 3261 16.7 (10) */
		complete_later(relay);
	}
	relay_send(relay, code, &(struct iovec){(void *)bytes.p, bytes.n}, 1);
}

void relay_provisional(struct branch *branch, struct packet *response)
{
	struct relay *relay = branch->relay;
	if (relay->fork.answered || response->msg.code == 100)
		return;
	if (!relay->options.provisional || !relay->options.done) {
		relay_upstream(relay, response);
		return;
	}
	packet_hold(response);
	relay->holds++;
	response->relay = relay;
	relay->options.provisional(relay->options.arg, response);
}

void relay_pass_provisional(struct packet *response)
{
	struct relay *relay = response->relay;
	response->relay = NULL;
	relay->holds--;
	if (response->decision == DECISION_NONE && !relay->fork.answered)
		relay_upstream(relay, response);
	relay_let_go(relay);
}

/* ---- the end of the handler ---- */

static void answer_best(struct relay *relay)
{
	struct packet *request = relay->request, *best = relay->best;
	uint16_t code = fork_end(&relay->fork);
	if (relay->cancelled && !best)
		code = 487;
	if (!code)
		return;
	relay->fork.answered = true;
	if (code == 500 && !best && request->no_room) {
		packet_reply(request, 503, span_of(NULL, 0), SPAN(RETRY_LATER));
		return;
	}
	if (best && best->msg.code == code) {
		relay_upstream(relay, best);
		return;
	}
	if (code == 420)
		forward_refuse_extensions(request);
	else
		packet_reply(request, code, span_of(NULL, 0), span_of(NULL, 0));
}

/* Without the request nothing can be sent where they lead, and they use the routing of its script.
 */
static void forget_resolves(struct relay *relay)
{
	for (struct branch *branch = relay->branches; branch; branch = branch->next)
		if (branch->resolve)
			branch_cancel(branch, span_of(NULL, 0));
}

void relay_request_done(struct relay *relay)
{
	if (!relay_is_stateful(relay) && !relay->fork.answered)
		relay_leave_table(relay); /* a repetition is to be decided anew */
	else if (relay->request->decision == DECISION_DROPPED)
		cancel_pending(relay, span_of(NULL, 0)); /* the script wants no answer */
	else if (!relay->fork.answered && !has_pending(relay))
		answer_best(relay);
	else if (!relay->fork.answered)
		cancel_pending(relay, span_of(NULL, 0));
	timers_cancel(&relay->engine->timers, &relay->soon);
	forget_resolves(relay);
	relay->request = NULL;
	if (relay->in_table &&
		relay_awaits_final(relay)) { /* absorbs what is repeated, for a while */
		relay->trying_at_ms =
			engine_now_ms(relay->engine) + 64 * relay->engine->times.t1_ms;
		relay_arm(relay);
	}
	relay_forget(relay);
	forget_best(relay);
	relay_let_go(relay);
}

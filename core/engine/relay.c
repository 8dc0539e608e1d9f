#include "engine/relay.h"

#include <stdlib.h>

#include "base/check.h"
#include "sip/edit.h"

static struct relay *relay_of(struct timer *timer)
{
	return (struct relay *)((char *)timer - offsetof(struct relay, timer));
}

/* ---- life ---- */

static void put_best(struct relay *relay, struct packet *packet)
{
	if (packet)
		packet_hold(packet);
	if (relay->best)
		packet_release(relay->best);
	relay->best = packet;
}

static void leave_table(struct relay *relay)
{
	if (!relay->in_table)
		return;
	table_remove(&relay->engine->transactions, &relay->link);
	timers_cancel(&relay->engine->timers, &relay->timer);
	relay->in_table = false;
}

static void relay_free(struct relay *relay)
{
	relay->engine->legs.leg[relay->upstream.leg].n_transactions--;
	leave_table(relay);
	timers_cancel(&relay->engine->timers, &relay->soon);
	put_best(relay, NULL);
	while (relay->branches) {
		struct branch *branch = relay->branches;
		relay->branches = branch->next;
		branch_free(branch);
	}
	engine_free_later(relay->engine, relay->response);
	free(relay);
}

/* Whatever ended, somebody may have been the last to need it. */
static void let_go(struct relay *relay)
{
	if (relay->request || relay->holds || relay->in_table)
		return;
	for (struct branch *branch = relay->branches; branch; branch = branch->next)
		if (branch->client || branch->resolve)
			return;
	relay_free(relay);
}

void relay_client_gone(struct relay *relay)
{
	let_go(relay);
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

/* ---- the server transaction ---- */

static void server_timer(struct timer *timer);

static void arm(struct relay *relay)
{
	int64_t due_ms = txn_due_ms(&relay->server);
	if (!relay->in_table)
		return;
	if (relay->server.state == TXN_TRYING && relay->trying_at_ms < due_ms)
		due_ms = relay->trying_at_ms;
	if (due_ms == INT64_MAX)
		timers_cancel(&relay->engine->timers, &relay->timer);
	else
		timers_arm(&relay->engine->timers, &relay->timer, due_ms);
}

static void send_stored(struct relay *relay)
{
	struct iovec iov = {relay->response, relay->response_n};
	if (relay->response)
		engine_send(relay->engine, &relay->upstream, &iov, 1);
}

static void act(struct relay *relay, uint32_t actions)
{
	if (actions & TXN_SEND)
		send_stored(relay);
	arm(relay);
	if (relay->server.state == TXN_ACCEPTED || relay->server.state == TXN_CONFIRMED) {
		engine_free_later(relay->engine, relay->response);
		relay->response = NULL;
	}
	if (actions & TXN_ENDED) {
		leave_table(relay);
		let_go(relay);
	}
}

static void server_step(struct relay *relay, enum txn_event event)
{
	act(relay, txn_step(&relay->server, event, engine_now_ms(relay->engine), &relay->engine->times));
}

/* What is sent last is what a repeated request gets. */
static void store(struct relay *relay, const struct iovec *iov, uint32_t n)
{
	engine_free_later(relay->engine, relay->response);
	relay->response_n = (uint32_t)write_length(iov, n);
	char *to = relay->response = must_alloc(relay->response_n);
	for (uint32_t i = 0; i < n; i++) {
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
}

static void send_upstream(struct relay *relay, uint32_t code, const struct iovec *iov, uint32_t n)
{
	bool is_accept = code >= 200 && code < 300 && relay->fork.is_invite;
	if (is_accept) { /* repeated end to end, not by us (RFC 6026 7.1) */
		engine_send(relay->engine, &relay->upstream, iov, n);
		if (relay->server.state != TXN_ACCEPTED)
			act(relay, txn_step(&relay->server, TXN_SUCCESS, engine_now_ms(relay->engine),
					   &relay->engine->times) &
					~(uint32_t)TXN_SEND);
		return;
	}
	store(relay, iov, n);
	server_step(relay, txn_event_of(code));
}

static void server_timer(struct timer *timer)
{
	struct relay *relay = relay_of(timer);
	struct packet *request = relay->request;
	if (relay->server.state != TXN_TRYING || engine_now_ms(relay->engine) < relay->trying_at_ms) {
		server_step(relay, TXN_TIMER);
		return;
	}
	relay->trying_at_ms = INT64_MAX;
	struct span out;
	if (request && write_reply(&request->msg, &(struct reply){.code = 100}, &out))
		send_upstream(relay, 100, &(struct iovec){(void *)out.p, out.n}, 1);
	else
		arm(relay);
}

static struct relay *find(struct engine *engine, struct txn_key key)
{
	struct table_link *link = table_first(&engine->transactions, key.hash);
	while (link && !txn_key_eq(((struct relay *)link)->key, key))
		link = table_next(link);
	return (struct relay *)link;
}

static struct relay *relay_new(struct packet *request)
{
	struct engine *engine = request->engine;
	struct txn_key key;
	if (engine->transactions.n >= TRANSACTIONS_MAX ||
		!txn_key_server(&request->msg, &engine->key, &key) || find(engine, key))
		return NULL;
	struct relay *relay = must_zalloc(sizeof *relay);
	bool is_invite = request->msg.method_id == METHOD_INVITE;
	const struct leg *leg = packet_leg(request);
	relay->engine = engine;
	relay->key = key;
	relay->request = request;
	relay->upstream = packet_reply_flow(request);
	relay->fork.is_invite = is_invite;
	relay->timer.fire = server_timer;
	relay->trying_at_ms = INT64_MAX;
	txn_init(&relay->server, is_invite ? TXN_INVITE_SERVER : TXN_SERVER,
		transport_is_reliable(leg->address.transport));
	table_insert(&engine->transactions, &relay->link, key.hash);
	engine->legs.leg[relay->upstream.leg].n_transactions++;
	relay->in_table = true;
	engine->count[COUNT_server_transactions]++;
	server_step(relay, TXN_START);
	request->relay = relay;
	return relay;
}

void relay_begin(struct packet *request)
{
	enum method_id method = request->msg.method_id;
	if (request->msg.is_request && !request->relay && request->decision == DECISION_NONE &&
		method != METHOD_ACK && method != METHOD_CANCEL)
		relay_new(request);
}

/* ---- upstream ---- */

void relay_upstream(struct relay *relay, struct packet *response, int vias)
{
	struct msg *msg = &response->msg;
	struct iovec iov[WORLD_IOV_MAX];
	const struct leg *leg = &relay->engine->legs.leg[relay->upstream.leg];
	for (; vias > 0; vias--)
		edit_pop_value(msg, HDR_VIA);
	uint32_t n = write_msg(
		msg, iov, WORLD_IOV_MAX, transport_is_reliable(leg->address.transport));
	if (relay->request && msg->code >= 200)
		relay->request->decision = DECISION_FORWARDED;
	response->decision = DECISION_FORWARDED;
	response->to = relay->upstream;
	relay->engine->count[COUNT_forwarded]++;
	send_upstream(relay, msg->code, iov, n);
}

void relay_answer(struct relay *relay, uint32_t code, struct span bytes)
{
	if (code >= 200)
		relay->fork.answered = true;
	send_upstream(relay, code, &(struct iovec){(void *)bytes.p, bytes.n}, 1);
}

void relay_provisional(struct branch *branch, struct packet *response)
{
	struct relay *relay = branch->relay;
	if (relay->fork.answered || response->msg.code == 100)
		return;
	response->own_vias = branch->vias;
	if (!relay->options.provisional || !relay->options.done) {
		relay_upstream(relay, response, branch->vias);
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
		relay_upstream(relay, response, response->own_vias);
	let_go(relay);
}

/* ---- branches, as groups ---- */

static bool has_pending(const struct relay *relay)
{
	for (const struct branch *branch = relay->branches; branch; branch = branch->next)
		if (branch->state == BRANCH_PENDING)
			return true;
	return false;
}

static void cancel_pending(struct relay *relay)
{
	for (struct branch *branch = relay->branches; branch; branch = branch->next) {
		if (branch->state == BRANCH_WAITING)
			branch->state = BRANCH_DONE;
		else if (branch->state == BRANCH_PENDING)
			branch_cancel(branch);
	}
}

static enum relay_end end_of(const struct relay *relay)
{
	if (relay->cancelled && !relay->fork.answered)
		return RELAY_CANCELLED;
	if (relay->best)
		return RELAY_FINAL;
	return relay->fork.best == 503 ? RELAY_UNREACHABLE : RELAY_TIMEOUT;
}

static void complete_soon(struct timer *timer);

/* Tells the owner, which may do anything then: forward again, answer, end. */
static void complete(struct relay *relay)
{
	struct relay_options options = relay->options;
	if (relay->is_starting) { /* relay_forward has not returned yet */
		relay->soon.fire = complete_soon;
		timers_arm(&relay->engine->timers, &relay->soon, 0);
		return;
	}
	relay->options = (struct relay_options){0};
	if (options.done)
		options.done(options.arg, end_of(relay), relay->best);
}

/* Starts the lowest group that waits; with nobody left, that was it. */
static void next_group(struct relay *relay)
{
	uint32_t lowest = UINT32_MAX;
	struct branch *branch;
	while (!has_pending(relay)) {
		lowest = UINT32_MAX;
		for (branch = relay->branches; branch; branch = branch->next)
			if (branch->state == BRANCH_WAITING && branch->group < lowest)
				lowest = branch->group;
		if (lowest == UINT32_MAX) {
			complete(relay);
			return;
		}
		for (branch = relay->branches; branch; branch = branch->next)
			if (branch->state == BRANCH_WAITING && branch->group == lowest) {
				branch->state = BRANCH_PENDING;
				branch_start(branch);
			}
	}
}

/* The challenges of all branches go upstream with the best response (RFC 3261 16.7 (7)). */
static void add_challenges(struct relay *relay, struct packet *response)
{
	static const enum hdr_id kinds[] = {HDR_WWW_AUTHENTICATE, HDR_PROXY_AUTHENTICATE};
	for (size_t k = 0; relay->best && k < sizeof kinds / sizeof kinds[0]; k++)
		for (int i = msg_find(&response->msg, kinds[k], 0); i >= 0;
			i = msg_find(&response->msg, kinds[k], i + 1))
			edit_add(&relay->best->msg, hdr_name(kinds[k]), msg_unfolded(&response->msg, i));
}

void relay_branch_final(struct branch *branch, uint16_t code, struct packet *response)
{
	struct relay *relay = branch->relay;
	bool was_pending = branch->state == BRANCH_PENDING;
	relay->holds++; /* the owner may end it in between */
	branch->state = BRANCH_DONE;
	uint32_t actions = fork_response(&relay->fork, code);
	if ((actions & FORK_FORWARD) && response) {
		response->own_vias = branch->vias;
		put_best(relay, response);
		relay_upstream(relay, response, branch->vias);
	} else if (actions & FORK_KEEP) {
		if (response)
			response->own_vias = branch->vias;
		put_best(relay, response);
	} else if ((actions & FORK_CHALLENGE) && response) {
		add_challenges(relay, response);
	}
	if (actions & FORK_CANCEL)
		cancel_pending(relay);
	if (was_pending && relay->fork.answered)
		complete(relay);
	else if (was_pending)
		next_group(relay);
	relay->holds--;
	let_go(relay);
}

static void add_branch(struct relay *relay, const struct relay_target *target)
{
	struct branch *branch = must_zalloc(sizeof *branch + target->uri.n);
	struct branch **at = &relay->branches;
	branch->relay = relay;
	branch->group = target->group;
	branch->number = ++relay->n_branches;
	branch->uri_n = target->uri.n;
	memcpy(branch->uri, target->uri.p, target->uri.n);
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
	struct relay *relay = request->relay ? request->relay : relay_new(request);
	if (!relay || relay->options.done || relay->fork.answered || !n || n > RELAY_TARGETS_MAX)
		return -1;
	if (relay->cancelled)
		return RELAY_GIVEN_UP;
	if (relay->fork.is_invite && relay->server.state == TXN_TRYING) {
		relay->trying_at_ms = engine_now_ms(relay->engine) + RELAY_TRYING_MS;
		arm(relay);
	}
	relay->fork.closed = false; /* the owner saw the 6xx and wants to go on all the same */
	relay->options = *options;
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
	if (best && best->msg.code == code) {
		relay_upstream(relay, best, best->own_vias);
		return;
	}
	packet_reply(request, code, span_of(NULL, 0), span_of(NULL, 0));
}

void relay_request_done(struct relay *relay)
{
	if (!relay_is_stateful(relay))
		leave_table(relay); /* a repetition is to be decided anew */
	else if (!relay->fork.answered && !has_pending(relay))
		answer_best(relay);
	else if (!relay->fork.answered)
		cancel_pending(relay);
	timers_cancel(&relay->engine->timers, &relay->soon);
	relay->request = NULL;
	relay_forget(relay);
	put_best(relay, NULL);
	let_go(relay);
}

/* ---- what comes in ---- */

/* RFC 3261 9.2, 16.10: answered here, and passed to every branch. */
static bool take_cancel(struct packet *cancel)
{
	struct engine *engine = cancel->engine;
	struct txn_key key;
	struct relay *relay = NULL;
	if (txn_key_cancelled(&cancel->msg, &engine->key, &key))
		relay = find(engine, key);
	if (!relay)
		return false;
	engine->count[COUNT_cancels]++;
	packet_reply(cancel, 200, span_of(NULL, 0), span_of(NULL, 0));
	if (relay->fork.answered || relay->cancelled)
		return true;
	relay->cancelled = true;
	bool was_waiting = has_pending(relay);
	relay->holds++;
	cancel_pending(relay);
	if (was_waiting && !has_pending(relay))
		complete(relay);
	relay->holds--;
	let_go(relay);
	return true;
}

bool relay_take_request(struct packet *request)
{
	struct engine *engine = request->engine;
	struct txn_key key;
	if (!engine->transactions.n)
		return false;
	if (request->msg.method_id == METHOD_CANCEL)
		return take_cancel(request);
	if (!txn_key_server(&request->msg, &engine->key, &key))
		return false;
	struct relay *relay = find(engine, key);
	if (!relay)
		return false;
	bool is_ack = request->msg.method_id == METHOD_ACK;
	uint32_t actions = txn_step(&relay->server, is_ack ? TXN_ACK : TXN_REQUEST,
		engine_now_ms(engine), &engine->times);
	if (actions & TXN_PASS) /* the ACK to a 2xx by a caller that reuses the branch */
		return false;
	engine->count[COUNT_requests_absorbed]++;
	request->decision = DECISION_DROPPED;
	act(relay, actions);
	return true;
}

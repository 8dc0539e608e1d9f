/* The server transaction of a relay: what goes upstream, and what comes again from there. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/contacts.h"
#include "engine/party.h"
#include "engine/relay_parts.h"
#include "engine/transactions.h"
#include "sip/edit.h"

static struct relay *relay_of(struct timer *timer)
{
	return (struct relay *)((char *)timer - offsetof(struct relay, timer));
}

static void count_unheard(struct relay *relay)
{
	struct engine *engine = relay->engine;
	const struct txn *server = &relay->server;
	bool is_unheard = relay->in_table && server->kind == TXN_INVITE_SERVER &&
			  server->state == TXN_COMPLETED && !server->reliable;
	if (is_unheard == relay->is_unheard)
		return;
	relay->is_unheard = is_unheard;
	engine->unheard[party_of_source(engine, &relay->upstream.peer)] += is_unheard ? 1 : -1;
}

void relay_leave_table(struct relay *relay)
{
	if (!relay->in_table)
		return;
	transactions_remove(relay->engine, &relay->link, &relay->server);
	timers_cancel(&relay->engine->timers, &relay->timer);
	relay->in_table = false;
	count_unheard(relay);
}

static void server_timer(struct timer *timer);

/* Also when it has left the table: what still comes goes by the machine. */
static uint32_t step(struct relay *relay, enum txn_event event)
{
	struct engine *engine = relay->engine;
	return relay->in_table
		       ? transactions_step(engine, &relay->server, event)
		       : txn_step(&relay->server, event, engine_now_ms(engine), &engine->times);
}

void relay_arm(struct relay *relay)
{
	int64_t due_ms = txn_due_ms(&relay->server);
	if (!relay->in_table)
		return;
	if (relay_awaits_final(relay) && relay->trying_at_ms < due_ms)
		due_ms = relay->trying_at_ms;
	if (due_ms == INT64_MAX)
		timers_cancel(&relay->engine->timers, &relay->timer);
	else
		timers_arm(&relay->engine->timers, &relay->timer, due_ms);
}

void relay_arm_trying(struct relay *relay)
{
	bool is_silent = relay->server.state == TXN_TRYING && relay->trying_at_ms == INT64_MAX;
	if (!relay->fork.is_invite || !is_silent)
		return;
	relay->trying_at_ms = engine_now_ms(relay->engine) + RELAY_TRYING_MS;
	relay_arm(relay);
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
	relay_arm(relay);
	count_unheard(relay);
	if (relay->server.state == TXN_ACCEPTED || relay->server.state == TXN_CONFIRMED) {
		engine_free_later(relay->engine, relay->response);
		relay->response = NULL;
	}
	if (actions & TXN_ENDED) {
		relay_leave_table(relay);
		relay_let_go(relay);
	}
}

static void server_step(struct relay *relay, enum txn_event event)
{
	act(relay, step(relay, event));
}

/* What is sent last is what a repeated request gets. */
static void store(struct relay *relay, const struct iovec *iov, uint32_t n)
{
	engine_free_later(relay->engine, relay->response);
	relay->response = write_joined(iov, n, &relay->response_n);
}

void relay_send(struct relay *relay, uint32_t code, const struct iovec *iov, uint32_t n)
{
	relay->trying_at_ms = INT64_MAX;
	bool is_accept = code >= 200 && code < 300 && relay->fork.is_invite;
	if (is_accept) { /* repeated end to end, not by us (RFC 6026 7.1) */
		engine_send(relay->engine, &relay->upstream, iov, n);
		if (relay->server.state != TXN_ACCEPTED)
			act(relay, step(relay, TXN_SUCCESS) & ~(uint32_t)TXN_SEND);
		return;
	}
	store(relay, iov, n);
	server_step(relay, txn_event_of(code));
}

static void server_timer(struct timer *timer)
{
	struct relay *relay = relay_of(timer);
	struct packet *request = relay->request;
	if (!relay_awaits_final(relay) || engine_now_ms(relay->engine) < relay->trying_at_ms) {
		server_step(relay, TXN_TIMER);
		return;
	}
	relay->trying_at_ms = INT64_MAX;
	struct span out;
	if (!request) { /* a non-INVITE that got no answer, and will not (RFC 4320) */
		relay_leave_table(relay);
		relay_let_go(relay);
		return;
	}
	packet_touch(request);
	bool is_silent = !request->reply_code && request->decision == DECISION_NONE;
	if (is_silent && write_reply(&request->msg, &(struct reply){.code = 100}, &out))
		relay_send(relay, 100, &(struct iovec){(void *)out.p, out.n}, 1);
	else
		relay_arm(relay);
}

static struct relay *find(struct engine *engine, struct txn_key key)
{
	struct table_link *link = table_first(&engine->transactions, key.hash);
	while (link && !txn_key_eq(((struct relay *)link)->key, key))
		link = table_next(link);
	return (struct relay *)link;
}

struct relay *relay_new(struct packet *request)
{
	struct engine *engine = request->engine;
	struct txn_key key;
	if (engine->transactions.n >= engine->limits.transactions ||
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
	transactions_insert(engine, &relay->link, key, &relay->server);
	engine->legs.leg[relay->upstream.leg].n_transactions++;
	relay->in_table = true;
	engine->count[COUNT_server_transactions]++;
	server_step(relay, TXN_START);
	request->relay = relay;
	return relay;
}

void relay_begin(struct packet *request, bool patient)
{
	enum method_id method = request->msg.method_id;
	if (!request->msg.is_request || request->decision != DECISION_NONE ||
		method == METHOD_ACK || method == METHOD_CANCEL)
		return;
	struct relay *relay = request->relay ? request->relay : relay_new(request);
	if (relay && patient)
		relay_arm_trying(relay);
}

/* ---- upstream ---- */

void relay_upstream(struct relay *relay, struct packet *response)
{
	struct msg *msg = &response->msg;
	struct iovec iov[WORLD_IOV_MAX];
	const struct leg *leg = &relay->engine->legs.leg[relay->upstream.leg];
	for (int i = 0; i < response->own_vias; i++)
		edit_pop_value(msg, HDR_VIA);
	if (proxy_hides(relay->proxy, packet_leg(response), leg)) {
		response->proxy = relay->proxy;
		contacts_rewrite(response, leg);
		response->proxy = NULL;
	}
	uint32_t n =
		write_msg(msg, iov, WORLD_IOV_MAX, transport_is_reliable(leg->address.transport));
	if (relay->request && msg->code >= 200)
		relay->request->decision = DECISION_FORWARDED;
	response->decision = DECISION_FORWARDED;
	response->to = relay->upstream;
	relay->engine->count[COUNT_forwarded]++;
	relay_send(relay, msg->code, iov, n);
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
	relay_cancel(relay, msg_value(&cancel->msg, HDR_REASON));
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
	uint32_t actions = step(relay, is_ack ? TXN_ACK : TXN_REQUEST);
	if (actions & TXN_PASS) /* the ACK to a 2xx by a caller that reuses the branch */
		return false;
	engine->count[COUNT_requests_absorbed]++;
	request->decision = DECISION_DROPPED;
	act(relay, actions);
	return true;
}

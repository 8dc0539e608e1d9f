#include "engine/transactions.h"

#include "engine/client.h"
#include "engine/relay.h"

void transactions_insert(
	struct engine *engine, struct table_link *link, struct txn_key key, const struct txn *txn)
{
	table_insert(&engine->transactions, link, key.hash);
	engine->in_state[txn->kind][txn->state]++;
}

void transactions_remove(struct engine *engine, struct table_link *link, const struct txn *txn)
{
	table_remove(&engine->transactions, link);
	engine->in_state[txn->kind][txn->state]--;
}

uint32_t transactions_step(struct engine *engine, struct txn *txn, enum txn_event event)
{
	uint32_t *in_state = engine->in_state[txn->kind];
	in_state[txn->state]--;
	uint32_t actions = txn_step(txn, event, engine_now_ms(engine), &engine->times);
	in_state[txn->state]++;
	return actions;
}

/* ---- showing ---- */

static void show_message(struct transaction *shown, struct msg *msg)
{
	const struct cseq *cseq = msg_cseq(msg);
	shown->method = cseq ? cseq->method : span_of(NULL, 0);
	shown->call_id = msg_value(msg, HDR_CALL_ID);
}

static void show_bytes(struct transaction *shown, struct engine *engine, struct span bytes)
{
	struct msg *msg = &engine->scratch;
	struct msg_error error;
	msg_fini(msg);
	if (bytes.n && msg_parse(msg, bytes, &error) == 0)
		show_message(shown, msg);
}

static const struct timer *show_client(struct transaction *shown, struct client *client)
{
	show_bytes(shown, client->engine, client_request(client));
	shown->leg = &client->engine->legs.leg[client->to.leg];
	shown->peer = client->to.peer;
	shown->state = txn_state_name(&client->txn);
	if (client->txn.kind == TXN_INVITE_CLIENT)
		shown->method = SPAN("INVITE");
	return &client->timer;
}

static const struct timer *show_server(struct transaction *shown, struct relay *relay)
{
	if (relay->request) {
		packet_touch(relay->request);
		show_message(shown, &relay->request->msg);
	} else if (relay->response) {
		show_bytes(shown, relay->engine, span_of(relay->response, relay->response_n));
	}
	shown->leg = &relay->engine->legs.leg[relay->upstream.leg];
	shown->peer = relay->upstream.peer;
	shown->state = txn_state_name(&relay->server);
	if (relay->server.kind == TXN_INVITE_SERVER)
		shown->method = SPAN("INVITE");
	return &relay->timer;
}

uint32_t transactions_show(struct engine *engine, uint32_t max, transaction_fn fn, void *arg)
{
	uint32_t bucket = 0, n = 0;
	struct table_link *link = NULL;
	int64_t now = engine_now_ms(engine);
	if (max > engine->transactions.n)
		max = engine->transactions
			      .n; /* no walk over the buckets that are empty behind it */
	while (n < max && (link = table_walk(&engine->transactions, &bucket, link))) {
		struct client *client = (struct client *)link; /* or a relay, which begins alike */
		struct transaction shown = {.is_client = client->is_client, .timer_ms = -1};
		const struct timer *timer = client->is_client
						    ? show_client(&shown, client)
						    : show_server(&shown, (struct relay *)link);
		if (timer_is_armed(timer))
			shown.timer_ms = timer->due_ms > now ? timer->due_ms - now : 0;
		fn(arg, &shown);
		n++;
	}
	return n;
}

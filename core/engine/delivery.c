/* The queue: what is in it, and how it gets out. */
#include <stdlib.h>

#include "base/check.h"
#include "base/put.h"
#include "engine/delivery_parts.h"
#include "engine/relay.h"

static struct span id_of(const struct delivery *delivery)
{
	return span_of(delivery->text, delivery->id_n);
}

static struct span callid_of(const struct delivery *delivery)
{
	return span_of(delivery->text + delivery->id_n, delivery->callid_n);
}

static uint64_t hash_of(const struct engine *engine, struct span text)
{
	return siphash(&engine->key, text.p, text.n);
}

/* ---- life ---- */

static uint64_t hash_of_number(uint64_t number)
{
	return number * 0x9e3779b97f4a7c15; /* ours, so nobody can make them collide */
}

static void unlink_delivery(struct delivery *delivery)
{
	*delivery->at = delivery->next;
	if (delivery->next)
		delivery->next->at = delivery->at;
}

static void link_delivery(struct delivery *delivery, struct delivery **list)
{
	delivery->next = *list;
	delivery->at = list;
	if (delivery->next)
		delivery->next->at = &delivery->next;
	*list = delivery;
}

void delivery_forget_request(struct delivery *delivery)
{
	struct deliveries *queue = &delivery->engine->deliveries;
	if (!delivery->bytes)
		return;
	queue->bytes -= delivery->n;
	while (delivery->n_parties)
		queue->share[delivery->party[--delivery->n_parties]] -= delivery->n;
	engine_free_later(delivery->engine, delivery->bytes);
	delivery->bytes = NULL;
}

static void leave_queue(struct delivery *delivery)
{
	struct deliveries *queue = &delivery->engine->deliveries;
	if (!delivery->is_queued)
		return;
	table_remove(&queue->by_number, &delivery->by_number);
	table_remove(&queue->by_id, &delivery->by_id);
	table_remove(&queue->by_call, &delivery->by_call);
	unlink_delivery(delivery);
	link_delivery(delivery, &queue->left);
	delivery->is_queued = false;
	queue->n--;
	if (!delivery->rings)
		delivery_forget_request(delivery);
}

static void leave_key(struct delivery *delivery)
{
	struct deliveries *queue = &delivery->engine->deliveries;
	if (delivery->awaits_answer)
		table_remove(&queue->by_sent, &delivery->by_key);
	else if (!delivery->is_own)
		table_remove(&queue->by_key, &delivery->by_key);
}

static void delivery_free(struct delivery *delivery)
{
	struct engine *engine = delivery->engine;
	leave_queue(delivery);
	delivery_forget_request(delivery);
	timers_cancel(&engine->timers, &delivery->tell);
	timers_cancel(&engine->timers, &delivery->patience);
	if (delivery->resolve)
		resolve_cancel(delivery->resolve);
	hunt_end(&delivery->hunt, engine);
	leave_key(delivery);
	if (!delivery->is_own)
		engine->legs.leg[delivery->from.leg].n_held--;
	unlink_delivery(delivery);
	free(delivery);
}

void delivery_let_go(struct delivery *delivery)
{
	if (!delivery->is_queued && hunt_is_over(&delivery->hunt) && !delivery->resolve &&
		!delivery->done)
		delivery_free(delivery);
}

static void tell(struct timer *timer)
{
	struct delivery *delivery =
		(struct delivery *)((char *)timer - offsetof(struct delivery, tell));
	delivery_fn done = delivery->done;
	delivery->done = NULL;
	if (done)
		done(delivery->arg, delivery->number, delivery->end, delivery->error);
	delivery_let_go(delivery);
}

void delivery_finish(struct delivery *delivery, enum delivery_end end, const char *error)
{
	static const enum counter counters[] = {
		[DELIVERY_ARRIVED] = COUNT_deliveries_arrived,
		[DELIVERY_SENT] = COUNT_deliveries_sent,
		[DELIVERY_FAILED] = COUNT_deliveries_failed,
		[DELIVERY_CANCELLED] = COUNT_deliveries_cancelled,
	};
	struct engine *engine = delivery->engine;
	if (!delivery->is_queued)
		return;
	leave_queue(delivery);
	engine->count[counters[end]]++;
	delivery->end = end;
	delivery->error = error;
	delivery->tell.fire = tell; /* later: here may be within a script */
	timers_arm(&engine->timers, &delivery->tell, engine_now_ms(engine));
}

/* ---- beginning ---- */

struct packet *delivery_packet(struct delivery *delivery)
{
	struct packet *packet = packet_make(
		delivery->engine, span_of(delivery->bytes, delivery->n), &delivery->from);
	BUG(!packet); /* it was one when it was given */
	packet->is_own = delivery->is_own;
	packet->routing = delivery->routing;
	return packet;
}

static bool is_whole(struct packet *packet)
{
	struct msg_error error;
	return packet->msg.is_request && (packet->is_own ? msg_check_unsent(&packet->msg, &error)
							 : msg_check(&packet->msg, &error)) == 0;
}

/* "Call-ID CSeq-number": the transaction as Net::SIP names it. */
static struct span own_id(struct msg *msg)
{
	struct span call = msg_value(msg, HDR_CALL_ID);
	char *text = arena_alloc(&msg->arena, call.n + 1 + 10), *out = put_span(text, call);
	*out++ = ' ';
	return span_between(text, put_u32(out, msg_cseq(msg)->number));
}

static void enter_queue(struct delivery *delivery)
{
	struct engine *engine = delivery->engine;
	struct deliveries *queue = &engine->deliveries;
	table_insert(&queue->by_number, &delivery->by_number, hash_of_number(delivery->number));
	table_insert(&queue->by_id, &delivery->by_id, hash_of(engine, id_of(delivery)));
	table_insert(&queue->by_call, &delivery->by_call, hash_of(engine, callid_of(delivery)));
	delivery->is_queued = true;
	link_delivery(delivery, &queue->first);
	queue->n++;
	queue->bytes += delivery->n;
	if (!delivery->is_own) { /* its Via and Record-Route name the leg it came by */
		engine->legs.leg[delivery->from.leg].n_held++;
		table_insert(&queue->by_key, &delivery->by_key, delivery->key.hash);
	}
	engine->count[COUNT_deliveries]++;
}

void delivery_await(struct delivery *delivery, struct span branch, struct span method)
{
	struct engine *engine = delivery->engine;
	leave_key(delivery);
	delivery->key = txn_key_sent(branch, method, &engine->key);
	delivery->awaits_answer = true;
	table_insert(&engine->deliveries.by_sent, &delivery->by_key, delivery->key.hash);
}

bool delivery_take_share(struct delivery *delivery, uint16_t party)
{
	struct engine *engine = delivery->engine;
	uint32_t *share = &engine->deliveries.share[party];
	if (*share >= engine->limits.delivery_share) {
		engine->count[COUNT_overload_peer]++;
		return false;
	}
	*share += delivery->n;
	delivery->party[delivery->n_parties++] = party;
	return true;
}

static struct delivery *of_key(struct table_link *by_key)
{
	return (struct delivery *)((char *)by_key - offsetof(struct delivery, by_key));
}

/* The delivery of the request with that key, until nothing can be heard of it any more. */
static struct delivery *find_by_key(struct engine *engine, struct txn_key key)
{
	struct table_link *link = table_first(&engine->deliveries.by_key, key.hash);
	for (; link; link = table_next(link)) {
		struct delivery *delivery = of_key(link);
		if (txn_key_eq(delivery->key, key) &&
			(delivery->is_queued || delivery->hunt.client))
			return delivery;
	}
	return NULL;
}

/* The caller repeats a request that is on its way, or rings. */
static bool is_delivered(struct engine *engine, struct txn_key key)
{
	const struct delivery *delivery = find_by_key(engine, key);
	return delivery &&
	       (delivery->is_queued || delivery->hunt.client->txn.state <= TXN_PROCEEDING);
}

/* Whoever sent it is answered 503, should the policy not do anything else about it. */
static int64_t refuse(struct packet *request)
{
	request->no_room = true;
	return DELIVER_TOO_MANY;
}

/* Its number, which it keeps when it is over already; or it is gone, for want of room. */
static int64_t begin(
	struct delivery *delivery, struct packet *request, const struct delivery_options *options)
{
	int64_t number = (int64_t)delivery->number;
	enter_queue(delivery);
	delivery->is_starting = true;
	delivery_begin(delivery, options);
	delivery->is_starting = false;
	if (delivery->no_room) {
		delivery->done = NULL;
		number = refuse(request);
	}
	delivery_let_go(delivery);
	return number;
}

int64_t deliver(struct packet *request, const struct delivery_options *options)
{
	struct engine *engine = request->engine;
	if (engine->deliveries.n >= DELIVERIES_MAX ||
		engine->deliveries.bytes >= DELIVERIES_BYTES_MAX) {
		engine->count[COUNT_overload]++;
		return refuse(request);
	}
	if (request->relay && request->relay->cancelled)
		return DELIVER_GIVEN_UP;
	if (!is_whole(request))
		return DELIVER_BAD_MESSAGE;
	struct span id = options->id.n ? options->id : own_id(&request->msg);
	struct span callid =
		options->callid.n ? options->callid : msg_value(&request->msg, HDR_CALL_ID);
	if (id.n > DELIVERY_ID_MAX || callid.n > DELIVERY_ID_MAX)
		return DELIVER_BAD_ID;
	struct txn_key key = {0};
	if (!request->is_own && !txn_key_server(&request->msg, &engine->key, &key))
		return DELIVER_BAD_MESSAGE;
	if (!request->is_own && is_delivered(engine, key)) {
		engine->count[COUNT_requests_absorbed]++;
		return DELIVER_REPEATED;
	}
	struct delivery *delivery = must_zalloc(sizeof *delivery + id.n + callid.n);
	delivery->key = key;
	delivery->engine = engine;
	delivery->bytes = write_copy(&request->msg, false, &delivery->n);
	delivery->is_own = request->is_own;
	delivery->from = request->from;
	delivery->routing = request->routing;
	delivery->number = ++engine->deliveries.last_number;
	delivery->done = options->done;
	delivery->arg = options->arg;
	delivery->leg_serial = options->leg ? options->leg->serial : 0;
	delivery->since_ms = engine_now_ms(engine);
	delivery->once = options->once;
	delivery->wants_end = options->wants_end;
	delivery->id_n = id.n;
	delivery->callid_n = callid.n;
	put_span(put_span(delivery->text, id), callid);
	return begin(delivery, request, options);
}

/* ---- ending it from outside ---- */

static void cancel(struct delivery *delivery)
{
	delivery_finish(delivery, DELIVERY_CANCELLED, "");
	if (delivery->resolve)
		resolve_cancel(delivery->resolve);
	if (delivery->hunt.client)
		client_free(delivery->hunt.client);
	delivery->resolve = NULL;
	delivery->hunt.client = NULL;
}

static bool take_ack(struct packet *ack)
{
	struct engine *engine = ack->engine;
	struct txn_key key;
	const struct delivery *delivery =
		txn_key_server(&ack->msg, &engine->key, &key) ? find_by_key(engine, key) : NULL;
	if (!delivery || !delivery->hunt.client ||
		delivery->hunt.client->txn.state != TXN_COMPLETED)
		return false;
	packet_drop(ack, COUNT_requests_absorbed);
	return true;
}

static bool take_cancel(struct packet *cancel)
{
	struct engine *engine = cancel->engine;
	struct txn_key key;
	struct delivery *delivery = txn_key_cancelled(&cancel->msg, &engine->key, &key)
					    ? find_by_key(engine, key)
					    : NULL;
	if (!delivery)
		return false;
	engine->count[COUNT_cancels]++;
	packet_reply(cancel, 200, span_of(NULL, 0), span_of(NULL, 0));
	delivery_give_up(delivery, msg_value(&cancel->msg, HDR_REASON));
	return true;
}

bool delivery_take_request(struct packet *request)
{
	if (!request->engine->deliveries.by_key.n)
		return false;
	if (request->msg.method_id == METHOD_CANCEL)
		return take_cancel(request);
	return request->msg.method_id == METHOD_ACK && take_ack(request);
}

/* Whoever repeats a request has it sent once more: all of them are answered. */
static void finish_sent(
	struct engine *engine, struct txn_key key, enum delivery_end end, const char *error)
{
	struct table_link *link = table_first(&engine->deliveries.by_sent, key.hash);
	for (; link; link = table_next(link))
		if (txn_key_eq(of_key(link)->key, key))
			delivery_finish(of_key(link), end, error);
}

void delivery_hear(struct packet *response)
{
	struct engine *engine = response->engine;
	struct txn_key key;
	if (engine->deliveries.by_sent.n && txn_key_client(&response->msg, &engine->key, &key))
		finish_sent(engine, key, DELIVERY_ARRIVED, NULL);
}

void delivery_take_unsent(struct packet *request, const char *reason)
{
	struct engine *engine = request->engine;
	const struct via *via = msg_top_via(&request->msg);
	if (via)
		finish_sent(engine, txn_key_sent(via->branch, request->msg.method, &engine->key),
			DELIVERY_FAILED, reason);
}

static struct delivery *find(struct engine *engine, uint64_t number)
{
	struct table_link *link =
		table_first(&engine->deliveries.by_number, hash_of_number(number));
	return link ? (struct delivery *)((char *)link - offsetof(struct delivery, by_number))
		    : NULL;
}

uint32_t delivery_cancel(struct engine *engine, uint64_t number)
{
	struct delivery *delivery = find(engine, number);
	if (delivery)
		cancel(delivery);
	return delivery != NULL;
}

void delivery_sent(struct engine *engine, uint64_t number)
{
	struct delivery *delivery = find(engine, number);
	if (!delivery)
		return;
	delivery_finish(delivery, DELIVERY_ARRIVED, NULL);
	delivery_be_patient(delivery);
	delivery_let_go(delivery);
}

/* Those in the chain of `link` that `offset` of a delivery embeds, and whose text is that. */
static uint32_t cancel_all(struct table_link *link, size_t offset,
	struct span (*text_of)(const struct delivery *), struct span text)
{
	uint32_t n = 0;
	for (struct table_link *next; link; link = next) {
		struct delivery *delivery = (struct delivery *)((char *)link - offset);
		next = table_next(link);
		if (!span_eq(text_of(delivery), text))
			continue;
		cancel(delivery);
		n++;
	}
	return n;
}

uint32_t delivery_cancel_id(struct engine *engine, struct span id)
{
	return cancel_all(table_first(&engine->deliveries.by_id, hash_of(engine, id)),
		offsetof(struct delivery, by_id), id_of, id);
}

uint32_t delivery_cancel_call(struct engine *engine, struct span callid)
{
	return cancel_all(table_first(&engine->deliveries.by_call, hash_of(engine, callid)),
		offsetof(struct delivery, by_call), callid_of, callid);
}

static void forget_in(struct delivery *delivery, const void *arg)
{
	struct delivery *next;
	for (; delivery; delivery = next) {
		next = delivery->next;
		if (delivery->arg != arg)
			continue;
		delivery->done = NULL;
		delivery->routing = NULL;
		if (delivery->resolve)
			delivery_free(delivery);
		else
			delivery_let_go(delivery);
	}
}

void deliveries_forget(struct engine *engine, const void *arg)
{
	forget_in(engine->deliveries.left, arg);
	forget_in(engine->deliveries.first, arg);
}

void deliveries_free_all(struct engine *engine)
{
	while (engine->deliveries.first)
		delivery_free(engine->deliveries.first);
	while (engine->deliveries.left)
		delivery_free(engine->deliveries.left);
	table_fini(&engine->deliveries.by_number);
	table_fini(&engine->deliveries.by_id);
	table_fini(&engine->deliveries.by_call);
	table_fini(&engine->deliveries.by_key);
	table_fini(&engine->deliveries.by_sent);
}

static struct span method_of(const struct delivery *delivery)
{
	struct span bytes = span_of(delivery->bytes, delivery->n);
	const char *space = span_find(bytes, ' ');
	return space ? span_between(bytes.p, space) : bytes;
}

bool delivery_walk(
	struct engine *engine, const struct delivery **position, struct delivery_facts *facts)
{
	const struct delivery *delivery = *position ? (*position)->next : engine->deliveries.first;
	while (delivery && !delivery->is_queued)
		delivery = delivery->next;
	if (!delivery)
		return false;
	*position = delivery;
	const struct client *client = delivery->hunt.client;
	*facts = (struct delivery_facts){
		.number = delivery->number,
		.method = method_of(delivery),
		.id = id_of(delivery),
		.callid = callid_of(delivery),
		.to = delivery->hunt.tried ? &delivery->sent_to : NULL,
		.tries = delivery->hunt.tried,
		.due_ms = client		    ? txn_due_ms(&client->txn)
			  : delivery->awaits_answer ? delivery->patience.due_ms
						    : INT64_MAX,
		.since_ms = delivery->since_ms,
	};
	return true;
}

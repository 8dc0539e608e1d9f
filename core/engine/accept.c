#include "engine/accept.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/check.h"
#include "engine/branch.h"
#include "engine/party.h"

struct accept {
	struct table_link by_invite, by_dialog; /* engine->accepts, engine->accepted */
	struct txn_key invite;
	struct engine *engine;
	struct timer timer;
	struct flow to;
	int64_t end_at_ms;
	uint32_t interval_ms; /* between the last sending and the next */
	bool is_lossy;	      /* counted in engine->unheard */
	uint32_t n;
	char bytes[];
};

/* Of a dialog: by Call-ID, CSeq number and the To-tag, which nobody else makes up. */
static uint64_t hash_of(struct packet *request, const struct nameaddr *to)
{
	struct siphash_state hash = branch_seed(request).request;
	siphash_add(&hash, to ? nameaddr_tag(to) : span_of("", 0));
	return siphash_end(&hash);
}

static struct msg *read_back(const struct accept *accept)
{
	struct msg *answer = &accept->engine->scratch;
	struct msg_error error;
	msg_fini(answer);
	return msg_parse(answer, span_of(accept->bytes, accept->n), &error) ? NULL : answer;
}

static void end(struct accept *accept)
{
	struct engine *engine = accept->engine;
	timers_cancel(&engine->timers, &accept->timer);
	table_remove(&engine->accepts, &accept->by_invite);
	table_remove(&engine->accepted, &accept->by_dialog);
	engine->legs.leg[accept->to.leg].n_transactions--;
	engine->unheard[party_of_source(engine, &accept->to.peer)] -= accept->is_lossy;
	engine_free_later(engine, accept); /* what was sent from it leaves with the turn */
}

static void send_again(struct accept *accept)
{
	struct iovec iov = {accept->bytes, accept->n};
	engine_send(accept->engine, &accept->to, &iov, 1);
}

static void arm(struct accept *accept, int64_t due_ms)
{
	timers_arm(&accept->engine->timers, &accept->timer,
		due_ms < accept->end_at_ms ? due_ms : accept->end_at_ms);
}

/* However late, it sends once and keeps to the schedule counted from the start. */
static void time_came(struct timer *timer)
{
	struct accept *accept = (struct accept *)((char *)timer - offsetof(struct accept, timer));
	struct engine *engine = accept->engine;
	int64_t now_ms = engine_now_ms(engine), due_ms = timer->due_ms;
	if (now_ms >= accept->end_at_ms) {
		engine->count[COUNT_answers_unacknowledged]++;
		end(accept);
		return;
	}
	send_again(accept);
	do {
		accept->interval_ms *= 2;
		if (accept->interval_ms > engine->times.t2_ms)
			accept->interval_ms = engine->times.t2_ms;
		due_ms += accept->interval_ms;
	} while (due_ms <= now_ms);
	arm(accept, due_ms);
}

void accept_begin(struct packet *invite, struct span bytes)
{
	struct engine *engine = invite->engine;
	struct txn_key key;
	if (!txn_key_server(&invite->msg, &engine->key, &key))
		return;
	struct accept *accept = must_zalloc(sizeof *accept + bytes.n);
	int64_t now_ms = engine_now_ms(engine);
	accept->invite = key;
	accept->engine = engine;
	accept->timer.fire = time_came;
	accept->to = packet_reply_flow(invite);
	accept->end_at_ms = now_ms + 64 * (int64_t)engine->times.t1_ms;
	accept->interval_ms = engine->times.t1_ms;
	accept->is_lossy = !transport_is_reliable(packet_leg(invite)->address.transport);
	accept->n = bytes.n;
	memcpy(accept->bytes, bytes.p, bytes.n);
	struct msg *answer = read_back(accept);
	table_insert(&engine->accepts, &accept->by_invite, key.hash);
	table_insert(&engine->accepted, &accept->by_dialog,
		hash_of(invite, answer ? msg_to(answer) : NULL));
	engine->legs.leg[accept->to.leg].n_transactions++;
	engine->unheard[party_of_source(engine, &accept->to.peer)] += accept->is_lossy;
	arm(accept, now_ms + accept->interval_ms);
}

static bool has_tag(const struct nameaddr *value, const struct nameaddr *other)
{
	return value && other && span_ieq(nameaddr_tag(value), nameaddr_tag(other));
}

/* Of the dialog that the answer made (RFC 3261 12): its branch is another. */
static bool is_acknowledged_by(const struct accept *accept, struct packet *ack)
{
	struct msg *answer = read_back(accept);
	return answer &&
	       span_eq(msg_value(answer, HDR_CALL_ID), msg_value(&ack->msg, HDR_CALL_ID)) &&
	       has_tag(msg_from(answer), msg_from(&ack->msg)) &&
	       has_tag(msg_to(answer), msg_to(&ack->msg));
}

static void take_ack(struct packet *ack)
{
	struct table *accepted = &ack->engine->accepted;
	struct table_link *next, *link = table_first(accepted, hash_of(ack, msg_to(&ack->msg)));
	for (; link; link = next) {
		struct accept *accept =
			(struct accept *)((char *)link - offsetof(struct accept, by_dialog));
		next = table_next(link);
		if (is_acknowledged_by(accept, ack))
			end(accept);
	}
}

static void take_invite(struct packet *invite)
{
	struct engine *engine = invite->engine;
	struct txn_key key;
	if (!txn_key_server(&invite->msg, &engine->key, &key))
		return;
	struct table_link *link = table_first(&engine->accepts, key.hash);
	for (; link; link = table_next(link)) {
		struct accept *accept = (struct accept *)link;
		if (txn_key_eq(key, accept->invite))
			send_again(accept);
	}
}

void accepts_take(struct packet *request)
{
	if (request->msg.method_id == METHOD_ACK)
		take_ack(request);
	else if (request->msg.method_id == METHOD_INVITE)
		take_invite(request);
}

void accepts_free_all(struct engine *engine)
{
	uint32_t bucket = 0;
	struct table_link *link;
	while ((link = table_walk(&engine->accepts, &bucket, NULL)))
		end((struct accept *)link);
	table_fini(&engine->accepts);
	table_fini(&engine->accepted);
}

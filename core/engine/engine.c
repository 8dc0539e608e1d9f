#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/notes.h"
#include "engine/accept.h"
#include "engine/alias.h"
#include "engine/authorizer.h"
#include "engine/delivery.h"
#include "engine/dns_cache.h"
#include "engine/forward.h"
#include "engine/relay.h"
#include "engine/targets.h"
#include "engine/unsent.h"
#include "sip/contact_token.h"
#include "sip/edit.h"
#include "store/bindings.h"

const char *counter_name(enum counter counter)
{
	static const char *const names[] = {
#define COUNTER(name, text) #name,
#include "engine/counters.def"
#undef COUNTER
	};
	return names[counter];
}

/* ---- packets ---- */

void packet_touch(struct packet *packet)
{
	if (packet->is_in_turn)
		return;
	packet->is_in_turn = true;
	packet->next = packet->engine->turn;
	packet->engine->turn = packet;
}

static struct packet *packet_take(struct engine *engine)
{
	struct packet *packet = engine->pool;
	if (packet) {
		engine->pool = packet->next;
	} else {
		packet = must_alloc(sizeof *packet);
		msg_init(&packet->msg);
		packet->msg.rooms = &engine->rooms;
		packet->slot = engine->n_packets;
		packet->generation = 1;
		packet->engine = engine;
		engine->packets = must_realloc(
			engine->packets, (engine->n_packets + 1) * sizeof *engine->packets);
		engine->packets[engine->n_packets++] = packet;
	}
	packet->decision = DECISION_NONE;
	packet->reply_code = 0;
	packet->is_own = false;
	packet->is_awaited = false;
	packet->no_room = false;
	packet->located = false;
	packet->path_routes = 0;
	packet->holds = 0;
	packet->relay = NULL;
	packet->own_vias = 0;
	packet->routing = NULL;
	packet->proxy = NULL;
	packet->home = 0;
	packet->home_only = false;
	packet->is_by_size = false;
	packet->is_in_turn = false;
	packet_touch(packet);
	engine->n_live++;
	return packet;
}

static void packet_put_back(struct packet *packet)
{
	struct engine *engine = packet->engine;
	msg_fini(&packet->msg);
	packet->generation++;
	packet->next = engine->pool;
	engine->pool = packet;
	engine->n_live--;
}

struct packet *packet_make(struct engine *engine, struct span bytes, const struct flow *from)
{
	struct packet *packet = packet_take(engine);
	struct msg_error error;
	packet->from = *from;
	packet_hold(packet);
	if (msg_parse(&packet->msg, bytes, &error) == 0)
		return packet;
	packet_release(packet);
	return NULL;
}

struct packet *packet_of(struct engine *engine, double handle)
{
	if (!(handle >= 0 && handle < 0x1p53))
		return NULL;
	uint64_t number = (uint64_t)handle;
	uint32_t slot = number & ((1u << HANDLE_SLOT_BITS) - 1);
	if (slot >= engine->n_packets)
		return NULL;
	struct packet *packet = engine->packets[slot];
	if (packet->generation != number >> HANDLE_SLOT_BITS || !packet->holds)
		return NULL;
	packet_touch(packet);
	return packet;
}

void packet_hold(struct packet *packet)
{
	if (packet->holds++ == 0)
		packet_leg(packet)->n_held++;
}

void packet_release(struct packet *packet)
{
	BUG(packet->holds == 0);
	/* Freed by end_packets: what was sent may point into it. */
	if (--packet->holds)
		return;
	packet_leg(packet)->n_held--;
	packet_touch(packet);
}

static void end_packets(struct engine *engine)
{
	struct packet *packet = engine->turn;
	engine->turn = NULL;
	while (packet) {
		struct packet *next = packet->next;
		packet->is_in_turn = false;
		if (packet->holds == 0)
			packet_put_back(packet);
		else
			msg_keep(&packet->msg);
		packet = next;
	}
}

/* ---- events of the world ---- */

static void tell_send_failed(struct engine *engine, const struct flow *to, const char *reason);

static void refuse(struct packet *packet, const struct msg_error *error)
{
	struct engine *engine = packet->engine;
	struct msg *msg = &packet->msg;
	log_event(engine->log, LOG_DEBUG, "message.refused", LOG_NUM("code", error->code),
		LOG_STR("reason", error->reason));
	if (!error->code || !msg->is_request || msg->method_id == METHOD_ACK) {
		engine->count[COUNT_malformed_dropped]++;
		packet->decision = DECISION_DROPPED;
		return;
	}
	packet_reply(packet, error->code, span_str(error->reason), span_of(NULL, 0));
	engine->count[packet->decision == DECISION_REPLIED ? COUNT_malformed_answered
							   : COUNT_malformed_dropped]++;
}

static bool is_keepalive(struct span bytes)
{
	return bytes.n < 4 || bytes.p[0] == '\0' || span_trim(bytes).n == 0;
}

static void on_message(void *self, const struct flow *from, struct span bytes)
{
	struct engine *engine = self;
	struct leg *leg = &engine->legs.leg[from->leg];
	engine->count[COUNT_received]++;
	leg->n_received++;
	if (is_keepalive(bytes)) {
		engine->count[COUNT_keepalives]++;
		return;
	}
	bool overloaded = engine->n_live >= PACKETS_MAX;
	struct packet *packet = packet_take(engine);
	packet->from = *from;
	struct msg_error error = {0};
	if (msg_parse(&packet->msg, bytes, &error) || msg_check(&packet->msg, &error)) {
		refuse(packet, &error);
		return;
	}
	if (!packet->msg.is_request) {
		engine->count[COUNT_responses]++;
	} else {
		engine->count[COUNT_requests]++;
		leg->used_ms = engine_now_ms(engine);
		if (edit_received(&packet->msg, &from->peer) < 0) {
			refuse(packet, &(struct msg_error){513, "Message Too Large"});
			return;
		}
		if (from->connection)
			alias_take(packet);
		if (engine->accepts.n)
			accepts_take(packet);
	}
	if (packet->msg.is_request ? delivery_take_request(packet) || relay_take_request(packet)
				   : client_take_response(packet))
		return;
	if (packet_acks_own_reply(packet)) {
		packet_drop(packet, COUNT_acks_absorbed);
		return;
	}
	if (overloaded && packet->msg.is_request) { /* what is in progress goes on */
		engine->count[COUNT_overload]++;
		packet_reply(packet, 503, span_of(NULL, 0), SPAN(RETRY_LATER));
		return;
	}
	if (!packet->msg.is_request)
		delivery_hear(packet);
	packet_hold(packet);
	engine->policy.receive(engine->policy.self, packet);
}

static void on_unframed(void *self, const struct flow *from, struct span bytes)
{
	struct engine *engine = self;
	engine->count[COUNT_received]++;
	struct packet *packet = packet_take(engine);
	packet->from = *from;
	struct msg_error error = {400, "Message Cannot Be Framed"};
	struct msg_error parse_error = {0};
	if (msg_parse(&packet->msg, bytes, &parse_error) && parse_error.code)
		error = parse_error;
	refuse(packet, &error);
}

/* A request we could not deliver is answered by those before us as they would be after a failed
 * send (RFC 3261 16.9), a response may go elsewhere. The message itself says who they are. */
static void on_unsent(void *self, const struct flow *to, struct span message, const char *reason)
{
	struct engine *engine = self;
	struct packet *packet = packet_take(engine);
	struct msg_error error;
	tell_send_failed(engine, to, reason);
	packet->from = *to;
	if (msg_parse(&packet->msg, message, &error))
		return;
	if (!packet->msg.is_request) {
		unsent_take(packet, to, message);
	} else if (!client_take_unsent(packet, reason)) {
		delivery_take_unsent(packet, reason);
		forward_undelivered(packet, reason);
	}
}

static void on_sent(void *self, uint64_t receipt)
{
	delivery_sent(self, receipt);
}

static void on_closed(void *self, const struct flow *flow, const char *reason)
{
	struct engine *engine = self;
	char peer[ADDR_TEXT_MAX];
	log_event(engine->log, LOG_DEBUG, "connection.closed", LOG_NUM("leg", flow->leg),
		LOG_TEXT("peer", span_of(peer, addr_print(&flow->peer, peer))),
		LOG_STR("reason", reason));
}

static void on_wake(void *self)
{
	struct engine *engine = self;
	engine->wake_at_ms = INT64_MAX; /* the world has forgotten it */
	timers_run(&engine->timers, engine_now_ms(engine));
}

void engine_free_later(struct engine *engine, void *memory)
{
	if (!memory)
		return;
	if (engine->n_garbage == engine->garbage_size) {
		engine->garbage_size = engine->garbage_size ? 2 * engine->garbage_size : 64;
		engine->garbage = must_realloc(
			engine->garbage, engine->garbage_size * sizeof *engine->garbage);
	}
	engine->garbage[engine->n_garbage++] = memory;
}

static void take_out_garbage(struct engine *engine)
{
	while (engine->n_garbage)
		free(engine->garbage[--engine->n_garbage]);
}

static void on_turn_end(void *self)
{
	struct engine *engine = self;
	end_packets(engine);
	take_out_garbage(engine);
	if (engine->timers.changes == engine->timers_seen)
		return;
	engine->timers_seen = engine->timers.changes;
	int64_t next_ms = timers_next(&engine->timers);
	if (next_ms != engine->wake_at_ms) {
		engine->wake_at_ms = next_ms;
		engine->world->wake_at(
			engine->world, next_ms == INT64_MAX ? INT64_MAX : next_ms * 1000);
	}
}

/* ---- decisions ---- */

static void log_decision(const struct packet *packet)
{
	static const char *const names[] = {"none", "forwarded", "replied", "dropped"};
	struct engine *engine = packet->engine;
	struct msg *msg = (struct msg *)&packet->msg;
	const struct cseq *cseq = msg_cseq(msg);
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX] = "-";
	bool forwarded = packet->decision == DECISION_FORWARDED;
	log_event(engine->log, LOG_DEBUG, "decision",
		LOG_TEXT("method", msg->is_request ? msg->method
				   : cseq	   ? cseq->method
						   : SPAN("-")),
		LOG_NUM("status", msg->is_request ? 0 : msg->code),
		LOG_TEXT("call_id", msg_value(msg, HDR_CALL_ID)),
		LOG_TEXT("from", span_of(from, addr_print(&packet->from.peer, from))),
		LOG_STR("leg", packet_leg(packet)->spec),
		LOG_STR("decision", names[packet->decision]), LOG_NUM("code", packet->reply_code),
		LOG_TEXT("to", span_of(to, forwarded ? addr_print(&packet->to.peer, to) : 1)));
}

static void tell_undecided(struct packet *packet)
{
	struct engine *engine = packet->engine;
	int64_t second = engine_now_ms(engine) / 1000;
	if (engine->undecided_second == second)
		return;
	engine->undecided_second = second;
	log_event(engine->log, LOG_WARN, "request.undecided",
		LOG_TEXT("method", packet->msg.method),
		LOG_TEXT("call_id", msg_value(&packet->msg, HDR_CALL_ID)),
		LOG_STR("hint", "the handler ended without an answer: reply, forward or drop it"));
}

/* The policy has not. */
static void decide_instead(struct packet *packet, bool failed)
{
	struct engine *engine = packet->engine;
	bool answerable = packet->msg.is_request && packet->msg.method_id != METHOD_ACK;
	bool no_room = packet->no_room && !failed;
	if (!failed && !no_room)
		engine->count[answerable ? COUNT_undecided_requests : COUNT_undecided_responses]++;
	if (!answerable) {
		packet->decision = DECISION_DROPPED;
	} else if (no_room) {
		packet_reply(packet, 503, span_of(NULL, 0), SPAN(RETRY_LATER));
	} else {
		if (!failed)
			tell_undecided(packet);
		packet_reply(packet, 500, span_of(NULL, 0), span_of(NULL, 0));
	}
}

void packet_done(struct packet *packet, bool failed)
{
	struct engine *engine = packet->engine;
	struct msg *msg = &packet->msg;
	if (packet->relay && !msg->is_request) {
		relay_pass_provisional(packet);
	} else if (packet->relay && !failed && relay_is_stateful(packet->relay)) {
		; /* the best response goes upstream below */
	} else if (packet->decision == DECISION_NONE) {
		decide_instead(packet, failed);
	}
	if (packet->relay)
		relay_request_done(packet->relay);
	packet->relay = NULL;
	if (engine->log->level >= LOG_DEBUG)
		log_decision(packet);
	packet_release(packet);
}

void packet_drop(struct packet *packet, enum counter why)
{
	packet->engine->count[why]++;
	packet->decision = DECISION_DROPPED;
}

/* Once a second at most: a peer decides how often this happens. */
static void tell_send_failed(struct engine *engine, const struct flow *to, const char *reason)
{
	char peer[ADDR_TEXT_MAX];
	int64_t second = engine_now_ms(engine) / 1000;
	engine->count[COUNT_send_failed]++;
	if (engine->send_failed_second == second)
		return;
	engine->send_failed_second = second;
	log_event(engine->log, LOG_WARN, "send.failed",
		LOG_TEXT("to", span_of(peer, addr_print(&to->peer, peer))),
		LOG_STR("error", reason));
}

int engine_send(struct engine *engine, const struct flow *to, const struct iovec *iov, uint32_t n)
{
	int rc = engine->world->send(engine->world, to, iov, n);
	if (rc < 0) {
		tell_send_failed(engine, to, strerrorname_np(-rc));
		return rc;
	}
	struct leg *leg = &engine->legs.leg[to->leg];
	leg->n_sent++;
	engine->count[COUNT_sent]++;
	return 0;
}

/* ---- life ---- */

void engine_lookup_answered(void *self, uint64_t id, enum dns_status status,
	const struct dns_record *records, uint32_t n);

const struct world_events engine_events = {
	.message = on_message,
	.unframed = on_unframed,
	.unsent = on_unsent,
	.sent = on_sent,
	.closed = on_closed,
	.dns = engine_lookup_answered,
	.wake = on_wake,
	.turn_end = on_turn_end,
};

struct engine *engine_new(struct world *world, struct log *log)
{
	struct engine *engine = must_zalloc(sizeof *engine);
	engine->world = world;
	engine->log = log;
	world->events = &engine_events;
	world->self = engine;
	timers_init(&engine->timers, engine_now_ms(engine));
	engine->wake_at_ms = INT64_MAX;
	world->random(world, &engine->key, sizeof engine->key);
	struct siphash_key store_key;
	world->random(world, &store_key, sizeof store_key);
	engine->bindings = bindings_new(&store_key, NULL);
	engine->limits = (struct engine_limits){
		.transactions = TRANSACTIONS_MAX,
		.clients_per_peer = CLIENTS_PER_PEER_MAX,
		.delivery_share = DELIVERIES_SHARE_MAX,
	};
	engine->times = (struct txn_times){TXN_T1_MS, TXN_T2_MS, TXN_T4_MS};
	engine->dns = dns_cache_new(engine, 0);
	engine->targets = targets_new(&store_key);
	msg_init(&engine->scratch);
	engine->scratch.rooms = &engine->rooms;
	return engine;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	deliveries_free_all(engine);
	relays_free_all(engine);
	accepts_free_all(engine);
	unsent_free_all(engine);
	table_fini(&engine->transactions);
	legs_close_all(engine);
	end_packets(engine);
	take_out_garbage(engine);
	free(engine->garbage);
	dns_cache_free(engine->dns);
	targets_free(engine->targets);
	auth_free(engine->auth);
	notes_free(engine->rates);
	notes_free(engine->refused);
	contact_key_free(engine->contact_key);
	msg_fini(&engine->scratch);
	for (uint32_t i = 0; i < engine->n_packets; i++) {
		msg_fini(&engine->packets[i]->msg);
		free(engine->packets[i]);
	}
	msg_rooms_fini(&engine->rooms);
	free(engine->packets);
	free(engine->lookups);
	bindings_free(engine->bindings);
	free(engine);
}

/* The engine: legs, received messages, decisions. Everything hangs off struct engine; it acts on
 * the outside through its struct world only and asks a struct policy (the script host) what to do
 * with each message.
 *
 * It refuses on its own, before any policy sees it: what is not SIP, malformed messages (RFC
 * 3261 16.3 (1)), and work beyond a limit. All else is policy.
 *
 * Glossary: a *packet* is a received message with its source and the decision about it; a *leg* is
 * a socket messages come from and go to, with the address it shows to others; a *turn* is one batch
 * of events, after which what was sent leaves and what is done is freed. */
#pragma once

#include "base/log.h"
#include "base/siphash.h"
#include "base/table.h"
#include "base/timers.h"
#include "base/world.h"
#include "engine/legs.h"
#include "sip/edit.h"
#include "sip/msg.h"
#include "sip/txn.h"
#include "sip/write.h"

enum {
	REFUSED_NOTES_MAX =
		16384,	     /* INVITEs whose ACK is awaited; of others it goes on to the callee */
	PACKETS_MAX = 16384, /* received messages in work at one time; beyond: 503 */
	TRANSACTIONS_MAX = 1000000, /* clients and servers together; beyond: 503 */
	/* Clients that await the answer of one address: whoever takes all and answers nothing
	 * leaves room for the others. Beyond: 503. */
	CLIENTS_PER_PEER_MAX = TRANSACTIONS_MAX / 4,
	PARTIES = 4096, /* engine/party.h */
	HANDLE_SLOT_BITS = 20,
};

#define RETRY_LATER "Retry-After: 5\r\n" /* of a 503 for want of room */

enum counter {
#define COUNTER(name, text) COUNT_##name,
#include "engine/counters.def"
#undef COUNTER
	COUNTERS
};
const char *counter_name(enum counter counter);

enum decision { DECISION_NONE, DECISION_FORWARDED, DECISION_REPLIED, DECISION_DROPPED };

struct packet {
	struct msg msg;
	struct flow from; /* its leg counts it while it is held: that stays */
	struct flow to;	  /* of DECISION_FORWARDED */
	struct engine *engine;
	struct relay *relay; /* a request: forwarded statefully; a provisional response: on its way
				through a script */
	struct packet *next; /* in this turn's list, or in the pool */
	enum decision decision;
	uint32_t reply_code;	       /* of DECISION_REPLIED */
	uint32_t path_routes;	       /* Route values that came from the Path of that binding */
	int own_vias;		       /* of a response: Vias of ours on top */
	const struct routing *routing; /* of the script that has it in hands; NULL: none */
	const struct proxy *proxy;     /* that forwards it now */
	uint64_t home;		       /* the place its target is reached from, if that is known */
	bool home_only;		       /* and from nowhere else */
	bool is_by_size; /* planned by a stream for its size only: should that be refused, by UDP */
	uint32_t slot, generation;
	uint32_t holds;	 /* nobody holds it: freed at the end of the turn */
	bool is_own;	 /* made here: it has no Via and no source */
	bool is_awaited; /* a response: some client transaction of ours takes it */
	bool no_room;	 /* a limit stood against forwarding it statefully */
	bool located;	 /* its Request-URI is the contact of a binding here */
	bool is_in_turn; /* somebody works on it: at the end of the turn it is freed or kept */
};

/* Who decides. `receive` takes over one hold on the packet and ends it with packet_done, now or
 * later. */
struct policy {
	void *self;
	void (*receive)(void *self, struct packet *packet);
};

typedef void (*lookup_fn)(
	void *arg, enum dns_status status, const struct dns_record *records, uint32_t n);

struct auth;
struct bindings;
struct lookup;
struct notes;
struct unsent;

/* The queue of engine/delivery.h. */
struct deliveries {
	struct table by_number, by_id, by_call;
	struct table by_key;  /* of requests that came in: also when they have left the queue */
	struct table by_sent; /* of what was sent once and may be answered: in the place of that */
	struct delivery *first; /* in the queue, newest first */
	uint32_t n;
	size_t bytes;		 /* of their requests */
	uint32_t share[PARTIES]; /* bytes that a source has sent, or a host is sent */
	struct delivery *left;	 /* those whose answers may still come */
	uint64_t last_number;
};

struct engine_limits {
	uint32_t transactions;	   /* TRANSACTIONS_MAX, to begin with */
	uint32_t clients_per_peer; /* CLIENTS_PER_PEER_MAX */
	uint32_t delivery_share;   /* bytes: DELIVERIES_SHARE_MAX */
};

struct engine {
	struct world *world;
	struct log *log;
	struct policy policy;
	struct timers timers;
	int64_t wake_at_ms;   /* what the world was last asked for */
	uint64_t timers_seen; /* timers.changes then */
	struct legs legs;
	struct siphash_key key;		 /* of branches, tags and dialog marks */
	struct contact_key *contact_key; /* of proxies without one; made when first needed */
	struct bindings *bindings;
	struct timer sweep; /* of expired bindings; armed while there are any */
	uint64_t count[COUNTERS];
	int64_t undecided_second;
	int64_t send_failed_second; /* when that was logged last */
	int64_t contact_removed_second;

	struct packet **packets; /* by slot */
	uint32_t n_packets, n_live;
	struct packet *pool, *turn;
	struct msg_rooms rooms; /* of messages that are worked on */

	struct table transactions; /* struct client and struct relay */
	/* 2xx of ours that await their ACK, by the key of their INVITE and by dialog. */
	struct table accepts, accepted;
	uint32_t in_state[TXN_KIND_COUNT][TXN_STATE_COUNT]; /* how many of them */
	struct deliveries deliveries;
	struct unsent *unsent; /* responses that go to another address; newest first */
	uint32_t n_unsent;
	struct engine_limits limits;
	uint32_t awaited[PARTIES]; /* clients that await an answer, by address */
	uint32_t unheard[PARTIES]; /* answers to INVITEs repeated until an ACK comes, by source */
	struct txn_times
		times;	    /* as the script wants them; what waits already goes on as it began */
	struct msg scratch; /* for reading back what we wrote */
	struct edit_state saved; /* of the request that is being forwarded */
	struct dns_cache *dns;
	struct targets *targets; /* the dead ones */
	void **garbage;		 /* freed at the end of the turn */
	uint32_t n_garbage, garbage_size;

	struct auth *auth;     /* NULL until somebody is asked for a password */
	struct notes *rates;   /* NULL until somebody is counted */
	struct notes *refused; /* INVITEs inside dialogs, statelessly; NULL until one was */

	struct lookup *lookups;
	uint32_t n_lookups, free_lookup;
};

/* `world` and `log` are borrowed and outlive the engine. */
struct engine *engine_new(struct world *world, struct log *log);
/* Closes all legs; no packet may be held any more. */
void engine_free(struct engine *engine);
extern const struct world_events engine_events;

static inline int64_t engine_now_ms(struct engine *engine)
{
	return engine->world->now_us(engine->world) / 1000;
}

/* Numbers that stand for packets in scripts: below 2^53, and dead once the packet is. */
static inline double packet_handle(const struct packet *packet)
{
	return (double)(((uint64_t)packet->generation << HANDLE_SLOT_BITS) | packet->slot);
}
/* NULL when the packet is gone. */
struct packet *packet_of(struct engine *engine, double handle);
/* A message that did not come in: of these bytes, which last to the end of the turn. Held once;
 * NULL when they are no message. */
struct packet *packet_make(struct engine *engine, struct span bytes, const struct flow *from);
/* Somebody is about to read or edit a packet of an earlier turn: what its message takes for that it
 * gives back at the end of this one. */
void packet_touch(struct packet *packet);
void packet_hold(struct packet *packet);
void packet_release(struct packet *packet);
/* The policy is through with it: a request without a decision is answered 500, anything else
 * without one is dropped; both counted. Ends the policy's hold. `failed`: the handler ended in an
 * error. */
void packet_done(struct packet *packet, bool failed);

static inline struct leg *packet_leg(const struct packet *packet)
{
	return &packet->engine->legs.leg[packet->from.leg];
}

/* Answers a request to where it came from (RFC 3261 18.2.2, RFC 3581 4; never where a Via merely
 * points). ACK is never answered. `headers` are whole lines with CRLF, checked by the caller.
 * Records the decision. */
void packet_reply(struct packet *packet, uint32_t code, struct span reason, struct span headers);
/* What a 200 says to an OPTIONS that is for ourselves (RFC 3261 11.2). */
#define OPTIONS_HEADERS SPAN("Accept: application/sdp\r\n")
/* The same with a body. -1, and no decision: there is nobody to answer, or the answer would be too
 * long. */
int packet_reply_full(struct packet *packet, const struct reply *reply);
/* Where an answer to this request goes. */
struct flow packet_reply_flow(struct packet *packet);
/* An ACK to a failure we answered statelessly: it has the branch of its INVITE, and our To-tag,
 * which nobody can make up, or inside a dialog its number within the 64*T1 that count. There is
 * nothing more to do about it (RFC 3261 8.2.7). */
bool packet_acks_own_reply(struct packet *packet);
void packet_drop(struct packet *packet, enum counter why);

/* Sends a message; counts, and logs failures. 0 or negative errno. */
int engine_send(struct engine *engine, const struct flow *to, const struct iovec *iov, uint32_t n);

/* Frees at the end of the turn: what was sent from it has left by then. NULL is fine. */
void engine_free_later(struct engine *engine, void *memory);

/* Asks the world for DNS records; `done` is called later, once, unless cancelled. Returns an id, 0
 * when too many questions are open. */
uint64_t engine_lookup(struct engine *engine, enum dns_type type, struct span name,
	uint32_t timeout_ms, lookup_fn done, void *arg);
void engine_lookup_cancel(struct engine *engine, uint64_t id);

/* What the parts of the sim world share: sim.c (clock, queue, turns, trace), sim_net.c (legs,
 * endpoints, datagrams), sim_stream.c (connections), sim_dns.c (the zone). */
#pragma once

#include "net/sim.h"

enum { SIM_ADDR_BUCKETS = 1024 };

/* Something that will happen. Which fields have a meaning is the business of `happen`. */
struct sim_event {
	int64_t at_us;
	uint64_t order; /* among those of the same time */
	void (*happen)(struct sim *sim, struct sim_event *event);
	uint64_t id; /* a connection, a query */
	uint32_t leg;
	enum sim_way way;
	enum transport transport;
	struct addr from, to;
	const char *reason;
	void (*call)(void *arg);
	void *arg;
	bool is_void; /* cancelled */
	uint32_t n;
	char bytes[];
};

struct sim_leg {
	bool is_open;
	struct leg_address address;
};

struct sim_endpoint {
	struct sim *sim;
	struct sim_endpoint *next; /* in its bucket */
	enum transport transport;
	struct addr addr;
	struct sim_link links[2];
	bool has_link[2], is_raw;
	sim_arrival_fn arrived;
	void *self;
};

/* Stream bytes that came; the first `used` have been given away and go when more come. */
struct sim_buffer {
	char *p;
	uint32_t used, n, room;
};

struct sim_connection {
	struct sim_connection *next; /* in its bucket, or among the dead */
	uint64_t id;		     /* a count and, in its low digits, the bucket */
	uint32_t leg;
	enum transport transport;
	struct addr local, peer, alias; /* alias: AF_UNSPEC for none */
	int64_t tail_us[2]; /* when the last bytes of each way arrive: nothing overtakes them */
	struct sim_buffer came[2];
	struct sim_buffer unsent; /* what the engine sent and the connection has not taken */
	uint64_t *receipts;	  /* of what was sent before it was open */
	uint32_t n_receipts;
	bool is_open;
	bool is_closed; /* by the engine, which is told nothing more; the peer has yet to hear of it
			 */
	bool is_peer_closed; /* the other way round */
};

/* One world.send, until the end of the turn: the pieces are the engine's. */
struct sim_send {
	uint32_t leg;
	struct addr peer;
	uint64_t connection, receipt;
	uint32_t n;
	struct iovec iov[WORLD_IOV_MAX];
};

struct sim_occupied {
	struct sim_occupied *next;
	enum transport transport;
	struct addr addr;
};

struct sim_unreachable {
	struct sim_unreachable *next;
	struct addr ip;
};

struct sim_name;

struct sim {
	struct world world;
	frame_fn frame;
	int64_t now_us, wall_shift_ms, wake_at_us;
	uint64_t wake_order, order;
	bool in_turn;		  /* the engine has been told something */
	uint64_t random, fate;	  /* states: what the engine draws, what the network draws */
	struct sim_event **queue; /* a heap */
	size_t queue_n, queue_room;
	uint64_t trace_hash;
	FILE *trace;

	struct sim_leg legs[SIM_LEGS_MAX];
	struct sim_link links[2];
	struct sim_endpoint *endpoints[SIM_ADDR_BUCKETS];
	struct sim_occupied *occupied;
	struct sim_unreachable *unreachable;
	struct sim_send *sends;
	uint32_t sends_n, sends_room;

	struct sim_connection *connections[SIM_ADDR_BUCKETS]; /* by peer */
	struct sim_connection *dead; /* until the end of the turn, for the bytes in them */
	uint64_t connections_made;

	struct sim_name *zone;
};

/* sim.c */
struct sim_event *sim_queue(struct sim *sim, int64_t at_us,
	void (*happen)(struct sim *sim, struct sim_event *event), struct span bytes);
/* To tell the engine something, which begins a turn. */
const struct world_events *sim_tell(struct sim *sim);
/* Less than `below`, which is not 0. */
uint32_t sim_draw(struct sim *sim, uint32_t below);
bool sim_chance(struct sim *sim, uint32_t in_1000);
/* "verb transport from > to" and the bytes. */
void sim_trace_bytes(struct sim *sim, const char *verb, enum transport transport,
	const struct addr *from, const struct addr *to, struct span bytes);
/* "verb" and a text, such as a name asked for. */
void sim_trace_text(struct sim *sim, const char *verb, struct span text);

/* sim_net.c */
uint32_t sim_addr_bucket(const struct addr *addr);
struct sim_leg *sim_leg_at(
	struct sim *sim, enum sim_way way, enum transport transport, const struct addr *addr);
struct sim_endpoint *sim_endpoint_at(
	struct sim *sim, enum transport transport, const struct addr *addr);
const struct sim_link *sim_link_of(
	struct sim *sim, enum sim_way way, enum transport transport, const struct addr *outside);
uint32_t sim_delay(struct sim *sim, const struct sim_link *link);
/* Puts on the wire what the engine has sent in this turn. */
void sim_flush(struct sim *sim);
int sim_leg_open(struct world *world, uint32_t leg, struct leg_address *address, char error[256]);
void sim_leg_close(struct world *world, uint32_t leg);
int sim_send(struct world *world, const struct flow *to, const struct iovec *iov, uint32_t n);
void sim_net_fini(struct sim *sim);

/* sim_stream.c */
/* The connection that world.send shall use, opened when there is none. */
int sim_stream_for(struct sim *sim, const struct flow *to, uint64_t *connection);
void sim_stream_send(struct sim *sim, uint64_t connection, struct span bytes, uint64_t receipt);
int sim_stream_inject(struct sim *sim, enum transport transport, const struct addr *from,
	const struct addr *to, struct span bytes);
/* The engine's side closes all connections of this leg. */
void sim_stream_leg_closed(struct sim *sim, uint32_t leg);
void sim_stream_endpoint_closed(struct sim *sim, const struct sim_endpoint *endpoint);
void sim_stream_close(struct world *world, uint64_t connection);
void sim_stream_alias(struct world *world, uint64_t connection, const struct addr *alias);
/* Frees what ended in this turn. */
void sim_stream_turn_end(struct sim *sim);
void sim_stream_fini(struct sim *sim);

/* sim_dns.c */
void sim_dns_query(struct world *world, uint64_t query, enum dns_type type, struct span name,
	uint32_t timeout_ms);
void sim_dns_cancel(struct world *world, uint64_t query);
void sim_dns_fini(struct sim *sim);

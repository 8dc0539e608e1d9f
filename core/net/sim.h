/* The sim world: struct world with a virtual clock, network and DNS, for tests, replay and
 * simulation.
 *
 * Nothing here happens but in sim_step and the two sim_run calls. Time passes only between events,
 * and what happens is a function of the seed and the calls: two runs with the same calls give the
 * same bytes, which sim_trace_hash tells. One event is one turn: what the engine sent leaves, then
 * turn_end is called. The outside is endpoints ("phones") that the test registers by address;
 * anything may be injected from any address. Streams between two legs of the engine are refused. */
#pragma once

#include <stdio.h>

#include "base/world.h"

struct sim;
struct sim_endpoint;

/* `frame` cuts streams, to the engine and to endpoints; NULL when there are none. Set world->events
 * and ->self before the first event. */
struct sim *sim_new(uint64_t seed, frame_fn frame);
void sim_free(struct sim *sim);
struct world *sim_world(struct sim *sim);

#define SIM_START_US 1000000LL		  /* what now_us begins with: never 0 */
#define SIM_START_WALL_MS 1790000000000LL /* September 2026 */

int64_t sim_now_us(const struct sim *sim);
/* Sets the wall clock forward or back, as an administrator would. */
void sim_shift_wall(struct sim *sim, int64_t ms);

/* The next event in the order of (time, cause); false: none is left and no wake-up is asked for. */
bool sim_step(struct sim *sim);
/* All events up to that time, which is the time then. */
void sim_run_until(struct sim *sim, int64_t at_us);
/* Until nothing is left to happen in the next `limit_us` from now; the time stays that of the last
 * event. So wake-ups further away do not run. */
void sim_run_idle(struct sim *sim, int64_t limit_us);
/* Something a test does at a given time, in a turn of its own. */
void sim_at(struct sim *sim, int64_t at_us, void (*happen)(void *arg), void *arg);
/* Events queued, without the wake-up. */
size_t sim_queued(const struct sim *sim);

/* One direction of the network. Chances are in 1/1000. */
struct sim_link {
	uint32_t delay_us, jitter_us; /* base, and at most that much more, evenly */
	uint16_t loss, duplicate;     /* datagrams; a stream with `loss` 1000 takes nothing */
	uint16_t reorder;	      /* datagrams held back by `reorder_us` more */
	uint16_t cut;		      /* stream writes that arrive in several pieces */
	uint32_t reorder_us;
};

enum sim_way { SIM_TO_ENGINE, SIM_FROM_ENGINE };

/* For endpoints and addresses that have none of their own; to begin with 500 us and nothing bad. */
void sim_link(struct sim *sim, enum sim_way way, const struct sim_link *link);
void sim_endpoint_link(
	struct sim_endpoint *endpoint, enum sim_way way, const struct sim_link *link);

/* What came to an endpoint; valid during the call. */
struct sim_arrival {
	struct sim_endpoint *endpoint;
	int64_t at_us;
	enum transport transport;
	struct addr from; /* address of the leg */
	uint32_t leg;
	uint64_t connection;
	struct span bytes;  /* a datagram, or a message of a stream */
	const char *closed; /* NULL, or why the stream ended: then without bytes */
};

/* May inject, answer, hang up; must not call the engine. */
typedef void (*sim_arrival_fn)(void *self, const struct sim_arrival *arrival);

/* Listens on that address. `arrived` may be NULL. NULL when the address is in use. The sim owns it.
 */
struct sim_endpoint *sim_endpoint(struct sim *sim, enum transport transport,
	const struct addr *addr, sim_arrival_fn arrived, void *self);
/* Gives stream bytes to `arrived` as they come, with keep-alives, not message by message. */
void sim_endpoint_raw(struct sim_endpoint *endpoint);
/* Resets its streams; what is under way to it gets lost. Frees it. */
void sim_endpoint_close(struct sim_endpoint *endpoint);

/* Sends to the leg at `to`. A stream between the two addresses is used, else opened by the peer.
 * Returns 0, or -ECONNREFUSED when there is no leg for a stream; a datagram gets lost then. */
int sim_inject(struct sim *sim, enum transport transport, const struct addr *from,
	const struct addr *to, struct span bytes);
/* Back to where it came from, by the same stream. -ENOTCONN: that has ended. */
int sim_answer(struct sim *sim, const struct sim_arrival *arrival, struct span bytes);

enum sim_end { SIM_SHUTDOWN, SIM_RESET };
/* The peer ends its stream: the engine sees ESHUTDOWN or ECONNRESET after what is under way. */
void sim_hang_up(struct sim *sim, enum transport transport, const struct addr *from,
	const struct addr *to, enum sim_end end);
/* Streams open or being opened. */
size_t sim_connections(const struct sim *sim);

/* leg_open fails for this address, as if another process had it. */
void sim_occupy(struct sim *sim, enum transport transport, const struct addr *addr);

/* From now on there is no way to this IP: datagrams never leave, and are told so with ENETUNREACH.
 */
void sim_unreachable(struct sim *sim, const struct addr *ip);

enum {
	SIM_LEGS_MAX = 64,
	SIM_PORT_FIRST = 40000, /* given for port 0, upwards */
	SIM_CONNECT_MS = 5000,	/* a black hole answers ETIMEDOUT after that */
	SIM_STALL_MS = 10000,	/* so does a stream that takes nothing; what was sent is unsent */
	SIM_DNS_MS = 1,		/* what "no such name" takes */
};

/* Names in any letter case. A name and type without records: DNS_NOT_FOUND. An answer takes the
 * longest `delay_ms` of its records. */
void sim_dns_add(
	struct sim *sim, const char *name, const struct dns_record *record, uint32_t delay_ms);
/* A or AAAA, from an IP literal. */
void sim_dns_add_ip(struct sim *sim, const char *name, const char *ip);
void sim_dns_add_srv(struct sim *sim, const char *name, uint16_t priority, uint16_t weight,
	uint16_t port, const char *target);
/* All records of that name go. */
void sim_dns_remove(struct sim *sim, const char *name);
/* From now on no answer: DNS_TIMEOUT when the query's time is over. */
void sim_dns_silent(struct sim *sim, const char *name);
/* DNS_FAILED, as after SERVFAIL. */
void sim_dns_fail(struct sim *sim, const char *name);

/* Of all that was sent, arrived, got lost, was opened, closed, asked and answered, byte for byte.
 */
uint64_t sim_trace_hash(const struct sim *sim);
/* The same as text; NULL: none. The file is the caller's. */
void sim_trace_to(struct sim *sim, FILE *file);

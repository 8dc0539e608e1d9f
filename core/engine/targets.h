/* The short memory of dead targets (RFC 3263 4.3): whoever did not answer is tried last for a
 * while.
 *
 * It reads no clock. A target that dies again soon after it was let back is out for twice as long,
 * up to a limit; one sign of life and all is forgiven. Nothing here ever drops a target. */
#pragma once

#include "base/siphash.h"
#include "sip/locate.h"

enum {
	TARGETS_DEAD_MAX = 1024, /* remembered; who would be back soonest is forgotten first */
	TARGETS_DEAD_MS = 30000, /* out for that long, doubled each time in a row */
	TARGETS_DEAD_LONGEST_MS = 300000, /* also what a Retry-After can reach */
	TARGETS_REASON_MAX = 24,
};

struct targets;

struct targets *targets_new(const struct siphash_key *key);
void targets_free(struct targets *targets); /* NULL is fine */

/* `reason` is an errno name or "503"; longer ones are cut. `for_ms` 0: the default, which grows;
 * else as long as the peer asked (Retry-After). A target that is dead already stays so at least as
 * long as it was. */
void targets_mark_dead(struct targets *targets, enum transport transport, const struct addr *addr,
	const char *reason, uint32_t for_ms, int64_t now_ms);
/* It answered. */
void targets_mark_alive(struct targets *targets, enum transport transport, const struct addr *addr);
bool targets_is_dead(const struct targets *targets, enum transport transport,
	const struct addr *addr, int64_t now_ms);
/* Moves dead ones to the end, both parts in their former order; returns how many are not dead. */
uint32_t targets_order(
	const struct targets *targets, struct locate_target *list, uint32_t n, int64_t now_ms);

struct dead_target {
	enum transport transport;
	struct addr addr;
	const char *reason; /* valid until the next mark */
	uint32_t times;	    /* in a row */
	int64_t since_ms, until_ms;
};
/* All that are dead now, in no order: `*position` is 0 first. False: no more. */
bool targets_walk(const struct targets *targets, uint32_t *position, struct dead_target *dead,
	int64_t now_ms);

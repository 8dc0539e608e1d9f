/* What the parts of the live world share: the libev loop, the clock, the counters, and turns.
 *
 * A turn begins with the first event told to the engine and ends before the loop waits, or earlier
 * when a receive buffer is to be used again. Chores are how the parts do things at the right
 * moment: `at_end` chores put bytes on the wire before turn_end, `after` chores tell the engine
 * later what happened inside a call of its own, so that no event is ever nested in another. */
#pragma once

#include <ev.h>

#include "net/live.h"

/* Embedded in its owner, which must not be freed while it is queued. */
struct chore {
	void (*run)(struct chore *chore);
	struct chore *next;
	bool queued;
};

struct chores {
	struct chore *first, **last;
};

struct loop {
	struct ev_loop *ev;
	struct world world;
	struct log *log;
	struct live_options options; /* defaults filled in */
	struct live_statistics count;
	int64_t now_us;
	bool in_turn;
	int64_t busy_since_us, longest_busy_us; /* since the first turn after a wait; 0: none yet */
	struct chores at_end, after;
	ev_idle restless; /* active while work is left that must not wait for an event */
};

#define OWNER_OF(member_p, type, member) ((type *)((char *)(member_p)-offsetof(type, member)))

static inline void chore_add(struct chores *chores, struct chore *chore)
{
	if (chore->queued)
		return;
	chore->queued = true;
	chore->next = NULL;
	*chores->last = chore;
	chores->last = &chore->next;
}

struct loop *live_loop(struct live *live);

/* CLOCK_MONOTONIC. */
int64_t loop_clock_us(void);

/* False when there is no libev backend. The owner fills options, log and world. */
bool loop_init(struct loop *loop);
/* The owner has ended all that uses the loop; chores left are forgotten. */
void loop_fini(struct loop *loop);

/* Before telling the engine anything. Cheap when a turn is open already. */
static inline void loop_turn_begin(struct loop *loop)
{
	if (loop->in_turn)
		return;
	loop->in_turn = true;
	loop->now_us = loop_clock_us();
	if (!loop->busy_since_us)
		loop->busy_since_us = loop->now_us;
}

/* Bytes to the wire, then the engine's turn_end; nothing when no turn is open. */
void loop_turn_end(struct loop *loop);
/* Ends the turn and does what was put off. */
void loop_settle(struct loop *loop);
/* The last thing before the loop waits. */
void loop_rest(struct loop *loop);

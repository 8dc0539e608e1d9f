/* Deadlines in milliseconds: a hierarchical timing wheel that reads no clock and allocates nothing.
 *
 * Arming, re-arming and cancelling are O(1). Timers are intrusive: the owner embeds struct timer
 * and keeps it where it is while armed. Any int64_t is a valid due time; one that has already come
 * is fired by the next run. Not re-entrant: a callback must not call timers_run. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer_links {
	struct timer_links *next, *prev;
};

/* All zero but for `fire` before it is first armed. */
struct timer {
	struct timer_links links; /* NULL while not armed */
	int64_t due_ms;
	/* Called once, when already disarmed: it may arm, cancel or free this timer and any other.
	 */
	void (*fire)(struct timer *timer);
};

enum {
	TIMERS_LEVEL_BITS = 8, /* what is due within a minute is moved once at most */
	TIMERS_LEVELS = 8,     /* 64 bits: no due time lies outside */
	TIMERS_SLOTS = TIMERS_LEVELS << TIMERS_LEVEL_BITS,
};

struct timers {
	int64_t now_ms;	  /* of the last run */
	uint64_t changes; /* counts whatever may change timers_next */
	/* By slot; behind the wheel there are two more: the time has come; being fired. */
	uint64_t used[TIMERS_SLOTS / 64 + 1];
	bool is_unsorted;		    /* those whose time has come */
	int64_t earliest[TIMERS_SLOTS + 2]; /* nobody in the slot is due before */
	struct timer_links slots[TIMERS_SLOTS + 2];
};

/* `now_ms` is not negative. The struct must not move while a timer is armed. */
void timers_init(struct timers *timers, int64_t now_ms);

/* Arms, or moves to another time. `fire` may be changed whenever the timer is not being fired. */
void timers_arm(struct timers *timers, struct timer *timer, int64_t due_ms);
/* Does nothing when not armed. */
void timers_cancel(struct timers *timers, struct timer *timer);

static inline bool timer_is_armed(const struct timer *timer)
{
	return timer->links.next != NULL;
}

/* When to run next: the earliest due time, or a time before it when what was due then is armed no
 * more. After a run it lies behind the time of that. INT64_MAX: nothing is armed. */
int64_t timers_next(const struct timers *timers);

/* Fires what is due at `now_ms`, in the order of due times, then of arming; returns how many. A
 * timer that a callback arms for a time not after `now_ms` waits for the next run, so a run always
 * ends. A time before that of the last run counts as the latter. */
size_t timers_run(struct timers *timers, int64_t now_ms);

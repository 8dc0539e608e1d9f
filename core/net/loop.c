#include <stddef.h>
#include <time.h>

#include "net/loop.h"

/* An engine that sends again from each turn_end, or fails again from each `closed`, gets this many
 * rounds before sockets and timers have their turn. */
enum { TURN_ROUNDS_MAX = 4, SETTLE_ROUNDS_MAX = 16 };

int64_t loop_clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void chores_clear(struct chores *chores)
{
	chores->first = NULL;
	chores->last = &chores->first;
}

/* Those queued now; what they queue comes in the next call. */
static void chores_run(struct chores *chores)
{
	struct chore *chore = chores->first, *next;
	chores_clear(chores);
	for (; chore; chore = next) {
		next = chore->next;
		chore->queued = false;
		chore->run(chore); /* may free it */
	}
}

static void on_restless(struct ev_loop *ev, ev_idle *watcher, int events)
{
	(void)ev;
	(void)watcher;
	(void)events;
}

bool loop_init(struct loop *loop)
{
	loop->ev = ev_loop_new(EVFLAG_NOENV);
	if (!loop->ev)
		return false;
	chores_clear(&loop->at_end);
	chores_clear(&loop->after);
	ev_idle_init(&loop->restless, on_restless);
	loop->now_us = loop_clock_us();
	return true;
}

void loop_fini(struct loop *loop)
{
	ev_idle_stop(loop->ev, &loop->restless);
	ev_loop_destroy(loop->ev);
}

static void flush(struct loop *loop)
{
	while (loop->at_end.first)
		chores_run(&loop->at_end);
}

void loop_turn_end(struct loop *loop)
{
	for (int round = 0; round < TURN_ROUNDS_MAX; round++) {
		if (!loop->in_turn && !loop->at_end.first)
			return;
		flush(loop);
		loop->in_turn = false;
		if (loop->world.events)
			loop->world.events->turn_end(loop->world.self);
	}
}

void loop_settle(struct loop *loop)
{
	for (int round = 0; round < SETTLE_ROUNDS_MAX; round++) {
		loop_turn_end(loop);
		if (!loop->after.first)
			break;
		loop_turn_begin(loop);
		flush(loop); /* an `after` chore may free the owner of one at the end */
		chores_run(&loop->after);
	}
	if (loop->in_turn || loop->at_end.first || loop->after.first)
		ev_idle_start(loop->ev, &loop->restless);
	else
		ev_idle_stop(loop->ev, &loop->restless);
}

void loop_rest(struct loop *loop)
{
	int64_t busy_us = loop->busy_since_us ? loop_clock_us() - loop->busy_since_us : 0;
	if (busy_us > loop->longest_busy_us)
		loop->longest_busy_us = busy_us;
	loop->busy_since_us = 0;
}

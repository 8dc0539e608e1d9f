/* The time budget of scripts, in CPU time of this thread.
 *
 * Nothing is armed per run: a timer of the thread's CPU clock ticks while the thread works (an idle
 * engine gets no signal), and when the same run is seen for longer than its budget, the signal
 * handler arms a hook that raises an error in whatever Lua code runs, again and again until the run
 * has ended, so that a pcall in a loop cannot swallow it. This reaches interpreted code only; the
 * loader keeps everything that could run for ever interpreted. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lua_State;
struct watchdog;

/* Must be called by the thread that runs the scripts. NULL when the machine has no such timer. */
struct watchdog *watchdog_new(void);
/* By the same thread. With the last watchdog of the process the signal does what it did before. */
void watchdog_free(struct watchdog *watchdog);
void watchdog_begin(struct watchdog *watchdog, struct lua_State *running, uint32_t budget_ms);
/* True when the budget was exceeded. */
bool watchdog_end(struct watchdog *watchdog);

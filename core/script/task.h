/* A task is one run of a handler in a pooled coroutine: started for a message, a timer or to load a script; it may wait
 * for one thing at a time and is resumed when that comes. Ending a task for any reason cancels what it waits for. */
#pragma once

#include "script/script.h"

enum task_event { TASK_LOAD = 1, TASK_MESSAGE = 2, TASK_TIMER = 3 };
enum task_wait { WAIT_NONE, WAIT_SLEEP, WAIT_LOOKUP };

enum { TASK_LOAD_BUDGET_MS = 2000 }; /* CPU time to load a script; handlers have host_options.budget_ms */

struct task {
	struct lua_State *co;
	int ref;
	struct vd_script *script;
	enum task_event event;
	struct packet *packet; /* held; NULL for timers and loading */
	enum task_wait wait;
	struct timer deadline;
	uint64_t lookup;
	enum dns_status lookup_status;
	struct dns_record *records; /* owned */
	uint32_t n_records;
	struct task *next, **at;    /* in the script's idle or waiting list */
};

/* Takes over the hold on `packet`. `number`: the timer's id. Runs until the handler ends or waits. */
void task_message(struct vd_script *script, struct packet *packet);
void task_timer(struct vd_script *script, uint64_t timer);
/* 0, or -1 with the failure: file, line, reason. */
int task_load(struct vd_script *script, struct script_failure *failure);
/* Ends all waiting tasks of the script as failed. */
void tasks_cancel(struct vd_script *script);
void tasks_free_idle(struct vd_script *script);

/* A task is one run of a handler in a pooled coroutine: started for a message, a timer or to load a
 * script; it may wait for one thing at a time and is resumed when that comes. Ending a task for any
 * reason cancels what it waits for. */
#pragma once

#include "engine/resolve.h"
#include "script/script.h"

enum task_event {
	TASK_LOAD = 1,
	TASK_MESSAGE = 2,
	TASK_TIMER = 3,
	TASK_PROVISIONAL = 4,
	TASK_DELIVERED = 5,
	TASK_LOOKUP = 6,
	TASK_JUDGE = 7,
};
enum task_wait { WAIT_NONE, WAIT_SLEEP, WAIT_LOOKUP, WAIT_TARGET, WAIT_RESOLVE, WAIT_RELAY };

enum {
	TASK_LOAD_BUDGET_MS =
		2000,	     /* CPU time to load a script; handlers have host_options.budget_ms */
	TASK_OWNS_MAX = 256, /* messages one task makes */
};

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
	enum relay_end relay_end;
	struct packet **owned; /* finals of forwards, messages made here; held, list owned */
	uint32_t n_owned;
	struct packet *final; /* of the last forward, among those; NULL: it brought none */
	struct resolve *resolve;
	/* What a look-up of a URI brought; of a request, the first is where it goes. */
	struct locate_target *targets; /* owned */
	uint32_t n_targets;
	enum locate_result located;
	uint64_t legs;		 /* bits by leg index: those they may be reached by; 0: any */
	int hook;		 /* of provisional responses; 0: none */
	struct task *next, **at; /* in the script's idle or waiting list */
};

/* Takes over the hold on `packet`. `number`: the timer's id. Runs until the handler ends or waits.
 */
void task_message(struct vd_script *script, struct packet *packet);
void task_timer(struct vd_script *script, uint64_t timer);
/* What became of a delivery: `error` is the name of an errno, NULL: it arrived. */
void task_delivered(struct vd_script *script, uint64_t number, const char *error);
/* A question for the script's dnsresolv. */
void task_lookup(struct vd_script *script, uint64_t question, const char *type, struct span name);
/* Whether legs reach script->judged; false: the script failed. */
bool task_judge(struct vd_script *script);
/* A packet that lives as long as the running task; takes over the hold. */
void task_owns(struct task *task, struct packet *packet);
/* 0, or -1 with the failure: file, line, reason. */
int task_load(struct vd_script *script, struct script_failure *failure);
/* A provisional response for the hook of that number; takes over the hold on `packet`. */
void task_provisional(struct vd_script *script, struct packet *packet, int hook);
/* Copied; the names in them are not kept. */
void task_set_targets(struct task *task, const struct locate_target *targets, uint32_t n);
/* What it waited for has come. */
void task_resume(struct task *task);
/* Ends all waiting tasks of the script as failed. */
void tasks_cancel(struct vd_script *script);
void tasks_free_idle(struct vd_script *script);

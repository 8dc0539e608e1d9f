/* The script host: which generation decides, and how one replaces another.
 *
 * A reload builds the new script aside, opens the legs it names that are not open yet, and only
 * then swaps one pointer. If anything fails before, nothing has changed, and the failure is kept
 * with file and line. Tasks and timers of messages end in the generation that began them. The last
 * generations stay loaded for rollback. */
#pragma once

#include "engine/engine.h"

enum {
	HOST_GENERATIONS_KEPT = 3,    /* earlier ones, for rollback */
	HOST_DEFAULT_BUDGET_MS = 100, /* CPU time of one run of a handler between waits */
	HOST_DEFAULT_MEMORY_MB = 256, /* of one generation */
};

struct host_setting {
	struct span key, value;
};

struct host_options {
	const char *library;	 /* folder that holds viaduct/; borrowed */
	const struct span *legs; /* of the command line: they win over the script's */
	uint32_t n_legs;
	const struct host_setting *settings;
	uint32_t n_settings;
	uint32_t budget_ms, memory_mb; /* 0: the defaults */
};

struct script_failure {
	char file[512];
	uint32_t line; /* 0: unknown */
	char message[1024];
	char traceback[2048]; /* may be empty */
};

struct host_status {
	uint32_t generation, kept; /* number; how many a rollback can go back */
	const char *file, *by;
	int64_t loaded_at; /* ms since 1970 */
	uint32_t draining; /* earlier generations with work pending */
	size_t memory;	   /* bytes of the current Lua state */
	bool has_failure;  /* a load failed after this generation was put to work */
	struct script_failure failure;
	int64_t failed_at;
	const char *failed_by;
};

struct host;
struct watchdog;
struct vd_script;

/* `engine` and all that `options` points to are borrowed. */
struct host *host_new(struct engine *engine, const struct host_options *options);
void host_free(struct host *host);
/* `by` says who asked: a constant text. 0, or -1 with the reason in host_status. */
int host_load(struct host *host, const char *file, const char *by);
int host_rollback(struct host *host, char error[256]);
/* The gate alone: loads, checks handlers and legs, opens nothing, keeps nothing. */
int host_check(struct host *host, const char *file, struct script_failure *failure);
void host_status(const struct host *host, struct host_status *status);
/* The files whose change should lead to a reload: those the last load read. NULL at the end. */
const char *host_watched_file(const struct host *host, uint32_t index);
/* Tasks and timers of all generations that are pending: what a flow test must find to be 0. */
uint32_t host_pending(const struct host *host);

/* What the files of core/script share about the host. */
#pragma once

#include "script/host.h"
#include "script/script.h"
#include "script/watchdog.h"

enum { ERROR_PLACES = 64 };

/* The same error at the same place is logged once a second, then counted. */
struct error_place {
	uint64_t place;
	int64_t second;
	uint32_t suppressed;
};

struct host {
	struct engine *engine;
	const struct host_options *options;
	uint32_t budget_ms;
	size_t memory_max;
	struct watchdog *watchdog;
	struct vd_script *current;
	struct vd_script *kept[HOST_GENERATIONS_KEPT]; /* newest last */
	uint32_t n_kept;
	struct vd_script *scripts;	       /* all that are open */
	char *watched[1 + SCRIPT_MODULES_MAX]; /* files of the last load, failed or not */
	uint32_t n_watched;
	uint32_t last_number;
	struct timer reaper; /* closes generations that are neither kept nor busy */
	struct error_place errors[ERROR_PLACES];
	bool has_failure; /* since the current one was put to work */
	struct script_failure failure;
	int64_t failed_at;
	const char *failed_by;
};

/* A run ended in an error: count it, and log it unless the same was logged this second. */
void host_script_error(struct host *host, struct vd_script *script, const char *message,
	const char *traceback, bool timed_out);
/* The files this load read are those to watch: also after a failure, so that mending any of them is
 * noticed. */
void host_remember_files(struct host *host, const struct vd_script *script);
/* A script may have become idle: look soon. */
void host_reap_soon(struct host *host);

#include "script/host_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "script/task.h"

static void receive(void *self, struct packet *packet)
{
	struct host *host = self;
	if (host->current)
		task_message(host->current, packet);
	else
		packet_done(packet, false);
}

/* ---- closing what is over ---- */

static bool is_kept(const struct host *host, const struct vd_script *script)
{
	for (uint32_t i = 0; i < host->n_kept; i++)
		if (host->kept[i] == script)
			return true;
	return script == host->current;
}

static void reap(struct timer *timer)
{
	struct host *host = (struct host *)((char *)timer - offsetof(struct host, reaper));
	for (struct vd_script *script = host->scripts, *next; script; script = next) {
		next = script->next;
		if (!script->loading && !is_kept(host, script) && script_is_idle(script))
			script_free(script);
	}
}

void host_reap_soon(struct host *host)
{
	host->reaper.fire = reap;
	if (!timer_is_armed(&host->reaper))
		timers_arm(&host->engine->timers, &host->reaper, 0);
}

/* ---- the gate ---- */

/* The first line of the script that a text stands in, or the last that begins with it: where the
 * user has to look. 0 when it is nowhere. */
static uint32_t line_of(const char *file, const char *text, bool begins)
{
	FILE *in = fopen(file, "r");
	char line[1024];
	uint32_t number = 0, found = 0;
	while (in && fgets(line, sizeof line, in)) {
		number++;
		if (begins ? span_starts(span_str(line), span_str(text))
			   : !found && strstr(line, text))
			found = number;
	}
	if (in)
		fclose(in);
	return found;
}

static uint32_t specs_of(
	const struct host *host, const struct vd_script *script, struct span *specs)
{
	if (host->options->n_legs) {
		memcpy(specs, host->options->legs, host->options->n_legs * sizeof *specs);
		return host->options->n_legs;
	}
	for (uint32_t i = 0; i < script->n_legs; i++)
		specs[i] = span_str(script->legs[i]);
	return script->n_legs;
}

static void blame(
	struct script_failure *failure, const char *file, uint32_t line, const char *error)
{
	snprintf(failure->file, sizeof failure->file, "%s", file);
	snprintf(failure->message, sizeof failure->message, "%s", error);
	failure->line = line;
}

static void blame_leg(
	struct script_failure *failure, const char *file, struct span spec, const char *error)
{
	char text[LEG_SPEC_MAX];
	snprintf(text, sizeof text, "%.*s", (int)spec.n, spec.p);
	uint32_t line = line_of(file, text, false);
	if (!line) /* put together in pieces */
		line = line_of(file, "legs", false);
	blame(failure, file, line, error);
}

int host_check(struct host *host, const char *file, struct script_failure *failure)
{
	struct span specs[LEGS_MAX];
	struct leg_spec parsed;
	char error[256];
	struct vd_script *script = script_load(host, file, failure);
	if (!script)
		return -1;
	uint32_t n = specs_of(host, script, specs);
	int rc = 0;
	for (uint32_t i = 0; i < n && !rc; i++)
		if (!leg_spec_parse(specs[i], &parsed, error)) {
			blame_leg(failure, file, specs[i], error);
			rc = -1;
		}
	script_free(script);
	return rc;
}

/* ---- swapping ---- */

static int64_t wall_ms(struct host *host)
{
	return host->engine->world->wall_ms(host->engine->world);
}

static void put_to_work(struct host *host, struct vd_script *script, const char *by)
{
	script->by = by;
	script->loaded_at = wall_ms(host);
	host->current = script;
	host->has_failure = false; /* of no script that is still to come */
	script_activate(script);
	log_event(host->engine->log, LOG_INFO, "script.running",
		LOG_NUM("generation", script->number), LOG_STR("file", script->file),
		LOG_STR("by", by));
}

static void keep(struct host *host, struct vd_script *script)
{
	if (host->n_kept == HOST_GENERATIONS_KEPT) {
		memmove(host->kept, host->kept + 1,
			(HOST_GENERATIONS_KEPT - 1) * sizeof host->kept[0]);
		host->n_kept--;
	}
	host->kept[host->n_kept++] = script;
}

static int refuse(struct host *host, const struct script_failure *failure, const char *by)
{
	host->has_failure = true;
	host->failure = *failure;
	host->failed_at = wall_ms(host);
	host->failed_by = by;
	host->engine->count[COUNT_reloads_failed]++;
	/* The last one: without a key it is none. */
	const struct log_field line = {
		.key = failure->line ? "line" : NULL, .number = failure->line};
	log_event(host->engine->log, LOG_ERROR, "script.refused", LOG_STR("by", by),
		LOG_STR("reason", failure->message), LOG_STR("traceback", failure->traceback),
		LOG_STR("file", failure->file), line);
	return -1;
}

int host_load(struct host *host, const char *file, const char *by)
{
	struct script_failure failure;
	struct span specs[LEGS_MAX];
	struct leg_plan plan;
	char error[256];
	uint32_t bad = 0;
	struct vd_script *script = script_load(host, file, &failure);
	if (!script)
		return refuse(host, &failure, by);
	uint32_t n = specs_of(host, script, specs);
	if (!n) {
		blame(&failure, file, line_of(file, "return", true),
			"the script names no legs and -l gave none: write legs = { "
			"\"udp:127.0.0.1:5060\" }");
		script_free(script);
		return refuse(host, &failure, by);
	}
	if (legs_prepare(host->engine, specs, n, &plan, error, &bad)) {
		blame_leg(&failure, file, specs[bad], error);
		script_free(script);
		return refuse(host, &failure, by);
	}
	struct vd_script *old = host->current;
	script->number = ++host->last_number;
	legs_commit(host->engine, &plan);
	put_to_work(host, script, by);
	host->engine->count[COUNT_reloads]++;
	if (old) {
		script_deactivate(old);
		keep(host, old);
		host_reap_soon(host);
	}
	return 0;
}

int host_rollback(struct host *host, char error[256])
{
	struct span specs[LEGS_MAX];
	struct leg_plan plan;
	uint32_t bad;
	if (!host->n_kept) {
		snprintf(error, 256, "there is no earlier generation");
		return -1;
	}
	struct vd_script *earlier = host->kept[host->n_kept - 1], *old = host->current;
	uint32_t n = specs_of(host, earlier, specs);
	if (legs_prepare(host->engine, specs, n, &plan, error, &bad))
		return -1;
	host->n_kept--;
	legs_commit(host->engine, &plan);
	put_to_work(host, earlier, "rollback");
	script_deactivate(old);
	host_reap_soon(host);
	return 0;
}

/* ---- telling ---- */

void host_script_error(struct host *host, struct vd_script *script, const char *message,
	const char *traceback, bool timed_out)
{
	uint64_t place = siphash(&host->engine->key, message, strcspn(message, "\n"));
	struct error_place *seen = &host->errors[place % ERROR_PLACES];
	int64_t second = engine_now_ms(host->engine) / 1000;
	if (seen->place == place && seen->second == second) {
		seen->suppressed++;
		return;
	}
	uint32_t suppressed = seen->place == place ? seen->suppressed : 0;
	*seen = (struct error_place){.place = place, .second = second};
	log_event(host->engine->log, LOG_ERROR, timed_out ? "script.timeout" : "script.error",
		LOG_STR("error", message), LOG_STR("traceback", traceback),
		LOG_NUM("generation", script->number), LOG_NUM("suppressed", suppressed));
}

void host_status(const struct host *host, struct host_status *status)
{
	const struct vd_script *current = host->current;
	*status = (struct host_status){
		.kept = host->n_kept,
		.has_failure = host->has_failure,
		.failure = host->failure,
		.failed_at = host->failed_at,
		.failed_by = host->failed_by,
	};
	for (const struct vd_script *script = host->scripts; script; script = script->next)
		status->draining += !is_kept(host, script);
	if (!current)
		return;
	status->generation = current->number;
	status->file = current->file;
	status->by = current->by;
	status->loaded_at = current->loaded_at;
	status->memory = current->memory;
}

static void forget_files(struct host *host)
{
	while (host->n_watched)
		free(host->watched[--host->n_watched]);
}

void host_remember_files(struct host *host, const struct vd_script *script)
{
	forget_files(host);
	host->watched[host->n_watched++] = strdup(script->file);
	for (uint32_t i = 0; i < script->n_modules; i++)
		host->watched[host->n_watched++] = strdup(script->modules[i]);
}

const char *host_watched_file(const struct host *host, uint32_t index)
{
	return index < host->n_watched ? host->watched[index] : NULL;
}

uint32_t host_pending(const struct host *host)
{
	uint32_t n = 0;
	for (const struct vd_script *script = host->scripts; script; script = script->next) {
		for (const struct task *task = script->waiting; task; task = task->next)
			n++;
		for (const struct script_timer *timer = script->timers; timer; timer = timer->next)
			n += !timer->from_load;
	}
	return n;
}

/* ---- life ---- */

struct host *host_new(struct engine *engine, const struct host_options *options)
{
	struct host *host = must_zalloc(sizeof *host);
	host->engine = engine;
	host->options = options;
	host->budget_ms = options->budget_ms ? options->budget_ms : HOST_DEFAULT_BUDGET_MS;
	host->memory_max =
		(size_t)(options->memory_mb ? options->memory_mb : HOST_DEFAULT_MEMORY_MB) << 20;
	host->watchdog = watchdog_new();
	BUG(!host->watchdog);
	engine->policy = (struct policy){.self = host, .receive = receive};
	return host;
}

void host_free(struct host *host)
{
	if (!host)
		return;
	while (host->scripts)
		script_free(host->scripts);
	timers_cancel(&host->engine->timers, &host->reaper);
	watchdog_free(host->watchdog);
	forget_files(host);
	free(host);
}

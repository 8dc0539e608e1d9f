#include "script/script.h"

#include <errno.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "script/host_private.h"
#include "engine/delivery.h"
#include "script/task.h"

/* "file.lua:12 in ..." of a traceback: where an error came from that does not say so itself. */
static void place_from_traceback(struct script_failure *failure)
{
	const char *colon = strchr(failure->traceback, ':');
	if (!colon)
		return;
	snprintf(failure->file, sizeof failure->file, "%.*s", (int)(colon - failure->traceback),
		failure->traceback);
	failure->line = (uint32_t)strtoul(colon + 1, NULL, 10);
}

/* "file.lua:12: what is wrong" into its parts; the message keeps the rest. */
static void split_place(struct script_failure *failure)
{
	char *text = failure->message;
	for (char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':')) {
		char *end;
		unsigned long line = strtoul(colon + 1, &end, 10);
		if (end == colon + 1 || end[0] != ':' || end[1] != ' ')
			continue;
		snprintf(failure->file, sizeof failure->file, "%.*s", (int)(colon - text), text);
		failure->line = (uint32_t)line;
		memmove(text, end + 2, strlen(end + 2) + 1);
		return;
	}
	place_from_traceback(failure);
}

static struct vd_script *failed(struct vd_script *script)
{
	script_free(script);
	return NULL;
}

struct vd_script *script_load(struct host *host, const char *file, struct script_failure *failure)
{
	struct vd_script *script = must_zalloc(sizeof *script);
	script->host = host;
	script->engine = host->engine;
	script->memory_max = host->memory_max;
	script->times = (struct txn_times){TXN_T1_MS, TXN_T2_MS, TXN_T4_MS};
	script->file = strdup(file);
	script->loading = true;
	script->next = host->scripts;
	host->scripts = script;
	*failure = (struct script_failure){0};
	snprintf(failure->file, sizeof failure->file, "%s", file);
	if (access(file, R_OK)) {
		snprintf(failure->message, sizeof failure->message, "cannot be read: %s",
			strerror(errno));
		return failed(script);
	}
	if (!vm_open(script, failure))
		return failed(script);
	int rc = task_load(script, failure);
	host_remember_files(host, script);
	if (rc) {
		split_place(failure);
		return failed(script);
	}
	script->loading = false;
	vm_collect(script);
	return script;
}

void script_free(struct vd_script *script)
{
	struct vd_script **at = &script->host->scripts;
	while (*at != script)
		at = &(*at)->next;
	*at = script->next;
	while (script->timers)
		script_timer_free(script->timers);
	deliveries_forget(script->engine, script);
	tasks_cancel(script);
	tasks_free_idle(script);
	script_questions_free(script);
	vm_close(script);
	for (uint32_t i = 0; i < script->n_registrars; i++)
		free(script->registrars[i]);
	for (uint32_t i = 0; i < script->n_authorizers; i++)
		free(script->authorizers[i]);
	for (uint32_t i = 0; i < script->n_stateless; i++)
		proxy_release(script->stateless[i]);
	for (uint32_t i = 0; i < script->n_modules; i++)
		free(script->modules[i]);
	routing_fini(&script->routing);
	while (script->n_proxies)
		free((char *)(uintptr_t)script->proxies[--script->n_proxies].p);
	while (script->n_targets)
		free((char *)(uintptr_t)script->targets[--script->n_targets].uri.p);
	free(script->scratch);
	free(script->file);
	free(script);
}

/* ---- timers of scripts ---- */

void script_timer_free(struct script_timer *timer)
{
	struct vd_script *script = timer->script;
	timers_cancel(&script->engine->timers, &timer->timer);
	*timer->at = timer->next;
	if (timer->next)
		timer->next->at = timer->at;
	script->n_timers--;
	free(timer);
}

static void fired(struct timer *timer)
{
	struct script_timer *self = (struct script_timer *)timer;
	struct vd_script *script = self->script;
	uint64_t id = self->id;
	int64_t now_ms = engine_now_ms(script->engine), next_ms = timer->due_ms + self->period_ms;
	if (self->period_ms) /* in step with the first, but what was missed is not made up for */
		timers_arm(&script->engine->timers, timer,
			next_ms > now_ms ? next_ms : now_ms + self->period_ms);
	else
		script_timer_free(self);
	task_timer(script, id);
}

static void arm(struct script_timer *timer)
{
	struct engine *engine = timer->script->engine;
	timer->timer.fire = fired;
	timers_arm(&engine->timers, &timer->timer, engine_now_ms(engine) + timer->delay_ms);
}

double vd_timer_start(struct vd_script *script, double seconds, double every)
{
	enum { LONGEST_S = 366 * 86400 };
	if (!(seconds >= 0 && seconds <= LONGEST_S) || !(every >= 0 && every <= LONGEST_S))
		return VD_BAD_VALUE;
	if (script->n_timers == SCRIPT_TIMERS_MAX)
		return VD_LIMIT;
	/* Of a generation that only ends its work: stopped as it starts, or that would never end.
	 */
	if (every > 0 && !script->loading && !script->current)
		return (double)++script->last_timer;
	struct script_timer *timer = must_zalloc(sizeof *timer);
	timer->script = script;
	timer->id = ++script->last_timer;
	timer->delay_ms = (int64_t)(seconds * 1000 + 0.5);
	timer->period_ms = every > 0 ? (int64_t)(every * 1000 + 0.5) : 0;
	if (every > 0 && !timer->period_ms)
		timer->period_ms = 1;
	timer->from_load = script->loading;
	timer->next = script->timers;
	timer->at = &script->timers;
	if (timer->next)
		timer->next->at = &timer->next;
	script->timers = timer;
	script->n_timers++;
	if (!script->loading)
		arm(timer);
	return (double)timer->id;
}

int vd_timer_stop(struct vd_script *script, double id)
{
	for (struct script_timer *timer = script->timers; timer; timer = timer->next)
		if ((double)timer->id == id) {
			script_timer_free(timer);
			return VD_OK;
		}
	return VD_ABSENT;
}

void script_activate(struct vd_script *script)
{
	script->current = true;
	script->engine->times = script->times;
	for (struct script_timer *timer = script->timers; timer; timer = timer->next)
		if (timer->from_load)
			arm(timer);
}

/* Repeating timers would never end by themselves: they stop with the script, whoever made them. */
void script_deactivate(struct vd_script *script)
{
	script->current = false;
	for (struct script_timer *timer = script->timers, *next; timer; timer = next) {
		next = timer->next;
		if (timer->from_load)
			timers_cancel(&script->engine->timers, &timer->timer);
		else if (timer->period_ms)
			script_timer_free(timer);
	}
}

bool script_is_idle(const struct vd_script *script)
{
	if (script->waiting || script->running || script->n_deliveries)
		return false;
	for (const struct script_timer *timer = script->timers; timer; timer = timer->next)
		if (timer_is_armed(&timer->timer))
			return false;
	return true;
}

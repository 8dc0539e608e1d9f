#include "script/task.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "engine/dns_cache.h"
#include "script/host_private.h"

enum { TRACEBACK_LEVELS = 12 };

/* ---- pool ---- */

static void unlink_task(struct task *task)
{
	if (task->at) {
		*task->at = task->next;
		if (task->next)
			task->next->at = task->at;
	}
	task->at = NULL;
}

static void link_task(struct task *task, struct task **list)
{
	unlink_task(task);
	task->next = *list;
	task->at = list;
	if (task->next)
		task->next->at = &task->next;
	*list = task;
}

/* A coroutine that waits for work, or a new one. NULL when the script's memory is used up. */
static struct task *take(struct vd_script *script)
{
	struct task *task = script->idle;
	if (task) {
		unlink_task(task);
		return task;
	}
	if (script->n_tasks == SCRIPT_TASKS_MAX)
		return NULL;
	task = must_zalloc(sizeof *task);
	task->script = script;
	script->n_tasks++;
	return task;
}

/* Protected, since making a coroutine may find no memory. */
static int make_coroutine(lua_State *L)
{
	struct task *task = lua_touserdata(L, 1);
	task->co = lua_newthread(L);
	task->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_rawgeti(L, LUA_REGISTRYINDEX, task->script->worker);
	lua_xmove(L, task->co, 1);
	return 0;
}

/* What failed runs left behind may be in the way: one more attempt without it. */
static bool give_coroutine(struct task *task)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		if (!lua_cpcall(task->script->L, make_coroutine, task))
			return true;
		lua_settop(task->script->L, 0);
		task->co = NULL;
		vm_collect(task->script);
	}
	return false;
}

static void drop_coroutine(struct task *task)
{
	if (task->co)
		luaL_unref(task->script->L, LUA_REGISTRYINDEX, task->ref);
	task->co = NULL;
}

static void free_task(struct task *task)
{
	unlink_task(task);
	drop_coroutine(task);
	task->script->n_tasks--;
	free(task->records);
	free(task->targets);
	free(task);
}

void tasks_free_idle(struct vd_script *script)
{
	while (script->idle)
		free_task(script->idle);
}

void task_owns(struct task *task, struct packet *packet)
{
	task->owned = must_realloc(task->owned, (task->n_owned + 1) * sizeof *task->owned);
	task->owned[task->n_owned++] = packet;
}

/* ---- waiting ---- */

void task_set_targets(struct task *task, const struct locate_target *targets, uint32_t n)
{
	if (task->n_targets)
		free(task->targets);
	task->targets = n ? must_alloc(n * sizeof *targets) : NULL;
	task->n_targets = n;
	if (n)
		memcpy(task->targets, targets, n * sizeof *targets);
}

static void stop_waiting(struct task *task)
{
	struct engine *engine = task->script->engine;
	timers_cancel(&engine->timers, &task->deadline);
	if (task->lookup)
		dns_cache_cancel(engine->dns, task->lookup);
	if (task->wait == WAIT_RELAY && task->packet->relay)
		relay_forget(task->packet->relay);
	if (task->resolve)
		resolve_cancel(task->resolve);
	task->resolve = NULL;
	task->lookup = 0;
	task->wait = WAIT_NONE;
}

/* ---- running ---- */

static void end(struct task *task, bool failed)
{
	struct vd_script *script = task->script;
	struct packet *packet = task->packet;
	stop_waiting(task);
	task->packet = NULL;
	while (task->n_owned)
		packet_release(task->owned[--task->n_owned]);
	free(task->owned);
	task->owned = NULL;
	if (task->n_records) {
		free(task->records);
		task->records = NULL;
		task->n_records = 0;
	}
	task_set_targets(task, NULL, 0);
	if (failed) {
		drop_coroutine(task);
		free_task(task);
	} else {
		link_task(task, &script->idle);
	}
	if (packet)
		packet_done(packet, failed);
	if (!script->current)
		host_reap_soon(script->host);
}

/* What the script called is in the message; where it did is what its author looks for. */
static bool is_of_library(const struct task *task, const lua_Debug *ar)
{
	struct span source = span_str(ar->source),
		    library = span_str(task->script->host->options->library);
	return span_starts(source, SPAN("@")) && span_starts(span_from(source, 1), library) &&
	       span_starts(span_from(source, 1 + library.n), SPAN("/viaduct/"));
}

/* LuaJIT says this one without the place: the innermost of the traceback is as good. */
static void place_overflow(char *message, size_t n, const char *traceback)
{
	static const char text[] = "stack overflow";
	const char *end = strstr(traceback, " in ");
	if (end && strcmp(message, text) == 0)
		snprintf(message, n, "%.*s: %s", (int)(end - traceback), traceback, text);
}

static void describe_failure(
	struct task *task, int status, char *message, char *traceback, size_t n)
{
	lua_State *co = task->co;
	/* A number would become a string, for which there may be no memory. */
	const char *text = lua_type(co, -1) == LUA_TSTRING ? lua_tostring(co, -1) : NULL;
	traceback[0] = '\0';
	if (text) {
		snprintf(message, n, "%s", text);
	} else {
		snprintf(message, n,
			"the error is a %s, not a text: write error(\"what went wrong\")",
			luaL_typename(co, -1));
	}
	if (status == LUA_ERRMEM) {
		snprintf(message, n, "not enough memory: the script reached its limit of %zu MB",
			task->script->memory_max >> 20);
		return;
	}
	/* Walks the stack without allocating in Lua: a script out of memory must still be reported.
	 */
	lua_Debug ar;
	size_t used = 0;
	for (int level = 0; level < TRACEBACK_LEVELS && lua_getstack(co, level, &ar); level++) {
		if (!lua_getinfo(co, "Sln", &ar) || ar.what[0] == 'C' || is_of_library(task, &ar))
			continue;
		/* Where the innermost function stopped is in the message; here its first line. */
		int line = ar.currentline > 0 ? ar.currentline : ar.linedefined;
		int wrote = snprintf(traceback + used, n - used, "%s%s:%d in %s", used ? " < " : "",
			ar.short_src, line, ar.name ? ar.name : "function");
		if (wrote < 0 || used + (size_t)wrote >= n)
			break;
		used += (size_t)wrote;
	}
	place_overflow(message, n, traceback);
}

/* True when memory ran out. */
static bool report(struct task *task, int status, bool timed_out)
{
	struct vd_script *script = task->script;
	struct engine *engine = script->engine;
	char message[1024], traceback[1024];
	describe_failure(task, status, message, traceback, sizeof message);
	engine->count[COUNT_script_errors]++;
	bool starved = status == LUA_ERRMEM || strstr(message, "not enough memory");
	engine->count[COUNT_script_out_of_memory] += starved;
	if (timed_out)
		engine->count[COUNT_script_timeouts]++;
	host_script_error(script->host, script, message, traceback, timed_out);
	return starved;
}

/* Resumes with `n` arguments on the coroutine's stack; true when it ended as it should or waits.
 * `failure`: of a loading task, which is told rather than logged. */
static bool run(struct task *task, int n, struct script_failure *failure)
{
	struct vd_script *script = task->script;
	struct host *host = script->host;
	struct task *outer = script->running;
	BUG(outer);
	script->running = task;
	task->wait = WAIT_NONE;
	watchdog_begin(host->watchdog, task->co,
		task->event == TASK_LOAD ? TASK_LOAD_BUDGET_MS : host->budget_ms);
	int status = lua_resume(task->co, n);
	bool timed_out = watchdog_end(host->watchdog);
	script->running = NULL;
	if (status == LUA_YIELD && task->wait) {
		if (task->packet)
			relay_begin(task->packet, task->wait != WAIT_TARGET);
		lua_settop(task->co, 0);
		script->engine->count[COUNT_tasks_waited]++;
		link_task(task, &script->waiting);
		return true;
	}
	bool done = status == LUA_YIELD && lua_gettop(task->co) > 0 &&
		    lua_touserdata(task->co, -1) == script;
	if (done) {
		lua_settop(task->co, 0);
		end(task, false);
		return true;
	}
	if (status == LUA_YIELD || status == 0) {
		lua_settop(task->co, 0);
		lua_pushliteral(
			task->co, "coroutine.yield outside a coroutine of the script's own");
	}
	bool starved = status == LUA_ERRMEM;
	if (failure)
		describe_failure(task, status, failure->message, failure->traceback,
			sizeof failure->message);
	else
		starved = report(task, status, timed_out);
	end(task, true);
	if (starved || timed_out)
		vm_collect(script);
	return false;
}

/* A started task with its coroutine; NULL when a limit stands against it. */
static struct task *start(struct vd_script *script, enum task_event event, struct packet *packet)
{
	struct task *task = take(script);
	script->engine->count[COUNT_tasks_started]++;
	if (!task)
		return NULL;
	task->event = event;
	task->packet = packet;
	if (!task->co && !give_coroutine(task)) {
		task->packet = NULL;
		free_task(task);
		return NULL;
	}
	return task;
}

void task_message(struct vd_script *script, struct packet *packet)
{
	packet->routing = script->has_routing ? &script->routing : NULL;
	struct task *task = start(script, TASK_MESSAGE, packet);
	if (!task) {
		script->engine->count[COUNT_overload]++;
		packet_reply(packet, 503, span_of(NULL, 0), SPAN(RETRY_LATER));
		packet_done(packet, true);
		return;
	}
	lua_pushnumber(task->co, TASK_MESSAGE);
	lua_pushnumber(task->co, packet_handle(packet));
	lua_pushnumber(task->co, packet_leg(packet)->serial);
	run(task, 3, NULL);
}

void task_timer(struct vd_script *script, uint64_t timer)
{
	struct task *task = start(script, TASK_TIMER, NULL);
	if (!task) {
		script->engine->count[COUNT_overload]++;
		return;
	}
	lua_pushnumber(task->co, TASK_TIMER);
	lua_pushnumber(task->co, (double)timer);
	run(task, 2, NULL);
}

void task_provisional(struct vd_script *script, struct packet *packet, int hook)
{
	struct task *task = start(script, TASK_PROVISIONAL, packet);
	if (!task) {
		packet_done(packet, true);
		return;
	}
	lua_pushnumber(task->co, TASK_PROVISIONAL);
	lua_pushnumber(task->co, packet_handle(packet));
	lua_pushnumber(task->co, hook);
	run(task, 3, NULL);
}

void task_delivered(struct vd_script *script, uint64_t number, const char *error)
{
	struct task *task = start(script, TASK_DELIVERED, NULL);
	if (!task) {
		script->engine->count[COUNT_overload]++;
		return;
	}
	lua_pushnumber(task->co, TASK_DELIVERED);
	lua_pushnumber(task->co, (double)number);
	lua_pushstring(task->co, error); /* short, and interned the first time */
	run(task, 3, NULL);
}

void task_lookup(struct vd_script *script, uint64_t question, const char *type, struct span name)
{
	struct task *task = start(script, TASK_LOOKUP, NULL);
	if (!task) {
		script->engine->count[COUNT_overload]++;
		return;
	}
	lua_pushnumber(task->co, TASK_LOOKUP);
	lua_pushnumber(task->co, (double)question);
	lua_pushstring(task->co, type);
	lua_pushlstring(task->co, name.p, name.n);
	run(task, 4, NULL);
}

bool task_judge(struct vd_script *script)
{
	struct task *task = start(script, TASK_JUDGE, NULL);
	if (!task) {
		script->engine->count[COUNT_overload]++;
		return false;
	}
	lua_pushnumber(task->co, TASK_JUDGE);
	return run(task, 1, NULL);
}

int task_load(struct vd_script *script, struct script_failure *failure)
{
	struct task *task = start(script, TASK_LOAD, NULL);
	if (!task) {
		snprintf(failure->message, sizeof failure->message, "no memory to load the script");
		return -1;
	}
	lua_pushnumber(task->co, TASK_LOAD);
	return run(task, 1, failure) ? 0 : -1;
}

void task_resume(struct task *task)
{
	unlink_task(task);
	run(task, 0, NULL);
}

void tasks_cancel(struct vd_script *script)
{
	while (script->waiting) {
		struct task *task = script->waiting;
		end(task, true);
	}
}

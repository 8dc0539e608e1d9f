/* The control socket's requests: {"command": "status", "argument": ...} in, {"ok": true, "result":
 * ...} or
 * {"ok": false, "error": "..."} out, one line each. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl_tables.h"
#include "engine/dns_cache.h"
#include "engine/registrar.h"
#include "engine/targets.h"
#include "net/control.h"
#include "store/bindings.h"

static json_t *text(const char *s)
{
	return s ? json_string_nocheck(s) : json_null();
}

static json_t *iso_time(int64_t ms)
{
	char out[40];
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(out);
}

static json_t *fail(const char *error)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", error);
}

static json_t *done(json_t *result)
{
	return json_pack("{s:b, s:o}", "ok", 1, "result", result);
}

/* ---- what is told ---- */

static const char *leg_state_name(enum leg_state state)
{
	static const char *const names[] = {"closed", "prepared", "open", "draining"};
	return names[state];
}

static json_t *legs(const struct engine *engine)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < engine->legs.n; i++) {
		const struct leg *leg = &engine->legs.leg[i];
		if (leg->state == LEG_CLOSED)
			continue;
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:I, s:I}", "leg", leg->spec, "shown_as",
				leg->shown.text, "state", leg_state_name(leg->state), "received",
				(json_int_t)leg->n_received, "sent", (json_int_t)leg->n_sent));
	}
	return list;
}

static json_t *counters(const struct engine *engine)
{
	json_t *counts = json_object();
	for (int i = 0; i < COUNTERS; i++)
		json_object_set_new(counts, counter_name((enum counter)i),
			json_integer((json_int_t)engine->count[i]));
	return counts;
}

static json_t *network(struct live *live)
{
	struct live_statistics now;
	json_t *counts = json_object();
	live_statistics(live, &now);
#define LIVE_COUNTER(name) json_object_set_new(counts, #name, json_integer((json_int_t)now.name));
	LIVE_COUNTERS(LIVE_COUNTER)
#undef LIVE_COUNTER
	return counts;
}

static json_t *dead_targets(const struct engine *engine)
{
	json_t *list = json_array();
	struct dead_target dead;
	uint32_t position = 0;
	int64_t now = engine_now_ms((struct engine *)engine);
	char text[ADDR_TEXT_MAX];
	while (targets_walk(engine->targets, &position, &dead, now)) {
		uint32_t n = addr_print(&dead.addr, text);
		struct span transport = transport_name(dead.transport);
		json_array_append_new(list,
			json_pack("{s:s%, s:s%, s:s, s:I}", "target", text, (size_t)n, "transport",
				transport.p, (size_t)transport.n, "reason", dead.reason,
				"seconds_left", (json_int_t)((dead.until_ms - now + 999) / 1000)));
	}
	return list;
}

static json_t *failure(const struct host_status *status)
{
	if (!status->has_failure)
		return json_null();
	const struct script_failure *failed = &status->failure;
	return json_pack("{s:o, s:i, s:o, s:o, s:o, s:s}", "file", text(failed->file), "line",
		(int)failed->line, "message", ctl_wire_text(span_str(failed->message)), "traceback",
		ctl_wire_text(span_str(failed->traceback)), "at", iso_time(status->failed_at), "by",
		status->failed_by);
}

static json_t *status(struct run *run)
{
	struct host_status now;
	host_status(run->host, &now);
	json_t *result = json_pack("{s:s, s:i, s:o, s:o, s:o, s:i, s:i, s:I, s:i, s:i, s:o}",
		"version", VERSION, "generation", (int)now.generation, "file", text(now.file),
		"loaded_at", iso_time(now.loaded_at), "by", text(now.by), "kept", (int)now.kept,
		"draining", (int)now.draining, "script_memory", (json_int_t)now.memory, "pending",
		(int)host_pending(run->host), "messages_in_work", (int)run->engine->n_live,
		"last_failure", failure(&now));
	json_object_set_new(
		result, "bindings", json_integer(bindings_count(run->engine->bindings)));
	json_object_set_new(result, "bindings_bytes",
		json_integer((json_int_t)bindings_bytes(run->engine->bindings)));
	json_object_set_new(result, "transactions", json_integer(run->engine->transactions.n));
	json_object_set_new(result, "dns_cache", json_integer(dns_cache_entries(run->engine->dns)));
	json_object_set_new(result, "dns_cache_bytes",
		json_integer((json_int_t)dns_cache_bytes(run->engine->dns)));
	json_object_set_new(
		result, "longest_busy_us", json_integer(live_longest_busy_us(run->live)));
	json_object_set_new(result, "dead_targets", dead_targets(run->engine));
	json_object_set_new(result, "legs", legs(run->engine));
	json_object_set_new(result, "counters", counters(run->engine));
	json_object_set_new(result, "network", network(run->live));
	return result;
}

struct binding_list {
	json_t *list;
	int64_t now;
};

enum { BINDINGS_SHOWN_MAX = 1000 };

static void add_binding(void *self, const struct binding *binding)
{
	struct binding_list *bindings = self;
	if (json_array_size(bindings->list) >= BINDINGS_SHOWN_MAX)
		return;
	json_array_append_new(bindings->list,
		json_pack("{s:o, s:o, s:I, s:f, s:o}", "aor", ctl_wire_text(binding->aor),
			"contact", ctl_wire_text(binding->contact), "expires",
			(json_int_t)((binding->expires_at - bindings->now) / 1000), "q",
			binding->q / (double)BINDING_Q_MAX, "call_id",
			ctl_wire_text(binding->call_id)));
}

static json_t *bindings(struct run *run, const char *aor)
{
	struct engine *engine = run->engine;
	struct binding_list found = {NULL, engine_now_ms(engine)};
	struct registrar_cursor cursor;
	struct binding binding;
	uint64_t position = 0;
	if (aor && !registrar_find(engine, span_str(aor), &cursor))
		return fail("this is no address of record: write sip:bob@example.com");
	found.list = json_array();
	while (aor && bindings_next(&cursor.all, &binding))
		add_binding(&found, &binding);
	while (!aor && json_array_size(found.list) < BINDINGS_SHOWN_MAX &&
		bindings_walk(engine->bindings, &position, 100, found.now, add_binding, &found))
		;
	return done(found.list);
}

/* ---- what is done ---- */

static json_t *reload(struct run *run)
{
	struct host_status now;
	int rc = run_reload(run, "ctl");
	host_status(run->host, &now);
	if (!rc)
		return done(json_pack("{s:i}", "generation", (int)now.generation));
	json_t *answer = fail("the script was refused, the running generation is unchanged");
	json_object_set_new(answer, "failure", failure(&now));
	return answer;
}

static json_t *rollback(struct run *run)
{
	char error[256];
	struct host_status now;
	if (host_rollback(run->host, error))
		return fail(error);
	host_status(run->host, &now);
	return done(json_pack("{s:i}", "generation", (int)now.generation));
}

static json_t *loglevel(struct run *run, const char *level)
{
	if (!level || !log_level_of(span_str(level), &run->log.level))
		return fail("loglevel takes error, warn, info or debug");
	return done(json_pack("{s:s}", "level", level));
}

static json_t *flush_dns(struct run *run)
{
	uint32_t before = dns_cache_entries(run->engine->dns);
	dns_cache_flush(run->engine->dns);
	return done(json_pack(
		"{s:i}", "forgotten", (int)(before - dns_cache_entries(run->engine->dns))));
}

static bool takes_argument(const char *command)
{
	return strcmp(command, "bindings") == 0 || strcmp(command, "loglevel") == 0;
}

static json_t *act(struct run *run, const char *command, const char *argument)
{
	if (argument && !takes_argument(command))
		return fail("only bindings and loglevel take an argument");
	if (strcmp(command, "status") == 0)
		return done(status(run));
	if (strcmp(command, "legs") == 0)
		return done(legs(run->engine));
	if (strcmp(command, "bindings") == 0)
		return bindings(run, argument);
	if (strcmp(command, "transactions") == 0)
		return done(ctl_transactions(run));
	if (strcmp(command, "queue") == 0)
		return done(ctl_queue(run));
	if (strcmp(command, "reload") == 0)
		return reload(run);
	if (strcmp(command, "rollback") == 0)
		return rollback(run);
	if (strcmp(command, "loglevel") == 0)
		return loglevel(run, argument);
	if (strcmp(command, "flush-dns") == 0)
		return flush_dns(run);
	if (strcmp(command, "stop") == 0) {
		live_stop(run->live);
		return done(json_object());
	}
	if (strcmp(command, "calls") == 0)
		return fail("no dialogs are tracked: transactions shows what is in progress");
	return fail("unknown command: reload, rollback, status, legs, bindings, transactions, "
		    "queue, flush-dns, loglevel, stop");
}

void ctl_answer(void *arg, struct span line, struct control_reply *reply)
{
	struct run *run = arg;
	const char *command = NULL, *argument = NULL;
	json_t *request = json_loadb(line.p, line.n, 0, NULL);
	json_t *answer = request && json_unpack(request, "{s:s, s?s}", "command", &command,
					    "argument", &argument) == 0
				 ? act(run, command, argument)
				 : fail("a request is a JSON object with a command");
	char *out = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	control_write(reply, out ? span_str(out) : SPAN("{\"ok\":false,\"error\":\"no memory\"}"));
	free(out);
	json_decref(answer);
	json_decref(request);
}

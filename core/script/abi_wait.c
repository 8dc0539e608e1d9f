/* What a task can wait for, for Lua (abi.h): it files one wish, yields, and is resumed when that
 * has come. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/dns_cache.h"
#include "engine/forward.h"
#include "engine/targets.h"
#include "script/task.h"

/* ---- what comes back ---- */

static void slept(struct timer *timer)
{
	struct task *task = (struct task *)((char *)timer - offsetof(struct task, deadline));
	task_resume(task);
}

static void looked_up(
	void *arg, enum dns_status status, const struct dns_record *records, uint32_t n)
{
	struct task *task = arg;
	task->lookup = 0;
	task->lookup_status = status;
	free(task->records);
	task->records = n ? must_alloc(n * sizeof *records) : NULL;
	if (n)
		memcpy(task->records, records, n * sizeof *records);
	task->n_records = n;
	task_resume(task);
}

/* ---- wishes ---- */

static struct task *may_wait(struct vd_script *script)
{
	struct task *task = script->running;
	bool may = task && task->event != TASK_LOAD && task->event != TASK_JUDGE && !task->wait;
	return may ? task : NULL;
}

int vd_wait_sleep(struct vd_script *script, double seconds)
{
	struct task *task = may_wait(script);
	if (!task)
		return VD_REFUSED;
	if (!(seconds >= 0 && seconds <= 86400))
		return VD_BAD_VALUE;
	task->wait = WAIT_SLEEP;
	task->deadline.fire = slept;
	int64_t due_ms = (script->engine->world->now_us(script->engine->world) +
				 (int64_t)(seconds * 1e6) + 999) /
			 1000;
	timers_arm(&script->engine->timers, &task->deadline, due_ms);
	return VD_OK;
}

int vd_wait_lookup(struct vd_script *script, int type, const char *name, uint32_t n, double timeout)
{
	struct task *task = may_wait(script);
	if (!task)
		return VD_REFUSED;
	if (type < DNS_A || type > DNS_NAPTR || !n || n > 255 || !(timeout > 0 && timeout <= 60))
		return VD_BAD_VALUE;
	task->lookup = dns_cache_lookup(script->engine->dns, (enum dns_type)type, span_of(name, n),
		(uint32_t)(timeout * 1000), looked_up, task);
	if (!task->lookup)
		return VD_LIMIT;
	task->wait = WAIT_LOOKUP;
	return VD_OK;
}

static void targets_found(
	void *arg, enum locate_result result, const struct locate_target *targets, uint32_t n)
{
	struct task *task = arg;
	task->resolve = NULL;
	task->located = result;
	task_set_targets(task, targets, n);
	task_resume(task);
}

int vd_wait_target(struct vd_script *script, int proxy, double handle)
{
	struct task *task = may_wait(script);
	struct packet *packet = packet_of(script->engine, handle);
	if (!packet)
		return VD_GONE;
	if (!task)
		return VD_REFUSED;
	if (proxy < 0 || (uint32_t)proxy >= script->n_stateless)
		return VD_MISUSE;
	task->resolve = forward_resolve(packet, script->stateless[proxy], targets_found, task);
	if (!task->resolve)
		return VD_MISUSE;
	task->wait = WAIT_TARGET;
	return VD_OK;
}

/* ---- where a URI leads ---- */

int vd_resolve_begin(struct vd_script *script)
{
	script->query = (struct resolve_query){0};
	return VD_OK;
}

int vd_resolve_transport(struct vd_script *script, int transport)
{
	struct resolve_query *query = &script->query;
	if (transport < TRANSPORT_UDP || transport > TRANSPORT_TLS)
		return VD_BAD_VALUE;
	if (query->n_transports == LOCATE_TRANSPORTS_MAX)
		return VD_LIMIT;
	query->transports[query->n_transports++] = (enum transport)transport;
	return VD_OK;
}

int vd_resolve_leg(struct vd_script *script, uint32_t serial)
{
	struct leg *leg = legs_by_serial(script->engine, serial);
	if (!leg)
		return VD_GONE;
	script->query.legs |= (uint64_t)1 << leg->index;
	return VD_OK;
}

int vd_wait_resolve(struct vd_script *script, const char *text, uint32_t n)
{
	struct task *task = may_wait(script);
	struct uri uri;
	if (!task)
		return VD_REFUSED;
	if (uri_parse(span_of(text, n), &uri) < 0)
		return VD_BAD_VALUE;
	script->query.uri = &uri;
	script->query.routing = script->has_routing ? &script->routing : NULL;
	script->engine->world->random(
		script->engine->world, &script->query.seed, sizeof script->query.seed);
	task->legs = script->query.legs;
	task->resolve = resolve_start(script->engine, &script->query, targets_found, task);
	task->wait = WAIT_RESOLVE;
	return VD_OK;
}

int vd_resolve_target(struct vd_script *script, uint32_t index, vd_target *out)
{
	const struct task *task = script->running;
	if (!task || index >= task->n_targets)
		return VD_ABSENT;
	const struct locate_target *target = &task->targets[index];
	const struct leg *leg = legs_towards_among(script->engine, target, task->legs);
	free(script->scratch);
	script->scratch = must_alloc(ADDR_TEXT_MAX);
	out->addr.p = script->scratch;
	out->addr.n = addr_print_ip(&target->addr, script->scratch);
	out->leg = leg ? leg->serial : 0;
	out->transport = (int)target->transport;
	out->family = target->addr.sa.sa_family == AF_INET6 ? 6 : 4;
	out->port = addr_port(&target->addr);
	out->dead = targets_is_dead(script->engine->targets, target->transport, &target->addr,
		engine_now_ms(script->engine));
	return VD_OK;
}

int vd_resolve_error(struct vd_script *script, vd_value *out)
{
	if (!script->running)
		return VD_REFUSED;
	const char *name = locate_errno_name(script->running->located);
	out->p = name;
	out->n = (uint32_t)strlen(name);
	return VD_TEXT;
}

int vd_lookup_status(struct vd_script *script)
{
	return script->running ? (int)script->running->lookup_status : VD_REFUSED;
}

/* ---- forwarding statefully ---- */

int vd_relay_begin(struct vd_script *script, double handle)
{
	struct packet *packet = packet_of(script->engine, handle);
	while (script->n_targets)
		free((char *)(uintptr_t)script->targets[--script->n_targets].uri.p);
	if (!packet)
		return VD_GONE;
	if (!packet->msg.is_request || packet->msg.method_id == METHOD_ACK ||
		packet->msg.method_id == METHOD_CANCEL)
		return VD_MISUSE;
	struct task *task = may_wait(script);
	return task && task->packet == packet && packet->decision == DECISION_NONE ? VD_OK
										   : VD_REFUSED;
}

static bool is_target(const struct vd_script *script, struct span text)
{
	struct uri uri, other;
	if (uri_parse(text, &uri))
		return false;
	for (uint32_t i = 0; i < script->n_targets; i++)
		if (uri_parse(script->targets[i].uri, &other) == 0 && uri_eq(&uri, &other))
			return true;
	return false;
}

int vd_relay_target(struct vd_script *script, const char *uri, uint32_t n, int group)
{
	struct uri parsed;
	if (uri_parse(span_of(uri, n), &parsed))
		return VD_BAD_VALUE;
	char *copy = must_alloc(n + 1);
	struct span target = span_of(copy, uri_as_target(&parsed, copy));
	bool is_known = is_target(script, target);
	if (is_known || script->n_targets == RELAY_TARGETS_MAX) {
		free(copy);
		return is_known ? VD_ABSENT : VD_LIMIT;
	}
	script->targets[script->n_targets++] = (struct relay_target){
		.uri = target, .path = span_from(target, target.n), .group = (uint16_t)group};
	return VD_OK;
}

int vd_relay_way(struct vd_script *script, const char *path, uint32_t n, uint32_t place)
{
	if (!script->n_targets)
		return VD_REFUSED;
	if (n > BINDING_PATH_MAX)
		return VD_BAD_VALUE;
	struct relay_target *target = &script->targets[script->n_targets - 1];
	uint32_t uri_n = target->uri.n;
	char *text = must_realloc((char *)(uintptr_t)target->uri.p, uri_n + n + 1);
	memcpy(text + uri_n, path, n);
	target->uri = span_of(text, uri_n);
	target->path = span_of(text + uri_n, n);
	target->home = place ? legs_place(script->engine, place) : 0;
	return VD_OK;
}

static void relay_ended(void *arg, enum relay_end end, struct packet *final)
{
	struct task *task = arg;
	task->relay_end = end;
	task->final = final;
	if (final) {
		packet_hold(final);
		task_owns(task, final);
	}
	task_resume(task);
}

static void relay_provisional_came(void *arg, struct packet *response)
{
	struct task *task = arg;
	task_provisional(task->script, response, task->hook);
}

int vd_relay_start(struct vd_script *script, double handle, double timeout, int hook, int proxy)
{
	struct task *task = may_wait(script);
	struct packet *packet = packet_of(script->engine, handle);
	if (!task || !packet || task->packet != packet)
		return VD_REFUSED;
	if (!(timeout >= 0 && timeout <= 86400) || proxy >= (int)script->n_stateless ||
		(proxy >= 0 && script->stateless[proxy]->by_script))
		return VD_BAD_VALUE;
	struct relay_options options = {
		.timeout_ms = (uint32_t)(timeout * 1000),
		.done = relay_ended,
		.provisional = hook ? relay_provisional_came : NULL,
		.arg = task,
		.proxy = proxy < 0 ? NULL : script->stateless[proxy],
	};
	task->hook = hook;
	int rc = relay_forward(packet, script->targets, script->n_targets, &options);
	if (rc < 0)
		return rc == RELAY_GIVEN_UP ? VD_ABSENT : VD_LIMIT;
	task->wait = WAIT_RELAY;
	return VD_OK;
}

int vd_relay_result(struct vd_script *script, vd_value *out)
{
	const struct task *task = script->running;
	if (!task)
		return VD_REFUSED;
	out->extra = (int)task->relay_end;
	out->number = task->final ? packet_handle(task->final) : -1;
	return VD_NUMBER;
}

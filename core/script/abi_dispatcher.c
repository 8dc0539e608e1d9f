/* The dispatcher, for Lua (abi.h): which proxies are in charge of which domains, and the delivery
 * queue. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "engine/delivery.h"
#include "script/host_private.h"
#include "script/task.h"

int vd_dispatcher_proxy(struct vd_script *script, const char *proxy, uint32_t n)
{
	if (!script->loading)
		return VD_REFUSED;
	if (script->n_proxies == DOMAIN_MAP_PROXIES_MAX)
		return VD_LIMIT;
	char *copy = must_alloc(n + 1);
	memcpy(copy, proxy, n);
	script->proxies[script->n_proxies++] = span_of(copy, n);
	return VD_OK;
}

int vd_dispatcher_domain(struct vd_script *script, const char *domain, uint32_t n, vd_value *error)
{
	struct routing *routing = &script->routing;
	struct domain_map **map = n ? &routing->domains : &routing->outgoing;
	if (!script->loading)
		return VD_REFUSED;
	if (!*map)
		*map = domain_map_new();
	script->has_routing = true;
	free(script->scratch);
	script->scratch = must_alloc(256);
	int rc = domain_map_add(*map, n ? span_of(domain, n) : SPAN("*"), script->proxies,
		script->n_proxies, script->scratch);
	while (script->n_proxies)
		free((char *)(uintptr_t)script->proxies[--script->n_proxies].p);
	if (rc == 0)
		return VD_OK;
	error->p = script->scratch;
	error->n = (uint32_t)strlen(script->scratch);
	return VD_BAD_VALUE;
}

int vd_dispatcher_times(struct vd_script *script, double t1, double t2, double t4)
{
	const double longest = TXN_TIME_MAX_MS / 1000.0;
	if (!script->loading)
		return VD_REFUSED;
	if (!(t1 >= 0.001 && t1 <= t2 && t2 <= longest && t4 >= 0.001 && t4 <= longest))
		return VD_BAD_VALUE;
	script->times = (struct txn_times){(uint32_t)(t1 * 1000 + 0.5), (uint32_t)(t2 * 1000 + 0.5),
		(uint32_t)(t4 * 1000 + 0.5)};
	return VD_OK;
}

int vd_dispatcher_repeats(struct vd_script *script)
{
	if (!script->loading)
		return VD_REFUSED;
	script->routing.repeats_replies = true;
	script->has_routing = true;
	return VD_OK;
}

/* ---- requests of our own ---- */

double vd_request_new(struct vd_script *script, const char *text, uint32_t n, vd_value *error)
{
	struct task *task = script->running;
	struct engine *engine = script->engine;
	struct msg_error why = {0, "Not A Request"};
	if (!task)
		return VD_REFUSED;
	if (n > MSG_SIZE_MAX || task->n_owned >= TASK_OWNS_MAX || engine->n_live >= PACKETS_MAX)
		return VD_LIMIT;
	char *bytes = must_alloc(n + 1);
	memcpy(bytes, text, n);
	engine_free_later(engine, bytes);
	const struct flow nowhere = {0};
	struct packet *packet = packet_make(engine, span_of(bytes, n), &nowhere);
	if (packet && packet->msg.is_request && msg_check_unsent(&packet->msg, &why) == 0) {
		packet->is_own = true;
		packet->decision = DECISION_FORWARDED; /* there is nobody to answer */
		packet->routing = script->has_routing ? &script->routing : NULL;
		task_owns(task, packet);
		return packet_handle(packet);
	}
	if (packet)
		packet_release(packet);
	error->p = why.reason;
	error->n = (uint32_t)strlen(why.reason);
	return VD_BAD_VALUE;
}

/* ---- the queue ---- */

/* One that nobody is told of counts too: it may need the script's routing. */
static void ended_unheard(void *arg, uint64_t number, enum delivery_end end, const char *error)
{
	struct vd_script *script = arg;
	(void)number;
	(void)end;
	(void)error;
	script->n_deliveries--;
	host_reap_soon(script->host);
}

static void ended(void *arg, uint64_t number, enum delivery_end end, const char *error)
{
	task_delivered(arg, number, error);
	ended_unheard(arg, number, end, error);
}

static int may_deliver(const struct vd_script *script, const struct packet *packet)
{
	if (script->loading)
		return VD_REFUSED;
	if (!packet)
		return VD_GONE;
	if (!packet->msg.is_request)
		return VD_MISUSE;
	return packet->is_own || packet->decision == DECISION_NONE ? VD_OK : VD_MISUSE;
}

static int refusal(int64_t error)
{
	switch (error) {
	case DELIVER_TOO_MANY:
		return VD_LIMIT;
	case DELIVER_GIVEN_UP:
		return VD_CANCELLED;
	case DELIVER_BAD_ID:
		return VD_TOO_LONG;
	}
	return VD_BAD_NAME;
}

double vd_deliver(struct vd_script *script, double handle, const char *id, uint32_t id_n,
	const char *callid, uint32_t callid_n, const char *to, uint32_t to_n, uint32_t serial,
	int once, double timeout, int wants_end)
{
	struct packet *packet = packet_of(script->engine, handle);
	struct uri uri;
	int rc = timeout >= 0 && timeout <= 86400 ? may_deliver(script, packet) : VD_BAD_VALUE;
	struct delivery_options options = {
		.id = span_of(id, id_n),
		.callid = span_of(callid, callid_n),
		.to = to_n ? &uri : NULL,
		.leg = serial ? legs_by_serial(script->engine, serial) : NULL,
		.once = once,
		.wants_end = wants_end,
		.timeout_ms = rc ? 0 : (uint32_t)(timeout * 1000),
		.done = wants_end ? ended : ended_unheard,
		.arg = script,
	};
	if (rc)
		return rc;
	if (serial && !options.leg)
		return VD_GONE;
	if (to_n && uri_parse(span_of(to, to_n), &uri))
		return VD_BAD_VALUE;
	int64_t number = deliver(packet, &options);
	if (number < 0)
		return refusal(number);
	script->n_deliveries += number > 0;
	packet->decision = DECISION_FORWARDED;
	return (double)number;
}

uint32_t vd_delivery_cancel(struct vd_script *script, double number)
{
	return number > 0 && number < 0x1p53 ? delivery_cancel(script->engine, (uint64_t)number)
					     : 0;
}

uint32_t vd_delivery_cancel_id(struct vd_script *script, const char *id, uint32_t n)
{
	return delivery_cancel_id(script->engine, span_of(id, n));
}

uint32_t vd_delivery_cancel_call(struct vd_script *script, const char *callid, uint32_t n)
{
	return delivery_cancel_call(script->engine, span_of(callid, n));
}

double vd_delivery_next(struct vd_script *script)
{
	struct engine *engine = script->engine;
	int64_t next_ms = timers_next(&engine->timers);
	if (!engine->deliveries.n || next_ms == INT64_MAX)
		return 0;
	int64_t wall_ms = engine->world->wall_ms(engine->world);
	return (double)(wall_ms + next_ms - engine_now_ms(engine)) / 1000;
}

/* Values without a message, for Lua: URIs, addresses, parameters, DNS records, legs, time, log
 * (abi.h). */
#include <stdlib.h>

#include "base/check.h"
#include "script/host_private.h"
#include "script/task.h"

static void give(vd_value *out, struct span s)
{
	out->p = s.p;
	out->n = s.n;
}

int vd_uri_parse(const char *text, uint32_t n, vd_uri *out)
{
	struct uri uri;
	if (uri_parse(span_of(text, n), &uri))
		return VD_BAD_VALUE;
	give(&out->scheme, uri.scheme_name);
	give(&out->user, uri.user);
	give(&out->password, uri.password);
	give(&out->host, uri.host);
	give(&out->params, uri.params);
	give(&out->headers, uri.headers);
	out->port = uri.port;
	return VD_OK;
}

/* `s` as it is, or without quotes and escapes when it is a quoted string. */
static struct span unquoted(struct vd_script *script, struct span s)
{
	if (s.n < 2 || s.p[0] != '"')
		return s;
	free(script->scratch);
	script->scratch = must_alloc(s.n);
	struct span inner = span_of(s.p + 1, s.n - 2);
	return span_of(script->scratch, quoted_unescape(inner, script->scratch));
}

int vd_address_parse(struct vd_script *script, const char *text, uint32_t n, vd_address *out)
{
	struct nameaddr address;
	if (nameaddr_parse(span_of(text, n), &address))
		return VD_BAD_VALUE;
	give(&out->display, unquoted(script, address.display));
	give(&out->uri, address.uri_text);
	give(&out->params, address.params);
	return VD_OK;
}

int vd_param_next(struct vd_script *script, const char *params, uint32_t n, uint32_t *at,
	vd_value *name, vd_value *value)
{
	struct span rest = span_from(span_of(params, n), *at);
	struct param param;
	int rc = param_next(&rest, &param);
	if (rc <= 0)
		return rc < 0 ? VD_BAD_VALUE : VD_ABSENT;
	*at = (uint32_t)(rest.p - params);
	give(name, param.name);
	give(value, param.value.p ? unquoted(script, param.value) : param.value);
	return VD_OK;
}

int vd_lookup_record(struct vd_script *script, uint32_t index, vd_record *out)
{
	const struct task *task = script->running;
	if (!task || index >= task->n_records)
		return VD_ABSENT;
	const struct dns_record *record = &task->records[index];
	free(script->scratch);
	script->scratch = must_alloc(ADDR_TEXT_MAX);
	bool is_address = record->type == DNS_A || record->type == DNS_AAAA;
	give(&out->text,
		is_address ? span_of(script->scratch, addr_print_ip(&record->addr, script->scratch))
			   : span_str(record->target));
	give(&out->flags, span_str(record->flags));
	give(&out->service, span_str(record->service));
	out->type = (int)record->type;
	out->ttl = record->ttl_s;
	out->priority = record->priority;
	out->weight = record->weight;
	out->port = record->port;
	return VD_OK;
}

double vd_now(struct vd_script *script)
{
	return (double)script->engine->world->now_us(script->engine->world) / 1e6;
}

double vd_time(struct vd_script *script)
{
	return (double)script->engine->world->wall_ms(script->engine->world) / 1e3;
}

double vd_random(struct vd_script *script)
{
	uint64_t bits;
	script->engine->world->random(script->engine->world, &bits, sizeof bits);
	return (double)(bits >> 11) * 0x1p-53;
}

int vd_log(struct vd_script *script, int level, const char *text, uint32_t n)
{
	if (level < LOG_ERROR || level > LOG_DEBUG)
		return VD_BAD_VALUE;
	log_event(script->engine->log, (enum log_level)level, "script",
		LOG_TEXT("text", span_of(text, n)));
	return VD_OK;
}

int vd_leg_at(struct vd_script *script, uint32_t index, vd_leg *out)
{
	struct engine *engine = script->engine;
	if (index >= engine->legs.n || engine->legs.leg[index].state == LEG_CLOSED)
		return VD_ABSENT;
	struct leg *leg = &engine->legs.leg[index];
	free(script->scratch);
	script->scratch = must_alloc(ADDR_TEXT_MAX);
	give(&out->spec, span_str(leg->spec));
	give(&out->address, leg_sent_by(leg));
	give(&out->host, span_of(leg->shown.text, leg->shown.host_n));
	give(&out->ip,
		span_of(script->scratch, addr_print_ip(&leg->address.bind, script->scratch)));
	out->serial = leg->serial;
	out->place = (uint32_t)leg->place;
	out->port = leg->shown.port;
	out->transport = (int)leg->address.transport;
	return VD_OK;
}

double vd_leg_add(struct vd_script *script, const char *spec, uint32_t n, vd_value *error)
{
	if (script->loading)
		return VD_REFUSED;
	free(script->scratch);
	script->scratch = must_alloc(256);
	struct leg *leg = legs_add(script->engine, span_of(spec, n), script->scratch);
	if (leg)
		return leg->serial;
	give(error, span_str(script->scratch));
	return VD_BAD_VALUE;
}

int vd_leg_remove(struct vd_script *script, uint32_t serial)
{
	struct leg *leg = legs_by_serial(script->engine, serial);
	if (!leg)
		return VD_GONE;
	legs_remove(leg);
	return VD_OK;
}

int vd_load_leg(struct vd_script *script, const char *spec, uint32_t n)
{
	if (!script->loading || !n || n >= LEG_SPEC_MAX)
		return VD_BAD_VALUE;
	if (script->n_legs == LEGS_MAX)
		return VD_LIMIT;
	memcpy(script->legs[script->n_legs++], spec, n);
	return VD_OK;
}

int vd_load_module(struct vd_script *script, const char *path, uint32_t n)
{
	if (script->n_modules == SCRIPT_MODULES_MAX)
		return VD_LIMIT;
	script->modules[script->n_modules++] = strndup(path, n);
	return VD_OK;
}

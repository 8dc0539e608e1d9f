/* The registrar, for Lua (abi.h). */
#include "base/check.h"
#include "script/script.h"

int vd_registrar_new(struct vd_script *script, const vd_registrar *options)
{
	if (script->n_registrars == SCRIPT_REGISTRARS_MAX)
		return VD_LIMIT;
	if (options->min_expires > options->max_expires)
		return VD_BAD_VALUE;
	struct registrar *registrar = must_zalloc(sizeof *registrar);
	registrar->min_expires_s = options->min_expires;
	registrar->max_expires_s = options->max_expires;
	registrar->default_expires_s = options->default_expires;
	script->registrars[script->n_registrars] = registrar;
	return (int)script->n_registrars++;
}

/* NULL: a script made the number up. */
static struct registrar *registrar_of(struct vd_script *script, int number)
{
	return number >= 0 && (uint32_t)number < script->n_registrars ? script->registrars[number]
								      : NULL;
}

/* A host, "*.host" for what is below it, or "*". */
static bool is_domain(struct span domain)
{
	if (span_starts(domain, SPAN("*.")))
		domain = span_from(domain, 2);
	return span_eq(domain, SPAN("*")) || host_is_valid(domain);
}

int vd_registrar_domain(struct vd_script *script, int number, const char *domain, uint32_t n)
{
	struct registrar *registrar = registrar_of(script, number);
	if (!registrar)
		return VD_MISUSE;
	if (n >= REGISTRAR_DOMAIN_MAX || !is_domain(span_of(domain, n)))
		return VD_BAD_VALUE;
	if (registrar->n_domains == REGISTRAR_DOMAINS_MAX)
		return VD_LIMIT;
	char *to = registrar->domains[registrar->n_domains++];
	for (uint32_t i = 0; i < n; i++)
		to[i] = ascii_lower(domain[i]);
	return VD_OK;
}

int vd_registrar_receive(struct vd_script *script, int number, double handle)
{
	struct packet *packet = packet_of(script->engine, handle);
	struct registrar *registrar = registrar_of(script, number);
	if (!packet || !registrar)
		return packet ? VD_MISUSE : VD_GONE;
	if (packet->decision != DECISION_NONE)
		return VD_REFUSED;
	return (int)registrar_receive(packet, registrar);
}

int vd_registrar_route(struct vd_script *script, double handle)
{
	struct packet *packet = packet_of(script->engine, handle);
	return packet ? registrar_route(packet) : VD_GONE;
}

int vd_registrar_way(
	struct vd_script *script, double handle, const char *path, uint32_t n, uint32_t place)
{
	struct packet *packet = packet_of(script->engine, handle);
	if (!packet)
		return VD_GONE;
	if (n > BINDING_PATH_MAX || registrar_take_path(packet, span_of(path, n)) < 0)
		return VD_BAD_VALUE;
	packet->home = place ? legs_place(script->engine, place) : 0;
	return VD_OK;
}

int vd_registrar_serves(struct vd_script *script, int number, double handle)
{
	struct packet *packet = packet_of(script->engine, handle);
	struct registrar *registrar = registrar_of(script, number);
	if (!packet || !registrar)
		return packet ? VD_MISUSE : VD_GONE;
	return registrar_serves(packet, registrar);
}

int vd_registrar_lacks(struct vd_script *script, int number, double handle)
{
	struct packet *packet = packet_of(script->engine, handle);
	struct registrar *registrar = registrar_of(script, number);
	if (!packet || !registrar)
		return packet ? VD_MISUSE : VD_GONE;
	return (int)registrar_lacks(packet, registrar);
}

int vd_registrar_query(struct vd_script *script, const char *aor, uint32_t n)
{
	struct uri uri;
	script->bindings.all.store = NULL;
	if (registrar_find(script->engine, span_of(aor, n), &script->bindings))
		return VD_OK;
	return uri_parse(span_of(aor, n), &uri) ? VD_BAD_VALUE : VD_ABSENT;
}

static void give(vd_value *out, struct span s)
{
	out->p = s.p;
	out->n = s.n;
}

int vd_registrar_next(struct vd_script *script, vd_binding *out)
{
	struct binding binding;
	if (!script->bindings.all.store || !registrar_next(&script->bindings, &binding))
		return VD_ABSENT;
	give(&out->contact, binding.contact);
	give(&out->params, binding.params);
	give(&out->call_id, binding.call_id);
	give(&out->path, binding.path);
	const struct legs *legs = &script->engine->legs;
	const struct leg *leg = binding.flow.leg < legs->n ? &legs->leg[binding.flow.leg] : NULL;
	out->leg = leg && leg->state != LEG_CLOSED ? leg->serial : 0;
	out->expires = (double)(binding.expires_at - engine_now_ms(script->engine)) / 1000;
	out->q = binding.q / (double)BINDING_Q_MAX;
	out->cseq = binding.cseq;
	return VD_OK;
}

double vd_registrar_expire(struct vd_script *script)
{
	struct engine *engine = script->engine;
	return bindings_expire(engine->bindings, engine_now_ms(engine));
}

/* The dispatcher's settings, for Lua (abi.h): which proxies are in charge of which domains. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "script/script.h"

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

/* What bindings mean for requests that are not REGISTER: who is bound here, and where it is
 * reached. */
#include "base/put.h"
#include "engine/registrar_parts.h"
#include "sip/edit.h"

enum { CONTACT_KEY_MAX = 300 };

static struct span lower_copy(struct arena *arena, struct span s)
{
	char *p = arena_alloc(arena, s.n + 1);
	for (uint32_t i = 0; i < s.n; i++)
		p[i] = ascii_lower(s.p[i]);
	return span_of(p, s.n);
}

/* "host:port", lower case: what bindings_has_contact looks for. */
struct span registrar_contact_key(struct arena *arena, const struct uri *uri)
{
	if (uri->scheme != URI_SIP && uri->scheme != URI_SIPS)
		return span_of("", 0);
	if (uri->host.n > CONTACT_KEY_MAX)
		return span_of("", 0);
	struct span host = lower_copy(arena, uri->host);
	char *text = arena_alloc(arena, host.n + 6), *out = put_span(text, host);
	*out++ = ':';
	out = put_u32(out, uri_port_or_default(uri));
	return span_between(text, out);
}

static bool domain_matches(const char *domain, struct span host)
{
	struct span wanted = span_str(domain);
	if (span_eq(wanted, SPAN("*")))
		return true;
	if (span_starts(wanted, SPAN("*."))) {
		struct span suffix = span_from(wanted, 1);
		return host.n > suffix.n && span_ieq(span_from(host, host.n - suffix.n), suffix);
	}
	return span_ieq(wanted, host);
}

bool registrar_in_domains(const struct registrar *registrar, struct span host)
{
	for (uint32_t i = 0; i < registrar->n_domains; i++)
		if (domain_matches(registrar->domains[i], host))
			return true;
	return false;
}

bool registrar_find(struct engine *engine, struct span text, struct registrar_cursor *cursor)
{
	struct uri uri;
	char aor[URI_LENGTH_MAX + 8];
	if (uri_parse(text, &uri))
		return false;
	uint32_t n = uri_aor(&uri, aor);
	if (!n)
		return false;
	cursor->is_secure = uri.scheme == URI_SIPS;
	bindings_find(engine->bindings, span_of(aor, n), engine_now_ms(engine), &cursor->all);
	return true;
}

static bool is_secure(struct span contact)
{
	return contact.n > 5 && span_ieq(span_of(contact.p, 5), SPAN("sips:"));
}

bool registrar_next(struct registrar_cursor *cursor, struct binding *binding)
{
	while (bindings_next(&cursor->all, binding))
		if (!cursor->is_secure || is_secure(binding->contact))
			return true;
	return false;
}

static bool is_bound(struct engine *engine, const struct uri *uri)
{
	struct registrar_cursor cursor;
	struct binding binding;
	return bindings_count(engine->bindings) && registrar_find(engine, uri->text, &cursor) &&
	       bindings_next(&cursor.all, &binding);
}

static bool is_reachable(struct engine *engine, const struct uri *uri)
{
	struct registrar_cursor cursor;
	struct binding binding;
	return bindings_count(engine->bindings) && registrar_find(engine, uri->text, &cursor) &&
	       registrar_next(&cursor, &binding);
}

/* Leading Routes that name us have done their work (RFC 3261 16.4); the Path comes before all
 * others. */
int registrar_take_path(struct packet *packet, struct span path)
{
	struct msg *msg = &packet->msg;
	struct nameaddr route;
	struct leg *leg;
	for (; packet->path_routes; packet->path_routes--)
		edit_pop_value(msg, HDR_ROUTE);
	if (!path.n)
		return 0;
	struct msg_values routes = msg_values(msg, HDR_ROUTE);
	for (struct span value; msg_values_next(&routes, &value);
		routes = msg_values(msg, HDR_ROUTE)) {
		if (nameaddr_parse(value, &route) ||
			!legs_is_self(packet->engine, &route.uri, &leg))
			break;
		int rc = edit_pop_value(msg, HDR_ROUTE);
		if (rc < 0)
			return rc;
	}
	struct span rest = arena_copy(&msg->arena, path), value;
	int at = msg_find(msg, HDR_ROUTE, 0);
	int rc = edit_insert(msg, at < 0 ? msg->n_headers : at, HDR_ROUTE, rest);
	while (rc == 0 && list_next(&rest, &value))
		packet->path_routes++;
	return rc;
}

/* A contact as Request-URI. */
static struct span target_of(struct arena *arena, struct span contact)
{
	struct uri uri;
	if (uri_parse(contact, &uri))
		return arena_copy(arena, contact);
	char *text = arena_alloc(arena, contact.n);
	return span_of(text, uri_as_target(&uri, text));
}

bool registrar_route(struct packet *packet)
{
	struct msg *msg = &packet->msg;
	struct registrar_cursor cursor;
	struct binding binding;
	if (!msg->is_request || !bindings_count(packet->engine->bindings) ||
		!registrar_find(packet->engine, msg->uri, &cursor))
		return false;
	while (registrar_next(&cursor, &binding)) {
		if (!span_starts(binding.contact, SPAN("sip")))
			continue; /* mailto: and the like are for redirects */
		edit_uri(msg, target_of(&msg->arena, binding.contact));
		registrar_take_path(packet, binding.path);
		packet->located = true;
		if (binding.flow.leg < packet->engine->legs.n)
			packet->home = packet->engine->legs.leg[binding.flow.leg].place;
		return true;
	}
	return false;
}

/* It is sent where a Route says that neither names us nor came with a binding. */
static bool is_routed_elsewhere(struct packet *packet)
{
	struct msg_values routes = msg_values(&packet->msg, HDR_ROUTE);
	struct nameaddr route;
	struct leg *leg;
	uint32_t n = 0;
	for (struct span value; msg_values_next(&routes, &value);)
		if (n++ >= packet->path_routes &&
			(nameaddr_parse(value, &route) ||
				!legs_is_self(packet->engine, &route.uri, &leg)))
			return true;
	return false;
}

bool registrar_serves(struct packet *packet, const struct registrar *registrar)
{
	struct msg *msg = &packet->msg;
	const struct uri *uri = msg->is_request ? msg_ruri(msg) : NULL;
	if (!uri || (uri->scheme != URI_SIP && uri->scheme != URI_SIPS) ||
		is_routed_elsewhere(packet))
		return false;
	if (packet->located)
		return true;
	if (uri_has_param(uri, SPAN("maddr"))) /* that is where it would go */
		return false;
	if (registrar_in_domains(registrar, uri->host) || is_bound(packet->engine, uri))
		return true;
	struct span key = registrar_contact_key(&msg->arena, uri);
	return key.n &&
	       bindings_has_contact(packet->engine->bindings, key, engine_now_ms(packet->engine));
}

/* In a domain of its own; with a port it names a host of that domain, not the domain. */
static bool is_address_of(
	struct packet *packet, const struct registrar *registrar, const struct uri *uri)
{
	struct leg *leg;
	return uri && (uri->scheme == URI_SIP || uri->scheme == URI_SIPS) &&
	       registrar_in_domains(registrar, uri->host) &&
	       (!uri->port || legs_is_self(packet->engine, uri, &leg));
}

bool registrar_is_asked_itself(struct packet *packet, const struct registrar *registrar)
{
	const struct uri *uri = msg_ruri(&packet->msg);
	return is_address_of(packet, registrar, uri) && !uri->user.n &&
	       registrar_serves(packet, registrar) && !is_bound(packet->engine, uri);
}

uint32_t registrar_lacks(struct packet *packet, const struct registrar *registrar)
{
	struct msg *msg = &packet->msg;
	const struct uri *uri = msg->is_request ? msg_ruri(msg) : NULL;
	bool is_address = is_address_of(packet, registrar, uri);
	if (!uri || !(is_address || !registrar->n_domains) || is_reachable(packet->engine, uri))
		return 0;
	if (is_bound(packet->engine, uri))
		return 480;
	bool lacks = is_address && (uri->user.n || (msg->method_id != METHOD_OPTIONS &&
							   registrar_serves(packet, registrar)));
	return lacks ? 404 : 0;
}

#include "engine/legs.h"

#include <stdio.h>

#include "engine/engine.h"

/* What it was opened as: the port it got may be another. */
static bool is_opened_as(const struct leg *leg, const struct leg_address *address)
{
	struct leg_spec own;
	char error[256];
	return leg_spec_parse(span_str(leg->spec), &own, error) &&
	       own.address.transport == address->transport &&
	       addr_eq(&own.address.bind, &address->bind);
}

static struct leg *by_address(struct legs *legs, const struct leg_address *address)
{
	for (uint32_t i = 0; i < legs->n; i++)
		if (legs->leg[i].state != LEG_CLOSED && is_opened_as(&legs->leg[i], address))
			return &legs->leg[i];
	return NULL;
}

struct leg *legs_by_spec(struct engine *engine, struct span text)
{
	struct legs *legs = &engine->legs;
	for (uint32_t i = 0; i < legs->n; i++)
		if (legs->leg[i].state != LEG_CLOSED && span_eq(span_str(legs->leg[i].spec), text))
			return &legs->leg[i];
	struct leg_spec spec;
	char error[256];
	return leg_spec_parse(text, &spec, error) ? by_address(legs, &spec.address) : NULL;
}

static struct leg *free_slot(struct legs *legs)
{
	for (uint32_t i = 0; i < legs->n; i++)
		if (legs->leg[i].state == LEG_CLOSED)
			return &legs->leg[i];
	if (legs->n == LEGS_MAX)
		return NULL;
	legs->leg[legs->n].index = legs->n;
	return &legs->leg[legs->n++];
}

/* Host names have no letter case. No secret: a name for a name, by a hash of fixed key. */
static uint64_t place_of(const struct leg_name *name)
{
	static const struct siphash_key fixed = {0};
	char text[sizeof name->text];
	for (uint32_t i = 0; i < name->n; i++)
		text[i] = ascii_lower(name->text[i]);
	uint64_t place = siphash(&fixed, text, name->n);
	return place ? place : 1;
}

/* What its text says beside where it listens. */
static void show_as(struct leg *leg, const struct leg_spec *spec)
{
	char host[ADDR_TEXT_MAX];
	struct span shown = spec->host.n ? spec->host
					 : span_of(host, addr_print_host(&leg->address.bind, host));
	struct leg_name *name = &leg->shown;
	leg->n_networks = spec->n_networks;
	memcpy(leg->networks, spec->networks, sizeof leg->networks);
	name->host_n = shown.n;
	name->port = spec->port ? spec->port : addr_port(&leg->address.bind);
	name->n = (uint32_t)snprintf(
		name->text, sizeof name->text, "%.*s:%u", (int)shown.n, shown.p, name->port);
	leg->place = place_of(name);
	/* A stream leg accepts connections where it says it is: what we open may be used both ways
	 * (RFC 5923 8.1). */
	enum transport transport = leg->address.transport;
	name->mark = siphash(&leg->engine->key, name->text, name->n);
	leg->via_n = (uint32_t)snprintf(leg->via, sizeof leg->via, "Via: SIP/2.0/%s %s%s",
		transport_name(transport).p, name->text,
		transport_is_reliable(transport) ? ";alias" : "");
	leg->record_route_n = (uint32_t)snprintf(leg->record_route, sizeof leg->record_route,
		"Record-Route: <sip:%s%s", name->text,
		transport == TRANSPORT_TCP ? ";transport=tcp" : "");
}

static void write_spec(struct leg *leg, struct span text)
{
	memcpy(leg->spec, text.p, text.n);
	leg->spec[text.n] = '\0';
}

static void remember_name(struct leg *leg, const struct leg_name *name)
{
	memmove(leg->former + 1, leg->former, (LEG_FORMER_MAX - 1) * sizeof leg->former[0]);
	leg->former[0].name = *name;
	leg->former[0].serial = leg->serial;
	leg->former[0].until_ms = engine_now_ms(leg->engine) + LEG_LINGER_MS;
	if (leg->n_former < LEG_FORMER_MAX)
		leg->n_former++;
	leg->engine->legs.has_former = true;
}

/* The same address, written otherwise: it may be shown as another. */
static void respell(struct leg *leg, struct span text)
{
	struct leg_spec spec;
	struct leg_name before = leg->shown;
	char error[256];
	if (!leg_spec_parse(text, &spec, error)) /* legs_prepare could */
		return;
	write_spec(leg, text);
	show_as(leg, &spec);
	if (span_eq(span_of(before.text, before.n), leg_sent_by(leg)))
		return;
	remember_name(leg, &before);
	leg->serial = ++leg->engine->legs.opened;
	log_event(leg->engine->log, LOG_INFO, "leg.renamed", LOG_STR("leg", leg->spec),
		LOG_STR("shown_as", leg->shown.text), LOG_STR("before", before.text));
}

static struct leg *open_leg(
	struct engine *engine, struct span text, const struct leg_spec *spec, char error[256])
{
	struct leg *leg = free_slot(&engine->legs);
	if (!leg) {
		snprintf(error, 256, "more than %d legs", LEGS_MAX);
		return NULL;
	}
	char why[256];
	uint32_t index = leg->index;
	uint32_t n_held = leg->n_held; /* what came by nothing counts here too: leg 0 */
	*leg = (struct leg){
		.index = index, .address = spec->address, .engine = engine, .n_held = n_held};
	leg->serial = ++engine->legs.opened;
	if (engine->world->leg_open(engine->world, index, &leg->address, why)) {
		snprintf(error, 256, "cannot open %.*s: %.150s", (int)text.n, text.p, why);
		return NULL;
	}
	write_spec(leg, text);
	show_as(leg, spec);
	leg->state = LEG_PREPARED;
	return leg;
}

static void close_leg(struct leg *leg)
{
	struct engine *engine = leg->engine;
	timers_cancel(&engine->timers, &leg->linger);
	engine->world->leg_close(engine->world, leg->index);
	log_event(engine->log, LOG_INFO, "leg.closed", LOG_STR("leg", leg->spec));
	leg->state = LEG_CLOSED;
}

static void linger_over(struct timer *timer)
{
	enum { LOOK_AGAIN_MS = 1000 };
	struct leg *leg = (struct leg *)((char *)timer - offsetof(struct leg, linger));
	struct engine *engine = leg->engine;
	int64_t now = engine_now_ms(engine), until = leg->used_ms + LEG_LINGER_MS;
	if (leg->used_ms && until > now)
		timers_arm(&engine->timers, &leg->linger, until);
	else if (leg->n_transactions || leg->n_held)
		timers_arm(&engine->timers, &leg->linger, now + LOOK_AGAIN_MS);
	else
		close_leg(leg);
}

static void drain(struct leg *leg)
{
	leg->state = LEG_DRAINING;
	leg->linger.fire = linger_over;
	linger_over(&leg->linger);
}

/* The leg of that text, opened if it is missing. NULL with `error`. */
static struct leg *prepare(
	struct engine *engine, const struct leg_plan *plan, struct span text, char error[256])
{
	struct leg_spec spec;
	if (!leg_spec_parse(text, &spec, error))
		return NULL;
	struct leg *leg = by_address(&engine->legs, &spec.address);
	if (!leg)
		return open_leg(engine, text, &spec, error);
	for (uint32_t i = 0; i < plan->n_named; i++)
		if (plan->named[i] == leg->index && !span_eq(plan->specs[i], text)) {
			snprintf(error, 256, "%.*s: another leg has this address already",
				(int)text.n, text.p);
			return NULL;
		}
	return leg;
}

int legs_prepare(struct engine *engine, const struct span *specs, uint32_t n, struct leg_plan *plan,
	char error[256], uint32_t *bad)
{
	plan->specs = specs;
	plan->n_named = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct leg *leg = prepare(engine, plan, specs[i], error);
		if (!leg) {
			*bad = i;
			legs_abort(engine, plan);
			return -1;
		}
		plan->named[plan->n_named++] = leg->index;
	}
	return 0;
}

static void put_to_use(struct leg *leg)
{
	if (leg->state == LEG_OPEN)
		return;
	timers_cancel(&leg->engine->timers, &leg->linger);
	leg->state = LEG_OPEN;
	log_event(leg->engine->log, LOG_INFO, "leg.open", LOG_STR("leg", leg->spec),
		LOG_STR("shown_as", leg->shown.text));
}

void legs_commit(struct engine *engine, const struct leg_plan *plan)
{
	struct legs *legs = &engine->legs;
	bool named[LEGS_MAX] = {false};
	for (uint32_t i = 0; i < plan->n_named; i++) {
		named[plan->named[i]] = true;
		respell(&legs->leg[plan->named[i]], plan->specs[i]);
	}
	for (uint32_t i = 0; i < legs->n; i++) {
		struct leg *leg = &legs->leg[i];
		if (named[i])
			put_to_use(leg);
		else
			legs_remove(leg);
	}
}

void legs_abort(struct engine *engine, const struct leg_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_named; i++) {
		struct leg *leg = &engine->legs.leg[plan->named[i]];
		if (leg->state == LEG_PREPARED)
			close_leg(leg);
	}
}

struct leg *legs_add(struct engine *engine, struct span text, char error[256])
{
	struct leg_spec spec;
	if (!leg_spec_parse(text, &spec, error))
		return NULL;
	struct leg *leg = by_address(&engine->legs, &spec.address);
	if (!leg)
		leg = open_leg(engine, text, &spec, error);
	if (!leg)
		return NULL;
	respell(leg, text);
	put_to_use(leg);
	return leg;
}

void legs_remove(struct leg *leg)
{
	if (leg->state == LEG_OPEN)
		drain(leg);
}

void legs_close_all(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->legs.n; i++)
		if (engine->legs.leg[i].state != LEG_CLOSED)
			close_leg(&engine->legs.leg[i]);
}

/* ---- finding ---- */

static bool is_name(const struct leg_name *name, struct span host, uint16_t port)
{
	return name->port == port && span_ieq(span_of(name->text, name->host_n), host);
}

static const struct leg_name *former_name(const struct leg *leg, struct span host, uint16_t port)
{
	for (uint32_t i = 0; i < leg->n_former; i++)
		if (is_name(&leg->former[i].name, host, port) &&
			leg->former[i].until_ms > engine_now_ms(leg->engine))
			return &leg->former[i].name;
	return NULL;
}

/* The name of today counts more than that of another leg yesterday. */
struct leg *legs_by_sent_by(struct engine *engine, enum transport transport, struct span host,
	uint16_t port, const struct leg_name **name)
{
	if (!port)
		port = 5060;
	for (int former = 0; former <= engine->legs.has_former; former++)
		for (uint32_t i = 0; i < engine->legs.n; i++) {
			struct leg *leg = &engine->legs.leg[i];
			if (leg->state == LEG_CLOSED || leg->address.transport != transport)
				continue;
			if (former)
				*name = former_name(leg, host, port);
			else
				*name = is_name(&leg->shown, host, port) ? &leg->shown : NULL;
			if (*name)
				return leg;
		}
	return NULL;
}

static bool is_bound_to(const struct leg *leg, struct span host, uint16_t port)
{
	struct addr addr;
	return addr_port(&leg->address.bind) == port && addr_parse_ip(host, port, &addr) &&
	       addr_same_ip(&leg->address.bind, &addr);
}

bool legs_is_self(struct engine *engine, const struct uri *uri, struct leg **found)
{
	enum transport transport;
	if (!uri_transport(uri, &transport))
		return false;
	uint16_t port = uri_port_or_default(uri);
	for (int former = 0; former <= engine->legs.has_former; former++)
		for (uint32_t i = 0; i < engine->legs.n; i++) {
			struct leg *leg = &engine->legs.leg[i];
			if (leg->state == LEG_CLOSED ||
				(transport && leg->address.transport != transport))
				continue;
			if (former ? former_name(leg, uri->host, port) != NULL
				   : is_name(&leg->shown, uri->host, port) ||
						is_bound_to(leg, uri->host, port)) {
				*found = leg;
				return true;
			}
		}
	return false;
}

bool legs_have(struct engine *engine, struct span host, uint16_t port)
{
	for (uint32_t i = 0; i < engine->legs.n; i++) {
		const struct leg *leg = &engine->legs.leg[i];
		if (leg->state != LEG_CLOSED &&
			(is_name(&leg->shown, host, port) || is_bound_to(leg, host, port) ||
				former_name(leg, host, port)))
			return true;
	}
	return false;
}

bool legs_is_own_address(struct engine *engine, enum transport transport, const struct addr *target)
{
	for (uint32_t i = 0; i < engine->legs.n; i++) {
		const struct leg *leg = &engine->legs.leg[i];
		if (leg->state != LEG_CLOSED && leg->address.transport == transport &&
			addr_port(&leg->address.bind) == addr_port(target) &&
			(addr_same_ip(&leg->address.bind, target) ||
				(addr_is_any(&leg->address.bind) && addr_is_loopback(target))))
			return true;
	}
	return false;
}

/* can_deliver_to of the leg. */
static bool may_reach(const struct leg *leg, const struct addr *peer)
{
	for (uint32_t i = 0; i < leg->n_networks; i++)
		if (network_has(&leg->networks[i], peer))
			return true;
	return leg->n_networks == 0;
}

static bool can_reach(
	const struct leg *leg, enum transport transport, const struct locate_target *target)
{
	const struct addr *peer = &target->addr;
	return leg->state != LEG_CLOSED && leg->address.transport == transport &&
	       !(target->barred >> leg->index & 1) &&
	       leg->address.bind.sa.sa_family == peer->sa.sa_family &&
	       (!addr_is_loopback(&leg->address.bind) || addr_is_loopback(peer)) &&
	       (!leg->n_networks || may_reach(leg, peer));
}

uint64_t legs_place(struct engine *engine, uint32_t half)
{
	for (uint32_t i = 0; i < engine->legs.n; i++) {
		const struct leg *leg = &engine->legs.leg[i];
		if (leg->state != LEG_CLOSED && (uint32_t)leg->place == half)
			return leg->place;
	}
	return 0;
}

uint64_t legs_other_place(struct engine *engine, const struct leg *leg)
{
	uint64_t other = 0;
	for (uint32_t i = 0; i < engine->legs.n; i++) {
		const struct leg *at = &engine->legs.leg[i];
		if (at->state != LEG_OPEN || at->place == leg->place || at->place == other)
			continue;
		if (other)
			return 0;
		other = at->place;
	}
	return other;
}

static struct leg *first_at(struct engine *engine, uint64_t place, enum transport transport,
	const struct locate_target *target)
{
	for (uint32_t i = 0; i < engine->legs.n; i++) {
		struct leg *leg = &engine->legs.leg[i];
		if ((!place || leg->place == place) && can_reach(leg, transport, target))
			return leg;
	}
	return NULL;
}

struct leg *legs_naming(struct engine *engine, const struct locate_target *target)
{
	struct leg *found = NULL;
	for (uint32_t i = 0; i < engine->legs.n; i++) {
		struct leg *leg = &engine->legs.leg[i];
		enum transport own = leg->address.transport;
		if ((leg->n_networks || target->named >> i & 1) &&
			can_reach(leg, target->transport ? target->transport : own, target) &&
			(!found || own < found->address.transport))
			found = leg;
	}
	return found;
}

struct leg *legs_towards(
	struct engine *engine, const struct locate_target *target, const struct leg_wish *wish)
{
	static const enum transport any[] = {TRANSPORT_UDP, TRANSPORT_TCP};
	struct leg *first = wish->leg;
	if (!first && wish->by_network)
		first = legs_naming(engine, target);
	for (unsigned t = 0; t < (target->transport ? 1 : 2); t++) {
		enum transport wanted = target->transport ? target->transport : any[t];
		struct leg *leg = NULL;
		if (first && can_reach(first, wanted, target))
			return first;
		if (wish->place)
			leg = first_at(engine, wish->place, wanted, target);
		if (!leg && !wish->nowhere_else)
			leg = wish->rather && can_reach(wish->rather, wanted, target)
				      ? wish->rather
				      : first_at(engine, 0, wanted, target);
		if (leg)
			return leg;
	}
	return NULL;
}

struct leg *legs_towards_among(
	struct engine *engine, const struct locate_target *target, uint64_t legs)
{
	for (uint32_t i = 0; i < engine->legs.n; i++)
		if ((!legs || legs >> i & 1) &&
			can_reach(&engine->legs.leg[i], target->transport, target))
			return &engine->legs.leg[i];
	return NULL;
}

static bool has_serial(const struct leg *leg, uint32_t serial)
{
	for (uint32_t i = 0; i < leg->n_former; i++)
		if (leg->former[i].serial == serial)
			return true;
	return leg->serial == serial;
}

struct leg *legs_by_serial(struct engine *engine, uint32_t serial)
{
	for (uint32_t i = 0; i < engine->legs.n; i++)
		if (engine->legs.leg[i].state != LEG_CLOSED &&
			has_serial(&engine->legs.leg[i], serial))
			return &engine->legs.leg[i];
	return NULL;
}

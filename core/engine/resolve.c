#include "engine/resolve.h"

#include <stdlib.h>

#include "base/check.h"
#include "engine/dns_cache.h"
#include "engine/targets.h"

enum { QUESTIONS_MAX = 64 };

struct question {
	struct resolve *resolve;
	uint64_t lookup; /* 0: free */
	uint32_t id;	 /* of locate */
};

struct resolve {
	struct engine *engine;
	const struct resolver *resolver; /* NULL: DNS */
	const struct judge *judge;	 /* NULL: none */
	bool is_judged, is_cancelled;	 /* within `decide`: freed when that returns */
	uint64_t legs;			 /* that may be used, as in the query */
	struct locate locate;
	struct locate_options options;
	/* The proxies in charge, one after the other; NULL: the URI itself. */
	const struct domain_route *proxies;
	uint32_t next_proxy;
	struct locate_target targets[RESOLVE_TARGETS_MAX];
	uint32_t n_targets;
	resolve_fn done;
	void *arg;
	struct timer timer; /* the deadline; once all is known, the next run of the timers */
	int64_t deadline_ms;
	uint32_t n_open;
	struct question questions[QUESTIONS_MAX];
};

/* What the legs that may be used reach by that transport. */
static uint8_t families_of(const struct engine *engine, uint64_t legs, enum transport transport)
{
	uint8_t families = 0;
	for (uint32_t i = 0; i < engine->legs.n; i++) {
		const struct leg *leg = &engine->legs.leg[i];
		if (leg->state == LEG_CLOSED || leg->address.transport != transport ||
			(legs && !(legs >> i & 1)))
			continue;
		bool v6 = leg->address.bind.sa.sa_family == AF_INET6;
		families |= v6 ? LOCATE_IPV6 : LOCATE_IPV4;
	}
	return families;
}

static void allow(struct locate_options *options, const struct engine *engine, uint64_t legs,
	enum transport transport)
{
	uint8_t families = families_of(engine, legs, transport);
	if (families)
		options->allowed[options->n_allowed++] =
			(struct locate_transport){transport, families};
}

/* `fixed`: the transport the URI names, which holds for a proxy in charge of it too; NONE: not. */
static struct locate_options options_of(
	const struct engine *engine, const struct resolve_query *query, enum transport fixed)
{
	static const enum transport order[] = {TRANSPORT_UDP, TRANSPORT_TCP};
	struct locate_options options = {
		.too_big_for_udp = query->too_big_for_udp, .seed = query->seed};
	const enum transport *wanted = query->n_transports ? query->transports : order;
	uint32_t n = query->n_transports ? query->n_transports : sizeof order / sizeof order[0];
	for (uint32_t i = 0; i < n; i++)
		if (!fixed || wanted[i] == fixed)
			allow(&options, engine, query->legs, wanted[i]);
	return options;
}

static const struct domain_route *proxies_of(
	const struct resolve_query *query, enum transport *fixed)
{
	const struct domain_route *proxies =
		query->direct || !query->uri ? NULL : routing_find(query->routing, query->uri);
	*fixed = TRANSPORT_NONE;
	if (proxies)
		uri_transport(query->uri, fixed);
	return proxies;
}

/* What is known of the URI at hand; at the deadline: those that are known to come first. */
static void take_targets(struct resolve *resolve)
{
	uint32_t room = RESOLVE_TARGETS_MAX - resolve->n_targets;
	if (!locate_is_done(&resolve->locate) || resolve->locate.result == LOCATE_FOUND)
		resolve->n_targets += locate_targets(
			&resolve->locate, resolve->targets + resolve->n_targets, room);
}

/* False: the judge failed. */
static bool judge(struct resolve *resolve)
{
	if (!resolve->judge || !resolve->n_targets)
		return true;
	resolve->is_judged = true;
	bool decided =
		resolve->judge->decide(resolve->judge->self, resolve->targets, resolve->n_targets);
	resolve->is_judged = false;
	return decided;
}

static void drop_unreachable(struct resolve *resolve)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < resolve->n_targets; i++)
		if (legs_towards_among(resolve->engine, &resolve->targets[i], resolve->legs))
			resolve->targets[n++] = resolve->targets[i];
	resolve->n_targets = n;
}

static void tell(struct resolve *resolve)
{
	struct engine *engine = resolve->engine;
	enum locate_result result = LOCATE_FOUND;
	bool was_found = resolve->n_targets > 0, decided = judge(resolve);
	if (resolve->is_cancelled) {
		resolve_cancel(resolve);
		return;
	}
	drop_unreachable(resolve);
	if (!decided) {
		result = LOCATE_UNDECIDED;
		resolve->n_targets = 0;
	} else if (was_found && !resolve->n_targets) {
		result = LOCATE_NOT_FOUND;
	} else if (!was_found) {
		result = locate_is_done(&resolve->locate) ? resolve->locate.result : LOCATE_TIMEOUT;
	}
	targets_order(engine->targets, resolve->targets, resolve->n_targets, engine_now_ms(engine));
	resolve->done(resolve->arg, result, resolve->targets, resolve->n_targets);
	resolve_cancel(resolve);
}

static void ask(struct resolve *resolve);

static void answered(
	void *arg, enum dns_status status, const struct dns_record *records, uint32_t n)
{
	struct question *question = arg;
	struct resolve *resolve = question->resolve;
	question->lookup = 0;
	resolve->n_open--;
	locate_answer(&resolve->locate, question->id, status, records, n);
	ask(resolve);
}

static struct question *free_question(struct resolve *resolve)
{
	for (uint32_t i = 0; i < QUESTIONS_MAX; i++)
		if (!resolve->questions[i].lookup)
			return &resolve->questions[i];
	return NULL;
}

static bool has_proxy(const struct resolve *resolve)
{
	return resolve->proxies && resolve->next_proxy < resolve->proxies->n &&
	       resolve->n_targets < RESOLVE_TARGETS_MAX;
}

static void next_proxy(struct resolve *resolve)
{
	timers_arm(&resolve->engine->timers, &resolve->timer, resolve->deadline_ms);
	locate_start(&resolve->locate, &resolve->proxies->proxies[resolve->next_proxy++],
		&resolve->options);
	ask(resolve);
}

/* All is known of one URI, or it is too late. */
static void time_came(struct timer *timer)
{
	struct resolve *resolve =
		(struct resolve *)((char *)timer - offsetof(struct resolve, timer));
	bool is_late = !locate_is_done(&resolve->locate);
	take_targets(resolve);
	if (!is_late && has_proxy(resolve))
		next_proxy(resolve);
	else
		tell(resolve);
}

/* What the cache knows needs no wait. */
static bool answer_from_cache(struct resolve *resolve, const struct locate_question *wanted)
{
	struct dns_record records[DNS_RECORDS_MAX];
	enum dns_status status;
	uint32_t n;
	if (resolve->resolver) {
		if (wanted->type == DNS_NAPTR) /* which a resolver in a script knows nothing of */
			locate_answer(&resolve->locate, wanted->id, DNS_NOT_FOUND, NULL, 0);
		return wanted->type == DNS_NAPTR;
	}
	if (!dns_cache_peek(resolve->engine->dns, wanted->type, wanted->name, &status, records, &n))
		return false;
	locate_answer(&resolve->locate, wanted->id, status, records, n);
	return true;
}

static uint64_t lookup(
	struct resolve *resolve, const struct locate_question *wanted, struct question *question)
{
	const struct resolver *resolver = resolve->resolver;
	return resolver ? resolver->ask(
				  resolver->self, wanted->type, wanted->name, answered, question)
			: dns_cache_lookup(resolve->engine->dns, wanted->type, wanted->name,
				  RESOLVE_MS, answered, question);
}

static void ask(struct resolve *resolve)
{
	struct locate_question wanted;
	struct question *question;
	while (!locate_is_done(&resolve->locate) && (question = free_question(resolve)) &&
		locate_next(&resolve->locate, &wanted)) {
		if (answer_from_cache(resolve, &wanted))
			continue;
		question->resolve = resolve;
		question->id = wanted.id;
		question->lookup = lookup(resolve, &wanted, question);
		if (question->lookup)
			resolve->n_open++;
		else
			locate_answer(&resolve->locate, wanted.id, DNS_FAILED, NULL, 0);
	}
	if (locate_is_done(&resolve->locate))
		timers_arm(&resolve->engine->timers, &resolve->timer, 0);
}

uint16_t resolve_code(enum locate_result result)
{
	return result == LOCATE_BAD_URI ? 416 : result == LOCATE_UNDECIDED ? 500 : 503;
}

static const struct judge *judge_of(const struct resolve_query *query)
{
	return query->routing && query->routing->judge.decide ? &query->routing->judge : NULL;
}

uint32_t resolve_now(struct engine *engine, const struct resolve_query *query,
	struct locate_target targets[RESOLVE_NOW_MAX])
{
	struct addr addr;
	struct span maddr;
	enum transport fixed;
	const struct domain_route *proxies = proxies_of(query, &fixed);
	const struct uri *uri = proxies ? &proxies->proxies[0] : query->uri;
	struct span host = uri_param(uri, SPAN("maddr"), &maddr) && maddr.n ? maddr : uri->host;
	if (judge_of(query) || (proxies && proxies->n > 1) || !addr_parse_ip(host, 0, &addr))
		return 0;
	struct locate locate;
	struct locate_options options = options_of(engine, query, fixed);
	locate_start(&locate, uri, &options);
	if (locate.result != LOCATE_FOUND)
		return 0;
	uint32_t n = locate_targets(&locate, targets, RESOLVE_NOW_MAX);
	targets_order(engine->targets, targets, n, engine_now_ms(engine));
	return n;
}

struct resolve *resolve_start(
	struct engine *engine, const struct resolve_query *query, resolve_fn done, void *arg)
{
	struct resolve *resolve = must_zalloc(sizeof *resolve);
	enum transport fixed;
	resolve->engine = engine;
	resolve->done = done;
	resolve->arg = arg;
	resolve->timer.fire = time_came;
	if (query->routing && query->routing->resolver.ask)
		resolve->resolver = &query->routing->resolver;
	resolve->judge = judge_of(query);
	resolve->legs = query->legs;
	resolve->proxies = proxies_of(query, &fixed);
	resolve->options = options_of(engine, query, fixed);
	resolve->deadline_ms = engine_now_ms(engine) + RESOLVE_MS;
	if (has_proxy(resolve)) {
		next_proxy(resolve);
		return resolve;
	}
	timers_arm(&engine->timers, &resolve->timer, resolve->deadline_ms);
	if (query->uri)
		locate_start(&resolve->locate, query->uri, &resolve->options);
	else
		locate_start_response(&resolve->locate, query->transports[0], query->sent_by,
			query->sent_by_port, &resolve->options);
	ask(resolve);
	return resolve;
}

void resolve_cancel(struct resolve *resolve)
{
	const struct resolver *resolver = resolve->resolver;
	if (resolve->is_judged) {
		resolve->is_cancelled = true;
		return;
	}
	for (uint32_t i = 0; i < QUESTIONS_MAX; i++) {
		uint64_t id = resolve->questions[i].lookup;
		if (id && resolver)
			resolver->cancel(resolver->self, id);
		else if (id)
			dns_cache_cancel(resolve->engine->dns, id);
	}
	timers_cancel(&resolve->engine->timers, &resolve->timer);
	free(resolve);
}

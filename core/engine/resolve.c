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
	struct locate locate;
	resolve_fn done;
	void *arg;
	struct timer timer; /* the deadline; once all is known, the next run of the timers */
	uint32_t n_open;
	struct question questions[QUESTIONS_MAX];
};

/* Which transports our legs speak, UDP before TCP, and in which families. */
static void allow_legs(const struct engine *engine, struct locate_options *options)
{
	static const enum transport order[] = {TRANSPORT_UDP, TRANSPORT_TCP};
	for (size_t t = 0; t < sizeof order / sizeof order[0]; t++) {
		uint8_t families = 0;
		for (uint32_t i = 0; i < engine->legs.n; i++) {
			const struct leg *leg = &engine->legs.leg[i];
			if (leg->state == LEG_CLOSED || leg->address.transport != order[t])
				continue;
			bool v6 = leg->address.bind.sa.sa_family == AF_INET6;
			families |= v6 ? LOCATE_IPV6 : LOCATE_IPV4;
		}
		if (families)
			options->allowed[options->n_allowed++] =
				(struct locate_transport){order[t], families};
	}
}

static void tell(struct resolve *resolve)
{
	struct locate_target targets[RESOLVE_TARGETS_MAX];
	struct engine *engine = resolve->engine;
	bool is_done = locate_is_done(&resolve->locate);
	enum locate_result result = is_done ? resolve->locate.result : LOCATE_TIMEOUT;
	uint32_t n = 0;
	if (!is_done ||
		result == LOCATE_FOUND) /* at the deadline: those that are known to come first */
		n = locate_targets(&resolve->locate, targets, RESOLVE_TARGETS_MAX);
	targets_order(engine->targets, targets, n, engine_now_ms(engine));
	resolve->done(resolve->arg, result, targets, n);
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

static void time_came(struct timer *timer)
{
	tell((struct resolve *)((char *)timer - offsetof(struct resolve, timer)));
}

/* What the cache knows needs no wait. */
static bool answer_from_cache(struct resolve *resolve, const struct locate_question *wanted)
{
	struct dns_record records[DNS_RECORDS_MAX];
	enum dns_status status;
	uint32_t n;
	if (!dns_cache_peek(resolve->engine->dns, wanted->type, wanted->name, &status, records, &n))
		return false;
	locate_answer(&resolve->locate, wanted->id, status, records, n);
	return true;
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
		question->lookup = dns_cache_lookup(resolve->engine->dns, wanted.type, wanted.name,
			RESOLVE_MS, answered, question);
		if (question->lookup)
			resolve->n_open++;
		else
			locate_answer(&resolve->locate, wanted.id, DNS_FAILED, NULL, 0);
	}
	if (locate_is_done(&resolve->locate))
		timers_arm(&resolve->engine->timers, &resolve->timer, 0);
}

bool resolve_now(struct engine *engine, const struct uri *uri, bool too_big_for_udp,
	struct locate_target *target)
{
	struct addr addr;
	struct span maddr;
	struct span host = uri_param(uri, SPAN("maddr"), &maddr) && maddr.n ? maddr : uri->host;
	struct locate_options options = {.too_big_for_udp = too_big_for_udp};
	if (!addr_parse_ip(host, 0, &addr))
		return false;
	struct locate locate;
	allow_legs(engine, &options);
	locate_start(&locate, uri, &options);
	return locate.result == LOCATE_FOUND && locate_targets(&locate, target, 1) == 1;
}

struct resolve *resolve_start(struct engine *engine, const struct uri *uri, bool too_big_for_udp,
	uint64_t seed, resolve_fn done, void *arg)
{
	struct resolve *resolve = must_zalloc(sizeof *resolve);
	struct locate_options options = {.too_big_for_udp = too_big_for_udp, .seed = seed};
	resolve->engine = engine;
	resolve->done = done;
	resolve->arg = arg;
	resolve->timer.fire = time_came;
	timers_arm(&engine->timers, &resolve->timer, engine_now_ms(engine) + RESOLVE_MS);
	allow_legs(engine, &options);
	locate_start(&resolve->locate, uri, &options);
	ask(resolve);
	return resolve;
}

void resolve_cancel(struct resolve *resolve)
{
	for (uint32_t i = 0; i < QUESTIONS_MAX; i++)
		if (resolve->questions[i].lookup)
			dns_cache_cancel(resolve->engine->dns, resolve->questions[i].lookup);
	timers_cancel(&resolve->engine->timers, &resolve->timer);
	free(resolve);
}

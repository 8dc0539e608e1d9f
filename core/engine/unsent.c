#include "engine/unsent.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/check.h"
#include "engine/resolve.h"

struct unsent {
	struct unsent *next, **at; /* in engine->unsent */
	struct engine *engine;
	struct resolve *resolve; /* NULL: known */
	struct timer timer;
	struct flow to;	    /* tried last */
	struct addr origin; /* tried first */
	struct locate_target targets[RESOLVE_TARGETS_MAX];
	uint32_t n_targets, next_target;
	uint32_t n;
	char bytes[];
};

static void end(struct unsent *unsent)
{
	struct engine *engine = unsent->engine;
	if (unsent->resolve)
		resolve_cancel(unsent->resolve);
	timers_cancel(&engine->timers, &unsent->timer);
	*unsent->at = unsent->next;
	if (unsent->next)
		unsent->next->at = unsent->at;
	engine->n_unsent--;
	engine->legs.leg[unsent->to.leg].n_transactions--;
	engine_free_later(engine, unsent); /* what was sent from it leaves with the turn */
}

static void time_came(struct timer *timer)
{
	end((struct unsent *)((char *)timer - offsetof(struct unsent, timer)));
}

static void try_next(struct unsent *unsent)
{
	struct engine *engine = unsent->engine;
	struct iovec iov = {unsent->bytes, unsent->n};
	enum transport transport = engine->legs.leg[unsent->to.leg].address.transport;
	while (unsent->next_target < unsent->n_targets) {
		const struct addr *addr = &unsent->targets[unsent->next_target++].addr;
		if (addr_eq(addr, &unsent->origin) || addr_is_unroutable(addr) ||
			legs_is_own_address(engine, transport, addr))
			continue;
		unsent->to = (struct flow){.leg = unsent->to.leg, .peer = *addr};
		engine->count[COUNT_failovers]++;
		if (engine_send(engine, &unsent->to, &iov, 1) == 0) {
			timers_arm(
				&engine->timers, &unsent->timer, engine_now_ms(engine) + UNSENT_MS);
			return;
		}
	}
	engine->count[COUNT_responses_lost]++;
	end(unsent);
}

static void located(
	void *arg, enum locate_result result, const struct locate_target *targets, uint32_t n)
{
	struct unsent *unsent = arg;
	bool is_vouched_for = false;
	(void)result;
	unsent->resolve = NULL;
	for (uint32_t i = 0; i < n; i++)
		is_vouched_for |= addr_same_ip(&targets[i].addr, &unsent->origin);
	if (is_vouched_for) {
		memcpy(unsent->targets, targets, n * sizeof *targets);
		unsent->n_targets = n;
	}
	try_next(unsent);
}

static struct unsent *find(struct engine *engine, const struct flow *to, struct span bytes)
{
	struct unsent *unsent = engine->unsent;
	while (unsent && (unsent->resolve || unsent->to.leg != to->leg ||
				 !addr_eq(&unsent->to.peer, &to->peer) ||
				 !span_eq(span_of(unsent->bytes, unsent->n), bytes)))
		unsent = unsent->next;
	return unsent;
}

/* False: it has nowhere else to go. */
static bool begin(struct packet *response, const struct flow *to, struct span bytes)
{
	struct engine *engine = response->engine;
	const struct via *via = msg_top_via(&response->msg);
	const struct leg *leg = &engine->legs.leg[to->leg];
	struct addr literal;
	if (!via || via->transport != leg->address.transport || engine->n_unsent == UNSENT_MAX ||
		addr_parse_ip(via->host, 0, &literal))
		return false;
	struct unsent *unsent = must_zalloc(sizeof *unsent + bytes.n);
	unsent->engine = engine;
	unsent->timer.fire = time_came;
	unsent->to = *to;
	unsent->origin = to->peer;
	unsent->n = bytes.n;
	memcpy(unsent->bytes, bytes.p, bytes.n);
	unsent->next = engine->unsent;
	unsent->at = &engine->unsent;
	if (unsent->next)
		unsent->next->at = &unsent->next;
	engine->unsent = unsent;
	engine->n_unsent++;
	engine->legs.leg[to->leg].n_transactions++;
	struct resolve_query query = {
		.sent_by = via->host,
		.sent_by_port = via->port,
		.transports = {via->transport},
		.n_transports = 1,
		.legs = (uint64_t)1 << to->leg,
	};
	unsent->resolve = resolve_start(engine, &query, located, unsent);
	return true;
}

void unsent_take(struct packet *response, const struct flow *to, struct span bytes)
{
	struct unsent *unsent = find(response->engine, to, bytes);
	if (unsent)
		try_next(unsent);
	else if (!begin(response, to, bytes))
		response->engine->count[COUNT_responses_lost]++;
}

void unsent_free_all(struct engine *engine)
{
	while (engine->unsent)
		end(engine->unsent);
}

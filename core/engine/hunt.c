#include "engine/hunt.h"

#include <stdlib.h>

#include "base/check.h"
#include "engine/targets.h"

void hunt_begin(struct hunt *hunt, const struct locate_target *targets, uint32_t n)
{
	if (!n)
		return;
	hunt->targets = must_alloc(n * sizeof *targets);
	memcpy(hunt->targets, targets, n * sizeof *targets);
	hunt->n = n;
}

/* A call may ring for minutes with nobody else to try. */
static struct locate_target take_next(struct hunt *hunt)
{
	struct locate_target target = hunt->targets[hunt->tried++];
	if (hunt_has_next(hunt))
		return target;
	free(hunt->targets);
	hunt->targets = NULL;
	return target;
}

void hunt_end(struct hunt *hunt, struct engine *engine)
{
	timers_cancel(&engine->timers, &hunt->silence);
	if (hunt->client)
		client_free(hunt->client);
	free(hunt->targets);
}

struct leg *hunt_next(
	struct hunt *hunt, struct engine *engine, const struct leg_wish *wish, struct flow *to)
{
	while (hunt_has_next(hunt)) {
		struct locate_target target = take_next(hunt);
		struct leg *leg = addr_is_unroutable(&target.addr)
					  ? NULL
					  : legs_towards(engine, &target, wish);
		if (!leg)
			continue;
		*to = (struct flow){.leg = leg->index, .peer = target.addr};
		leg->used_ms = engine_now_ms(engine);
		return leg;
	}
	return NULL;
}

void hunt_listen(struct hunt *hunt, const struct timer *deadline, void (*over)(struct timer *))
{
	struct engine *engine = hunt->client->engine;
	int64_t now = engine_now_ms(engine), share = HUNT_SILENCE_T1 * engine->times.t1_ms;
	uint32_t left = hunt->n - hunt->tried + 1;
	timers_cancel(&engine->timers, &hunt->silence);
	if (left == 1)
		return;
	if (timer_is_armed(deadline) && (deadline->due_ms - now) / left < share)
		share = (deadline->due_ms - now) / left;
	hunt->silence.fire = over;
	timers_arm(&engine->timers, &hunt->silence, now + share);
}

static enum transport transport_by(const struct client *client)
{
	return client->engine->legs.leg[client->to.leg].address.transport;
}

void hunt_mark_dead(const struct hunt *hunt, const char *reason)
{
	const struct client *client = hunt->client;
	targets_mark_dead(client->engine->targets, transport_by(client), &client->to.peer, reason,
		0, engine_now_ms(client->engine));
}

static void mark_alive(const struct client *client)
{
	targets_mark_alive(client->engine->targets, transport_by(client), &client->to.peer);
}

void hunt_heard(struct hunt *hunt, const struct packet *response)
{
	timers_cancel(&response->engine->timers, &hunt->silence);
	if (response->msg.code == 503)
		hunt_mark_dead(hunt, "503");
	else
		mark_alive(hunt->client);
}

static void count_failover(const struct hunt *hunt)
{
	hunt->client->engine->count[COUNT_failovers] += hunt_has_next(hunt);
}

void hunt_leave(struct hunt *hunt)
{
	count_failover(hunt);
	hunt->client->told = NULL;
	hunt->client = NULL;
}

static void give_up_client(struct hunt *hunt)
{
	struct client *client = hunt->client;
	hunt->client = NULL;
	hunt->abandoned++;
	client_cancel(client, span_of(NULL, 0));
}

void hunt_abandon(struct hunt *hunt)
{
	hunt_mark_dead(hunt, "ETIMEDOUT");
	count_failover(hunt);
	give_up_client(hunt);
}

bool hunt_late(struct hunt *hunt, const struct client *client, enum client_news news,
	const struct packet *response)
{
	if (news == CLIENT_ENDED)
		hunt->abandoned--;
	if (!response)
		return false;
	mark_alive(client);
	if (response->msg.code < 200 || response->msg.code >= 300)
		return false;
	if (hunt->client)
		give_up_client(hunt);
	return true;
}

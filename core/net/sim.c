#include "net/sim.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "net/sim_parts.h"

enum {
	TURN_ROUNDS_MAX = 1000, /* an engine that sends at every turn_end never rests */
	INSTANT_MAX = 1000000,	/* nor does one that always wants to be woken at once */
	TRACE_HEAD_MAX = 192,
};

static struct sim *sim_of(struct world *world)
{
	return (struct sim *)world;
}

/* splitmix64 */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t sim_draw(struct sim *sim, uint32_t below)
{
	return (uint32_t)((random_next(&sim->fate) >> 32) * below >> 32);
}

bool sim_chance(struct sim *sim, uint32_t in_1000)
{
	return sim_draw(sim, 1000) < in_1000;
}

static void random_bytes(struct world *world, void *bytes, size_t n)
{
	unsigned char *out = bytes;
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t word = random_next(&sim_of(world)->random);
		memcpy(out + i, &word, n - i < sizeof word ? n - i : sizeof word);
	}
}

static int64_t now_us(struct world *world)
{
	return sim_of(world)->now_us;
}

int64_t sim_now_us(const struct sim *sim)
{
	return sim->now_us;
}

static int64_t wall_ms(struct world *world)
{
	struct sim *sim = sim_of(world);
	return SIM_START_WALL_MS + sim->wall_shift_ms + (sim->now_us - SIM_START_US) / 1000;
}

void sim_shift_wall(struct sim *sim, int64_t ms)
{
	sim->wall_shift_ms += ms;
}

static void wake_at(struct world *world, int64_t at_us)
{
	struct sim *sim = sim_of(world);
	sim->wake_at_us = at_us;
	sim->wake_order = ++sim->order;
}

struct sim *sim_new(uint64_t seed, frame_fn frame)
{
	static const struct sim_link plain = {.delay_us = 500, .reorder_us = 20000};
	struct sim *sim = must_zalloc(sizeof *sim);
	sim->world = (struct world){
		.now_us = now_us,
		.wall_ms = wall_ms,
		.random = random_bytes,
		.wake_at = wake_at,
		.leg_open = sim_leg_open,
		.leg_close = sim_leg_close,
		.send = sim_send,
		.stream_close = sim_stream_close,
		.stream_alias = sim_stream_alias,
		.dns_query = sim_dns_query,
		.dns_cancel = sim_dns_cancel,
	};
	sim->frame = frame;
	sim->now_us = SIM_START_US;
	sim->wake_at_us = INT64_MAX;
	sim->random = sim->fate = seed;
	random_next(&sim->fate);
	sim->fate ^= 0x5851f42d4c957f2d; /* the engine's draws do not decide over packets */
	sim->trace_hash = 0xcbf29ce484222325;
	sim->links[SIM_TO_ENGINE] = sim->links[SIM_FROM_ENGINE] = plain;
	return sim;
}

void sim_free(struct sim *sim)
{
	if (!sim)
		return;
	sim_stream_fini(sim);
	sim_net_fini(sim);
	sim_dns_fini(sim);
	for (size_t i = 0; i < sim->queue_n; i++)
		free(sim->queue[i]);
	free(sim->queue);
	free(sim);
}

struct world *sim_world(struct sim *sim)
{
	return &sim->world;
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

struct sim_event *sim_queue(struct sim *sim, int64_t at_us,
	void (*happen)(struct sim *sim, struct sim_event *event), struct span bytes)
{
	struct sim_event *event = must_zalloc(sizeof *event + bytes.n);
	event->at_us = at_us > sim->now_us ? at_us : sim->now_us;
	event->order = ++sim->order;
	event->happen = happen;
	event->n = bytes.n;
	if (bytes.n)
		memcpy(event->bytes, bytes.p, bytes.n);
	if (sim->queue_n == sim->queue_room) {
		sim->queue_room = sim->queue_room ? 2 * sim->queue_room : 64;
		sim->queue = must_realloc(sim->queue, sim->queue_room * sizeof(void *));
	}
	size_t i = sim->queue_n++;
	for (; i && is_before(event, sim->queue[(i - 1) / 2]); i = (i - 1) / 2)
		sim->queue[i] = sim->queue[(i - 1) / 2];
	sim->queue[i] = event;
	return event;
}

static struct sim_event *queue_take(struct sim *sim)
{
	struct sim_event *first = sim->queue[0], *last = sim->queue[--sim->queue_n];
	size_t i = 0;
	for (size_t child; (child = 2 * i + 1) < sim->queue_n; i = child) {
		if (child + 1 < sim->queue_n && is_before(sim->queue[child + 1], sim->queue[child]))
			child++;
		if (!is_before(sim->queue[child], last))
			break;
		sim->queue[i] = sim->queue[child];
	}
	sim->queue[i] = last;
	return first;
}

size_t sim_queued(const struct sim *sim)
{
	size_t n = 0;
	for (size_t i = 0; i < sim->queue_n; i++)
		n += !sim->queue[i]->is_void;
	return n;
}

const struct world_events *sim_tell(struct sim *sim)
{
	sim->in_turn = true;
	return sim->world.events;
}

static void turn_end(struct sim *sim)
{
	for (int round = 0; sim->in_turn || sim->sends_n; round++) {
		BUG(round == TURN_ROUNDS_MAX);
		sim_flush(sim);
		sim->in_turn = false;
		if (sim->world.events)
			sim->world.events->turn_end(sim->world.self);
	}
	sim_stream_turn_end(sim);
}

/* When the next thing happens; INT64_MAX: never. */
static int64_t next_us(struct sim *sim)
{
	while (sim->queue_n && sim->queue[0]->is_void)
		free(queue_take(sim));
	int64_t queued = sim->queue_n ? sim->queue[0]->at_us : INT64_MAX;
	return queued < sim->wake_at_us ? queued : sim->wake_at_us;
}

static bool wake_is_first(const struct sim *sim)
{
	if (!sim->queue_n || sim->wake_at_us != sim->queue[0]->at_us)
		return !sim->queue_n || sim->wake_at_us < sim->queue[0]->at_us;
	return sim->wake_order < sim->queue[0]->order;
}

/* One event that is not after `until_us`. */
static bool step_until(struct sim *sim, int64_t until_us)
{
	turn_end(sim); /* of what a test made the engine send outside any event */
	int64_t next = next_us(sim);
	if (next == INT64_MAX || next > until_us)
		return false;
	if (next > sim->now_us)
		sim->now_us = next;
	if (wake_is_first(sim)) {
		sim->wake_at_us = INT64_MAX;
		sim_tell(sim)->wake(sim->world.self);
		turn_end(sim);
		return true;
	}
	struct sim_event *event = queue_take(sim);
	event->happen(sim, event);
	turn_end(sim);
	free(event); /* what the engine was given is valid until turn_end returns */
	return true;
}

bool sim_step(struct sim *sim)
{
	return step_until(sim, INT64_MAX);
}

static void run_until(struct sim *sim, int64_t until_us)
{
	int64_t instant = sim->now_us;
	for (int n = 0; step_until(sim, until_us); n++) {
		if (sim->now_us != instant)
			n = 0;
		instant = sim->now_us;
		BUG(n == INSTANT_MAX);
	}
}

void sim_run_until(struct sim *sim, int64_t at_us)
{
	run_until(sim, at_us);
	if (at_us > sim->now_us)
		sim->now_us = at_us;
}

void sim_run_idle(struct sim *sim, int64_t limit_us)
{
	run_until(sim, sim->now_us + limit_us);
}

static void call_happens(struct sim *sim, struct sim_event *event)
{
	sim->in_turn = true;
	event->call(event->arg);
}

void sim_at(struct sim *sim, int64_t at_us, void (*happen)(void *arg), void *arg)
{
	struct sim_event *event = sim_queue(sim, at_us, call_happens, SPAN(""));
	event->call = happen;
	event->arg = arg;
}

static void trace(struct sim *sim, struct span text)
{
	for (uint32_t i = 0; i < text.n; i++) /* FNV-1a */
		sim->trace_hash = (sim->trace_hash ^ (unsigned char)text.p[i]) * 0x100000001b3;
	if (sim->trace && text.n)
		fwrite(text.p, 1, text.n, sim->trace);
}

static void trace_head(struct sim *sim, const char *text)
{
	char head[TRACE_HEAD_MAX];
	int64_t us = sim->now_us;
	int n = snprintf(
		head, sizeof head, "%" PRId64 ".%06d %s", us / 1000000, (int)(us % 1000000), text);
	trace(sim, span_of(head, (size_t)n));
}

void sim_trace_bytes(struct sim *sim, const char *verb, enum transport transport,
	const struct addr *from, const struct addr *to, struct span bytes)
{
	char text[TRACE_HEAD_MAX - 32], source[ADDR_TEXT_MAX], target[ADDR_TEXT_MAX];
	struct span name = transport_name(transport);
	int source_n = (int)addr_print(from, source), target_n = (int)addr_print(to, target);
	snprintf(text, sizeof text, "%s %.*s %.*s > %.*s %u\n", verb, (int)name.n, name.p, source_n,
		source, target_n, target, bytes.n);
	trace_head(sim, text);
	trace(sim, bytes);
	if (bytes.n)
		trace(sim, SPAN("\n"));
}

void sim_trace_text(struct sim *sim, const char *verb, struct span text)
{
	trace_head(sim, verb);
	trace(sim, SPAN(" "));
	trace(sim, text);
	trace(sim, SPAN("\n"));
}

uint64_t sim_trace_hash(const struct sim *sim)
{
	return sim->trace_hash;
}

void sim_trace_to(struct sim *sim, FILE *file)
{
	sim->trace = file;
}

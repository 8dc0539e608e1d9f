#include "engine/rate.h"

#include "base/notes.h"

static uint64_t key_of(
	const struct engine *engine, const struct rate_limit *limit, const struct addr *source)
{
	enum { NETWORK_BYTES = 8 };
	struct siphash_state hash;
	uint16_t port = limit->per_port ? addr_port(source) : 0;
	siphash_init(&hash, &engine->key);
	siphash_add(&hash, SPAN("rate"));
	siphash_add(&hash, limit->name);
	if (source->sa.sa_family == AF_INET6)
		siphash_add(&hash, span_of((const char *)&source->in6.sin6_addr, NETWORK_BYTES));
	else
		siphash_add(&hash, span_of((const char *)&source->in4.sin_addr, 4));
	siphash_add(&hash, span_of((const char *)&port, sizeof port));
	return siphash_end(&hash);
}

/* The value of a note: messages in the interval that began at its time, and in the one before. */
struct counts {
	uint32_t now, before;
};

static struct counts counts_of(struct note *note, int64_t interval_ms, int64_t now_ms)
{
	struct counts counts = {(uint32_t)note->value, (uint32_t)(note->value >> 32)};
	int64_t elapsed_ms = now_ms - note->at_ms;
	if (elapsed_ms < interval_ms)
		return counts;
	bool is_next = elapsed_ms < 2 * interval_ms;
	note->at_ms = is_next ? note->at_ms + interval_ms : now_ms;
	return (struct counts){0, is_next ? counts.now : 0};
}

bool rate_allows(struct engine *engine, const struct rate_limit *limit, const struct addr *source)
{
	int64_t now_ms = engine_now_ms(engine);
	uint64_t key = key_of(engine, limit, source);
	if (!engine->rates)
		engine->rates = notes_new(RATE_SOURCES_MAX);
	struct note *note = notes_find(engine->rates, key);
	if (!note)
		note = notes_put(engine->rates, key, now_ms, NULL);
	struct counts counts = counts_of(note, limit->interval_ms, now_ms);
	int64_t left_ms = limit->interval_ms - (now_ms - note->at_ms);
	int64_t weighed = (counts.before * left_ms + limit->interval_ms - 1) / limit->interval_ms;
	bool allowed = counts.now + weighed < limit->attempts;
	if (counts.now < limit->attempts)
		counts.now++;
	note->value = (uint64_t)counts.before << 32 | counts.now;
	return allowed;
}

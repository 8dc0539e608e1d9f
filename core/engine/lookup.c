/* DNS questions of the engine: the world answers by number, this finds who asked. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/engine.h"

enum { LOOKUPS_MAX = 4096 };

struct lookup {
	uint32_t generation;
	uint32_t next_free; /* index + 1 */
	lookup_fn done;	    /* NULL: free */
	void *arg;
};

uint64_t engine_lookup(struct engine *engine, enum dns_type type, struct span name,
	uint32_t timeout_ms, lookup_fn done, void *arg)
{
	if (!engine->free_lookup) {
		if (engine->n_lookups == LOOKUPS_MAX)
			return 0;
		engine->lookups = must_realloc(
			engine->lookups, (engine->n_lookups + 1) * sizeof *engine->lookups);
		engine->lookups[engine->n_lookups] = (struct lookup){.generation = 1};
		engine->free_lookup = ++engine->n_lookups;
	}
	uint32_t slot = engine->free_lookup - 1;
	struct lookup *lookup = &engine->lookups[slot];
	engine->free_lookup = lookup->next_free;
	lookup->done = done;
	lookup->arg = arg;
	engine->count[COUNT_lookups]++;
	uint64_t id = (uint64_t)lookup->generation << 32 | slot;
	engine->world->dns_query(engine->world, id, type, name, timeout_ms);
	return id;
}

static struct lookup *find(struct engine *engine, uint64_t id)
{
	uint32_t slot = (uint32_t)id;
	if (slot >= engine->n_lookups)
		return NULL;
	struct lookup *lookup = &engine->lookups[slot];
	return lookup->done && lookup->generation == id >> 32 ? lookup : NULL;
}

static void put_back(struct engine *engine, struct lookup *lookup)
{
	lookup->done = NULL;
	lookup->generation++;
	lookup->next_free = engine->free_lookup;
	engine->free_lookup = (uint32_t)(lookup - engine->lookups) + 1;
}

void engine_lookup_cancel(struct engine *engine, uint64_t id)
{
	struct lookup *lookup = find(engine, id);
	if (!lookup)
		return;
	put_back(engine, lookup);
	engine->world->dns_cancel(engine->world, id);
}

void engine_lookup_answered(void *self, uint64_t id, enum dns_status status,
	const struct dns_record *records, uint32_t n);

void engine_lookup_answered(void *self, uint64_t id, enum dns_status status,
	const struct dns_record *records, uint32_t n)
{
	struct engine *engine = self;
	struct lookup *lookup = find(engine, id);
	if (!lookup)
		return;
	lookup_fn done = lookup->done;
	void *arg = lookup->arg;
	if (status != DNS_OK)
		engine->count[COUNT_lookups_failed]++;
	put_back(engine, lookup);
	done(arg, status, records, n);
}

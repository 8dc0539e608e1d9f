#include "base/arena.h"

#include <stdlib.h>

#include "base/check.h"

enum { CHUNK_MIN = 4096 };

struct arena_chunk {
	struct arena_chunk *next;
	char bytes[];
};

void arena_init(struct arena *arena, void *first, uint32_t first_n)
{
	*arena = (struct arena){.at = first, .end = first, .first = first, .first_n = first_n};
	if (first_n)
		arena->end += first_n;
}

void arena_reset(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *next = arena->chunks->next;
		free(arena->chunks);
		arena->chunks = next;
	}
	arena_init(arena, arena->first, arena->first_n);
}

char *arena_alloc(struct arena *arena, uint32_t n)
{
	arena->used += n;
	if ((size_t)(arena->end - arena->at) < n) {
		size_t size = n > CHUNK_MIN ? n : CHUNK_MIN;
		struct arena_chunk *chunk = must_alloc(sizeof *chunk + size);
		chunk->next = arena->chunks;
		arena->chunks = chunk;
		arena->at = chunk->bytes;
		arena->end = chunk->bytes + size;
	}
	char *p = arena->at;
	arena->at += n;
	return p;
}

struct span arena_copy(struct arena *arena, struct span s)
{
	if (!s.n)
		return span_of("", 0);
	char *p = arena_alloc(arena, s.n);
	memcpy(p, s.p, s.n);
	return span_of(p, s.n);
}

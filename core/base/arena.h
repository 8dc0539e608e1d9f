/* Memory that is freed all at once: one arena per message. Bytes handed out never move and are
 * never written again by the arena, so spans into it stay valid until arena_reset. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct arena_chunk;

struct arena {
	char *at, *end;
	struct arena_chunk *chunks;
	char *first; /* the owner's inline buffer: used before any malloc */
	uint32_t first_n;
	uint32_t used; /* bytes handed out so far */
};

void arena_init(struct arena *arena, void *first, uint32_t first_n);
/* Frees all chunks; the inline buffer is ready for use again. */
void arena_reset(struct arena *arena);
/* Never NULL; callers bound `n` by a limit of the wire format first. Alignment: none. */
char *arena_alloc(struct arena *arena, uint32_t n);
/* Takes back what arena_alloc gave last, from `end` on. */
static inline void arena_shrink(struct arena *arena, char *end)
{
	arena->used -= (uint32_t)(arena->at - end);
	arena->at = end;
}
/* Copies `s`. */
struct span arena_copy(struct arena *arena, struct span s);

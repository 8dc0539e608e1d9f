#include "base/notes.h"

#include <stdlib.h>

#include "base/check.h"

struct notes {
	uint32_t n;
	struct note note[];
};

/* 0 marks a free place. */
static uint64_t key_of(uint64_t key)
{
	return key ? key : 1;
}

/* The places where this key may stand. */
static struct note *places(const struct notes *notes, uint64_t key)
{
	uint64_t set = key & (notes->n / NOTES_WAYS - 1);
	return (struct note *)&notes->note[set * NOTES_WAYS];
}

struct notes *notes_new(uint32_t n)
{
	BUG(n < NOTES_WAYS || (n & (n - 1)));
	struct notes *notes = must_zalloc(sizeof *notes + n * sizeof notes->note[0]);
	notes->n = n;
	return notes;
}

void notes_free(struct notes *notes)
{
	free(notes);
}

struct note *notes_find(const struct notes *notes, uint64_t key)
{
	struct note *place = places(notes, key);
	for (uint32_t i = 0; i < NOTES_WAYS; i++)
		if (place[i].key == key_of(key))
			return &place[i];
	return NULL;
}

struct note *notes_put(struct notes *notes, uint64_t key, int64_t at_ms, struct note *gone)
{
	struct note *place = places(notes, key), *taken = place;
	for (uint32_t i = 0; i < NOTES_WAYS && taken->key; i++)
		if (!place[i].key || place[i].at_ms < taken->at_ms)
			taken = &place[i];
	if (gone)
		*gone = *taken;
	*taken = (struct note){.key = key_of(key), .at_ms = at_ms};
	return taken;
}

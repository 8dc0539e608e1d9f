/* Deadlines that all last equally long: a list in order of time, so that starting, stopping and
 * finding the next one cost the same for one as for ten thousand. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct deadline {
	struct deadline *next, *prev; /* NULL: not running */
	int64_t at_us;
};

struct deadlines {
	struct deadline ends; /* next: the first to come */
	int64_t after_us;
};

static inline void deadlines_init(struct deadlines *list, uint32_t after_ms)
{
	list->ends.next = list->ends.prev = &list->ends;
	list->after_us = (int64_t)after_ms * 1000;
}

static inline void deadline_stop(struct deadline *deadline)
{
	if (!deadline->next)
		return;
	deadline->next->prev = deadline->prev;
	deadline->prev->next = deadline->next;
	deadline->next = deadline->prev = NULL;
}

/* From now on, also when it is running already. `now_us` never goes back. */
static inline void deadline_start(struct deadlines *list, struct deadline *deadline, int64_t now_us)
{
	deadline_stop(deadline);
	deadline->at_us = now_us + list->after_us;
	deadline->prev = list->ends.prev;
	deadline->next = &list->ends;
	deadline->prev->next = list->ends.prev = deadline;
}

/* May be NULL. */
static inline struct deadline *deadline_first(const struct deadlines *list)
{
	return list->ends.next == &list->ends ? NULL : list->ends.next;
}

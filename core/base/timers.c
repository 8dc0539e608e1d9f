/* A timer lies on the level of the highest base-256 digit in which its due time differs from
 * `now_ms`, in the slot of its own digit there. So every slot on a level lies after the present
 * digit, all of a lower level comes before all of a higher one, and the first slot of the lowest
 * level in use holds the earliest timer.
 *
 * A slot keeps the order of arming and knows a time before which none in it is due; those of the
 * lowest level have one due time each. Only what was armed for a time that had come must be sorted
 * before it is fired; equal due times keep their order. */
#include "base/timers.h"

#include "base/check.h"

enum {
	DIGITS = 1 << TIMERS_LEVEL_BITS,
	COME = TIMERS_SLOTS, /* the slot of those whose time is not after now_ms, waiting for a run
			      */
	FIRING,		     /* the slot of those that the present run will fire */
	SORT_BINS = 48,	     /* more than the binary logarithm of any number of timers */
};

static struct timer *timer_of(struct timer_links *links)
{
	return (struct timer *)links;
}

static int64_t due_of(const struct timer_links *links)
{
	return ((const struct timer *)links)->due_ms;
}

static uint64_t bit_of(unsigned slot)
{
	return 1ULL << (slot % 64);
}

static bool in_use(const struct timers *timers, unsigned slot)
{
	return timers->used[slot / 64] & bit_of(slot);
}

static void set_empty(struct timers *timers, unsigned slot)
{
	struct timer_links *head = &timers->slots[slot];
	head->next = head->prev = head;
	timers->used[slot / 64] &= ~bit_of(slot);
	timers->earliest[slot] = INT64_MAX;
}

void timers_init(struct timers *timers, int64_t now_ms)
{
	BUG(now_ms < 0);
	*timers = (struct timers){.now_ms = now_ms};
	for (unsigned slot = 0; slot <= FIRING; slot++)
		set_empty(timers, slot);
}

static void link_after(struct timer_links *place, struct timer_links *links)
{
	links->prev = place;
	links->next = place->next;
	place->next->prev = links;
	place->next = links;
}

static void place(struct timers *timers, struct timer_links *links)
{
	int64_t due = due_of(links);
	unsigned slot = COME;
	if (due > timers->now_ms) {
		uint64_t differs = (uint64_t)due ^ (uint64_t)timers->now_ms;
		unsigned level = (63 - (unsigned)__builtin_clzll(differs)) / TIMERS_LEVEL_BITS;
		uint64_t digit = (uint64_t)due >> (level * TIMERS_LEVEL_BITS) & (DIGITS - 1);
		slot = level * DIGITS + (unsigned)digit;
	}
	struct timer_links *head = &timers->slots[slot];
	if (slot == COME && in_use(timers, COME) && due < due_of(head->prev))
		timers->is_unsorted = true;
	link_after(head->prev, links);
	timers->used[slot / 64] |= bit_of(slot);
	if (due < timers->earliest[slot])
		timers->earliest[slot] = due;
}

static void take_out(struct timers *timers, struct timer_links *links)
{
	struct timer_links *next = links->next, *prev = links->prev;
	next->prev = prev;
	prev->next = next;
	links->next = links->prev = NULL;
	if (next == prev) /* only the head of the slot is left */
		set_empty(timers, (unsigned)(next - timers->slots));
}

void timers_arm(struct timers *timers, struct timer *timer, int64_t due_ms)
{
	timers->changes++;
	if (timer_is_armed(timer))
		take_out(timers, &timer->links);
	timer->due_ms = due_ms;
	place(timers, &timer->links);
}

void timers_cancel(struct timers *timers, struct timer *timer)
{
	if (!timer_is_armed(timer))
		return;
	timers->changes++;
	take_out(timers, &timer->links);
}

/* Two chains linked by `next`, NULL at the end; of equals, those of `a` come first. */
static struct timer_links *merge(struct timer_links *a, struct timer_links *b)
{
	struct timer_links *first = NULL, **tail = &first;
	while (a && b) {
		struct timer_links **least = due_of(b) < due_of(a) ? &b : &a;
		*tail = *least;
		tail = &(*least)->next;
		*least = (*least)->next;
	}
	*tail = a ? a : b;
	return first;
}

/* Bottom-up merge sort: bin i holds 2^i timers or none, later bins earlier ones. */
static void sort_come(struct timers *timers)
{
	struct timer_links *head = &timers->slots[COME], *bins[SORT_BINS] = {NULL};
	head->prev->next = NULL;
	for (struct timer_links *rest = head->next; rest;) {
		struct timer_links *run = rest;
		rest = rest->next;
		run->next = NULL;
		unsigned bin = 0;
		for (; bins[bin]; bins[bin++] = NULL)
			run = merge(bins[bin], run);
		bins[bin] = run;
	}
	struct timer_links *sorted = NULL, *last = head;
	for (unsigned bin = 0; bin < SORT_BINS; bin++)
		sorted = merge(bins[bin], sorted);
	for (; sorted; sorted = sorted->next) {
		last->next = sorted;
		sorted->prev = last;
		last = sorted;
	}
	last->next = head;
	head->prev = last;
}

/* The first slot in use of the wheel, or COME when it is empty. `*starts` is its first millisecond.
 */
static unsigned first_slot(const struct timers *timers, int64_t *starts)
{
	for (unsigned word = 0; word < TIMERS_SLOTS / 64; word++) {
		if (!timers->used[word])
			continue;
		unsigned slot = word * 64 + (unsigned)__builtin_ctzll(timers->used[word]);
		unsigned level = slot / DIGITS, digit = slot % DIGITS;
		unsigned shift = level * TIMERS_LEVEL_BITS, above = shift + TIMERS_LEVEL_BITS;
		uint64_t prefix =
			above < 64 ? (uint64_t)timers->now_ms >> above << above : (uint64_t)0;
		*starts = (int64_t)(prefix | (uint64_t)digit << shift);
		return slot;
	}
	return COME;
}

int64_t timers_next(const struct timers *timers)
{
	int64_t starts;
	if (in_use(timers, FIRING))
		return timers->earliest[FIRING];
	if (in_use(timers, COME))
		return timers->earliest[COME];
	return timers->earliest[first_slot(timers, &starts)];
}

/* Moves all of `from` to the end of `to`, which keeps `to` sorted where the caller knows that it
 * does. */
static void append_slot(struct timers *timers, unsigned to, unsigned from)
{
	struct timer_links *head = &timers->slots[from], *end = &timers->slots[to];
	head->next->prev = end->prev;
	end->prev->next = head->next;
	head->prev->next = end;
	end->prev = head->prev;
	timers->used[to / 64] |= bit_of(to);
	if (timers->earliest[from] < timers->earliest[to])
		timers->earliest[to] = timers->earliest[from];
	set_empty(timers, from);
}

/* Collects in COME, in order, what is due at `now_ms`, and makes that the time. */
static void advance(struct timers *timers, int64_t now_ms)
{
	int64_t starts;
	unsigned slot;
	while ((slot = first_slot(timers, &starts)) != COME && starts <= now_ms) {
		timers->now_ms = starts;
		if (slot < DIGITS) {
			append_slot(timers, COME, slot);
			continue;
		}
		struct timer_links *links = timers->slots[slot].next;
		timers->slots[slot].prev->next = NULL;
		set_empty(timers, slot);
		while (links) {
			struct timer_links *next = links->next;
			place(timers, links);
			links = next;
		}
	}
	timers->now_ms = now_ms;
}

size_t timers_run(struct timers *timers, int64_t now_ms)
{
	timers->changes++;
	size_t n = 0;
	BUG(in_use(timers, FIRING));
	if (timers->is_unsorted && in_use(timers, COME))
		sort_come(timers);
	timers->is_unsorted = false;
	if (now_ms > timers->now_ms)
		advance(timers, now_ms);
	if (in_use(timers, COME))
		append_slot(timers, FIRING, COME);
	while (in_use(timers, FIRING)) {
		struct timer *timer = timer_of(timers->slots[FIRING].next);
		take_out(timers, &timer->links);
		timer->fire(timer);
		n++;
	}
	return n;
}

/* What every target here asks of the spans it gets back. */
#pragma once

#include "base/check.h"
#include "base/span.h"

/* Absent (p NULL), or part of `whole`. */
static inline void must_be_inside(struct span part, struct span whole)
{
	if (!part.p) {
		BUG(part.n);
		return;
	}
	BUG(part.p < whole.p || part.p > span_end(whole));
	BUG(part.n > (size_t)(span_end(whole) - part.p));
}

static inline void must_agree(struct span a, struct span b)
{
	BUG(!a.p != !b.p || !span_eq(a, b));
}

/* Text put together from pieces, which stand in for a message that another element wrote. */
struct pieces {
	char text[24 * 1024];
	size_t n;
};

static inline void put(struct pieces *pieces, struct span s)
{
	BUG(s.n > sizeof pieces->text - pieces->n);
	if (s.n)
		memcpy(pieces->text + pieces->n, s.p, s.n);
	pieces->n += s.n;
}

static inline struct span whole_of(const struct pieces *pieces)
{
	return span_of(pieces->text, pieces->n);
}

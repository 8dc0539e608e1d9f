/* Test input that ends right before memory nobody may read: a parser that looks one byte too far
 * dies there. Include after cmocka.h. */
#pragma once

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/span.h"

enum { GUARD_ROOM = 512 * 1024, GUARD_SLOTS = 4 };

/* A copy of `bytes` that ends at a guard page; valid until GUARD_SLOTS further calls. An empty one
 * is not NULL. */
static inline struct span guarded(struct span bytes)
{
	static char *slots[GUARD_SLOTS];
	static unsigned turn;
	unsigned slot = turn++ % GUARD_SLOTS;
	if (!slots[slot]) {
		size_t page = (size_t)sysconf(_SC_PAGESIZE);
		slots[slot] = mmap(NULL, GUARD_ROOM + page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_true(slots[slot] != MAP_FAILED);
		assert_int_equal(mprotect(slots[slot] + GUARD_ROOM, page, PROT_NONE), 0);
	}
	assert_true(bytes.n <= GUARD_ROOM);
	char *at = slots[slot] + GUARD_ROOM - bytes.n;
	if (bytes.n)
		memcpy(at, bytes.p, bytes.n);
	return span_of(at, bytes.n);
}

/* Absent (p NULL), or part of `whole`. */
static inline void assert_inside(struct span part, struct span whole)
{
	if (part.p) {
		assert_true(part.p >= whole.p && part.p <= whole.p + whole.n);
		assert_true(part.n <= (size_t)(whole.p + whole.n - part.p));
	} else {
		assert_int_equal(part.n, 0);
	}
}

/* Fails with both texts and the reason the case exists. NULL expects absence. */
static inline void expect_text(struct span got, const char *expected, const char *why)
{
	if (!expected) {
		if (got.p)
			fail_msg("%s: got \"%.*s\", expected none", why, (int)got.n, got.p);
	} else if (!got.p || !span_eq(got, span_str(expected))) {
		fail_msg("%s: got \"%.*s\", expected \"%s\"", why, (int)got.n, got.p ? got.p : "",
			expected);
	}
}

static inline void expect_number(long long got, long long expected, const char *why)
{
	if (got != expected)
		fail_msg("%s: got %lld, expected %lld", why, got, expected);
}

/* What must not happen, and memory that must not run out.
 *
 * BUG(condition) aborts with the place: for broken invariants of this program only, never for what
 * a peer or a script sent. Whatever a peer can size meets a named limit before it is allocated, so
 * an allocation that fails is the machine's end, not an event to handle. */
#pragma once

#include <stddef.h>

#define BUG(condition)                                                                             \
	do {                                                                                       \
		if (__builtin_expect(!!(condition), 0))                                            \
			bug_found(__FILE__, __LINE__, #condition);                                 \
	} while (0)

_Noreturn void bug_found(const char *file, int line, const char *what);

/* malloc, calloc and realloc that abort instead of returning NULL. */
void *must_alloc(size_t n) __attribute__((malloc, returns_nonnull));
void *must_zalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *must_realloc(void *p, size_t n) __attribute__((returns_nonnull));

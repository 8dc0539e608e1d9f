#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void bug_found(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: BUG: %s\n", file, line, what);
	abort();
}

static void *or_die(void *p)
{
	if (!p) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return p;
}

void *must_alloc(size_t n)
{
	return or_die(malloc(n ? n : 1));
}

void *must_zalloc(size_t n)
{
	return or_die(calloc(1, n ? n : 1));
}

void *must_realloc(void *p, size_t n)
{
	return or_die(realloc(p, n ? n : 1));
}

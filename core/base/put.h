/* Building short text in a buffer the caller has sized: each put_ writes at `out` and returns the end. */
#pragma once

#include "base/span.h"

static inline char *put_span(char *out, struct span s)
{
	memcpy(out, s.p, s.n);
	return out + s.n;
}

#define put_text(out, literal) put_span((out), SPAN(literal))

/* At most 10 digits. */
static inline char *put_u32(char *out, uint32_t value)
{
	char digits[10];
	int n = 0;
	do
		digits[n++] = (char)('0' + value % 10);
	while (value /= 10);
	while (n)
		*out++ = digits[--n];
	return out;
}

/* 16 lower-case digits. */
static inline char *put_hex64(char *out, uint64_t value)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		*out++ = "0123456789abcdef"[value >> shift & 15];
	return out;
}

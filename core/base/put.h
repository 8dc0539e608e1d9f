/* Building short text in a buffer the caller has sized: each put_ writes at `out` and returns the
 * end. */
#pragma once

#include "base/span.h"

static inline char *put_span(char *out, struct span s)
{
	memcpy(out, s.p, s.n);
	return out + s.n;
}

/* A literal only: of an array it would write all bytes, whatever they are. */
#define put_text(out, literal) put_span((out), SPAN("" literal))

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
	/* Eight digits at a time: spread the nibbles over bytes, then '0' to '9' or 'a' to 'f'
	 * without a branch. */
	for (int half = 0; half < 2; half++) {
		uint64_t x = half ? value & 0xffffffff : value >> 32;
		x = (x & 0xffff) << 32 | x >> 16;
		x = (x & 0xff000000ff) << 16 | (x & 0xff000000ff00) >> 8;
		x = (x & 0xf000f000f000f) << 8 | (x & 0xf000f000f000f0) >> 4;
		uint64_t letters = (x + 0x0606060606060606) >> 4 & 0x0101010101010101;
		x += 0x3030303030303030 + letters * ('a' - '0' - 10);
		memcpy(out + 8 * half, &x, 8);
	}
	return out + 16;
}

/* A span is a view of bytes that someone else owns: never NUL-terminated, never freed through.
 * All wire text travels as spans; nothing here allocates. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *p;
	uint32_t n;
};

/* Of a string literal; the "" makes anything else an error, such as an array, whose size is not its
 * text's. */
#define SPAN(literal) ((struct span){"" literal, sizeof(literal) - 1})

static inline struct span span_of(const char *p, size_t n)
{
	return (struct span){p, (uint32_t)n};
}

/* From a C string; `text` may be NULL. */
static inline struct span span_str(const char *text)
{
	return span_of(text, text ? strlen(text) : 0);
}

static inline const char *span_end(struct span s)
{
	return s.p + s.n;
}

/* The part from `at` on; empty when `at` is past the end. */
static inline struct span span_from(struct span s, size_t at)
{
	return at >= s.n ? span_of(span_end(s), 0) : span_of(s.p + at, s.n - at);
}

static inline struct span span_between(const char *begin, const char *end)
{
	return span_of(begin, (size_t)(end - begin));
}

static inline uint64_t load_u64(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint32_t load_u32(const char *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

/* Whether `n` bytes are the same: for names and the like, where a call costs more than they do. The
 * last step may look at bytes a second time. */
static inline bool bytes_eq(const char *a, const char *b, uint32_t n)
{
	uint32_t at = 0;
	if (n >= 8) {
		for (; n - at > 8; at += 8)
			if (load_u64(a + at) != load_u64(b + at))
				return false;
		return load_u64(a + n - 8) == load_u64(b + n - 8);
	}
	if (n >= 4)
		return load_u32(a) == load_u32(b) && load_u32(a + n - 4) == load_u32(b + n - 4);
	while (at < n && a[at] == b[at])
		at++;
	return at == n;
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* First occurrence of `c`, or NULL. */
static inline const char *span_find(struct span s, char c)
{
	return s.n ? memchr(s.p, c, s.n) : NULL;
}

static inline char ascii_lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* Equal but for the case of ASCII letters. */
static inline bool span_ieq(struct span a, struct span b)
{
	if (a.n != b.n)
		return false;
	for (uint32_t i = 0; i < a.n; i++)
		if (a.p[i] != b.p[i] && ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

static inline bool span_starts(struct span s, struct span prefix)
{
	return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

/* Without SP, HTAB, CR and LF at both ends. */
static inline struct span span_trim(struct span s)
{
	if (s.n && (unsigned char)s.p[0] > ' ' && (unsigned char)s.p[s.n - 1] > ' ')
		return s;
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r' || s.p[0] == '\n'))
		s.p++, s.n--;
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r' ||
			      s.p[s.n - 1] == '\n'))
		s.n--;
	return s;
}

/* Decimal digits only, at least one; false when empty, not a number, or above 2^32-1. */
static inline bool span_u32(struct span s, uint32_t *value)
{
	uint64_t v = 0;
	if (!s.n)
		return false;
	for (uint32_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
		if (digit > 9)
			return false;
		v = v * 10 + digit;
		if (v > UINT32_MAX)
			return false;
	}
	*value = (uint32_t)v;
	return true;
}

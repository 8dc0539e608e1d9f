/* Header and method names: text to id and back. Ids are dense and fit a byte. */
#pragma once

#include "base/span.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum hdr_id {
	HDR_OTHER,
#define HDR(id, name, compact, kind) HDR_##id,
#include "sip/hdr.def"
#undef HDR
	HDR_COUNT
};

enum hdr_kind { HDR_KIND_TEXT, HDR_KIND_ONE, HDR_KIND_LIST };

/* Long or compact form, any letter case; HDR_OTHER when unknown. */
enum hdr_id hdr_id_of(struct span name);
/* Canonical name; empty for HDR_OTHER. */
struct span hdr_name(enum hdr_id id);
extern const uint8_t hdr_kinds[HDR_COUNT];
static inline enum hdr_kind hdr_kind_of(enum hdr_id id)
{
	return hdr_kinds[id];
}

enum method_id {
	METHOD_OTHER,
#define METHOD(id, text) METHOD_##id,
#include "sip/method.def"
#undef METHOD
	METHOD_COUNT
};

/* Case matters (RFC 3261 7.1): "invite" is METHOD_OTHER. */
enum method_id method_id_of(struct span method);

#ifdef __SSE2__
enum { HDR_LINE = 16 };
extern const char hdr_lines[HDR_COUNT][24]; /* "Via:" and so on */
extern uint8_t hdr_line_ids[256];

/* The four letters a name begins with, and where it ends, as a number that few names share. */
static inline uint8_t hdr_line_hash(uint32_t letters, unsigned colon)
{
	return (uint8_t)((letters + (colon << 8)) * 0xf0a40e51 >> 24);
}

/* The id of a header by its first HDR_LINE bytes, at least one of which is a colon, as `colons` has
 * them bit by bit. Finds the names of up to HDR_LINE - 1 letters when they are spelled as here, as
 * nearly all are: HDR_OTHER says nothing. */
static inline enum hdr_id hdr_id_of_line(__m128i line, unsigned colons)
{
	unsigned name = colons ^ (colons - 1); /* up to and with its colon */
	uint32_t letters = (uint32_t)_mm_cvtsi128_si32(line);
	enum hdr_id id = hdr_line_ids[hdr_line_hash(letters, (unsigned)__builtin_ctz(colons))];
	__m128i known = _mm_loadu_si128((const __m128i *)hdr_lines[id]);
	unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(line, known));
	return name & ~same ? HDR_OTHER : id;
}
#endif

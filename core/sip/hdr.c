#include "sip/hdr.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* One byte that tells names apart by their length and three letters, whatever their case. Computed
 * by the compiler from hdr.def for every id, and by fingerprint_of for the name looked up: the same
 * formula twice. */
#define MIX(n, first, middle, last)                                                                \
	((uint8_t)((n) + 29u * ((uint8_t)(first) | 0x20u) + 11u * ((uint8_t)(middle) | 0x20u) +    \
		   ((uint8_t)(last) | 0x20u)))
#define LENGTH(text) (sizeof(text) - 1)
#define FINGERPRINT(text)                                                                          \
	MIX(LENGTH(text), (text)[0], (text)[LENGTH(text) / 2], (text)[LENGTH(text) - 1])

enum { BLOCK = 16, HDR_PADDED = (HDR_COUNT + BLOCK - 1) / BLOCK * BLOCK };

/* By id, the ids that most messages have first: their block is the first one looked at. */
static const uint8_t fingerprint[HDR_PADDED] __attribute__((aligned(BLOCK))) = {
	0,
#define HDR(id, name, compact, kind) FINGERPRINT(name),
#include "sip/hdr.def"
#undef HDR
};

static const struct span name_of[HDR_COUNT] = {
	{"", 0},
#define HDR(id, name, compact, kind) {name, LENGTH(name)},
#include "sip/hdr.def"
#undef HDR
};

static const uint8_t kind_of[HDR_COUNT] = {
	HDR_KIND_TEXT,
#define HDR(id, name, compact, kind) HDR_KIND_##kind,
#include "sip/hdr.def"
#undef HDR
};

static const char compact_of[HDR_COUNT] = {
	0,
#define HDR(id, name, compact, kind) (compact)[0],
#include "sip/hdr.def"
#undef HDR
};

_Static_assert(HDR_COUNT <= 256, "ids are kept in bytes");

static inline uint8_t fingerprint_of(struct span s)
{
	return MIX(s.n, s.p[0], s.p[s.n / 2], s.p[s.n - 1]);
}

static inline bool is_name(enum hdr_id id, struct span name)
{
	return span_eq(name_of[id], name) || span_ieq(name_of[id], name);
}

#ifdef __SSE2__
static enum hdr_id find_name(struct span name)
{
	__m128i wanted = _mm_set1_epi8((char)fingerprint_of(name));
	for (unsigned at = 0; at < HDR_PADDED; at += BLOCK) {
		__m128i block = _mm_load_si128((const __m128i *)(fingerprint + at));
		unsigned hits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted));
		for (; hits; hits &= hits - 1) {
			unsigned id = at + (unsigned)__builtin_ctz(hits);
			if (id < HDR_COUNT && is_name(id, name))
				return id;
		}
	}
	return HDR_OTHER;
}
#else
static enum hdr_id find_name(struct span name)
{
	uint8_t wanted = fingerprint_of(name);
	const uint8_t *end = fingerprint + HDR_COUNT;
	for (const uint8_t *at = fingerprint + 1; at < end; at++) {
		at = memchr(at, wanted, (size_t)(end - at));
		if (!at)
			break;
		if (is_name((enum hdr_id)(at - fingerprint), name))
			return (enum hdr_id)(at - fingerprint);
	}
	return HDR_OTHER;
}
#endif

enum hdr_id hdr_id_of(struct span name)
{
	if (name.n == 1 && name.p[0] != 0) {
		const char *at = memchr(compact_of, ascii_lower(name.p[0]), sizeof compact_of);
		return at ? (enum hdr_id)(at - compact_of) : HDR_OTHER;
	}
	return name.n > 1 ? find_name(name) : HDR_OTHER;
}

struct span hdr_name(enum hdr_id id)
{
	return name_of[id];
}

enum hdr_kind hdr_kind_of(enum hdr_id id)
{
	return kind_of[id];
}

static const struct span method_of[METHOD_COUNT] = {
	{"", 0},
#define METHOD(id, text) {text, LENGTH(text)},
#include "sip/method.def"
#undef METHOD
};

static const uint8_t method_fingerprint[METHOD_COUNT] = {
	0,
#define METHOD(id, text) FINGERPRINT(text),
#include "sip/method.def"
#undef METHOD
};

enum method_id method_id_of(struct span method)
{
	if (!method.n)
		return METHOD_OTHER;
	uint8_t wanted = fingerprint_of(method);
	for (unsigned id = 1; id < METHOD_COUNT; id++)
		if (method_fingerprint[id] == wanted && span_eq(method_of[id], method))
			return id;
	return METHOD_OTHER;
}

struct span method_name(enum method_id id)
{
	return method_of[id];
}

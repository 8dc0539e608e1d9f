/* Line ends, folds and control bytes of a header section (RFC 3261 7.3.1, 25.1).
 *
 * The parser, the framer, the edits and the replies all take their reading from here: a line ends
 * with CRLF or a bare LF; a following SP or HTAB continues it; every other control byte is an error
 * unless it is escaped in a quoted string. Two readings of one message are how headers get
 * smuggled. */
#pragma once

#include "base/span.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool char_is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static inline bool char_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The first control byte other than HTAB, line ends included; `end` when there is none. */
static inline const char *control_find(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i last = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'),
		      del = _mm_set1_epi8(0x7f);
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)p);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, last), v);
		__m128i any = _mm_or_si128(
			_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), low), _mm_cmpeq_epi8(v, del));
		int mask = _mm_movemask_epi8(any);
		if (mask)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	while (p < end && !char_is_control(*p))
		p++;
	return p;
}

enum { CONTROL_BLOCK = 64 };

#ifdef __SSE2__
/* What is no control byte, by one comparison of signed bytes behind an addition: 0x00 to 0x1f
 * become 1 to 32, 0x7f and all above become negative. */
static inline uint64_t text_mask16(const char *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)p);
	v = _mm_cmpgt_epi8(_mm_add_epi8(v, _mm_set1_epi8(1)), _mm_set1_epi8(0x20));
	return (unsigned)_mm_movemask_epi8(v);
}
#endif

/* Which of the CONTROL_BLOCK bytes at `p` may be control bytes, HTAB and line ends included: bit i
 * is byte i. Bytes beyond ASCII may be set too, for whoever looks at each anyway. */
static inline uint64_t control_mask(const char *p)
{
#ifdef __SSE2__
	return ~(text_mask16(p) | text_mask16(p + 16) << 16 | text_mask16(p + 32) << 32 |
		 text_mask16(p + 48) << 48);
#else
	uint64_t mask = 0;
	for (int i = 0; i < CONTROL_BLOCK; i++)
		mask |= (uint64_t)(p[i] == '\t' || char_is_control(p[i])) << i;
	return mask;
#endif
}

/* The first `c` at `p`, or NULL; for what is mostly found near. */
static inline const char *byte_find(const char *p, const char *end, char c)
{
#ifdef __SSE2__
	if (end - p >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)p);
		int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
		if (mask)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	return memchr(p, c, (size_t)(end - p));
}

/* Length of the line end at `p`: 2, 1, or 0 when none stands there. */
static inline uint32_t line_end_at(const char *p, const char *end)
{
	if (p < end && *p == '\n')
		return 1;
	return end - p >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

/* No control bytes but HTAB, folds, and what a backslash escapes in a quoted string. */
bool text_is_clean(struct span text);

/* What a header that somebody wants to write may hold: clean, and no CR, LF or NUL at all. */
bool text_is_writable(struct span text);

/* Whether a first line (without its end) belongs to SIP: a status line, a request line of any SIP
 * version, or at least one for a sip: or sips: URI. HTTP, RTSP, STUN and RTP are not. */
bool line_is_sip(struct span line);

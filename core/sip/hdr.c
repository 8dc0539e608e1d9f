#include "sip/hdr.h"

#include "base/check.h"

#define LENGTH(text) (sizeof(text) - 1)

static const struct span header_name[HDR_COUNT] = {
	{"", 0},
#define HDR(id, name, compact, kind) {name, LENGTH(name)},
#include "sip/hdr.def"
#undef HDR
};

const uint8_t hdr_kinds[HDR_COUNT] = {
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

static const struct span method_text[METHOD_COUNT] = {
	{"", 0},
#define METHOD(id, text) {text, LENGTH(text)},
#include "sip/method.def"
#undef METHOD
};

_Static_assert(HDR_COUNT <= 256 && METHOD_COUNT <= 256, "ids are kept in bytes");

/* Tells names apart by their length and three letters, whatever the case of these: upper and lower
 * differ in the bit that the factor of eight drops. */
static inline uint8_t fingerprint_of(struct span name)
{
	const unsigned char *p = (const unsigned char *)name.p;
	unsigned letters = p[0] + 5u * p[name.n / 2] + 3u * p[name.n - 1];
	return (uint8_t)(9 * name.n + 8 * letters);
}

/* The ids by fingerprint. Few headers share one; those are chained. No methods do. */
static uint8_t header_at[256], header_next[HDR_COUNT];
static uint8_t method_at[256];
static uint8_t compact_id[32]; /* by the letter's last five bits */

#ifdef __SSE2__
const char hdr_lines[HDR_COUNT][24] = {
	"",
#define HDR(id, name, compact, kind) name ":",
#include "sip/hdr.def"
#undef HDR
};
uint8_t hdr_line_ids[256];

static void index_line(enum hdr_id id)
{
	char line[4] = {0, 0, 0, ' '}; /* behind "To:" */
	size_t n = header_name[id].n + 1;
	memcpy(line, hdr_lines[id], n < sizeof line ? n : sizeof line);
	if (n <= HDR_LINE)
		hdr_line_ids[hdr_line_hash(load_u32(line), header_name[id].n)] = (uint8_t)id;
}
#else
static void index_line(enum hdr_id id)
{
	(void)id;
}
#endif

/* Before main, because gcc takes no letter of a literal for an index in an initialiser. The ids
 * that most messages have are the lowest, and so come first. */
static __attribute__((constructor)) void index_names(void)
{
	for (unsigned id = HDR_COUNT - 1; id > HDR_OTHER; id--) {
		uint8_t *at = &header_at[fingerprint_of(header_name[id])];
		header_next[id] = *at;
		*at = (uint8_t)id;
		if (compact_of[id])
			compact_id[compact_of[id] & 31] = (uint8_t)id;
		index_line(id);
	}
	for (unsigned id = METHOD_COUNT - 1; id > METHOD_OTHER; id--) {
		uint8_t *at = &method_at[fingerprint_of(method_text[id])];
		BUG(*at); /* another constant in fingerprint_of parts them */
		*at = (uint8_t)id;
	}
}

static inline bool is_name(struct span known, struct span name)
{
	return known.n == name.n && (bytes_eq(known.p, name.p, name.n) || span_ieq(known, name));
}

enum hdr_id hdr_id_of(struct span name)
{
	enum hdr_id id = HDR_OTHER;
	if (name.n == 1) {
		id = compact_id[name.p[0] & 31];
		return id && compact_of[id] == ascii_lower(name.p[0]) ? id : HDR_OTHER;
	}
	if (name.n)
		id = header_at[fingerprint_of(name)];
	while (id != HDR_OTHER && !is_name(header_name[id], name))
		id = header_next[id];
	return id;
}

struct span hdr_name(enum hdr_id id)
{
	return header_name[id];
}

enum method_id method_id_of(struct span method)
{
	enum method_id id = method.n ? method_at[fingerprint_of(method)] : METHOD_OTHER;
	struct span known = method_text[id];
	return known.n == method.n && bytes_eq(known.p, method.p, method.n) ? id : METHOD_OTHER;
}

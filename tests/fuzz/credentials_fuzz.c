/* One header value as credentials: written again, each text quoted and escaped, they read the same.
 */
#include "sip/credentials.h"
#include "spans.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 8192 }; /* twice that fits a piece, all escaped */

static const char *const names[] = {"username", "realm", "nonce", "uri", "response", "cnonce", "nc",
	"qop", "algorithm", "opaque"};
enum { NAMES = sizeof names / sizeof names[0] };
_Static_assert(
	sizeof(struct credentials) == NAMES * sizeof(struct span), "every text has its name");

static void put_param(struct pieces *out, const char *name, struct span text, bool first)
{
	put(out, first ? SPAN("digest\t") : SPAN(" , "));
	put(out, span_str(name));
	put(out, SPAN(" = \""));
	for (uint32_t i = 0; i < text.n; i++) {
		bool special = text.p[i] == '"' || text.p[i] == '\\';
		put(out, special ? SPAN("\\") : span_of("", 0));
		put(out, span_of(text.p + i, 1));
	}
	put(out, SPAN("\""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pieces out;
	char first[256];
	struct arena arena;
	struct credentials read, again;
	if (size > TEXT_MAX)
		return 0;
	arena_init(&arena, first, sizeof first);
	if (credentials_parse(span_of((const char *)data, size), &arena, &read) == 0) {
		const struct span *texts = (const struct span *)&read,
				  *texts_again = (const struct span *)&again;
		bool any = false;
		out.n = 0;
		for (int i = 0; i < NAMES; i++) {
			if (!texts[i].p)
				continue;
			put_param(&out, names[i], texts[i], !any);
			any = true;
		}
		if (any) {
			BUG(credentials_parse(whole_of(&out), &arena, &again) < 0);
			for (int i = 0; i < NAMES; i++)
				must_agree(texts_again[i], texts[i]);
		}
	}
	arena_reset(&arena);
	return 0;
}

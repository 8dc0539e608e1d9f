#include "engine/nonces.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/notes.h"
#include "base/put.h"
#include "sip/grammar.h"

/* A nonce: its number, then the hash, 16 digits each. The number is the time in milliseconds and
 * NUMBER_BITS that tell those of one millisecond apart. */
enum { NUMBER_BITS = 20, HALF = 16 };

struct nonces {
	struct siphash_key key;
	struct notes *notes; /* by number: which counts were used; NULL until one was */
	uint64_t made;
	int64_t forgotten_ms; /* notes of nonces up to that time may be gone */
};

struct nonces *nonces_new(const struct siphash_key *key)
{
	struct nonces *nonces = must_zalloc(sizeof *nonces);
	nonces->key = *key;
	nonces->forgotten_ms = -1;
	return nonces;
}

void nonces_free(struct nonces *nonces)
{
	if (!nonces)
		return;
	notes_free(nonces->notes);
	free(nonces);
}

static void put_hash(const struct nonces *nonces, uint64_t number, const struct nonce_scope *scope,
	char out[HALF])
{
	enum { NUMBER = 8, ADDRESS = 17 }; /* the address with its family */
	char text[NUMBER + ADDRESS + NONCE_REALM_MAX] = {0};
	bool v6 = scope->source.sa.sa_family == AF_INET6;
	BUG(scope->realm.n > NONCE_REALM_MAX);
	memcpy(text, &number, NUMBER);
	text[NUMBER] = v6;
	if (v6)
		memcpy(text + NUMBER + 1, &scope->source.in6.sin6_addr, 16);
	else
		memcpy(text + NUMBER + 1, &scope->source.in4.sin_addr, 4);
	put_span(text + NUMBER + ADDRESS, scope->realm);
	put_hex64(out, siphash(&nonces->key, text, NUMBER + ADDRESS + scope->realm.n));
}

void nonce_make(struct nonces *nonces, const struct nonce_scope *scope, int64_t now_ms,
	char out[NONCE_LENGTH])
{
	uint64_t low = nonces->made++ & ((1u << NUMBER_BITS) - 1);
	uint64_t number = (uint64_t)now_ms << NUMBER_BITS | low;
	put_hex64(out, number);
	put_hash(nonces, number, scope, out + HALF);
}

/* Of a text that is hexadecimal digits. */
static uint64_t hex_value(struct span text)
{
	uint64_t value = 0;
	for (uint32_t i = 0; i < text.n; i++) {
		char c = ascii_lower(text.p[i]);
		value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return value;
}

static uint64_t number_of(struct span nonce)
{
	return hex_value(span_of(nonce.p, HALF));
}

bool nonce_is_ours(const struct nonces *nonces, struct span nonce, const struct nonce_scope *scope,
	int64_t *issued_ms)
{
	char expected[HALF];
	if (nonce.n != NONCE_LENGTH || !span_is(nonce, CHAR_HEX))
		return false;
	uint64_t number = number_of(nonce);
	put_hash(nonces, number, scope, expected);
	*issued_ms = (int64_t)(number >> NUMBER_BITS);
	return CRYPTO_memcmp(nonce.p + HALF, expected, HALF) == 0;
}

bool nonce_is_stale(const struct nonces *nonces, int64_t issued_ms, int64_t life_ms, int64_t now_ms)
{
	return issued_ms <= nonces->forgotten_ms || now_ms - issued_ms > life_ms;
}

bool nonce_count_parse(struct span text, uint32_t *count)
{
	enum { DIGITS = 8 };
	if (text.n != DIGITS || !span_is(text, CHAR_HEX))
		return false;
	*count = (uint32_t)hex_value(text);
	return *count > 0;
}

/* ---- what was used ---- */

/* A note's value: the highest count used, and below it one bit for each of the NONCE_WINDOW counts
 * from there downwards. */
static uint64_t note_value(uint32_t top, uint32_t window)
{
	return (uint64_t)top << NONCE_WINDOW | window;
}

static struct note *note_of(const struct nonces *nonces, uint64_t number)
{
	return nonces->notes ? notes_find(nonces->notes, siphash(&nonces->key, &number, 8)) : NULL;
}

static bool is_used(uint64_t value, uint32_t count)
{
	uint32_t top = (uint32_t)(value >> NONCE_WINDOW), window = (uint32_t)value;
	if (count > top)
		return false;
	return top - count >= NONCE_WINDOW || (window >> (top - count) & 1);
}

bool nonce_was_used(const struct nonces *nonces, struct span nonce, uint32_t count)
{
	const struct note *note = note_of(nonces, number_of(nonce));
	return note && is_used(note->value, count);
}

static struct note *new_note(struct nonces *nonces, uint64_t number, int64_t issued_ms)
{
	struct note gone;
	if (!nonces->notes)
		nonces->notes = notes_new(NONCES_MAX);
	struct note *note =
		notes_put(nonces->notes, siphash(&nonces->key, &number, 8), issued_ms, &gone);
	if (gone.key && gone.at_ms > nonces->forgotten_ms)
		nonces->forgotten_ms = gone.at_ms;
	return note;
}

bool nonce_use(struct nonces *nonces, struct span nonce, uint32_t count, int64_t issued_ms)
{
	uint64_t number = number_of(nonce);
	struct note *note = note_of(nonces, number);
	if (!note) {
		new_note(nonces, number, issued_ms)->value = note_value(count, 1);
		return true;
	}
	if (is_used(note->value, count))
		return false;
	uint32_t top = (uint32_t)(note->value >> NONCE_WINDOW), window = (uint32_t)note->value;
	if (count > top) {
		window = count - top < NONCE_WINDOW ? window << (count - top) : 0;
		note->value = note_value(count, window | 1);
	} else {
		note->value = note_value(top, window | 1u << (top - count));
	}
	return true;
}

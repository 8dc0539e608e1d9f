/* The nonces of digest challenges (RFC 7616 3.3, 5.4), and how often each was used.
 *
 * A nonce is its time and a keyed hash over that, the realm and the source's address: one that we
 * gave out is told from an invented one without remembering any, so whoever knows no password costs
 * no memory. Only a nonce that was used with the right password gets a note of the counts it was
 * used with; when NONCES_MAX are noted the oldest goes, and every nonce given out before it is
 * stale from then on: what was forgotten cannot be replayed. It reads no clock. */
#pragma once

#include "base/addr.h"
#include "base/siphash.h"

enum {
	NONCE_LENGTH = 32,
	NONCES_MAX = 262144, /* used within their lifetime; beyond it lifetimes shrink */
	NONCE_WINDOW = 32,   /* counts that may overtake each other */
	NONCE_REALM_MAX = 256,
};

struct nonces;

struct nonces *nonces_new(const struct siphash_key *key);
void nonces_free(struct nonces *nonces); /* NULL is fine */

/* For whom a nonce is good. */
struct nonce_scope {
	struct span realm; /* at most NONCE_REALM_MAX */
	struct addr source;
};

/* A new one each time. */
void nonce_make(struct nonces *nonces, const struct nonce_scope *scope, int64_t now_ms,
	char out[NONCE_LENGTH]);

/* We gave it out for that scope; `*issued_ms` is when. */
bool nonce_is_ours(const struct nonces *nonces, struct span nonce, const struct nonce_scope *scope,
	int64_t *issued_ms);
/* Too old for counting its uses any more, or older than `life_ms`. */
bool nonce_is_stale(
	const struct nonces *nonces, int64_t issued_ms, int64_t life_ms, int64_t now_ms);

/* Eight hexadecimal digits, not 0 (RFC 7616 3.4). */
bool nonce_count_parse(struct span text, uint32_t *count);
/* The count of a nonce that is ours was used, or is too far behind others to tell. */
bool nonce_was_used(const struct nonces *nonces, struct span nonce, uint32_t count);
/* Uses it, unless it was used before: false. */
bool nonce_use(struct nonces *nonces, struct span nonce, uint32_t count, int64_t issued_ms);

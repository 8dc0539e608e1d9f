/* Registrar bindings in memory: which contacts an address of record (AOR) is reachable at.
 *
 * It compares texts byte by byte and knows nothing of SIP: the caller normalises AORs, decides
 * which two contact URIs are equal, and validates a whole REGISTER (bindings_check, bindings_room)
 * before it applies any part of it, which makes RFC 3261 10.3 step 7 all-or-nothing. One allocation
 * per binding; the store owns copies of all texts. Tables grow and shrink by one bucket at a time,
 * so no call takes long because of it.
 *
 * Time is `now`, milliseconds of the caller's clock; a binding is live while now < expires_at. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/siphash.h"
#include "base/world.h"

enum {
	BINDINGS_PER_AOR = 10, /* defaults of struct bindings_limits */
	BINDINGS_TOTAL = 1000000,
	BINDING_AOR_MAX = 512, /* bytes */
	BINDING_CONTACT_MAX = 1024,
	BINDING_CALL_ID_MAX = 512,
	BINDING_PARAMS_MAX = 1024,
	BINDING_PATH_MAX = 2048,
	BINDING_Q_MAX = 1000,
};

/* What the caller puts in, and a view of what is stored: its texts are valid until the next call
 * that may change the store (has_contact and expire among them). */
struct binding {
	struct span aor;
	struct span contact; /* URI without brackets */
	struct span call_id;
	/* Of the Contact header, to be echoed: `;+sip.instance="<...>"`; may be empty. */
	struct span params;
	struct span path; /* Path values joined by commas (RFC 3327); may be empty */
	uint16_t q;	  /* 0 to BINDING_Q_MAX */
	uint32_t cseq;
	int64_t expires_at;
	uint64_t created; /* counts up with each new binding, kept by a refresh; put ignores it */
	struct flow flow; /* the REGISTER came by it */
};

struct bindings;

struct bindings_limits {
	uint32_t per_aor, total; /* 0: the default */
};

/* `key` should be random: whoever knows it can make the store slow. `limits` may be NULL. */
struct bindings *bindings_new(const struct siphash_key *key, const struct bindings_limits *limits);
void bindings_free(struct bindings *store);

/* Beforehand: is any text or value of this binding beyond a limit? NULL: none, else which, as a
 * sentence. */
const char *bindings_check(const struct binding *binding);
/* Beforehand: how many bindings may be added to this AOR now; each one removed first makes room for
 * one more. */
uint32_t bindings_room(const struct bindings *store, struct span aor, int64_t now);

/* Adds; the caller has found no equal contact. `contact_key` is what bindings_has_contact shall
 * find it by, "host:port" or whatever the caller looks up; empty: it cannot be found that way.
 * False, and nothing changed, when a limit stands against it. */
bool bindings_put(struct bindings *store, const struct binding *binding, struct span contact_key,
	int64_t now);

/* The live bindings of one AOR, by q downwards, then newest created first.
 *
 *	bindings_find(store, aor, now, &cursor);
 *	while (bindings_next(&cursor, &binding))
 *		...
 *
 * The store may change meanwhile: the iteration goes on behind the binding it gave last. One that
 *is stored all the while with the same q is given once. */
struct bindings_cursor { /* private; needs no end, but the store must live */
	struct bindings *store;
	struct record *at, *next;
	int64_t now;
	uint64_t aor_hash, changes;
	uint64_t created; /* of the binding given last; 0: none yet */
	uint16_t q;
};

void bindings_find(
	struct bindings *store, struct span aor, int64_t now, struct bindings_cursor *cursor);
bool bindings_next(struct bindings_cursor *cursor, struct binding *binding);

/* Refreshes what bindings_next gave last, if the store has not changed since: all but its AOR and
 * `created` becomes `binding`, whose texts may be views of the one replaced. False, and nothing
 * changed, when a limit stands against it. */
bool bindings_replace(
	struct bindings_cursor *cursor, const struct binding *binding, struct span contact_key);
/* Removes what bindings_next gave last, if the store has not changed since. */
void bindings_remove(struct bindings_cursor *cursor);
/* Returns how many live bindings that took away. */
uint32_t bindings_remove_all(struct bindings *store, struct span aor, int64_t now);

/* Is a live binding stored under this key? Drops expired ones that it meets. */
bool bindings_has_contact(struct bindings *store, struct span contact_key, int64_t now);

/* The time in which bindings_expire looks at everything once (twice when the tables shrink
 * meanwhile), and the most buckets that a call looks at; one holds about one binding. */
enum { BINDINGS_SWEEP_MS = 60000, BINDINGS_SWEEP_BUCKETS = 20000 };

/* Drops some of the expired bindings; call it about ten times a second. Returns how many. All other
 * calls treat expired bindings as absent, so this is about memory and the total limit only. */
uint32_t bindings_expire(struct bindings *store, int64_t now);

/* Stored, with expired ones that have not been dropped yet. */
uint32_t bindings_count(const struct bindings *store);
/* All memory of the store as requested from the allocator. */
size_t bindings_bytes(const struct bindings *store);

/* All live bindings page by page, in no useful order: start with *position = 0 and call until it
 * returns false. Each page holds `n` bindings or a few more. The store may change between pages;
 * what stays stored all the while is given exactly once. `each` must not change the store. */
bool bindings_walk(struct bindings *store, uint64_t *position, uint32_t n, int64_t now,
	void (*each)(void *self, const struct binding *binding), void *self);

/* How core/store keeps one binding: a single block, its texts at the end one after the other. */
#pragma once

#include "store/bindings.h"

enum record_index { BY_AOR, BY_KEY };

enum record_text { TEXT_AOR, TEXT_CONTACT, TEXT_CALL_ID, TEXT_PARAMS, TEXT_PATH, TEXT_N };

struct record {
	/* BY_AOR: chain of the bucket; the records of one AOR lie together in it, in order.
	 * BY_KEY: chain of the bucket, of one record for each key, the leader. The others with that
	 * key follow it by `same`, and use this link backwards. So it costs nothing that a
	 * thousand AORs register one contact. */
	struct record *next[2];
	struct record *same;
	uint64_t hash[2];
	int64_t expires_at;
	uint64_t created, connection;
	uint32_t cseq, leg;
	uint16_t q;
	uint16_t n[TEXT_N];
	uint8_t peer_n; /* bytes of the socket address after the texts: 8, 28 or none */
	bool is_keyed : 1, is_follower : 1;
	char text[];
};

/* Takes all of `binding` but `created`; its texts and key are within their limits. */
struct record *record_new(const struct binding *binding);
size_t record_size(const struct record *record);
struct span record_text(const struct record *record, enum record_text which);
/* Would `binding` fill exactly this block? Then record_set may write it over. */
bool record_fits(const struct record *record, const struct binding *binding);
void record_set(struct record *record, const struct binding *binding);
/* The view's texts point into `record`. */
void record_view(const struct record *record, struct binding *binding);

static inline bool record_is_of(const struct record *record, uint64_t hash, struct span aor)
{
	return record->hash[BY_AOR] == hash && record->n[TEXT_AOR] == aor.n &&
	       memcmp(record->text, aor.p, aor.n) == 0;
}

#include "store/bindings.h"

#include <stdlib.h>

#include "base/check.h"
#include "store/buckets.h"

struct bindings {
	struct siphash_key key;
	struct bindings_limits limits;
	struct buckets by_aor, by_key;
	uint32_t n;
	size_t record_bytes;
	uint64_t created; /* of the latest new binding */
	uint64_t changes; /* counts up whenever a record goes: cursors must look again */
	uint32_t hand;	  /* bucket of by_aor that bindings_expire looks at next */
	int64_t swept_at; /* its latest call; 0: none yet */
};

struct bindings *bindings_new(const struct siphash_key *key, const struct bindings_limits *limits)
{
	struct bindings *store = must_zalloc(sizeof *store);
	store->key = *key;
	if (limits)
		store->limits = *limits;
	if (!store->limits.per_aor)
		store->limits.per_aor = BINDINGS_PER_AOR;
	if (!store->limits.total)
		store->limits.total = BINDINGS_TOTAL;
	buckets_init(&store->by_aor, BY_AOR);
	buckets_init(&store->by_key, BY_KEY);
	return store;
}

void bindings_free(struct bindings *store)
{
	if (!store)
		return;
	for (uint32_t i = 0; i < store->by_aor.n; i++)
		for (struct record *record = *buckets_at(&store->by_aor, i), *next; record;
			record = next) {
			next = record->next[BY_AOR];
			free(record);
		}
	buckets_fini(&store->by_aor);
	buckets_fini(&store->by_key);
	free(store);
}

const char *bindings_check(const struct binding *binding)
{
	if (!binding->aor.n)
		return "the address of record is empty";
	if (binding->aor.n > BINDING_AOR_MAX)
		return "the address of record is too long";
	if (!binding->contact.n)
		return "the contact is empty";
	if (binding->contact.n > BINDING_CONTACT_MAX)
		return "the contact is too long";
	if (binding->call_id.n > BINDING_CALL_ID_MAX)
		return "the Call-ID is too long";
	if (binding->params.n > BINDING_PARAMS_MAX)
		return "the contact has too many parameters";
	if (binding->path.n > BINDING_PATH_MAX)
		return "the path is too long";
	if (binding->q > BINDING_Q_MAX)
		return "q is above 1";
	return NULL;
}

static uint64_t hash_of(const struct bindings *store, struct span text)
{
	return siphash(&store->key, text.p, text.n);
}

/* Where the first record of this AOR hangs, or the end of its bucket's chain. */
static struct record **aor_slot(const struct bindings *store, uint64_t hash, struct span aor)
{
	struct record **slot = buckets_of(&store->by_aor, hash);
	while (*slot && !record_is_of(*slot, hash, aor))
		slot = &(*slot)->next[BY_AOR];
	return slot;
}

static struct record *next_of_aor(const struct record *record)
{
	struct record *next = record->next[BY_AOR];
	bool is_same =
		next && record_is_of(next, record->hash[BY_AOR], record_text(record, TEXT_AOR));
	return is_same ? next : NULL;
}

static bool goes_before(const struct record *a, const struct record *b)
{
	return a->q != b->q ? a->q > b->q : a->created > b->created;
}

static void aor_link(struct bindings *store, struct record *record)
{
	struct span aor = record_text(record, TEXT_AOR);
	uint64_t hash = record->hash[BY_AOR];
	struct record **slot = aor_slot(store, hash, aor);
	while (*slot && record_is_of(*slot, hash, aor) && goes_before(*slot, record))
		slot = &(*slot)->next[BY_AOR];
	record->next[BY_AOR] = *slot;
	*slot = record;
}

static void aor_unlink(struct bindings *store, struct record *record)
{
	struct record **slot = buckets_of(&store->by_aor, record->hash[BY_AOR]);
	while (*slot != record)
		slot = &(*slot)->next[BY_AOR];
	*slot = record->next[BY_AOR];
}

/* Where the leader of this key hangs, or the end of its bucket's chain. The hash stands for the
 * key: it is 64 bits under a secret. */
static struct record **key_slot(const struct bindings *store, uint64_t hash)
{
	struct record **slot = buckets_of(&store->by_key, hash);
	while (*slot && (*slot)->hash[BY_KEY] != hash)
		slot = &(*slot)->next[BY_KEY];
	return slot;
}

static void key_link(struct bindings *store, struct record *record)
{
	struct record **slot = key_slot(store, record->hash[BY_KEY]), *leader = *slot;
	record->is_follower = leader != NULL;
	record->next[BY_KEY] = leader;
	record->same = NULL;
	if (!leader) {
		*slot = record;
		return;
	}
	record->same = leader->same;
	leader->same = record;
	if (record->same)
		record->same->next[BY_KEY] = record;
}

static void key_unlink(struct bindings *store, struct record *record)
{
	struct record *heir = record->same;
	if (record->is_follower) {
		record->next[BY_KEY]->same = heir;
		if (heir)
			heir->next[BY_KEY] = record->next[BY_KEY];
		return;
	}
	struct record **slot = key_slot(store, record->hash[BY_KEY]);
	*slot = heir ? heir : record->next[BY_KEY];
	if (heir) {
		heir->is_follower = false;
		heir->next[BY_KEY] = record->next[BY_KEY];
	}
}

static void set_key(struct bindings *store, struct record *record, struct span contact_key)
{
	record->is_keyed = contact_key.n > 0;
	record->hash[BY_KEY] = record->is_keyed ? hash_of(store, contact_key) : 0;
}

static void link_record(struct bindings *store, struct record *record)
{
	aor_link(store, record);
	if (record->is_keyed)
		key_link(store, record);
	store->n++;
	store->record_bytes += record_size(record);
}

static void unlink_record(struct bindings *store, struct record *record)
{
	aor_unlink(store, record);
	if (record->is_keyed)
		key_unlink(store, record);
	store->n--;
	store->changes++;
	store->record_bytes -= record_size(record);
}

/* After it nothing about chains is known but that records of one AOR still lie together. */
static void drop(struct bindings *store, struct record *record)
{
	unlink_record(store, record);
	free(record);
	buckets_shrink(&store->by_aor, store->n);
	buckets_shrink(&store->by_key, store->n);
}

static uint32_t count_live(const struct bindings *store, struct span aor, int64_t now)
{
	uint32_t n = 0;
	struct record *record = *aor_slot(store, hash_of(store, aor), aor);
	for (; record; record = next_of_aor(record))
		n += record->expires_at > now;
	return n;
}

uint32_t bindings_room(const struct bindings *store, struct span aor, int64_t now)
{
	uint32_t live = count_live(store, aor, now);
	uint32_t aor_room = live < store->limits.per_aor ? store->limits.per_aor - live : 0;
	uint32_t room = store->n < store->limits.total ? store->limits.total - store->n : 0;
	return aor_room < room ? aor_room : room;
}

static void drop_expired_of(
	struct bindings *store, uint64_t hash, const struct record *of, int64_t now)
{
	struct span aor = record_text(of, TEXT_AOR);
	struct record *record = *aor_slot(store, hash, aor), *next;
	for (; record; record = next) {
		next = next_of_aor(record);
		if (record->expires_at <= now && record != of)
			drop(store, record);
	}
}

bool bindings_put(
	struct bindings *store, const struct binding *binding, struct span contact_key, int64_t now)
{
	if (bindings_check(binding) || !bindings_room(store, binding->aor, now))
		return false;
	struct record *record = record_new(binding);
	record->hash[BY_AOR] = hash_of(store, binding->aor);
	record->created = ++store->created;
	set_key(store, record, contact_key);
	link_record(store, record);
	buckets_grow(&store->by_aor, store->n);
	buckets_grow(&store->by_key, store->n);
	drop_expired_of(store, record->hash[BY_AOR], record, now);
	return true;
}

void bindings_find(
	struct bindings *store, struct span aor, int64_t now, struct bindings_cursor *cursor)
{
	uint64_t hash = hash_of(store, aor);
	*cursor = (struct bindings_cursor){
		.store = store,
		.next = *aor_slot(store, hash, aor),
		.now = now,
		.aor_hash = hash,
		.changes = store->changes,
	};
}

/* The first behind the one given last. The cursor has no text of its AOR, whose hash stands for it.
 */
static void look_again(struct bindings_cursor *cursor)
{
	const struct bindings *store = cursor->store;
	const struct record last = {.q = cursor->q, .created = cursor->created};
	struct record *record = *buckets_of(&store->by_aor, cursor->aor_hash);
	while (record && (record->hash[BY_AOR] != cursor->aor_hash ||
				 (cursor->created && !goes_before(&last, record))))
		record = record->next[BY_AOR];
	cursor->next = record;
	cursor->changes = store->changes;
}

bool bindings_next(struct bindings_cursor *cursor, struct binding *binding)
{
	if (cursor->changes != cursor->store->changes)
		look_again(cursor);
	struct record *record = cursor->next;
	while (record && record->expires_at <= cursor->now)
		record = next_of_aor(record);
	cursor->at = record;
	cursor->next = record ? next_of_aor(record) : NULL;
	if (!record)
		return false;
	cursor->q = record->q;
	cursor->created = record->created;
	record_view(record, binding);
	return true;
}

bool bindings_replace(
	struct bindings_cursor *cursor, const struct binding *binding, struct span contact_key)
{
	struct bindings *store = cursor->store;
	struct record *old = cursor->at;
	BUG(!old || cursor->changes != store->changes);
	struct binding kept = *binding;
	kept.aor = record_text(old, TEXT_AOR);
	if (bindings_check(&kept))
		return false;
	uint64_t key_hash = contact_key.n ? hash_of(store, contact_key) : 0;
	bool same_key = old->is_keyed == (contact_key.n > 0) && old->hash[BY_KEY] == key_hash;
	if (same_key && old->q == kept.q && record_fits(old, &kept)) {
		record_set(old, &kept); /* the usual refresh: nothing moves */
		return true;
	}
	struct record *record = record_new(&kept);
	record->hash[BY_AOR] = old->hash[BY_AOR];
	record->created = old->created;
	set_key(store, record, contact_key);
	unlink_record(store, old);
	link_record(store, record);
	free(old);
	cursor->at = NULL;
	return true;
}

void bindings_remove(struct bindings_cursor *cursor)
{
	BUG(!cursor->at || cursor->changes != cursor->store->changes);
	drop(cursor->store, cursor->at);
	cursor->at = NULL;
}

uint32_t bindings_remove_all(struct bindings *store, struct span aor, int64_t now)
{
	uint32_t n = 0;
	struct record *record = *aor_slot(store, hash_of(store, aor), aor), *next;
	for (; record; record = next) {
		next = next_of_aor(record);
		n += record->expires_at > now;
		drop(store, record);
	}
	return n;
}

bool bindings_has_contact(struct bindings *store, struct span contact_key, int64_t now)
{
	uint64_t hash = hash_of(store, contact_key);
	struct record *record;
	while (contact_key.n && (record = *key_slot(store, hash)) != NULL) {
		if (record->expires_at > now)
			return true;
		drop(store, record);
	}
	return false;
}

static uint32_t sweep_bucket(struct bindings *store, uint32_t i, int64_t now)
{
	uint32_t n = 0;
	for (struct record *record = *buckets_at(&store->by_aor, i), *next; record; record = next) {
		next = record->next[BY_AOR];
		if (record->expires_at > now)
			continue;
		unlink_record(store, record);
		free(record);
		n++;
	}
	return n;
}

uint32_t bindings_expire(struct bindings *store, int64_t now)
{
	int64_t elapsed = now - store->swept_at, most = store->by_aor.n;
	if (most > BINDINGS_SWEEP_BUCKETS)
		most = BINDINGS_SWEEP_BUCKETS;
	if (!store->swept_at || elapsed < 0)
		elapsed = 0;
	int64_t looks = elapsed < BINDINGS_SWEEP_MS
				? store->by_aor.n * elapsed / BINDINGS_SWEEP_MS + 1
				: most;
	if (looks > most)
		looks = most;
	store->swept_at = now;
	uint32_t n = 0;
	for (; looks > 0; looks--) {
		if (store->hand >= store->by_aor.n)
			store->hand = 0;
		n += sweep_bucket(store, store->hand++, now);
	}
	for (uint32_t i = 0; i < n; i++) {
		buckets_shrink(&store->by_aor, store->n);
		buckets_shrink(&store->by_key, store->n);
	}
	return n;
}

uint32_t bindings_count(const struct bindings *store)
{
	return store->n;
}

size_t bindings_bytes(const struct bindings *store)
{
	return sizeof *store + store->record_bytes + buckets_bytes(&store->by_aor) +
	       buckets_bytes(&store->by_key);
}

bool bindings_walk(struct bindings *store, uint64_t *position, uint32_t n, int64_t now,
	void (*each)(void *self, const struct binding *binding), void *self)
{
	uint32_t given = 0;
	do {
		struct record *record = *buckets_of(&store->by_aor, buckets_place(*position));
		for (; record; record = record->next[BY_AOR]) {
			struct binding binding;
			if (record->expires_at <= now ||
				buckets_place(record->hash[BY_AOR]) < *position)
				continue;
			record_view(record, &binding);
			each(self, &binding);
			given++;
		}
		*position = buckets_after(&store->by_aor, *position);
	} while (*position && given < n);
	return *position != 0;
}

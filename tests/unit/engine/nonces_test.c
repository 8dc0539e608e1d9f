/* Which nonces are ours, and that a count is used once however many nonces there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "engine/nonces.h"

enum { NOW = 5000000, LIFE_MS = 300000 };

static const struct siphash_key key = {1, 2};

static struct nonce_scope scope_of(const char *realm, const char *source)
{
	struct nonce_scope scope = {.realm = span_str(realm)};
	assert_true(addr_parse(span_str(source), 5060, &scope.source));
	return scope;
}

struct made {
	char text[NONCE_LENGTH];
	int64_t issued_ms;
};

static struct span text_of(const struct made *made)
{
	return span_of(made->text, sizeof made->text);
}

static struct made make(struct nonces *nonces, const struct nonce_scope *scope, int64_t now_ms)
{
	struct made made;
	nonce_make(nonces, scope, now_ms, made.text);
	assert_true(nonce_is_ours(nonces, text_of(&made), scope, &made.issued_ms));
	assert_int_equal(made.issued_ms, now_ms);
	return made;
}

static bool is_ours(struct nonces *nonces, struct span nonce, const char *realm, const char *source)
{
	struct nonce_scope scope = scope_of(realm, source);
	int64_t issued_ms;
	return nonce_is_ours(nonces, nonce, &scope, &issued_ms);
}

static void a_nonce_is_good_for_its_realm_and_address_and_no_other(void **state)
{
	struct nonces *nonces = nonces_new(&key);
	struct nonce_scope v4 = scope_of("a.org", "192.0.2.1:5060"),
			   v6 = scope_of("a.org", "[c000:201::]:5060");
	struct made made = make(nonces, &v4, NOW), other = make(nonces, &v6, NOW);
	(void)state;
	assert_true(is_ours(nonces, text_of(&made), "a.org", "192.0.2.1:9"));
	assert_false(is_ours(nonces, text_of(&made), "a.org", "192.0.2.2"));
	assert_false(is_ours(nonces, text_of(&made), "a.orgs", "192.0.2.1"));
	assert_false(is_ours(nonces, text_of(&made), "", "192.0.2.1"));
	assert_false(is_ours(nonces, text_of(&made), "a.org", "[c000:201::]:5060"));
	assert_false(is_ours(nonces, text_of(&other), "a.org", "192.0.2.1"));
	assert_false(is_ours(nonces, text_of(&other), "a.org", "[c000:201::1]:5060"));
	nonces_free(nonces);
}

static void no_two_are_the_same_and_none_survives_a_change(void **state)
{
	struct nonces *nonces = nonces_new(&key);
	struct nonce_scope scope = scope_of("a.org", "192.0.2.1");
	struct made one = make(nonces, &scope, NOW), two = make(nonces, &scope, NOW);
	(void)state;
	assert_memory_not_equal(one.text, two.text, NONCE_LENGTH);
	for (int i = 0; i < NONCE_LENGTH; i++) {
		struct made changed = one;
		changed.text[i] = changed.text[i] == '0' ? '1' : '0';
		assert_false(is_ours(nonces, text_of(&changed), "a.org", "192.0.2.1"));
	}
	assert_false(is_ours(nonces, span_of(one.text, NONCE_LENGTH - 1), "a.org", "192.0.2.1"));
	assert_false(is_ours(nonces, span_of(NULL, 0), "a.org", "192.0.2.1"));
	assert_false(
		is_ours(nonces, SPAN("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"), "a.org", "192.0.2.1"));
	struct nonces *restarted = nonces_new(&(struct siphash_key){1, 3});
	assert_false(is_ours(restarted, text_of(&one), "a.org", "192.0.2.1"));
	nonces_free(restarted);
	nonces_free(nonces);
}

static void a_nonce_ages(void **state)
{
	struct nonces *nonces = nonces_new(&key);
	(void)state;
	assert_false(nonce_is_stale(nonces, NOW, LIFE_MS, NOW));
	assert_false(nonce_is_stale(nonces, NOW, LIFE_MS, NOW + LIFE_MS));
	assert_true(nonce_is_stale(nonces, NOW, LIFE_MS, NOW + LIFE_MS + 1));
	nonces_free(nonces);
}

static void counts_are_eight_digits_and_not_0(void **state)
{
	uint32_t count;
	(void)state;
	assert_true(nonce_count_parse(SPAN("0000000a"), &count));
	assert_int_equal(count, 10);
	assert_true(nonce_count_parse(SPAN("FFFFFFFF"), &count));
	assert_int_equal(count, 0xffffffff);
	static const char *const bad[] = {"", "1", "00000000", "000000001", "0000000g", "-0000001"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(nonce_count_parse(span_str(bad[i]), &count));
	assert_false(nonce_count_parse(span_of(NULL, 0), &count));
}

/* Against a plain list of what was used: all counts in a random order that jumps and comes back. */
static void a_count_is_used_once_and_those_far_behind_count_as_used(void **state)
{
	enum { COUNTS = 400, TRIES = 20000 };
	struct nonces *nonces = nonces_new(&key);
	struct nonce_scope scope = scope_of("a.org", "192.0.2.1");
	struct made made = make(nonces, &scope, NOW);
	bool used[COUNTS + 1] = {false};
	uint32_t top = 0, random = 1, n_used = 0;
	(void)state;
	for (int i = 0; i < TRIES; i++) {
		random = random * 1103515245 + 12345;
		uint32_t around = top < 40 ? 1 : top - 40, count = around + (random >> 16) % 48;
		if (count > COUNTS)
			continue;
		bool is_new = !used[count] && (count > top || top - count < NONCE_WINDOW);
		assert_int_equal(nonce_was_used(nonces, text_of(&made), count), !is_new);
		assert_int_equal(nonce_use(nonces, text_of(&made), count, made.issued_ms), is_new);
		n_used += is_new;
		used[count] |= is_new;
		top = count > top ? count : top;
	}
	assert_true(n_used > COUNTS / 2);
	assert_true(nonce_use(nonces, text_of(&made), 0xffffffff, made.issued_ms));
	assert_false(nonce_use(nonces, text_of(&made), 0xffffffff, made.issued_ms));
	assert_false(nonce_use(nonces, text_of(&made), COUNTS, made.issued_ms));
	nonces_free(nonces);
}

/* Twice as many as there is room for: what is forgotten is stale, so nothing is used twice. */
static void what_no_note_is_left_of_cannot_be_used_again(void **state)
{
	enum { MANY = 2 * NONCES_MAX, PER_MS = 16 };
	struct nonces *nonces = nonces_new(&key);
	struct nonce_scope scope = scope_of("a.org", "192.0.2.1");
	struct made *made = must_alloc(MANY * sizeof *made);
	uint32_t alive = 0;
	int64_t now_ms = NOW + MANY / PER_MS;
	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		made[i] = make(nonces, &scope, NOW + i / PER_MS);
		assert_true(nonce_use(nonces, text_of(&made[i]), 1, made[i].issued_ms));
	}
	for (uint32_t i = 0; i < MANY; i++) {
		bool stale = nonce_is_stale(nonces, made[i].issued_ms, LIFE_MS, now_ms);
		assert_true(stale || nonce_was_used(nonces, text_of(&made[i]), 1));
		alive += !stale;
	}
	assert_true(alive > NONCES_MAX / 8);
	free(made);
	nonces_free(nonces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_nonce_is_good_for_its_realm_and_address_and_no_other),
		cmocka_unit_test(no_two_are_the_same_and_none_survives_a_change),
		cmocka_unit_test(a_nonce_ages),
		cmocka_unit_test(counts_are_eight_digits_and_not_0),
		cmocka_unit_test(a_count_is_used_once_and_those_far_behind_count_as_used),
		cmocka_unit_test(what_no_note_is_left_of_cannot_be_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "store/bindings.h"

enum { NOW = 1000000, LATER = NOW + 60000 };

static void put(struct bindings *store, struct span aor, int64_t expires_at)
{
	struct binding binding = {.aor = aor, .contact = SPAN("c"), .expires_at = expires_at};
	assert_true(bindings_put(store, &binding, binding.contact, NOW));
}

static int with_store(void **state)
{
	*state = bindings_new(&(struct siphash_key){1, 2}, NULL);
	return 0;
}

static int without_store(void **state)
{
	bindings_free(*state);
	return 0;
}

static void mark(void *self, const struct binding *binding)
{
	uint8_t *seen = self;
	char aor[64];
	unsigned i;
	snprintf(aor, sizeof aor, "%.*s", (int)binding->aor.n, binding->aor.p);
	assert_int_equal(sscanf(aor, "sip:%u@", &i), 1);
	seen[i]++;
}

static void a_walk_gives_each_binding_once_though_the_store_changes(void **state)
{
	struct bindings *store = *state;
	enum { STAY = 1000, COME = 3000 };
	static uint8_t seen[STAY + COME];
	char text[64];
	for (int grow = 0; grow < 2; grow++) {
		memset(seen, 0, sizeof seen);
		int first = grow ? 0 : STAY + COME;
		for (int i = 0; i < (first ? first : STAY); i++) {
			struct span aor = span_of(text, (size_t)sprintf(text, "sip:%d@x", i));
			bindings_remove_all(store, aor, NOW);
			put(store, aor, LATER);
		}
		uint64_t position = 0;
		int other = STAY, pages = 0;
		while (bindings_walk(store, &position, 20, NOW, mark, seen)) {
			pages++;
			for (int k = 0; k < 70 && other < STAY + COME; k++, other++) {
				struct span aor =
					span_of(text, (size_t)sprintf(text, "sip:%d@x", other));
				bindings_remove_all(store, aor, NOW);
				if (grow)
					put(store, aor, LATER);
			}
		}
		assert_true(pages >= STAY / 40);
		for (int i = 0; i < STAY + COME; i++)
			assert_in_range(seen[i], i < STAY ? 1 : 0, 1);
		for (int i = STAY; i < STAY + COME; i++)
			bindings_remove_all(
				store, span_of(text, (size_t)sprintf(text, "sip:%d@x", i)), NOW);
	}
}

static void a_walk_leaves_out_the_expired(void **state)
{
	struct bindings *store = *state;
	static uint8_t seen[2];
	put(store, SPAN("sip:0@x"), LATER);
	put(store, SPAN("sip:1@x"), LATER + 1);
	uint64_t position = 0;
	assert_false(bindings_walk(store, &position, 100, LATER, mark, seen));
	assert_int_equal(seen[0], 0);
	assert_int_equal(seen[1], 1);
	assert_int_equal(position, 0);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, with_store, without_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_walk_gives_each_binding_once_though_the_store_changes),
		WITH_STORE(a_walk_leaves_out_the_expired),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

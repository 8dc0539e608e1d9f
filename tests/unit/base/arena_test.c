#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

static void uses_the_inline_buffer_first(void **state)
{
	(void)state;
	char first[64];
	struct arena arena;
	arena_init(&arena, first, sizeof first);
	assert_ptr_equal(arena_alloc(&arena, 40), first);
	assert_ptr_equal(arena_alloc(&arena, 24), first + 40);
	char *beyond = arena_alloc(&arena, 1);
	assert_false(beyond >= first && beyond < first + sizeof first);
	assert_int_equal(arena.used, 65);
	arena_reset(&arena);
	assert_int_equal(arena.used, 0);
	assert_ptr_equal(arena_alloc(&arena, 1), first);
	arena_reset(&arena);
}

static void works_without_an_inline_buffer(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, NULL, 0);
	char *p = arena_alloc(&arena, 10);
	memset(p, 'x', 10);
	arena_reset(&arena);
	arena_reset(&arena);
}

static void what_was_handed_out_neither_moves_nor_changes(void **state)
{
	(void)state;
	enum { PIECES = 500 };
	char first[100];
	struct span pieces[PIECES];
	struct arena arena;
	arena_init(&arena, first, sizeof first);
	for (int i = 0; i < PIECES; i++) {
		uint32_t n = (uint32_t)(i * 37 % 9000); /* some larger than a chunk */
		char *p = arena_alloc(&arena, n);
		memset(p, i % 251, n);
		pieces[i] = span_of(p, n);
	}
	for (int i = 0; i < PIECES; i++)
		for (uint32_t k = 0; k < pieces[i].n; k++)
			assert_int_equal((unsigned char)pieces[i].p[k], i % 251);
	arena_reset(&arena);
}

static void a_copy_outlives_its_source(void **state)
{
	(void)state;
	char first[16], source[] = "hello, this is longer";
	struct arena arena;
	arena_init(&arena, first, sizeof first);
	struct span copy = arena_copy(&arena, span_str(source));
	memset(source, '#', sizeof source);
	assert_true(span_eq(copy, SPAN("hello, this is longer")));
	struct span nothing = arena_copy(&arena, span_of(NULL, 0));
	assert_int_equal(nothing.n, 0);
	assert_non_null(nothing.p);
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uses_the_inline_buffer_first),
		cmocka_unit_test(works_without_an_inline_buffer),
		cmocka_unit_test(what_was_handed_out_neither_moves_nor_changes),
		cmocka_unit_test(a_copy_outlives_its_source),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/table.h"

struct item {
	struct table_link link;
	uint32_t number;
};

enum { MANY = 20000 };

static uint64_t spread(uint32_t number)
{
	uint64_t x = number * UINT64_C(0x9e3779b97f4a7c15);
	return x ^ x >> 29;
}

static struct item *find(const struct table *table, uint32_t number)
{
	struct table_link *link = table_first(table, spread(number));
	for (; link; link = table_next(link))
		if (((struct item *)link)->number == number)
			return (struct item *)link;
	return NULL;
}

static void finds_all_that_was_put_in_while_it_grows(void **state)
{
	(void)state;
	struct table table = {0};
	struct item *items = calloc(MANY, sizeof *items);
	assert_null(find(&table, 1));
	for (uint32_t i = 0; i < MANY; i++) {
		items[i].number = i;
		table_insert(&table, &items[i].link, spread(i));
		assert_ptr_equal(find(&table, i), &items[i]);
		assert_ptr_equal(find(&table, i / 2), &items[i / 2]);
	}
	assert_int_equal(table.n, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		table_remove(&table, &items[i].link);
		assert_null(find(&table, i));
	}
	table_fini(&table);
	free(items);
}

static void keeps_records_of_one_hash_apart(void **state)
{
	(void)state;
	struct table table = {0};
	struct item a = {.number = 1}, b = {.number = 2}, other = {.number = 3};
	table_insert(&table, &a.link, 7);
	table_insert(&table, &other.link, 7 + 64);
	table_insert(&table, &b.link, 7);
	struct table_link *first = table_first(&table, 7), *second = table_next(first);
	assert_true(first == &b.link && second == &a.link);
	assert_null(table_next(second));
	table_remove(&table, &b.link);
	assert_ptr_equal(table_first(&table, 7), &a.link);
	table_remove(&table, &a.link);
	table_remove(&table, &other.link);
	table_fini(&table);
}

static void a_walk_meets_every_record_once(void **state)
{
	(void)state;
	struct table table = {0};
	struct item *items = calloc(MANY, sizeof *items);
	for (uint32_t i = 0; i < MANY; i++)
		table_insert(&table, &items[i].link, spread(i));
	uint32_t bucket = 0, seen = 0;
	for (struct table_link *link = NULL; (link = table_walk(&table, &bucket, link)); seen++)
		assert_int_equal(((struct item *)link)->number++, 0);
	assert_int_equal(seen, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		table_remove(&table, &items[i].link);
	table_fini(&table);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_all_that_was_put_in_while_it_grows),
		cmocka_unit_test(keeps_records_of_one_hash_apart),
		cmocka_unit_test(a_walk_meets_every_record_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

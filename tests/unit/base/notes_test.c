#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/notes.h"

enum { ROOM = 64 };

static void a_note_is_found_by_its_key_and_keeps_what_was_written(void **state)
{
	(void)state;
	struct notes *notes = notes_new(ROOM);
	struct note gone;
	assert_null(notes_find(notes, 7));
	notes_put(notes, 7, 1000, &gone)->value = 42;
	assert_int_equal(gone.key, 0);
	struct note *note = notes_find(notes, 7);
	assert_non_null(note);
	assert_int_equal(note->at_ms, 1000);
	assert_int_equal(note->value, 42);
	assert_null(notes_find(notes, 7 + ROOM));
	notes_free(notes);
}

static void the_key_0_is_a_key_like_others(void **state)
{
	(void)state;
	struct notes *notes = notes_new(ROOM);
	assert_null(notes_find(notes, 0));
	notes_put(notes, 0, 5, NULL)->value = 9;
	assert_int_equal(notes_find(notes, 0)->value, 9);
	notes_free(notes);
}

/* Keys of one set differ by multiples of the number of sets. */
static void the_oldest_of_its_set_makes_room_and_is_told(void **state)
{
	(void)state;
	struct notes *notes = notes_new(ROOM);
	struct note gone;
	const uint64_t sets = ROOM / NOTES_WAYS;
	for (uint64_t i = 0; i < NOTES_WAYS; i++) {
		notes_put(notes, 3 + i * sets, i == 5 ? 10 : 100 + (int64_t)i, &gone);
		assert_int_equal(gone.key, 0);
	}
	notes_put(notes, 4, 1, &gone); /* of another set, and older */
	assert_int_equal(gone.key, 0);
	notes_put(notes, 3 + NOTES_WAYS * sets, 200, &gone);
	assert_int_equal(gone.key, 3 + 5 * sets);
	assert_int_equal(gone.at_ms, 10);
	assert_null(notes_find(notes, 3 + 5 * sets));
	assert_non_null(notes_find(notes, 3 + NOTES_WAYS * sets));
	assert_non_null(notes_find(notes, 3));
	assert_non_null(notes_find(notes, 4));
	notes_free(notes);
}

static void a_million_keys_stay_within_the_room(void **state)
{
	(void)state;
	struct notes *notes = notes_new(ROOM);
	uint32_t found = 0;
	for (uint64_t key = 1; key <= 1000000; key++)
		notes_put(notes, key, (int64_t)key, NULL);
	for (uint64_t key = 1; key <= 1000000; key++)
		found += notes_find(notes, key) != NULL;
	assert_int_equal(found, ROOM);
	assert_non_null(notes_find(notes, 1000000));
	assert_non_null(notes_find(notes, 1000000 - ROOM + 1));
	notes_free(notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_note_is_found_by_its_key_and_keeps_what_was_written),
		cmocka_unit_test(the_key_0_is_a_key_like_others),
		cmocka_unit_test(the_oldest_of_its_set_makes_room_and_is_told),
		cmocka_unit_test(a_million_keys_stay_within_the_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sip/fork.h"

#define N_OF(array) (sizeof(array) / sizeof *(array))

enum { RESPONSES = 8 };

enum {
	FORWARD = FORK_FORWARD,
	KEEP = FORK_KEEP,
	CHALLENGE = FORK_CHALLENGE,
	CANCEL = FORK_CANCEL,
};

struct fork_case {
	const char *why;
	struct {
		uint16_t code;
		uint32_t actions;
	} responses[RESPONSES];
	uint16_t end; /* what fork_end says */
	bool non_invite;
};

static void assert_forks(const struct fork_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fork fork = {.is_invite = !cases[i].non_invite};
		for (size_t k = 0; k < RESPONSES && cases[i].responses[k].code; k++) {
			uint32_t actions = fork_response(&fork, cases[i].responses[k].code);
			if (actions != cases[i].responses[k].actions)
				print_error("%s: %u gives 0x%x\n", cases[i].why,
					cases[i].responses[k].code, actions);
			assert_int_equal(actions, cases[i].responses[k].actions);
		}
		uint16_t end = fork_end(&fork);
		if (end != cases[i].end)
			print_error("%s: ends with %u\n", cases[i].why, end);
		assert_int_equal(end, cases[i].end);
		assert_int_equal(fork_end(&fork), 0);
	}
}

static void provisional_and_2xx_responses_go_upstream_at_once(void **state)
{
	(void)state;
	static const struct fork_case cases[] = {
		{"a call",
			{{100, 0}, {101, FORWARD}, {180, FORWARD}, {199, FORWARD},
				{200, FORWARD | CANCEL}},
			.end = 0},
		{"two answer: both go, the rest is cancelled once",
			{{200, FORWARD | CANCEL}, {183, 0}, {200, FORWARD}, {299, FORWARD},
				{487, 0}, {603, 0}},
			.end = 0},
		{"kept failures do not matter any more", {{486, KEEP}, {200, FORWARD | CANCEL}},
			.end = 0},
		{"another method has one final response, and nothing to cancel",
			{{181, FORWARD}, {200, FORWARD}, {200, 0}, {183, 0}}, .end = 0,
			.non_invite = true},
	};
	assert_forks(cases, N_OF(cases));
}

static void a_6xx_cancels_the_rest_and_wins_when_that_has_ended(void **state)
{
	(void)state;
	static const struct fork_case cases[] = {
		{"it beats all others", {{302, KEEP}, {603, KEEP | CANCEL}, {487, 0}, {300, 0}},
			.end = 603},
		{"the first one stays", {{600, KEEP | CANCEL}, {606, 0}, {180, FORWARD}},
			.end = 600},
		{"a 2xx may still come", {{603, KEEP | CANCEL}, {200, FORWARD}}, .end = 0},
		{"nothing to cancel", {{603, KEEP}, {404, 0}}, .end = 603, .non_invite = true},
	};
	assert_forks(cases, N_OF(cases));
	struct fork fork = {.is_invite = true};
	fork_response(&fork, 486);
	assert_false(fork.closed);
	fork_response(&fork, 600);
	assert_true(fork.closed);
}

static void the_lowest_class_wins_and_in_the_4xx_what_helps_to_try_again(void **state)
{
	(void)state;
	static const struct fork_case cases[] = {
		{"3xx", {{500, KEEP}, {486, KEEP}, {302, KEEP}, {401, 0}, {503, 0}}, .end = 302},
		{"4xx before 5xx", {{500, KEEP}, {408, KEEP}, {599, 0}}, .end = 408},
		{"equals: the first", {{404, KEEP}, {486, 0}, {480, 0}}, .end = 404},
		{"415, 420, 484", {{404, KEEP}, {420, KEEP}, {484, 0}, {415, 0}}, .end = 420},
		{"415", {{404, KEEP}, {415, KEEP}}, .end = 415},
		{"484", {{404, KEEP}, {484, KEEP}}, .end = 484},
		{"401 and 407 before those", {{484, KEEP}, {407, KEEP}, {415, 0}}, .end = 407},
		{"who was busy says more than who was cancelled", {{487, KEEP}, {486, KEEP}},
			.end = 486},
		{"and who was cancelled more than who was silent", {{408, KEEP}, {487, KEEP}},
			.end = 487},
	};
	assert_forks(cases, N_OF(cases));
}

static void a_503_is_not_passed_on(void **state)
{
	(void)state;
	static const struct fork_case cases[] = {
		{"alone: 500", {{503, KEEP}}, .end = 500},
		{"several: 500", {{503, KEEP}, {503, 0}}, .end = 500},
		{"any other 5xx is better", {{503, KEEP}, {504, KEEP}}, .end = 504},
		{"in any order", {{580, KEEP}, {503, 0}}, .end = 580},
		{"another method", {{503, KEEP}}, .end = 500, .non_invite = true},
	};
	assert_forks(cases, N_OF(cases));
}

static void challenges_of_all_branches_go_with_the_one_chosen(void **state)
{
	(void)state;
	static const struct fork_case cases[] = {
		{"401 and 407", {{401, KEEP}, {407, CHALLENGE}, {486, 0}, {401, CHALLENGE}},
			.end = 401},
		{"after another", {{486, KEEP}, {407, KEEP}, {401, CHALLENGE}}, .end = 407},
		{"not when something better came",
			{{401, KEEP}, {407, CHALLENGE}, {302, KEEP}, {401, 0}}, .end = 302},
		{"nor with a 6xx", {{407, KEEP}, {600, KEEP | CANCEL}, {401, 0}}, .end = 600},
	};
	assert_forks(cases, N_OF(cases));
}

static void without_any_response_it_is_408_but_for_other_methods(void **state)
{
	(void)state;
	static const struct fork_case cases[] = {
		{"16.7 step 6", {{0, 0}}, .end = 408},
		{"timed out (16.8)", {{408, KEEP}}, .end = 408},
		{"only provisional ones", {{180, FORWARD}}, .end = 408},
		{"RFC 4320: silence", {{0, 0}}, .end = 0, .non_invite = true},
		{"RFC 4320: a 408 is none", {{408, 0}}, .end = 0, .non_invite = true},
		{"RFC 4320: so a 5xx is better", {{408, 0}, {500, KEEP}}, .end = 500,
			.non_invite = true},
	};
	assert_forks(cases, N_OF(cases));
}

/* 16.7 step 6 in its own words, over all that came. */
static bool may_be_chosen(const uint16_t *codes, size_t n, uint16_t chosen)
{
	unsigned lowest = 6;
	for (size_t i = 0; i < n; i++) {
		if (codes[i] >= 600)
			return chosen >= 600;
		lowest = codes[i] / 100U < lowest ? codes[i] / 100U : lowest;
	}
	return chosen / 100U == lowest;
}

static void every_order_of_every_pair_of_codes_follows_the_rfc(void **state)
{
	(void)state;
	for (uint16_t a = 300; a < 700; a++) {
		for (uint16_t b = 300; b < 700; b++) {
			const uint16_t codes[] = {a, b};
			struct fork fork = {.is_invite = true};
			uint32_t first = fork_response(&fork, a), second = fork_response(&fork, b);
			assert_true(first & FORK_KEEP);
			assert_true(may_be_chosen(codes, 2, fork.best));
			assert_int_equal(fork.best, second & FORK_KEEP ? b : a);
			assert_int_equal(fork.closed, a >= 600 || b >= 600);
			assert_int_equal(fork_end(&fork), fork.best == 503 ? 500 : fork.best);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(provisional_and_2xx_responses_go_upstream_at_once),
		cmocka_unit_test(a_6xx_cancels_the_rest_and_wins_when_that_has_ended),
		cmocka_unit_test(the_lowest_class_wins_and_in_the_4xx_what_helps_to_try_again),
		cmocka_unit_test(a_503_is_not_passed_on),
		cmocka_unit_test(challenges_of_all_branches_go_with_the_one_chosen),
		cmocka_unit_test(without_any_response_it_is_408_but_for_other_methods),
		cmocka_unit_test(every_order_of_every_pair_of_codes_follows_the_rfc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

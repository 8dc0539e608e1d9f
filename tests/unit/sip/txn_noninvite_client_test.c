#include "txn_play.h"

enum {
	SEND = TXN_SEND,
	PASS = TXN_PASS,
	TIMED_OUT = TXN_TIMED_OUT | TXN_ENDED,
	FAILED = TXN_FAILED | TXN_ENDED,
	ENDED = TXN_ENDED,
};

static void sends_an_unanswered_request_at_the_times_of_the_rfc(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"T1 of 500 ms: eleven sends",
			.outputs = {{0, SEND}, {500, SEND}, {1500, SEND}, {3500, SEND},
				{7500, SEND}, {11500, SEND}, {15500, SEND}, {19500, SEND},
				{23500, SEND}, {27500, SEND}, {31500, SEND}, {32000, TIMED_OUT}}},
		{"T1 of 100 ms", .times = {100, 4000, 5000},
			.outputs = {{0, SEND}, {100, SEND}, {300, SEND}, {700, SEND}, {1500, SEND},
				{3100, SEND}, {6300, SEND}, {6400, TIMED_OUT}}},
		{"a T2 below T1 counts from the second interval on", .times = {100, 60, 5000},
			.inputs = {{300, TXN_SUCCESS}},
			.outputs = {{0, SEND}, {100, SEND}, {160, SEND}, {220, SEND}, {280, SEND},
				{300, PASS}, {5300, ENDED}}},
		{"a reliable transport: Timer F alone", .reliable = true,
			.outputs = {{0, SEND}, {32000, TIMED_OUT}}},
		{"an error of the transport", .inputs = {{700, TXN_TRANSPORT_ERROR}},
			.outputs = {{0, SEND}, {500, SEND}, {700, FAILED}}},
	};
	assert_lives(TXN_CLIENT, lives, N_OF(lives));
}

static void a_provisional_response_slows_sending_down_to_t2(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"Timer E runs on, then has T2; Timer F stays",
			.inputs = {{600, TXN_PROVISIONAL}, {700, TXN_PROVISIONAL}},
			.outputs = {{0, SEND}, {500, SEND}, {600, PASS}, {700, PASS}, {1500, SEND},
				{5500, SEND}, {9500, SEND}, {13500, SEND}, {17500, SEND},
				{21500, SEND}, {25500, SEND}, {29500, SEND}, {32000, TIMED_OUT}}},
		{"T2 below T1", .times = {1000, 700, 5000},
			.inputs = {{10, TXN_PROVISIONAL}, {3000, TXN_FAILURE}},
			.outputs = {{0, SEND}, {10, PASS}, {1000, SEND}, {1700, SEND}, {2400, SEND},
				{3000, PASS}, {8000, ENDED}}},
		{"nothing is repeated on a reliable transport", .reliable = true,
			.inputs = {{600, TXN_PROVISIONAL}},
			.outputs = {{0, SEND}, {600, PASS}, {32000, TIMED_OUT}}},
		{"an error of the transport",
			.inputs = {{600, TXN_PROVISIONAL}, {700, TXN_TRANSPORT_ERROR}},
			.outputs = {{0, SEND}, {500, SEND}, {600, PASS}, {700, FAILED}}},
	};
	assert_lives(TXN_CLIENT, lives, N_OF(lives));
}

static void absorbs_repeated_final_responses_for_timer_k(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"T4",
			.inputs = {{100, TXN_SUCCESS}, {200, TXN_SUCCESS}, {300, TXN_FAILURE},
				{400, TXN_PROVISIONAL}, {450, TXN_TRANSPORT_ERROR}},
			.outputs = {{0, SEND}, {100, PASS}, {5100, ENDED}}},
		{"another T4", .times = {500, 4000, 1}, .inputs = {{100, TXN_FAILURE}},
			.outputs = {{0, SEND}, {100, PASS}, {101, ENDED}}},
		{"Timer K is zero on a reliable transport", .reliable = true,
			.inputs = {{100, TXN_SUCCESS}, {200, TXN_SUCCESS}},
			.outputs = {{0, SEND}, {100, PASS | ENDED}}},
	};
	assert_lives(TXN_CLIENT, lives, N_OF(lives));
}

static void given_up_it_is_sent_no_more_and_still_hears_the_answer(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"before a response",
			.inputs = {{600, TXN_CANCEL}, {900, TXN_PROVISIONAL}, {9000, TXN_SUCCESS}},
			.outputs = {{0, SEND}, {500, SEND}, {900, PASS}, {9000, PASS},
				{14000, ENDED}}},
		{"there is never one", .inputs = {{100, TXN_PROVISIONAL}, {600, TXN_CANCEL}},
			.outputs = {{0, SEND}, {100, PASS}, {500, SEND}, {32000, TIMED_OUT}}},
	};
	assert_lives(TXN_CLIENT, lives, N_OF(lives));
}

static void every_event_has_its_result_in_every_state(void **state)
{
	(void)state;
	const struct row rows[TXN_STATE_COUNT] = {
		[TXN_NEW] = {true, 0, {0}, {[TXN_START] = {SEND, TXN_TRYING}}},
		[TXN_TRYING] = {true, 1, {TXN_START},
			{
				[TXN_PROVISIONAL] = {PASS, TXN_PROCEEDING},
				[TXN_SUCCESS] = {PASS, TXN_COMPLETED},
				[TXN_FAILURE] = {PASS, TXN_COMPLETED},
				[TXN_CANCEL] = {0, TXN_TRYING},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_TERMINATED},
			}},
		[TXN_PROCEEDING] = {true, 2, {TXN_START, TXN_PROVISIONAL},
			{
				[TXN_PROVISIONAL] = {PASS, TXN_PROCEEDING},
				[TXN_SUCCESS] = {PASS, TXN_COMPLETED},
				[TXN_FAILURE] = {PASS, TXN_COMPLETED},
				[TXN_CANCEL] = {0, TXN_PROCEEDING},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_TERMINATED},
			}},
		[TXN_COMPLETED] = {true, 2, {TXN_START, TXN_SUCCESS}, {{0}}},
		[TXN_TERMINATED] = {true, 2, {TXN_START, TXN_TRANSPORT_ERROR}, {{0}}},
	};
	assert_cells(TXN_CLIENT, false, rows);
}

static void every_event_has_its_result_on_a_reliable_transport(void **state)
{
	(void)state;
	const struct cell final = {PASS | ENDED, TXN_TERMINATED};
	const struct row rows[TXN_STATE_COUNT] = {
		[TXN_TRYING] = {true, 1, {TXN_START},
			{
				[TXN_PROVISIONAL] = {PASS, TXN_PROCEEDING},
				[TXN_SUCCESS] = final,
				[TXN_FAILURE] = final,
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_TERMINATED},
			}},
		[TXN_TERMINATED] = {true, 2, {TXN_START, TXN_SUCCESS}, {{0}}},
	};
	assert_cells(TXN_CLIENT, true, rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_an_unanswered_request_at_the_times_of_the_rfc),
		cmocka_unit_test(a_provisional_response_slows_sending_down_to_t2),
		cmocka_unit_test(absorbs_repeated_final_responses_for_timer_k),
		cmocka_unit_test(given_up_it_is_sent_no_more_and_still_hears_the_answer),
		cmocka_unit_test(every_event_has_its_result_in_every_state),
		cmocka_unit_test(every_event_has_its_result_on_a_reliable_transport),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

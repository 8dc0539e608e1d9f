#include "txn_play.h"

enum { SEND = TXN_SEND, PASS = TXN_PASS, FAILED = TXN_FAILED, ENDED = TXN_ENDED };

static void answers_a_repeated_request_with_the_last_response(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"discarded before any; Timer J from the final one on",
			.inputs = {{100, TXN_REQUEST}, {200, TXN_PROVISIONAL}, {300, TXN_REQUEST},
				{400, TXN_PROVISIONAL}, {500, TXN_SUCCESS}, {600, TXN_REQUEST},
				{700, TXN_FAILURE}, {800, TXN_PROVISIONAL}, {32499, TXN_REQUEST},
				{32501, TXN_REQUEST}},
			.outputs = {{0, PASS}, {200, SEND}, {300, SEND}, {400, SEND}, {500, SEND},
				{600, SEND}, {32499, SEND}, {32500, ENDED}}},
		{"the final response at once, another T1", .times = {10, 4000, 5000},
			.inputs = {{1, TXN_FAILURE}, {640, TXN_REQUEST}},
			.outputs = {{0, PASS}, {1, SEND}, {640, SEND}, {641, ENDED}}},
		{"Timer J is zero on a reliable transport", .reliable = true,
			.inputs = {{100, TXN_PROVISIONAL}, {200, TXN_SUCCESS}, {300, TXN_REQUEST}},
			.outputs = {{0, PASS}, {100, SEND}, {200, SEND | ENDED}}},
		{"a user that says nothing", .inputs = {{100, TXN_REQUEST}},
			.outputs = {{0, PASS}}},
	};
	assert_lives(TXN_SERVER, lives, N_OF(lives));
}

static void a_transport_error_is_told_and_changes_nothing(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"RFC 6026 8.8",
			.inputs = {{100, TXN_PROVISIONAL}, {101, TXN_TRANSPORT_ERROR},
				{200, TXN_SUCCESS}, {201, TXN_TRANSPORT_ERROR}, {300, TXN_REQUEST}},
			.outputs = {{0, PASS}, {100, SEND}, {101, FAILED}, {200, SEND},
				{201, FAILED}, {300, SEND}, {32200, ENDED}}},
	};
	assert_lives(TXN_SERVER, lives, N_OF(lives));
}

static void every_event_has_its_result_in_every_state(void **state)
{
	(void)state;
	const struct row rows[TXN_STATE_COUNT] = {
		[TXN_NEW] = {true, 0, {0}, {[TXN_START] = {PASS, TXN_TRYING}}},
		[TXN_TRYING] = {true, 1, {TXN_START},
			{
				[TXN_PROVISIONAL] = {SEND, TXN_PROCEEDING},
				[TXN_SUCCESS] = {SEND, TXN_COMPLETED},
				[TXN_FAILURE] = {SEND, TXN_COMPLETED},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_TRYING},
			}},
		[TXN_PROCEEDING] = {true, 2, {TXN_START, TXN_PROVISIONAL},
			{
				[TXN_PROVISIONAL] = {SEND, TXN_PROCEEDING},
				[TXN_SUCCESS] = {SEND, TXN_COMPLETED},
				[TXN_FAILURE] = {SEND, TXN_COMPLETED},
				[TXN_REQUEST] = {SEND, TXN_PROCEEDING},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_PROCEEDING},
			}},
		[TXN_COMPLETED] = {true, 2, {TXN_START, TXN_SUCCESS},
			{
				[TXN_REQUEST] = {SEND, TXN_COMPLETED},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_COMPLETED},
			}},
	};
	assert_cells(TXN_SERVER, false, rows);
}

static void every_event_has_its_result_on_a_reliable_transport(void **state)
{
	(void)state;
	const struct cell final = {SEND | ENDED, TXN_TERMINATED};
	const struct row rows[TXN_STATE_COUNT] = {
		[TXN_PROCEEDING] = {true, 2, {TXN_START, TXN_PROVISIONAL},
			{
				[TXN_PROVISIONAL] = {SEND, TXN_PROCEEDING},
				[TXN_SUCCESS] = final,
				[TXN_FAILURE] = final,
				[TXN_REQUEST] = {SEND, TXN_PROCEEDING},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_PROCEEDING},
			}},
		[TXN_TERMINATED] = {true, 2, {TXN_START, TXN_SUCCESS}, {{0}}},
	};
	assert_cells(TXN_SERVER, true, rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_a_repeated_request_with_the_last_response),
		cmocka_unit_test(a_transport_error_is_told_and_changes_nothing),
		cmocka_unit_test(every_event_has_its_result_in_every_state),
		cmocka_unit_test(every_event_has_its_result_on_a_reliable_transport),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "txn_play.h"

enum {
	SEND = TXN_SEND,
	ACK = TXN_SEND_ACK,
	PASS = TXN_PASS,
	CANCEL = TXN_SEND_CANCEL,
	TIMED_OUT = TXN_TIMED_OUT | TXN_ENDED,
	FAILED = TXN_FAILED | TXN_ENDED,
	ENDED = TXN_ENDED,
};

static void sends_an_unanswered_invite_at_the_times_of_the_rfc(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"T1 of 500 ms",
			.outputs = {{0, SEND}, {500, SEND}, {1500, SEND}, {3500, SEND},
				{7500, SEND}, {15500, SEND}, {31500, SEND}, {32000, TIMED_OUT}}},
		{"T1 of 2 s: Timer A does not know T2", .times = {2000, 4000, 5000},
			.outputs = {{0, SEND}, {2000, SEND}, {6000, SEND}, {14000, SEND},
				{30000, SEND}, {62000, SEND}, {126000, SEND}, {128000, TIMED_OUT}}},
		{"T1 of 3 ms", .times = {3, 4000, 5000},
			.outputs = {{0, SEND}, {3, SEND}, {9, SEND}, {21, SEND}, {45, SEND},
				{93, SEND}, {189, SEND}, {192, TIMED_OUT}}},
		{"a reliable transport: Timer B alone", .reliable = true,
			.outputs = {{0, SEND}, {32000, TIMED_OUT}}},
		{"an error of the transport", .inputs = {{700, TXN_TRANSPORT_ERROR}},
			.outputs = {{0, SEND}, {500, SEND}, {700, FAILED}}},
	};
	assert_lives(TXN_INVITE_CLIENT, lives, N_OF(lives));
}

static void a_provisional_response_stops_sending_and_every_limit(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"it rings for three hours",
			.inputs = {{600, TXN_PROVISIONAL}, {900, TXN_PROVISIONAL},
				{10800000, TXN_SUCCESS}},
			.outputs = {{0, SEND}, {500, SEND}, {600, PASS}, {900, PASS},
				{10800000, PASS}, {10832000, ENDED}}},
		{"Timer B has no say there", .inputs = {{31999, TXN_PROVISIONAL}},
			.outputs = {{0, SEND}, {500, SEND}, {1500, SEND}, {3500, SEND},
				{7500, SEND}, {15500, SEND}, {31500, SEND}, {31999, PASS}}},
		{"an error of the transport ends nothing there",
			.inputs = {{10, TXN_PROVISIONAL}, {20, TXN_TRANSPORT_ERROR},
				{30, TXN_FAILURE}},
			.reliable = true,
			.outputs = {{0, SEND}, {10, PASS}, {30, ACK | PASS | ENDED}}},
	};
	assert_lives(TXN_INVITE_CLIENT, lives, N_OF(lives));
}

static void passes_every_2xx_for_timer_m(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"repeated, of another fork, and nothing else",
			.inputs = {{100, TXN_SUCCESS}, {600, TXN_SUCCESS}, {700, TXN_PROVISIONAL},
				{800, TXN_FAILURE}, {900, TXN_CANCEL}, {1000, TXN_TRANSPORT_ERROR},
				{32099, TXN_SUCCESS}, {32101, TXN_SUCCESS}},
			.outputs = {{0, SEND}, {100, PASS}, {600, PASS}, {32099, PASS},
				{32100, ENDED}}},
		{"Timer M is 64*T1 on a reliable transport too (RFC 6026 8.4)", .reliable = true,
			.times = {100, 4000, 5000},
			.inputs = {{10, TXN_PROVISIONAL}, {20, TXN_SUCCESS}},
			.outputs = {{0, SEND}, {10, PASS}, {20, PASS}, {6420, ENDED}}},
	};
	assert_lives(TXN_INVITE_CLIENT, lives, N_OF(lives));
}

static void acknowledges_every_failure_and_passes_the_first(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"Timer D",
			.inputs = {{100, TXN_FAILURE}, {600, TXN_FAILURE}, {700, TXN_PROVISIONAL},
				{800, TXN_SUCCESS}, {900, TXN_CANCEL}, {32099, TXN_FAILURE},
				{32101, TXN_FAILURE}},
			.outputs = {{0, SEND}, {100, ACK | PASS}, {600, ACK}, {32099, ACK},
				{32100, ENDED}}},
		{"Timer D has 32 s at least, whatever T1", .times = {50, 4000, 5000},
			.inputs = {{10, TXN_PROVISIONAL}, {20, TXN_FAILURE}},
			.outputs = {{0, SEND}, {10, PASS}, {20, ACK | PASS}, {32020, ENDED}}},
		{"and more with a slower T1", .times = {1000, 4000, 5000},
			.inputs = {{20, TXN_FAILURE}},
			.outputs = {{0, SEND}, {20, ACK | PASS}, {64020, ENDED}}},
		{"Timer D is zero on a reliable transport", .reliable = true,
			.inputs = {{100, TXN_FAILURE}, {200, TXN_FAILURE}},
			.outputs = {{0, SEND}, {100, ACK | PASS | ENDED}}},
		{"the ACK cannot be sent",
			.inputs = {{100, TXN_FAILURE}, {101, TXN_TRANSPORT_ERROR}},
			.outputs = {{0, SEND}, {100, ACK | PASS}, {101, FAILED}}},
	};
	assert_lives(TXN_INVITE_CLIENT, lives, N_OF(lives));
}

static void cancels_once_and_not_before_a_provisional_response(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"after a provisional",
			.inputs = {{100, TXN_PROVISIONAL}, {1000, TXN_CANCEL}, {1100, TXN_CANCEL},
				{1200, TXN_PROVISIONAL}, {1300, TXN_FAILURE}},
			.outputs = {{0, SEND}, {100, PASS}, {1000, CANCEL}, {1200, PASS},
				{1300, ACK | PASS}, {33300, ENDED}}},
		{"before: it waits for one (9.1)",
			.inputs = {{100, TXN_CANCEL}, {1600, TXN_PROVISIONAL}, {1700, TXN_CANCEL},
				{1800, TXN_FAILURE}},
			.outputs = {{0, SEND}, {500, SEND}, {1500, SEND}, {1600, PASS | CANCEL},
				{1800, ACK | PASS}, {33800, ENDED}}},
		{"before, and the final response is faster",
			.inputs = {{100, TXN_CANCEL}, {200, TXN_SUCCESS}},
			.outputs = {{0, SEND}, {200, PASS}, {32200, ENDED}}},
		{"before, and there is never an answer", .inputs = {{100, TXN_CANCEL}},
			.outputs = {{0, SEND}, {500, SEND}, {1500, SEND}, {3500, SEND},
				{7500, SEND}, {15500, SEND}, {31500, SEND}, {32000, TIMED_OUT}}},
		{"after, and there is no final response within 64*T1 (9.1)",
			.inputs = {{100, TXN_PROVISIONAL}, {1000, TXN_CANCEL}, {2000, TXN_CANCEL},
				{32999, TXN_PROVISIONAL}},
			.outputs = {{0, SEND}, {100, PASS}, {1000, CANCEL}, {32999, PASS},
				{33000, TIMED_OUT}}},
		{"after, and it cannot be delivered (17.1.4): told at once, and only then",
			.inputs = {{100, TXN_PROVISIONAL}, {1000, TXN_CANCEL},
				{1000, TXN_TRANSPORT_ERROR}, {1100, TXN_TRANSPORT_ERROR},
				{1200, TXN_PROVISIONAL}},
			.outputs = {{0, SEND}, {100, PASS}, {1000, CANCEL}, {1000, TXN_TIMED_OUT},
				{1200, PASS}, {33000, ENDED}}},
		{"the same, and the callee answers all the same",
			.inputs = {{100, TXN_PROVISIONAL}, {1000, TXN_CANCEL},
				{1010, TXN_TRANSPORT_ERROR}, {1500, TXN_SUCCESS}},
			.outputs = {{0, SEND}, {100, PASS}, {1000, CANCEL}, {1010, TXN_TIMED_OUT},
				{1500, PASS}, {33500, ENDED}}},
		{"the same, and the callee refuses",
			.inputs = {{100, TXN_PROVISIONAL}, {1000, TXN_CANCEL},
				{1010, TXN_TRANSPORT_ERROR}, {1500, TXN_FAILURE}},
			.outputs = {{0, SEND}, {100, PASS}, {1000, CANCEL}, {1010, TXN_TIMED_OUT},
				{1500, ACK | PASS}, {33500, ENDED}}},
		{"the 2xx was on its way", .reliable = true,
			.inputs = {{100, TXN_PROVISIONAL}, {1000, TXN_CANCEL}, {1001, TXN_SUCCESS}},
			.outputs = {{0, SEND}, {100, PASS}, {1000, CANCEL}, {1001, PASS},
				{33001, ENDED}}},
	};
	assert_lives(TXN_INVITE_CLIENT, lives, N_OF(lives));
}

static void every_event_has_its_result_in_every_state(void **state)
{
	(void)state;
	const struct row rows[TXN_STATE_COUNT] = {
		[TXN_NEW] = {true, 0, {0}, {[TXN_START] = {SEND, TXN_CALLING}}},
		[TXN_CALLING] = {true, 1, {TXN_START},
			{
				[TXN_PROVISIONAL] = {PASS, TXN_PROCEEDING},
				[TXN_SUCCESS] = {PASS, TXN_ACCEPTED},
				[TXN_FAILURE] = {ACK | PASS, TXN_COMPLETED},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_TERMINATED},
			}},
		[TXN_PROCEEDING] = {true, 2, {TXN_START, TXN_PROVISIONAL},
			{
				[TXN_PROVISIONAL] = {PASS, TXN_PROCEEDING},
				[TXN_SUCCESS] = {PASS, TXN_ACCEPTED},
				[TXN_FAILURE] = {ACK | PASS, TXN_COMPLETED},
				[TXN_CANCEL] = {CANCEL, TXN_PROCEEDING},
			}},
		[TXN_ACCEPTED] = {true, 2, {TXN_START, TXN_SUCCESS},
			{[TXN_SUCCESS] = {PASS, TXN_ACCEPTED}}},
		[TXN_COMPLETED] = {true, 2, {TXN_START, TXN_FAILURE},
			{
				[TXN_FAILURE] = {ACK, TXN_COMPLETED},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_TERMINATED},
			}},
		[TXN_TERMINATED] = {true, 2, {TXN_START, TXN_TRANSPORT_ERROR}, {{0}}},
	};
	assert_cells(TXN_INVITE_CLIENT, false, rows);
}

static void every_event_has_its_result_on_a_reliable_transport(void **state)
{
	(void)state;
	const struct cell failure = {ACK | PASS | ENDED, TXN_TERMINATED};
	const struct row rows[TXN_STATE_COUNT] = {
		[TXN_CALLING] = {true, 1, {TXN_START},
			{
				[TXN_PROVISIONAL] = {PASS, TXN_PROCEEDING},
				[TXN_SUCCESS] = {PASS, TXN_ACCEPTED},
				[TXN_FAILURE] = failure,
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_TERMINATED},
			}},
		[TXN_PROCEEDING] = {true, 2, {TXN_START, TXN_PROVISIONAL},
			{
				[TXN_PROVISIONAL] = {PASS, TXN_PROCEEDING},
				[TXN_SUCCESS] = {PASS, TXN_ACCEPTED},
				[TXN_FAILURE] = failure,
				[TXN_CANCEL] = {CANCEL, TXN_PROCEEDING},
			}},
		[TXN_TERMINATED] = {true, 2, {TXN_START, TXN_FAILURE}, {{0}}},
	};
	assert_cells(TXN_INVITE_CLIENT, true, rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_an_unanswered_invite_at_the_times_of_the_rfc),
		cmocka_unit_test(a_provisional_response_stops_sending_and_every_limit),
		cmocka_unit_test(passes_every_2xx_for_timer_m),
		cmocka_unit_test(acknowledges_every_failure_and_passes_the_first),
		cmocka_unit_test(cancels_once_and_not_before_a_provisional_response),
		cmocka_unit_test(every_event_has_its_result_in_every_state),
		cmocka_unit_test(every_event_has_its_result_on_a_reliable_transport),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

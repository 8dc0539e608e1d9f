#include "txn_play.h"

enum {
	SEND = TXN_SEND,
	PASS = TXN_PASS,
	FAILED = TXN_FAILED,
	TIMED_OUT = TXN_TIMED_OUT | TXN_ENDED,
	ENDED = TXN_ENDED,
};

static void sends_a_failure_without_ack_at_the_times_of_the_rfc(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"T1 of 500 ms: Timers G and H", .inputs = {{100, TXN_FAILURE}},
			.outputs = {{0, PASS}, {100, SEND}, {600, SEND}, {1600, SEND}, {3600, SEND},
				{7600, SEND}, {11600, SEND}, {15600, SEND}, {19600, SEND},
				{23600, SEND}, {27600, SEND}, {31600, SEND}, {32100, TIMED_OUT}}},
		{"T1 of 100 ms", .times = {100, 4000, 5000}, .inputs = {{7, TXN_FAILURE}},
			.outputs = {{0, PASS}, {7, SEND}, {107, SEND}, {307, SEND}, {707, SEND},
				{1507, SEND}, {3107, SEND}, {6307, SEND}, {6407, TIMED_OUT}}},
		{"a T2 that is no power of two of T1", .times = {1000, 5000, 5000},
			.inputs = {{10, TXN_FAILURE}},
			.outputs = {{0, PASS}, {10, SEND}, {1010, SEND}, {3010, SEND}, {7010, SEND},
				{12010, SEND}, {17010, SEND}, {22010, SEND}, {27010, SEND},
				{32010, SEND}, {37010, SEND}, {42010, SEND}, {47010, SEND},
				{52010, SEND}, {57010, SEND}, {62010, SEND}, {64010, TIMED_OUT}}},
		{"a reliable transport: Timer H alone", .reliable = true,
			.inputs = {{100, TXN_FAILURE}},
			.outputs = {{0, PASS}, {100, SEND}, {32100, TIMED_OUT}}},
	};
	assert_lives(TXN_INVITE_SERVER, lives, N_OF(lives));
}

static void an_ack_stops_the_failure_and_later_acks_are_absorbed(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"Timer I is T4",
			.inputs = {{100, TXN_FAILURE}, {700, TXN_ACK}, {800, TXN_ACK},
				{900, TXN_REQUEST}, {1000, TXN_FAILURE}, {1100, TXN_SUCCESS},
				{5699, TXN_ACK}, {5701, TXN_ACK}},
			.outputs = {{0, PASS}, {100, SEND}, {600, SEND}, {5700, ENDED}}},
		{"another T4", .times = {500, 4000, 30},
			.inputs = {{100, TXN_FAILURE}, {110, TXN_ACK}},
			.outputs = {{0, PASS}, {100, SEND}, {140, ENDED}}},
		{"Timer I is zero on a reliable transport", .reliable = true,
			.inputs = {{100, TXN_FAILURE}, {700, TXN_ACK}},
			.outputs = {{0, PASS}, {100, SEND}, {700, ENDED}}},
	};
	assert_lives(TXN_INVITE_SERVER, lives, N_OF(lives));
}

static void answers_a_repeated_invite_with_the_last_response(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"none yet, a provisional, another",
			.inputs = {{100, TXN_REQUEST}, {200, TXN_PROVISIONAL}, {300, TXN_REQUEST},
				{400, TXN_PROVISIONAL}, {500, TXN_REQUEST}},
			.outputs = {{0, PASS}, {200, SEND}, {300, SEND}, {400, SEND}, {500, SEND}}},
		{"a failure, whose own schedule stays",
			.inputs = {{100, TXN_FAILURE}, {300, TXN_REQUEST}, {610, TXN_REQUEST},
				{700, TXN_ACK}},
			.outputs = {{0, PASS}, {100, SEND}, {300, SEND}, {600, SEND}, {610, SEND},
				{5700, ENDED}}},
		{"a failure on a reliable transport", .reliable = true,
			.inputs = {{100, TXN_FAILURE}, {300, TXN_REQUEST}, {700, TXN_ACK}},
			.outputs = {{0, PASS}, {100, SEND}, {300, SEND}, {700, ENDED}}},
		{"a 2xx is the user's to repeat: absorbed (RFC 6026 8.7)",
			.inputs = {{100, TXN_SUCCESS}, {300, TXN_REQUEST}},
			.outputs = {{0, PASS}, {100, SEND}, {32100, ENDED}}},
	};
	assert_lives(TXN_INVITE_SERVER, lives, N_OF(lives));
}

static void lets_2xx_and_their_acks_through_for_timer_l(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"unreliable",
			.inputs = {{100, TXN_PROVISIONAL}, {200, TXN_SUCCESS}, {700, TXN_SUCCESS},
				{800, TXN_ACK}, {900, TXN_SUCCESS}, {1000, TXN_PROVISIONAL},
				{1100, TXN_FAILURE}, {32199, TXN_SUCCESS}, {32201, TXN_SUCCESS}},
			.outputs = {{0, PASS}, {100, SEND}, {200, SEND}, {700, SEND}, {800, PASS},
				{900, SEND}, {32199, SEND}, {32200, ENDED}}},
		{"reliable: Timer L is 64*T1 too", .reliable = true, .times = {100, 4000, 5000},
			.inputs = {{200, TXN_SUCCESS}, {6599, TXN_SUCCESS}},
			.outputs = {{0, PASS}, {200, SEND}, {6599, SEND}, {6600, ENDED}}},
	};
	assert_lives(TXN_INVITE_SERVER, lives, N_OF(lives));
}

static void a_transport_error_is_told_and_changes_nothing(void **state)
{
	(void)state;
	static const struct life lives[] = {
		{"before the final response",
			.inputs = {{100, TXN_PROVISIONAL}, {101, TXN_TRANSPORT_ERROR},
				{200, TXN_SUCCESS}, {201, TXN_TRANSPORT_ERROR}},
			.outputs = {{0, PASS}, {100, SEND}, {101, FAILED}, {200, SEND},
				{201, FAILED}, {32200, ENDED}}},
		{"after a failure",
			.inputs = {{100, TXN_FAILURE}, {101, TXN_TRANSPORT_ERROR}, {700, TXN_ACK},
				{701, TXN_TRANSPORT_ERROR}},
			.outputs = {{0, PASS}, {100, SEND}, {101, FAILED}, {600, SEND},
				{5700, ENDED}}},
	};
	assert_lives(TXN_INVITE_SERVER, lives, N_OF(lives));
}

static void every_event_has_its_result_in_every_state(void **state)
{
	(void)state;
	const struct row rows[TXN_STATE_COUNT] = {
		[TXN_NEW] = {true, 0, {0}, {[TXN_START] = {PASS, TXN_TRYING}}},
		[TXN_TRYING] = {true, 1, {TXN_START},
			{
				[TXN_PROVISIONAL] = {SEND, TXN_PROCEEDING},
				[TXN_SUCCESS] = {SEND, TXN_ACCEPTED},
				[TXN_FAILURE] = {SEND, TXN_COMPLETED},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_TRYING},
			}},
		[TXN_PROCEEDING] = {true, 2, {TXN_START, TXN_PROVISIONAL},
			{
				[TXN_PROVISIONAL] = {SEND, TXN_PROCEEDING},
				[TXN_SUCCESS] = {SEND, TXN_ACCEPTED},
				[TXN_FAILURE] = {SEND, TXN_COMPLETED},
				[TXN_REQUEST] = {SEND, TXN_PROCEEDING},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_PROCEEDING},
			}},
		[TXN_ACCEPTED] = {true, 2, {TXN_START, TXN_SUCCESS},
			{
				[TXN_SUCCESS] = {SEND, TXN_ACCEPTED},
				[TXN_ACK] = {PASS, TXN_ACCEPTED},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_ACCEPTED},
			}},
		[TXN_COMPLETED] = {true, 2, {TXN_START, TXN_FAILURE},
			{
				[TXN_REQUEST] = {SEND, TXN_COMPLETED},
				[TXN_ACK] = {0, TXN_CONFIRMED},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_COMPLETED},
			}},
		[TXN_CONFIRMED] = {true, 3, {TXN_START, TXN_FAILURE, TXN_ACK}, {{0}}},
	};
	assert_cells(TXN_INVITE_SERVER, false, rows);
}

static void every_event_has_its_result_on_a_reliable_transport(void **state)
{
	(void)state;
	const struct row rows[TXN_STATE_COUNT] = {
		[TXN_COMPLETED] = {true, 2, {TXN_START, TXN_FAILURE},
			{
				[TXN_REQUEST] = {SEND, TXN_COMPLETED},
				[TXN_ACK] = {ENDED, TXN_TERMINATED},
				[TXN_TRANSPORT_ERROR] = {FAILED, TXN_COMPLETED},
			}},
		[TXN_TERMINATED] = {true, 3, {TXN_START, TXN_FAILURE, TXN_ACK}, {{0}}},
	};
	assert_cells(TXN_INVITE_SERVER, true, rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_a_failure_without_ack_at_the_times_of_the_rfc),
		cmocka_unit_test(an_ack_stops_the_failure_and_later_acks_are_absorbed),
		cmocka_unit_test(answers_a_repeated_invite_with_the_last_response),
		cmocka_unit_test(lets_2xx_and_their_acks_through_for_timer_l),
		cmocka_unit_test(a_transport_error_is_told_and_changes_nothing),
		cmocka_unit_test(every_event_has_its_result_in_every_state),
		cmocka_unit_test(every_event_has_its_result_on_a_reliable_transport),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

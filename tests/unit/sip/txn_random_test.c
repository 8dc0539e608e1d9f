/* What holds for all four machines, whatever happens and however late. */
#include "txn_play.h"

enum { RUNS = 20000, STEPS_MAX = 40 };

static uint64_t seed;

static uint32_t random_below(uint32_t n)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(seed >> 33) % n;
}

static const struct txn_times time_choices[] = {
	{500, 4000, 5000}, {1, 1, 1}, {100, 4000, 5000}, {3000, 1000, 7}, {500, 500, 500}};

static void assert_over(struct txn *txn, int64_t now_ms, const struct txn_times *times)
{
	assert_int_equal(txn_due_ms(txn), INT64_MAX);
	for (unsigned event = 0; event < TXN_EVENT_COUNT; event++) {
		assert_int_equal(play_step(txn, (enum txn_event)event, now_ms, times), 0);
		assert_int_equal(txn_due_ms(txn), INT64_MAX);
	}
}

/* Only these wait without a limit, for the user or for his Timer C. */
static bool waits_for_the_user(const struct txn *txn)
{
	if (txn->kind == TXN_CLIENT)
		return false;
	if (txn->kind == TXN_INVITE_CLIENT)
		return txn->state == TXN_PROCEEDING && !txn->cancelling;
	return txn->state == TXN_TRYING || txn->state == TXN_PROCEEDING;
}

static void assert_ends(struct txn *txn, int64_t now_ms, const struct txn_times *times)
{
	uint32_t actions = 0;
	for (int i = 0; i < 200; i++) {
		int64_t due = play_due(txn);
		if (due == INT64_MAX) {
			assert_true(waits_for_the_user(txn));
			actions = play_step(txn,
				txn->kind == TXN_INVITE_CLIENT ? TXN_CANCEL : TXN_FAILURE, now_ms,
				times);
		} else {
			assert_true(due > now_ms);
			now_ms = due;
			actions = play_step(txn, TXN_TIMER, now_ms, times);
		}
		if (actions & TXN_ENDED) {
			assert_over(txn, now_ms + 1, times);
			return;
		}
	}
	fail_msg("a transaction of kind %u lives on in state %u", txn->kind, txn->state);
}

static void whatever_happens_ends_when_its_time_has_come_and_not_twice(void **state)
{
	(void)state;
	for (seed = 0; seed < RUNS; seed++) {
		uint64_t run = seed;
		const struct txn_times *times = &time_choices[random_below(N_OF(time_choices))];
		struct txn txn;
		int64_t now_ms = 0;
		uint32_t actions = 0;
		txn_init(&txn, (enum txn_kind)random_below(TXN_KIND_COUNT), random_below(2));
		assert_int_equal(txn_due_ms(&txn), INT64_MAX);
		play_step(&txn, TXN_START, now_ms, times);
		for (uint32_t n = random_below(STEPS_MAX); n && !(actions & TXN_ENDED); n--) {
			enum txn_event event = (enum txn_event)random_below(TXN_EVENT_COUNT);
			now_ms += random_below(random_below(2) ? 10 : 5 * times->t1_ms);
			actions = play_step(&txn, event, now_ms, times);
			if (event == TXN_TIMER) {
				assert_true(play_due(&txn) > now_ms);
				assert_false((actions & TXN_SEND) && txn.reliable);
			}
			assert_int_equal(!!(actions & TXN_ENDED), txn.state == TXN_TERMINATED);
		}
		if (actions & TXN_ENDED)
			assert_over(&txn, now_ms, times);
		else if (play_due(&txn) <= now_ms)
			play_step(&txn, TXN_TIMER, now_ms, times);
		if (txn.state != TXN_TERMINATED)
			assert_ends(&txn, now_ms, times);
		seed = run;
	}
}

/* When the schedule sends next after `now_ms`, by the words of 17.1.1.2, 17.1.2.2 and 17.2.1. */
static int64_t next_on_schedule(int64_t now_ms, uint32_t t1_ms, int64_t cap_ms)
{
	int64_t at = t1_ms, interval = t1_ms;
	while (at <= now_ms) {
		interval = 2 * interval < cap_ms ? 2 * interval : cap_ms;
		at += interval;
	}
	return at;
}

static void a_late_timer_sends_once_and_the_schedule_does_not_drift(void **state)
{
	(void)state;
	static const enum txn_kind kinds[] = {TXN_INVITE_CLIENT, TXN_CLIENT, TXN_INVITE_SERVER};
	for (seed = 0; seed < RUNS; seed++) {
		uint64_t run = seed;
		const struct txn_times *times = &time_choices[random_below(N_OF(time_choices))];
		enum txn_kind kind = kinds[random_below(N_OF(kinds))];
		uint32_t lateness = 1 + random_below(random_below(2) ? 4 : 40 * times->t1_ms);
		int64_t cap = kind == TXN_INVITE_CLIENT ? INT64_MAX : times->t2_ms;
		int64_t limit = 64 * (int64_t)times->t1_ms, now_ms;
		struct txn txn;
		txn_init(&txn, kind, false);
		play_step(&txn, TXN_START, 0, times);
		if (kind == TXN_INVITE_SERVER)
			play_step(&txn, TXN_FAILURE, 0, times);
		for (;;) {
			now_ms = play_due(&txn) + random_below(lateness);
			uint32_t actions = play_step(&txn, TXN_TIMER, now_ms, times);
			if (now_ms >= limit) {
				assert_int_equal(actions, TXN_TIMED_OUT | TXN_ENDED);
				break;
			}
			assert_int_equal(actions, TXN_SEND);
			int64_t next = next_on_schedule(now_ms, times->t1_ms, cap);
			assert_int_equal(play_due(&txn), next < limit ? next : limit);
			assert_int_equal(play_step(&txn, TXN_TIMER, now_ms, times), 0);
		}
		seed = run;
	}
}

static void one_call_long_after_everything_was_due_sends_nothing_more(void **state)
{
	(void)state;
	struct txn txn;
	txn_init(&txn, TXN_INVITE_CLIENT, false);
	play_step(&txn, TXN_START, 0, &default_times);
	assert_int_equal(play_step(&txn, TXN_TIMER, 10000, &default_times), TXN_SEND);
	assert_int_equal(play_due(&txn), 15500);
	assert_int_equal(
		play_step(&txn, TXN_TIMER, 90000, &default_times), TXN_TIMED_OUT | TXN_ENDED);
}

static void a_timer_that_comes_too_early_does_nothing(void **state)
{
	(void)state;
	struct txn txn;
	txn_init(&txn, TXN_CLIENT, false);
	play_step(&txn, TXN_START, 0, &default_times);
	for (int64_t at = 0; at < 500; at++)
		assert_int_equal(play_step(&txn, TXN_TIMER, at, &default_times), 0);
	assert_int_equal(play_step(&txn, TXN_TIMER, 500, &default_times), TXN_SEND);
	assert_int_equal(play_due(&txn), 1500);
}

static void keeps_the_longest_times_that_may_be_set(void **state)
{
	(void)state;
	const struct txn_times times = {TXN_TIME_MAX_MS, TXN_TIME_MAX_MS, TXN_TIME_MAX_MS};
	const int64_t t1 = TXN_TIME_MAX_MS;
	for (unsigned i = 0; i < 2; i++) {
		struct txn txn;
		uint32_t actions, sends = 0;
		txn_init(&txn, i ? TXN_CLIENT : TXN_INVITE_CLIENT, false);
		play_step(&txn, TXN_START, 0, &times);
		while ((actions = play_step(&txn, TXN_TIMER, play_due(&txn), &times)) == TXN_SEND)
			sends++;
		assert_int_equal(sends, i ? 63 : 6);
		assert_int_equal(actions, TXN_TIMED_OUT | TXN_ENDED);
	}
	struct txn txn;
	txn_init(&txn, TXN_INVITE_CLIENT, false);
	play_step(&txn, TXN_START, 0, &times);
	play_step(&txn, TXN_SUCCESS, 5, &times);
	assert_int_equal(play_due(&txn), 5 + 64 * t1);
}

static void names_the_event_of_every_code(void **state)
{
	(void)state;
	for (uint32_t code = 100; code < 700; code++)
		assert_int_equal(txn_event_of(code), code < 200	  ? TXN_PROVISIONAL
						     : code < 300 ? TXN_SUCCESS
								  : TXN_FAILURE);
}

static void a_million_of_them_fit_24_megabytes(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct txn), 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_happens_ends_when_its_time_has_come_and_not_twice),
		cmocka_unit_test(a_late_timer_sends_once_and_the_schedule_does_not_drift),
		cmocka_unit_test(one_call_long_after_everything_was_due_sends_nothing_more),
		cmocka_unit_test(a_timer_that_comes_too_early_does_nothing),
		cmocka_unit_test(keeps_the_longest_times_that_may_be_set),
		cmocka_unit_test(names_the_event_of_every_code),
		cmocka_unit_test(a_million_of_them_fit_24_megabytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/timers.h"

enum { DAY_MS = 24 * 3600 * 1000, NAIVE_N = 300, FIRED_MAX = 64 };

struct bench {
	struct timers timers;
	struct alarm *fired[FIRED_MAX];
	size_t fired_n;
};

struct alarm {
	struct timer timer;
	struct bench *bench;
	void (*then)(struct alarm *alarm);
	struct alarm *other;
};

static void note(struct timer *timer)
{
	struct alarm *alarm = (struct alarm *)timer;
	struct bench *bench = alarm->bench;
	assert_false(timer_is_armed(timer));
	assert_true(bench->fired_n < FIRED_MAX);
	bench->fired[bench->fired_n++] = alarm;
	if (alarm->then)
		alarm->then(alarm);
}

static struct alarm alarm_of(struct bench *bench)
{
	return (struct alarm){.timer.fire = note, .bench = bench};
}

static void arm(struct alarm *alarm, int64_t due_ms)
{
	timers_arm(&alarm->bench->timers, &alarm->timer, due_ms);
}

static void start(struct bench *bench, int64_t now_ms)
{
	bench->fired_n = 0;
	timers_init(&bench->timers, now_ms);
}

static void fires_at_its_time_and_not_before(void **state)
{
	(void)state;
	static const int64_t delays[] = {1, 63, 64, 65, 500, 4095, 4096, 32000, 262144, 3600000,
		30LL * DAY_MS, 400LL * DAY_MS, 1LL << 50, INT64_MAX - 1000000};
	static const int64_t starts[] = {0, 1, 63, 64, 4095, 123456, 999999};
	for (size_t s = 0; s < sizeof starts / sizeof *starts; s++)
		for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
			struct bench bench;
			start(&bench, starts[s]);
			struct alarm alarm = alarm_of(&bench);
			int64_t due = starts[s] + delays[i];
			arm(&alarm, due);
			assert_int_equal(timers_next(&bench.timers), due);
			assert_int_equal(timers_run(&bench.timers, due - 1), 0);
			assert_int_equal(timers_next(&bench.timers), due);
			assert_int_equal(timers_run(&bench.timers, due), 1);
			assert_int_equal(timers_next(&bench.timers), INT64_MAX);
		}
}

static void has_no_next_time_when_nothing_is_armed(void **state)
{
	(void)state;
	struct bench bench;
	start(&bench, 5);
	assert_int_equal(timers_next(&bench.timers), INT64_MAX);
	assert_int_equal(timers_run(&bench.timers, 1000000), 0);
	struct alarm alarm = alarm_of(&bench);
	timers_cancel(&bench.timers, &alarm.timer);
	arm(&alarm, 2000000);
	timers_cancel(&bench.timers, &alarm.timer);
	assert_int_equal(timers_next(&bench.timers), INT64_MAX);
}

static void fires_equal_times_in_the_order_of_arming(void **state)
{
	(void)state;
	struct bench bench;
	start(&bench, 0);
	struct alarm a = alarm_of(&bench), b = alarm_of(&bench), c = alarm_of(&bench),
		     d = alarm_of(&bench);
	arm(&a, 10000); /* far, near and in between: the same millisecond from three levels */
	timers_run(&bench.timers, 9000);
	arm(&b, 10000);
	timers_run(&bench.timers, 9990);
	arm(&c, 10000);
	arm(&d, 9999);
	assert_int_equal(timers_run(&bench.timers, 20000), 4);
	assert_ptr_equal(bench.fired[0], &d);
	assert_ptr_equal(bench.fired[1], &a);
	assert_ptr_equal(bench.fired[2], &b);
	assert_ptr_equal(bench.fired[3], &c);
}

static void moves_to_the_end_of_its_time_when_armed_again(void **state)
{
	(void)state;
	struct bench bench;
	start(&bench, 0);
	struct alarm a = alarm_of(&bench), b = alarm_of(&bench);
	arm(&a, 50);
	arm(&b, 50);
	arm(&a, 50);
	timers_run(&bench.timers, 50);
	assert_ptr_equal(bench.fired[0], &b);
	assert_ptr_equal(bench.fired[1], &a);
	assert_int_equal(bench.fired_n, 2);
}

static void fires_past_times_in_the_next_run_in_order(void **state)
{
	(void)state;
	struct bench bench;
	start(&bench, 1000);
	struct alarm a = alarm_of(&bench), b = alarm_of(&bench), c = alarm_of(&bench),
		     d = alarm_of(&bench);
	arm(&a, 900);
	arm(&b, -7);
	arm(&c, 500);
	arm(&d, 1000);
	assert_int_equal(timers_next(&bench.timers), -7);
	assert_int_equal(timers_run(&bench.timers, 1000), 4);
	assert_ptr_equal(bench.fired[0], &b);
	assert_ptr_equal(bench.fired[1], &c);
	assert_ptr_equal(bench.fired[2], &a);
	assert_ptr_equal(bench.fired[3], &d);
}

static void again_at_once(struct alarm *alarm)
{
	arm(alarm, alarm->timer.due_ms);
}

static void a_callback_that_is_due_again_at_once_waits_for_the_next_run(void **state)
{
	(void)state;
	struct bench bench;
	start(&bench, 0);
	struct alarm alarm = alarm_of(&bench);
	alarm.then = again_at_once;
	arm(&alarm, 10);
	assert_int_equal(timers_run(&bench.timers, 100), 1);
	assert_int_equal(timers_next(&bench.timers), 10);
	assert_int_equal(timers_run(&bench.timers, 100), 1);
}

static void cancel_other(struct alarm *alarm)
{
	timers_cancel(&alarm->bench->timers, &alarm->other->timer);
}

static void a_callback_cancels_what_is_due_in_the_same_run(void **state)
{
	(void)state;
	struct bench bench;
	start(&bench, 0);
	struct alarm a = alarm_of(&bench), b = alarm_of(&bench), c = alarm_of(&bench);
	a.then = cancel_other;
	a.other = &b;
	arm(&a, 10);
	arm(&b, 10);
	arm(&c, 11);
	assert_int_equal(timers_run(&bench.timers, 100), 2);
	assert_ptr_equal(bench.fired[1], &c);
}

static void postpone_other(struct alarm *alarm)
{
	arm(alarm->other, 500);
}

static void a_callback_postpones_what_is_due_in_the_same_run(void **state)
{
	(void)state;
	struct bench bench;
	start(&bench, 0);
	struct alarm a = alarm_of(&bench), b = alarm_of(&bench);
	a.then = postpone_other;
	a.other = &b;
	arm(&a, 10);
	arm(&b, 10);
	assert_int_equal(timers_run(&bench.timers, 100), 1);
	assert_int_equal(timers_next(&bench.timers), 500);
	assert_int_equal(timers_run(&bench.timers, 499), 0);
	assert_int_equal(timers_run(&bench.timers, 500), 1);
}

static void free_self(struct alarm *alarm)
{
	free(alarm);
}

static void a_callback_may_free_its_timer(void **state)
{
	(void)state;
	struct bench bench;
	start(&bench, 0);
	for (int i = 0; i < 20; i++) {
		struct alarm *alarm = malloc(sizeof *alarm);
		*alarm = alarm_of(&bench);
		alarm->then = free_self;
		arm(alarm, 5 + i / 2);
	}
	assert_int_equal(timers_run(&bench.timers, 100), 20);
}

static void a_time_that_was_cancelled_costs_a_run_or_few_and_fires_nothing(void **state)
{
	(void)state;
	struct bench bench;
	start(&bench, 0);
	struct alarm soon = alarm_of(&bench), later = alarm_of(&bench);
	arm(&soon, 40LL * DAY_MS);
	arm(&later, 40LL * DAY_MS + 5);
	timers_cancel(&bench.timers, &soon.timer);
	int runs = 0;
	for (; timers_next(&bench.timers) < 40LL * DAY_MS + 5; runs++)
		assert_int_equal(timers_run(&bench.timers, timers_next(&bench.timers)), 0);
	assert_true(runs <= TIMERS_LEVELS);
	assert_int_equal(timers_next(&bench.timers), 40LL * DAY_MS + 5);
	assert_int_equal(timers_run(&bench.timers, 40LL * DAY_MS + 5), 1);
}

static void a_clock_that_goes_back_fires_nothing_early(void **state)
{
	(void)state;
	struct bench bench;
	start(&bench, 1000);
	struct alarm alarm = alarm_of(&bench);
	timers_run(&bench.timers, 2000);
	arm(&alarm, 2001);
	assert_int_equal(timers_run(&bench.timers, 1500), 0);
	assert_int_equal(timers_run(&bench.timers, 2001), 1);
}

/* What the wheel must do, said in the simplest way: a list sorted by (due, arming). */
struct naive {
	struct timer timer;
	int64_t armed_as; /* 0: not armed */
	struct comparison *in;
};

struct comparison {
	struct timers timers;
	struct naive all[NAIVE_N];
	int64_t armings, run_until;
	int64_t run_started_at; /* the armings when the present run began */
	uint64_t random;
};

static uint64_t draw(struct comparison *c, uint64_t below)
{
	c->random = c->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (c->random >> 24) % below;
}

static struct naive *naive_first(struct comparison *c, int64_t armed_before)
{
	struct naive *first = NULL;
	for (int i = 0; i < NAIVE_N; i++) {
		struct naive *n = &c->all[i];
		if (!n->armed_as || n->armed_as >= armed_before)
			continue;
		if (!first || n->timer.due_ms < first->timer.due_ms ||
			(n->timer.due_ms == first->timer.due_ms && n->armed_as < first->armed_as))
			first = n;
	}
	return first;
}

static void arm_any(struct comparison *c, int64_t now)
{
	static const uint64_t spreads[] = {3, 70, 600, 5000, 40000, 3000000, 40ULL * DAY_MS};
	struct naive *n = &c->all[draw(c, NAIVE_N)];
	int64_t delay = (int64_t)draw(c, spreads[draw(c, sizeof spreads / sizeof *spreads)]);
	n->armed_as = ++c->armings;
	timers_arm(&c->timers, &n->timer, now + delay - 1);
}

static void cancel_any(struct comparison *c)
{
	struct naive *n = &c->all[draw(c, NAIVE_N)];
	n->armed_as = 0;
	timers_cancel(&c->timers, &n->timer);
}

static void must_be_first(struct timer *timer)
{
	struct naive *n = (struct naive *)timer;
	struct comparison *c = n->in;
	assert_true(timer->due_ms <= c->run_until);
	assert_ptr_equal(n, naive_first(c, c->run_started_at));
	n->armed_as = 0;
	if (draw(c, 3) == 0)
		arm_any(c, c->run_until);
	if (draw(c, 5) == 0)
		cancel_any(c);
}

static void agrees_with_a_sorted_list_whatever_is_done(void **state)
{
	(void)state;
	static struct comparison c;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		int64_t now = (int64_t)(seed * 987654321 % 100000);
		c = (struct comparison){.random = seed};
		timers_init(&c.timers, now);
		for (int i = 0; i < NAIVE_N; i++)
			c.all[i] = (struct naive){.timer.fire = must_be_first, .in = &c};
		for (int step = 0; step < 3000; step++) {
			if (draw(&c, 4))
				arm_any(&c, now);
			else
				cancel_any(&c);
			struct naive *first = naive_first(&c, INT64_MAX);
			assert_true(timers_next(&c.timers) <=
				    (first ? first->timer.due_ms : INT64_MAX));
			assert_int_equal(timers_next(&c.timers) == INT64_MAX, !first);
			if (draw(&c, 4))
				continue;
			now = draw(&c, 8) || !first ? now + (int64_t)draw(&c, 3000)
						    : first->timer.due_ms + (int64_t)draw(&c, 2);
			now = now > c.timers.now_ms ? now : c.timers.now_ms;
			c.run_until = now;
			c.run_started_at = c.armings + 1;
			timers_run(&c.timers, now);
			first = naive_first(&c, c.run_started_at);
			assert_true(!first || first->timer.due_ms > now);
			assert_true(naive_first(&c, INT64_MAX) != first ||
				    timers_next(&c.timers) > now);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_at_its_time_and_not_before),
		cmocka_unit_test(has_no_next_time_when_nothing_is_armed),
		cmocka_unit_test(fires_equal_times_in_the_order_of_arming),
		cmocka_unit_test(moves_to_the_end_of_its_time_when_armed_again),
		cmocka_unit_test(fires_past_times_in_the_next_run_in_order),
		cmocka_unit_test(a_callback_that_is_due_again_at_once_waits_for_the_next_run),
		cmocka_unit_test(a_callback_cancels_what_is_due_in_the_same_run),
		cmocka_unit_test(a_callback_postpones_what_is_due_in_the_same_run),
		cmocka_unit_test(a_callback_may_free_its_timer),
		cmocka_unit_test(a_time_that_was_cancelled_costs_a_run_or_few_and_fires_nothing),
		cmocka_unit_test(a_clock_that_goes_back_fires_nothing_early),
		cmocka_unit_test(agrees_with_a_sorted_list_whatever_is_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

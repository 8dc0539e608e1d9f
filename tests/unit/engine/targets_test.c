#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/targets.h"

enum { NOW = 1000000 };

static const struct siphash_key key = {1, 2};

static struct addr ip(const char *text)
{
	struct addr addr;
	assert_true(addr_parse(span_str(text), 5060, &addr));
	return addr;
}

static struct addr nth(uint32_t i)
{
	char text[40];
	snprintf(text, sizeof text, "10.%u.%u.%u:5060", i >> 16, i >> 8 & 255, i & 255);
	return ip(text);
}

static bool dies(struct targets *targets, const char *text, int64_t at_ms)
{
	struct addr addr = ip(text);
	bool was = targets_is_dead(targets, TRANSPORT_UDP, &addr, at_ms);
	targets_mark_dead(targets, TRANSPORT_UDP, &addr, "ETIMEDOUT", 0, at_ms);
	assert_true(targets_is_dead(targets, TRANSPORT_UDP, &addr, at_ms));
	return was;
}

static bool is_dead(const struct targets *targets, const char *text, int64_t at_ms)
{
	struct addr addr = ip(text);
	return targets_is_dead(targets, TRANSPORT_UDP, &addr, at_ms);
}

static void a_dead_target_is_let_back_after_a_while(void **state)
{
	(void)state;
	struct targets *targets = targets_new(&key);
	assert_false(is_dead(targets, "192.0.2.1", NOW));
	assert_false(dies(targets, "192.0.2.1", NOW));
	assert_true(is_dead(targets, "192.0.2.1", NOW + TARGETS_DEAD_MS - 1));
	assert_false(is_dead(targets, "192.0.2.1", NOW + TARGETS_DEAD_MS));
	targets_free(targets);
}

static void address_port_and_transport_make_a_target(void **state)
{
	(void)state;
	struct targets *targets = targets_new(&key);
	struct addr addr = ip("192.0.2.1"), v6 = ip("[2001:db8::1]:5060");
	dies(targets, "192.0.2.1", NOW);
	assert_false(is_dead(targets, "192.0.2.1:5061", NOW));
	assert_false(is_dead(targets, "192.0.2.2", NOW));
	assert_false(targets_is_dead(targets, TRANSPORT_TCP, &addr, NOW));
	assert_false(targets_is_dead(targets, TRANSPORT_UDP, &v6, NOW));
	targets_mark_dead(targets, TRANSPORT_TCP, &v6, "ECONNREFUSED", 0, NOW);
	assert_true(targets_is_dead(targets, TRANSPORT_TCP, &v6, NOW));
	targets_free(targets);
}

static void who_dies_again_is_out_for_longer_up_to_a_limit(void **state)
{
	(void)state;
	static const int64_t terms[] = {30000, 60000, 120000, 240000, 300000, 300000, 300000};
	struct targets *targets = targets_new(&key);
	int64_t at = NOW;
	for (unsigned i = 0; i < 7; i++) {
		assert_false(dies(targets, "192.0.2.1", at));
		assert_true(is_dead(targets, "192.0.2.1", at + terms[i] - 1));
		at += terms[i];
		assert_false(is_dead(targets, "192.0.2.1", at));
	}
	/* After as long again without trouble it counts as new. */
	dies(targets, "192.0.2.1", at + 300000);
	assert_false(is_dead(targets, "192.0.2.1", at + 300000 + TARGETS_DEAD_MS));
	targets_free(targets);
}

/* A server that dies with a thousand calls under way has died once. */
static void many_failures_at_one_time_count_once(void **state)
{
	(void)state;
	struct targets *targets = targets_new(&key);
	for (unsigned i = 0; i < 1000; i++)
		dies(targets, "192.0.2.1", NOW + i);
	assert_true(is_dead(targets, "192.0.2.1", NOW + 999 + TARGETS_DEAD_MS - 1));
	assert_false(is_dead(targets, "192.0.2.1", NOW + 999 + TARGETS_DEAD_MS));
	targets_free(targets);
}

static void one_sign_of_life_and_all_is_forgiven(void **state)
{
	(void)state;
	struct targets *targets = targets_new(&key);
	struct addr addr = ip("192.0.2.1");
	targets_mark_alive(targets, TRANSPORT_UDP, &addr);
	dies(targets, "192.0.2.1", NOW);
	dies(targets, "192.0.2.1", NOW + TARGETS_DEAD_MS);
	targets_mark_alive(targets, TRANSPORT_UDP, &addr);
	assert_false(is_dead(targets, "192.0.2.1", NOW + TARGETS_DEAD_MS));
	dies(targets, "192.0.2.1", NOW + TARGETS_DEAD_MS);
	assert_false(is_dead(targets, "192.0.2.1", NOW + 2 * TARGETS_DEAD_MS));
	targets_free(targets);
}

static void a_retry_after_is_kept_to_within_the_limit(void **state)
{
	(void)state;
	struct targets *targets = targets_new(&key);
	struct addr addr = ip("192.0.2.1");
	targets_mark_dead(targets, TRANSPORT_UDP, &addr, "503", 5000, NOW);
	assert_true(is_dead(targets, "192.0.2.1", NOW + 4999));
	assert_false(is_dead(targets, "192.0.2.1", NOW + 5000));
	targets_mark_dead(targets, TRANSPORT_UDP, &addr, "503", UINT32_MAX, NOW);
	targets_mark_dead(targets, TRANSPORT_UDP, &addr, "503", 1000, NOW);
	assert_true(is_dead(targets, "192.0.2.1", NOW + TARGETS_DEAD_LONGEST_MS - 1));
	assert_false(is_dead(targets, "192.0.2.1", NOW + TARGETS_DEAD_LONGEST_MS));
	targets_free(targets);
}

static void dead_targets_are_tried_last_and_none_is_lost(void **state)
{
	(void)state;
	struct targets *targets = targets_new(&key);
	struct locate_target list[LOCATE_TARGETS_MAX];
	for (uint32_t i = 0; i < LOCATE_TARGETS_MAX; i++)
		list[i] = (struct locate_target){.transport = TRANSPORT_UDP, .addr = nth(i)};
	assert_int_equal(targets_order(targets, list, 4, NOW), 4);
	targets_mark_dead(targets, TRANSPORT_UDP, &list[0].addr, "x", 0, NOW);
	targets_mark_dead(targets, TRANSPORT_UDP, &list[2].addr, "x", 0, NOW);
	assert_int_equal(targets_order(targets, list, 4, NOW), 2);
	static const uint32_t order[] = {1, 3, 0, 2};
	for (uint32_t i = 0; i < 4; i++) {
		struct addr expected = nth(order[i]);
		assert_true(addr_eq(&list[i].addr, &expected));
	}
	for (uint32_t i = 0; i < LOCATE_TARGETS_MAX; i++)
		targets_mark_dead(targets, TRANSPORT_UDP, &list[i].addr, "x", 0, NOW);
	assert_int_equal(targets_order(targets, list, LOCATE_TARGETS_MAX, NOW), 0);
	struct addr first = nth(1);
	assert_true(addr_eq(&list[0].addr, &first));
	assert_int_equal(targets_order(targets, list, 0, NOW), 0);
	targets_free(targets);
}

static void a_walk_tells_who_is_dead_why_and_until_when(void **state)
{
	(void)state;
	struct targets *targets = targets_new(&key);
	struct addr first = ip("192.0.2.1"), second = ip("192.0.2.2");
	struct dead_target dead;
	uint32_t position = 0;
	targets_mark_dead(targets, TRANSPORT_TCP, &first, "ECONNREFUSED", 1000, NOW);
	targets_mark_dead(targets, TRANSPORT_UDP, &second,
		"a reason that nobody would have thought of", 0, NOW + 5);
	assert_true(targets_walk(targets, &position, &dead, NOW + 1000));
	assert_true(addr_eq(&dead.addr, &second));
	assert_int_equal(dead.transport, TRANSPORT_UDP);
	assert_int_equal(strlen(dead.reason), TARGETS_REASON_MAX - 1);
	assert_int_equal(dead.times, 1);
	assert_int_equal(dead.since_ms, NOW + 5);
	assert_int_equal(dead.until_ms, NOW + 5 + TARGETS_DEAD_MS);
	assert_false(targets_walk(targets, &position, &dead, NOW + 1000));
	targets_free(targets);
}

static void of_too_many_those_back_soonest_are_forgotten(void **state)
{
	(void)state;
	struct targets *targets = targets_new(&key);
	for (uint32_t i = 0; i < 3 * TARGETS_DEAD_MAX; i++) {
		struct addr addr = nth(i);
		targets_mark_dead(targets, TRANSPORT_UDP, &addr, "x", 0, NOW + i);
	}
	uint32_t position = 0, n = 0;
	for (struct dead_target dead; targets_walk(targets, &position, &dead, NOW + 5000); n++)
		assert_true(dead.since_ms >= NOW + 2 * TARGETS_DEAD_MAX);
	assert_int_equal(n, TARGETS_DEAD_MAX);
	targets_free(targets);
	targets_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dead_target_is_let_back_after_a_while),
		cmocka_unit_test(address_port_and_transport_make_a_target),
		cmocka_unit_test(who_dies_again_is_out_for_longer_up_to_a_limit),
		cmocka_unit_test(many_failures_at_one_time_count_once),
		cmocka_unit_test(one_sign_of_life_and_all_is_forgiven),
		cmocka_unit_test(a_retry_after_is_kept_to_within_the_limit),
		cmocka_unit_test(dead_targets_are_tried_last_and_none_is_lost),
		cmocka_unit_test(a_walk_tells_who_is_dead_why_and_until_when),
		cmocka_unit_test(of_too_many_those_back_soonest_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

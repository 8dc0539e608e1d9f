/* The cache on an engine in the sim world: time is virtual, so nothing here waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../guard.h"
#include "base/check.h"
#include "engine/dns_cache.h"
#include "net/sim.h"

enum { TIMEOUT_MS = 5000, SMALL = 4 };

static struct {
	struct sim *sim;
	struct engine *engine;
	struct dns_cache *cache;
	struct log log;
} t;

struct asked {
	uint32_t calls, n;
	enum dns_status status;
	struct dns_record records[DNS_RECORDS_MAX];
	int64_t at_ms;
	uint64_t id, cancels; /* `cancels`: another's id, cancelled on the answer */
	const char *asks;     /* a name asked for on the answer */
};

static int64_t now_ms(void)
{
	return sim_now_us(t.sim) / 1000;
}

static int begin(void **state)
{
	bool is_small = *state != NULL;
	memset(&t, 0, sizeof t);
	t.sim = sim_new(1, NULL);
	log_init(&t.log, LOG_ERROR);
	t.engine = engine_new(sim_world(t.sim), &t.log);
	t.cache = dns_cache_new(t.engine, is_small ? SMALL : 0);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	dns_cache_free(t.cache);
	engine_free(t.engine);
	sim_free(t.sim);
	return 0;
}

static void nothing(void *arg)
{
	(void)arg;
}

/* Lets time pass; what was asked for before counts as part of a turn. */
static void pass(int64_t ms)
{
	int64_t until_us = sim_now_us(t.sim) + ms * 1000;
	sim_at(t.sim, sim_now_us(t.sim), nothing, NULL);
	sim_run_until(t.sim, until_us);
}

static void on_answer(
	void *arg, enum dns_status status, const struct dns_record *records, uint32_t n);

static void ask_for(struct asked *asked, enum dns_type type, const char *name, uint32_t timeout_ms)
{
	asked->id = dns_cache_lookup(
		t.cache, type, guarded(span_str(name)), timeout_ms, on_answer, asked);
	assert_int_equal(asked->calls, 0);
}

static void ask(struct asked *asked, const char *name)
{
	ask_for(asked, DNS_A, name, TIMEOUT_MS);
	assert_true(asked->id != 0);
}

static void on_answer(
	void *arg, enum dns_status status, const struct dns_record *records, uint32_t n)
{
	struct asked *asked = arg;
	asked->calls++;
	asked->status = status;
	asked->n = n;
	asked->at_ms = now_ms();
	if (n)
		memcpy(asked->records, records, n * sizeof *records);
	if (asked->cancels)
		dns_cache_cancel(t.cache, asked->cancels);
	if (asked->asks) {
		struct asked *next = asked + 1;
		next->id = dns_cache_lookup(
			t.cache, DNS_A, span_str(asked->asks), TIMEOUT_MS, on_answer, next);
	}
}

static void add_a(const char *name, const char *ip, uint32_t ttl_s, uint32_t delay_ms)
{
	struct dns_record record = {.type = DNS_A, .ttl_s = ttl_s};
	assert_true(addr_parse_ip(span_str(ip), 0, &record.addr));
	sim_dns_add(t.sim, name, &record, delay_ms);
}

static uint64_t questions(void)
{
	return t.engine->count[COUNT_lookups];
}

/* Whether the answer is known now; how many records it has. */
static int peek_n(const char *name)
{
	struct dns_record records[DNS_RECORDS_MAX];
	enum dns_status status;
	uint32_t n;
	bool known = dns_cache_peek(t.cache, DNS_A, guarded(span_str(name)), &status, records, &n);
	return known ? (int)n : -1;
}

static void an_answer_comes_later_and_is_known_from_then_on(void **state)
{
	(void)state;
	struct asked first = {0}, second = {0};
	add_a("a.net", "192.0.2.1", 300, 20);
	assert_int_equal(peek_n("a.net"), -1);
	ask(&first, "a.net");
	pass(19);
	assert_int_equal(first.calls, 0);
	pass(1);
	assert_int_equal(first.calls, 1);
	assert_int_equal(first.status, DNS_OK);
	assert_int_equal(first.n, 1);
	assert_int_equal(peek_n("a.net"), 1);
	assert_int_equal(peek_n("A.Net."), 1);

	int64_t asked_at = now_ms();
	ask(&second, "a.NET");
	pass(1);
	assert_int_equal(second.calls, 1);
	assert_int_equal(second.at_ms, asked_at);
	assert_true(addr_same_ip(&second.records[0].addr, &first.records[0].addr));
	assert_int_equal(questions(), 1);
	assert_int_equal(t.engine->count[COUNT_lookups_cached], 3);
}

static void equal_questions_are_asked_once(void **state)
{
	(void)state;
	struct asked asked[64] = {0}, other = {0};
	add_a("a.net", "192.0.2.1", 300, 20);
	for (unsigned i = 0; i < 64; i++)
		ask(&asked[i], i % 2 ? "a.net" : "A.NET.");
	ask_for(&other, DNS_AAAA, "a.net", TIMEOUT_MS);
	assert_int_equal(questions(), 2);
	assert_int_equal(t.engine->count[COUNT_lookups_joined], 63);
	pass(20);
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(asked[i].calls, 1);
		assert_int_equal(asked[i].n, 1);
	}
	assert_int_equal(other.status, DNS_NOT_FOUND);
}

static void answers_are_kept_for_the_shortest_ttl(void **state)
{
	(void)state;
	struct asked first = {0}, second = {0}, third = {0};
	add_a("a.net", "192.0.2.1", 300, 1);
	add_a("a.net", "192.0.2.2", 10, 1);
	ask(&first, "a.net");
	pass(1);
	pass(9000);
	ask(&second, "a.net");
	pass(999);
	assert_int_equal(second.records[0].ttl_s, 291);
	assert_int_equal(second.records[1].ttl_s, 1);
	assert_int_equal(peek_n("a.net"), 2);
	pass(1);
	assert_int_equal(peek_n("a.net"), -1);
	assert_int_equal(questions(), 1);
	ask(&third, "a.net");
	pass(1);
	assert_int_equal(questions(), 2);
	assert_int_equal(third.n, 2);
}

static void a_ttl_of_0_is_not_kept_and_none_is_kept_for_more_than_a_day(void **state)
{
	(void)state;
	struct asked first = {0}, second = {0};
	add_a("now.net", "192.0.2.1", 0, 1);
	add_a("ever.net", "192.0.2.1", UINT32_MAX, 1);
	ask(&first, "now.net");
	ask(&second, "ever.net");
	pass(1);
	assert_int_equal(first.n, 1);
	assert_int_equal(peek_n("now.net"), -1);
	assert_int_equal(dns_cache_entries(t.cache), 1);
	pass(DNS_CACHE_TTL_MAX_S * INT64_C(1000) - 1);
	assert_int_equal(peek_n("ever.net"), 1);
	pass(1);
	assert_int_equal(peek_n("ever.net"), -1);
}

static void what_is_not_there_is_remembered(void **state)
{
	(void)state;
	struct asked asked[3] = {0};
	ask(&asked[0], "gone.net");
	pass(1);
	assert_int_equal(asked[0].status, DNS_NOT_FOUND);
	pass(DNS_CACHE_NEGATIVE_S * 1000 - 1);
	ask(&asked[1], "gone.net");
	pass(0);
	assert_int_equal(asked[1].status, DNS_NOT_FOUND);
	assert_int_equal(questions(), 1);
	pass(1);
	add_a("gone.net", "192.0.2.1", 300, 1);
	ask(&asked[2], "gone.net");
	pass(1);
	assert_int_equal(asked[2].status, DNS_OK);
}

static void a_broken_zone_is_left_in_peace_for_a_moment(void **state)
{
	(void)state;
	struct asked asked[3] = {0};
	sim_dns_fail(t.sim, "bad.net");
	ask(&asked[0], "bad.net");
	pass(1);
	ask(&asked[1], "bad.net");
	pass(DNS_CACHE_FAILURE_S * 1000 - 1);
	assert_int_equal(asked[0].status, DNS_FAILED);
	assert_int_equal(asked[1].status, DNS_FAILED);
	assert_int_equal(questions(), 1);
	pass(1);
	ask(&asked[2], "bad.net");
	assert_int_equal(questions(), 2);
}

static void every_look_up_ends_at_its_own_deadline(void **state)
{
	(void)state;
	struct asked early = {0}, late = {0}, longest = {0};
	int64_t from = now_ms();
	sim_dns_silent(t.sim, "mute.net");
	ask_for(&late, DNS_A, "mute.net", 3000);
	ask_for(&early, DNS_A, "mute.net", 100);
	ask_for(&longest, DNS_SRV, "mute.net", 30000);
	pass(100);
	assert_int_equal(early.calls, 1);
	assert_int_equal(early.status, DNS_TIMEOUT);
	assert_int_equal(late.calls, 0);
	pass(60000);
	assert_int_equal(early.at_ms - from, 100);
	assert_int_equal(late.at_ms - from, 3000);
	assert_int_equal(longest.at_ms - from, 30000);
	assert_int_equal(longest.status, DNS_TIMEOUT);
	assert_int_equal(early.calls + late.calls + longest.calls, 3);
}

static void an_answer_after_the_deadline_is_there_for_the_next(void **state)
{
	(void)state;
	struct asked first = {0}, joined = {0};
	add_a("slow.net", "192.0.2.1", 300, 6000);
	ask(&first, "slow.net");
	pass(5500);
	assert_int_equal(first.status, DNS_TIMEOUT);
	ask(&joined, "slow.net");
	pass(500);
	assert_int_equal(joined.status, DNS_OK);
	assert_int_equal(peek_n("slow.net"), 1);
	assert_int_equal(questions(), 1);
}

static void who_cancels_is_not_called(void **state)
{
	(void)state;
	struct asked gone = {0}, stays = {0}, alone = {0}, cached = {0};
	add_a("a.net", "192.0.2.1", 300, 20);
	add_a("b.net", "192.0.2.1", 300, 20);
	ask(&gone, "a.net");
	ask(&stays, "a.net");
	ask(&alone, "b.net");
	dns_cache_cancel(t.cache, gone.id);
	dns_cache_cancel(t.cache, alone.id);
	dns_cache_cancel(t.cache, alone.id);
	dns_cache_cancel(t.cache, 0);
	dns_cache_cancel(t.cache, UINT64_MAX);
	assert_int_equal(dns_cache_entries(t.cache), 1); /* nobody wants b.net any more */
	pass(20);
	assert_int_equal(gone.calls + alone.calls, 0);
	assert_int_equal(stays.calls, 1);
	assert_int_equal(peek_n("b.net"), -1);
	ask(&cached, "a.net");
	dns_cache_cancel(t.cache, cached.id);
	pass(20);
	assert_int_equal(cached.calls, 0);
	assert_int_equal(peek_n("a.net"), 1);
}

static void who_is_told_may_cancel_others_and_ask_again(void **state)
{
	(void)state;
	struct asked asked[4] = {0};
	add_a("a.net", "192.0.2.1", 0, 20); /* not kept: the entry is gone when it is told */
	ask(&asked[0], "a.net");
	ask(&asked[3], "a.net");
	asked[0].cancels = asked[3].id;
	asked[0].asks = "a.net";
	pass(20);
	assert_int_equal(asked[0].calls, 1);
	assert_int_equal(asked[1].calls, 0);
	pass(20);
	assert_int_equal(asked[1].calls, 1);
	assert_int_equal(asked[3].calls, 0);
	assert_int_equal(questions(), 2);
}

static void at_the_limit_the_answer_used_longest_ago_goes(void **state)
{
	(void)state;
	struct asked asked[SMALL + 1] = {0};
	static const char *const names[] = {"a.net", "b.net", "c.net", "d.net", "e.net"};
	for (unsigned i = 0; i < SMALL; i++) {
		add_a(names[i], "192.0.2.1", 300, 1);
		ask(&asked[i], names[i]);
		pass(2);
	}
	assert_int_equal(dns_cache_entries(t.cache), SMALL);
	assert_int_equal(peek_n("a.net"), 1);
	add_a("e.net", "192.0.2.1", 300, 1);
	ask(&asked[SMALL], "e.net");
	pass(2);
	assert_int_equal(dns_cache_entries(t.cache), SMALL);
	assert_int_equal(peek_n("a.net"), 1);
	assert_int_equal(peek_n("b.net"), -1);
	assert_int_equal(peek_n("e.net"), 1);
}

static void when_all_places_are_open_questions_another_is_refused(void **state)
{
	(void)state;
	struct asked asked[SMALL] = {0}, over = {0};
	static const char *const names[] = {"a.net", "b.net", "c.net", "d.net"};
	for (unsigned i = 0; i < SMALL; i++) {
		sim_dns_silent(t.sim, names[i]);
		ask(&asked[i], names[i]);
	}
	ask_for(&over, DNS_A, "e.net", TIMEOUT_MS);
	assert_int_equal(over.id, 0);
	ask(&over, "a.net"); /* but joining costs nothing */
	pass(TIMEOUT_MS);
	for (unsigned i = 0; i < SMALL; i++)
		assert_int_equal(asked[i].status, DNS_TIMEOUT);
	/* Half of the places, at most, are for answers nobody waits for. */
	assert_int_equal(dns_cache_entries(t.cache), SMALL / 2);
	ask(&(struct asked){0}, "e.net");
	dns_cache_free(t.cache); /* with questions open */
	t.cache = NULL;
	pass(60000);
}

static void an_answer_that_is_on_its_way_is_not_dropped(void **state)
{
	(void)state;
	struct asked asked[SMALL + 2] = {0};
	static const char *const names[] = {"a.net", "b.net", "c.net", "d.net", "e.net", "f.net"};
	add_a("a.net", "192.0.2.1", 1, 1);
	ask(&asked[0], "a.net");
	pass(2);
	memset(asked, 0, sizeof asked);
	for (unsigned i = 0; i < SMALL; i++)
		ask(&asked[i], names[i]);
	dns_cache_flush(t.cache);
	ask_for(&asked[SMALL], DNS_A, names[SMALL], TIMEOUT_MS);
	assert_int_equal(asked[SMALL].id, 0);
	pass(1);
	assert_int_equal(asked[0].calls, 1);
	assert_int_equal(asked[0].n, 1);
	assert_int_equal(peek_n("a.net"), -1); /* flushed */
}

static void large_answers_can_not_fill_the_memory(void **state)
{
	(void)state;
	static struct asked asked;
	size_t most = 0;
	for (unsigned i = 0; i < 1000; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%u.net", i);
		struct dns_record record = {.type = DNS_SRV, .ttl_s = 60};
		memset(record.target, 'x', sizeof record.target - 1);
		for (unsigned k = 0; k < DNS_RECORDS_MAX; k++)
			sim_dns_add(t.sim, name, &record, 1);
		memset(&asked, 0, sizeof asked);
		ask_for(&asked, DNS_SRV, name, TIMEOUT_MS);
		pass(1);
		assert_int_equal(asked.n, DNS_RECORDS_MAX);
		sim_dns_remove(t.sim, name);
		most = dns_cache_bytes(t.cache) > most ? dns_cache_bytes(t.cache) : most;
	}
	assert_in_range(most, DNS_CACHE_BYTES_MAX / 2, DNS_CACHE_BYTES_MAX);
	dns_cache_flush(t.cache);
	assert_int_equal(dns_cache_bytes(t.cache), 0);
	assert_int_equal(dns_cache_entries(t.cache), 0);
}

static void a_name_too_long_for_dns_fails_without_a_question(void **state)
{
	(void)state;
	char name[1000];
	struct asked asked = {0};
	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	ask(&asked, name);
	pass(0);
	assert_int_equal(asked.calls, 1);
	assert_int_equal(asked.status, DNS_FAILED);
	assert_int_equal(questions(), 0);
}

/* Nothing wakes the engine for what is only remembered. */
static void a_cache_at_rest_asks_for_no_wake_up(void **state)
{
	(void)state;
	struct asked asked = {0};
	add_a("a.net", "192.0.2.1", 300, 1);
	ask(&asked, "a.net");
	pass(1);
	assert_int_equal(timers_next(&t.engine->timers), INT64_MAX);
}

#define IN_SIM(name) cmocka_unit_test_setup_teardown(name, begin, finish)
#define IN_SIM_SMALL(name) cmocka_unit_test_prestate_setup_teardown(name, begin, finish, "small")

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SIM(an_answer_comes_later_and_is_known_from_then_on),
		IN_SIM(equal_questions_are_asked_once),
		IN_SIM(answers_are_kept_for_the_shortest_ttl),
		IN_SIM(a_ttl_of_0_is_not_kept_and_none_is_kept_for_more_than_a_day),
		IN_SIM(what_is_not_there_is_remembered),
		IN_SIM(a_broken_zone_is_left_in_peace_for_a_moment),
		IN_SIM(every_look_up_ends_at_its_own_deadline),
		IN_SIM(an_answer_after_the_deadline_is_there_for_the_next),
		IN_SIM(who_cancels_is_not_called),
		IN_SIM(who_is_told_may_cancel_others_and_ask_again),
		IN_SIM_SMALL(at_the_limit_the_answer_used_longest_ago_goes),
		IN_SIM_SMALL(when_all_places_are_open_questions_another_is_refused),
		IN_SIM_SMALL(an_answer_that_is_on_its_way_is_not_dropped),
		IN_SIM(large_answers_can_not_fill_the_memory),
		IN_SIM(a_name_too_long_for_dns_fails_without_a_question),
		IN_SIM(a_cache_at_rest_asks_for_no_wake_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "sim_bench.h"

static void a_datagram_takes_its_time_to_the_leg_and_back(void **state)
{
	struct bench *bench = *state;
	phone(bench, TRANSPORT_UDP, A);
	bench->echoes = true;
	inject(bench, TRANSPORT_UDP, A, LEG, "hi");
	sim_run_until(bench->sim, SIM_START_US + 499);
	assert_string_equal(bench->log, "");
	sim_run_until(bench->sim, SIM_START_US + 999);
	assert_string_equal(bench->log, "hi | ");
	assert_string_equal(bench->heard, "");
	run(bench);
	assert_string_equal(bench->heard, "echo:hi ");
	assert_int_equal(sim_now_us(bench->sim), SIM_START_US + 1000);
}

static void what_was_sent_leaves_before_the_turn_ends(void **state)
{
	struct bench *bench = *state; /* the engine writes over its bytes in turn_end */
	phone(bench, TRANSPORT_UDP, A);
	struct flow to = flow_to(0, A);
	memcpy(bench->echo, "early", 6);
	assert_int_equal(send_text(bench, &to, bench->echo), 0);
	run(bench);
	assert_string_equal(bench->heard, "early ");
	assert_string_equal(bench->log, "| ");
}

static void a_lossy_link_loses_about_its_share(void **state)
{
	struct bench *bench = *state;
	sim_link(bench->sim, SIM_TO_ENGINE, &(struct sim_link){.loss = 300});
	for (int i = 0; i < 1000; i++)
		inject(bench, TRANSPORT_UDP, A, LEG, "");
	run(bench);
	assert_in_range(bench->n / 3, 650, 750);
}

static void a_duplicating_link_gives_twice(void **state)
{
	struct bench *bench = *state;
	sim_link(bench->sim, SIM_TO_ENGINE, &(struct sim_link){.duplicate = 1000, .delay_us = 5});
	inject(bench, TRANSPORT_UDP, A, LEG, "x");
	run(bench);
	assert_string_equal(bench->log, "x | x | ");
}

static void a_reordering_link_holds_some_back(void **state)
{
	struct bench *bench = *state;
	struct sim_endpoint *a = phone(bench, TRANSPORT_UDP, A);
	sim_endpoint_link(a, SIM_TO_ENGINE,
		&(struct sim_link){.reorder = 1000, .reorder_us = 20 * MS, .delay_us = 1});
	inject(bench, TRANSPORT_UDP, A, LEG, "a");
	inject(bench, TRANSPORT_UDP, B, LEG, "b"); /* this one has the plain link */
	run(bench);
	assert_string_equal(bench->log, "b | a | ");
}

static void datagrams_that_can_not_be_sent_are_refused_at_once(void **state)
{
	struct bench *bench = *state;
	static char big[65508];
	memset(big, 'x', sizeof big - 1);
	struct flow v6 = flow_to(0, "[::1]:5060"), no_port = flow_to(0, "10.0.0.7:0"),
		    closed = flow_to(9, A), good = flow_to(0, A);
	assert_int_equal(send_text(bench, &v6, "x"), -EAFNOSUPPORT);
	assert_int_equal(send_text(bench, &no_port, "x"), -EINVAL);
	assert_int_equal(send_text(bench, &closed, "x"), -EBADF);
	assert_int_equal(send_text(bench, &good, big), 0);
	struct iovec two[] = {{big, sizeof big - 1}, {big, 1}};
	assert_int_equal(bench->world->send(bench->world, &good, two, 2), -EMSGSIZE);
	run(bench);
}

static void a_leg_hears_another_leg(void **state)
{
	struct bench *bench = *state;
	open_leg(bench, 2, TRANSPORT_UDP, "10.0.0.1:5070");
	struct flow to = flow_to(0, "10.0.0.1:5070");
	send_text(bench, &to, "loop");
	run(bench);
	assert_string_equal(bench->log, "| loop | ");
	assert_int_equal(bench->last.leg, 2);
	assert_int_equal(addr_port(&bench->last.peer), 5060);
}

static void a_datagram_to_an_unreachable_ip_never_leaves_and_is_told(void **state)
{
	struct bench *bench = *state;
	struct addr ip = address("10.0.0.3:0");
	struct flow to = flow_to(0, "10.0.0.3:5060"), other = flow_to(0, "10.0.0.4:5060");
	phone(bench, TRANSPORT_UDP, "10.0.0.3:5060");
	phone(bench, TRANSPORT_UDP, "10.0.0.4:5060");
	sim_unreachable(bench->sim, &ip);
	send_text(bench, &to, "never");
	send_text(bench, &other, "there");
	run(bench);
	assert_string_equal(bench->log, "| unsent:never | ");
	assert_non_null(strstr(bench->heard, "there"));
	assert_null(strstr(bench->heard, "never"));
}

static void an_address_in_use_can_not_be_bound(void **state)
{
	struct bench *bench = *state;
	char error[256];
	struct addr occupied = address("10.0.0.1:7000");
	sim_occupy(bench->sim, TRANSPORT_TCP, &occupied);
	phone(bench, TRANSPORT_UDP, "10.0.0.1:7001");
	assert_int_equal(try_open(bench, 5, TRANSPORT_UDP, LEG, error), -1);
	assert_string_equal(error, "cannot bind 10.0.0.1:5060: Address already in use");
	assert_int_equal(try_open(bench, 5, TRANSPORT_UDP, "0.0.0.0:5060", error), -1);
	assert_int_equal(try_open(bench, 5, TRANSPORT_TLS, "10.0.0.1:7000", error), -1);
	assert_int_equal(try_open(bench, 5, TRANSPORT_UDP, "10.0.0.1:7001", error), -1);
	assert_int_equal(try_open(bench, 5, TRANSPORT_UDP, "10.0.0.1:7000", error), 0);
	bench->world->leg_close(bench->world, 5);
	assert_int_equal(try_open(bench, 6, TRANSPORT_UDP, "10.0.0.1:7000", error), 0);
}

static void port_0_gives_the_same_free_port_each_time(void **state)
{
	struct bench *bench = *state;
	char error[256];
	struct addr occupied = address("10.0.0.1:40000");
	sim_occupy(bench->sim, TRANSPORT_UDP, &occupied);
	struct leg_address leg = {TRANSPORT_UDP, address("10.0.0.1:0")};
	assert_int_equal(bench->world->leg_open(bench->world, 3, &leg, error), 0);
	assert_int_equal(addr_port(&leg.bind), 40001);
}

static void a_leg_on_all_addresses_hears_any_of_them(void **state)
{
	struct bench *bench = *state;
	open_leg(bench, 2, TRANSPORT_UDP, "0.0.0.0:5080");
	inject(bench, TRANSPORT_UDP, A, "10.9.9.9:5080", "any");
	run(bench);
	assert_string_equal(bench->log, "any | ");
	struct flow out = flow_to(2, "10.0.0.44:5080"); /* nobody there, and not the leg itself */
	send_text(bench, &out, "lost");
	run(bench);
	assert_string_equal(bench->log, "any | | ");
}

static void a_closed_leg_hears_nothing(void **state)
{
	struct bench *bench = *state;
	inject(bench, TRANSPORT_UDP, A, LEG, "x");
	bench->world->leg_close(bench->world, 0);
	run(bench);
	assert_string_equal(bench->log, "");
}

static void a_wake_up_replaces_the_former_one(void **state)
{
	struct bench *bench = *state;
	bench->world->wake_at(bench->world, SIM_START_US + 5 * MS);
	bench->world->wake_at(bench->world, SIM_START_US + 9 * MS);
	sim_run_until(bench->sim, SIM_START_US + 8 * MS);
	assert_string_equal(bench->log, "");
	assert_true(sim_step(bench->sim));
	assert_string_equal(bench->log, "wake | ");
	assert_int_equal(bench->world->now_us(bench->world), SIM_START_US + 9 * MS);
	bench->world->wake_at(bench->world, SIM_START_US); /* past: at once */
	assert_true(sim_step(bench->sim));
	assert_false(sim_step(bench->sim));
	assert_int_equal(bench->world->now_us(bench->world), SIM_START_US + 9 * MS);
}

static void idle_means_that_only_far_wake_ups_are_left(void **state)
{
	struct bench *bench = *state;
	bench->world->wake_at(bench->world, SIM_START_US + 3600LL * SECOND);
	inject(bench, TRANSPORT_UDP, A, LEG, "x");
	sim_run_idle(bench->sim, 10LL * SECOND);
	assert_string_equal(bench->log, "x | ");
	assert_int_equal(sim_now_us(bench->sim), SIM_START_US + 500);
	assert_int_equal(sim_queued(bench->sim), 0);
}

static void the_wall_clock_goes_along_and_may_jump(void **state)
{
	struct bench *bench = *state;
	sim_run_until(bench->sim, SIM_START_US + 2 * SECOND);
	assert_int_equal(bench->world->wall_ms(bench->world), SIM_START_WALL_MS + 2000);
	sim_shift_wall(bench->sim, -500);
	assert_int_equal(bench->world->wall_ms(bench->world), SIM_START_WALL_MS + 1500);
	assert_int_equal(bench->world->now_us(bench->world), SIM_START_US + 2 * SECOND);
}

static void note_call(void *arg)
{
	say(arg, "call ");
}

static void a_test_may_act_at_a_given_time(void **state)
{
	struct bench *bench = *state;
	sim_at(bench->sim, SIM_START_US + 7 * MS, note_call, bench);
	run(bench);
	assert_string_equal(bench->log, "call | ");
	assert_int_equal(sim_now_us(bench->sim), SIM_START_US + 7 * MS);
}

/* A lot of chance on all links, both transports. */
static uint64_t eventful_run(uint64_t seed, char **dump)
{
	struct bench *bench = bench_new(seed);
	size_t n;
	FILE *file = open_memstream(dump, &n);
	sim_trace_to(bench->sim, file);
	struct sim_link rough = {.delay_us = 100,
		.jitter_us = 5000,
		.loss = 100,
		.duplicate = 100,
		.reorder = 100,
		.reorder_us = 9000,
		.cut = 700};
	sim_link(bench->sim, SIM_TO_ENGINE, &rough);
	sim_link(bench->sim, SIM_FROM_ENGINE, &rough);
	phone(bench, TRANSPORT_UDP, A);
	phone(bench, TRANSPORT_TCP, A);
	bench->echoes = true;
	for (int i = 0; i < 50; i++) {
		char text[32];
		unsigned char random[3];
		bench->world->random(bench->world, random, sizeof random);
		snprintf(text, sizeof text, "%d-%02x%02x%02x;", i, random[0], random[1], random[2]);
		inject(bench, i % 2 ? TRANSPORT_UDP : TRANSPORT_TCP, A, LEG, text);
	}
	run(bench);
	uint64_t hash = sim_trace_hash(bench->sim);
	fclose(file);
	bench_free(bench);
	return hash;
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
	(void)state;
	char *first, *second, *other;
	uint64_t hash = eventful_run(42, &first);
	assert_int_equal(eventful_run(42, &second), hash);
	assert_string_equal(first, second);
	assert_true(eventful_run(43, &other) != hash);
	assert_string_not_equal(first, other);
	assert_non_null(strstr(first, " send UDP 10.0.0.7:5060 > 10.0.0.1:5060 9\n1-"));
	assert_non_null(strstr(first, " lost UDP "));
	free(first);
	free(second);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_datagram_takes_its_time_to_the_leg_and_back),
		WITH_BENCH(what_was_sent_leaves_before_the_turn_ends),
		WITH_BENCH(a_lossy_link_loses_about_its_share),
		WITH_BENCH(a_duplicating_link_gives_twice),
		WITH_BENCH(a_reordering_link_holds_some_back),
		WITH_BENCH(datagrams_that_can_not_be_sent_are_refused_at_once),
		WITH_BENCH(a_leg_hears_another_leg),
		WITH_BENCH(a_datagram_to_an_unreachable_ip_never_leaves_and_is_told),
		WITH_BENCH(an_address_in_use_can_not_be_bound),
		WITH_BENCH(port_0_gives_the_same_free_port_each_time),
		WITH_BENCH(a_leg_on_all_addresses_hears_any_of_them),
		WITH_BENCH(a_closed_leg_hears_nothing),
		WITH_BENCH(a_wake_up_replaces_the_former_one),
		WITH_BENCH(idle_means_that_only_far_wake_ups_are_left),
		WITH_BENCH(the_wall_clock_goes_along_and_may_jump),
		WITH_BENCH(a_test_may_act_at_a_given_time),
		cmocka_unit_test(the_same_seed_gives_the_same_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

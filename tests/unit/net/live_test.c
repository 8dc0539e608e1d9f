/* The live world's clock, wake-ups, random bytes, signals and watched files. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "recorder.h"

static void wakes_at_the_time_asked_for_last(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	int64_t begin_us = r->world->now_us(r->world);
	r->world->wake_at(r->world, begin_us + 3600000000);
	r->world->wake_at(r->world, begin_us + 5000);
	r->world->wake_at(r->world, begin_us + 30000);
	RUN_UNTIL(r, r->count[EVENT_WAKE] == 1);
	assert_in_range(r->world->now_us(r->world) - begin_us, 30000, 1000000);
	run_dry(r);
	assert_int_equal(r->count[EVENT_WAKE], 1); /* once */
	/* Put off while the timer runs already; and brought forward. */
	r->world->wake_at(r->world, begin_us = r->world->now_us(r->world));
	RUN_UNTIL(r, r->count[EVENT_WAKE] == 2);
	r->world->wake_at(r->world, begin_us + 20000);
	run_dry(r);
	r->world->wake_at(r->world, begin_us + 60000);
	RUN_UNTIL(r, r->count[EVENT_WAKE] == 3);
	assert_true(r->world->now_us(r->world) >= begin_us + 60000);
	r->world->wake_at(r->world, r->world->now_us(r->world) + 3600000000);
	run_dry(r);
	r->world->wake_at(r->world, r->world->now_us(r->world) + 1000);
	RUN_UNTIL(r, r->count[EVENT_WAKE] == 4);
	recorder_free(r);
}

static void does_not_wake_when_none_is_wanted(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	r->world->wake_at(r->world, r->world->now_us(r->world) + 2000);
	live_poll(r->live, 0);
	r->world->wake_at(r->world, INT64_MAX);
	run_dry(r);
	assert_int_equal(r->count[EVENT_WAKE], 0);
	recorder_free(r);
}

static int64_t turn_us;

static void look_at_the_clock(struct recorder *r, const struct flow *from, struct span bytes)
{
	(void)from, (void)bytes;
	int64_t now = r->world->now_us(r->world);
	if (r->count[EVENT_MESSAGE] == 1)
		turn_us = now;
	assert_true(now == turn_us);
	for (int64_t begin = clock_ms(); clock_ms() < begin + 2;)
		;
}

static void one_turn_has_one_time(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct addr leg = open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	r->on_message = look_at_the_clock;
	for (int i = 0; i < 3; i++)
		assert_int_equal(sendto(fd, "x", 1, 0, &leg.sa, addr_len(&leg)), 1);
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 3);
	assert_true(r->world->now_us(r->world) > turn_us);
	assert_in_range(r->world->wall_ms(r->world) / 1000, time(NULL) - 1, time(NULL));
	close(fd);
	recorder_free(r);
}

static void keep_the_loop_busy(struct recorder *r, const struct flow *from, struct span bytes)
{
	(void)r, (void)from, (void)bytes;
	for (int64_t begin = clock_ms(); clock_ms() < begin + 20;)
		;
}

static void tells_how_long_nobody_else_was_served(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct addr leg = open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	r->on_message = keep_the_loop_busy;
	assert_int_equal(sendto(fd, "x", 1, 0, &leg.sa, addr_len(&leg)), 1);
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 1);
	live_poll(r->live, 0);
	assert_true(live_longest_busy_us(r->live) >= 19000);
	assert_int_equal(live_longest_busy_us(r->live), 0); /* since it was asked last */
	close(fd);
	recorder_free(r);
}

static void random_bytes_do_not_repeat(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	static unsigned char bytes[500][16], long_ones[2][5000];
	for (int i = 0; i < 500; i++) {
		r->world->random(r->world, bytes[i], sizeof bytes[i]);
		for (int j = 0; j < i; j++)
			assert_true(memcmp(bytes[i], bytes[j], sizeof bytes[i]) != 0);
	}
	for (int i = 0; i < 2; i++)
		r->world->random(r->world, long_ones[i], sizeof long_ones[i]);
	assert_true(memcmp(long_ones[0], long_ones[1], sizeof long_ones[0]) != 0);
	assert_true(memcmp(long_ones[0] + 4990, (char[10]){0}, 10) != 0);
	recorder_free(r);
}

static void stop_running(void *arg)
{
	struct recorder *r = arg;
	live_stop(r->live);
}

static void raise_it(void *arg)
{
	(void)arg;
	raise(SIGUSR1);
}

static void runs_until_a_signal_stops_it(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	live_on_signal(r->live, SIGUSR1, stop_running, r);
	live_after(r->live, 0.01, raise_it, NULL);
	live_run(r->live);
	live_after(r->live, 0.001, raise_it, NULL); /* it may run again */
	live_run(r->live);
	recorder_free(r);
}

static void stopping_puts_the_last_messages_on_the_wire(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct flow to = {.leg = 0};
	open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	to.peer = r->bound[0];
	live_stop(r->live);
	assert_int_equal(send_span(r, &to, SPAN("last")), 0);
	live_run(r->live);
	assert_int_equal(statistics(r).datagrams_out, 1);
	recorder_free(r);
}

static void count(void *arg)
{
	++*(uint32_t *)arg;
}

static void asking_again_for_the_same_puts_it_off(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	uint32_t calls = 0, others = 0;
	int64_t begin_ms = clock_ms();
	live_after(r->live, 0.001, count, &calls);
	live_after(r->live, 0.05, count, &calls);
	live_after(r->live, 0.002, count, &others);
	RUN_UNTIL(r, calls);
	assert_true(clock_ms() - begin_ms >= 49);
	run_dry(r);
	assert_int_equal(calls, 1);
	assert_int_equal(others, 1);
	recorder_free(r);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void tells_of_each_change_of_a_file(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	char directory[] = "/tmp/live_test_XXXXXX", path[64], other[64];
	uint32_t calls = 0;
	assert_non_null(mkdtemp(directory));
	sprintf(path, "%s/script.lua", directory);
	sprintf(other, "%s/script.tmp", directory);
	write_file(path, "return 1");
	live_watch_file(r->live, path, count, &calls);
	/* Same length, same second: the second must not be missed. */
	for (uint32_t i = 0; i < 5; i++) {
		uint32_t before = calls;
		write_file(path, i % 2 ? "return 1" : "return 2");
		RUN_UNTIL(r, calls > before);
	}
	uint32_t before = calls;
	write_file(other, "another");
	run_dry(r);
	assert_int_equal(calls, before);
	assert_int_equal(rename(other, path), 0); /* as editors save */
	RUN_UNTIL(r, calls > before);
	before = calls;
	assert_int_equal(unlink(path), 0);
	RUN_UNTIL(r, calls > before);
	before = calls;
	write_file(path, "back again");
	RUN_UNTIL(r, calls > before);
	live_unwatch_all(r->live);
	before = calls;
	write_file(path, "not looked at");
	run_dry(r);
	assert_int_equal(calls, before);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	recorder_free(r);
}

static void follows_a_link_and_its_turns(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	char root[] = "/tmp/live_test_XXXXXX", old[64], new[64], path[64], link[64];
	uint32_t calls = 0;
	assert_non_null(mkdtemp(root));
	sprintf(path, "%s/old", root);
	assert_int_equal(mkdir(path, 0700), 0);
	sprintf(path, "%s/new", root);
	assert_int_equal(mkdir(path, 0700), 0);
	sprintf(old, "%s/old/script.lua", root);
	sprintf(new, "%s/new/script.lua", root);
	sprintf(path, "%s/script.lua", root);
	sprintf(link, "%s/link", root);
	write_file(old, "return 1");
	write_file(new, "return 2");
	assert_int_equal(symlink(old, path), 0);
	live_watch_file(r->live, path, count, &calls);
	write_file(old, "return 3");
	RUN_UNTIL(r, calls > 0);
	uint32_t before = calls;
	assert_int_equal(symlink(new, link), 0);
	assert_int_equal(rename(link, path), 0);
	RUN_UNTIL(r, calls > before);
	before = calls;
	write_file(new, "return 4");
	RUN_UNTIL(r, calls > before);
	assert_int_equal(unlink(old) | unlink(new) | unlink(path), 0);
	sprintf(path, "%s/old", root);
	sprintf(link, "%s/new", root);
	assert_int_equal(rmdir(path) | rmdir(link) | rmdir(root), 0);
	recorder_free(r);
}

struct rewatch {
	struct recorder *r;
	const char *path;
	uint32_t calls;
};

static void watch_anew(void *arg)
{
	struct rewatch *rewatch = arg;
	rewatch->calls++;
	live_unwatch_all(rewatch->r->live);
	live_watch_file(rewatch->r->live, rewatch->path, watch_anew, rewatch);
}

static void watches_may_be_replaced_when_told_of_a_change(void **state)
{
	(void)state;
	char directory[] = "/tmp/live_test_XXXXXX", path[64];
	struct rewatch rewatch = {.r = recorder_new(NULL), .path = path};
	assert_non_null(mkdtemp(directory));
	sprintf(path, "%s/script.lua", directory);
	live_watch_file(rewatch.r->live, path, watch_anew, &rewatch); /* not there yet */
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t before = rewatch.calls;
		write_file(path, "return 1");
		RUN_UNTIL(rewatch.r, rewatch.calls > before);
	}
	assert_int_equal(unlink(path) | rmdir(directory), 0);
	recorder_free(rewatch.r);
}

static void a_server_list_that_is_none_is_an_error(void **state)
{
	(void)state;
	struct log log;
	char error[256] = "";
	log_init(&log, LOG_ERROR);
	assert_null(live_new(&(struct live_options){.dns_servers = "not an address"}, &log, error));
	assert_true(strstr(error, "'not an address' names no DNS servers: write ") == error);
	live_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wakes_at_the_time_asked_for_last),
		cmocka_unit_test(does_not_wake_when_none_is_wanted),
		cmocka_unit_test(one_turn_has_one_time),
		cmocka_unit_test(tells_how_long_nobody_else_was_served),
		cmocka_unit_test(random_bytes_do_not_repeat),
		cmocka_unit_test(runs_until_a_signal_stops_it),
		cmocka_unit_test(stopping_puts_the_last_messages_on_the_wire),
		cmocka_unit_test(asking_again_for_the_same_puts_it_off),
		cmocka_unit_test(tells_of_each_change_of_a_file),
		cmocka_unit_test(follows_a_link_and_its_turns),
		cmocka_unit_test(watches_may_be_replaced_when_told_of_a_change),
		cmocka_unit_test(a_server_list_that_is_none_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The live world's stream legs, on loopback: what a peer may not do, and for how long. */
#include <inttypes.h>

#include "stream.h"

static void a_slow_sender_is_cut_at_the_deadline_of_its_message(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.message_ms = 60});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	int slow = connect_to(&leg), fast = connect_to(&leg);
	int64_t begin_ms = clock_ms();
	put(slow, "100000:");
	/* Each byte is progress; the message as a whole is late. */
	REPEAT_UNTIL(r, r->count[EVENT_CLOSED] == 1, {
		send(slow, "x", 1, MSG_NOSIGNAL);
		put(fast, "3:abc");
	});
	assert_true(clock_ms() - begin_ms >= 60);
	assert_string_equal(nth(r, EVENT_CLOSED, 0)->text, "ETIMEDOUT");
	assert_int_equal(statistics(r).closed_message_deadline, 1);
	assert_int_equal(statistics(r).connections, 1);
	close(slow);
	close(fast);
	recorder_free(r);
}

static void a_line_end_on_its_own_is_not_a_late_message(void **state)
{
	(void)state;
	struct recorder *r =
		stream_recorder((struct live_options){.message_ms = 20, .idle_ms = 100});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	int fd = connect_to(&leg);
	put(fd, "3:one\r\n");
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	assert_string_equal(nth(r, EVENT_CLOSED, 0)->text, "ETIME");
	close(fd);
	recorder_free(r);
}

static void an_idle_connection_is_closed_and_a_ping_keeps_it(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.idle_ms = 80});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard idle = {.fd = connect_to(&leg)}, pinging = {.fd = connect_to(&leg)};
	REPEAT_UNTIL(r, hear(&idle)->ended, put(pinging.fd, "\r\n\r\n"));
	assert_false(hear(&pinging)->ended);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	assert_string_equal(r->events[0].text, "ETIME");
	assert_int_equal(statistics(r).closed_idle, 1);
	RUN_UNTIL(r, hear(&pinging)->ended);
	close(idle.fd);
	close(pinging.fd);
	recorder_free(r);
}

static void what_we_send_keeps_a_connection(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.idle_ms = 200});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard listening = {.fd = connect_to(&leg)}, idle = {.fd = -1};
	put(listening.fd, "3:one");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 1);
	const struct flow to = nth(r, EVENT_MESSAGE, 0)->flow;
	idle.fd = connect_to(&leg);
	REPEAT_UNTIL(r, hear(&idle)->ended, {
		assert_int_equal(send_span(r, &to, SPAN("3:two")), 0);
		hear(&listening);
	});
	assert_false(hear(&listening)->ended);
	assert_int_equal(statistics(r).closed_idle, 1);
	RUN_UNTIL(r, hear(&listening)->ended);
	close(idle.fd);
	close(listening.fd);
	recorder_free(r);
}

static void a_connection_opened_by_us_is_closed_when_idle_too(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.idle_ms = 30});
	struct flow to = {.leg = 0};
	struct heard heard = {.fd = -1};
	open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	int listener = listen_on("127.0.0.1:0", &to.peer);
	assert_int_equal(send_span(r, &to, SPAN("3:one")), 0);
	RUN_UNTIL(r, (heard.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	RUN_UNTIL(r, hear(&heard)->ended);
	assert_string_equal(heard.text, "3:one");
	assert_int_equal(statistics(r).closed_idle, 1);
	assert_string_equal(nth(r, EVENT_CLOSED, 0)->text, "ETIME");
	close(heard.fd);
	close(listener);
	recorder_free(r);
}

static void one_source_gets_so_many_connections(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.connections_source = 3});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard heard[5];
	for (int i = 0; i < 5; i++)
		heard[i] = (struct heard){.fd = connect_to(&leg)};
	RUN_UNTIL(r, statistics(r).refused_source == 2);
	assert_int_equal(statistics(r).connections, 3);
	RUN_UNTIL(r, hear(&heard[3])->ended && hear(&heard[4])->ended);
	close(heard[0].fd); /* makes room for one */
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	int fd = connect_to(&leg);
	RUN_UNTIL(r, statistics(r).connections == 3);
	/* Another source is another's business. */
	struct addr elsewhere = parse("127.0.0.9:0");
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(other, &elsewhere.sa, addr_len(&elsewhere)), 0);
	assert_int_equal(connect(other, &leg.sa, addr_len(&leg)), 0);
	RUN_UNTIL(r, statistics(r).connections == 4);
	for (int i = 1; i < 5; i++)
		close(heard[i].fd);
	close(fd);
	close(other);
	recorder_free(r);
}

static void all_together_get_so_many_connections(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.connections = 2});
	struct flow to = {.leg = 0};
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	int fd[3], listener = listen_on("127.0.0.1:0", &to.peer);
	for (int i = 0; i < 3; i++)
		fd[i] = connect_to(&leg);
	RUN_UNTIL(r, statistics(r).refused_total == 1);
	assert_int_equal(send_span(r, &to, SPAN("1:x")), -EMFILE);
	assert_int_equal(statistics(r).connections, 2);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	close(listener);
	recorder_free(r);
}

static void many_short_connections_leave_nothing_behind(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	r->on_message = echo;
	for (int i = 0; i < 500; i++) {
		int fd = connect_to(&leg);
		put(fd, i % 2 ? "3:one" : "3:o");
		if (i % 3 == 0)
			live_poll(r->live, 0);
		close(fd);
	}
	RUN_UNTIL(r, statistics(r).connections_closed == 500);
	assert_int_equal(statistics(r).connections, 0);
	assert_int_equal(r->count[EVENT_CLOSED], 500);
	recorder_free(r);
}

/* As many answers of 4 KB as it takes. */
static void answer_at_length(struct recorder *r, const struct flow *from, struct span bytes)
{
	static const char text[4096] = "4091:";
	(void)bytes;
	send_span(r, from, span_of(text, sizeof text));
}

static void a_peer_that_does_not_read_is_closed_when_its_queue_is_full(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.write_queue = 100000});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	int fd = connect_with(&leg, 4096, NULL);
	put(fd, "3:one");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 1);
	struct flow flow = r->events[0].flow;
	REPEAT_UNTIL(r, r->count[EVENT_CLOSED] > 0, {
		for (int i = 0; i < 10; i++) /* others have messages for it */
			answer_at_length(r, &flow, SPAN(""));
	});
	assert_string_equal(nth(r, EVENT_CLOSED, 0)->text, "ENOBUFS");
	assert_int_equal(statistics(r).closed_write_queue, 1);
	close(fd);
	recorder_free(r);
}

/* Requests of 1000 bytes each, from where the last call stopped. */
static size_t ask(int fd, size_t sent, int *full)
{
	static char requests[32000];
	memset(requests, 'x', sizeof requests);
	for (size_t i = 0; i < sizeof requests; i += 1000)
		memcpy(requests + i, "996:", 4);
	size_t at = sent % 1000;
	ssize_t n = send(fd, requests + at, sizeof requests - at, MSG_NOSIGNAL);
	*full = n > 0 ? 0 : *full + 1;
	return n > 0 ? (size_t)n : 0;
}

static size_t drain(int fd)
{
	static char bytes[65536];
	size_t all = 0;
	ssize_t n;
	while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
		all += (size_t)n;
	return all;
}

static void a_peer_that_does_not_read_is_not_read_and_loses_nothing(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.message_ms = 20});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	int fd = connect_with(&leg, 65536, NULL);
	r->on_message = answer_at_length;
	size_t sent = 0, heard = 0;
	int full = 0; /* rounds in which the socket took no more */
	REPEAT_UNTIL(r, full == 20, sent += ask(fd, sent, &full));
	size_t asked = sent / 1000;
	assert_true(r->count[EVENT_MESSAGE] < asked);
	assert_int_equal(statistics(r).closed_write_queue, 0);
	REPEAT_UNTIL(r, heard >= asked * 4096, heard += drain(fd));
	assert_int_equal(heard, asked * 4096);
	assert_int_equal(r->count[EVENT_MESSAGE], asked);
	assert_int_equal(r->count[EVENT_CLOSED], 0);
	close(fd);
	recorder_free(r);
}

static void a_queue_that_does_not_move_is_cut(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.stall_ms = 60});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	int fd = connect_with(&leg, 4096, NULL);
	static char requests[8000];
	r->on_message = answer_at_length;
	for (size_t i = 0; i < sizeof requests; i += 4)
		memcpy(requests + i, "2:ab", 4);
	assert_int_equal(send(fd, requests, sizeof requests, 0), sizeof requests);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	assert_string_equal(nth(r, EVENT_CLOSED, 0)->text, "ETIMEDOUT");
	assert_int_equal(statistics(r).closed_write_stall, 1);
	close(fd);
	recorder_free(r);
}

/* MANY: more than the loop tells before others have their turn. */
enum { MESSAGES = 2500, MESSAGE_N = 6000, MANY = 1100 };

/* Messages that count themselves, in one turn, until no more are taken; each wants a receipt. */
static uint32_t send_numbered(struct recorder *r, struct flow to)
{
	for (uint32_t i = 0; i < MESSAGES; i++) {
		char text[MESSAGE_N + 1];
		snprintf(text, sizeof text, "5995:%05995" PRIu32, i);
		to.receipt = i + 1;
		if (send_span(r, &to, span_of(text, MESSAGE_N)) != 0)
			return i;
	}
	return MESSAGES;
}

/* Each message has left whole, or is told, in the order they were sent. */
static void assert_all_accounted_for(struct recorder *r, uint32_t n, uint32_t least)
{
	uint32_t sent = r->count[EVENT_SENT], unsent = r->count[EVENT_UNSENT];
	assert_int_equal(sent + unsent, n);
	assert_true(unsent >= least);
	uint32_t next = sent;
	for (uint32_t i = 0; i < r->n; i++) {
		char text[MESSAGE_N + 1];
		if (r->events[i].kind != EVENT_UNSENT)
			continue;
		snprintf(text, sizeof text, "5995:%05995" PRIu32, next++);
		assert_string_equal(r->events[i].text, text);
	}
}

/* A peer with a small receive buffer that asked once, and reads nothing. */
static struct flow deaf_peer(struct recorder *r, int *fd)
{
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	*fd = connect_with(&leg, 4096, NULL);
	put(*fd, "3:one");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 1);
	return r->events[0].flow;
}

static void what_a_stalled_stream_did_not_take_is_told_before_its_end(void **state)
{
	(void)state;
	struct recorder *r =
		stream_recorder((struct live_options){.stall_ms = 60, .write_queue = 32 << 20});
	int fd;
	struct flow flow = deaf_peer(r, &fd);
	uint32_t n = send_numbered(r, flow);
	assert_int_equal(n, MESSAGES);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	assert_int_equal(statistics(r).closed_write_stall, 1);
	assert_all_accounted_for(r, n, MANY);
	assert_int_equal(r->events[r->n - 1].kind, EVENT_CLOSED);
	close(fd);
	recorder_free(r);
}

static void what_a_full_queue_held_is_told(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.write_queue = 900000});
	int fd;
	struct flow flow = deaf_peer(r, &fd);
	uint32_t n = send_numbered(r, flow);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	assert_int_equal(statistics(r).closed_write_queue, 1);
	assert_all_accounted_for(r, n, 900000 / MESSAGE_N - 1);
	close(fd);
	recorder_free(r);
}

static void what_a_peer_that_ends_does_not_take_is_told(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.write_queue = 64 << 20});
	int fd;
	struct flow flow = deaf_peer(r, &fd);
	uint32_t n = send_numbered(r, flow);
	shutdown(fd, SHUT_WR); /* it may still read */
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	assert_int_equal(r->count[EVENT_UNSENT], 0);
	close(fd);
	RUN_UNTIL(r, statistics(r).connections == 0 &&
			     r->count[EVENT_SENT] + r->count[EVENT_UNSENT] == n);
	assert_all_accounted_for(r, n, MANY);
	recorder_free(r);
}

static void what_is_left_when_the_world_ends_is_told_to_nobody(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.write_queue = 32 << 20});
	int fd;
	send_numbered(r, deaf_peer(r, &fd));
	recorder_free(r); /* says whether anything was told, or leaked */
	close(fd);
}

static void a_connect_nobody_answers_is_given_up(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){.connect_ms = 50});
	struct flow to = {.leg = 0};
	int listener = listen_on("127.0.0.1:0", &to.peer), fill[4];
	open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	assert_int_equal(listen(listener, 0), 0); /* a backlog of one, full */
	for (int i = 0; i < 4; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fill[i], &to.peer.sa, addr_len(&to.peer));
	}
	assert_int_equal(send_span(r, &to, SPAN("1:x")), 0);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	assert_string_equal(nth(r, EVENT_UNSENT, 0)->text, "1:x");
	assert_string_equal(nth(r, EVENT_CLOSED, 0)->text, "ETIMEDOUT");
	assert_int_equal(statistics(r).connections_failed, 1);
	for (int i = 0; i < 4; i++)
		close(fill[i]);
	close(listener);
	recorder_free(r);
}

/* It has descriptors of its own, and takes what is beyond the limit off the queue. */
static bool is_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");
	return preload && strstr(preload, "vgpreload");
}

static void without_descriptors_accepting_pauses_and_the_rest_goes_on(void **state)
{
	(void)state;
	if (is_valgrind())
		skip();
	struct recorder *r = stream_recorder((struct live_options){.accept_pause_ms = 20});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct addr datagrams = open_leg(r, 1, TRANSPORT_UDP, "127.0.0.1:0");
	struct heard heard = {.fd = connect_to(&leg)};
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct rlimit before, none;
	int lowest = dup(udp);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r->on_message = echo;
	put(heard.fd, "3:one");
	RUN_UNTIL(r, statistics(r).accept_pauses >= 2);
	assert_int_equal(sendto(udp, "x", 1, 0, &datagrams.sa, addr_len(&datagrams)), 1);
	RUN_UNTIL(r, statistics(r).datagrams_out == 1);
	assert_int_equal(hear(&heard)->n, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	HEARS(r, &heard, "3:one");
	assert_true(statistics(r).accept_pauses < 200); /* paused, not spinning */
	close(udp);
	close(heard.fd);
	recorder_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_sender_is_cut_at_the_deadline_of_its_message),
		cmocka_unit_test(a_line_end_on_its_own_is_not_a_late_message),
		cmocka_unit_test(an_idle_connection_is_closed_and_a_ping_keeps_it),
		cmocka_unit_test(what_we_send_keeps_a_connection),
		cmocka_unit_test(a_connection_opened_by_us_is_closed_when_idle_too),
		cmocka_unit_test(one_source_gets_so_many_connections),
		cmocka_unit_test(all_together_get_so_many_connections),
		cmocka_unit_test(many_short_connections_leave_nothing_behind),
		cmocka_unit_test(a_peer_that_does_not_read_is_closed_when_its_queue_is_full),
		cmocka_unit_test(a_peer_that_does_not_read_is_not_read_and_loses_nothing),
		cmocka_unit_test(a_queue_that_does_not_move_is_cut),
		cmocka_unit_test(what_a_stalled_stream_did_not_take_is_told_before_its_end),
		cmocka_unit_test(what_a_full_queue_held_is_told),
		cmocka_unit_test(what_a_peer_that_ends_does_not_take_is_told),
		cmocka_unit_test(what_is_left_when_the_world_ends_is_told_to_nobody),
		cmocka_unit_test(a_connect_nobody_answers_is_given_up),
		cmocka_unit_test(without_descriptors_accepting_pauses_and_the_rest_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The live world's datagram legs, on loopback. */
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <fcntl.h>

#include "recorder.h"

static int peer_socket(const struct addr *to, struct addr *local)
{
	int fd = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct addr any = parse(to->sa.sa_family == AF_INET6 ? "[::1]:0" : "127.0.0.1:0");
	socklen_t n = addr_len(&any);
	assert_int_equal(bind(fd, &any.sa, n), 0);
	assert_int_equal(connect(fd, &to->sa, addr_len(to)), 0);
	assert_int_equal(getsockname(fd, &any.sa, &n), 0);
	if (local)
		*local = any;
	return fd;
}

static void echo(struct recorder *r, const struct flow *from, struct span bytes)
{
	assert_int_equal(send_span(r, from, bytes), 0);
}

/* The datagram as text; NULL when there is none. */
static const char *get(int fd)
{
	static char bytes[70000];
	ssize_t n = recv(fd, bytes, sizeof bytes - 1, 0);
	if (n < 0)
		return NULL;
	bytes[n] = '\0';
	return bytes;
}

static void takes_a_hundred_datagrams_in_order_in_few_turns(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct addr leg = open_leg(r, 3, TRANSPORT_UDP, "127.0.0.1:0"), local;
	int fd = peer_socket(&leg, &local);
	char text[32];
	for (int i = 0; i < 100; i++)
		assert_true(send(fd, text, (size_t)sprintf(text, "number %d", i), 0) > 0);
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 100);
	for (uint32_t i = 0; i < 100; i++) {
		sprintf(text, "number %u", i);
		assert_string_equal(r->events[i].text, text);
		assert_int_equal(r->events[i].flow.leg, 3);
		assert_int_equal(r->events[i].flow.connection, 0);
		assert_true(addr_eq(&r->events[i].flow.peer, &local));
	}
	assert_in_range(r->turns, 4, 5); /* batches of 32 */
	assert_int_equal(statistics(r).datagrams_in, 100);
	close(fd);
	recorder_free(r);
}

static void what_a_turn_sends_goes_out_in_order_at_its_end(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct addr leg = open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	int fd = peer_socket(&leg, NULL);
	char text[32];
	r->on_message = echo;
	for (int i = 0; i < 100; i++)
		assert_true(send(fd, text, (size_t)sprintf(text, "number %d", i), 0) > 0);
	RUN_UNTIL(r, statistics(r).datagrams_out == 100);
	for (int i = 0; i < 100; i++) {
		sprintf(text, "number %d", i);
		assert_string_equal(get(fd), text);
	}
	assert_int_equal(statistics(r).datagram_bytes_out, statistics(r).datagram_bytes_in);
	close(fd);
	recorder_free(r);
}

static void joins_the_pieces_of_a_message(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct flow to = {.leg = 0};
	struct addr leg = open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	int fd = peer_socket(&leg, &to.peer);
	/* One in twenty is too long to be copied into one piece. */
	static char text[2][WORLD_IOV_MAX * 40 + 1];
	static const uint32_t length[2] = {1, 40};
	struct iovec pieces[2][WORLD_IOV_MAX];
	for (int kind = 0; kind < 2; kind++)
		for (uint32_t i = 0; i < WORLD_IOV_MAX; i++) {
			char *at = text[kind] + i * length[kind];
			memset(at, "abcdefghijklm"[i % 13], length[kind]);
			pieces[kind][i] = (struct iovec){at, length[kind]};
		}
	for (int i = 0; i < 200; i++) /* more than a batch, and more pieces than one holds */
		assert_int_equal(
			r->world->send(r->world, &to, pieces[i % 20 == 0], WORLD_IOV_MAX), 0);
	RUN_UNTIL(r, statistics(r).datagrams_out == 200);
	for (int i = 0; i < 200; i++)
		assert_string_equal(get(fd), text[i % 20 == 0]);
	close(fd);
	recorder_free(r);
}

static void speaks_ipv6(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct addr leg = open_leg(r, 0, TRANSPORT_UDP, "[::1]:0"), local;
	int fd = peer_socket(&leg, &local);
	r->on_message = echo;
	assert_int_equal(send(fd, "six", 3, 0), 3);
	RUN_UNTIL(r, statistics(r).datagrams_out == 1);
	assert_true(addr_eq(&r->events[0].flow.peer, &local));
	assert_string_equal(get(fd), "six");
	/* V6ONLY: the same port of IPv4 is another leg's. */
	char any[32];
	struct addr six = open_leg(r, 1, TRANSPORT_UDP, "[::]:0");
	sprintf(any, "0.0.0.0:%d", addr_port(&six));
	open_leg(r, 2, TRANSPORT_UDP, any);
	close(fd);
	recorder_free(r);
}

static void counts_what_the_kernel_dropped(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(&(struct live_options){.socket_buffer = 20000});
	struct addr leg = open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	int fd = peer_socket(&leg, NULL);
	for (int i = 0; i < 500; i++)
		assert_int_equal(send(fd, "0123456789", 10, 0), 10);
	RUN_UNTIL(r, statistics(r).datagrams_in + statistics(r).receive_overflow == 500);
	assert_true(statistics(r).receive_overflow > 0);
	uint64_t overflow = statistics(r).receive_overflow;
	r->world->leg_close(r->world, 0);
	assert_int_equal(statistics(r).receive_overflow, overflow);
	close(fd);
	recorder_free(r);
}

static void takes_and_sends_the_largest_datagram(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct addr leg = open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	int fd = peer_socket(&leg, NULL);
	static char bytes[65508];
	memset(bytes, 'x', sizeof bytes - 1);
	r->on_message = echo;
	assert_int_equal(send(fd, bytes, 65507, 0), 65507);
	assert_int_equal(send(fd, "", 0, 0), 0);
	RUN_UNTIL(r, statistics(r).datagrams_out == 2);
	assert_string_equal(get(fd), bytes);
	assert_string_equal(get(fd), "");
	assert_int_equal(send_span(r, &r->events[0].flow, span_of(bytes, 65508)), -EMSGSIZE);
	close(fd);
	recorder_free(r);
}

/* A network of our own, whose loopback has this MTU and leads nowhere else. Returns the way home;
 * -1 where that is not allowed. */
static int leave_home(int mtu)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET) != 0) {
		close(home);
		return -1;
	}
	struct ifreq lo = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	lo.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	lo.ifr_mtu = mtu;
	assert_int_equal(ioctl(fd, SIOCSIFMTU, &lo), 0);
	close(fd);
	return home;
}

static void go_home(int home)
{
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
}

/* Skips where a network of its own is not allowed. */
static void a_message_beyond_the_mtu_goes_out_in_fragments(void **state)
{
	(void)state;
	int home = leave_home(1300), fd;
	if (home < 0)
		skip();
	static const size_t sizes[] = {100, 1350, 5000, 200, 1272, 1273, 60000, 1400, 1401, 10};
	static const char *const addresses[] = {"127.0.0.1:0", "[::1]:0"};
	static char bytes[60000];
	struct recorder *r = recorder_new(NULL);
	for (uint32_t leg = 0; leg < 2; leg++) {
		struct flow to = {.leg = leg};
		struct addr bound = open_leg(r, leg, TRANSPORT_UDP, addresses[leg]);
		fd = peer_socket(&bound, &to.peer);
		memset(bytes, 'y', sizeof bytes);
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
			assert_int_equal(send_span(r, &to, span_of(bytes, sizes[i])), 0);
		RUN_UNTIL(r, statistics(r).datagrams_out == (leg + 1) * 10);
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			const char *text = get(fd);
			assert_non_null(text);
			assert_int_equal(strlen(text), sizes[i]);
		}
		close(fd);
	}
	assert_int_equal(statistics(r).send_errors, 0);
	recorder_free(r);
	go_home(home);
}

static void an_error_of_one_destination_does_not_lose_the_others(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct addr leg = open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	struct flow good = {.leg = 0},
		    broadcast = {.leg = 0, .peer = parse("255.255.255.255:5060")},
		    no_port = {.leg = 0, .peer = parse("127.0.0.1:0")};
	int fd = peer_socket(&leg, &good.peer);
	assert_int_equal(send_span(r, &broadcast, SPAN("lost")), 0);
	assert_int_equal(send_span(r, &good, SPAN("one")), 0);
	assert_int_equal(send_span(r, &no_port, SPAN("lost")), 0);
	assert_int_equal(send_span(r, &broadcast, SPAN("lost")), 0);
	assert_int_equal(send_span(r, &good, SPAN("two")), 0);
	RUN_UNTIL(r, statistics(r).datagrams_out == 2);
	assert_string_equal(get(fd), "one");
	assert_string_equal(get(fd), "two");
	assert_null(get(fd));
	assert_int_equal(statistics(r).send_errors, 3);
	assert_int_equal(statistics(r).datagram_bytes_out, 6);
	close(fd);
	recorder_free(r);
}

static void assert_unsent(
	struct recorder *r, uint32_t i, const char *text, const struct flow *to, const char *reason)
{
	const struct event *event = nth(r, EVENT_UNSENT, i);
	assert_string_equal(event->text, text);
	assert_string_equal(event->reason, reason);
	assert_int_equal(event->flow.leg, to->leg);
	assert_true(addr_eq(&event->flow.peer, &to->peer));
}

static char scratch[16]; /* of what is sent in pieces: lasts to the end of the turn */

static void overwrite(struct recorder *r)
{
	(void)r;
	memset(scratch, '#', sizeof scratch);
}

static void what_the_kernel_refuses_is_told_as_unsent_and_nothing_else_is(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct addr leg = open_leg(r, 5, TRANSPORT_UDP, "127.0.0.1:0");
	struct flow good = {.leg = 5},
		    broadcast = {.leg = 5, .peer = parse("255.255.255.255:5060")},
		    no_port = {.leg = 5, .peer = parse("127.0.0.1:0")};
	int fd = peer_socket(&leg, &good.peer);
	struct iovec pieces[] = {{scratch, 3}, {scratch, 0}, {scratch + 3, 3}};
	memcpy(scratch, "pieces", 6);
	r->on_turn_end = overwrite;
	assert_int_equal(send_span(r, &good, SPAN("one")), 0);
	assert_int_equal(r->world->send(r->world, &broadcast, pieces, 3), 0);
	assert_int_equal(send_span(r, &good, SPAN("two")), 0);
	assert_int_equal(send_span(r, &no_port, SPAN("portless")), 0);
	assert_int_equal(send_span(r, &no_port, SPAN("")), 0);
	assert_int_equal(r->count[EVENT_UNSENT], 0);
	RUN_UNTIL(r, r->count[EVENT_UNSENT] == 3);
	assert_unsent(r, 0, "pieces", &broadcast, "EACCES");
	assert_unsent(r, 1, "portless", &no_port, "EINVAL");
	assert_unsent(r, 2, "", &no_port, "EINVAL");
	assert_string_equal(get(fd), "one");
	assert_string_equal(get(fd), "two");
	run_dry(r);
	assert_int_equal(r->n, 3);
	close(fd);
	recorder_free(r);
}

/* Skips where a network of its own is not allowed. */
static void a_target_without_a_route_is_told_as_unsent(void **state)
{
	(void)state;
	int home = leave_home(1500);
	if (home < 0)
		skip();
	struct recorder *r = recorder_new(NULL);
	open_leg(r, 0, TRANSPORT_UDP, "0.0.0.0:0");
	open_leg(r, 1, TRANSPORT_UDP, "[::]:0");
	struct flow four = {.leg = 0, .peer = parse("9.9.9.9:5060")},
		    six = {.leg = 1, .peer = parse("[2001:db8::9]:5060")};
	assert_int_equal(send_span(r, &four, SPAN("four")), 0);
	assert_int_equal(send_span(r, &six, SPAN("six")), 0);
	RUN_UNTIL(r, r->count[EVENT_UNSENT] == 2);
	assert_unsent(r, 0, "four", &four, "ENETUNREACH");
	assert_unsent(r, 1, "six", &six, "ENETUNREACH");
	recorder_free(r);
	go_home(home);
}

static void try_again(struct recorder *r, const struct flow *to)
{
	static bool is_inside;
	assert_false(is_inside);
	is_inside = true;
	if (r->count[EVENT_UNSENT] < 40) { /* a batch in between, too */
		assert_int_equal(send_span(r, to, SPAN("again")), 0);
		for (int i = 0; r->count[EVENT_UNSENT] == 20 && i < 70; i++)
			assert_int_equal(send_span(r, to, SPAN("again")), 0);
	}
	is_inside = false;
}

static void who_is_told_of_an_unsent_datagram_may_send_again_at_once(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	struct flow no_port = {.leg = 0, .peer = parse("127.0.0.1:0")};
	r->on_unsent = try_again;
	assert_int_equal(send_span(r, &no_port, SPAN("first")), 0);
	RUN_UNTIL(r, r->count[EVENT_UNSENT] >= 100);
	run_dry(r);
	assert_int_equal(r->count[EVENT_UNSENT], statistics(r).send_errors);
	assert_true(r->turns >= 20); /* each round has one of its own */
	recorder_free(r);
}

static void of_too_many_refused_datagrams_some_are_only_counted(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	struct flow no_port = {.leg = 0, .peer = parse("127.0.0.1:0")};
	for (int i = 0; i < 2000; i++)
		assert_int_equal(send_span(r, &no_port, SPAN("lost")), 0);
	RUN_UNTIL(r, statistics(r).send_errors == 2000);
	run_dry(r);
	uint32_t told = r->count[EVENT_UNSENT];
	assert_in_range(told, 100, 1999);
	assert_int_equal(send_span(r, &no_port, SPAN("later")), 0);
	RUN_UNTIL(r, r->count[EVENT_UNSENT] == told + 1);
	assert_unsent(r, told, "later", &no_port, "EINVAL");
	recorder_free(r);
}

static void close_its_leg(struct recorder *r, const struct flow *to)
{
	assert_int_equal(send_span(r, to, SPAN("last")), 0);
	r->on_unsent = NULL;
	r->world->leg_close(r->world, to->leg);
}

static void a_leg_may_be_closed_while_it_tells_what_is_unsent(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	struct flow no_port = {.leg = 0, .peer = parse("127.0.0.1:0")};
	r->on_unsent = close_its_leg;
	for (int i = 0; i < 3; i++)
		assert_int_equal(send_span(r, &no_port, SPAN("lost")), 0);
	RUN_UNTIL(r, r->count[EVENT_UNSENT] == 4);
	assert_unsent(r, 3, "last", &no_port, "EINVAL");
	recorder_free(r);
}

static void tells_at_once_what_can_not_be_sent(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	struct flow six = {.leg = 0, .peer = parse("[::1]:5060")},
		    no_leg = {.leg = 1, .peer = parse("127.0.0.1:5060")};
	assert_int_equal(send_span(r, &six, SPAN("x")), -EAFNOSUPPORT);
	assert_int_equal(send_span(r, &no_leg, SPAN("x")), -ENODEV);
	recorder_free(r);
}

static void a_flooded_leg_does_not_starve_another(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct addr flooded = open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	struct addr quiet = open_leg(r, 1, TRANSPORT_UDP, "127.0.0.1:0");
	int flood = peer_socket(&flooded, NULL), fd = peer_socket(&quiet, NULL);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(send(flood, "f", 1, 0), 1);
	assert_int_equal(send(fd, "q", 1, 0), 1);
	uint32_t before = 0;
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] > 0);
	while (before < r->n && r->events[before].flow.leg == 0)
		before++;
	assert_true(before < r->n); /* seen in the same round of the loop */
	assert_true(before <= 256);
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 2001);
	close(flood);
	close(fd);
	recorder_free(r);
}

static void reopen(struct recorder *r, const struct flow *from, struct span bytes)
{
	char error[256];
	struct leg_address address = {.transport = TRANSPORT_UDP, .bind = r->bound[0]};
	assert_int_equal(send_span(r, from, bytes), 0);
	r->world->leg_close(r->world, 0);
	assert_int_equal(r->world->leg_open(r->world, 0, &address, error), 0);
	r->on_message = echo;
}

static void a_leg_may_be_closed_and_opened_again_inside_an_event(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct addr leg = open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	int fd = peer_socket(&leg, NULL);
	r->on_message = reopen;
	assert_int_equal(send(fd, "one", 3, 0), 3);
	RUN_UNTIL(r, statistics(r).datagrams_out == 1);
	assert_string_equal(get(fd), "one");
	assert_int_equal(send(fd, "two", 3, 0), 3);
	RUN_UNTIL(r, statistics(r).datagrams_out == 2);
	assert_string_equal(get(fd), "two");
	close(fd);
	recorder_free(r);
}

static void send_twice(struct recorder *r)
{
	static uint32_t times;
	static const char late[] = "late";
	if (r->count[EVENT_MESSAGE] && times++ < 2)
		assert_int_equal(
			send_span(r, &nth(r, EVENT_MESSAGE, 0)->flow, span_of(late, 4)), 0);
}

static void what_the_end_of_a_turn_sends_has_a_turn_of_its_own(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	struct addr leg = open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0");
	int fd = peer_socket(&leg, NULL);
	r->on_turn_end = send_twice;
	assert_int_equal(send(fd, "one", 3, 0), 3);
	RUN_UNTIL(r, statistics(r).datagrams_out == 2);
	assert_int_equal(r->turns, 3);
	close(fd);
	recorder_free(r);
}

static void says_why_a_leg_can_not_be_opened(void **state)
{
	(void)state;
	struct recorder *r = recorder_new(NULL);
	char error[256], expected[256], text[ADDR_TEXT_MAX];
	struct leg_address address = {
		.transport = TRANSPORT_UDP, .bind = open_leg(r, 0, TRANSPORT_UDP, "127.0.0.1:0")};
	assert_int_equal(r->world->leg_open(r->world, 1, &address, error), -1);
	sprintf(expected, "cannot bind %.*s: Address already in use",
		(int)addr_print(&address.bind, text), text);
	assert_string_equal(error, expected);
	address.transport = TRANSPORT_TLS;
	assert_int_equal(r->world->leg_open(r->world, 1, &address, error), -1);
	assert_string_equal(error, "only UDP and TCP legs are supported");
	recorder_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_hundred_datagrams_in_order_in_few_turns),
		cmocka_unit_test(what_a_turn_sends_goes_out_in_order_at_its_end),
		cmocka_unit_test(joins_the_pieces_of_a_message),
		cmocka_unit_test(speaks_ipv6),
		cmocka_unit_test(counts_what_the_kernel_dropped),
		cmocka_unit_test(takes_and_sends_the_largest_datagram),
		cmocka_unit_test(a_message_beyond_the_mtu_goes_out_in_fragments),
		cmocka_unit_test(an_error_of_one_destination_does_not_lose_the_others),
		cmocka_unit_test(what_the_kernel_refuses_is_told_as_unsent_and_nothing_else_is),
		cmocka_unit_test(a_target_without_a_route_is_told_as_unsent),
		cmocka_unit_test(who_is_told_of_an_unsent_datagram_may_send_again_at_once),
		cmocka_unit_test(of_too_many_refused_datagrams_some_are_only_counted),
		cmocka_unit_test(a_leg_may_be_closed_while_it_tells_what_is_unsent),
		cmocka_unit_test(tells_at_once_what_can_not_be_sent),
		cmocka_unit_test(a_flooded_leg_does_not_starve_another),
		cmocka_unit_test(a_leg_may_be_closed_and_opened_again_inside_an_event),
		cmocka_unit_test(what_the_end_of_a_turn_sends_has_a_turn_of_its_own),
		cmocka_unit_test(says_why_a_leg_can_not_be_opened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

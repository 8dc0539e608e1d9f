/* The live world's stream legs, on loopback: messages and connections. */
#include "stream.h"

static void cuts_messages_whatever_the_segments(void **state)
{
	(void)state;
	static const char text[] = "5:first\r\n6:second";
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 2, TRANSPORT_TCP, "127.0.0.1:0"), local;
	for (size_t at = 0; at <= sizeof text - 1; at++) {
		uint32_t before = r->count[EVENT_MESSAGE];
		int fd = connect_with(&leg, 0, &local);
		send(fd, text, at, 0);
		run_dry(r);
		send(fd, text + at, sizeof text - 1 - at, 0);
		RUN_UNTIL(r, r->count[EVENT_MESSAGE] == before + 2);
		const struct event *first = nth(r, EVENT_MESSAGE, before);
		const struct event *second = nth(r, EVENT_MESSAGE, before + 1);
		assert_string_equal(first->text, "5:first");
		assert_string_equal(second->text, "6:second");
		assert_int_equal(first->flow.leg, 2);
		assert_true(addr_eq(&first->flow.peer, &local));
		assert_true(first->flow.connection != 0);
		assert_true(first->flow.connection == second->flow.connection);
		close(fd);
	}
	recorder_free(r);
}

static void answers_a_thousand_requests_of_one_write(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard heard = {.fd = connect_to(&leg)};
	char text[16000];
	size_t n = 0;
	r->on_message = echo;
	for (int i = 0; i < 1000; i++)
		n += (size_t)sprintf(text + n, "10:request%03d", i);
	assert_int_equal(send(heard.fd, text, n, 0), n);
	HEARS(r, &heard, text);
	assert_int_equal(r->count[EVENT_MESSAGE], 1000);
	assert_true(r->turns < 10);
	assert_int_equal(statistics(r).stream_messages_out, 1000);
	close(heard.fd);
	recorder_free(r);
}

static size_t put_some(int fd, const char *text, size_t n)
{
	ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
	return sent > 0 ? (size_t)sent : 0;
}

static void takes_a_message_as_long_as_the_limit(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "[::1]:0");
	int fd = connect_to(&leg);
	static char text[STREAM_MESSAGE_MAX];
	memset(text, 'x', sizeof text);
	memcpy(text, "262137:", 7);
	size_t sent = 0;
	REPEAT_UNTIL(r, r->count[EVENT_MESSAGE] == 1,
		sent += put_some(fd, text + sent, sizeof text - sent));
	assert_int_equal(r->events[0].n, STREAM_MESSAGE_MAX);
	close(fd);
	recorder_free(r);
}

static void a_reply_goes_back_on_the_connection_of_its_request(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard one = {.fd = connect_to(&leg)}, two = {.fd = connect_to(&leg)};
	put(one.fd, "3:one");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 1);
	put(two.fd, "3:two");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 2);
	/* The id is what counts, whatever the address says. */
	struct flow flow = r->events[1].flow;
	flow.peer = r->events[0].flow.peer;
	assert_int_equal(send_span(r, &flow, SPAN("2:b")), 0);
	assert_int_equal(send_span(r, &r->events[0].flow, SPAN("2:a")), 0);
	HEARS(r, &one, "2:a");
	HEARS(r, &two, "2:b");
	close(one.fd);
	close(two.fd);
	recorder_free(r);
}

static void sends_by_the_connection_there_is_and_else_opens_one(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct flow to = {.leg = 0};
	struct heard heard = {.fd = -1};
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.2:0"), from;
	int listener = listen_on("127.0.0.1:0", &to.peer);
	socklen_t n = sizeof from;
	assert_int_equal(send_span(r, &to, SPAN("3:one")), 0);
	assert_int_equal(send_span(r, &to, SPAN("3:two")), 0);
	RUN_UNTIL(r, (heard.fd = accept4(listener, &from.sa, &n, SOCK_NONBLOCK)) >= 0);
	HEARS(r, &heard, "3:one3:two");
	assert_true(addr_same_ip(&from, &leg)); /* the leg's address, a port of its own */
	assert_int_equal(send_span(r, &to, SPAN("5:three")), 0);
	HEARS(r, &heard, "3:one3:two5:three");
	put(heard.fd, "6:answer");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 1);
	assert_true(r->events[0].flow.connection != 0);
	assert_true(addr_eq(&r->events[0].flow.peer, &to.peer));
	assert_int_equal(accept4(listener, NULL, NULL, SOCK_NONBLOCK), -1);
	assert_int_equal(statistics(r).connections_opened, 1);
	close(heard.fd);
	close(listener);
	recorder_free(r);
}

static void a_receipt_is_given_when_the_kernel_has_taken_the_message(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct flow to = {.leg = 0, .receipt = 7};
	struct heard heard = {.fd = -1};
	open_leg(r, 0, TRANSPORT_TCP, "127.0.0.2:0");
	int listener = listen_on("127.0.0.1:0", &to.peer);
	assert_int_equal(send_span(r, &to, SPAN("3:one")), 0);
	to.receipt = 8;
	assert_int_equal(send_span(r, &to, SPAN("3:two")), 0);
	assert_int_equal(r->count[EVENT_SENT], 0); /* never from within send */
	RUN_UNTIL(r, (heard.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	HEARS(r, &heard, "3:one3:two");
	RUN_UNTIL(r, r->count[EVENT_SENT] == 2);
	assert_int_equal(nth(r, EVENT_SENT, 0)->query, 7);
	assert_int_equal(nth(r, EVENT_SENT, 1)->query, 8);
	close(heard.fd);
	close(listener);
	recorder_free(r);
}

static void a_refused_connection_is_told_once(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct flow to = {.leg = 0};
	open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	close(listen_on("127.0.0.1:0", &to.peer)); /* nobody is there now */
	for (int i = 0; i < 3; i++)
		assert_int_equal(send_span(r, &to, SPAN("3:one")), 0);
	assert_int_equal(r->count[EVENT_CLOSED], 0); /* never from within send */
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	assert_int_equal(
		r->count[EVENT_UNSENT], 3); /* each message that never left comes back first */
	assert_string_equal(r->events[0].text, "3:one");
	assert_string_equal(r->events[3].text, "ECONNREFUSED");
	assert_true(addr_eq(&r->events[3].flow.peer, &to.peer));
	run_dry(r);
	assert_int_equal(r->count[EVENT_CLOSED], 1);
	assert_int_equal(statistics(r).connections_failed, 1);
	assert_int_equal(statistics(r).connections, 0);
	recorder_free(r);
}

static void send_again(struct recorder *r, const struct flow *flow)
{
	if (r->count[EVENT_CLOSED] < 3)
		assert_int_equal(send_span(r, flow, SPAN("5:again")), 0);
}

static void an_engine_may_send_again_when_told_of_a_failure(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct flow to = {.leg = 0};
	open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	close(listen_on("127.0.0.1:0", &to.peer));
	r->on_closed = send_again;
	assert_int_equal(send_span(r, &to, SPAN("3:one")), 0);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 3);
	assert_true(r->events[0].flow.connection != r->events[2].flow.connection);
	recorder_free(r);
}

static void tells_when_a_peer_ends_or_resets(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	int fd = connect_to(&leg);
	put(fd, "3:one2:"); /* the second is never whole */
	close(fd);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	assert_string_equal(nth(r, EVENT_CLOSED, 0)->text, "ESHUTDOWN");
	assert_true(nth(r, EVENT_CLOSED, 0)->flow.connection == r->events[0].flow.connection);
	struct linger reset = {.l_onoff = 1};
	fd = connect_to(&leg);
	put(fd, "3:two");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 2);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(fd);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 2);
	assert_string_equal(nth(r, EVENT_CLOSED, 1)->text, "ECONNRESET");
	assert_int_equal(statistics(r).connections, 0);
	recorder_free(r);
}

static void a_peer_that_ends_after_its_request_still_gets_the_answer(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard heard = {.fd = connect_to(&leg)};
	r->on_message = echo;
	put(heard.fd, "3:one");
	shutdown(heard.fd, SHUT_WR);
	RUN_UNTIL(r, hear(&heard)->ended);
	assert_string_equal(heard.text, "3:one");
	close(heard.fd);
	recorder_free(r);
}

static void refuse_politely(struct recorder *r, const struct flow *from, struct span bytes)
{
	(void)bytes;
	assert_int_equal(send_span(r, from, SPAN("3:bad")), 0);
}

static void what_can_not_be_cut_is_told_answered_and_closed(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard heard = {.fd = connect_to(&leg)};
	r->on_unframed = refuse_politely;
	put(heard.fd, "4:goodGET / HTTP/1.1\r\n: and more");
	RUN_UNTIL(r, r->count[EVENT_UNFRAMED] == 1);
	put(heard.fd, "more that nobody will read");
	RUN_UNTIL(r, hear(&heard)->ended);
	assert_string_equal(heard.text, "3:bad");
	assert_string_equal(r->events[1].text, "GET / HTTP/1.1\r\n: and more");
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	assert_string_equal(r->events[2].text, "EBADMSG");
	close(heard.fd);
	RUN_UNTIL(r, statistics(r).connections == 0);
	assert_int_equal(r->n, 3);
	recorder_free(r);
}

static void a_message_without_end_is_given_up(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	int fd = connect_to(&leg);
	static char text[2 * STREAM_MESSAGE_MAX];
	memset(text, 'x', sizeof text);
	memcpy(text, "2000000000:", 11);
	size_t sent = 0;
	REPEAT_UNTIL(r, r->count[EVENT_UNFRAMED] == 1,
		sent += put_some(fd, text + sent, sizeof text - sent));
	assert_int_equal(r->events[0].n, STREAM_MESSAGE_MAX);
	close(fd);
	recorder_free(r);
}

static void a_ping_is_answered_with_one_line_end(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard heard = {.fd = connect_to(&leg)};
	put(heard.fd, "\r\n\r\n");
	HEARS(r, &heard, "\r\n");
	put(heard.fd, "\r\n");
	run_dry(r);
	put(heard.fd, "\r\n3:one\r\n\r\n");
	HEARS(r, &heard, "\r\n\r\n\r\n");
	assert_int_equal(r->count[EVENT_MESSAGE], 1);
	assert_int_equal(statistics(r).pings_answered, 3);
	close(heard.fd);
	recorder_free(r);
}

static void ten_thousand_pings_bring_no_more_bytes_than_they_are(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard heard = {.fd = connect_to(&leg)};
	static char text[40000];
	for (size_t i = 0; i < sizeof text; i += 4)
		memcpy(text + i, "\r\n\r\n", 4);
	assert_int_equal(send(heard.fd, text, sizeof text, 0), sizeof text);
	RUN_UNTIL(r, statistics(r).pings_answered + statistics(r).pings_ignored == 10000);
	run_dry(r);
	assert_true(hear(&heard)->n <= 20000);
	assert_int_equal(heard.n, 2 * statistics(r).pings_answered);
	close(heard.fd);
	recorder_free(r);
}

static void an_id_is_dead_with_its_connection(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	int fd = connect_to(&leg);
	put(fd, "3:one");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 1);
	close(fd);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	struct heard other = {.fd = connect_to(&leg)};
	put(other.fd, "3:two");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 2);
	struct flow old = r->events[0].flow, new = nth(r, EVENT_MESSAGE, 1)->flow;
	assert_true(old.connection != new.connection);
	assert_int_equal(old.connection & 0xfffff, new.connection & 0xfffff); /* one slot */
	/* The late answer tries the address of its peer, where nobody is, and no other's. */
	assert_int_equal(send_span(r, &old, SPAN("4:late")), 0);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 2);
	assert_string_equal(nth(r, EVENT_CLOSED, 1)->text, "ECONNREFUSED");
	assert_int_equal(hear(&other)->n, 0);
	r->world->stream_close(r->world, old.connection); /* means nobody, does nothing */
	assert_int_equal(send_span(r, &new, SPAN("1:x")), 0);
	HEARS(r, &other, "1:x");
	close(other.fd);
	recorder_free(r);
}

/* A peer connects and sends a message; which connection it came on. */
static uint64_t greeting(struct recorder *r, int fd)
{
	uint32_t before = r->count[EVENT_MESSAGE];
	put(fd, "2:hi");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == before + 1);
	return nth(r, EVENT_MESSAGE, before)->flow.connection;
}

static void what_goes_to_an_alias_goes_by_its_oldest_connection_while_that_lives(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard old = {.fd = connect_to(&leg)}, young = {.fd = connect_to(&leg)};
	struct flow to = {.leg = 0};
	close(listen_on("127.0.0.1:0", &to.peer)); /* nobody is there */
	uint64_t first = greeting(r, old.fd), second = greeting(r, young.fd);
	r->world->stream_alias(r->world, first, &to.peer);
	r->world->stream_alias(r->world, second, &to.peer);
	assert_int_equal(send_span(r, &to, SPAN("3:one")), 0);
	HEARS(r, &old, "3:one");
	assert_int_equal(statistics(r).aliases_made, 1);
	assert_int_equal(statistics(r).sent_by_alias, 1);
	close(old.fd);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	r->world->stream_alias(r->world, first, &to.peer); /* means nobody, does nothing */
	r->world->stream_alias(r->world, second, &to.peer);
	assert_int_equal(send_span(r, &to, SPAN("3:two")), 0);
	HEARS(r, &young, "3:two");
	close(young.fd);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 2);
	assert_int_equal(send_span(r, &to, SPAN("5:three")), 0);
	RUN_UNTIL(r, r->count[EVENT_UNSENT] == 1); /* by a connection of its own, refused */
	assert_int_equal(statistics(r).sent_by_alias, 2);
	recorder_free(r);
}

static void a_connection_has_one_alias_and_an_alias_is_of_one_leg(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	open_leg(r, 1, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard heard = {.fd = connect_to(&leg)};
	struct addr one, two;
	close(listen_on("127.0.0.2:0", &one));
	close(listen_on("127.0.0.3:0", &two));
	uint64_t connection = greeting(r, heard.fd);
	r->world->stream_alias(r->world, connection, &one);
	r->world->stream_alias(r->world, connection, &two);
	assert_int_equal(send_span(r, &(struct flow){.peer = two}, SPAN("1:a")), 0);
	assert_int_equal(send_span(r, &(struct flow){.leg = 1, .peer = one}, SPAN("1:b")), 0);
	RUN_UNTIL(r, r->count[EVENT_UNSENT] == 2);
	assert_int_equal(send_span(r, &(struct flow){.peer = one}, SPAN("1:c")), 0);
	HEARS(r, &heard, "1:c");
	close(heard.fd);
	recorder_free(r);
}

static void answer_and_close(struct recorder *r, const struct flow *from, struct span bytes)
{
	assert_int_equal(send_span(r, from, bytes), 0);
	r->world->stream_close(r->world, from->connection);
}

static void closing_a_stream_sends_what_is_queued_and_tells_no_more_of_it(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard heard = {.fd = connect_to(&leg)};
	r->on_message = answer_and_close;
	put(heard.fd, "3:one3:two5:three");
	RUN_UNTIL(r, hear(&heard)->ended);
	assert_string_equal(heard.text, "3:one");
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	assert_string_equal(r->events[1].text, "ECANCELED");
	assert_int_equal(r->count[EVENT_MESSAGE], 1);
	close(heard.fd);
	RUN_UNTIL(r, statistics(r).connections == 0);
	recorder_free(r);
}

static void closing_a_leg_ends_its_connections_and_frees_its_port(void **state)
{
	(void)state;
	struct recorder *r = stream_recorder((struct live_options){0});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	struct heard heard = {.fd = connect_to(&leg)};
	put(heard.fd, "3:one");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 1);
	r->world->leg_close(r->world, 0);
	RUN_UNTIL(r, hear(&heard)->ended);
	RUN_UNTIL(r, r->count[EVENT_CLOSED] == 1);
	char text[ADDR_TEXT_MAX + 1];
	text[addr_print(&leg, text)] = '\0';
	open_leg(r, 0, TRANSPORT_TCP, text);
	int fd = connect_to(&leg);
	put(fd, "3:two");
	RUN_UNTIL(r, r->count[EVENT_MESSAGE] == 2);
	close(fd);
	close(heard.fd);
	recorder_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_messages_whatever_the_segments),
		cmocka_unit_test(answers_a_thousand_requests_of_one_write),
		cmocka_unit_test(takes_a_message_as_long_as_the_limit),
		cmocka_unit_test(a_reply_goes_back_on_the_connection_of_its_request),
		cmocka_unit_test(sends_by_the_connection_there_is_and_else_opens_one),
		cmocka_unit_test(a_receipt_is_given_when_the_kernel_has_taken_the_message),
		cmocka_unit_test(a_refused_connection_is_told_once),
		cmocka_unit_test(an_engine_may_send_again_when_told_of_a_failure),
		cmocka_unit_test(tells_when_a_peer_ends_or_resets),
		cmocka_unit_test(a_peer_that_ends_after_its_request_still_gets_the_answer),
		cmocka_unit_test(what_can_not_be_cut_is_told_answered_and_closed),
		cmocka_unit_test(a_message_without_end_is_given_up),
		cmocka_unit_test(a_ping_is_answered_with_one_line_end),
		cmocka_unit_test(ten_thousand_pings_bring_no_more_bytes_than_they_are),
		cmocka_unit_test(an_id_is_dead_with_its_connection),
		cmocka_unit_test(
			what_goes_to_an_alias_goes_by_its_oldest_connection_while_that_lives),
		cmocka_unit_test(a_connection_has_one_alias_and_an_alias_is_of_one_leg),
		cmocka_unit_test(closing_a_stream_sends_what_is_queued_and_tells_no_more_of_it),
		cmocka_unit_test(closing_a_leg_ends_its_connections_and_frees_its_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

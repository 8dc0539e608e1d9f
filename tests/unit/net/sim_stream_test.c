#include "sim_bench.h"

static void a_stream_is_cut_into_messages_however_it_arrives(void **state)
{
	struct bench *bench = *state;
	sim_link(bench->sim, SIM_TO_ENGINE,
		&(struct sim_link){.cut = 1000, .delay_us = 10, .jitter_us = 5000});
	inject(bench, TRANSPORT_TCP, A, LEG, "one;two;\r\n\r\nth");
	inject(bench, TRANSPORT_TCP, A, LEG, "ree;");
	assert_true(sim_queued(bench->sim) > 4);
	run(bench);
	char words[sizeof bench->log], *out = words;
	for (const char *in = bench->log; *in; in++)
		if (*in != '|' && *in != ' ')
			*out++ = *in;
	*out = '\0';
	assert_string_equal(words, "one;two;three;");
	assert_int_equal(sim_connections(bench->sim), 1);
}

static void messages_that_came_together_are_one_turn(void **state)
{
	struct bench *bench = *state;
	inject(bench, TRANSPORT_TCP, A, LEG, "one;two;th");
	run(bench);
	assert_string_equal(bench->log, "one; two; | ");
}

static void an_answer_goes_back_by_the_stream_it_came_on(void **state)
{
	struct bench *bench = *state;
	phone(bench, TRANSPORT_TCP, A);
	bench->echoes = true;
	inject(bench, TRANSPORT_TCP, A, LEG, "hi;ho;");
	run(bench);
	assert_string_equal(bench->heard, "echo:hi; echo:ho; ");
	assert_int_equal(sim_connections(bench->sim), 1);
}

static void the_first_message_opens_a_stream_and_further_ones_use_it(void **state)
{
	struct bench *bench = *state;
	phone(bench, TRANSPORT_TCP, A);
	struct flow to = flow_to(1, A);
	assert_int_equal(send_text(bench, &to, "one;"), 0);
	assert_int_equal(send_text(bench, &to, "two;"), 0);
	run(bench);
	assert_int_equal(send_text(bench, &to, "three;"), 0);
	run(bench);
	assert_string_equal(bench->heard, "one; two; three; ");
	assert_int_equal(sim_connections(bench->sim), 1);
	inject(bench, TRANSPORT_TCP, A, LEG, "back;");
	run(bench);
	assert_int_equal(sim_connections(bench->sim), 1);
}

static void a_receipt_is_given_once_the_message_has_left(void **state)
{
	struct bench *bench = *state;
	struct flow to = flow_to(1, A);
	phone(bench, TRANSPORT_TCP, A);
	to.receipt = 7;
	assert_int_equal(send_text(bench, &to, "one;"), 0);
	assert_null(strstr(bench->log, "sent:"));
	run(bench);
	assert_non_null(strstr(bench->log, "sent:7 "));
	to.receipt = 8;
	assert_int_equal(send_text(bench, &to, "two;"), 0);
	to.receipt = 0;
	assert_int_equal(send_text(bench, &to, "three;"), 0);
	run(bench);
	assert_non_null(strstr(bench->log, "sent:8 "));
	assert_null(strstr(bench->log, "sent:0 "));
	assert_string_equal(bench->heard, "one; two; three; ");
}

static void no_receipt_is_given_for_a_stream_that_is_refused(void **state)
{
	struct bench *bench = *state;
	struct flow to = flow_to(1, A);
	to.receipt = 7;
	assert_int_equal(send_text(bench, &to, "one;"), 0);
	run(bench);
	assert_null(strstr(bench->log, "sent:7"));
}

static void nobody_listening_refuses_the_stream(void **state)
{
	struct bench *bench = *state;
	struct flow to = flow_to(1, A);
	assert_int_equal(send_text(bench, &to, "one;"), 0);
	run(bench);
	assert_non_null(strstr(bench->log, "unsent:one; closed:ECONNREFUSED "));
	assert_int_equal(sim_connections(bench->sim), 0);
	assert_int_equal(sim_now_us(bench->sim), SIM_START_US + 1000);
}

static void a_black_hole_times_out(void **state)
{
	struct bench *bench = *state;
	phone(bench, TRANSPORT_TCP, A);
	sim_link(bench->sim, SIM_FROM_ENGINE, &(struct sim_link){.loss = 1000});
	struct flow to = flow_to(1, A);
	assert_int_equal(send_text(bench, &to, "one;"), 0);
	run(bench);
	assert_non_null(strstr(bench->log, "closed:ETIMEDOUT "));
	assert_string_equal(bench->heard, "");
	assert_int_equal(sim_now_us(bench->sim), SIM_START_US + SIM_CONNECT_MS * 1000 + 500);
}

static void a_leg_that_is_not_there_refuses_a_peer(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(inject(bench, TRANSPORT_TCP, A, "10.0.0.1:9999", "x;"), -ECONNREFUSED);
}

static void hang_up(struct bench *bench, enum sim_end end)
{
	struct addr from = address(A), to = address(LEG);
	sim_hang_up(bench->sim, TRANSPORT_TCP, &from, &to, end);
}

static void a_peer_that_hangs_up_is_told_after_its_last_bytes(void **state)
{
	struct bench *bench = *state;
	phone(bench, TRANSPORT_TCP, A);
	inject(bench, TRANSPORT_TCP, A, LEG, "last;");
	hang_up(bench, SIM_SHUTDOWN);
	run(bench);
	assert_string_equal(bench->log, "last; | closed:ESHUTDOWN | ");
	inject(bench, TRANSPORT_TCP, A, LEG, "again;");
	hang_up(bench, SIM_RESET);
	run(bench);
	assert_non_null(strstr(bench->log, "again; | closed:ECONNRESET | "));
	assert_string_equal(bench->heard, "");
}

static void a_stream_that_the_engine_closes_ends_after_what_it_sent(void **state)
{
	struct bench *bench = *state;
	phone(bench, TRANSPORT_TCP, A);
	bench->echoes = bench->closes = true;
	inject(bench, TRANSPORT_TCP, A, LEG, "hi;ho;");
	run(bench);
	assert_string_equal(bench->heard, "echo:hi; closed:ESHUTDOWN ");
	assert_string_equal(bench->log, "hi; | closed:ECANCELED | ");
	assert_int_equal(sim_connections(bench->sim), 0);
}

static void a_message_to_a_closed_stream_opens_another_one(void **state)
{
	struct bench *bench = *state;
	phone(bench, TRANSPORT_TCP, A);
	inject(bench, TRANSPORT_TCP, A, LEG, "hi;");
	run(bench);
	struct flow old = bench->last, nowhere = {.leg = 1, .connection = old.connection};
	bench->world->stream_close(bench->world, old.connection);
	run(bench);
	assert_int_equal(send_text(bench, &nowhere, "x;"), -ENOTCONN);
	assert_int_equal(send_text(bench, &old, "back;"), 0);
	run(bench);
	assert_string_equal(bench->heard, "closed:ESHUTDOWN back; ");
}

static void an_alias_leads_to_the_oldest_stream_that_claimed_it_while_that_lives(void **state)
{
	struct bench *bench = *state;
	struct addr alias = address("10.0.0.2:9");
	struct flow to = {.leg = 1, .peer = alias};
	phone(bench, TRANSPORT_TCP, A);
	inject(bench, TRANSPORT_TCP, A, LEG, "hi;");
	run(bench);
	struct flow old = bench->last;
	inject(bench, TRANSPORT_TCP, B, LEG, "ho;");
	run(bench);
	bench->world->stream_alias(bench->world, old.connection, &alias);
	bench->world->stream_alias(bench->world, bench->last.connection, &alias);
	assert_int_equal(send_text(bench, &to, "one;"), 0);
	run(bench);
	assert_string_equal(bench->heard, "one; ");
	bench->world->stream_close(bench->world, old.connection);
	assert_int_equal(send_text(bench, &to, "two;"), 0);
	run(bench);
	assert_non_null(strstr(bench->log, "unsent:two; closed:ECONNREFUSED "));
	assert_string_equal(bench->heard, "one; closed:ESHUTDOWN ");
}

static void a_closed_leg_ends_its_streams(void **state)
{
	struct bench *bench = *state;
	phone(bench, TRANSPORT_TCP, A);
	inject(bench, TRANSPORT_TCP, A, LEG, "hi;");
	run(bench);
	bench->world->leg_close(bench->world, 1);
	run(bench);
	assert_string_equal(bench->heard, "closed:ESHUTDOWN ");
	assert_non_null(strstr(bench->log, "closed:ECANCELED "));
}

static void a_phone_that_goes_away_resets_its_streams(void **state)
{
	struct bench *bench = *state;
	struct sim_endpoint *a = phone(bench, TRANSPORT_TCP, A);
	inject(bench, TRANSPORT_TCP, A, LEG, "hi;");
	run(bench);
	sim_endpoint_close(a);
	run(bench);
	assert_string_equal(bench->log, "hi; | closed:ECONNRESET | ");
	phone(bench, TRANSPORT_TCP, A);
}

static void what_can_not_be_cut_is_answered_and_closed(void **state)
{
	struct bench *bench = *state;
	phone(bench, TRANSPORT_TCP, A);
	inject(bench, TRANSPORT_TCP, A, LEG, "good;!trash");
	run(bench);
	assert_string_equal(bench->log, "good; unframed:!trash | closed:EBADMSG | ");
	assert_string_equal(bench->heard, "bad; closed:ESHUTDOWN ");
}

static void a_message_without_end_is_given_up_at_the_limit(void **state)
{
	struct bench *bench = *state;
	static char big[STREAM_MESSAGE_MAX + 2];
	memset(big, 'x', sizeof big - 1);
	struct addr from = address(A), to = address(LEG);
	sim_inject(bench->sim, TRANSPORT_TCP, &from, &to, span_of(big, STREAM_MESSAGE_MAX));
	run(bench);
	assert_int_equal(sim_connections(bench->sim), 1);
	bench->is_terse = true;
	sim_inject(bench->sim, TRANSPORT_TCP, &from, &to, SPAN("x"));
	run(bench);
	assert_string_equal(bench->log, "unframed:262145 | closed:EBADMSG | ");
}

static void pings_are_answered_by_the_world(void **state)
{
	struct bench *bench = *state;
	sim_endpoint_raw(phone(bench, TRANSPORT_TCP, A));
	inject(bench, TRANSPORT_TCP, A, LEG, "\r\n\r\n");
	run(bench);
	assert_string_equal(bench->log, "");
	assert_string_equal(bench->heard, "\r\n ");
}

static void answer_once(void *self, const struct sim_arrival *arrival)
{
	hear(self, arrival);
	if (!arrival->closed)
		assert_int_equal(sim_answer(((struct bench *)self)->sim, arrival, SPAN("yes;")), 0);
}

static void a_phone_answers_by_the_way_a_message_came(void **state)
{
	struct bench *bench = *state;
	struct addr a = address(A);
	sim_endpoint(bench->sim, TRANSPORT_TCP, &a, answer_once, bench);
	sim_endpoint(bench->sim, TRANSPORT_UDP, &a, answer_once, bench);
	struct flow tcp = flow_to(1, A), udp = flow_to(0, A);
	send_text(bench, &tcp, "over-tcp;");
	run(bench);
	assert_int_equal(bench->last.leg, 1);
	send_text(bench, &udp, "over-udp;");
	run(bench);
	assert_int_equal(bench->last.leg, 0);
	assert_string_equal(bench->heard, "over-tcp; over-udp; ");
	assert_int_equal(sim_connections(bench->sim), 1);
}

static void ask(struct bench *bench, uint64_t query, enum dns_type type, const char *name)
{
	bench->world->dns_query(bench->world, query, type, span_str(name), 2000);
}

static void the_zone_answers_in_any_letter_case(void **state)
{
	struct bench *bench = *state;
	sim_dns_add_ip(bench->sim, "a.example.com", "10.0.0.7");
	sim_dns_add_ip(bench->sim, "a.example.com", "10.0.0.8");
	sim_dns_add_ip(bench->sim, "a.example.com", "2001:db8::1");
	sim_dns_add_srv(bench->sim, "_sip._udp.example.com", 10, 60, 5070, "a.example.com");
	ask(bench, 1, DNS_A, "A.Example.COM.");
	ask(bench, 2, DNS_AAAA, "a.example.com");
	ask(bench, 3, DNS_SRV, "_sip._udp.example.com");
	assert_string_equal(bench->log, ""); /* never before the call returns */
	run(bench);
	assert_string_equal(bench->log, "dns1:ok,10.0.0.7,10.0.0.8 | dns2:ok,2001:db8::1 | "
					"dns3:ok,a.example.com | ");
}

static void names_may_be_missing_silent_or_failing(void **state)
{
	struct bench *bench = *state;
	sim_dns_add_ip(bench->sim, "v4.example.com", "10.0.0.7");
	sim_dns_add_ip(bench->sim, "gone.example.com", "10.0.0.7");
	sim_dns_remove(bench->sim, "gone.example.com");
	sim_dns_silent(bench->sim, "silent.example.com");
	sim_dns_fail(bench->sim, "failing.example.com");
	ask(bench, 1, DNS_A, "nowhere.example.com");
	ask(bench, 2, DNS_AAAA, "v4.example.com");
	ask(bench, 3, DNS_A, "gone.example.com");
	ask(bench, 4, DNS_A, "silent.example.com");
	ask(bench, 5, DNS_A, "failing.example.com");
	run(bench);
	assert_string_equal(
		bench->log, "dns1:none | dns2:none | dns3:none | dns5:failed | dns4:timeout | ");
	assert_int_equal(sim_now_us(bench->sim), SIM_START_US + 2 * SECOND);
}

static void a_slow_answer_comes_late_or_too_late(void **state)
{
	struct bench *bench = *state;
	struct dns_record record = {.type = DNS_A, .addr = address("10.0.0.7")};
	sim_dns_add(bench->sim, "slow.example.com", &record, 1500);
	sim_dns_add(bench->sim, "slower.example.com", &record, 2500);
	ask(bench, 1, DNS_A, "slow.example.com");
	ask(bench, 2, DNS_A, "slower.example.com");
	sim_run_until(bench->sim, SIM_START_US + 1499 * MS);
	assert_string_equal(bench->log, "");
	run(bench);
	assert_string_equal(bench->log, "dns1:ok,10.0.0.7 | dns2:timeout | ");
}

static void a_cancelled_query_is_not_answered(void **state)
{
	struct bench *bench = *state;
	ask(bench, 1, DNS_A, "nowhere.example.com");
	ask(bench, 2, DNS_A, "nowhere.example.com");
	bench->world->dns_cancel(bench->world, 1);
	assert_int_equal(sim_queued(bench->sim), 1);
	run(bench);
	assert_string_equal(bench->log, "dns2:none | ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_stream_is_cut_into_messages_however_it_arrives),
		WITH_BENCH(messages_that_came_together_are_one_turn),
		WITH_BENCH(an_answer_goes_back_by_the_stream_it_came_on),
		WITH_BENCH(the_first_message_opens_a_stream_and_further_ones_use_it),
		WITH_BENCH(a_receipt_is_given_once_the_message_has_left),
		WITH_BENCH(no_receipt_is_given_for_a_stream_that_is_refused),
		WITH_BENCH(nobody_listening_refuses_the_stream),
		WITH_BENCH(a_black_hole_times_out),
		WITH_BENCH(a_leg_that_is_not_there_refuses_a_peer),
		WITH_BENCH(a_peer_that_hangs_up_is_told_after_its_last_bytes),
		WITH_BENCH(a_stream_that_the_engine_closes_ends_after_what_it_sent),
		WITH_BENCH(a_message_to_a_closed_stream_opens_another_one),
		WITH_BENCH(an_alias_leads_to_the_oldest_stream_that_claimed_it_while_that_lives),
		WITH_BENCH(a_closed_leg_ends_its_streams),
		WITH_BENCH(a_phone_that_goes_away_resets_its_streams),
		WITH_BENCH(what_can_not_be_cut_is_answered_and_closed),
		WITH_BENCH(a_message_without_end_is_given_up_at_the_limit),
		WITH_BENCH(pings_are_answered_by_the_world),
		WITH_BENCH(a_phone_answers_by_the_way_a_message_came),
		WITH_BENCH(the_zone_answers_in_any_letter_case),
		WITH_BENCH(names_may_be_missing_silent_or_failing),
		WITH_BENCH(a_slow_answer_comes_late_or_too_late),
		WITH_BENCH(a_cancelled_query_is_not_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* An engine that writes down what it is told, and phones that do, for tests of the sim world. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/sim.h"

enum { MS = 1000, SECOND = 1000000 };

/* `log` has one word for each event, and a bar for each end of a turn. */
struct bench {
	struct sim *sim;
	struct world *world;
	char log[16384];
	size_t n;
	struct flow last; /* where the last message came from */
	bool echoes, closes, is_terse;
	char echo[256];
	size_t echo_n;
	char heard[16384]; /* by endpoints */
	size_t heard_n;
};

static inline void say(struct bench *bench, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	bench->n += (size_t)vsnprintf(
		bench->log + bench->n, sizeof bench->log - bench->n, format, args);
	va_end(args);
	assert_true(bench->n < sizeof bench->log);
}

static inline int send_text(struct bench *bench, const struct flow *to, const char *text)
{
	struct iovec iov = {(char *)(uintptr_t)text, strlen(text)};
	return bench->world->send(bench->world, to, &iov, 1);
}

static inline void on_message(void *self, const struct flow *from, struct span bytes)
{
	struct bench *bench = self;
	say(bench, "%.*s ", (int)bytes.n, bytes.p);
	bench->last = *from;
	if (bench->echoes) {
		/* In two pieces of memory that are written over at the end of the turn. */
		char *echo = bench->echo + bench->echo_n;
		assert_true(bench->echo_n + 5 + bytes.n <= sizeof bench->echo);
		memcpy(echo, "echo:", 5);
		memcpy(echo + 5, bytes.p, bytes.n);
		bench->echo_n += 5 + bytes.n;
		struct iovec iov[] = {{echo, 5}, {echo + 5, bytes.n}};
		assert_int_equal(bench->world->send(bench->world, from, iov, 2), 0);
	}
	if (bench->closes)
		bench->world->stream_close(bench->world, from->connection);
}

static inline void on_unframed(void *self, const struct flow *from, struct span bytes)
{
	if (((struct bench *)self)->is_terse)
		say(self, "unframed:%u ", bytes.n);
	else
		say(self, "unframed:%.*s ", (int)bytes.n, bytes.p);
	assert_int_equal(send_text(self, from, "bad;"), 0);
}

static inline void on_unsent(
	void *self, const struct flow *to, struct span message, const char *reason)
{
	(void)to, (void)reason;
	say(self, "unsent:%.*s ", (int)message.n, message.p);
}

static inline void on_sent(void *self, uint64_t receipt)
{
	say(self, "sent:%d ", (int)receipt);
}

static inline void on_closed(void *self, const struct flow *flow, const char *reason)
{
	assert_true(flow->connection != 0);
	say(self, "closed:%s ", reason);
}

static inline void on_dns(void *self, uint64_t query, enum dns_status status,
	const struct dns_record *records, uint32_t n)
{
	static const char *const texts[] = {"ok", "none", "timeout", "failed"};
	say(self, "dns%d:%s", (int)query, texts[status]);
	for (uint32_t i = 0; i < n; i++) {
		char text[ADDR_TEXT_MAX];
		if (records[i].type == DNS_SRV)
			say(self, ",%s", records[i].target);
		else
			say(self, ",%.*s", (int)addr_print_ip(&records[i].addr, text), text);
	}
	say(self, " ");
}

static inline void on_wake(void *self)
{
	say(self, "wake ");
}

static inline void on_turn_end(void *self)
{
	struct bench *bench = self;
	memset(bench->echo, '#', sizeof bench->echo);
	bench->echo_n = 0;
	say(bench, "| ");
}

static const struct world_events events = {
	on_message, on_unframed, on_unsent, on_sent, on_closed, on_dns, on_wake, on_turn_end};

/* Messages end with ';', an empty line is a ping, '!' is beyond repair. */
static inline int64_t frame(struct span bytes, uint32_t *skip, uint32_t *pongs)
{
	uint32_t i = 0;
	for (; bytes.n - i >= 4 && memcmp(bytes.p + i, "\r\n\r\n", 4) == 0; i += 4)
		++*pongs;
	for (; bytes.n - i >= 2 && bytes.p[i] == '\r' && (bytes.n - i > 3 || bytes.n == 2); i += 2)
		;
	*skip = i;
	bytes = span_from(bytes, i);
	if (bytes.n && bytes.p[0] == '!')
		return -1;
	const char *end = span_find(bytes, ';');
	return end ? end - bytes.p + 1 : 0;
}

static inline struct addr address(const char *text)
{
	struct addr addr = {0};
	assert_true(addr_parse(span_str(text), 5060, &addr));
	return addr;
}

static inline struct flow flow_to(uint32_t leg, const char *peer)
{
	return (struct flow){.leg = leg, .peer = address(peer)};
}

static inline int try_open(
	struct bench *bench, uint32_t leg, enum transport transport, const char *bind, char *error)
{
	struct leg_address leg_address = {transport, address(bind)};
	return bench->world->leg_open(bench->world, leg, &leg_address, error);
}

static inline void open_leg(
	struct bench *bench, uint32_t leg, enum transport transport, const char *bind)
{
	char error[256];
	assert_int_equal(try_open(bench, leg, transport, bind, error), 0);
}

static inline void hear(void *self, const struct sim_arrival *arrival)
{
	struct bench *bench = self;
	size_t room = sizeof bench->heard - bench->heard_n;
	int n = arrival->closed ? snprintf(bench->heard + bench->heard_n, room, "closed:%s ",
					  arrival->closed)
				: snprintf(bench->heard + bench->heard_n, room, "%.*s ",
					  (int)arrival->bytes.n, arrival->bytes.p);
	bench->heard_n += (size_t)n;
	assert_true(bench->heard_n < sizeof bench->heard);
}

static inline struct sim_endpoint *phone(
	struct bench *bench, enum transport transport, const char *addr)
{
	struct addr at = address(addr);
	struct sim_endpoint *endpoint = sim_endpoint(bench->sim, transport, &at, hear, bench);
	assert_non_null(endpoint);
	return endpoint;
}

static inline int inject(struct bench *bench, enum transport transport, const char *from,
	const char *to, const char *text)
{
	struct addr source = address(from), target = address(to);
	return sim_inject(bench->sim, transport, &source, &target, span_str(text));
}

static inline struct bench *bench_new(uint64_t seed)
{
	struct bench *bench = calloc(1, sizeof *bench);
	bench->sim = sim_new(seed, frame);
	bench->world = sim_world(bench->sim);
	bench->world->events = &events;
	bench->world->self = bench;
	open_leg(bench, 0, TRANSPORT_UDP, "10.0.0.1:5060");
	open_leg(bench, 1, TRANSPORT_TCP, "10.0.0.1:5060");
	return bench;
}

static inline void bench_free(struct bench *bench)
{
	sim_free(bench->sim);
	free(bench);
}

static inline int set_up(void **state)
{
	*state = bench_new(1);
	return 0;
}

static inline int tear_down(void **state)
{
	bench_free(*state);
	return 0;
}

static inline void run(struct bench *bench)
{
	sim_run_idle(bench->sim, 100LL * SECOND);
}

#define A "10.0.0.7:5060"
#define B "10.0.0.8:5060"
#define LEG "10.0.0.1:5060"

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

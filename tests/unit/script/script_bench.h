/* A whole engine with its script host in the sim world, for tests of core/script. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/sim.h"
#include "script/host_private.h"
#include "sip/frame.h"

enum { SECOND_US = 1000000 };

struct bench {
	struct sim *sim;
	struct log log;
	struct engine *engine;
	struct host *host;
	struct host_options options;
	struct span legs[1];
	struct sim_endpoint *callee;
	unsigned n_heard; /* by the callee */
	struct policy script;
	struct packet *packet; /* handed to the script last */
	double handle;
	void (*look)(struct bench *bench); /* while the packet lives; may be NULL */
};

static inline void show_error(void *self, enum log_level level, const char *line, size_t n)
{
	(void)self;
	if (level == LOG_ERROR)
		print_error("%.*s\n", (int)n, line);
}

static inline void bench_heard(void *self, const struct sim_arrival *arrival)
{
	struct bench *bench = self;
	if (arrival->bytes.n)
		bench->n_heard++;
}

/* Notes the packet, and leaves it to the script. */
static inline void bench_receive(void *self, struct packet *packet)
{
	struct bench *bench = self;
	bench->packet = packet;
	bench->handle = packet_handle(packet);
	if (bench->look)
		bench->look(bench);
	bench->script.receive(bench->script.self, packet);
}

static inline struct addr bench_addr(const char *text)
{
	struct addr addr;
	assert_true(addr_parse(span_str(text), 5060, &addr));
	return addr;
}

/* What the phone that is called does from now on; `self` is the bench. */
static inline void bench_answers(struct bench *bench, sim_arrival_fn answer)
{
	struct addr callee = bench_addr("198.51.100.7");
	if (bench->callee)
		sim_endpoint_close(bench->callee);
	bench->callee = sim_endpoint(bench->sim, TRANSPORT_UDP, &callee, answer, bench);
	assert_non_null(bench->callee);
}

/* Runs the script on udp:192.0.2.1:5060; a phone listens on 198.51.100.7:5060. */
static inline void bench_open(struct bench *bench, const char *file)
{
	*bench = (struct bench){.sim = sim_new(1, frame_next)};
	bench->log = (struct log){.level = LOG_ERROR, .sink = show_error};
	bench->legs[0] = SPAN("udp:192.0.2.1:5060");
	bench->options = (struct host_options){.library = "lua", .legs = bench->legs, .n_legs = 1};
	bench->engine = engine_new(sim_world(bench->sim), &bench->log);
	bench->host = host_new(bench->engine, &bench->options);
	assert_int_equal(host_load(bench->host, file, "test"), 0);
	bench->script = bench->engine->policy;
	bench->engine->policy = (struct policy){.self = bench, .receive = bench_receive};
	bench_answers(bench, bench_heard);
}

static inline void bench_close(struct bench *bench)
{
	host_free(bench->host);
	engine_free(bench->engine);
	sim_free(bench->sim);
}

/* From a phone on the loopback, so that the default script relays it. */
static inline void bench_inject(struct bench *bench, const char *text)
{
	struct addr from = bench_addr("127.0.0.1:5066"), to = bench_addr("192.0.2.1:5060");
	assert_int_equal(sim_inject(bench->sim, TRANSPORT_UDP, &from, &to, span_str(text)), 0);
	sim_run_until(bench->sim, sim_now_us(bench->sim) + 10000);
}

/* A request of that method to the callee; `n` makes it a call of its own. */
static inline void bench_request(struct bench *bench, const char *method, unsigned n)
{
	char text[1024];
	snprintf(text, sizeof text,
		"%s sip:bob@198.51.100.7 SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:5066;branch=z9hG4bK%u;rport\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:alice@127.0.0.1>;tag=%u\r\nTo: "
		"<sip:bob@198.51.100.7>\r\n"
		"Call-ID: call-%u\r\nCSeq: 1 %s\r\nContact: <sip:alice@127.0.0.1:5066>\r\n"
		"Content-Length: 0\r\n\r\n",
		method, n, n, n, method);
	bench_inject(bench, text);
}

/* An engine for tests of the live world: it writes down what it is told, and may answer. Tests
 * drive the loop until a condition holds; WITHIN_MS is the bound after which they fail. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "net/live.h"

enum { WITHIN_MS = 20000 };

enum event_kind {
	EVENT_MESSAGE,
	EVENT_UNFRAMED,
	EVENT_UNSENT,
	EVENT_SENT,
	EVENT_CLOSED,
	EVENT_DNS,
	EVENT_WAKE
};

struct event {
	enum event_kind kind;
	struct flow flow;
	char *text;	    /* with NUL: the bytes, or the reason */
	const char *reason; /* of EVENT_UNSENT */
	uint32_t n;
	uint64_t query;
	enum dns_status status;
	struct dns_record *records;
};

struct recorder {
	struct live *live;
	struct world *world;
	struct log log;
	struct event *events;
	uint32_t n, size;
	uint32_t count[EVENT_WAKE + 1];
	uint32_t turns;
	struct addr bound[LIVE_LEGS_MAX];
	/* May send; what it sends from must last to the turn's end. */
	void (*on_message)(struct recorder *r, const struct flow *from, struct span bytes);
	void (*on_unframed)(struct recorder *r, const struct flow *from, struct span bytes);
	void (*on_unsent)(struct recorder *r, const struct flow *to);
	void (*on_closed)(struct recorder *r, const struct flow *flow);
	void (*on_turn_end)(struct recorder *r);
};

static inline struct event *record(struct recorder *r, enum event_kind kind, struct span text)
{
	if (r->n == r->size) {
		r->size = r->size ? r->size * 2 : 64;
		r->events = must_realloc(r->events, r->size * sizeof *r->events);
	}
	struct event *event = &r->events[r->n++];
	*event = (struct event){.kind = kind, .n = text.n, .text = must_alloc(text.n + 1)};
	memcpy(event->text, text.p, text.n);
	event->text[text.n] = '\0';
	r->count[kind]++;
	return event;
}

static inline void recorder_message(void *self, const struct flow *from, struct span bytes)
{
	struct recorder *r = self;
	record(r, EVENT_MESSAGE, bytes)->flow = *from;
	if (r->on_message)
		r->on_message(r, from, bytes);
}

static inline void recorder_unframed(void *self, const struct flow *from, struct span bytes)
{
	struct recorder *r = self;
	record(r, EVENT_UNFRAMED, bytes)->flow = *from;
	if (r->on_unframed)
		r->on_unframed(r, from, bytes);
}

static inline void recorder_unsent(
	void *self, const struct flow *to, struct span message, const char *reason)
{
	struct recorder *r = self;
	struct event *event = record(r, EVENT_UNSENT, message);
	event->flow = *to;
	event->reason = reason;
	if (r->on_unsent)
		r->on_unsent(r, to);
}

static inline void recorder_sent(void *self, uint64_t receipt)
{
	record(self, EVENT_SENT, SPAN(""))->query = receipt;
}

static inline void recorder_closed(void *self, const struct flow *flow, const char *reason)
{
	struct recorder *r = self;
	record(r, EVENT_CLOSED, span_str(reason))->flow = *flow;
	if (r->on_closed)
		r->on_closed(r, flow);
}

static inline void recorder_dns(void *self, uint64_t query, enum dns_status status,
	const struct dns_record *records, uint32_t n)
{
	struct event *event = record(self, EVENT_DNS, SPAN(""));
	event->query = query;
	event->status = status;
	event->n = n;
	event->records = must_alloc(n * sizeof *records + 1);
	if (n)
		memcpy(event->records, records, n * sizeof *records);
}

static inline void recorder_wake(void *self)
{
	record(self, EVENT_WAKE, SPAN(""));
}

static inline void recorder_turn_end(void *self)
{
	struct recorder *r = self;
	r->turns++;
	if (r->on_turn_end)
		r->on_turn_end(r);
}

static inline struct recorder *recorder_new(const struct live_options *options)
{
	static const struct world_events events = {
		.message = recorder_message,
		.unframed = recorder_unframed,
		.unsent = recorder_unsent,
		.sent = recorder_sent,
		.closed = recorder_closed,
		.dns = recorder_dns,
		.wake = recorder_wake,
		.turn_end = recorder_turn_end,
	};
	char error[256] = "";
	struct recorder *r = must_zalloc(sizeof *r);
	log_init(&r->log, LOG_ERROR);
	r->live = live_new(options, &r->log, error);
	assert_string_equal(error, "");
	r->world = live_world(r->live);
	r->world->events = &events;
	r->world->self = r;
	return r;
}

static inline void recorder_free(struct recorder *r)
{
	uint32_t told = r->n;
	live_free(r->live);
	assert_int_equal(r->n, told);
	for (uint32_t i = 0; i < r->n; i++) {
		free(r->events[i].text);
		free(r->events[i].records);
	}
	free(r->events);
	free(r);
}

static inline struct addr parse(const char *text)
{
	struct addr addr;
	assert_true(addr_parse(span_str(text), 0, &addr));
	return addr;
}

/* On loopback, any port; returns it bound. */
static inline struct addr open_leg(
	struct recorder *r, uint32_t leg, enum transport transport, const char *bind)
{
	char error[256] = "";
	struct leg_address address = {.transport = transport, .bind = parse(bind)};
	if (r->world->leg_open(r->world, leg, &address, error) != 0)
		fail_msg("%s", error);
	r->bound[leg] = address.bind;
	return address.bind;
}

static inline const struct event *nth(const struct recorder *r, enum event_kind kind, uint32_t i)
{
	for (uint32_t at = 0; at < r->n; at++)
		if (r->events[at].kind == kind && i-- == 0)
			return &r->events[at];
	fail_msg("no such event");
	return NULL;
}

static inline int send_span(struct recorder *r, const struct flow *to, struct span bytes)
{
	struct iovec iov = {.iov_base = (char *)bytes.p, .iov_len = bytes.n};
	return r->world->send(r->world, to, &iov, 1);
}

static inline struct live_statistics statistics(struct recorder *r)
{
	struct live_statistics statistics;
	live_statistics(r->live, &statistics);
	return statistics;
}

static inline int64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Turns the loop until the condition holds, with `action` before each round. */
#define REPEAT_UNTIL(r, condition, action)                                                         \
	do {                                                                                       \
		int64_t begin_ms_ = clock_ms();                                                    \
		while (!(condition)) {                                                             \
			if (clock_ms() > begin_ms_ + WITHIN_MS)                                    \
				fail_msg("not within %d ms: %s", WITHIN_MS, #condition);           \
			action;                                                                    \
			live_poll((r)->live, 0.005);                                               \
		}                                                                                  \
	} while (0)
#define RUN_UNTIL(r, condition) REPEAT_UNTIL(r, condition, (void)0)

/* Turns the loop as long as anything comes at once: to see that something does not happen. */
static inline void run_dry(struct recorder *r)
{
	for (int i = 0; i < 5; i++)
		live_poll(r->live, 0.002);
}

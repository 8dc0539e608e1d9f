#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/check.h"
#include "net/dns.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "net/watch.h"

enum { RANDOM_POOL = 512, CONNECTIONS_MAX = 1 << 20 };

struct signal_watch {
	ev_signal signal;
	struct signal_watch *next;
	struct live *live;
	live_fn fn;
	void *arg;
};

struct after {
	ev_timer timer;
	struct after *next;
	struct live *live;
	live_fn fn;
	void *arg;
};

struct leg {
	enum transport transport;
	struct udp *udp;
};

struct live {
	struct loop loop; /* first: the world is found by it */
	struct leg legs[LIVE_LEGS_MAX];
	struct tcp *tcp;
	struct dns *dns;
	struct watch *watch;
	struct signal_watch *signals;
	struct after *afters;

	ev_prepare prepare;
	ev_timer wake;
	int64_t wake_at_us, armed_at_us; /* INT64_MAX: none */
	bool stopped;

	uint32_t random_left; /* at the end of the pool */
	char random_pool[RANDOM_POOL];
};

static struct live *live_of(struct world *world)
{
	return OWNER_OF(world, struct live, loop.world);
}

/* --- time and random --- */

static int64_t now_us(struct world *world)
{
	struct loop *loop = &live_of(world)->loop;
	if (!loop->in_turn)
		loop->now_us = loop_clock_us();
	return loop->now_us;
}

static int64_t wall_ms(struct world *world)
{
	(void)world;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void get_random(char *bytes, size_t n)
{
	while (n) {
		ssize_t got = getrandom(bytes, n, 0);
		BUG(got < 0 && errno != EINTR);
		if (got > 0) {
			bytes += got;
			n -= (size_t)got;
		}
	}
}

/* From a pool: a system call each would cost more than what the bytes are used for. */
static void random_bytes(struct world *world, void *bytes, size_t n)
{
	struct live *live = live_of(world);
	if (n > RANDOM_POOL / 2) {
		get_random(bytes, n);
		return;
	}
	if (live->random_left < n) {
		get_random(live->random_pool, RANDOM_POOL);
		live->random_left = RANDOM_POOL;
	}
	char *at = live->random_pool + RANDOM_POOL - live->random_left;
	memcpy(bytes, at, n);
	memset(at, 0, n); /* given out once */
	live->random_left -= (uint32_t)n;
}

/* Only noted: the timer is set once before the loop waits, not for each message that moves it. */
static void wake_at(struct world *world, int64_t at_us)
{
	live_of(world)->wake_at_us = at_us;
}

/* A later wake-up leaves the timer as it is; it fires once for nothing and is set anew. */
static void arm_wake(struct live *live)
{
	if (live->wake_at_us >= live->armed_at_us)
		return;
	struct ev_loop *ev = live->loop.ev;
	int64_t delay_us = live->wake_at_us - loop_clock_us();
	live->armed_at_us = live->wake_at_us;
	ev_now_update(ev);
	ev_timer_stop(ev, &live->wake);
	ev_timer_set(&live->wake, delay_us > 0 ? (double)delay_us / 1e6 : 0., 0.);
	ev_timer_start(ev, &live->wake);
}

static void on_wake(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)ev;
	(void)events;
	struct live *live = OWNER_OF(timer, struct live, wake);
	live->armed_at_us = INT64_MAX;
	loop_turn_end(&live->loop); /* the time of an open turn may be before the one waited for */
	int64_t now = loop_clock_us();
	if (live->wake_at_us > now)
		return;
	live->wake_at_us = INT64_MAX;
	loop_turn_begin(&live->loop);
	live->loop.world.events->wake(live->loop.world.self);
}

static void on_prepare(struct ev_loop *ev, ev_prepare *prepare, int events)
{
	(void)ev;
	(void)events;
	struct live *live = OWNER_OF(prepare, struct live, prepare);
	loop_settle(&live->loop);
	arm_wake(live);
	loop_rest(&live->loop);
}

/* --- legs --- */

static int leg_open(
	struct world *world, uint32_t index, struct leg_address *address, char error[256])
{
	struct live *live = live_of(world);
	BUG(index >= LIVE_LEGS_MAX || live->legs[index].transport != TRANSPORT_NONE);
	struct leg *leg = &live->legs[index];
	switch (address->transport) {
	case TRANSPORT_UDP:
		leg->udp = udp_open(&live->loop, index, &address->bind, error);
		if (!leg->udp)
			return -1;
		break;
	case TRANSPORT_TCP:
		BUG(!live->loop.options.frame);
		if (tcp_open(live->tcp, index, &address->bind, error) != 0)
			return -1;
		break;
	case TRANSPORT_TLS:
	case TRANSPORT_NONE:
		snprintf(error, 256, "only UDP and TCP legs are supported");
		return -1;
	}
	leg->transport = address->transport;
	return 0;
}

static void leg_close(struct world *world, uint32_t index)
{
	struct live *live = live_of(world);
	BUG(index >= LIVE_LEGS_MAX);
	struct leg *leg = &live->legs[index];
	if (leg->transport == TRANSPORT_UDP) {
		live->loop.count.receive_overflow += udp_overflow(leg->udp);
		udp_close(leg->udp);
	} else if (leg->transport == TRANSPORT_TCP) {
		tcp_close(live->tcp, index);
	}
	*leg = (struct leg){.transport = TRANSPORT_NONE};
}

static int send_bytes(
	struct world *world, const struct flow *to, const struct iovec *iov, uint32_t n)
{
	struct live *live = live_of(world);
	if (to->leg >= LIVE_LEGS_MAX)
		return -ENODEV;
	const struct leg *leg = &live->legs[to->leg];
	if (leg->transport == TRANSPORT_UDP)
		return udp_send(leg->udp, &to->peer, iov, n);
	if (leg->transport == TRANSPORT_TCP)
		return tcp_send(live->tcp, to, iov, n);
	return -ENODEV;
}

static void stream_close(struct world *world, uint64_t connection)
{
	tcp_stream_close(live_of(world)->tcp, connection);
}

static void stream_alias(struct world *world, uint64_t connection, const struct addr *alias)
{
	tcp_stream_alias(live_of(world)->tcp, connection, alias);
}

static void world_dns_query(struct world *world, uint64_t query, enum dns_type type,
	struct span name, uint32_t timeout_ms)
{
	dns_query(live_of(world)->dns, query, type, name, timeout_ms);
}

static void world_dns_cancel(struct world *world, uint64_t query)
{
	dns_cancel(live_of(world)->dns, query);
}

/* --- the whole --- */

static void set_default(uint32_t *value, uint32_t standard)
{
	if (!*value)
		*value = standard;
}

static void set_defaults(struct live_options *options)
{
	set_default(&options->dns_try_ms, 1000);
	set_default(&options->dns_outstanding, 4096);
	set_default(&options->connections, 10000);
	set_default(&options->connections_source, 256);
	set_default(&options->write_queue, 1 << 20);
	set_default(&options->connect_ms, 5000);
	set_default(&options->message_ms, 5000);
	set_default(&options->idle_ms, LIVE_IDLE_MS);
	set_default(&options->stall_ms, 10000);
	set_default(&options->accept_pause_ms, 100);
	set_default(&options->socket_buffer, 4 << 20);
	if (options->connections > CONNECTIONS_MAX)
		options->connections = CONNECTIONS_MAX;
}

struct live *live_new(const struct live_options *options, struct log *log, char error[256])
{
	struct live *live = must_zalloc(sizeof *live);
	struct loop *loop = &live->loop;
	if (options)
		loop->options = *options;
	set_defaults(&loop->options);
	loop->log = log;
	loop->world = (struct world){
		.now_us = now_us,
		.wall_ms = wall_ms,
		.random = random_bytes,
		.wake_at = wake_at,
		.leg_open = leg_open,
		.leg_close = leg_close,
		.send = send_bytes,
		.stream_close = stream_close,
		.stream_alias = stream_alias,
		.dns_query = world_dns_query,
		.dns_cancel = world_dns_cancel,
	};
	if (!loop_init(loop)) {
		snprintf(error, 256, "cannot make an event loop: %s", strerror(errno));
		free(live);
		return NULL;
	}
	live->dns = dns_new(loop, error);
	if (!live->dns) {
		loop_fini(loop);
		free(live);
		return NULL;
	}
	live->tcp = tcp_new(loop);
	live->watch = watch_new(loop);
	live->wake_at_us = live->armed_at_us = INT64_MAX;
	ev_timer_init(&live->wake, on_wake, 0., 0.);
	ev_prepare_init(&live->prepare, on_prepare);
	ev_prepare_start(loop->ev, &live->prepare);
	return live;
}

static void ignore_message(void *self, const struct flow *from, struct span bytes)
{
	(void)self, (void)from, (void)bytes;
}

static void ignore_closed(void *self, const struct flow *flow, const char *reason)
{
	(void)self, (void)flow, (void)reason;
}

static void ignore_dns(void *self, uint64_t query, enum dns_status status,
	const struct dns_record *records, uint32_t n)
{
	(void)self, (void)query, (void)status, (void)records, (void)n;
}

static void ignore_sent(void *self, uint64_t receipt)
{
	(void)self;
	(void)receipt;
}

static void ignore_unsent(
	void *self, const struct flow *to, struct span message, const char *reason)
{
	(void)self, (void)to, (void)message, (void)reason;
}

static void ignore(void *self)
{
	(void)self;
}

void live_free(struct live *live)
{
	static const struct world_events nobody = {
		.message = ignore_message,
		.unframed = ignore_message,
		.unsent = ignore_unsent,
		.sent = ignore_sent,
		.closed = ignore_closed,
		.dns = ignore_dns,
		.wake = ignore,
		.turn_end = ignore,
	};
	if (!live)
		return;
	struct loop *loop = &live->loop;
	loop->world.events = &nobody;
	for (uint32_t i = 0; i < LIVE_LEGS_MAX; i++)
		leg_close(&loop->world, i);
	loop_settle(loop);
	tcp_free(live->tcp);
	dns_free(live->dns);
	watch_free(live->watch);
	for (struct signal_watch *w = live->signals, *next; w; w = next) {
		next = w->next;
		ev_signal_stop(loop->ev, &w->signal);
		free(w);
	}
	for (struct after *after = live->afters, *next; after; after = next) {
		next = after->next;
		ev_timer_stop(loop->ev, &after->timer);
		free(after);
	}
	ev_timer_stop(loop->ev, &live->wake);
	ev_prepare_stop(loop->ev, &live->prepare);
	loop_fini(loop);
	free(live);
}

struct loop *live_loop(struct live *live)
{
	return &live->loop;
}

struct world *live_world(struct live *live)
{
	return &live->loop.world;
}

void live_statistics(struct live *live, struct live_statistics *statistics)
{
	*statistics = live->loop.count;
	for (uint32_t i = 0; i < LIVE_LEGS_MAX; i++)
		if (live->legs[i].transport == TRANSPORT_UDP)
			statistics->receive_overflow += udp_overflow(live->legs[i].udp);
}

int64_t live_longest_busy_us(struct live *live)
{
	int64_t longest = live->loop.longest_busy_us;
	live->loop.longest_busy_us = 0;
	return longest;
}

void live_run(struct live *live)
{
	loop_turn_begin(
		&live->loop); /* what was armed before anything happened is heard of at its end */
	while (!live->stopped)
		ev_run(live->loop.ev, 0);
	loop_settle(&live->loop);
	live->stopped = false;
}

void live_stop(struct live *live)
{
	live->stopped = true;
	ev_break(live->loop.ev, EVBREAK_ALL);
}

static void on_poll_over(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)ev, (void)timer, (void)events;
}

void live_poll(struct live *live, double seconds)
{
	struct ev_loop *ev = live->loop.ev;
	ev_timer over;
	ev_timer_init(&over, on_poll_over, seconds, 0.);
	ev_now_update(ev);
	ev_timer_start(ev, &over);
	ev_run(ev, EVRUN_ONCE);
	ev_timer_stop(ev, &over);
	loop_settle(&live->loop);
}

/* --- what main and its helpers wait for --- */

static void on_signal(struct ev_loop *ev, ev_signal *signal, int events)
{
	(void)ev, (void)events;
	struct signal_watch *watch = OWNER_OF(signal, struct signal_watch, signal);
	loop_turn_begin(&watch->live->loop);
	watch->fn(watch->arg);
}

void live_on_signal(struct live *live, int signo, live_fn fn, void *arg)
{
	struct signal_watch *watch = must_zalloc(sizeof *watch);
	watch->live = live;
	watch->fn = fn;
	watch->arg = arg;
	ev_signal_init(&watch->signal, on_signal, signo);
	ev_signal_start(live->loop.ev, &watch->signal);
	watch->next = live->signals;
	live->signals = watch;
}

void live_watch_file(struct live *live, const char *path, live_fn fn, void *arg)
{
	watch_file(live->watch, path, fn, arg);
}

void live_unwatch_all(struct live *live)
{
	watch_clear(live->watch);
}

static void on_after(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)ev, (void)events;
	struct after *after = OWNER_OF(timer, struct after, timer);
	struct live *live = after->live;
	live_fn fn = after->fn;
	void *arg = after->arg;
	struct after **at = &live->afters;
	while (*at != after)
		at = &(*at)->next;
	*at = after->next;
	free(after);
	loop_turn_begin(&live->loop);
	fn(arg);
}

void live_after(struct live *live, double seconds, live_fn fn, void *arg)
{
	struct ev_loop *ev = live->loop.ev;
	struct after *after = live->afters;
	while (after && (after->fn != fn || after->arg != arg))
		after = after->next;
	if (!after) {
		after = must_zalloc(sizeof *after);
		after->live = live;
		after->fn = fn;
		after->arg = arg;
		after->next = live->afters;
		live->afters = after;
		ev_timer_init(&after->timer, on_after, 0., 0.);
	}
	ev_now_update(ev);
	ev_timer_stop(ev, &after->timer);
	ev_timer_set(&after->timer, seconds, 0.);
	ev_timer_start(ev, &after->timer);
}

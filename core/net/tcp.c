#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "net/connection.h"
#include "net/socket.h"

enum {
	ACCEPTS_PER_WAKE = 64, /* then others have their turn */
	BACKLOG = 1024,
	LINGER_MS = 2000, /* for a peer to take the last bytes and close */
};

/* --- deadlines --- */

static int64_t now_us(const struct loop *loop)
{
	return loop->in_turn ? loop->now_us : loop_clock_us();
}

static void arm(struct tcp *tcp, int64_t at_us)
{
	struct ev_loop *ev = tcp->loop->ev;
	if (at_us >= tcp->armed_at_us)
		return;
	/* A millisecond more than needed: fired too early it would have to be set again. */
	double delay = (double)(at_us - now_us(tcp->loop)) / 1e6 + 1e-3;
	tcp->armed_at_us = at_us;
	ev_timer_stop(ev, &tcp->timer);
	ev_timer_set(&tcp->timer, delay > 0. ? delay : 0., 0.);
	ev_timer_start(ev, &tcp->timer);
}

void tcp_deadline_start(struct connection *c, enum deadline_kind kind)
{
	struct tcp *tcp = c->tcp;
	deadline_start(&tcp->deadlines[kind], &c->deadlines[kind], now_us(tcp->loop));
	arm(tcp, c->deadlines[kind].at_us);
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)ev;
	(void)events;
	struct tcp *tcp = OWNER_OF(timer, struct tcp, timer);
	int64_t now = loop_clock_us();
	tcp->armed_at_us = INT64_MAX;
	for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
		struct deadline *first;
		while ((first = deadline_first(&tcp->deadlines[kind])) && first->at_us <= now) {
			deadline_stop(first);
			connection_expired(
				OWNER_OF(first, struct connection, deadlines[kind]), kind);
		}
		if (first)
			arm(tcp, first->at_us);
	}
}

/* --- accepting --- */

static void refuse(int fd)
{
	/* A reset: whoever floods us shall not fill our kernel with TIME_WAIT. */
	struct linger reset = {.l_onoff = 1};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(fd);
}

static void admit(struct listener *listener, int fd, const struct addr *peer)
{
	struct tcp *tcp = listener->tcp;
	struct loop *loop = tcp->loop;
	const struct source *source = tcp_find_source(tcp, peer);
	if (loop->count.connections >= loop->options.connections) {
		loop->count.refused_total++;
		refuse(fd);
	} else if (source && source->n >= loop->options.connections_source) {
		loop->count.refused_source++;
		refuse(fd);
	} else {
		loop->count.connections_accepted++;
		connection_new(tcp, fd, &(struct flow){.leg = listener->leg, .peer = *peer},
			CONNECTION_OPEN);
	}
}

static void on_pause_over(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)events;
	struct listener *listener = OWNER_OF(timer, struct listener, pause);
	ev_timer_stop(ev, timer);
	ev_io_start(ev, &listener->io);
}

/* No descriptor for the next in line: it would be reported again and again at full speed. */
static void pause_accepting(struct listener *listener)
{
	struct loop *loop = listener->tcp->loop;
	loop->count.accept_pauses++;
	log_event(loop->log, LOG_WARN, "accept paused", LOG_NUM("leg", listener->leg),
		LOG_STR("error", strerrorname_np(errno)));
	ev_io_stop(loop->ev, &listener->io);
	ev_now_update(loop->ev);
	ev_timer_set(&listener->pause, loop->options.accept_pause_ms / 1e3, 0.);
	ev_timer_start(loop->ev, &listener->pause);
}

static void on_acceptable(struct ev_loop *ev, ev_io *io, int events)
{
	(void)ev;
	(void)events;
	struct listener *listener = OWNER_OF(io, struct listener, io);
	for (int i = 0; i < ACCEPTS_PER_WAKE; i++) {
		struct addr peer = {0};
		socklen_t n = sizeof peer;
		int fd = accept4(listener->fd, &peer.sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			admit(listener, fd, &peer);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			pause_accepting(listener);
			return;
		} /* else the next in line has gone already */
	}
}

/* --- legs --- */

struct tcp *tcp_new(struct loop *loop)
{
	const struct live_options *options = &loop->options;
	struct tcp *tcp = must_zalloc(sizeof *tcp);
	tcp->loop = loop;
	tcp->armed_at_us = INT64_MAX;
	tcp_tables_init(tcp);
	deadlines_init(&tcp->deadlines[DEADLINE_CONNECT], options->connect_ms);
	deadlines_init(&tcp->deadlines[DEADLINE_MESSAGE], options->message_ms);
	deadlines_init(&tcp->deadlines[DEADLINE_IDLE], options->idle_ms);
	deadlines_init(&tcp->deadlines[DEADLINE_STALL], options->stall_ms);
	deadlines_init(&tcp->deadlines[DEADLINE_LINGER], LINGER_MS);
	ev_timer_init(&tcp->timer, on_timer, 0., 0.);
	return tcp;
}

void tcp_free(struct tcp *tcp)
{
	struct deadlines *lingering = &tcp->deadlines[DEADLINE_LINGER];
	for (struct deadline *first; (first = deadline_first(lingering));)
		connection_expired(OWNER_OF(first, struct connection, deadlines[DEADLINE_LINGER]),
			DEADLINE_LINGER);
	do
		loop_settle(tcp->loop); /* nobody is told any more, so that comes to an end */
	while (tcp->loop->after.first);
	ev_timer_stop(tcp->loop->ev, &tcp->timer);
	tcp_tables_fini(tcp);
	free(tcp);
}

int tcp_open(struct tcp *tcp, uint32_t leg, struct addr *bind, char error[256])
{
	int fd = socket_bind(SOCK_STREAM, bind, error);
	if (fd < 0)
		return -1;
	if (listen(fd, BACKLOG) != 0) {
		socket_error(error, "listen on", bind);
		close(fd);
		return -1;
	}
	struct listener *listener = must_zalloc(sizeof *listener);
	listener->tcp = tcp;
	listener->leg = leg;
	listener->fd = fd;
	listener->bind = *bind;
	ev_timer_init(&listener->pause, on_pause_over, 0., 0.);
	ev_io_init(&listener->io, on_acceptable, fd, EV_READ);
	ev_io_start(tcp->loop->ev, &listener->io);
	tcp->listeners[leg] = listener;
	return 0;
}

void tcp_close(struct tcp *tcp, uint32_t leg)
{
	struct listener *listener = tcp->listeners[leg];
	tcp->listeners[leg] = NULL;
	ev_timer_stop(tcp->loop->ev, &listener->pause);
	ev_io_stop(tcp->loop->ev, &listener->io);
	close(listener->fd);
	free(listener);
	for (uint32_t i = 0; i < tcp->n_slots; i++) {
		struct connection *c = tcp->slots[i].connection;
		if (c && c->flow.leg == leg)
			connection_end(c, "ECANCELED", END_AFTER_FLUSH);
	}
}

/* --- sending --- */

/* From the address of the leg, any port: the peer shall see whom it may answer. */
static int start_connect(const struct listener *listener, const struct addr *peer)
{
	int on = 1;
	int fd = socket(peer->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	struct addr local = listener->bind;
	addr_set_port(&local, 0);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	if ((addr_is_any(&local) || bind(fd, &local.sa, addr_len(&local)) == 0) &&
		(connect(fd, &peer->sa, addr_len(peer)) == 0 || errno == EINPROGRESS))
		return fd;
	int error = errno;
	close(fd);
	return -error;
}

static int open_connection(struct tcp *tcp, const struct flow *to, struct connection **connection)
{
	struct loop *loop = tcp->loop;
	const struct listener *listener = tcp->listeners[to->leg];
	if (to->peer.sa.sa_family != listener->bind.sa.sa_family)
		return -EAFNOSUPPORT;
	if (loop->count.connections >= loop->options.connections) {
		loop->count.refused_total++;
		return -EMFILE;
	}
	int fd = start_connect(listener, &to->peer);
	if (fd < 0) {
		loop->count.connections_failed++;
		return fd;
	}
	*connection = connection_new(tcp, fd, to, CONNECTION_CONNECTING);
	return 0;
}

int tcp_send(struct tcp *tcp, const struct flow *to, const struct iovec *iov, uint32_t n)
{
	struct connection *connection = NULL;
	if (to->connection)
		connection = tcp_find_id(tcp, to->connection);
	if (!connection || connection->flow.leg != to->leg)
		connection = tcp_find_peer(tcp, to->leg, &to->peer);
	if (!connection && (connection = tcp_find_alias(tcp, to->leg, &to->peer)))
		tcp->loop->count.sent_by_alias++;
	if (!connection) {
		int error = open_connection(tcp, to, &connection);
		if (error)
			return error;
	}
	return connection_send(connection, iov, n, to->receipt);
}

void tcp_stream_close(struct tcp *tcp, uint64_t id)
{
	struct connection *connection = tcp_find_id(tcp, id);
	if (connection)
		connection_end(connection, "ECANCELED", END_AFTER_FLUSH);
}

void tcp_stream_alias(struct tcp *tcp, uint64_t id, const struct addr *alias)
{
	struct connection *connection = tcp_find_id(tcp, id);
	if (connection && !addr_eq(&connection->flow.peer, alias) &&
		tcp_add_alias(tcp, connection, alias))
		tcp->loop->count.aliases_made++;
}

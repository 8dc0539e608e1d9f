#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "net/connection.h"

enum {
	READS_PER_WAKE = 4,   /* then others have their turn */
	UNSENT_PER_TURN = 64, /* messages told of, when a stream with many of them has ended */
};

/* --- the end --- */

static void close_now(struct connection *c)
{
	struct loop *loop = loop_of(c);
	ev_io_stop(loop->ev, &c->io);
	if (queued(c)) { /* what the peer does not take shall not wait in the kernel either */
		struct linger reset = {.l_onoff = 1};
		setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	}
	close(c->io.fd);
	for (int kind = 0; kind < DEADLINE_KINDS; kind++)
		deadline_stop(&c->deadlines[kind]);
	c->state = CONNECTION_CLOSED;
	loop->count.connections--;
	loop->count.connections_closed++;
	if (c->accepted)
		tcp_source_remove(c->tcp, &c->flow.peer);
	chore_add(&loop->after, &c->ended);
}

/* Tells some of the messages that have not left whole, which stay until the turn ends. False: there
 * are no more. */
static bool tell_unsent(struct connection *c)
{
	struct loop *loop = loop_of(c);
	struct span message;
	uint32_t n = 0;
	for (; n < UNSENT_PER_TURN && out_queue_take(&c->out, loop->options.frame, &message); n++)
		loop->world.events->unsent(loop->world.self, &c->flow, message, c->reason);
	return n > 0;
}

static void on_ended(struct chore *chore)
{
	struct connection *c = OWNER_OF(chore, struct connection, ended);
	struct loop *loop = loop_of(c);
	if (c->state == CONNECTION_CLOSED && tell_unsent(c)) {
		chore_add(&loop->after, &c->ended);
		return;
	}
	if (!c->told) {
		c->told = true;
		loop->world.events->closed(loop->world.self, &c->flow, c->reason);
	}
	if (c->state != CONNECTION_CLOSED)
		return;
	if (c->taken.queued) {
		chore_add(&loop->after, &c->ended);
		return;
	}
	BUG(c->flush.queued || c->resume.queued);
	free(c->in);
	out_queue_clear(&c->out);
	free(c->receipts);
	free(c);
}

static void write_out(struct connection *c);

void connection_end(struct connection *c, const char *reason, enum ending ending)
{
	if (c->state >= CONNECTION_LINGERING)
		return;
	bool is_open = c->state == CONNECTION_OPEN;
	c->reason = reason;
	tcp_remove(c->tcp, c);
	if (!is_open || ending == END_NOW) {
		close_now(c);
		return;
	}
	for (int kind = 0; kind < DEADLINE_KINDS; kind++)
		deadline_stop(&c->deadlines[kind]);
	c->state = CONNECTION_LINGERING;
	tcp_deadline_start(c, DEADLINE_LINGER);
	write_out(c); /* first: what has left now is told before the end is */
	chore_add(&loop_of(c)->after, &c->ended);
}

void connection_expired(struct connection *c, enum deadline_kind kind)
{
	struct live_statistics *count = &loop_of(c)->count;
	switch (kind) {
	case DEADLINE_CONNECT:
		count->connections_failed++;
		connection_end(c, "ETIMEDOUT", END_NOW);
		return;
	case DEADLINE_MESSAGE:
		count->closed_message_deadline++;
		connection_end(c, "ETIMEDOUT", END_NOW);
		return;
	case DEADLINE_IDLE:
		count->closed_idle++;
		connection_end(c, "ETIME", END_NOW);
		return;
	case DEADLINE_STALL:
		count->closed_write_stall++;
		connection_end(c, "ETIMEDOUT", END_NOW);
		return;
	case DEADLINE_LINGER:
		close_now(c);
		return;
	case DEADLINE_KINDS:
		return;
	}
}

/* --- writing --- */

void connection_watch(struct connection *c)
{
	int events = 0;
	if (c->state == CONNECTION_CONNECTING || queued(c))
		events |= EV_WRITE;
	if (c->state != CONNECTION_CONNECTING && !c->peer_ended && !c->waiting && !is_held(c))
		events |= EV_READ;
	if (ev_is_active(&c->io) && (c->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(loop_of(c)->ev, &c->io);
	ev_io_modify(&c->io, events);
	if (events)
		ev_io_start(loop_of(c)->ev, &c->io);
}

/* Nothing is left to send. A socket closed with bytes unread would reset, and what was just sent
 * might be lost with it: so the peer is told to close, and what it still sends is thrown away. */
static void written(struct connection *c)
{
	deadline_stop(&c->deadlines[DEADLINE_STALL]);
	if (c->state != CONNECTION_LINGERING)
		return;
	if (c->peer_ended)
		close_now(c);
	else
		shutdown(c->io.fd, SHUT_WR);
}

static void write_out(struct connection *c)
{
	if (c->state == CONNECTION_CONNECTING || c->state == CONNECTION_CLOSED)
		return;
	bool was_held = is_held(c);
	struct span rest = out_queue_rest(&c->out);
	ssize_t sent = rest.n ? send(c->io.fd, rest.p, rest.n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		if (c->state == CONNECTION_LINGERING)
			close_now(c);
		else
			connection_end(c, strerrorname_np(errno), END_NOW);
		return;
	}
	if (sent > 0) {
		out_queue_sent(&c->out, (uint32_t)sent, loop_of(c)->options.frame);
		c->sent += (uint64_t)sent;
		if (c->n_receipts && c->receipts[0].at <= c->sent)
			chore_add(&loop_of(c)->after, &c->taken);
		loop_of(c)->count.stream_bytes_out += (uint64_t)sent;
		if (c->state == CONNECTION_OPEN)
			tcp_deadline_start(c, DEADLINE_IDLE);
	}
	if (!queued(c))
		written(c);
	else if (c->state == CONNECTION_OPEN && (sent > 0 || !c->deadlines[DEADLINE_STALL].next))
		tcp_deadline_start(c, DEADLINE_STALL);
	if (c->state == CONNECTION_CLOSED)
		return;
	/* Whether its message is late can not be said of one that is not read. */
	if (is_held(c))
		deadline_stop(&c->deadlines[DEADLINE_MESSAGE]);
	else if (was_held && c->partial && c->state == CONNECTION_OPEN)
		tcp_deadline_start(c, DEADLINE_MESSAGE);
	if (c->waiting && !is_held(c) && c->state == CONNECTION_OPEN)
		chore_add(&loop_of(c)->after, &c->resume);
	connection_watch(c);
}

static void on_flush(struct chore *chore)
{
	write_out(OWNER_OF(chore, struct connection, flush));
}

void connection_append(struct connection *c, const void *bytes, size_t n)
{
	out_queue_add(&c->out, bytes, (uint32_t)n);
	chore_add(&loop_of(c)->at_end, &c->flush);
}

/* Messages that have left since the last time. */
static void on_taken(struct chore *chore)
{
	struct connection *c = OWNER_OF(chore, struct connection, taken);
	struct loop *loop = loop_of(c);
	uint32_t n = 0;
	for (; n < c->n_receipts && c->receipts[n].at <= c->sent; n++)
		loop->world.events->sent(loop->world.self, c->receipts[n].number);
	c->n_receipts -= n;
	memmove(c->receipts, c->receipts + n, c->n_receipts * sizeof *c->receipts);
}

static void add_receipt(struct connection *c, uint64_t number)
{
	c->receipts = must_realloc(c->receipts, (c->n_receipts + 1) * sizeof *c->receipts);
	c->receipts[c->n_receipts++] = (struct receipt){number, c->sent + queued(c)};
}

int connection_send(struct connection *c, const struct iovec *iov, uint32_t n, uint64_t receipt)
{
	struct loop *loop = loop_of(c);
	size_t size = 0;
	for (uint32_t i = 0; i < n; i++)
		size += iov[i].iov_len;
	if (size > loop->options.write_queue)
		return -EMSGSIZE;
	if (queued(c) + size > loop->options.write_queue)
		write_out(c); /* the turn may just be a long one */
	if (c->state >= CONNECTION_LINGERING)
		return -EPIPE;
	if (queued(c) + size > loop->options.write_queue) {
		loop->count.closed_write_queue++;
		connection_end(c, "ENOBUFS", END_NOW);
		return -ENOBUFS;
	}
	out_queue_reserve(&c->out, (uint32_t)size);
	for (uint32_t i = 0; i < n; i++)
		connection_append(c, iov[i].iov_base, iov[i].iov_len);
	if (receipt)
		add_receipt(c, receipt);
	loop->count.stream_messages_out++;
	return 0;
}

/* --- what happens to it --- */

static void throw_away(struct connection *c)
{
	char bytes[16 * 1024];
	ssize_t n = recv(c->io.fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	c->peer_ended = true;
	if (n < 0 || !queued(c))
		close_now(c);
	else
		connection_watch(c);
}

static void connected(struct connection *c)
{
	struct loop *loop = loop_of(c);
	int error = 0;
	socklen_t n = sizeof error;
	if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
		error = errno;
	if (error) {
		loop->count.connections_failed++;
		connection_end(c, strerrorname_np(error), END_NOW);
		return;
	}
	loop->count.connections_opened++;
	c->state = CONNECTION_OPEN;
	deadline_stop(&c->deadlines[DEADLINE_CONNECT]);
	tcp_deadline_start(c, DEADLINE_IDLE);
	write_out(c);
}

static void on_io(struct ev_loop *ev, ev_io *io, int events)
{
	(void)ev;
	struct connection *c = OWNER_OF(io, struct connection, io);
	if (c->state == CONNECTION_CONNECTING) {
		connected(c);
		return;
	}
	if (events & EV_WRITE)
		write_out(c);
	if (!(events & EV_READ))
		return;
	if (c->state == CONNECTION_LINGERING)
		throw_away(c);
	else if (c->state == CONNECTION_OPEN && !c->waiting)
		for (int i = 0; i < READS_PER_WAKE && connection_read(c); i++)
			;
}

struct connection *connection_new(
	struct tcp *tcp, int fd, const struct flow *flow, enum connection_state state)
{
	struct connection *c = must_zalloc(sizeof *c);
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	c->tcp = tcp;
	c->flow = *flow;
	c->state = state;
	c->accepted = state == CONNECTION_OPEN;
	c->flush.run = on_flush;
	c->resume.run = connection_resume;
	c->taken.run = on_taken;
	c->ended.run = on_ended;
	ev_io_init(&c->io, on_io, fd, 0);
	tcp_insert(tcp, c);
	tcp->loop->count.connections++;
	if (c->accepted)
		tcp_source_add(tcp, &c->flow.peer);
	tcp_deadline_start(c, c->accepted ? DEADLINE_IDLE : DEADLINE_CONNECT);
	connection_watch(c);
	return c;
}

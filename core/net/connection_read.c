/* What comes by a stream: cut into messages and pings, and told in turns. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/connection.h"

enum {
	READ_SIZE = 32 * 1024, /* a read buffer at first; it grows to STREAM_MESSAGE_MAX */
	/* Pings are not answered while the peer leaves more than this unread. */
	PONG_QUEUE_MAX = 4096,
};

static void answer_pings(struct connection *c, uint32_t n)
{
	struct live_statistics *count = &loop_of(c)->count;
	for (; n && queued(c) < PONG_QUEUE_MAX; n--) {
		connection_append(c, "\r\n", 2);
		count->pings_answered++;
	}
	count->pings_ignored += n;
}

/* What one read brought. */
struct cut {
	uint32_t used; /* bytes that belong to messages told and pings answered */
	bool message;  /* at least one was told */
	bool ping;
	bool broken;
};

/* A line end kept because the other half of a ping may follow is not the first byte of a message.
 */
static uint32_t message_bytes(struct span rest)
{
	while (rest.n && (rest.p[0] == '\r' || rest.p[0] == '\n'))
		rest = span_from(rest, 1);
	return rest.n;
}

static struct cut cut(struct connection *c)
{
	struct loop *loop = loop_of(c);
	const struct world_events *events = loop->world.events;
	struct cut cut = {0};
	c->partial = 0;
	c->waiting = false;
	while (c->state == CONNECTION_OPEN && cut.used < c->in_n) {
		if (is_held(c)) {
			c->waiting = true;
			break;
		}
		struct span rest = span_of(c->in + cut.used, c->in_n - cut.used);
		uint32_t skip = 0, pongs = 0;
		int64_t n = loop->options.frame(rest, &skip, &pongs);
		if (pongs) {
			answer_pings(c, pongs);
			cut.ping = true;
		}
		if (n < 0 || (n == 0 && rest.n - skip >= STREAM_MESSAGE_MAX)) {
			cut.broken = true;
			loop->count.unframed++;
			events->unframed(loop->world.self, &c->flow, rest);
			break;
		}
		cut.used += skip;
		if (n == 0) {
			c->partial = message_bytes(span_from(rest, skip));
			break;
		}
		BUG(n > rest.n - skip);
		cut.message = true;
		loop->count.stream_messages_in++;
		events->message(
			loop->world.self, &c->flow, span_from(span_of(rest.p, skip + n), skip));
		cut.used += (uint32_t)n;
	}
	return cut;
}

static void keep_rest(struct connection *c, const struct cut *cut)
{
	c->in_n -= cut->used;
	if (c->in_n) {
		memmove(c->in, c->in + cut->used, c->in_n);
		return;
	}
	free(c->in);
	c->in = NULL;
	c->in_size = 0;
}

/* Tells what is in the buffer, in one turn, and makes room for more. */
static void tell(struct connection *c)
{
	struct loop *loop = loop_of(c);
	loop_turn_begin(loop);
	struct cut this = cut(c);
	if (c->state == CONNECTION_OPEN) {
		if (this.message || this.ping)
			tcp_deadline_start(c, DEADLINE_IDLE);
		if (!c->partial)
			deadline_stop(&c->deadlines[DEADLINE_MESSAGE]);
		else if (this.message || !c->deadlines[DEADLINE_MESSAGE].next)
			tcp_deadline_start(c, DEADLINE_MESSAGE);
	}
	loop_turn_end(loop);
	if (c->state != CONNECTION_OPEN)
		return;
	keep_rest(c, &this);
	if (this.broken)
		connection_end(c, "EBADMSG", END_AFTER_FLUSH);
}

void connection_resume(struct chore *chore)
{
	struct connection *c = OWNER_OF(chore, struct connection, resume);
	if (c->state != CONNECTION_OPEN)
		return;
	tell(c);
	if (c->state == CONNECTION_OPEN)
		connection_watch(c);
}

bool connection_read(struct connection *c)
{
	if (c->in_n == c->in_size) {
		c->in_size = c->in_size ? c->in_size * 2 : READ_SIZE;
		c->in = must_realloc(c->in, c->in_size);
	}
	uint32_t room = c->in_size - c->in_n;
	ssize_t n = recv(c->io.fd, c->in + c->in_n, room, MSG_DONTWAIT);
	if (n > 0) {
		loop_of(c)->count.stream_bytes_in += (uint64_t)n;
		c->in_n += (uint32_t)n;
		tell(c);
		return c->state == CONNECTION_OPEN && n == room && !c->waiting && !is_held(c);
	}
	if (!c->in_n)
		keep_rest(c, &(struct cut){0});
	if (n == 0) {
		c->peer_ended = true;
		connection_end(c, "ESHUTDOWN", END_AFTER_FLUSH);
	} else if (errno != EAGAIN && errno != EINTR) {
		connection_end(c, strerrorname_np(errno), END_NOW);
	}
	return false;
}

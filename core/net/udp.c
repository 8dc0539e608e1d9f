#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/ip.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/put.h"
#include "net/socket.h"
#include "net/udp.h"

enum {
	RECEIVE_BATCH = 32,
	BATCHES_PER_WAKE = 8, /* then the other legs and timers have their turn */
	SEND_BATCH = 64,
	SEND_PIECES = 1024, /* iovecs of one batch; at least WORLD_IOV_MAX */
	/* Up to this many bytes leave as one piece: each further piece costs the kernel some 35 ns,
	 * as much as it takes to copy half a message here. */
	JOINED_MAX = 2048,
	/* Without the shift all buffers begin in the same cache set, and a batch of 32 evicts
	 * itself; 25 lines are a usual message. */
	BUFFER_SIZE = 65536,
	BUFFER_STRIDE = BUFFER_SIZE + 25 * 64,
	/* Datagrams up to this go out with DF, which spares the kernel the search for an IP
	 * identification (2-3 % of the whole path) and keeps fragments off the net. Larger ones
	 * must be allowed to fragment: an INVITE that does not fit is still an INVITE. */
	DF_SIZE_MAX = 1400,
	PAYLOAD_MAX_IPV4 = 65507,
	PAYLOAD_MAX_IPV6 = 65527,
	/* Refused datagrams the engine has yet to be told of: as many as a wake brings. It hears
	 * nothing of those beyond. */
	UNSENT_MAX = BATCHES_PER_WAKE * RECEIVE_BATCH,
};

/* A datagram the kernel refused, for good. */
struct unsent {
	struct unsent *next;
	struct addr to;
	const char *reason;
	uint32_t n;
	char bytes[];
};

struct udp {
	ev_io io;
	struct loop *loop;
	uint32_t leg;
	int fd;
	bool ipv6, df, closed;
	uint32_t payload_max;
	struct chore release;

	/* Filled in once: the kernel changes only lengths that come out the same again. */
	struct mmsghdr in[RECEIVE_BATCH];
	struct iovec in_iov[RECEIVE_BATCH];
	struct flow from[RECEIVE_BATCH];
	char *buffers;

	struct chore flush;
	uint32_t n, n_iov, n_joined, n_large, n_bytes;
	struct mmsghdr out[SEND_BATCH];
	struct addr to[SEND_BATCH];
	uint32_t size[SEND_BATCH];
	struct iovec iov[SEND_PIECES];
	char joined[SEND_BATCH * JOINED_MAX];

	struct chore report;
	struct unsent *unsent, **last_unsent;
	uint32_t n_unsent;
};

static void allow_fragments(struct udp *udp, bool allow)
{
	if (udp->df == !allow)
		return;
	/* PROBE, not DO: a path MTU learned from a forged ICMP must not make a send fail. */
	int v4 = allow ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE;
	int v6 = allow ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_PROBE;
	if (udp->ipv6)
		setsockopt(udp->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6, sizeof v6);
	else
		setsockopt(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4, sizeof v4);
	udp->df = !allow;
}

static void drop(struct udp *udp, uint32_t i, uint64_t *counter)
{
	++*counter;
	udp->n_bytes -= udp->size[i];
}

/* Told when the turn is over: the engine may send more then. */
static void report_later(struct udp *udp, uint32_t i, int error)
{
	const struct msghdr *message = &udp->out[i].msg_hdr;
	if (udp->n_unsent == UNSENT_MAX)
		return;
	struct unsent *unsent = must_alloc(sizeof *unsent + udp->size[i]);
	*unsent = (struct unsent){
		.to = udp->to[i], .reason = strerrorname_np(error), .n = udp->size[i]};
	char *at = unsent->bytes;
	for (size_t k = 0; k < message->msg_iovlen; at += message->msg_iov[k++].iov_len)
		if (message->msg_iov[k].iov_len)
			memcpy(at, message->msg_iov[k].iov_base, message->msg_iov[k].iov_len);
	*udp->last_unsent = unsent;
	udp->last_unsent = &unsent->next;
	udp->n_unsent++;
	chore_add(&udp->loop->after, &udp->report);
}

static void forget_unsent(struct udp *udp)
{
	udp->unsent = NULL;
	udp->last_unsent = &udp->unsent;
	udp->n_unsent = 0;
}

static void report_unsent(struct chore *chore)
{
	struct udp *udp = OWNER_OF(chore, struct udp, report);
	const struct world *world = &udp->loop->world;
	struct unsent *unsent = udp->unsent, *next;
	forget_unsent(udp);
	for (; unsent; unsent = next) {
		struct flow to = {.leg = udp->leg, .peer = unsent->to};
		next = unsent->next;
		world->events->unsent(
			world->self, &to, span_of(unsent->bytes, unsent->n), unsent->reason);
		free(unsent);
	}
}

/* No room in the kernel is a matter of now; all else is one of the datagram or its target. */
static bool is_passing(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

/* The datagram `i` was refused with `error`. Tries it once more alone: fragmented when it was too
 * big for the interface, and else because the error may be an older datagram's that the kernel
 * reports late. Waits for nothing: what can not go now is lost, as on any link of the way. */
static void send_again(struct udp *udp, uint32_t i, int error)
{
	struct live_statistics *count = &udp->loop->count;
	if (error == EMSGSIZE)
		allow_fragments(udp, true);
	if (!is_passing(error)) {
		if (sendmsg(udp->fd, &udp->out[i].msg_hdr, MSG_DONTWAIT) >= 0) {
			count->datagrams_out++;
			return;
		}
		error = errno;
	}
	if (is_passing(error)) {
		drop(udp, i, &count->send_again);
		return;
	}
	drop(udp, i, &count->send_errors);
	report_later(udp, i, error);
	log_event(udp->loop->log, LOG_DEBUG, "datagram refused",
		LOG_STR("error", strerrorname_np(error)), LOG_NUM("bytes", udp->size[i]));
}

/* All of [from, to) are of one kind, with or without DF. */
static void send_run(struct udp *udp, uint32_t from, uint32_t to)
{
	while (from < to) {
		int sent = sendmmsg(udp->fd, &udp->out[from], to - from, MSG_DONTWAIT);
		if (sent > 0) {
			udp->loop->count.datagrams_out += (uint32_t)sent;
			from += (uint32_t)sent;
		} else if (errno != EINTR) {
			send_again(udp, from++, errno);
		}
	}
}

static bool is_large(const struct udp *udp, uint32_t i)
{
	return udp->size[i] > DF_SIZE_MAX;
}

static void flush(struct udp *udp)
{
	bool mixed = udp->n_large && udp->n_large < udp->n;
	for (uint32_t from = 0, to; from < udp->n; from = to) {
		bool large = is_large(udp, from);
		for (to = mixed ? from + 1 : udp->n; to < udp->n && is_large(udp, to) == large;)
			to++;
		allow_fragments(udp, large);
		send_run(udp, from, to);
	}
	udp->loop->count.datagram_bytes_out += udp->n_bytes;
	udp->n = udp->n_iov = udp->n_joined = udp->n_large = udp->n_bytes = 0;
}

static void flush_chore(struct chore *chore)
{
	flush(OWNER_OF(chore, struct udp, flush));
}

/* One piece of them all, which stays until the flush. */
static struct iovec join(struct udp *udp, const struct iovec *iov, uint32_t n, size_t size)
{
	char *text = udp->joined + udp->n_joined, *out = text;
	for (uint32_t i = 0; i < n; i++)
		out = put_span(out, span_of(iov[i].iov_base, iov[i].iov_len));
	udp->n_joined += (uint32_t)size;
	return (struct iovec){text, size};
}

int udp_send(struct udp *udp, const struct addr *to, const struct iovec *iov, uint32_t n)
{
	if (n > WORLD_IOV_MAX)
		return -EMSGSIZE;
	if (to->sa.sa_family != (udp->ipv6 ? AF_INET6 : AF_INET))
		return -EAFNOSUPPORT;
	size_t size = 0;
	for (uint32_t i = 0; i < n; i++)
		size += iov[i].iov_len;
	if (size > udp->payload_max)
		return -EMSGSIZE;
	if (udp->n == SEND_BATCH || udp->n_iov + n > SEND_PIECES)
		flush(udp);
	struct iovec *pieces = &udp->iov[udp->n_iov];
	if (n > 1 && size <= JOINED_MAX) {
		*pieces = join(udp, iov, n, size);
		n = 1;
	} else
		memcpy(pieces, iov, n * sizeof *iov);
	struct msghdr *message = &udp->out[udp->n].msg_hdr;
	udp->to[udp->n] = *to;
	message->msg_iov = pieces;
	message->msg_iovlen = n;
	udp->size[udp->n] = (uint32_t)size;
	udp->n++;
	udp->n_iov += n;
	udp->n_bytes += (uint32_t)size;
	udp->n_large += size > DF_SIZE_MAX;
	chore_add(&udp->loop->at_end, &udp->flush);
	return 0;
}

/* One batch, one turn. Returns whether there may be more. */
static bool receive(struct udp *udp)
{
	struct loop *loop = udp->loop;
	int n = recvmmsg(udp->fd, udp->in, RECEIVE_BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0) /* an error other than EAGAIN is an earlier datagram's, and now read */
		return n < 0 && errno != EAGAIN;
	loop_turn_begin(loop);
	loop->count.datagrams_in += (uint32_t)n;
	for (int i = 0; i < n && !udp->closed; i++) {
		uint32_t size = udp->in[i].msg_len;
		loop->count.datagram_bytes_in += size;
		loop->world.events->message(
			loop->world.self, &udp->from[i], span_of(udp->in_iov[i].iov_base, size));
	}
	loop_turn_end(loop);
	return n == RECEIVE_BATCH && !udp->closed;
}

static void on_readable(struct ev_loop *ev, ev_io *io, int events)
{
	(void)ev;
	(void)events;
	struct udp *udp = OWNER_OF(io, struct udp, io);
	for (int batch = 0; batch < BATCHES_PER_WAKE && receive(udp); batch++)
		;
}

static void release(struct chore *chore)
{
	struct udp *udp = OWNER_OF(chore, struct udp, release);
	free(udp->buffers);
	free(udp);
}

void udp_close(struct udp *udp)
{
	flush(udp);
	udp->closed = true;
	ev_io_stop(udp->loop->ev, &udp->io);
	close(udp->fd); /* now: the address may be opened again at once */
	chore_add(&udp->loop->after, &udp->release);
}

static void set_buffer(int fd, int force, int option, uint32_t size)
{
	int n = (int)size;
	if (setsockopt(fd, SOL_SOCKET, force, &n, sizeof n) != 0)
		setsockopt(fd, SOL_SOCKET, option, &n, sizeof n);
}

struct udp *udp_open(struct loop *loop, uint32_t leg, struct addr *bind, char error[256])
{
	int fd = socket_bind(SOCK_DGRAM, bind, error);
	if (fd < 0)
		return NULL;
	struct udp *udp = must_zalloc(sizeof *udp);
	udp->loop = loop;
	udp->leg = leg;
	udp->fd = fd;
	udp->ipv6 = bind->sa.sa_family == AF_INET6;
	udp->payload_max = udp->ipv6 ? PAYLOAD_MAX_IPV6 : PAYLOAD_MAX_IPV4;
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, loop->options.socket_buffer);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, loop->options.socket_buffer);
	allow_fragments(udp, false);

	udp->buffers = must_alloc((size_t)RECEIVE_BATCH * BUFFER_STRIDE);
	for (uint32_t i = 0; i < RECEIVE_BATCH; i++) {
		udp->from[i].leg = leg;
		udp->in_iov[i] = (struct iovec){udp->buffers + i * BUFFER_STRIDE, BUFFER_SIZE};
		udp->in[i].msg_hdr = (struct msghdr){.msg_name = &udp->from[i].peer,
			.msg_namelen = addr_len(bind),
			.msg_iov = &udp->in_iov[i],
			.msg_iovlen = 1};
	}
	for (uint32_t i = 0; i < SEND_BATCH; i++)
		udp->out[i].msg_hdr =
			(struct msghdr){.msg_name = &udp->to[i], .msg_namelen = addr_len(bind)};
	forget_unsent(udp);
	udp->report.run = report_unsent;
	udp->flush.run = flush_chore;
	udp->release.run = release;
	ev_io_init(&udp->io, on_readable, fd, EV_READ);
	ev_io_start(loop->ev, &udp->io);
	return udp;
}

uint64_t udp_overflow(const struct udp *udp)
{
	uint32_t memory[SK_MEMINFO_VARS] = {0};
	socklen_t n = sizeof memory;
	if (getsockopt(udp->fd, SOL_SOCKET, SO_MEMINFO, memory, &n) != 0)
		return 0;
	return memory[SK_MEMINFO_DROPS];
}

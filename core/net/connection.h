/* Private to the stream legs: one connection, and the tables all of them are in. */
#pragma once

#include "base/siphash.h"
#include "net/deadline.h"
#include "net/out_queue.h"
#include "net/tcp.h"

enum deadline_kind {
	DEADLINE_CONNECT,
	DEADLINE_MESSAGE,
	DEADLINE_IDLE,
	DEADLINE_STALL,
	DEADLINE_LINGER,
	DEADLINE_KINDS,
};

enum connection_state {
	CONNECTION_CONNECTING,
	CONNECTION_OPEN,
	CONNECTION_LINGERING, /* ended for the engine; the last bytes are on their way */
	CONNECTION_CLOSED,    /* the socket is gone */
};

struct receipt {
	uint64_t number;
	uint64_t at; /* due when that many bytes have been sent */
};

struct connection {
	ev_io io;
	struct tcp *tcp;
	struct flow flow;
	enum connection_state state;
	bool accepted;	 /* else opened by us */
	bool peer_ended; /* no more bytes will come */
	bool told;	 /* events.closed was called */
	bool waiting;	 /* messages in `in` are not told: the peer shall read first */
	const char *reason;
	struct addr alias; /* where it leads too (world.stream_alias); AF_UNSPEC: nowhere else */
	struct connection *next_of_peer, *next_of_alias; /* in their buckets */
	struct chore flush, resume, ended, taken;
	struct deadline deadlines[DEADLINE_KINDS];

	char *in; /* NULL while empty */
	uint32_t in_n, in_size;
	uint32_t partial; /* bytes in `in` that begin a message */
	struct out_queue out;
	uint64_t sent;		  /* bytes in all */
	struct receipt *receipts; /* of messages in `out`, in order; NULL: none */
	uint32_t n_receipts;
};

struct connection_slot {
	struct connection *connection; /* NULL: free */
	uint32_t generation;	       /* of the id given last */
	uint32_t next_free;
};

struct source {
	struct source *next;
	uint64_t key;
	uint32_t n;
};

struct listener {
	ev_io io;
	ev_timer pause;
	struct tcp *tcp;
	uint32_t leg;
	int fd;
	struct addr bind;
};

struct tcp {
	struct loop *loop;
	struct listener *listeners[LIVE_LEGS_MAX];
	struct siphash_key key;

	struct connection_slot *slots;
	uint32_t n_slots, first_free; /* UINT32_MAX: none */
	uint32_t n_buckets;	      /* of each table; a power of two */
	struct connection **peers, **aliases;
	struct source **sources;

	struct deadlines deadlines[DEADLINE_KINDS];
	ev_timer timer;
	int64_t armed_at_us; /* INT64_MAX: not */
};

/* tcp_table.c: who is there. */
void tcp_tables_init(struct tcp *tcp);
void tcp_tables_fini(struct tcp *tcp);
/* Gives the connection its id. */
void tcp_insert(struct tcp *tcp, struct connection *connection);
/* The id is dead from now on. */
void tcp_remove(struct tcp *tcp, struct connection *connection);
struct connection *tcp_find_id(const struct tcp *tcp, uint64_t id);
struct connection *tcp_find_peer(const struct tcp *tcp, uint32_t leg, const struct addr *peer);
/* Gives it the alias; not when it has one, or another connection has that. */
bool tcp_add_alias(struct tcp *tcp, struct connection *connection, const struct addr *alias);
struct connection *tcp_find_alias(const struct tcp *tcp, uint32_t leg, const struct addr *alias);
/* Connections accepted from where `peer` is; NULL when there are none. */
struct source *tcp_find_source(const struct tcp *tcp, const struct addr *peer);
void tcp_source_add(struct tcp *tcp, const struct addr *peer);
void tcp_source_remove(struct tcp *tcp, const struct addr *peer);

/* tcp.c */
void tcp_deadline_start(struct connection *connection, enum deadline_kind kind);

/* connection.c: one life, and what is written. */
enum ending {
	END_AFTER_FLUSH, /* queued bytes are sent, the peer may read them */
	END_NOW,
};
/* Takes `fd`, connected or connecting. */
struct connection *connection_new(
	struct tcp *tcp, int fd, const struct flow *flow, enum connection_state state);
/* Returns 0 or a negative errno; then nothing was queued. `receipt` as in struct flow. */
int connection_send(
	struct connection *connection, const struct iovec *iov, uint32_t n, uint64_t receipt);
/* For the engine the connection is over; it is told so in a later turn. */
void connection_end(struct connection *connection, const char *reason, enum ending ending);
/* The deadline has passed. */
void connection_expired(struct connection *connection, enum deadline_kind kind);

static inline struct loop *loop_of(const struct connection *c)
{
	return c->tcp->loop;
}
/* Bytes that wait to be sent. */
static inline uint32_t queued(const struct connection *c)
{
	return out_queue_left(&c->out);
}
/* A peer that does not read what it asked for is not asked for more. */
static inline bool is_held(const struct connection *c)
{
	return queued(c) > loop_of(c)->options.write_queue / 2;
}
/* Queues bytes; the caller keeps the limits. */
void connection_append(struct connection *connection, const void *bytes, size_t n);
/* Listens for what it can do something about now. */
void connection_watch(struct connection *connection);

/* connection_read.c: what comes. */
/* Reads once and tells what that brought. Returns whether there may be more. */
bool connection_read(struct connection *connection);
/* The chore that tells what waited for the peer to read. */
void connection_resume(struct chore *chore);

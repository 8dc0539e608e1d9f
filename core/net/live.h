/* The live world: libev, c-ares and sockets behind base/world.h.
 *
 * One thread, one loop. Events reach the engine in turns: a batch of datagrams, what one read of a
 * stream held, a wake-up, answers of DNS. Each turn has one time, taken when it begins; that is
 * also the receive time of its messages. At its end everything sent goes to the kernel, then
 * turn_end is called. No SIP is read here: streams are cut by the frame_fn the owner hands in. */
#pragma once

#include "base/log.h"
#include "base/world.h"

struct live;

enum { LIVE_LEGS_MAX = 64 }; /* leg indexes given to leg_open are below it */

enum {
	/* A stream on which no message, ping or byte of ours goes by for that long is closed:
	 * longer than anybody waits for the next word of a call, which is Timer C and the 64*T1
	 * after it (RFC 3261 16.6 (11), 16.8). */
	LIVE_IDLE_MS = 240000,
};

/* Zero stands for the default. */
struct live_options {
	frame_fn frame;		     /* needed for stream legs only */
	const char *dns_servers;     /* "ip[:port],..."; NULL: resolv.conf; borrowed by live_new */
	uint32_t dns_try_ms;	     /* one try at one server, doubled each round: 1000 */
	uint32_t dns_outstanding;    /* 4096; a query beyond fails at once */
	uint32_t connections;	     /* 10000; at most 2^20 */
	uint32_t connections_source; /* accepted from one IPv4 address or IPv6 /64: 256 */
	uint32_t write_queue;	     /* bytes a connection: 1 MiB */
	uint32_t connect_ms;	     /* 5000 */
	uint32_t message_ms;	     /* from the first byte of a message to its last: 5000 */
	uint32_t idle_ms;	     /* LIVE_IDLE_MS */
	uint32_t stall_ms;	     /* bytes wait and the peer takes none: 10000 */
	uint32_t accept_pause_ms;    /* no descriptors left for accept: 100 */
	uint32_t socket_buffer;	     /* bytes a datagram socket, each way: 4 MiB */
};

/* Counters since live_new; `connections` is the number at present. */
#define LIVE_COUNTERS(X)                                                                           \
	X(datagrams_in)                                                                            \
	X(datagrams_out)                                                                           \
	X(datagram_bytes_in)                                                                       \
	X(datagram_bytes_out)                                                                      \
	X(receive_overflow) /* datagrams the kernel dropped: receive buffer full */                \
	X(send_again)	    /* datagrams dropped: send buffer full */                              \
	X(send_errors)	    /* datagrams dropped: refused by the kernel */                         \
	X(stream_messages_in)                                                                      \
	X(stream_messages_out)                                                                     \
	X(stream_bytes_in)                                                                         \
	X(stream_bytes_out)                                                                        \
	X(unframed) /* streams given up because they could not be cut */                           \
	X(pings_answered)                                                                          \
	X(pings_ignored) /* the peer does not read: no pong is queued for it */                    \
	X(connections)                                                                             \
	X(connections_accepted)                                                                    \
	X(connections_opened) /* by us */                                                          \
	X(connections_closed)                                                                      \
	X(aliases_made)	      /* connections that lead to an address their peer advertised */      \
	X(sent_by_alias)      /* messages that went by one instead of by a new connection */       \
	X(connections_failed) /* by us, never established */                                       \
	X(refused_total)      /* limits: all connections, one source's, descriptors */             \
	X(refused_source)                                                                          \
	X(accept_pauses)                                                                           \
	X(closed_message_deadline)                                                                 \
	X(closed_idle)                                                                             \
	X(closed_write_queue)                                                                      \
	X(closed_write_stall)                                                                      \
	X(dns_queries)                                                                             \
	X(dns_timeouts)                                                                            \
	X(dns_refused) /* not a host name, or too many outstanding */

struct live_statistics {
#define LIVE_COUNTER(name) uint64_t name;
	LIVE_COUNTERS(LIVE_COUNTER)
#undef LIVE_COUNTER
};

/* Returns new; NULL with a reason in `error`. `options` may be NULL, `log` outlives the world.
 * Set world->events and ->self before the first leg_open. */
struct live *live_new(const struct live_options *options, struct log *log, char error[256]);
/* Closes everything; no more events. NULL is fine. */
void live_free(struct live *live);

struct world *live_world(struct live *live);

/* Until live_stop; a turn in progress is ended first. */
void live_run(struct live *live);
void live_stop(struct live *live);
/* One round of the loop, waiting at most `seconds` for something to happen. */
void live_poll(struct live *live, double seconds);

void live_statistics(struct live *live, struct live_statistics *statistics);

/* The longest time between two waits for events, since this was asked last: so long did everybody
 * else wait for one round of the loop. */
int64_t live_longest_busy_us(struct live *live);

/* Callbacks run in the loop, in a turn of their own: they may call the world. */
typedef void (*live_fn)(void *arg);

void live_on_signal(struct live *live, int signo, live_fn fn, void *arg);
/* `fn` after the file at `path` changed, was replaced, appeared or went. Several changes may come
 * as one, and one save may come as several: debounce with live_after. */
void live_watch_file(struct live *live, const char *path, live_fn fn, void *arg);
void live_unwatch_all(struct live *live);
/* Once, after `seconds`. The same fn and arg again before it ran: only the new time counts. */
void live_after(struct live *live, double seconds, live_fn fn, void *arg);

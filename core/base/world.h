/* The world as a table: everything the engine does to the outside and everything it learns from it.
 *
 * The engine decides from (state, event, time, random) alone and acts only through struct world.
 * `live` (core/net) answers with sockets, c-ares and libev; `sim` (core/net/sim) with a virtual
 * clock, network and DNS. The engine cannot tell them apart. Neither side ever calls the other
 * re-entrantly: a world call made inside an event never delivers an event before it returns. */
#pragma once

#include <stdint.h>
#include <sys/uio.h>

#include "base/addr.h"

/* Where bytes came from, or shall go. */
struct flow {
	uint32_t leg; /* index given to leg_open */
	struct addr peer;
	uint64_t connection; /* stream legs: generation-counted id, 0 = none known; datagrams: 0 */
	uint64_t receipt; /* given to send on a stream: `sent` says it once the bytes have left; 0:
			     no */
};

struct leg_address {
	enum transport transport;
	struct addr bind; /* port 0: any free port; leg_open writes the real one back */
};

enum dns_type { DNS_A, DNS_AAAA, DNS_SRV, DNS_NAPTR };

struct dns_record {
	enum dns_type type;
	uint32_t ttl_s;
	struct addr addr;	    /* A, AAAA; port 0 */
	uint16_t priority, weight;  /* SRV; NAPTR: order, preference */
	uint16_t port;		    /* SRV */
	char target[256];	    /* SRV target, NAPTR replacement */
	char flags[8], service[32]; /* NAPTR */
};

enum dns_status { DNS_OK, DNS_NOT_FOUND, DNS_TIMEOUT, DNS_FAILED };

enum { DNS_RECORDS_MAX = 64 }; /* further records of an answer are ignored */

/* What the world tells the engine. `self` is the engine. */
struct world_events {
	/* One datagram, or one framed message of a stream. `bytes` are valid until the next
	 * turn_end returns; the engine copies what it keeps longer. */
	void (*message)(void *self, const struct flow *from, struct span bytes);
	/* A stream that can not be cut any further: `bytes` is what came since the last message.
	 * The engine may answer; the world closes the stream once that is written. */
	void (*unframed)(void *self, const struct flow *from, struct span bytes);
	/* A message given to send never left: its datagram was refused, or its stream could not be
	 * opened, or ended before all of it had left. Told before `closed`, but for a stream that
	 * was given time to let the last bytes leave. `message` is valid during the call, `reason`
	 * for good: an errno name. */
	void (*unsent)(void *self, const struct flow *to, struct span message, const char *reason);
	/* All of a message that was given to send with this receipt is with the network. Not told
	 * for streams that end before. */
	void (*sent)(void *self, uint64_t receipt);
	/* A stream ended or could not be opened; `reason` is an errno name such as "ECONNREFUSED".
	 */
	void (*closed)(void *self, const struct flow *flow, const char *reason);
	void (*dns)(void *self, uint64_t query, enum dns_status status,
		const struct dns_record *records, uint32_t n);
	/* The time asked for by wake_at has come. */
	void (*wake)(void *self);
	/* After each batch of events, before the world waits: the engine ends what is done. All
	 * iovecs given to send since the last turn_end must stay valid until the world has called
	 * this; the world puts them on the wire first. */
	void (*turn_end)(void *self);
};

/* How a stream is cut into messages (core/sip/frame.h gives one). Returns the length of the first
 * message in `bytes`, 0 when more is needed, or negative when the stream is beyond repair. `*skip`
 * is how many leading bytes (CRLF keep-alives) come before it, `*pongs` how many keep-alive pings
 * those hold. */
typedef int64_t (*frame_fn)(struct span bytes, uint32_t *skip, uint32_t *pongs);

enum { WORLD_IOV_MAX = 64 }; /* pieces of one message given to send */

enum { STREAM_MESSAGE_MAX = 256 * 1024 }; /* a stream whose message would be longer is unframed */

struct world {
	const struct world_events *events;
	void *self;

	int64_t (*now_us)(struct world *world);	 /* monotonic; one value for a whole turn */
	int64_t (*wall_ms)(struct world *world); /* since 1970 */
	void (*random)(struct world *world, void *bytes, size_t n); /* cryptographic in `live` */
	/* One wake-up, replacing the former one; INT64_MAX: none. */
	void (*wake_at)(struct world *world, int64_t at_us);

	/* Returns 0, or -1 with a reason in `error` (a sentence without full stop). */
	int (*leg_open)(
		struct world *world, uint32_t leg, struct leg_address *address, char error[256]);
	void (*leg_close)(struct world *world, uint32_t leg);
	/* Queues one message; it goes out at the end of the turn, in order. On streams: by
	 * to->connection while that lives, else by a connection to to->peer, else by the one that
	 * has to->peer for its alias, else by a new one.
	 * Returns 0, or a negative errno when it can be told at once; later failures come as
	 * `unsent`, and of a stream as `closed`. A negative return has sent nothing. */
	int (*send)(
		struct world *world, const struct flow *to, const struct iovec *iov, uint32_t n);
	void (*stream_close)(struct world *world, uint64_t connection);
	/* As long as it lives, this connection also leads to `alias`, by its leg. A connection has
	 * one alias, its first; an address leads to one connection, the oldest that claimed it:
	 * who comes later takes nothing away from it. */
	void (*stream_alias)(struct world *world, uint64_t connection, const struct addr *alias);

	/* Answers by events.dns, never before this returns. `query` is the caller's id. */
	void (*dns_query)(struct world *world, uint64_t query, enum dns_type type, struct span name,
		uint32_t timeout_ms);
	void (*dns_cancel)(struct world *world, uint64_t query);
};

/* The delivery queue (seed 002): requests that a script hands over to be delivered, each until it
 * is known what became of it. Found by number, id or Call-ID.
 *
 * A delivery sends a copy of the message, from one address to the next (RFC 3263 4.3), each try a
 * client transaction that repeats it on UDP (RFC 3261 17.1). Sent once over UDP it has none, so
 * that a repetition, a CANCEL and an ACK go the way of the first (16.11): then it waits for the
 * answer if somebody wants to hear of that, and is gone as soon as it has left if not, or if it is
 * an ACK. The first response says that it arrived and ends it; responses go on to the policy. What
 * there is no room for is refused at once; if that turns out later, whoever sent it is answered
 * 503, and when nobody could be reached or answered, as by a relay. A message that came in is sent
 * as a proxy would (RFC 3261 16.6), one made here as its user agent would (8.1.1.7). */
#pragma once

#include "engine/resolve.h"

enum {
	DELIVERIES_MAX = 1000000,
	DELIVERIES_BYTES_MAX = 256 << 20, /* of all requests in the queue */
	/* Of those from one source, and of those to one host: whoever fills that leaves room for
	 * others. */
	DELIVERIES_SHARE_MAX = DELIVERIES_BYTES_MAX / 4,
	DELIVERY_ID_MAX = 4096, /* bytes of an id or Call-ID */
	DELIVERY_PATIENCE_MS =
		181000, /* for the final response to an INVITE (RFC 3261 16.6 (11)) */
};

struct delivery;

enum delivery_end {
	DELIVERY_ARRIVED,   /* a response came, or a stream has taken all of it */
	DELIVERY_SENT,	    /* it has left, and that is all that will ever be known */
	DELIVERY_FAILED,    /* `error` is the name of an errno */
	DELIVERY_CANCELLED, /* by the policy; `error` is "" */
};
/* Called once, in a later run of the timers. */
typedef void (*delivery_fn)(void *arg, uint64_t number, enum delivery_end end, const char *error);

struct delivery_options {
	struct span id, callid; /* empty: "Call-ID CSeq-number", and the Call-ID */
	const struct uri *to;	/* NULL: by Route and Request-URI */
	const struct leg *leg;	/* NULL: one that reaches the address */
	bool once;		/* not repeated */
	bool wants_end;		/* somebody wants to hear whether it arrived */
	uint32_t timeout_ms;	/* for all addresses together; 0: until the last transaction ends */
	delivery_fn done;
	void *arg;
};

enum deliver_error {
	DELIVER_REPEATED = 0,	  /* no error: this very request is in the queue already */
	DELIVER_BAD_MESSAGE = -1, /* a header that it needs is missing or malformed */
	DELIVER_TOO_MANY = -2,
	DELIVER_BAD_ID = -3,   /* too long */
	DELIVER_GIVEN_UP = -4, /* its sender has cancelled it */
};

/* The number of the delivery, or an enum deliver_error: nothing was done then. `request` is
 * copied. */
int64_t deliver(struct packet *request, const struct delivery_options *options);
/* What is repeated is repeated no more; answers that still come are those of nobody. How many there
 * were. */
uint32_t delivery_cancel(struct engine *engine, uint64_t number);
uint32_t delivery_cancel_id(struct engine *engine, struct span id);
uint32_t delivery_cancel_call(struct engine *engine, struct span callid);
/* A request that belongs to an INVITE that was delivered. A CANCEL is answered 200, the INVITE
 * cancelled where it was sent to, and no other address tried (RFC 3261 9.2, 16.10); an ACK to a
 * failure ends here. True: dealt with. */
bool delivery_take_request(struct packet *request);
/* An answer that belongs to no transaction: what was sent once has arrived. */
void delivery_hear(struct packet *response);
/* A request that never left, and belongs to no transaction; `reason` as in client_take_unsent. */
void delivery_take_unsent(struct packet *request, const char *reason);
/* Whoever `arg` stands for is told no more, and its routing is not used any more. */
void deliveries_forget(struct engine *engine, const void *arg);
/* The world's word for the receipt that is the delivery's number. */
void delivery_sent(struct engine *engine, uint64_t number);
void deliveries_free_all(struct engine *engine);

struct delivery_facts {
	uint64_t number;
	struct span method, id, callid;
	const struct flow *to; /* NULL: not known yet */
	uint32_t tries;	       /* addresses */
	int64_t since_ms;
	int64_t due_ms; /* when it is sent again or given up; INT64_MAX: a name is looked up */
};
/* The queue, newest first: `*position` is NULL first. False: no more. */
bool delivery_walk(
	struct engine *engine, const struct delivery **position, struct delivery_facts *facts);

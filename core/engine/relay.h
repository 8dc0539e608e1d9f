/* Stateful forwarding (RFC 3261 16): one request, its server transaction, and the branches it was
 * sent out on.
 *
 * Targets are tried by groups, the lowest number first, those of a group at one time. What a 2xx or
 * a provisional response says goes upstream at once; else the best failure is kept (sip/fork.h) and
 * told when nobody is left to try: the owner may forward to others, or answer; if it does neither,
 * the best goes upstream when it ends.
 *
 * A relay lives until its request is done with, its server transaction is over and no branch can
 * bring anything any more. */
#pragma once

#include "engine/hunt.h"
#include "engine/route.h"
#include "sip/fork.h"

enum {
	RELAY_TARGETS_MAX = 32,	   /* of one forward */
	RELAY_TRYING_MS = 200,	   /* 100 when nothing else was sent by then (RFC 3261 17.2.1) */
	RELAY_TIMER_C_MS = 181000, /* more than three minutes (16.6 (11)) */
	RELAY_BREADTH = 60,	   /* Max-Breadth of a request that has none (RFC 5393 5.3.3) */
	/* Answers to INVITEs that one source has not acknowledged yet, each repeated to it ten
	 * times and more, whoever it really is. Beyond, a script's answer is sent once, without a
	 * transaction: whoever did not hear it asks again (RFC 3261 8.2.7). */
	RELAY_UNHEARD_MAX = 64,
	RELAY_GIVEN_UP = -2,
};

struct relay_target {
	struct span uri, path; /* copied; Path of the binding (RFC 3327), empty: none */
	uint64_t home;	       /* the place it is reached from; 0: not known */
	uint16_t group;
};

enum relay_end {
	RELAY_FINAL,	   /* `final` is the best response; a 2xx has gone upstream already */
	RELAY_TIMEOUT,	   /* nobody answered in time (408) */
	RELAY_UNREACHABLE, /* nobody could be reached (503), or no target was usable */
	RELAY_CANCELLED,   /* the caller gave up; `final` may be there */
	RELAY_ANSWERED,	   /* somebody answered the request while it was out */
	RELAY_REFUSED,	   /* a limit of ours stood against it: 503, should nobody say otherwise */
};

/* `final` is borrowed (hold it to keep it) and may be NULL. */
typedef void (*relay_done_fn)(void *arg, enum relay_end end, struct packet *final);
/* A provisional response above 100 came: takes over a hold, and ends it with packet_done, which
 * sends it upstream unless it was dropped. */
typedef void (*relay_provisional_fn)(void *arg, struct packet *response);

struct relay_options {
	uint32_t timeout_ms; /* for each branch, all its addresses together; 0: Timer C, or the
				transaction's own end */
	relay_done_fn done;
	relay_provisional_fn provisional; /* NULL: upstream at once */
	void *arg;
	struct proxy *proxy; /* that hides contacts, and by which it leaves as a stateless forward
				would; held; NULL: none, by the leg it came in */
};

struct branch {
	struct branch *next;
	struct relay *relay;
	struct hunt hunt;	   /* its addresses */
	struct resolve *resolve;   /* while names are looked up */
	const struct route *route; /* within branch_start: where it goes, as just found out */
	struct leg_wish wish;
	struct timer patience; /* Timer C, or the timeout asked for */
	uint16_t group;
	bool is_cancelled;
	uint32_t breadth; /* branches it may have further on, this one included */
	uint32_t number;
	/* Chosen: about to be started, with the others of its group. */
	enum { BRANCH_WAITING, BRANCH_CHOSEN, BRANCH_PENDING, BRANCH_DONE } state;
	uint64_t home; /* of the target, as the following */
	uint32_t uri_n, path_n;
	char uri[]; /* and the path behind it */
};

struct relay {
	struct table_link link; /* in engine->transactions, as struct client */
	struct txn_key key;
	struct engine *engine;
	bool is_client; /* never: tells the two kinds apart */
	bool in_table, cancelled;
	bool is_unheard;    /* counted in engine->unheard */
	struct timer timer; /* of the server transaction, and the 100 before it */
	bool is_starting;   /* within relay_forward */
	struct timer soon;  /* to tell that it ended at once */
	struct txn server;
	int64_t trying_at_ms;
	struct packet *request; /* NULL: its handler has ended */
	struct flow upstream;
	char *response; /* last one, for repetition; owned */
	uint32_t response_n;
	struct fork fork;
	struct packet *best;	  /* of all forwards, held: what goes upstream */
	struct fork this_fork;	  /* of the forward in progress alone */
	struct packet *this_best; /* held: what its owner gets */
	uint16_t this_failure;	  /* code of a branch that brought no response */
	uint32_t round;		  /* counts forwards begun and ended */
	struct branch *branches;
	uint32_t n_branches;
	struct relay_options options; /* of the forward in progress; done NULL: none */
	struct proxy *proxy;	      /* of the last forward; held */
	uint32_t holds;		      /* responses on their way through a script */
};

/* Its handler waits: from now on the request has its server transaction, so that it is handled once
 * however often it comes, and a CANCEL finds it. What the handler then decides statelessly ends it
 * again. Not for ACK and CANCEL. `patient`: the handler may wait for long, which the caller of an
 * INVITE is told by a 100; not when the next step is a stateless forward (RFC 3261 16.11). */
void relay_begin(struct packet *request, bool patient);
/* Its answers are those of a transaction: it was forwarded statefully, or cancelled while its
 * handler waited. */
static inline bool relay_is_stateful(const struct relay *relay)
{
	return relay->n_branches > 0 || relay->cancelled;
}
/* The caller of an INVITE has heard from the transaction and does not repeat it any more: what is
 * lost from now on the transaction has to repeat, so nothing may be decided past it. */
static inline bool relay_has_spoken(const struct relay *relay)
{
	return relay->server.state == TXN_PROCEEDING;
}

/* Starts, or goes on with other targets after a forward that ended without 2xx. 0; RELAY_GIVEN_UP:
 * the caller has cancelled; other negative: no target is usable, or too many transactions are open.
 * Nothing was done then. `done` is called later, never before this returns. */
int relay_forward(struct packet *request, const struct relay_target *targets, uint32_t n,
	const struct relay_options *options);
/* Whoever waits for `done` does not any more. */
void relay_forget(struct relay *relay);
/* The handler of the request has ended (packet_done): what was not decided is now. */
void relay_request_done(struct relay *relay);
/* The answer a script gives to a request that was forwarded before; `bytes` are copied. */
void relay_answer(struct relay *relay, uint32_t code, struct span bytes);
/* A provisional response that went through a script. */
void relay_pass_provisional(struct packet *response);

/* A request that belongs to a server transaction: retransmission, ACK to a failure, CANCEL. True:
 * dealt with. */
bool relay_take_request(struct packet *request);

/* Ends all without a word, as the engine does. */
void relays_free_all(struct engine *engine);

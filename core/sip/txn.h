/* SIP transactions (RFC 3261 section 17 with RFC 6026): four state machines as pure step functions.
 *
 * Step a transaction with what happened and the time, then carry out the actions that come back, in
 * the order of their bits. Nothing here opens a socket, reads a clock, allocates or keeps a
 * message: the owner holds the request or the last response and sends it when told to.
 *
 * Not here: Timer C and the choice among branches (relay and sip/fork.h), 100 within 200 ms
 * (engine), the ACK to a 2xx (user agents), failover to the next address (RFC 3263 4.3, before
 * TRANSPORT_ERROR). */
#pragma once

#include "base/siphash.h"
#include "sip/msg.h"

/* Each 1 to TXN_TIME_MAX_MS. */
struct txn_times {
	uint32_t t1_ms, t2_ms, t4_ms;
};
enum {
	TXN_T1_MS = 500,
	TXN_T2_MS = 4000,
	TXN_T4_MS = 5000,
	TXN_TIME_MAX_MS = 1 << 24,  /* more than four hours; 64 of them fit 32 bits */
	TXN_TIMER_D_MIN_MS = 32000, /* whatever T1 is: it mirrors the peer's Timer H (17.1.1.2) */
};

enum txn_kind {
	TXN_INVITE_CLIENT, /* 17.1.1: a branch of a proxy, or a caller */
	TXN_INVITE_SERVER, /* 17.2.1 */
	TXN_CLIENT,	   /* 17.1.2: any other method, CANCEL too; ACK has no transaction */
	TXN_SERVER,	   /* 17.2.2 */
};

enum txn_state {
	TXN_NEW,     /* wants TXN_START */
	TXN_CALLING, /* INVITE client */
	/* The others, before any response. The RFC calls it Proceeding for an INVITE server: there
	 * it is the part in which no response is there to repeat. */
	TXN_TRYING,
	TXN_PROCEEDING,
	TXN_ACCEPTED,  /* INVITE: a 2xx (RFC 6026) */
	TXN_COMPLETED, /* a final response; INVITE: not a 2xx */
	TXN_CONFIRMED, /* INVITE server: its ACK came */
	TXN_TERMINATED,
};

/* Responses come from the network at a client, from the user at a server. What has no meaning for a
 * kind or in a state changes nothing and gives 0; so does everything once TXN_ENDED was told. */
enum txn_event {
	TXN_START,	 /* client: send the request; server: the request came */
	TXN_TIMER,	 /* txn_due_ms has come; too early or too late is no harm */
	TXN_PROVISIONAL, /* 1xx */
	TXN_SUCCESS,	 /* 2xx */
	TXN_FAILURE,	 /* 300 to 699 */
	TXN_REQUEST,	 /* server: the request came again */
	TXN_ACK,	 /* INVITE server: an ACK with this transaction's key */
	TXN_CANCEL,	 /* client: the user gives up (9.1); what is no INVITE is sent no more */
	/* What this transaction sent could not be delivered, nor to any other address; of an INVITE
	 * that has a provisional response: its CANCEL. */
	TXN_TRANSPORT_ERROR,
};

/* Carried out in this order. */
enum txn_action {
	TXN_SEND = 1,	     /* client: the request; server: the response just given, or the last */
	TXN_SEND_ACK = 2,    /* for the response just received (17.1.1.3) */
	TXN_PASS = 4,	     /* this message is for the user */
	TXN_SEND_CANCEL = 8, /* in a transaction of its own; told once */
	/* Tell the user, once: no final response in time, or none to be expected; server: no ACK.
	 */
	TXN_TIMED_OUT = 16,
	TXN_FAILED = 32, /* tell the user: transport error; it ends clients only */
	TXN_ENDED = 64,	 /* the transaction is over: forget it */
};

enum {
	TXN_KIND_COUNT = TXN_SERVER + 1,
	TXN_STATE_COUNT = TXN_TERMINATED + 1,
	TXN_EVENT_COUNT = TXN_TRANSPORT_ERROR + 1,
};

/* Open, so that its owner can embed it; only the functions below write it. */
struct txn {
	int64_t send_at_ms;   /* Timers A, E, G; INT64_MAX: not running */
	int64_t end_at_ms;    /* Timers B, D, F, H to M; INT64_MAX: not running */
	uint32_t interval_ms; /* between the last send and the next */
	uint8_t kind, state;
	bool reliable : 1;    /* the transport loses nothing: no retransmissions (Table 4) */
	bool cancelling : 1;  /* client: the user gave up */
	bool cancel_lost : 1; /* INVITE client: and the callee will not hear of it */
};

void txn_init(struct txn *txn, enum txn_kind kind, bool reliable);
/* Returns bits of enum txn_action. `now_ms` never goes back. However late TXN_TIMER comes, one step
 * sends once and the next send keeps to the RFC's schedule counted from the start. */
uint32_t txn_step(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times);
/* When TXN_TIMER is wanted next; INT64_MAX: never. Ask after each step. */
static inline int64_t txn_due_ms(const struct txn *txn)
{
	return txn->send_at_ms < txn->end_at_ms ? txn->send_at_ms : txn->end_at_ms;
}
/* What the RFC calls its state ("Proceeding"). */
const char *txn_state_name(const struct txn *txn);
/* The event that a response of that code is. */
static inline enum txn_event txn_event_of(uint32_t code)
{
	return code < 200 ? TXN_PROVISIONAL : code < 300 ? TXN_SUCCESS : TXN_FAILURE;
}

/* What a message is matched by: 128 bits keyed by a secret, which nobody outside can make collide
 * and which never do by chance, so a table keeps these 16 bytes and compares nothing else. Keys of
 * server and client transactions differ; one table can hold both. */
struct txn_key {
	uint64_t hash, check;
};
static inline bool txn_key_eq(struct txn_key a, struct txn_key b)
{
	return a.hash == b.hash && a.check == b.check;
}

/* Of the server transaction a request belongs to (17.2.3): an ACK has that of its INVITE, a CANCEL
 * one of its own. With the magic cookie: branch, sent-by, method; without it: what the RFC lists
 * for RFC 2543, but for an ACK's To tag. The same before and after edit_received. False when a
 * header it needs is missing or malformed. */
bool txn_key_server(struct msg *request, const struct siphash_key *secret, struct txn_key *key)
	__attribute__((warn_unused_result));
/* Of the INVITE that this CANCEL means (9.2). */
bool txn_key_cancelled(struct msg *cancel, const struct siphash_key *secret, struct txn_key *key)
	__attribute__((warn_unused_result));
/* Of the client transaction a response belongs to (17.1.3): branch and CSeq method. */
bool txn_key_client(struct msg *response, const struct siphash_key *secret, struct txn_key *key)
	__attribute__((warn_unused_result));
/* Of the client transaction that sends a request of that method with that branch. */
struct txn_key txn_key_sent(
	struct span branch, struct span method, const struct siphash_key *secret);

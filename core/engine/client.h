/* Client transactions (RFC 3261 17.1): a request's bytes, the machine that repeats them, and who
 * wants to hear of the answer. INVITE and its CANCEL are two of them; the ACK to a failure is made
 * and sent here. */
#pragma once

#include "base/table.h"
#include "engine/engine.h"
#include "sip/txn.h"

enum { CLIENT_REASON_MAX = 1024 };

enum client_news {
	CLIENT_RESPONSE, /* `response` is for the user */
	CLIENT_TIMED_OUT,
	CLIENT_FAILED, /* transport error */
	CLIENT_ENDED,  /* forgotten after this call */
};

struct client;
typedef void (*client_fn)(
	void *user, struct client *client, enum client_news news, struct packet *response);

/* In engine->transactions by key, as servers are (engine/relay.h): both begin with link and key. */
struct client {
	struct table_link link;
	struct txn_key key;
	struct engine *engine;
	bool is_client; /* always */
	bool is_telling, is_freed;
	bool is_own;	 /* no Via stands below ours */
	bool is_awaited; /* counted in engine->awaited[peer] */
	uint16_t peer;
	struct timer timer;
	struct txn txn;
	struct flow to;
	client_fn told; /* NULL: nobody listens */
	void *user;
	int vias;	   /* of ours on top of the answers: the user's */
	const char *error; /* of CLIENT_FAILED: name of an errno */
	char *bytes;	   /* of the request, owned; NULL once they can be needed no more */
	char *cancel;	   /* INVITE: its CANCEL, of which an ACK is made too; owned */
	uint32_t n, cancel_n;
};

/* The request, or what is left of it; empty when that is nothing. */
static inline struct span client_request(const struct client *client)
{
	return client->bytes ? span_of(client->bytes, client->n)
			     : span_of(client->cancel, client->cancel ? client->cancel_n : 0);
}

/* For the request in `bytes` (taken), to be sent to `to` by client_go. `branch` of its top Via and
 * `method` make the key. NULL when a limit stands against it; `bytes` are freed then. */
struct client *client_new(struct engine *engine, char *bytes, uint32_t n, struct span branch,
	struct span method, const struct flow *to, client_fn told, void *user);
/* The CANCEL of an INVITE as it is sent; new. */
char *client_cancel_of(struct msg *invite, uint32_t *n);
/* Takes that, from who has the INVITE at hand: else its bytes are read back. */
void client_take_cancel(struct client *client, char *cancel, uint32_t n);
/* Sends; a failure may be told before this returns. */
void client_go(struct client *client);
/* Gives up. INVITE: CANCEL goes out as soon as a provisional response allows (RFC 3261 9.1), with
 * `reason`, a value of Reason (RFC 3326), unless that is empty or beyond CLIENT_REASON_MAX; others
 * are sent no more. What still comes is told. */
void client_cancel(struct client *client, struct span reason);
/* Does nothing more and forgets it; nobody is told. */
void client_free(struct client *client);

/* A response that belongs to a client transaction: true, it has been dealt with. */
bool client_take_response(struct packet *response);
/* A request that never left: true when it belonged to a client transaction. `reason`:
 * name of an errno, for good. */
bool client_take_unsent(struct packet *request, const char *reason);

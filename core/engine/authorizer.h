/* The server of digest authentication (RFC 3261 22, RFC 7616, RFC 8760): finds the credentials of a
 * request, says whether they are right, and challenges.
 *
 * Whose password is right is for others to know: auth_find names the user, somebody looks the
 * secret up (which may take time), and auth_check compares. Nothing is kept about who fails. Of
 * what was let in a note is kept for a while, so that a retransmission is no replay, and a CANCEL
 * or ACK, which cannot be challenged (22.1), is known to belong to it. */
#pragma once

#include "engine/engine.h"
#include "engine/nonces.h"
#include "sip/digest.h"

enum {
	AUTH_OPAQUE_MAX = 128,
	AUTH_USER_MAX = 256,
	AUTH_LIFE_MS = 300000,	 /* of nonces, unless told otherwise */
	AUTH_NOTES_MAX = 262144, /* requests let in that are remembered */
	AUTH_NOTE_MS = 600000,	 /* for their CANCEL; retransmissions end after 64*T1 */
};

struct authorizer {
	bool is_proxy; /* 407 and Proxy-Authorization; else 401 and Authorization */
	bool any_uri;  /* do not compare the digest's uri with the Request-URI */
	uint32_t n_algorithms;
	enum digest_algorithm algorithms[DIGEST_ALGORITHMS]; /* as offered, strongest first */
	const char *qop;				     /* as offered: "auth,auth-int" */
	int64_t life_ms;
	struct span opaque; /* p NULL: none; copied into opaque_text */
	char opaque_text[AUTH_OPAQUE_MAX];
};

/* What the engine keeps for all of them. */
struct auth;
void auth_free(struct auth *auth); /* NULL is fine */

/* False where OpenSSL has been told not to offer it. */
bool auth_knows(struct engine *engine, enum digest_algorithm algorithm);

enum auth_finding {
	AUTH_NONE,  /* no usable credentials for that realm */
	AUTH_STALE, /* their nonce is too old, was used with that count, or came from elsewhere */
	AUTH_WRONG_URI, /* they are for another Request-URI */
	AUTH_FOUND,
	AUTH_REPEATED, /* a retransmission of what was let in: nothing more to check */
};

struct auth_found {
	struct credentials credentials;
	enum digest_algorithm algorithm;
	uint32_t count;
	int64_t issued_ms;
	uint64_t bytes; /* a hash of the message as it is now: waiting may change how it is kept */
};

enum { AUTH_BYTES_BITS = 53 };

/* The credentials of a request for `realm` (at most NONCE_REALM_MAX). The texts are valid as those
 * of the message. An ACK is looked at as part of its INVITE: its nonce may have been used. */
enum auth_finding auth_find(struct packet *packet, const struct authorizer *authorizer,
	struct span realm, struct auth_found *found);

enum auth_secret { SECRET_PASSWORD, SECRET_A1, SECRET_NONE };
enum auth_verdict { AUTH_RIGHT, AUTH_WRONG, AUTH_TOO_LATE };

/* Whether the credentials found are those of whoever has this secret; uses their nonce when they
 * are. SECRET_NONE, there is no such user, costs the same and is never right. */
enum auth_verdict auth_check(struct packet *packet, const struct authorizer *authorizer,
	struct span realm, enum auth_secret kind, struct span secret, uint64_t bytes);

/* An ACK or CANCEL with the transaction of a request that was let in (RFC 3261 22.1). */
bool auth_was_let_in(struct packet *packet, const struct authorizer *authorizer, struct span realm);
/* Removes all credentials for that realm: they were for us. */
void auth_strip(struct packet *packet, const struct authorizer *authorizer, struct span realm);
/* 401 or 407, one challenge per algorithm. Returns the code. */
uint32_t auth_challenge(
	struct packet *packet, const struct authorizer *authorizer, struct span realm, bool stale);

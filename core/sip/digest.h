/* Digest authentication as arithmetic (RFC 7616 3.4, with the algorithms of RFC 8760): what the
 * response to a challenge must be, and whether it is that.
 *
 * It knows no user, no nonce and no time: whether a nonce is one of ours is for whoever gave it
 * out. Comparisons take the same time whatever is compared. OpenSSL computes; its algorithms are
 * fetched once, in digests_new. */
#pragma once

#include "sip/credentials.h"

enum digest_algorithm { DIGEST_MD5, DIGEST_SHA_256, DIGEST_SHA_512_256, DIGEST_ALGORITHMS };

enum { DIGEST_HEX_MAX = 64 };

struct digests;

struct digests *digests_new(void);
void digests_free(struct digests *digests); /* NULL is fine */
/* False where OpenSSL is set up without it, as MD5 may be. */
bool digests_know(const struct digests *digests, enum digest_algorithm algorithm);

struct span digest_algorithm_name(enum digest_algorithm algorithm);
/* By the parameter of that name, absent: MD5 (RFC 7616 3.3). False: none of these. */
bool digest_algorithm_of(struct span name, enum digest_algorithm *algorithm);
/* Hexadecimal digits of a result: 32 or 64. */
uint32_t digest_length(enum digest_algorithm algorithm);

/* H(A1), what a server may store instead of the password: digest_length lower-case digits. */
void digest_a1(struct digests *digests, enum digest_algorithm algorithm, struct span username,
	struct span realm, struct span password, char a1[DIGEST_HEX_MAX]);

/* What a response is made of besides its credentials. */
struct digest_request {
	enum digest_algorithm algorithm;
	struct span a1;	    /* hexadecimal, of either letter case */
	struct span method; /* "INVITE" for its ACK */
	struct span body;   /* for qop=auth-int */
};

/* The response; false: qop is neither auth nor auth-int, or something needed is missing. */
bool digest_response(struct digests *digests, const struct digest_request *request,
	const struct credentials *credentials, char response[DIGEST_HEX_MAX]);
/* The credentials say the right response. */
bool digest_is_right(struct digests *digests, const struct digest_request *request,
	const struct credentials *credentials);

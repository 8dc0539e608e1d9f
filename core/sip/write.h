/* Messages to bytes: as pieces for writev that coalesce whatever nobody touched, and replies from
 * requests. */
#pragma once

#include <sys/uio.h>

#include "sip/msg.h"

/* Fills `iov` with the message; adjacent untouched bytes become one piece. When more than `max`
 * pieces would be needed the rest is copied into the arena as one. Content-Length is written when
 * it was absent and `reliable` is set (streams need it). The pieces are valid until msg_fini.
 * Returns the number of pieces. */
uint32_t write_msg(struct msg *msg, struct iovec *iov, uint32_t max, bool reliable);
/* The pieces as one, in malloc'ed memory, the caller's; `*n` is its length. */
char *write_joined(const struct iovec *iov, uint32_t pieces, uint32_t *n);
/* The message in one piece of malloc'ed memory, the caller's; `*n` is its length. */
char *write_copy(struct msg *msg, bool reliable, uint32_t *n);
/* Sum of the pieces. */
size_t write_length(const struct iovec *iov, uint32_t n);

/* Standard phrase of RFC 3261 21 and its extensions; "Unknown" when there is none. */
struct span reason_phrase(uint32_t code);

struct reply {
	uint32_t code;
	struct span reason; /* empty: the standard phrase */
	struct span
		to_tag; /* added when the request's To has none and code > 100 (RFC 3261 8.2.6.2) */
	struct span headers; /* further header lines, each with CRLF; checked by the caller */
	struct span body, body_type;
};

enum { REPLY_LENGTH_MAX = 64 * 1024 };

/* The reply to `request` (RFC 3261 8.2.6): all Vias, From, To, Call-ID, CSeq as they came,
 * Record-Route for 1xx and 2xx of dialog- creating methods, Timestamp for 100. Malformed requests
 * too, as far as their headers go: false when a Via is missing (nobody to answer) or the result
 * would be longer than REPLY_LENGTH_MAX. `*out` is in the request's arena. */
bool write_reply(struct msg *request, const struct reply *reply, struct span *out);

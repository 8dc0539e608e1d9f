/* The marks Viaduct leaves in messages it forwards, so that it needs no memory of them.
 *
 * A branch is "z9hG4bK" and two keyed 64-bit hashes in hex:
 *   - the answer part, over what a response brings back (our sent-by, Call-ID, CSeq number; branch,
 * received and rport of the Via below, so that whoever answers can not send the answer elsewhere):
 * a response whose top Via does not carry the right one is not ours (RFC 3261 16.7 (3), 18.1.2);
 *   - the loop part, over what makes a request take the same way again (Request-URI and Route as
 * received, From tag, Call-ID, CSeq number; not Via, To or method): equal means loop, different
 * means spiral (RFC 5393 4.2.1). A branch of a stateful forward has ".N" behind it, N counted from
 * 1, which goes into the answer part too: forks differ. A retransmission, the ACK to a failure and
 * a CANCEL get the branch of their INVITE (RFC 3261 16.11). */
#pragma once

#include "engine/engine.h"

enum { BRANCH_LENGTH = 7 + 16 + 16, BRANCH_TEXT_MAX = BRANCH_LENGTH + 1 + 10 };

/* What both parts begin with; made once for a message. */
struct branch_seed {
	struct siphash_state call, request; /* after Call-ID; after the CSeq number too */
	uint64_t mark; /* dialog_mark of the From tag, once branch_loop_part was made */
};

struct branch_seed branch_seed(struct packet *packet);
/* Of the request as it was received. */
uint64_t branch_loop_part(struct packet *packet, struct branch_seed *seed);
/* Of the Via that stands under ours. */
struct branch_below {
	struct span branch, received, rport;
};
struct branch_below branch_below(const struct via *via); /* NULL: none */
uint64_t branch_answer_part(const struct branch_seed *seed, const struct leg_name *name,
	const struct branch_below *below, uint32_t number);
/* Vouches for the connection number that our Via may carry. */
uint64_t branch_connection_part(
	const struct branch_seed *seed, const struct branch_below *below, uint64_t connection);
char *put_branch(char *out, uint64_t answer_part, uint64_t loop_part, uint32_t number);
/* N of a branch of ours; 0: it has none. */
uint32_t branch_number(struct span branch);
/* `branch` is one of ours and has this part. */
bool branch_has_answer_part(struct span branch, uint64_t answer_part);
bool branch_has_loop_part(struct span branch, uint64_t loop_part);

/* Goes into Record-Route of the request that forms a dialog; `tag` is its From tag. Who brings it
 * back in a Route, with the same Call-ID and that tag in From or To, belongs to a dialog we let
 * through. */
uint64_t dialog_mark(const struct branch_seed *seed, struct span tag);

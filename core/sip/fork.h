/* Which response of a forked request goes upstream (RFC 3261 16.7 steps 4 to 7, RFC 4320). Codes
 * in, decisions out: the owner keeps one response, the best so far, and the challenges that belong
 * to it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The response context of one request; all zero but for is_invite at the beginning. */
struct fork {
	uint16_t best; /* code of the response kept; 0: none */
	bool is_invite;
	bool answered; /* a final response went upstream */
	bool closed;   /* a 2xx or 6xx came: no new branch may be started (16.7 step 5) */
};

enum fork_action {
	FORK_FORWARD = 1, /* this response goes upstream at once */
	/* This is the best so far: keep it and forget the former with its challenges. */
	FORK_KEEP = 2,
	/* Keep its WWW-Authenticate and Proxy-Authenticate: the best takes them along (step 7). */
	FORK_CHALLENGE = 4,
	FORK_CANCEL = 8, /* cancel what is still pending (step 10); told once */
};

/* A response came from a branch. A branch that timed out gave 408 (16.8), one that could not be
 * reached 503 (16.9). Returns bits of enum fork_action. */
uint32_t fork_response(struct fork *fork, uint16_t code);

/* No branch is pending and none will be added: the code to send upstream, 0 for nothing. It is that
 * of the response kept, or one to generate instead: 500 for a 503 (16.7 step 6), 408 when there was
 * no response at all. Nothing: a final response went before, or it would be a 408 to a non-INVITE
 * (RFC 4320 4.2). */
uint16_t fork_end(struct fork *fork);

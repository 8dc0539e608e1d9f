/* What the four machines of sip/txn.h share; nobody else includes this. */
#pragma once

#include "sip/txn.h"

uint32_t txn_invite_client_step(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times);
uint32_t txn_invite_server_step(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times);
uint32_t txn_noninvite_client_step(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times);
uint32_t txn_noninvite_server_step(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times);

enum { TXN_UNCAPPED = 1 << 30 }; /* an interval that Timer A never reaches */

/* Timers B, F, H, L, M and a few more. */
static inline int64_t txn_64_t1(const struct txn_times *times)
{
	return 64 * (int64_t)times->t1_ms;
}

/* Enters a state that waits for messages, without a limit. */
void txn_wait(struct txn *txn, enum txn_state state);
/* Both servers before their request: it goes to the user, anything else is ignored. */
uint32_t txn_server_unstarted(struct txn *txn, enum txn_event event);
/* Enters a state that sends now, again until something happens unless the transport is reliable,
 * and ends after 64*T1. */
void txn_insist(
	struct txn *txn, enum txn_state state, int64_t now_ms, const struct txn_times *times);
/* Enters a state that lasts `for_ms` and absorbs or answers what is repeated; 0 ends the
 * transaction at once. Returns `actions`, with TXN_ENDED then. */
uint32_t txn_linger(
	struct txn *txn, enum txn_state state, int64_t for_ms, int64_t now_ms, uint32_t actions);
/* Returns `actions` and TXN_ENDED. */
uint32_t txn_end(struct txn *txn, uint32_t actions);
/* TXN_TIMER: Timer A, E or G sends, with intervals that double up to `cap_ms`; the timer that ends
 * the state gives `at_end`. */
uint32_t txn_timer(struct txn *txn, int64_t now_ms, uint32_t cap_ms, uint32_t at_end);

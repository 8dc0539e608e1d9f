/* Client of any method but INVITE and ACK: RFC 3261 17.1.2.
 *
 *   New -> Trying -> Proceeding -> Completed -> Terminated    Timer K */
#include "sip/txn_machine.h"

static uint32_t unstarted(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch (event) {
	case TXN_START:
		/* 17.1.2.2: Timer F with 64*T1, Timer E with T1 on unreliable transports. */
		txn_insist(txn, TXN_TRYING, now_ms, times);
		return TXN_SEND;
	case TXN_TIMER:
	case TXN_PROVISIONAL:
	case TXN_SUCCESS:
	case TXN_FAILURE:
	case TXN_REQUEST:
	case TXN_ACK:
	case TXN_CANCEL:
	case TXN_TRANSPORT_ERROR:
		break;
	}
	return 0;
}

/* Trying and Proceeding differ in Timer E alone. */
static uint32_t waiting(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch (event) {
	case TXN_TIMER:
		/* Timer E: send again, then after MIN(2*T1, T2), twice that, and so on up to T2.
		 * Timer F: the user learns of a timeout. */
		return txn_timer(txn, now_ms, times->t2_ms, TXN_TIMED_OUT);
	case TXN_PROVISIONAL:
		/* 17.1.2.2: Timer E runs on, and from its next firing with T2. */
		txn->state = TXN_PROCEEDING;
		txn->interval_ms = times->t2_ms;
		return TXN_PASS;
	case TXN_SUCCESS:
	case TXN_FAILURE:
		/* Timer K: T4 for repetitions of the response, 0 on a reliable transport. */
		return txn_linger(
			txn, TXN_COMPLETED, txn->reliable ? 0 : times->t4_ms, now_ms, TXN_PASS);
	case TXN_TRANSPORT_ERROR:
		return txn_end(txn, TXN_FAILED);
	case TXN_CANCEL:
		/* There is no CANCEL for it (9.1), but nobody waits for what more sending brings.
		 */
		txn->cancelling = true;
		txn->send_at_ms = INT64_MAX;
		break;
	case TXN_START:
	case TXN_REQUEST:
	case TXN_ACK:
		break;
	}
	return 0;
}

/* 17.1.2.2: absorbs repetitions of the response. */
static uint32_t completed(struct txn *txn, enum txn_event event, int64_t now_ms)
{
	switch (event) {
	case TXN_TIMER:
		return txn_timer(txn, now_ms, TXN_UNCAPPED, 0); /* Timer K */
	case TXN_START:
	case TXN_PROVISIONAL:
	case TXN_SUCCESS:
	case TXN_FAILURE:
	case TXN_REQUEST:
	case TXN_ACK:
	case TXN_CANCEL:
	case TXN_TRANSPORT_ERROR:
		break;
	}
	return 0;
}

uint32_t txn_noninvite_client_step(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch ((enum txn_state)txn->state) {
	case TXN_NEW:
		return unstarted(txn, event, now_ms, times);
	case TXN_TRYING:
	case TXN_PROCEEDING:
		return waiting(txn, event, now_ms, times);
	case TXN_COMPLETED:
		return completed(txn, event, now_ms);
	case TXN_TERMINATED:
	case TXN_CALLING: /* never entered */
	case TXN_ACCEPTED:
	case TXN_CONFIRMED:
		break;
	}
	return 0;
}

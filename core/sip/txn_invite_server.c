/* INVITE server: RFC 3261 17.2.1 as RFC 6026 8.7 changes it.
 *
 *   New -> Trying -> Proceeding -> Accepted  ----------------> Terminated    2xx, Timer L
 *             |          |-------> Completed -> Confirmed -> Terminated    300-699, ACK, Timer I
 *             |------------------> (either)
 *
 * A transport error is told and changes no state (RFC 6026 8.8). */
#include "sip/txn_machine.h"

static uint32_t proceeding(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch (event) {
	case TXN_PROVISIONAL:
		/* 17.2.1: each is sent, none is repeated by the transaction itself. */
		txn->state = TXN_PROCEEDING;
		return TXN_SEND;
	case TXN_SUCCESS:
		/* RFC 6026 8.7: sent, and Timer L started with 64*T1 on any transport; the user
		 * repeats it. */
		return txn_linger(txn, TXN_ACCEPTED, txn_64_t1(times), now_ms, TXN_SEND);
	case TXN_FAILURE:
		/* 17.2.1: sent; Timer G with T1 on unreliable transports, Timer H with 64*T1 on
		 * any. */
		txn_insist(txn, TXN_COMPLETED, now_ms, times);
		return TXN_SEND;
	case TXN_REQUEST:
		/* The most recent provisional response once more, if there is one. */
		return txn->state == TXN_PROCEEDING ? TXN_SEND : 0;
	case TXN_TRANSPORT_ERROR:
		return TXN_FAILED;
	case TXN_START:
	case TXN_TIMER:
	case TXN_ACK:
	case TXN_CANCEL:
		break;
	}
	return 0;
}

/* RFC 6026 8.7: repetitions of the INVITE are absorbed, 2xx of the user sent, ACKs passed up. */
static uint32_t accepted(struct txn *txn, enum txn_event event, int64_t now_ms)
{
	switch (event) {
	case TXN_TIMER:
		return txn_timer(txn, now_ms, TXN_UNCAPPED, 0); /* Timer L */
	case TXN_SUCCESS:
		return TXN_SEND;
	case TXN_ACK:
		return TXN_PASS;
	case TXN_TRANSPORT_ERROR:
		return TXN_FAILED;
	case TXN_START:
	case TXN_PROVISIONAL:
	case TXN_FAILURE:
	case TXN_REQUEST:
	case TXN_CANCEL:
		break;
	}
	return 0;
}

/* 17.2.1: the final response is sent again by Timer G and for each INVITE; others are discarded. */
static uint32_t completed(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch (event) {
	case TXN_TIMER:
		/* Timer G: MIN(2*T1, T2), then twice that, and so on up to T2; Timer H: no ACK
		 * came, which the user must be told. */
		return txn_timer(txn, now_ms, times->t2_ms, TXN_TIMED_OUT);
	case TXN_REQUEST:
		return TXN_SEND;
	case TXN_ACK:
		/* Timer I: T4 for further ACKs, 0 on a reliable transport. */
		return txn_linger(txn, TXN_CONFIRMED, txn->reliable ? 0 : times->t4_ms, now_ms, 0);
	case TXN_TRANSPORT_ERROR:
		return TXN_FAILED;
	case TXN_START:
	case TXN_PROVISIONAL:
	case TXN_SUCCESS:
	case TXN_FAILURE:
	case TXN_CANCEL:
		break;
	}
	return 0;
}

/* 17.2.1: absorbs the ACKs that repetitions of the final response still cause. */
static uint32_t confirmed(struct txn *txn, enum txn_event event, int64_t now_ms)
{
	switch (event) {
	case TXN_TIMER:
		return txn_timer(txn, now_ms, TXN_UNCAPPED, 0); /* Timer I */
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

uint32_t txn_invite_server_step(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch ((enum txn_state)txn->state) {
	case TXN_NEW:
		return txn_server_unstarted(txn, event);
	case TXN_TRYING:
	case TXN_PROCEEDING:
		return proceeding(txn, event, now_ms, times);
	case TXN_ACCEPTED:
		return accepted(txn, event, now_ms);
	case TXN_COMPLETED:
		return completed(txn, event, now_ms, times);
	case TXN_CONFIRMED:
		return confirmed(txn, event, now_ms);
	case TXN_TERMINATED:
	case TXN_CALLING: /* never entered */
		break;
	}
	return 0;
}

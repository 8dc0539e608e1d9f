/* Server of any method but INVITE and ACK: RFC 3261 17.2.2.
 *
 *   New -> Trying -> Proceeding -> Completed -> Terminated    Timer J
 *
 * A transport error is told and changes no state: RFC 6026 8.8 replaces 17.2.4 and with it what
 * Figure 8 of RFC 3261 draws. */
#include "sip/txn_machine.h"

static uint32_t respond(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	if (event == TXN_PROVISIONAL) {
		txn->state = TXN_PROCEEDING;
		return TXN_SEND;
	}
	/* Timer J: 64*T1 for repetitions of the request, 0 on a reliable transport. */
	return txn_linger(
		txn, TXN_COMPLETED, txn->reliable ? 0 : txn_64_t1(times), now_ms, TXN_SEND);
}

static uint32_t trying(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch (event) {
	case TXN_PROVISIONAL:
	case TXN_SUCCESS:
	case TXN_FAILURE:
		return respond(txn, event, now_ms, times);
	case TXN_TRANSPORT_ERROR:
		return TXN_FAILED;
	case TXN_START:
	case TXN_TIMER:
	case TXN_REQUEST: /* 17.2.2: discarded */
	case TXN_ACK:
	case TXN_CANCEL:
		break;
	}
	return 0;
}

static uint32_t proceeding(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch (event) {
	case TXN_PROVISIONAL:
	case TXN_SUCCESS:
	case TXN_FAILURE:
		return respond(txn, event, now_ms, times);
	case TXN_REQUEST: /* the provisional response sent last */
		return TXN_SEND;
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

/* 17.2.2: the final response for each repetition of the request; any other is discarded. */
static uint32_t completed(struct txn *txn, enum txn_event event, int64_t now_ms)
{
	switch (event) {
	case TXN_TIMER:
		return txn_timer(txn, now_ms, TXN_UNCAPPED, 0); /* Timer J */
	case TXN_REQUEST:
		return TXN_SEND;
	case TXN_TRANSPORT_ERROR:
		return TXN_FAILED;
	case TXN_START:
	case TXN_PROVISIONAL:
	case TXN_SUCCESS:
	case TXN_FAILURE:
	case TXN_ACK:
	case TXN_CANCEL:
		break;
	}
	return 0;
}

uint32_t txn_noninvite_server_step(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch ((enum txn_state)txn->state) {
	case TXN_NEW:
		return txn_server_unstarted(txn, event);
	case TXN_TRYING:
		return trying(txn, event, now_ms, times);
	case TXN_PROCEEDING:
		return proceeding(txn, event, now_ms, times);
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

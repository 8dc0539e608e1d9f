/* INVITE client: RFC 3261 17.1.1 as RFC 6026 8.4 changes it.
 *
 *   New -> Calling -> Proceeding -> Accepted  -> Terminated    2xx, Timer M
 *             |           |------> Completed -> Terminated    300-699, Timer D
 *
 * A 2xx is never acknowledged here: its ACK is the caller's, end to end. */
#include "sip/txn_machine.h"

static uint32_t unstarted(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch (event) {
	case TXN_START:
		/* 17.1.1.2: pass the request to the transport, start Timer A with T1 if that is
		 * unreliable and Timer B with 64*T1 for any. */
		txn_insist(txn, TXN_CALLING, now_ms, times);
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

/* RFC 6026 8.4: a 2xx is passed up and starts Timer M, 64*T1 on any transport: as long may 2xx of
 * other forks and repetitions come. */
static uint32_t succeed(struct txn *txn, int64_t now_ms, const struct txn_times *times)
{
	return txn_linger(txn, TXN_ACCEPTED, txn_64_t1(times), now_ms, TXN_PASS);
}

/* 17.1.1.2: a 300-699 is acknowledged, passed up, and starts Timer D: at least 32 s for what the
 * peer may repeat, 0 on a reliable transport. */
static uint32_t fail(struct txn *txn, int64_t now_ms, const struct txn_times *times)
{
	int64_t timer_d = txn_64_t1(times);
	if (timer_d < TXN_TIMER_D_MIN_MS)
		timer_d = TXN_TIMER_D_MIN_MS;
	return txn_linger(
		txn, TXN_COMPLETED, txn->reliable ? 0 : timer_d, now_ms, TXN_SEND_ACK | TXN_PASS);
}

/* 9.1: without a final response 64*T1 after the CANCEL the transaction is taken for cancelled. */
static uint32_t cancel(
	struct txn *txn, int64_t now_ms, const struct txn_times *times, uint32_t actions)
{
	txn->cancelling = true;
	txn->end_at_ms = now_ms + txn_64_t1(times);
	return actions | TXN_SEND_CANCEL;
}

static uint32_t calling(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch (event) {
	case TXN_TIMER:
		/* Timer A: send again, and wait twice as long; Timer B: tell the user. */
		return txn_timer(txn, now_ms, TXN_UNCAPPED, TXN_TIMED_OUT);
	case TXN_PROVISIONAL:
		/* The request arrived: no more sending, and no limit but the user's Timer C. */
		txn_wait(txn, TXN_PROCEEDING);
		return txn->cancelling ? cancel(txn, now_ms, times, TXN_PASS) : TXN_PASS;
	case TXN_SUCCESS:
		return succeed(txn, now_ms, times);
	case TXN_FAILURE:
		return fail(txn, now_ms, times);
	case TXN_CANCEL:
		/* 9.1: no CANCEL before a provisional response, it might overtake the INVITE. */
		txn->cancelling = true;
		return 0;
	case TXN_TRANSPORT_ERROR:
		return txn_end(txn, TXN_FAILED);
	case TXN_START:
	case TXN_REQUEST:
	case TXN_ACK:
		break;
	}
	return 0;
}

/* 17.1.4, 9.1: nothing will make the callee answer, so the user shall not wait for it: he is told
 * with the next timer, since he may be in the middle of cancelling. Until 64*T1 are over the
 * callee may still take the call. */
static uint32_t lose_cancel(struct txn *txn, int64_t now_ms)
{
	if (!txn->cancelling || txn->cancel_lost)
		return 0; /* nothing is being sent; a response may take another way */
	txn->cancel_lost = true;
	txn->send_at_ms = now_ms;
	return 0;
}

static uint32_t wait_after_cancel(struct txn *txn, int64_t now_ms)
{
	if (!txn->cancel_lost)
		return txn_timer(txn, now_ms, TXN_UNCAPPED, TXN_TIMED_OUT);
	bool is_told = txn->send_at_ms == INT64_MAX;
	if (!is_told && now_ms >= txn->send_at_ms) {
		txn->send_at_ms = INT64_MAX;
		return TXN_TIMED_OUT;
	}
	return txn_timer(txn, now_ms, TXN_UNCAPPED, 0);
}

static uint32_t proceeding(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch (event) {
	case TXN_TIMER:
		return wait_after_cancel(txn, now_ms);
	case TXN_PROVISIONAL:
		return TXN_PASS;
	case TXN_SUCCESS:
		return succeed(txn, now_ms, times);
	case TXN_FAILURE:
		return fail(txn, now_ms, times);
	case TXN_CANCEL:
		return txn->cancelling ? 0 : cancel(txn, now_ms, times, 0);
	case TXN_START:
	case TXN_REQUEST:
	case TXN_ACK:
		break;
	case TXN_TRANSPORT_ERROR:
		return lose_cancel(txn, now_ms);
	}
	return 0;
}

/* RFC 6026 8.4: every further 2xx goes to the user, all other responses are dropped. */
static uint32_t accepted(struct txn *txn, enum txn_event event, int64_t now_ms)
{
	switch (event) {
	case TXN_TIMER:
		return txn_timer(txn, now_ms, TXN_UNCAPPED, 0); /* Timer M */
	case TXN_SUCCESS:
		return TXN_PASS;
	case TXN_START:
	case TXN_PROVISIONAL:
	case TXN_FAILURE:
	case TXN_REQUEST:
	case TXN_ACK:
	case TXN_CANCEL: /* 9.1: too late */
	case TXN_TRANSPORT_ERROR:
		break;
	}
	return 0;
}

/* 17.1.1.2: a repeated final response is acknowledged again and not passed up. */
static uint32_t completed(struct txn *txn, enum txn_event event, int64_t now_ms)
{
	switch (event) {
	case TXN_TIMER:
		return txn_timer(txn, now_ms, TXN_UNCAPPED, 0); /* Timer D */
	case TXN_FAILURE:
		return TXN_SEND_ACK;
	case TXN_TRANSPORT_ERROR: /* of the ACK */
		return txn_end(txn, TXN_FAILED);
	case TXN_START:
	case TXN_PROVISIONAL:
	case TXN_SUCCESS:
	case TXN_REQUEST:
	case TXN_ACK:
	case TXN_CANCEL:
		break;
	}
	return 0;
}

uint32_t txn_invite_client_step(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	switch ((enum txn_state)txn->state) {
	case TXN_NEW:
		return unstarted(txn, event, now_ms, times);
	case TXN_CALLING:
		return calling(txn, event, now_ms, times);
	case TXN_PROCEEDING:
		return proceeding(txn, event, now_ms, times);
	case TXN_ACCEPTED:
		return accepted(txn, event, now_ms);
	case TXN_COMPLETED:
		return completed(txn, event, now_ms);
	case TXN_TERMINATED:
	case TXN_TRYING: /* never entered */
	case TXN_CONFIRMED:
		break;
	}
	return 0;
}

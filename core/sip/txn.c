#include "sip/txn_machine.h"

#include "base/check.h"

void txn_init(struct txn *txn, enum txn_kind kind, bool reliable)
{
	*txn = (struct txn){
		.send_at_ms = INT64_MAX,
		.end_at_ms = INT64_MAX,
		.kind = (uint8_t)kind,
		.state = TXN_NEW,
		.reliable = reliable,
	};
}

void txn_wait(struct txn *txn, enum txn_state state)
{
	txn->state = (uint8_t)state;
	txn->send_at_ms = txn->end_at_ms = INT64_MAX;
}

uint32_t txn_server_unstarted(struct txn *txn, enum txn_event event)
{
	if (event != TXN_START)
		return 0;
	txn_wait(txn, TXN_TRYING);
	return TXN_PASS;
}

void txn_insist(
	struct txn *txn, enum txn_state state, int64_t now_ms, const struct txn_times *times)
{
	txn->state = (uint8_t)state;
	txn->interval_ms = times->t1_ms;
	txn->send_at_ms = txn->reliable ? INT64_MAX : now_ms + times->t1_ms;
	txn->end_at_ms = now_ms + txn_64_t1(times);
}

uint32_t txn_linger(
	struct txn *txn, enum txn_state state, int64_t for_ms, int64_t now_ms, uint32_t actions)
{
	if (!for_ms)
		return txn_end(txn, actions);
	txn->state = (uint8_t)state;
	txn->send_at_ms = INT64_MAX;
	txn->end_at_ms = now_ms + for_ms;
	return actions;
}

uint32_t txn_end(struct txn *txn, uint32_t actions)
{
	txn_wait(txn, TXN_TERMINATED);
	return actions | TXN_ENDED;
}

uint32_t txn_timer(struct txn *txn, int64_t now_ms, uint32_t cap_ms, uint32_t at_end)
{
	if (now_ms >= txn->end_at_ms)
		return txn_end(txn, at_end);
	if (now_ms < txn->send_at_ms)
		return 0;
	/* Counted from when the send was due, not from when it happens; one stands for all missed.
	 */
	while (txn->send_at_ms <= now_ms) {
		uint32_t doubled = 2 * txn->interval_ms;
		txn->interval_ms = doubled < cap_ms ? doubled : cap_ms;
		txn->send_at_ms += txn->interval_ms;
	}
	return TXN_SEND;
}

static bool is_time(uint32_t ms)
{
	return ms >= 1 && ms <= TXN_TIME_MAX_MS;
}

uint32_t txn_step(
	struct txn *txn, enum txn_event event, int64_t now_ms, const struct txn_times *times)
{
	BUG(!is_time(times->t1_ms) || !is_time(times->t2_ms) || !is_time(times->t4_ms));
	switch ((enum txn_kind)txn->kind) {
	case TXN_INVITE_CLIENT:
		return txn_invite_client_step(txn, event, now_ms, times);
	case TXN_INVITE_SERVER:
		return txn_invite_server_step(txn, event, now_ms, times);
	case TXN_CLIENT:
		return txn_noninvite_client_step(txn, event, now_ms, times);
	case TXN_SERVER:
		return txn_noninvite_server_step(txn, event, now_ms, times);
	}
	BUG(txn->kind >= TXN_KIND_COUNT);
	return 0;
}

const char *txn_state_name(const struct txn *txn)
{
	switch ((enum txn_state)txn->state) {
	case TXN_NEW:
		return "New";
	case TXN_CALLING:
		return "Calling";
	case TXN_TRYING:
		return txn->kind == TXN_INVITE_SERVER ? "Proceeding" : "Trying";
	case TXN_PROCEEDING:
		return "Proceeding";
	case TXN_ACCEPTED:
		return "Accepted";
	case TXN_COMPLETED:
		return "Completed";
	case TXN_CONFIRMED:
		return "Confirmed";
	case TXN_TERMINATED:
		break;
	}
	return "Terminated";
}

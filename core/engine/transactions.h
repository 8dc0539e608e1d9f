/* All transactions as one: the table they are in, how many are in which state, and a look at some
 * of them. The machines are sip/txn.h, their owners engine/client.h and engine/relay.h. */
#pragma once

#include "engine/engine.h"

/* Into the table, and out of it in whatever state `txn` is. */
void transactions_insert(
	struct engine *engine, struct table_link *link, struct txn_key key, const struct txn *txn);
void transactions_remove(struct engine *engine, struct table_link *link, const struct txn *txn);
/* txn_step of a transaction that is in the table. */
uint32_t transactions_step(struct engine *engine, struct txn *txn, enum txn_event event);

/* One of them; valid during the call. */
struct transaction {
	bool is_client;
	struct span method, call_id; /* empty: its last message has been forgotten */
	const char *state;	     /* as the RFC calls it */
	const struct leg *leg;
	struct addr peer;
	int64_t timer_ms; /* until it does something by itself; -1: it waits for others */
};
typedef void (*transaction_fn)(void *arg, const struct transaction *transaction);
/* Shows at most `max` of them, in no order; returns how many. */
uint32_t transactions_show(struct engine *engine, uint32_t max, transaction_fn fn, void *arg);

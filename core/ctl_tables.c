#include "ctl_tables.h"

#include <stdlib.h>

#include "engine/delivery.h"
#include "engine/transactions.h"

json_t *ctl_wire_text(struct span s)
{
	json_t *whole = json_stringn(s.p ? s.p : "", s.n);
	if (whole)
		return whole;
	char *copy = malloc(s.n + 1);
	for (uint32_t i = 0; copy && i < s.n; i++)
		copy[i] = s.p[i] & 0x80 ? '?' : s.p[i];
	whole = copy ? json_stringn(copy, s.n) : json_null();
	free(copy);
	return whole;
}

/* A peer chose it: cut, and null when it is not known any more. */
static json_t *short_text(struct span s)
{
	enum { SHOWN_MAX = 64 };
	if (!s.n)
		return json_null();
	return ctl_wire_text(span_of(s.p, s.n < SHOWN_MAX ? s.n : SHOWN_MAX));
}

static json_t *address(const struct addr *addr)
{
	char text[ADDR_TEXT_MAX];
	return json_stringn(text, addr_print(addr, text));
}

static json_t *with_more(json_t *table, uint32_t there, uint32_t shown)
{
	json_object_set_new(table, "more", json_integer(there - shown));
	return table;
}

/* ---- transactions ---- */

static void add_state(json_t *totals, const struct engine *engine, enum txn_kind kind)
{
	for (uint8_t state = 0; state < TXN_TERMINATED; state++) {
		const char *name = txn_state_name(&(struct txn){.kind = kind, .state = state});
		uint32_t n = engine->in_state[kind][state];
		json_int_t so_far = json_integer_value(json_object_get(totals, name));
		if (n)
			json_object_set_new(totals, name, json_integer(so_far + n));
	}
}

static json_t *totals(const struct engine *engine)
{
	json_t *clients = json_object(), *servers = json_object();
	add_state(clients, engine, TXN_INVITE_CLIENT);
	add_state(clients, engine, TXN_CLIENT);
	add_state(servers, engine, TXN_INVITE_SERVER);
	add_state(servers, engine, TXN_SERVER);
	return json_pack("{s:o, s:o}", "client", clients, "server", servers);
}

static void add_transaction(void *list, const struct transaction *shown)
{
	json_array_append_new(
		list, json_pack("{s:s, s:o, s:s, s:o, s:s, s:o, s:o}", "side",
			      shown->is_client ? "client" : "server", "method",
			      short_text(shown->method), "state", shown->state, "peer",
			      address(&shown->peer), "leg", shown->leg->spec, "timer_ms",
			      shown->timer_ms < 0 ? json_null() : json_integer(shown->timer_ms),
			      "call_id", short_text(shown->call_id)));
}

json_t *ctl_transactions(struct run *run)
{
	struct engine *engine = run->engine;
	json_t *list = json_array();
	uint32_t shown = transactions_show(engine, CTL_ROWS_MAX, add_transaction, list);
	json_t *table = json_pack("{s:o, s:o}", "totals", totals(engine), "transactions", list);
	return with_more(table, engine->transactions.n, shown);
}

/* ---- the delivery queue ---- */

static json_t *delivery(
	const struct engine *engine, const struct delivery_facts *facts, int64_t now_ms)
{
	bool is_sent = facts->to != NULL;
	return json_pack("{s:I, s:o, s:o, s:o, s:i, s:I, s:o, s:o}", "number",
		(json_int_t)facts->number, "method", short_text(facts->method), "to",
		is_sent ? address(&facts->to->peer) : json_null(), "leg",
		is_sent ? json_string(engine->legs.leg[facts->to->leg].spec) : json_null(), "tries",
		(int)facts->tries, "age_ms", (json_int_t)(now_ms - facts->since_ms), "due_ms",
		facts->due_ms == INT64_MAX ? json_null() : json_integer(facts->due_ms - now_ms),
		"id", short_text(facts->id));
}

json_t *ctl_queue(struct run *run)
{
	struct engine *engine = run->engine;
	json_t *list = json_array();
	const struct delivery *position = NULL;
	struct delivery_facts facts;
	uint32_t shown = 0;
	for (; shown < CTL_ROWS_MAX && delivery_walk(engine, &position, &facts); shown++)
		json_array_append_new(list, delivery(engine, &facts, engine_now_ms(engine)));
	json_t *table =
		json_pack("{s:i, s:o}", "pending", (int)engine->deliveries.n, "deliveries", list);
	return with_more(table, engine->deliveries.n, shown);
}

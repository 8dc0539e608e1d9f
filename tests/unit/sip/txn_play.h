/* What the tests of the four transaction machines share: a life played in virtual time, and the
 * table of all states and events. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sip/txn.h"

#define N_OF(array) (sizeof(array) / sizeof *(array))

enum { PLAY_START_MS = 1000003, PLAY_INPUTS = 12, PLAY_OUTPUTS = 24 };

static const struct txn_times default_times = {TXN_T1_MS, TXN_T2_MS, TXN_T4_MS};

struct play_input {
	int64_t at_ms; /* after TXN_START, not 0 */
	enum txn_event event;
};
struct play_output {
	int64_t at_ms;
	uint32_t actions; /* not 0 */
};

/* TXN_TIMER comes whenever it is wanted; what comes at the same time comes after it. */
struct life {
	const char *why;
	bool reliable;
	struct txn_times times; /* all 0: the defaults */
	struct play_input inputs[PLAY_INPUTS];
	struct play_output outputs[PLAY_OUTPUTS];
};

static inline uint32_t play_step(
	struct txn *txn, enum txn_event event, int64_t at_ms, const struct txn_times *times)
{
	return txn_step(txn, event, PLAY_START_MS + at_ms, times);
}

/* In ms after TXN_START; INT64_MAX: never. */
static inline int64_t play_due(const struct txn *txn)
{
	int64_t due = txn_due_ms(txn);
	return due == INT64_MAX ? due : due - PLAY_START_MS;
}

static inline size_t play(enum txn_kind kind, const struct life *life, struct play_output *outputs)
{
	struct txn_times times = life->times.t1_ms ? life->times : default_times;
	struct txn txn;
	size_t n = 0, next = 0;
	txn_init(&txn, kind, life->reliable);
	uint32_t actions = play_step(&txn, TXN_START, 0, &times);
	if (actions)
		outputs[n++] = (struct play_output){0, actions};
	for (;;) {
		bool has_input = next < PLAY_INPUTS && life->inputs[next].at_ms;
		int64_t due = play_due(&txn), at = has_input ? life->inputs[next].at_ms : INT64_MAX;
		if (due == INT64_MAX && !has_input)
			return n;
		enum txn_event event = TXN_TIMER;
		if (at < due)
			event = life->inputs[next++].event;
		else
			at = due;
		actions = play_step(&txn, event, at, &times);
		if (actions) {
			assert_true(n < PLAY_OUTPUTS);
			outputs[n++] = (struct play_output){at, actions};
		}
	}
}

/* The whole life: every action with its time, and nothing else. */
static inline void assert_lives(enum txn_kind kind, const struct life *lives, size_t n_lives)
{
	for (size_t i = 0; i < n_lives; i++) {
		struct play_output got[PLAY_OUTPUTS];
		size_t n = play(kind, &lives[i], got), wanted = 0;
		while (wanted < PLAY_OUTPUTS && lives[i].outputs[wanted].actions)
			wanted++;
		bool same = n == wanted;
		for (size_t k = 0; same && k < n; k++)
			same = got[k].at_ms == lives[i].outputs[k].at_ms &&
			       got[k].actions == lives[i].outputs[k].actions;
		if (!same) {
			print_error("%s:\n", lives[i].why);
			for (size_t k = 0; k < n; k++)
				print_error("\t{%ld, 0x%x}\n", (long)got[k].at_ms, got[k].actions);
		}
		assert_true(same);
	}
}

/* What an event gives in a state and where it leads; a cell left out: nothing, and it changes
 * nothing (no transition leads to TXN_NEW, the state of such a cell). TXN_TIMER comes too early
 * here. */
struct cell {
	uint32_t actions;
	enum txn_state state;
};
struct row {
	bool reachable;
	uint8_t n;
	enum txn_event path[4]; /* the events that lead there */
	struct cell cells[TXN_EVENT_COUNT];
};

static inline void assert_cell(
	enum txn_kind kind, bool reliable, enum txn_state state, const struct row *row, unsigned e)
{
	struct txn txn;
	txn_init(&txn, kind, reliable);
	for (unsigned i = 0; i < row->n; i++)
		play_step(&txn, row->path[i], 0, &default_times);
	assert_int_equal(txn.state, state);
	const struct cell *cell = &row->cells[e];
	struct txn before = txn;
	uint32_t actions = play_step(&txn, (enum txn_event)e, 1, &default_times);
	enum txn_state wanted = cell->state ? cell->state : state;
	if (actions != cell->actions || txn.state != wanted)
		print_error("state %u, event %u: actions 0x%x, state %u\n", state, e, actions,
			txn.state);
	assert_int_equal(actions, cell->actions);
	assert_int_equal(txn.state, wanted);
	assert_int_equal(!!(actions & TXN_ENDED), wanted == TXN_TERMINATED && state != wanted);
	if (!cell->actions && !cell->state) {
		assert_int_equal(txn.send_at_ms, before.send_at_ms);
		assert_int_equal(txn.end_at_ms, before.end_at_ms);
		assert_int_equal(txn.interval_ms, before.interval_ms);
	}
}

static inline void assert_cells(
	enum txn_kind kind, bool reliable, const struct row rows[TXN_STATE_COUNT])
{
	for (unsigned state = 0; state < TXN_STATE_COUNT; state++)
		for (unsigned e = 0; rows[state].reachable && e < TXN_EVENT_COUNT; e++)
			assert_cell(kind, reliable, (enum txn_state)state, &rows[state], e);
}

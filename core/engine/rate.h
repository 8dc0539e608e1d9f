/* How often one source sends: at most so many messages in an interval that slides (the count of the
 * interval before weighs less the longer that is over). What came too often counts, too: who goes
 * on stays out.
 *
 * Counts live in the engine, so a reload with the same limits goes on counting. Memory is bounded:
 * of RATE_SOURCES_MAX sources the one that began first is forgotten first, and begins anew. */
#pragma once

#include "engine/engine.h"

enum { RATE_SOURCES_MAX = 65536 };

struct rate_limit {
	struct span name; /* limits of different names count apart */
	uint32_t attempts;
	int64_t interval_ms;
	bool per_port; /* else all ports of an address are one source */
};

/* Counts a message from there. False: too often. An IPv6 source is its /64 network. */
bool rate_allows(struct engine *engine, const struct rate_limit *limit, const struct addr *source);

/* From a URI to the addresses a request may be sent to, or from a Via to those of a response:
 * sip/locate over the DNS cache, those left out that no leg reaches, dead targets last. */
#pragma once

#include "engine/engine.h"
#include "engine/routing.h"
#include "sip/locate.h"

enum {
	RESOLVE_MS = 5000,	 /* for all questions of one URI together */
	RESOLVE_UDP_MAX = 1300,	 /* a larger request goes by TCP where it can (RFC 3261 18.1.1) */
	RESOLVE_TARGETS_MAX = 8, /* tried for one URI, one after the other */
	RESOLVE_NOW_MAX = 2,	 /* one address, by TCP and UDP */
};

struct resolve;
/* `targets` are valid during the call. n is 0 when nothing was found: `result` says why. */
typedef void (*resolve_fn)(
	void *arg, enum locate_result result, const struct locate_target *targets, uint32_t n);

struct resolve_query {
	const struct uri *uri; /* of the next hop; copied. NULL: a response */
	struct span sent_by;   /* of a response: host and port in its Via; copied */
	uint16_t sent_by_port;
	const struct routing *routing; /* outlives the resolve; NULL: none */
	bool direct;		       /* to the URI itself, whoever is in charge of its domain */
	bool too_big_for_udp;
	uint64_t seed; /* decides among equals */
	/* The transports wanted, in order; none: all that our legs speak, UDP first. */
	enum transport transports[LOCATE_TRANSPORTS_MAX];
	uint32_t n_transports;
	uint64_t legs; /* bits by leg index: those it may leave by; 0: any */
};

/* What a request without any target is answered with. */
uint16_t resolve_code(enum locate_result result);
/* The answer when nobody has to be asked: one IP literal, by each transport to try. How many; 0:
 * somebody has to, or there is none. */
uint32_t resolve_now(struct engine *engine, const struct resolve_query *query,
	struct locate_target targets[RESOLVE_NOW_MAX]);
/* Calls `done` once, later, unless cancelled. */
struct resolve *resolve_start(
	struct engine *engine, const struct resolve_query *query, resolve_fn done, void *arg);
void resolve_cancel(struct resolve *resolve);

/* Where a script sends what it forwards, before DNS is asked: `domain2proxy` and `outgoing_proxy`
 * of its dispatcher (seed 002). Owned by the script; its packets borrow it. */
#pragma once

#include "engine/domain_map.h"
#include "engine/engine.h"
#include "sip/locate.h"

/* Answers DNS questions instead of DNS; all functions may be called from within a script. */
struct resolver {
	void *self;
	/* As engine_lookup, for A, AAAA and SRV. */
	uint64_t (*ask)(
		void *self, enum dns_type type, struct span name, lookup_fn done, void *arg);
	void (*cancel)(void *self, uint64_t id);
};

/* Says which legs lead to addresses: `can_deliver_to` as functions of a script. */
struct judge {
	void *self;
	/* Puts bits into `named` and `barred` of each target. False: it failed. Runs a script, so
	 * it is called from timers only, and anything may be cancelled when it returns. */
	bool (*decide)(void *self, struct locate_target *targets, uint32_t n);
};

struct routing {
	struct domain_map *domains;  /* NULL: none */
	struct domain_map *outgoing; /* holds "*" alone: for what no domain names. NULL: none */
	struct resolver resolver;    /* ask NULL: DNS itself */
	struct judge judge;	     /* decide NULL: what the legs' text says is all */
	bool repeats_replies;	     /* as long as RFC 3261 17.2 says, to a repeated request or by
					themselves */
};

/* The proxies in charge of requests to `uri`; NULL: nobody but the URI itself. maddr says where to
 * go whatever is configured (RFC 3261 19.1.1). */
const struct domain_route *routing_find(const struct routing *routing, const struct uri *uri);
void routing_fini(struct routing *routing);

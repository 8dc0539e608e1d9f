/* One Via value (RFC 3261 20.42, RFC 3581). */
#pragma once

#include "base/addr.h"
#include "sip/grammar.h"

struct via {
	struct span text;	    /* the value */
	struct span transport_text; /* as written */
	enum transport transport;   /* NONE: unknown to us, which is fine in lower Vias */
	struct span host;	    /* sent-by, IPv6 with brackets */
	uint16_t port;		    /* 0: none given */
	struct span params;
	struct span branch, received, maddr,
		rport;		/* values; p NULL when the parameter is absent */
	bool has_rport;		/* ";rport" with or without value */
	const char *bare_rport; /* behind a ";rport" that has no value, ends there; NULL: none */
};

enum { VIA_COUNT_MAX = 128 }; /* values in one message */

int via_parse(struct span value, struct via *via);
/* Where a response with this top Via goes when no connection is known: RFC 3261 18.2.2 with RFC
 * 3581 4. maddr, then received (+ rport), then sent-by when it is an IP literal. False when it
 * names a host that would have to be resolved or an address nobody may be sent to; `*name` is then
 * the host to resolve, or empty. */
bool via_response_target(const struct via *via, struct addr *addr, struct span *name);

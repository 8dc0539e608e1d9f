/* The registrar of RFC 3261 10.3 over store/bindings: each binding added, refreshed and removed by
 * itself, a fetch changes nothing, all of a REGISTER or nothing. Path (RFC 3327) is kept and used.
 * It checks no credentials: an element before it in the chain does. */
#pragma once

#include "engine/engine.h"
#include "store/bindings.h"

enum {
	REGISTRAR_DOMAINS_MAX = 64,
	REGISTRAR_DOMAIN_MAX = 256,
	REGISTER_CONTACTS_MAX = 10, /* in one request */
};

struct registrar {
	uint32_t min_expires_s, max_expires_s, default_expires_s;
	uint32_t n_domains; /* 0: every domain */
	char domains[REGISTRAR_DOMAINS_MAX]
		    [REGISTRAR_DOMAIN_MAX]; /* lower case; "*.x" for what is below x, "*" */
};

/* Answers a REGISTER for one of its domains, and an OPTIONS that asks the domain itself; returns
 * the code. 0: not its business, nothing done. */
uint32_t registrar_receive(struct packet *packet, const struct registrar *registrar);
/* Any other request: when the Request-URI is an address of record with a live binding, it becomes
 * the preferred contact (and Path becomes Route). True when it did. */
bool registrar_route(struct packet *packet);
/* The way to a contact (RFC 3327 5.4): its Path, empty when it has none, becomes Route, in the
 * place of the Path to another contact. 0, or a negative enum edit_error. */
int registrar_take_path(struct packet *packet, struct span path);
/* The Request-URI is in one of the domains given (none given: false), or is an address or a contact
 * bound here, and neither a Route nor maddr sends the request elsewhere. */
bool registrar_serves(struct packet *packet, const struct registrar *registrar);
/* What to answer when nothing leads to the Request-URI, an address of one of the domains given
 * (none given: of any); else 0. 404: it is in a domain given and has no binding. 480: it is sips,
 * and none of its bindings (RFC 5630 5.3). To the domain itself nothing but OPTIONS can be said. */
uint32_t registrar_lacks(struct packet *packet, const struct registrar *registrar);

struct registrar_cursor {
	struct bindings_cursor all;
	bool is_secure; /* sips contacts only */
};

/* The bindings that a request to this URI may go to: sips leads to sips alone (RFC 3261 26.2.2, RFC
 * 5630 5.3). False: it is no address of record. */
bool registrar_find(struct engine *engine, struct span uri, struct registrar_cursor *cursor);
bool registrar_next(struct registrar_cursor *cursor, struct binding *binding);

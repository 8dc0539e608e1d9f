/* Legs: parse what users write, open and close sockets through the world, know one's own addresses.
 *
 * A leg that a new script no longer names *drains*: it goes on until nothing was forwarded through
 * it for LEG_LINGER_MS (RFC 3261's 64*T1, after which no response can be due), and closes then. One
 * that it names with another `advertise` keeps its socket and shows the new address; the former one
 * is known as its own for LEG_LINGER_MS. */
#pragma once

#include "base/network.h"
#include "base/timers.h"
#include "base/world.h"
#include "sip/locate.h"
#include "sip/uri.h"

enum {
	LEGS_MAX = 64,
	LEG_SPEC_MAX = 256,
	LEG_LINGER_MS = 32000,
	LEG_NETWORKS_MAX = 16,
	LEG_FORMER_MAX = 4, /* names a leg has had lately; the oldest are forgotten */
};

enum leg_state { LEG_CLOSED, LEG_PREPARED, LEG_OPEN, LEG_DRAINING };

/* The address that others know a leg by: advertised or bound. */
struct leg_name {
	char text[LEG_SPEC_MAX + 8]; /* "host:port", IPv6 in brackets */
	uint32_t n, host_n;
	uint16_t port;
	uint64_t mark; /* keyed hash of the text, for branches */
};

struct leg {
	enum leg_state state;
	uint32_t index;
	uint32_t serial; /* of this opening and name: an index is used again, this is not */
	struct leg_address address;	      /* real port once open */
	char spec[LEG_SPEC_MAX];	      /* as the user wrote it */
	struct leg_name shown;		      /* in Via and Record-Route */
	char via[LEG_SPEC_MAX + 32];	      /* "Via: SIP/2.0/TCP host:port;alias" */
	char record_route[LEG_SPEC_MAX + 48]; /* "Record-Route: <sip:host:port;transport=tcp" */
	uint32_t via_n, record_route_n;
	struct network networks[LEG_NETWORKS_MAX]; /* the only ones it delivers to; none: all */
	uint32_t n_networks;
	uint64_t place;	 /* its shown address as a number: the same on every machine and after every
			    start */
	int64_t used_ms; /* last time something was sent or received on it */
	uint64_t n_received, n_sent;
	uint32_t n_transactions; /* that go by it: it stays open as long */
	uint32_t n_held;	 /* messages that came by it and are in somebody's hands: as long */
	struct timer linger;
	/* What was sent under these comes back under them. Newest first. */
	struct {
		struct leg_name name;
		uint32_t serial;
		int64_t until_ms;
	} former[LEG_FORMER_MAX];
	uint32_t n_former;
	struct engine *engine;
};

static inline struct span leg_sent_by(const struct leg *leg)
{
	return span_of(leg->shown.text, leg->shown.n);
}

struct legs {
	struct leg leg[LEGS_MAX];
	uint32_t n; /* slots in use, closed ones included */
	uint32_t opened;
	bool has_former; /* some leg has had another name */
};

struct leg_spec {
	struct leg_address address;
	struct span host; /* advertised, or empty */
	uint16_t port;	  /* advertised, or 0 */
	struct network networks[LEG_NETWORKS_MAX];
	uint32_t n_networks;
};

/* `udp:127.0.0.1:5060`, `tcp:[::1]:5060`, `udp:0.0.0.0:5060;advertise=198.51.100.1[:5060]`,
 * `udp:10.0.0.1:5060;can_deliver_to=10.0.0.0/8,192.168.0.0/16`. False with a sentence in `error`
 * that says what to write instead. */
bool leg_spec_parse(struct span text, struct leg_spec *spec, char error[256]);

/* A change of legs, all or nothing: prepare opens what is missing, then commit or abort. */
struct leg_plan {
	const struct span *specs; /* borrowed */
	uint32_t named[LEGS_MAX]; /* leg indices the plan names */
	uint32_t n_named;
};
struct engine;
/* 0, or -1 with `error` and the number of the offending text in `*bad`; nothing has changed then.
 * `specs` are to stay until commit or abort. */
int legs_prepare(struct engine *engine, const struct span *specs, uint32_t n, struct leg_plan *plan,
	char error[256], uint32_t *bad);
void legs_commit(struct engine *engine, const struct leg_plan *plan);
void legs_abort(struct engine *engine, const struct leg_plan *plan);
void legs_close_all(struct engine *engine);
/* One more, until the next plan that does not name it; one that is open already is put to use
 * again. NULL with `error`. */
struct leg *legs_add(struct engine *engine, struct span spec, char error[256]);
/* Drains. */
void legs_remove(struct leg *leg);

/* The leg that was opened at the address of this text, however either is spelled (port, options):
 * NULL when none was. */
struct leg *legs_by_spec(struct engine *engine, struct span text);
/* The open leg that shows exactly this address, or showed it lately, with that name; NULL when
 * none. `host` and `port` as they stand in a Via. */
struct leg *legs_by_sent_by(struct engine *engine, enum transport transport, struct span host,
	uint16_t port, const struct leg_name **name);
/* True when the URI names one of our legs: shown or bound address, its port (default filled in)
 * and, when the URI says one, its transport. The leg found is put into `*leg` (may be NULL). */
bool legs_is_self(struct engine *engine, const struct uri *uri, struct leg **leg);
/* The same whatever the transport. */
bool legs_have(struct engine *engine, struct span host, uint16_t port);
/* Sent to it by that transport, a message would come back to ourselves. */
bool legs_is_own_address(
	struct engine *engine, enum transport transport, const struct addr *target);
/* Under its present name or a former one. NULL: it has gone, or never was. */
struct leg *legs_by_serial(struct engine *engine, uint32_t serial);
/* To reach a target a leg has its transport (any, for TRANSPORT_NONE), an address of its family,
 * its network among those of `can_deliver_to`, and is not barred by it (bits by index). */

/* The first of these (bits by index; 0: of all) that can reach it; NULL when none. */
struct leg *legs_towards_among(
	struct engine *engine, const struct locate_target *target, uint64_t legs);
/* Where legs are: those shown by one host and port are one place, whatever their transports. */

/* The place whose lower half this is; 0: no leg is there. */
uint64_t legs_place(struct engine *engine, uint32_t half);
/* The other place, when the open legs are at just two and `leg` is at one of them; else 0. */
uint64_t legs_other_place(struct engine *engine, const struct leg *leg);

/* The first leg whose `can_deliver_to` names the network of the target, or the target itself; NULL:
 * none does. */
struct leg *legs_naming(struct engine *engine, const struct locate_target *target);

/* Which leg a message should leave by, most wanted first. */
struct leg_wish {
	struct leg *leg;    /* this one; NULL: none in particular */
	bool by_network;    /* then the one that names the network of the peer */
	uint64_t place;	    /* then one of this place; 0: none in particular */
	bool nowhere_else;  /* then none */
	struct leg *rather; /* then this one, before the others */
};
/* The leg wished for most that can reach the target; NULL when none. TRANSPORT_NONE: UDP before
 * TCP.
 */
struct leg *legs_towards(
	struct engine *engine, const struct locate_target *target, const struct leg_wish *wish);

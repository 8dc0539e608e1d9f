/* Where a SIP message goes: RFC 3263 with RFC 2782, as a machine that asks nobody itself.
 *
 * locate_start says what to find; locate_next gives the DNS questions to ask now, several at once;
 * each answer goes to locate_answer, in any order, and may make new questions. It opens no sockets,
 * reads no clock and allocates nothing. What it finds depends on the records and the seed only, not
 * on the order of records and answers: a stateless proxy that takes the seed from the transaction
 * sends a retransmission where the original went (RFC 3261 16.11).
 *
 * There are at most three rounds (NAPTR, SRV, addresses), so no zone can keep it going. Aliases are
 * the resolver's business. What a zone holds beyond the limits below is not considered; the better
 * targets are kept. An answer that failed counts as one without records, but for the reason that is
 * told when nothing is found. */
#pragma once

#include "base/world.h"
#include "sip/uri.h"

enum {
	LOCATE_TARGETS_MAX = 32,
	LOCATE_TRANSPORTS_MAX = 4, /* allowed ones */
	LOCATE_SERVICES_MAX = 4,   /* SRV look-ups */
	LOCATE_ENTRIES_MAX = 16,   /* SRV records of each, in order of preference */
	LOCATE_HOSTS_MAX = 16,	   /* names whose addresses are asked for */
	LOCATE_ADDRESSES_MAX = 64, /* of each family, shared evenly by the hosts */
	LOCATE_TEXT_MAX = 1024,	   /* all names of one service */
	LOCATE_NAME_MAX = 253,
};

enum { LOCATE_IPV4 = 1, LOCATE_IPV6 = 2 };

struct locate_transport {
	enum transport transport;
	uint8_t families; /* LOCATE_IPV4 | LOCATE_IPV6: what its legs can reach */
};

struct locate_options {
	/* In order of preference, which counts where neither the URI nor the zone says; RFC 3263
	 * has UDP, TCP, TLS. None allowed: LOCATE_NO_TRANSPORT. */
	struct locate_transport allowed[LOCATE_TRANSPORTS_MAX];
	uint32_t n_allowed;
	bool ipv4_first; /* of the addresses of one host; IPv6 by default */
	/* The request is larger than UDP should carry (RFC 3261 18.1.1): reliable transports come
	 * first; where UDP was meant and nothing says TCP exists, TCP to the same place is tried
	 * before UDP. */
	bool too_big_for_udp;
	uint64_t seed; /* for weights, and the order among equals */
};

enum locate_result {
	LOCATE_ASKING, /* not done: answers are missing */
	LOCATE_FOUND,
	LOCATE_BAD_URI,	     /* neither sip: nor sips: */
	LOCATE_NO_TRANSPORT, /* none allowed of those the URI or the zone wants */
	LOCATE_NO_SERVICE,   /* the zone says that there is no SIP here (SRV target ".") */
	LOCATE_NOT_FOUND,    /* no such name, no address of a usable family */
	LOCATE_TIMEOUT,	     /* nothing found, and DNS did not answer in time */
	LOCATE_DNS_FAILED,   /* nothing found, and DNS failed */
	LOCATE_UNDECIDED,    /* never told here: its user could not decide about what was found */
};
/* "EHOSTUNREACH" and the like, as delivery callbacks tell it; "" for ASKING and FOUND. */
const char *locate_errno_name(enum locate_result result);

/* An SRV record that is used. */
struct locate_entry {
	uint16_t port; /* 0: default of the transport */
	uint16_t at;   /* of its name in the text of the service */
	uint8_t n;
	uint8_t host; /* index, once there are hosts */
};

struct locate_service {
	enum transport transport; /* NONE: the first allowed one that has the family */
	bool is_denied;		  /* target "." */
	uint8_t name_n;		  /* the name to ask SRV for comes first in the text */
	uint8_t n;
	uint16_t text_n;
	struct locate_entry entries[LOCATE_ENTRIES_MAX];
	char text[LOCATE_TEXT_MAX];
};

struct locate_host {
	const char *name; /* in a service's text */
	uint8_t n;
	uint8_t families;
	uint8_t n4, n6; /* addresses found */
};

struct locate_question {
	uint32_t id;
	enum dns_type type;
	struct span name; /* valid as long as the struct locate */
};

/* Open to be placed by the caller (about 6 KB); its parts are for locate*.c. Must not move while
 * questions are open. Needs no end: just cancel what is still asked. */
struct locate {
	struct locate_options options;
	enum locate_result result;
	enum { LOCATE_NAPTR, LOCATE_SRV, LOCATE_ADDRESS, LOCATE_DONE } round;
	enum transport transport; /* fixed by the URI; NONE: not */
	bool from_naptr;
	bool timed_out, failed; /* some answer */
	uint16_t port;		/* given in the URI */
	uint8_t denied;		/* bits by transport: declared unavailable by the zone */
	uint8_t n_services, n_hosts, quota; /* quota: addresses a host may have of each family */
	uint8_t domain_n;
	uint64_t asked, answered; /* bits by question id */
	struct addr numeric;
	struct locate_service services[LOCATE_SERVICES_MAX]; /* in order */
	struct locate_host hosts[LOCATE_HOSTS_MAX];
	struct in6_addr ipv6[LOCATE_ADDRESSES_MAX];
	struct in_addr ipv4[LOCATE_ADDRESSES_MAX];
	char domain[LOCATE_NAME_MAX + 3];
};

/* For a request to `uri` (RFC 3263 4). Copies what it needs. */
void locate_start(
	struct locate *locate, const struct uri *uri, const struct locate_options *options);
/* For a response (RFC 3263 5) whose top Via has this transport, which stands, and this host and
 * port, 0 when it gives none. Copies what it needs. */
void locate_start_response(struct locate *locate, enum transport transport, struct span host,
	uint16_t port, const struct locate_options *options);

/* The next question that can be asked now; false: none, until an answer makes more. */
bool locate_next(struct locate *locate, struct locate_question *question);
/* Of a question given by locate_next; a second answer to it is ignored. `records` of other types
 * than asked for are ignored. Nothing is kept of them. */
void locate_answer(struct locate *locate, uint32_t id, enum dns_status status,
	const struct dns_record *records, uint32_t n);
static inline bool locate_is_done(const struct locate *locate)
{
	return locate->result != LOCATE_ASKING;
}

struct locate_target {
	enum transport transport;
	struct addr addr; /* with its port */
	struct span name; /* of the host; valid as long as the struct locate; empty: numeric */
	/* Its user's, 0 here: bits of the ways that are said to lead there, and not to. */
	uint64_t named, barred;
};

/* The targets in the order to try them, at most `max`; returns how many. Before it is done: those
 * that are known to come first, so that a slow name does not hold up better ones. */
uint32_t locate_targets(const struct locate *locate, struct locate_target *targets, uint32_t max);

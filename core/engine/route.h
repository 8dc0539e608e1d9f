/* Where a request goes next: RFC 3261 16.4 to 16.6 as a plan. Reads the message and changes
 * nothing. */
#pragma once

#include "engine/branch.h"
#include "engine/contacts.h"

struct route {
	uint32_t code; /* not 0: answer this instead (with `reason`, may be empty) */
	struct span reason;
	bool loop, too_many_hops, bad_contact; /* why, for the counters */
	int64_t hops_left;		       /* Max-Forwards to write */
	uint32_t own_routes; /* leading Route values that name us: to be removed */
	bool undo_strict; /* a strict router put us into the Request-URI: the last Route is the real
			     one */
	struct span last_route;	 /* then: the value */
	struct span request_uri; /* of the outgoing request, before strict_next */
	bool strict_next; /* the next Route has no lr: it goes into the Request-URI (16.6 (6)) */
	struct leg *leg;  /* our own Route says to leave by it; NULL: none does */
	bool found;	  /* the Request-URI is a contact behind a word of ours (contacts.h) */
	struct uri found_uri;
	struct contact_found contact;
	struct uri next_hop;
	bool at_target;		 /* that is the Request-URI: no Route of others is left */
	struct branch_seed seed; /* for the branch */
	uint64_t loop_part;
};

void route_request(struct packet *packet, struct route *route);
/* Whether a strict router put us into the Request-URI; then `*request_uri` becomes the one that is
 * meant: the last Route (RFC 3261 16.4). */
bool route_is_strict(struct packet *packet, struct uri *request_uri);
/* Where such a request leaves by: as the word in the Request-URI says; the side a binding came
 * from; as our own Route says; the leg that names the target's network; of two sides the other one;
 * where it came in. */
struct leg_wish route_wish(const struct packet *packet, const struct route *route);

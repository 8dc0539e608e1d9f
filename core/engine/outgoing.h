/* The edits that make of a received request the one that is sent on (RFC 3261 16.6): Max-Forwards,
 * Route and Request-URI as planned, Record-Route, Via. */
#pragma once

#include "engine/route.h"

struct outgoing {
	int vias; /* of ours, now on top: 1, or 2 when it leaves by another leg; 0 after a failure
		   */
	struct span branch; /* of the topmost */
};

/* `number`: of the branch of a stateful forward; 0: stateless. Negative: a limit of the message was
 * reached on the way. */
int outgoing_edit(struct packet *packet, const struct route *route, struct leg *out,
	uint32_t number, struct outgoing *made);
/* What undoing a strict router takes (route_is_strict), beside the new Request-URI: 0 or a negative
 * enum edit_error. There has to be a Route. */
int outgoing_remove_last_route(struct msg *msg);

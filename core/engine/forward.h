/* Stateless forwarding (RFC 3261 16.3 to 16.7 and 16.11): one message in, one message out, nothing remembered.
 *
 * A forward either happens at once or needs a name resolved first; then nothing has been changed yet, and
 * forward_request_to goes on with the address found. Errors are answered here, statelessly, and counted. */
#pragma once

#include "engine/engine.h"

enum forward_result {
	FORWARD_DONE,   /* forwarded, answered or dropped: the packet has its decision */
	FORWARD_RESOLVE /* needs the address of `need` */
};

struct forward_need {
	struct span host; /* valid until the message is edited or kept */
	uint16_t port;    /* 0: none was given */
	enum transport transport; /* NONE: any */
};

/* Requests by Route, then Request-URI; responses by Via. */
enum forward_result forward(struct packet *packet, struct forward_need *need);
/* A request that needed a name. */
void forward_request_to(struct packet *packet, enum transport transport, const struct addr *target);
/* `packet` is a request we wrote that never left: answers 503 to whom it came from, as its Vias tell. */
void forward_undelivered(struct packet *packet);
/* The request belongs to a dialog whose first request went through here: its Route brings our mark back. */
bool forward_is_in_dialog(struct packet *packet);

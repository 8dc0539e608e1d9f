/* Stateless forwarding (RFC 3261 16.3 to 16.7 and 16.11): one message in, one message out, nothing
 * remembered.
 *
 * A forward either happens at once or needs a name resolved first; then nothing has been changed
 * yet, and forward_plan_to goes on with the addresses found. Errors are answered here,
 * statelessly, and counted. */
#pragma once

#include "engine/resolve.h"

enum forward_result {
	FORWARD_DONE,	 /* forwarded, answered or dropped: the packet has its decision */
	FORWARD_RESOLVE, /* a name has to be looked up first: forward_resolve */
	FORWARD_PLANNED, /* nothing is changed yet: packet->to says where it would go */
};

struct proxy;
/* Requests by Route, then Request-URI; responses by Via. Never FORWARD_PLANNED. */
enum forward_result forward(struct packet *packet, const struct proxy *proxy);
/* Looks up where a request goes that needed it; the choice follows from the request alone, so that
 * a retransmission goes the same way (RFC 3261 16.11). NULL: it does not need it. */
struct resolve *forward_resolve(
	struct packet *packet, const struct proxy *proxy, resolve_fn done, void *arg);
/* In two steps: where would it go, and then it goes there. */
enum forward_result forward_plan(struct packet *packet, const struct proxy *proxy);
/* A request that was looked up; `n` 0: there is no target, which `result` says the reason of, and
 * it is answered. */
enum forward_result forward_plan_to(struct packet *packet, const struct proxy *proxy,
	enum locate_result result, const struct locate_target *targets, uint32_t n);
void forward_go(struct packet *packet, const struct proxy *proxy);
/* RFC 3261 18.1.1: beyond that a stream is better, when there is one. */
bool forward_is_too_big(const struct packet *packet);
/* An answer of the proxy itself, unless it keeps such things to itself. */
void forward_refuse(
	struct packet *packet, const struct proxy *proxy, uint32_t code, struct span reason);
/* 420, which names what is not understood: all that Proxy-Require asks for (RFC 3261 16.3 (5),
 * 20.40). */
void forward_refuse_extensions(struct packet *packet);
/* `packet` is a request we wrote that never left for where it is said to be from: answers 503 to
 * whom it came from, if it came from anybody, as its Vias tell. The next one tries that address
 * last. */
void forward_undelivered(struct packet *packet, const char *reason);
/* The request belongs to a dialog whose first request went through here: its Route brings our mark
 * back. */
bool forward_is_in_dialog(struct packet *packet);

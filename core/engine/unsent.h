/* Responses that a stream did not take: the connection of their request is gone, and where it came
 * from nobody accepts another. They go to the other addresses of the name in their top Via (RFC
 * 3261 18.2.2, RFC 3263 5), one after the other.
 *
 * A Via alone does not choose whom they reach: its name must have the address that the request came
 * from, too. Of datagrams nobody learns that they were not taken. */
#pragma once

#include "engine/engine.h"

enum {
	UNSENT_MAX = 256,  /* on their way to another address at one time; beyond: lost */
	UNSENT_MS = 32000, /* not told of by then, it was taken */
};

/* `bytes` of `response` were to go to `to`. */
void unsent_take(struct packet *response, const struct flow *to, struct span bytes);
void unsent_free_all(struct engine *engine);

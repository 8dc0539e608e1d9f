/* 2xx answers of our own to INVITE, as a user agent server gives them: its transaction is over with
 * them (RFC 6026 7.1), so each is repeated here until its ACK comes (RFC 3261 13.3.1.4), on every
 * transport, for 64*T1 at most. There are never more than server transactions that keep an answer,
 * since those stay as long. */
#pragma once

#include "engine/engine.h"

/* `bytes` has just been sent as the answer to this INVITE. Copied. */
void accept_begin(struct packet *invite, struct span bytes);
/* An ACK of its dialog ends one; a repeated INVITE gets it once more. Whoever takes the request
 * takes it all the same. */
void accepts_take(struct packet *request);
void accepts_free_all(struct engine *engine);

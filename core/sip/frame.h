/* Cutting a stream into messages (RFC 3261 18.3, RFC 5626 4.4.1). */
#pragma once

#include <stdint.h>

#include "base/span.h"

/* A frame_fn of base/world.h. Content-Length must be there, one value, digits only. Limits of
 * sip/msg.h. -1: not SIP, or beyond a limit: close the connection (answering is the owner's
 * business).
 * `*skip` bytes can go whatever the result, and `*pongs` counts the pings in them; a single CRLF at
 * the end of `bytes` is not among them, because it may be half a ping. */
int64_t frame_next(struct span bytes, uint32_t *skip, uint32_t *pongs);

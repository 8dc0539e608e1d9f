/* Digest credentials: the value of Authorization or Proxy-Authorization (RFC 7616 3.4, RFC
 * 3261 25.1).
 *
 * It reads and judges no password. What it refuses: another scheme, a parameter twice (two readings
 * of one header are how checks are passed by), an open quote, more than CREDENTIALS_PARAMS_MAX
 * parameters. Unknown parameters are skipped. */
#pragma once

#include "base/arena.h"

enum { CREDENTIALS_PARAMS_MAX = 32 };

/* Without quotes and escapes; p NULL when absent. */
struct credentials {
	struct span username, realm, nonce, uri, response, cnonce, nc, qop, algorithm, opaque;
};

/* `value` has no folds. The texts lie in it, or in the arena where escapes had to be undone. 0
 * or -1. */
int credentials_parse(struct span value, struct arena *arena, struct credentials *credentials);

/* What datagram sockets and listeners have in common. */
#pragma once

#include "base/addr.h"

/* A non-blocking socket of `type` (SOCK_DGRAM, SOCK_STREAM) bound to `addr`, whose port it fills
 * in; -1 with a reason in `error`. */
int socket_bind(int type, struct addr *addr, char error[256]);
/* "cannot WHAT 127.0.0.1:5060: Address already in use" from errno; returns -1. */
int socket_error(char error[256], const char *what, const struct addr *addr);

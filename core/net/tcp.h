/* Stream legs: listeners and connections.
 *
 * The read buffer of a connection holds at most one message and what one read brought; it is freed
 * while nothing is pending, as is the write queue. A connection that ended is told once by
 * events.closed, in a later turn, with one of these reasons: ESHUTDOWN (the peer ended it),
 * ETIMEDOUT (connect, message deadline, or a peer that takes no bytes), ETIME (idle), ENOBUFS
 * (write queue full), EBADMSG (could not be cut), ECANCELED (stream_close or leg_close), or the
 * error of the socket. */
#pragma once

#include "net/loop.h"

struct tcp;

struct tcp *tcp_new(struct loop *loop);
/* All legs are closed and the loop is settled by then. */
void tcp_free(struct tcp *tcp);
/* Returns 0, or -1 with a reason in `error`. Writes the port bound back into `bind`. */
int tcp_open(struct tcp *tcp, uint32_t leg, struct addr *bind, char error[256]);
void tcp_close(struct tcp *tcp, uint32_t leg);
/* As world.send and world.stream_close. */
int tcp_send(struct tcp *tcp, const struct flow *to, const struct iovec *iov, uint32_t n);
void tcp_stream_close(struct tcp *tcp, uint64_t id);
/* As world.stream_alias. */
void tcp_stream_alias(struct tcp *tcp, uint64_t id, const struct addr *alias);

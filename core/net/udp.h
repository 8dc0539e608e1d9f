/* One datagram leg: one socket, read and written in batches.
 *
 * The receive time of a datagram is the time of its turn: a batch is read at once and a turn is at
 * most one batch long, so a timestamp of the kernel's would differ only by the time the datagram
 * waited in the socket, and costs a control message each. */
#pragma once

#include "net/loop.h"

struct udp;

/* Returns new; NULL with a reason in `error`. Writes the port bound back into `bind`. */
struct udp *udp_open(struct loop *loop, uint32_t leg, struct addr *bind, char error[256]);
/* What is queued is sent first. The bytes of messages told this turn stay valid to its end. */
void udp_close(struct udp *udp);
/* As world.send. */
int udp_send(struct udp *udp, const struct addr *to, const struct iovec *iov, uint32_t n);
/* Datagrams the kernel dropped because the receive buffer was full, since udp_open. */
uint64_t udp_overflow(const struct udp *udp);

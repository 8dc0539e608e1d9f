/* loopback.h - sockets and batches shared by the load generator and the bare forwarder. */
#ifndef BENCH_LOOPBACK_H
#define BENCH_LOOPBACK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { BATCH = 64, DATAGRAM_MAX = 4096 };

/* Datagrams of one recvmmsg or sendmmsg. */
struct batch {
	struct mmsghdr header[BATCH];
	struct iovec part[BATCH];
	struct sockaddr_in peer[BATCH];
	char text[BATCH][DATAGRAM_MAX];
	unsigned count;
};

/* Ends the process with a reason: a measuring tool has nobody to hand an error to. */
_Noreturn void fail(const char *what);

/* "127.0.0.1:7060". Refuses any address outside 127.0.0.0/8: these tools never send off the
 * machine. */
struct sockaddr_in loopback_address(const char *text);
int loopback_socket(const struct sockaddr_in *bound, bool blocking);
void pin_to_cpu(int cpu);

void batch_init(struct batch *b);
unsigned batch_receive(struct batch *b, int fd, bool wait); /* fills count, lengths, peers */
void batch_send(struct batch *b, int fd);		    /* all of it; count is 0 after */

#endif

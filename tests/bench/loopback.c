/* loopback.c - see loopback.h. */
#include "loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fail(const char *what)
{
	perror(what);
	exit(2);
}

struct sockaddr_in loopback_address(const char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	char host[64] = "";
	unsigned port = 0;
	if (sscanf(text, "%63[0-9.]:%u", host, &port) != 2 || !port || port > 65535 ||
		inet_pton(AF_INET, host, &a.sin_addr) != 1 ||
		ntohl(a.sin_addr.s_addr) >> 24 != 127) {
		fprintf(stderr, "'%s' is not IP:PORT within 127.0.0.0/8\n", text);
		exit(2);
	}
	a.sin_port = htons((uint16_t)port);
	return a;
}

int loopback_socket(const struct sockaddr_in *bound, bool blocking)
{
	int size = 4 << 20;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if (bind(fd, (const struct sockaddr *)bound, sizeof *bound) < 0)
		fail("bind");
	return fd;
}

void pin_to_cpu(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) < 0)
		fprintf(stderr, "not pinned to CPU %d: %s\n", cpu, strerror(errno));
}

void batch_init(struct batch *b)
{
	b->count = 0;
	for (int i = 0; i < BATCH; i++) {
		b->part[i] = (struct iovec){b->text[i], 0};
		b->header[i].msg_hdr = (struct msghdr){.msg_name = &b->peer[i],
			.msg_namelen = sizeof b->peer[i],
			.msg_iov = &b->part[i],
			.msg_iovlen = 1};
	}
}

unsigned batch_receive(struct batch *b, int fd, bool wait)
{
	for (int i = 0; i < BATCH; i++) {
		b->part[i].iov_len = DATAGRAM_MAX;
		b->header[i].msg_hdr.msg_namelen = sizeof b->peer[i];
	}
	int n = recvmmsg(fd, b->header, BATCH, wait ? MSG_WAITFORONE : 0, NULL);
	b->count = n < 0 ? 0 : (unsigned)n;
	for (unsigned i = 0; i < b->count; i++)
		b->part[i].iov_len = b->header[i].msg_len;
	return b->count;
}

void batch_send(struct batch *b, int fd)
{
	unsigned done = 0;
	while (done < b->count) {
		int n = sendmmsg(fd, b->header + done, b->count - done, 0);
		if (n > 0)
			done += (unsigned)n;
		else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR &&
			 errno != ECONNREFUSED)
			fail("sendmmsg");
	}
	b->count = 0;
}

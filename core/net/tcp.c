#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "net/tcp.h"

struct tcp {
	struct loop *loop;
};

struct tcp *tcp_new(struct loop *loop)
{
	struct tcp *tcp = must_zalloc(sizeof *tcp);
	tcp->loop = loop;
	return tcp;
}

void tcp_free(struct tcp *tcp)
{
	free(tcp);
}

int tcp_open(struct tcp *tcp, uint32_t leg, struct addr *bind, char error[256])
{
	(void)tcp, (void)leg, (void)bind;
	snprintf(error, 256, "stream legs are not built in");
	return -1;
}

void tcp_close(struct tcp *tcp, uint32_t leg)
{
	(void)tcp, (void)leg;
}

int tcp_send(struct tcp *tcp, const struct flow *to, const struct iovec *iov, uint32_t n)
{
	(void)tcp, (void)to, (void)iov, (void)n;
	return -ENOTCONN;
}

void tcp_stream_close(struct tcp *tcp, uint64_t id)
{
	(void)tcp, (void)id;
}

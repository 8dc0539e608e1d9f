#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/socket.h"

int socket_error(char error[256], const char *what, const struct addr *addr)
{
	char text[ADDR_TEXT_MAX];
	uint32_t n = addr_print(addr, text);
	snprintf(error, 256, "cannot %s %.*s: %s", what, (int)n, text, strerror(errno));
	return -1;
}

static int try_bind(int fd, int type, struct addr *addr)
{
	int on = 1;
	/* A restarted server may listen while its old connections linger. Not for datagrams: there
	 * the option lets two programs have one port. */
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (addr->sa.sa_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
		return -1;
	socklen_t n = addr_len(addr);
	if (bind(fd, &addr->sa, n) != 0)
		return -1;
	return getsockname(fd, &addr->sa, &n);
}

int socket_bind(int type, struct addr *addr, char error[256])
{
	int fd = socket(addr->sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return socket_error(error, "open a socket for", addr);
	if (try_bind(fd, type, addr) != 0) {
		socket_error(error, "bind", addr);
		close(fd);
		return -1;
	}
	return fd;
}

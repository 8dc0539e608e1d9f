/* lossy.c - a bad line to a phone: passes datagrams on, both ways, but for every Nth.
 *
 *   lossy N PORT PHONE_PORT
 *
 * Whoever wants the phone at 127.0.0.1:PHONE_PORT sends to 127.0.0.1:PORT, and the phone's answers
 * go to whoever sent last. One count for both directions: the same datagram sent again at once is
 * never lost twice.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { DATAGRAM_MAX = 65536, SOCKET_BUFFER = 4 << 20 };

struct line {
	int far, near; /* near: the phone's end, connected */
	struct sockaddr_in peer;
	unsigned long seen, nth;
};

static struct sockaddr_in loopback(const char *port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int open_socket(void)
{
	int size = SOCKET_BUFFER, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	return fd;
}

static void pass(struct line *line, int from)
{
	static char bytes[DATAGRAM_MAX];
	struct sockaddr_in source;
	socklen_t source_len = sizeof source;
	ssize_t n = recvfrom(from, bytes, sizeof bytes, 0, (struct sockaddr *)&source, &source_len);
	if (n < 0) /* an error of the phone's end: it is not there at present */
		return;
	if (from == line->far)
		line->peer = source;
	if (++line->seen % line->nth == 0)
		return;
	if (from == line->far)
		n = send(line->near, bytes, (size_t)n, 0);
	else
		n = sendto(line->far, bytes, (size_t)n, 0, (struct sockaddr *)&line->peer,
			sizeof line->peer);
	(void)n; /* lost, as others are */
}

int main(int argc, char **argv)
{
	if (argc != 4 || atoi(argv[1]) < 1) {
		fprintf(stderr, "usage: lossy N PORT PHONE_PORT\n");
		return 2;
	}
	struct line line = {
		.far = open_socket(), .near = open_socket(), .nth = strtoul(argv[1], NULL, 10)};
	struct sockaddr_in own = loopback(argv[2]), phone = loopback(argv[3]);
	if (bind(line.far, (struct sockaddr *)&own, sizeof own) != 0 ||
		connect(line.near, (struct sockaddr *)&phone, sizeof phone) != 0) {
		perror("lossy");
		return 2;
	}
	struct pollfd fds[] = {
		{.fd = line.far, .events = POLLIN}, {.fd = line.near, .events = POLLIN}};
	while (poll(fds, 2, -1) >= 0)
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				pass(&line, fds[i].fd);
	return 1;
}

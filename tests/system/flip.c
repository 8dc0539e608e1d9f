/* flip.c - sends valid SIP messages with random bytes changed.
 *
 *   flip [-t] [-n COUNT] [-s SEED] 127.0.0.1:PORT FILE...
 *
 * Each message is one of the files with one to eight bytes changed, doubled or removed; the
 * same seed sends the same bytes. After every PACE messages a clean OPTIONS must be answered:
 * the engine keeps up, so that nothing is lost to a full socket buffer, and is seen to serve
 * all the while. Ends with 1 when it does not. -t sends over TCP, a few messages a connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FILES = 1024, MESSAGE_MAX = 8192, PACE = 50, PER_CONNECTION = 10, PATIENCE_MS = 5000 };

static struct {
	char *text;
	size_t len;
} seed[MAX_FILES];
static int seeds;
static struct sockaddr_in target;

/* splitmix64: the same everywhere, so that a seed is a reproduction. */
static uint64_t random_state;
static uint64_t random_next(void)
{
	uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static size_t below(size_t n)
{
	return (size_t)(random_next() % n);
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(2);
}

static void load_seed(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		fail(path);
	char *text = malloc(MESSAGE_MAX);
	size_t len = text ? fread(text, 1, MESSAGE_MAX / 2, f) : 0;
	fclose(f);
	if (len && seeds < MAX_FILES) {
		seed[seeds].text = text;
		seed[seeds++].len = len;
	}
}

static size_t make_message(char *out)
{
	size_t i = below((size_t)seeds), len = seed[i].len;
	memcpy(out, seed[i].text, len);
	/* half of them a single change, so that many get past the parser */
	for (int changes = 0; changes == 0 || (changes < 8 && below(2) && len > 1); changes++) {
		size_t at = below(len);
		switch (below(4)) {
		case 0:
			out[at] ^= (char)(1u << below(8));
			break;
		case 1:
			out[at] = (char)random_next();
			break;
		case 2: /* doubled */
			memmove(out + at + 1, out + at, len - at);
			len++;
			break;
		default:
			memmove(out + at, out + at + 1, len - at - 1);
			len--;
		}
	}
	return len;
}

static int open_socket(int type)
{
	struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT: ports would run out */
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&target, sizeof target) != 0)
		fail("connect");
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	return fd;
}

/* Whether a clean request is answered, on a socket of its own. */
static bool serves(int type)
{
	static unsigned number;
	char text[MESSAGE_MAX];
	struct sockaddr_in own;
	socklen_t own_len = sizeof own;
	int fd = open_socket(type);
	getsockname(fd, (struct sockaddr *)&own, &own_len);
	int len = snprintf(text, sizeof text,
		"OPTIONS sip:127.0.0.1:%u SIP/2.0\r\n"
		"Via: SIP/2.0/%s 127.0.0.1:%u;branch=z9hG4bKflip%u;rport\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:flip@example.com>;tag=1\r\n"
		"To: <sip:127.0.0.1>\r\nCall-ID: flip-%u-%u\r\nCSeq: 1 OPTIONS\r\n"
		"Content-Length: 0\r\n\r\n",
		ntohs(target.sin_port), type == SOCK_STREAM ? "TCP" : "UDP", ntohs(own.sin_port),
		number, number, (unsigned)getpid());
	number++;
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	bool answered = send(fd, text, (size_t)len, MSG_NOSIGNAL) == len &&
			poll(&readable, 1, PATIENCE_MS) == 1 &&
			recv(fd, text, sizeof text, 0) > 8 && !strncmp(text, "SIP/2.0 ", 8);
	close(fd);
	return answered;
}

int main(int argc, char **argv)
{
	unsigned long count = 1000;
	int type = SOCK_DGRAM, fd = -1;
	unsigned port = 0;
	char host[64] = "", text[MESSAGE_MAX], ignored[MESSAGE_MAX];
	for (int c; (c = getopt(argc, argv, "tn:s:")) != -1;)
		if (c == 't')
			type = SOCK_STREAM;
		else if (c == 'n')
			count = strtoul(optarg, NULL, 10);
		else if (c == 's')
			random_state = strtoul(optarg, NULL, 10);
		else
			return 2;
	target.sin_family = AF_INET;
	if (optind + 2 > argc || sscanf(argv[optind], "%63[0-9.]:%u", host, &port) != 2 ||
		inet_pton(AF_INET, host, &target.sin_addr) != 1 || strncmp(host, "127.", 4)) {
		fprintf(stderr, "usage: flip [-t] [-n COUNT] [-s SEED] 127.0.0.1:PORT FILE...\n");
		return 2;
	}
	target.sin_port = htons((uint16_t)port);
	for (int i = optind + 1; i < argc; i++)
		load_seed(argv[i]);
	if (!seeds)
		return 2;

	for (unsigned long i = 0; i < count; i++) {
		if (type == SOCK_STREAM && fd >= 0 && i % PER_CONNECTION == 0) {
			close(fd);
			fd = -1;
		}
		if (fd < 0)
			fd = open_socket(type);
		/* a connection that the engine closed, or an ICMP error, costs this message only */
		if (send(fd, text, make_message(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
			type == SOCK_STREAM) {
			close(fd);
			fd = -1;
		} else
			while (recv(fd, ignored, sizeof ignored, MSG_DONTWAIT) > 0)
				;
		if (i % PACE == 0 && !serves(type)) {
			fprintf(stderr, "no answer to a clean OPTIONS after message %lu\n", i);
			return 1;
		}
	}
	return serves(type) ? 0 : 1;
}

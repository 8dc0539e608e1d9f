/* ask.c - sends a raw SIP request and prints the final answer: the tests' own hand-written UAC.
 *
 *   ask [-t] [-n COUNT] [-w MILLISECONDS] 127.0.0.1:PORT < request
 *
 * Line ends become CRLF; %p is replaced by the local port, %n by the number of the request (1
 * to COUNT), %r by digits of this run. One request: prints the answer as it came. Several:
 * each after the answer to the one before, printing "NUMBER CODE" lines. -t uses TCP. Ends
 * with 1 when an answer did not come in time. No retransmissions: the loopback loses nothing,
 * so an answer that is missing was not sent.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 65536 };

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(2);
}

static long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int open_socket(const char *where, bool tcp, unsigned *local_port)
{
	struct sockaddr_in to = {.sin_family = AF_INET}, own;
	socklen_t own_len = sizeof own;
	char host[64] = "";
	unsigned port = 0;
	if (sscanf(where, "%63[0-9.]:%u", host, &port) != 2 ||
		inet_pton(AF_INET, host, &to.sin_addr) != 1) {
		fprintf(stderr, "'%s' is not IP:PORT\n", where);
		exit(2);
	}
	to.sin_port = htons((uint16_t)port);
	int fd = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		fail("connect");
	getsockname(fd, (struct sockaddr *)&own, &own_len);
	*local_port = ntohs(own.sin_port);
	return fd;
}

/* The template with its %p, %n, %r and line ends filled in; returns the length. */
static size_t fill(char *out, const char *text, unsigned port, unsigned number, unsigned run)
{
	size_t len = 0;
	for (const char *p = text; *p && len < TEXT_MAX - 32; p++) {
		if (*p == '%' && p[1] && strchr("pnr", p[1])) {
			unsigned value = p[1] == 'p' ? port : p[1] == 'n' ? number : run;
			len += (size_t)sprintf(out + len, "%u", value);
			p++;
		} else if (*p == '\n' && (p == text || p[-1] != '\r')) {
			out[len++] = '\r';
			out[len++] = '\n';
		} else
			out[len++] = *p;
	}
	out[len] = 0;
	return len;
}

/* The value of the Call-ID, by which an answer that comes late is told from the one awaited. */
static void call_id_of(const char *text, char *out, size_t size)
{
	const char *p = strstr(text, "\nCall-ID:");
	snprintf(out, size, "%.*s", p ? (int)strcspn(p + 9, "\r") : 0, p ? p + 9 : "");
}

/* Where the first message in text ends, or 0 when it is not complete yet. */
static size_t message_end(const char *text, size_t len, bool tcp)
{
	const char *head = strstr(text, "\r\n\r\n"), *field = strstr(text, "\nContent-Length:");
	size_t body = field && field < head ? strtoul(field + 16, NULL, 10) : 0;
	if (!tcp)
		return len;
	if (!head || (size_t)(head - text) + 4 + body > len)
		return 0;
	return (size_t)(head - text) + 4 + body;
}

/* Waits for a final answer to this Call-ID; leaves it in text. Its code, 0 when none came. */
static int final_answer(int fd, bool tcp, const char *call_id, long deadline, char *text)
{
	size_t have = 0;
	for (long left; (left = deadline - now_ms()) > 0;) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		if (poll(&readable, 1, (int)left) <= 0)
			return 0;
		ssize_t n = recv(fd, text + have, TEXT_MAX - 1 - have, 0);
		if (n <= 0)
			return 0;
		have = (tcp ? have : 0) + (size_t)n;
		text[have] = 0;
		for (size_t end; have && (end = message_end(text, have, tcp));) {
			int code = 0;
			char next = text[end];
			text[end] = 0;
			sscanf(text, "SIP/2.0 %3d", &code);
			if (code >= 200 && strstr(text, call_id))
				return code;
			text[end] = next;
			memmove(text, text + end, have - end + 1);
			have -= end;
		}
		if (!tcp)
			have = 0;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static char request[TEXT_MAX], text[TEXT_MAX], answer[TEXT_MAX];
	char call_id[256];
	bool tcp = false;
	unsigned count = 1, port, run = (unsigned)now_ms() ^ (unsigned)getpid() << 12;
	long wait = 2000;
	for (int c; (c = getopt(argc, argv, "tn:w:")) != -1;)
		if (c == 't')
			tcp = true;
		else if (c == 'n')
			count = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'w')
			wait = strtol(optarg, NULL, 10);
		else
			return 2;
	if (optind + 1 != argc)
		return 2;
	request[fread(request, 1, sizeof request - 1, stdin)] = 0;
	int fd = open_socket(argv[optind], tcp, &port);
	for (unsigned number = 1; number <= count; number++) {
		size_t len = fill(text, request, port, number, run);
		call_id_of(text, call_id, sizeof call_id);
		if (send(fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
			fail("send");
		int code = final_answer(fd, tcp, call_id, now_ms() + wait, answer);
		if (!code)
			return 1;
		if (count == 1)
			fputs(answer, stdout);
		else
			printf("%u %d\n", number, code);
	}
	return 0;
}

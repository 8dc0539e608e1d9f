/* Peers for tests of stream legs, and a protocol for them: "LENGTH:bytes", where LENGTH counts the
 * bytes behind the colon; CRLFs before a message are skipped, two of them are a ping. */
#pragma once

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include "recorder.h"

static inline int64_t cut_stream(struct span bytes, uint32_t *skip, uint32_t *pongs)
{
	uint32_t at = 0, length = 0;
	*pongs = 0;
	while (bytes.n - at >= 4 && memcmp(bytes.p + at, "\r\n\r\n", 4) == 0) {
		at += 4;
		++*pongs;
	}
	if (bytes.n - at >= 3 && memcmp(bytes.p + at, "\r\n", 2) == 0 && bytes.p[at + 2] != '\r')
		at += 2;
	*skip = at;
	if (at < bytes.n && bytes.p[at] == '\r')
		return 0;
	const char *colon = memchr(bytes.p + at, ':', bytes.n - at);
	struct span digits = span_between(bytes.p + at, colon ? colon : span_end(bytes));
	if (digits.n && !span_u32(digits, &length))
		return -1;
	if (!colon || bytes.n - at < digits.n + 1 + (uint64_t)length)
		return 0;
	return (int64_t)digits.n + 1 + length;
}

/* Non-blocking, once connected; `buffer` bounds the receive buffer, 0: the kernel's. */
static inline int connect_with(const struct addr *to, int buffer, struct addr *local)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	if (buffer)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	assert_int_equal(connect(fd, &to->sa, addr_len(to)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (local) {
		socklen_t n = sizeof *local;
		assert_int_equal(getsockname(fd, &local->sa, &n), 0);
	}
	return fd;
}

static inline int connect_to(const struct addr *to)
{
	return connect_with(to, 0, NULL);
}

static inline int listen_on(const char *bind_to, struct addr *bound)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	*bound = parse(bind_to);
	socklen_t n = sizeof *bound;
	assert_int_equal(bind(fd, &bound->sa, addr_len(bound)), 0);
	assert_int_equal(listen(fd, 10), 0);
	assert_int_equal(getsockname(fd, &bound->sa, &n), 0);
	return fd;
}

static inline void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Everything a peer was sent, so far. */
struct heard {
	int fd;
	bool ended;
	size_t n;
	char text[64 * 1024];
};

static inline struct heard *hear(struct heard *heard)
{
	size_t room = sizeof heard->text - 1 - heard->n;
	ssize_t n = recv(heard->fd, heard->text + heard->n, room, 0);
	if (n > 0)
		heard->n += (size_t)n;
	else if (n == 0 ? room > 0 : errno != EAGAIN)
		heard->ended = true;
	heard->text[heard->n] = '\0';
	return heard;
}

#define HEARS(r, heard, expected)                                                                  \
	do {                                                                                       \
		RUN_UNTIL(r, hear(heard)->n >= strlen(expected));                                  \
		assert_string_equal((heard)->text, expected);                                      \
	} while (0)

/* Answers "4:text" with "4:text". */
static inline void echo(struct recorder *r, const struct flow *from, struct span bytes)
{
	assert_int_equal(send_span(r, from, bytes), 0);
}

static inline struct recorder *stream_recorder(struct live_options options)
{
	options.frame = cut_stream;
	return recorder_new(&options);
}

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "net/control.h"
#include "net/loop.h"

enum { READ_SIZE = 4096 }; /* a read buffer at first; it grows to CONTROL_LINE_MAX */

struct client {
	ev_io io;
	ev_timer idle;
	struct control *control;
	uint32_t slot;
	bool peer_ended; /* no more requests will come */
	char *in, *out;
	uint32_t in_n, in_size;
	uint32_t out_at, out_n; /* unsent: [out_at, out_n) */
};

struct control_reply {
	struct client *client;
	bool written, failed;
};

struct control {
	ev_io io;
	struct loop *loop;
	control_fn fn;
	void *arg;
	struct client *clients[CONTROL_CLIENTS_MAX];
	struct sockaddr_un addr;
	struct stat file; /* the one we made */
};

static void client_close(struct client *client)
{
	struct control *control = client->control;
	ev_io_stop(control->loop->ev, &client->io);
	ev_timer_stop(control->loop->ev, &client->idle);
	close(client->io.fd);
	control->clients[client->slot] = NULL;
	free(client->in);
	free(client->out);
	free(client);
}

static void watch_io(struct client *client)
{
	struct ev_loop *ev = client->control->loop->ev;
	int events = client->out_n ? EV_WRITE : EV_READ;
	ev_io_stop(ev, &client->io);
	ev_io_modify(&client->io, events);
	ev_io_start(ev, &client->io);
}

void control_write(struct control_reply *reply, struct span line)
{
	struct client *client = reply->client;
	BUG(reply->written);
	reply->written = true;
	reply->failed = line.n > CONTROL_REPLY_MAX;
	if (reply->failed)
		return;
	client->out = must_alloc((size_t)line.n + 1);
	memcpy(client->out, line.p, line.n);
	client->out[line.n] = '\n';
	client->out_n = line.n + 1;
}

/* Returns false when the client is of no use any more. */
static bool write_out(struct client *client)
{
	if (!client->out_n)
		return true;
	ssize_t n = send(client->io.fd, client->out + client->out_at,
		client->out_n - client->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	client->out_at += (uint32_t)n;
	ev_timer_again(client->control->loop->ev, &client->idle);
	if (client->out_at < client->out_n)
		return true;
	free(client->out);
	client->out = NULL;
	client->out_at = client->out_n = 0;
	return true;
}

/* Returns false when the reply is beyond the limit. */
static bool answer(struct client *client, struct span line)
{
	struct control *control = client->control;
	struct control_reply reply = {.client = client};
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	ev_timer_again(control->loop->ev, &client->idle);
	loop_turn_begin(control->loop);
	control->fn(control->arg, line, &reply);
	if (!reply.written)
		control_write(&reply, SPAN(""));
	return !reply.failed;
}

/* One request after the other, each when the reply before it is with the kernel: a client that does
 * not read costs one reply. */
static bool serve(struct client *client)
{
	uint32_t used = 0;
	bool is_good = write_out(client);
	while (is_good && !client->out_n) {
		struct span rest = span_of(client->in + used, client->in_n - used);
		const char *end = span_find(rest, '\n');
		if (!end)
			break;
		used += (uint32_t)(end - rest.p) + 1;
		is_good = answer(client, span_between(rest.p, end)) && write_out(client);
	}
	client->in_n -= used;
	if (client->in_n && used)
		memmove(client->in, client->in + used, client->in_n);
	return is_good && !(client->peer_ended && !client->out_n);
}

static bool read_in(struct client *client)
{
	if (client->in_n == client->in_size) {
		if (client->in_size == CONTROL_LINE_MAX)
			return false;
		client->in_size = client->in_size ? client->in_size * 2 : READ_SIZE;
		client->in = must_realloc(client->in, client->in_size);
	}
	ssize_t n = recv(client->io.fd, client->in + client->in_n, client->in_size - client->in_n,
		MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	client->in_n += (uint32_t)n;
	client->peer_ended = n == 0;
	return true;
}

static void on_io(struct ev_loop *ev, ev_io *io, int events)
{
	(void)ev;
	struct client *client = OWNER_OF(io, struct client, io);
	if ((!(events & EV_READ) || read_in(client)) && serve(client))
		watch_io(client);
	else
		client_close(client);
}

static void on_idle(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)ev;
	(void)events;
	client_close(OWNER_OF(timer, struct client, idle));
}

static void on_acceptable(struct ev_loop *ev, ev_io *io, int events)
{
	(void)events;
	struct control *control = OWNER_OF(io, struct control, io);
	uint32_t slot = 0;
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	while (slot < CONTROL_CLIENTS_MAX && control->clients[slot])
		slot++;
	if (slot == CONTROL_CLIENTS_MAX) {
		close(fd);
		return;
	}
	struct client *client = must_zalloc(sizeof *client);
	client->control = control;
	client->slot = slot;
	control->clients[slot] = client;
	ev_io_init(&client->io, on_io, fd, EV_READ);
	ev_io_start(ev, &client->io);
	ev_init(&client->idle, on_idle);
	client->idle.repeat = CONTROL_IDLE_S;
	ev_timer_again(ev, &client->idle);
}

/* --- the socket file --- */

static int say(char error[256], const char *what, const char *path, const char *why)
{
	snprintf(error, 256, "%s %s: %s", what, path, why);
	return -1;
}

/* Removes what a process that died left behind. */
static int make_place(const struct sockaddr_un *addr, char error[256])
{
	struct stat st;
	if (lstat(addr->sun_path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return say(error, "will not replace", addr->sun_path, "it is not a socket");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return say(error, "cannot try", addr->sun_path, strerror(errno));
	int failed = connect(fd, (const struct sockaddr *)addr, sizeof *addr) != 0 ? errno : 0;
	close(fd);
	if (failed != ECONNREFUSED)
		return say(error, "cannot listen on", addr->sun_path,
			!failed || failed == EAGAIN ? "another process answers there"
						    : strerror(failed));
	if (unlink(addr->sun_path) != 0)
		return say(error, "cannot remove the stale", addr->sun_path, strerror(errno));
	return 0;
}

static int listen_at(const struct sockaddr_un *addr, char error[256])
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* The file takes its mode from the socket: at no time can others connect. */
	if (fd >= 0 && fchmod(fd, 0600) == 0 &&
		bind(fd, (const struct sockaddr *)addr, sizeof *addr) == 0 &&
		listen(fd, CONTROL_CLIENTS_MAX) == 0)
		return fd;
	say(error, "cannot listen on", addr->sun_path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

struct control *control_open(
	struct live *live, const char *path, control_fn fn, void *arg, char error[256])
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	if (n >= sizeof addr.sun_path) {
		say(error, "cannot listen on", path, "the path is too long");
		return NULL;
	}
	memcpy(addr.sun_path, path, n);
	if (make_place(&addr, error) != 0)
		return NULL;
	int fd = listen_at(&addr, error);
	if (fd < 0)
		return NULL;
	struct control *control = must_zalloc(sizeof *control);
	control->loop = live_loop(live);
	control->fn = fn;
	control->arg = arg;
	control->addr = addr;
	if (lstat(path, &control->file) != 0)
		memset(&control->file, 0, sizeof control->file);
	ev_io_init(&control->io, on_acceptable, fd, EV_READ);
	ev_io_start(control->loop->ev, &control->io);
	return control;
}

void control_close(struct control *control)
{
	struct stat st;
	if (!control)
		return;
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i])
			client_close(control->clients[i]);
	ev_io_stop(control->loop->ev, &control->io);
	close(control->io.fd);
	if (lstat(control->addr.sun_path, &st) == 0 && st.st_dev == control->file.st_dev &&
		st.st_ino == control->file.st_ino)
		unlink(control->addr.sun_path);
	free(control);
}

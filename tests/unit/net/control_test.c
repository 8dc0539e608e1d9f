/* The control socket. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "recorder.h"
#include "net/control.h"

struct served {
	struct recorder *r;
	struct control *control;
	char directory[32], path[64];
	uint32_t requests;
};

static void answer(void *arg, struct span line, struct control_reply *reply)
{
	struct served *served = arg;
	static char text[200000];
	served->requests++;
	if (span_eq(line, SPAN("silence")))
		return;
	if (span_eq(line, SPAN("much"))) {
		memset(text, 'm', sizeof text);
		control_write(reply, span_of(text, sizeof text));
		return;
	}
	int n = snprintf(text, sizeof text, "<%.*s>", (int)line.n, line.p);
	control_write(reply, span_of(text, (size_t)n));
}

static struct served *serve(void)
{
	struct served *served = must_zalloc(sizeof *served);
	char error[256] = "";
	served->r = recorder_new(NULL);
	strcpy(served->directory, "/tmp/control_test_XXXXXX");
	assert_non_null(mkdtemp(served->directory));
	sprintf(served->path, "%s/socket", served->directory);
	served->control = control_open(served->r->live, served->path, answer, served, error);
	assert_string_equal(error, "");
	return served;
}

static void stop(struct served *served)
{
	struct stat st;
	control_close(served->control);
	assert_int_equal(lstat(served->path, &st), -1); /* removed */
	assert_int_equal(rmdir(served->directory), 0);
	recorder_free(served->r);
	free(served);
}

static int call(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	strcpy(addr.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	return fd;
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Adds what came to `text`; false at the end of the stream. */
static bool hear(int fd, char *text, size_t room)
{
	size_t n = strlen(text);
	ssize_t got = recv(fd, text + n, room - n - 1, 0);
	text[n + (size_t)(got > 0 ? got : 0)] = '\0';
	return got > 0 || (got < 0 && errno == EAGAIN);
}

#define HEARS(served, fd, expected)                                                                \
	do {                                                                                       \
		char text_[256] = "";                                                              \
		RUN_UNTIL((served)->r,                                                             \
			!hear(fd, text_, sizeof text_) || strlen(text_) >= strlen(expected));      \
		assert_string_equal(text_, expected);                                              \
	} while (0)

static void answers_each_line_with_a_line(void **state)
{
	(void)state;
	struct served *served = serve();
	int fd = call(served->path), other = call(served->path);
	put(fd, "sta");
	put(other, "legs\r\n");
	HEARS(served, other, "<legs>\n");
	put(fd, "tus\nreload\nhalf");
	HEARS(served, fd, "<status>\n<reload>\n");
	put(fd, "\nsilence\nlast\n");
	shutdown(fd, SHUT_WR);
	HEARS(served, fd, "<half>\n\n<last>\n");
	char rest[8] = "";
	RUN_UNTIL(served->r, !hear(fd, rest, sizeof rest));
	close(fd);
	close(other);
	stop(served);
}

static void only_the_owner_may_call(void **state)
{
	(void)state;
	struct served *served = serve();
	struct stat st;
	assert_int_equal(lstat(served->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	stop(served);
}

static void a_client_that_does_not_read_costs_one_reply(void **state)
{
	(void)state;
	struct served *served = serve();
	int fd = call(served->path);
	for (int i = 0; i < 100; i++)
		put(fd, "much\n");
	run_dry(served->r);
	assert_in_range(served->requests, 1, 10);
	int other = call(served->path);
	put(other, "status\n");
	HEARS(served, other, "<status>\n");
	close(fd);
	close(other);
	stop(served);
}

static void a_line_without_end_is_cut_off(void **state)
{
	(void)state;
	struct served *served = serve();
	int fd = call(served->path);
	static char text[4 * CONTROL_LINE_MAX];
	char rest[8] = "";
	size_t sent = 0;
	memset(text, 'x', sizeof text);
	REPEAT_UNTIL(served->r, !hear(fd, rest, sizeof rest), {
		ssize_t n = send(fd, text, sizeof text - sent, MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
	});
	assert_int_equal(served->requests, 0);
	close(fd);
	stop(served);
}

static void so_many_clients_at_a_time(void **state)
{
	(void)state;
	struct served *served = serve();
	int fd[CONTROL_CLIENTS_MAX + 1];
	char rest[8] = "";
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		fd[i] = call(served->path);
		put(fd[i], "x\n");
		HEARS(served, fd[i], "<x>\n");
	}
	fd[CONTROL_CLIENTS_MAX] = call(served->path);
	RUN_UNTIL(served->r, !hear(fd[CONTROL_CLIENTS_MAX], rest, sizeof rest));
	close(fd[0]);
	close(fd[CONTROL_CLIENTS_MAX]);
	run_dry(served->r);
	fd[0] = call(served->path);
	put(fd[0], "y\n");
	HEARS(served, fd[0], "<y>\n");
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fd[i]);
	stop(served);
}

static void replaces_a_stale_socket_but_nothing_else(void **state)
{
	(void)state;
	struct served *served = serve();
	char error[256], expected[512], path[80];
	assert_null(control_open(served->r->live, served->path, answer, served, error));
	sprintf(expected, "cannot listen on %s: another process answers there", served->path);
	assert_string_equal(error, expected);

	sprintf(path, "%s/stale", served->directory);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	strcpy(addr.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	close(fd); /* as a process that was killed leaves it */
	struct control *control = control_open(served->r->live, path, answer, served, error);
	assert_non_null(control);
	fd = call(path);
	put(fd, "here\n");
	HEARS(served, fd, "<here>\n");
	close(fd);
	control_close(control);

	sprintf(path, "%s/file", served->directory);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_null(control_open(served->r->live, path, answer, served, error));
	sprintf(expected, "will not replace %s: it is not a socket", path);
	assert_string_equal(error, expected);
	assert_int_equal(unlink(path), 0);
	stop(served);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_each_line_with_a_line),
		cmocka_unit_test(only_the_owner_may_call),
		cmocka_unit_test(a_client_that_does_not_read_costs_one_reply),
		cmocka_unit_test(a_line_without_end_is_cut_off),
		cmocka_unit_test(so_many_clients_at_a_time),
		cmocka_unit_test(replaces_a_stale_socket_but_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

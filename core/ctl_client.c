/* `viaduct ctl`: one request to a running engine, its answer as aligned text or as JSON. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "run.h"

enum { ANSWER_MAX = 64 * 1024 * 1024, PATIENCE_S = 30 };

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {PATIENCE_S, 0};
	size_t n = strlen(path);
	if (n >= sizeof address.sun_path) {
		fprintf(stderr, "viaduct: %s: the path is too long for a socket\n", path);
		return -1;
	}
	memcpy(address.sun_path, path, n + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	fprintf(stderr, "viaduct: no engine answers on %s (%s): name its socket with -s\n", path,
		strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Reads up to the line end; NULL on failure. */
static char *read_line(int fd)
{
	size_t used = 0, room = 65536;
	char *line = malloc(room);
	while (line && used < ANSWER_MAX) {
		ssize_t n = recv(fd, line + used, room - used - 1, 0);
		if (n <= 0)
			break;
		used += (size_t)n;
		line[used] = '\0';
		if (memchr(line + used - (size_t)n, '\n', (size_t)n))
			return line;
		if (used + 1 == room)
			line = realloc(line, room *= 2);
	}
	free(line);
	return NULL;
}

static json_t *ask(int fd, const struct cli *cli)
{
	json_t *request = json_pack("{s:s}", "command", cli->words[0]);
	if (cli->n_words > 1)
		json_object_set_new(request, "argument", json_string(cli->words[1]));
	char *text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	bool sent = text && send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text) &&
		    send(fd, "\n", 1, MSG_NOSIGNAL) == 1;
	free(text);
	char *line = sent ? read_line(fd) : NULL;
	json_t *answer = line ? json_loads(line, 0, NULL) : NULL;
	free(line);
	return answer;
}

/* ---- text for people ---- */

static void print_value(const json_t *value)
{
	if (json_is_null(value) || (json_is_string(value) && !json_string_length(value)))
		printf("-");
	else if (json_is_string(value))
		printf("%s", json_string_value(value));
	else
		json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(3));
}

static void print_row(const json_t *object)
{
	const char *key;
	json_t *value;
	bool first = true;
	json_object_foreach((json_t *)object, key, value)
	{
		printf("%s%s=", first ? "  " : "  ", key);
		print_value(value);
		first = false;
	}
	printf("\n");
}

/* A counter that never counted. */
static bool is_left_out(const json_t *value, int indent)
{
	return indent && json_is_integer(value) && !json_integer_value(value);
}

/* Where values begin: behind the longest name that is shown. */
static int column_of(const json_t *object, int indent)
{
	enum { LEAST = 22 };
	const char *key;
	json_t *value;
	int column = LEAST;
	json_object_foreach((json_t *)object, key, value)
	{
		int end = indent + (int)strlen(key);
		if (!json_is_object(value) && !json_is_array(value) &&
			!is_left_out(value, indent) && end > column)
			column = end;
	}
	return column;
}

static void print_object(const json_t *object, int indent)
{
	int column = column_of(object, indent);
	const char *key;
	json_t *value;
	size_t index;
	json_t *row;
	json_object_foreach((json_t *)object, key, value)
	{
		if (is_left_out(value, indent))
			continue;
		if (strcmp(key, "more") == 0) { /* rows than a table shows */
			if (json_integer_value(value))
				printf("... and %lld more\n", (long long)json_integer_value(value));
			continue;
		}
		if (json_is_object(value)) {
			printf("%*s%s\n", indent, "", key);
			print_object(value, indent + 2);
		} else if (json_is_array(value)) {
			printf("%*s%s\n", indent, "", key);
			json_array_foreach(value, index, row) print_row(row);
		} else {
			printf("%*s%-*s ", indent, "", column - indent, key);
			print_value(value);
			printf("\n");
		}
	}
}

static void print_result(const json_t *result)
{
	size_t index;
	json_t *row;
	if (json_is_array(result)) {
		json_array_foreach((json_t *)result, index, row) print_row(row);
		if (!json_array_size(result))
			printf("none\n");
	} else if (json_object_size(result)) {
		print_object(result, 0);
	} else {
		printf("ok\n");
	}
}

static void print_failure(const json_t *answer)
{
	const json_t *failure = json_object_get(answer, "failure");
	int line = (int)json_integer_value(json_object_get(failure, "line"));
	if (failure)
		fprintf(stderr, "%s:", json_string_value(json_object_get(failure, "file")));
	if (line)
		fprintf(stderr, "%d:", line);
	if (failure)
		fprintf(stderr, " %s\n", json_string_value(json_object_get(failure, "message")));
	fprintf(stderr, "viaduct: %s\n", json_string_value(json_object_get(answer, "error")));
}

int ctl_command(const struct cli *cli)
{
	char path[PATHS_MAX];
	if (cli->socket)
		snprintf(path, sizeof path, "%s", cli->socket);
	else
		paths_default_socket(path);
	int fd = connect_to(path);
	if (fd < 0)
		return 1;
	json_t *answer = ask(fd, cli);
	close(fd);
	if (!answer) {
		fprintf(stderr, "viaduct: the engine on %s gave no answer\n", path);
		return 1;
	}
	bool ok = json_is_true(json_object_get(answer, "ok"));
	const json_t *result = json_object_get(answer, "result");
	if (cli->json)
		json_dumpf(ok ? result : answer, stdout, JSON_INDENT(2));
	else if (ok)
		print_result(result);
	else
		print_failure(answer);
	if (cli->json)
		printf("\n");
	json_decref(answer);
	return ok ? 0 : 1;
}

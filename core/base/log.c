/* Lines are made in a buffer of fixed size on the stack. A value that is too long is cut and ends
 * in "..."; a line that is full drops its remaining fields and says so. Lines reach the sink
 * without a newline. */
#include "base/log.h"

#include <stdio.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE_MAX_N = 4096,
	VALUE_MAX_N = 768, /* bytes of a value before escaping */
	NUMBER_MAX_N = 24,
	TAIL_MAX_N = 4, /* " ..." of a line whose fields did not all fit */
};

struct line {
	char *at, *end;
};

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

enum { LEVEL_N = sizeof level_names / sizeof *level_names };

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

bool log_level_of(struct span name, enum log_level *level)
{
	for (int i = 0; i < LEVEL_N; i++)
		if (span_ieq(name, span_str(level_names[i]))) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

/* The engine reads no wall clock for its log: only this sink does. */
static void stderr_sink(void *self, enum log_level level, const char *line, size_t n)
{
	(void)self, (void)level;
	struct timespec now;
	struct tm local;
	char stamp[40], date[24];
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &local);
	int stamp_n = snprintf(stamp, sizeof stamp, "%s.%03d ", date, (int)(now.tv_nsec / 1000000));
	struct iovec pieces[] = {{stamp, (size_t)stamp_n}, {(char *)(uintptr_t)line, n}, {"\n", 1}};
	/* One system call, so that lines of several processes do not mix. A log that cannot be
	 * written has nobody to tell. */
	ssize_t written = writev(STDERR_FILENO, pieces, 3);
	(void)written;
}

void log_init(struct log *log, enum log_level level)
{
	*log = (struct log){.level = level, .sink = stderr_sink};
}

static bool is_plain(struct span s)
{
	for (uint32_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return s.n > 0;
}

static void add(struct line *line, struct span s)
{
	if ((size_t)(line->end - line->at) < s.n)
		return;
	memcpy(line->at, s.p, s.n);
	line->at += s.n;
}

static void add_escaped(struct line *line, unsigned char c)
{
	char text[8];
	switch (c) {
	case '\n':
		add(line, SPAN("\\n"));
		break;
	case '\r':
		add(line, SPAN("\\r"));
		break;
	case '\t':
		add(line, SPAN("\\t"));
		break;
	case '"':
		add(line, SPAN("\\\""));
		break;
	case '\\':
		add(line, SPAN("\\\\"));
		break;
	default:
		if (c >= ' ' && c < 0x7f)
			add(line, span_of((const char *)&c, 1));
		else
			add(line, span_of(text, (size_t)snprintf(text, sizeof text, "\\x%02x", c)));
	}
}

static void add_value(struct line *line, struct span value)
{
	bool cut = value.n > VALUE_MAX_N;
	if (cut)
		value.n = VALUE_MAX_N;
	if (!cut && is_plain(value)) {
		add(line, value);
		return;
	}
	add(line, SPAN("\""));
	for (uint32_t i = 0; i < value.n; i++)
		add_escaped(line, (unsigned char)value.p[i]);
	add(line, cut ? SPAN("...\"") : SPAN("\""));
}

/* False, and nothing written, when `field` at its longest might not fit. */
static bool add_field(struct line *line, const struct log_field *field)
{
	struct span key = span_str(field->key), text = field->text;
	size_t shown = text.n < VALUE_MAX_N ? text.n : VALUE_MAX_N;
	size_t longest = key.n + 2 + (text.p ? 4 * shown + 5 : NUMBER_MAX_N);
	if ((size_t)(line->end - line->at) < longest)
		return false;
	add(line, SPAN(" "));
	add(line, key);
	add(line, SPAN("="));
	if (text.p) {
		add_value(line, text);
		return true;
	}
	char number[NUMBER_MAX_N];
	int n = snprintf(number, sizeof number, "%lld", (long long)field->number);
	add(line, span_of(number, (size_t)n));
	return true;
}

void log_write(
	struct log *log, enum log_level level, const char *event, const struct log_field *fields)
{
	char buffer[LINE_MAX_N];
	struct line line = {buffer, buffer + sizeof buffer - TAIL_MAX_N};
	add(&line, span_str(log_level_name(level)));
	add(&line, SPAN(" "));
	add(&line, span_str(event));
	for (const struct log_field *field = fields; field->key; field++)
		if (!add_field(&line, field)) {
			line.end = buffer + sizeof buffer;
			add(&line, SPAN(" ..."));
			break;
		}
	log->sink(log->self, level, buffer, (size_t)(line.at - buffer));
}

/* One line per event: `level event key=value ...`. The event text is fixed, values vary.
 *
 * Values are quoted when they hold anything but plain characters; control bytes are escaped, so no
 * peer can forge a line. Where lines go is the owner's choice: a file descriptor or a function. */
#pragma once

#include <stdarg.h>
#include <stdint.h>

#include "base/span.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log {
	enum log_level level; /* lines above it are not made */
	void (*sink)(void *self, enum log_level level, const char *line, size_t n);
	void *self;
};

/* A log that writes to stderr. */
void log_init(struct log *log, enum log_level level);
const char *log_level_name(enum log_level level);
/* False when `name` is no level. */
bool log_level_of(struct span name, enum log_level *level);

struct log_field {
	const char *key; /* NULL ends a list */
	struct span text;
	int64_t number; /* used when text.p is NULL */
};

static inline struct log_field log_text(const char *key, struct span text)
{
	return (struct log_field){.key = key, .text = text.p ? text : SPAN("")};
}

#define LOG_TEXT(k, s) log_text((k), (s))
#define LOG_STR(k, s) log_text((k), span_str(s))
#define LOG_NUM(k, v) ((struct log_field){.key = (k), .number = (int64_t)(v)})

void log_write(
	struct log *log, enum log_level level, const char *event, const struct log_field *fields);

#define log_event(log, lvl, event, ...)                                                            \
	do {                                                                                       \
		if ((lvl) <= (log)->level)                                                         \
			log_write((log), (lvl), (event),                                           \
				(const struct log_field[]){                                        \
					__VA_ARGS__ __VA_OPT__(, ){.key = NULL}});                 \
	} while (0)

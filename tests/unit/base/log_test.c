#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

struct kept {
	struct log log;
	enum log_level level;
	char line[8192];
	int lines;
};

static void keep(void *self, enum log_level level, const char *line, size_t n)
{
	struct kept *kept = self;
	assert_true(n < sizeof kept->line);
	memcpy(kept->line, line, n);
	kept->line[n] = '\0';
	kept->level = level;
	kept->lines++;
}

static int set_up(void **state)
{
	struct kept *kept = calloc(1, sizeof *kept);
	kept->log = (struct log){.level = LOG_INFO, .sink = keep, .self = kept};
	*state = kept;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void a_line_is_level_event_and_fields(void **state)
{
	struct kept *kept = *state;
	log_event(&kept->log, LOG_INFO, "leg.open", LOG_STR("leg", "udp:127.0.0.1:5060"),
		LOG_NUM("fd", -7));
	assert_string_equal(kept->line, "info leg.open leg=udp:127.0.0.1:5060 fd=-7");
	assert_int_equal(kept->level, LOG_INFO);
	log_event(&kept->log, LOG_ERROR, "stop");
	assert_string_equal(kept->line, "error stop");
}

static void lines_above_the_level_are_not_made(void **state)
{
	struct kept *kept = *state;
	log_event(&kept->log, LOG_DEBUG, "noise");
	assert_int_equal(kept->lines, 0);
	kept->log.level = LOG_DEBUG;
	log_event(&kept->log, LOG_DEBUG, "noise");
	assert_int_equal(kept->lines, 1);
}

static void values_are_quoted_and_escaped_when_they_are_not_plain(void **state)
{
	struct kept *kept = *state;
	static const struct {
		struct span value;
		const char *shown;
	} cases[] = {
		{{"a84b4c76e66710@pc33", 19}, "a84b4c76e66710@pc33"},
		{{"<sip:bob@[::1]:5060;lr>", 23}, "<sip:bob@[::1]:5060;lr>"},
		{{"", 0}, "\"\""},
		{{"two words", 9}, "\"two words\""},
		{{"a=b", 3}, "\"a=b\""},
		{{"say \"x\" \\", 9}, "\"say \\\"x\\\" \\\\\""},
		/* What would be a line of its own, a colour, and the end of a C string. */
		{{"x\r\nerror forged", 15}, "\"x\\r\\nerror forged\""},
		{{"\x1b[31m\t", 6}, "\"\\x1b[31m\\t\""},
		{{"a\0b", 3}, "\"a\\x00b\""},
		{{"\xc3\xa9\x7f\x9b", 4}, "\"\\xc3\\xa9\\x7f\\x9b\""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char expected[128];
		snprintf(expected, sizeof expected, "warn e v=%s", cases[i].shown);
		log_event(&kept->log, LOG_WARN, "e", LOG_TEXT("v", cases[i].value));
		assert_string_equal(kept->line, expected);
	}
}

static void a_long_value_is_cut_and_says_so(void **state)
{
	struct kept *kept = *state;
	static char text[5000];
	memset(text, 'x', sizeof text);
	log_event(&kept->log, LOG_INFO, "e", LOG_TEXT("v", span_of(text, sizeof text)),
		LOG_NUM("after", 1));
	assert_non_null(strstr(kept->line, "xxx...\" after=1"));
	assert_true(strlen(kept->line) < 1000);
}

static void a_full_line_drops_fields_and_says_so(void **state)
{
	struct kept *kept = *state;
	static char text[700];
	memset(text, '\n', sizeof text);
	struct span s = span_of(text, sizeof text);
	log_event(&kept->log, LOG_INFO, "e", LOG_TEXT("a", s), LOG_TEXT("b", s), LOG_TEXT("c", s),
		LOG_TEXT("d", s), LOG_TEXT("e", s), LOG_TEXT("f", s));
	size_t n = strlen(kept->line);
	assert_true(n < 4096);
	assert_string_equal(kept->line + n - 4, " ...");
	assert_null(strstr(kept->line, " f="));
}

static void levels_have_names(void **state)
{
	(void)state;
	enum log_level level;
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		assert_true(log_level_of(span_str(log_level_name((enum log_level)i)), &level));
		assert_int_equal(level, i);
	}
	assert_true(log_level_of(SPAN("WARN"), &level));
	assert_int_equal(level, LOG_WARN);
	assert_false(log_level_of(SPAN("loud"), &level));
	assert_false(log_level_of(SPAN(""), &level));
}

static void the_usual_sink_writes_one_line_with_the_time(void **state)
{
	(void)state;
	int ends[2], saved = dup(STDERR_FILENO);
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	struct log log;
	log_init(&log, LOG_INFO);
	log_event(&log, LOG_INFO, "hello", LOG_NUM("n", 1));
	dup2(saved, STDERR_FILENO);
	char line[128];
	ssize_t n = read(ends[0], line, sizeof line - 1);
	close(ends[0]);
	close(ends[1]);
	close(saved);
	assert_true(n > 0);
	line[n] = '\0';
	assert_string_equal(line + strlen("2026-11-21T10:00:00.123"), " info hello n=1\n");
	assert_int_equal(line[10], 'T');
	assert_int_equal(line[19], '.');
}

#define WITH_LOG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOG(a_line_is_level_event_and_fields),
		WITH_LOG(lines_above_the_level_are_not_made),
		WITH_LOG(values_are_quoted_and_escaped_when_they_are_not_plain),
		WITH_LOG(a_long_value_is_cut_and_says_so),
		WITH_LOG(a_full_line_drops_fields_and_says_so),
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test(the_usual_sink_writes_one_line_with_the_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

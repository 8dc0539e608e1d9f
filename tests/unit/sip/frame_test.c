#include "sip/frame.h"

#include "sample.h"

#define LINE "INVITE sip:a@b SIP/2.0\r\n"
#define ONE LINE "Content-Length: 3\r\n\r\nabc"

enum { MORE = 0, BROKEN = -1, WHOLE = -2 /* as long as the input without `skip` */ };

static void finds_the_end_of_a_message(void **state)
{
	(void)state;
	static const struct {
		struct span bytes;
		int64_t result;
		uint32_t skip, pongs;
		const char *why;
	} cases[] = {
		{SPAN(ONE), WHOLE, 0, 0, "plain"},
		{SPAN(ONE ONE), sizeof ONE - 1, 0, 0, "two in a row"},
		{SPAN("SIP/2.0 200 OK\nl:0\n\n"), WHOLE, 0, 0, "bare LF, compact"},
		{SPAN("\r\n" ONE), WHOLE, 2, 0, "a single CRLF is no ping"},
		{SPAN("\r\n\r\n" ONE), WHOLE, 4, 1, "RFC 5626 4.4.1"},
		{SPAN("\r\n\r\n\r\n" ONE), WHOLE, 6, 1, "a ping and a CRLF"},
		{SPAN("\r\n\r\n\r\n\r\n"), MORE, 8, 2, "two pings"},
		{SPAN("\r\n\r\n\r\n"), MORE, 4, 1, "the half of a ping waits"},
		{SPAN("\r\n\r"), MORE, 0, 0, "three quarters too"},
		{SPAN("\r\n"), MORE, 0, 0, "a half"},
		{SPAN("\r"), MORE, 0, 0, "a quarter"},
		{SPAN("\r\nI"), MORE, 2, 0, "not a ping after all"},
		{SPAN("\n\n" ONE), WHOLE, 2, 0, "bare LFs"},
		{SPAN("\r\n\n\r\n" ONE), WHOLE, 5, 0, "no two CRLFs in a row"},
		{SPAN("\rX"), BROKEN, 0, 0, "CR alone"},
		{SPAN(""), MORE, 0, 0, "nothing"},
		{SPAN("INVITE"), MORE, 0, 0, "a beginning"},
		{SPAN(LINE "Content-Length: 3\r\n\r"), MORE, 0, 0, "one byte short of the body"},
		{SPAN(LINE "Content-Length: 3\r\n\r\nab"), MORE, 0, 0, "one byte short"},
		{SPAN(LINE "CONTENT-length \t:\r\n 3\r\n\r\nabc"), WHOLE, 0, 0,
			"case, blanks, fold"},
		{SPAN(LINE "L : 3\r\nContent-Length: 03\r\n\r\nabc"), WHOLE, 0, 0,
			"twice the same"},
		{SPAN(LINE "X: a\r\n l: 9\r\nl: 3\r\n\r\nabc"), WHOLE, 0, 0, "a fold is no header"},
		{SPAN(LINE "X: y\r\n\r\n"), BROKEN, 0, 0, "absent: RFC 3261 18.3"},
		{SPAN(LINE "l: 3\r\nl: 4\r\n\r\nabcd"), BROKEN, 0, 0, "two that differ"},
		{SPAN(LINE "l: -1\r\n\r\n"), BROKEN, 0, 0, "negative"},
		{SPAN(LINE "l: +3\r\n\r\nabc"), BROKEN, 0, 0, "sign"},
		{SPAN(LINE "l: 0x3\r\n\r\nabc"), BROKEN, 0, 0, "hexadecimal"},
		{SPAN(LINE "l: 3, 3\r\n\r\nabc"), BROKEN, 0, 0, "list"},
		{SPAN(LINE "l:\r\n\r\n"), BROKEN, 0, 0, "empty"},
		{SPAN(LINE "l: 18446744073709551619\r\n\r\nabc"), BROKEN, 0, 0, "2^64 + 3"},
		{SPAN(LINE "l: 2147483648\r\n\r\nabc"), BROKEN, 0, 0, "2 GiB: not waited for"},
		{SPAN("GET / HTTP/1.1\r\n"), BROKEN, 0, 0, "HTTP, known by its first line"},
		{SPAN("\x16\x03\x01"), BROKEN, 0, 0, "TLS, known by its first byte"},
		{SPAN("OPTIONS sip:a SIP/3.0\r\nl: 0\r\n\r\n"), WHOLE, 0, 0,
			"that is for msg_parse to refuse"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		uint32_t skip = 99, pongs = 99;
		struct span bytes = guarded(cases[i].bytes);
		int64_t want = cases[i].result == WHOLE ? (int64_t)bytes.n - cases[i].skip
							: cases[i].result;
		expect_number(frame_next(bytes, &skip, &pongs), want, cases[i].why);
		expect_number(skip, cases[i].skip, cases[i].why);
		expect_number(pongs, cases[i].pongs, cases[i].why);
	}
}

static void waits_no_longer_than_its_limits(void **state)
{
	(void)state;
	uint32_t n = MSG_HEADER_SECTION_MAX, skip, pongs;
	char *text = must_alloc(n);
	memset(text, 'x', n);
	assert_int_equal(frame_next(span_of(text, n - 1), &skip, &pongs), 0);
	assert_int_equal(frame_next(span_of(text, n), &skip, &pongs), -1);
	int head = snprintf(text, n, LINE "Content-Length: %d\r\n\r\n", MSG_SIZE_MAX);
	assert_int_equal(frame_next(span_of(text, (size_t)head), &skip, &pongs), -1);
	head = snprintf(text, n, LINE "Content-Length: %d\r\n\r\n", MSG_SIZE_MAX - head);
	assert_int_equal(frame_next(span_of(text, (size_t)head), &skip, &pongs), 0);
	free(text);
}

/* The messages and pings of a stream that arrives in pieces of `step` bytes, as one text. */
static struct span cut(struct span stream, uint32_t step)
{
	char *out = must_alloc(2 * stream.n + 16);
	uint32_t n = 0, begin = 0, end = 0;
	while (begin < stream.n) {
		uint32_t skip, pongs;
		int64_t length =
			frame_next(guarded(span_of(stream.p + begin, end - begin)), &skip, &pongs);
		begin += skip;
		while (pongs--)
			out[n++] = '!';
		if (length < 0) {
			out[n++] = 'X';
			break;
		}
		if (length > 0) {
			memcpy(out + n, stream.p + begin, (size_t)length);
			n += (uint32_t)length;
			out[n++] = '|';
			begin += (uint32_t)length;
		} else if (end == stream.n) {
			break;
		} else {
			end = end + step < stream.n ? end + step : stream.n;
		}
	}
	return span_of(out, n);
}

static void a_stream_reads_the_same_however_it_is_cut(void **state)
{
	(void)state;
	static const struct span streams[] = {
		SPAN(ONE ONE "\r\n\r\n" ONE "\r\n" ONE "\r\n\r\n\r\n\r\n\r\n\r\n" ONE),
		SPAN("\r\n\r\n\n\r\n\r\nSIP/2.0 200 OK\nl:0\n\n\r\n\n" ONE "\r\n\r\n"),
		SPAN(ONE "\r\n\r\n\rGARBAGE"),
		SPAN(ONE LINE "X: y\r\n\r\n" ONE),
		SPAN(LINE "Subject: hidden\r\nl: 52\r\n\r\n" ONE "...." ONE),
	};
	for (size_t i = 0; i < N_OF(streams); i++) {
		struct span whole = cut(streams[i], streams[i].n);
		for (uint32_t step = 1; step < streams[i].n; step++) {
			struct span pieces = cut(streams[i], step);
			if (!span_eq(whole, pieces))
				print_error("stream %zu in steps of %u\n", i, step);
			assert_true(span_eq(whole, pieces));
			free((char *)pieces.p);
		}
		free((char *)whole.p);
	}
}

static void a_request_in_a_body_stays_there(void **state)
{
	(void)state;
	char stream[512];
	int n = snprintf(stream, sizeof stream, LINE "l: %zu\r\n\r\n" ONE, sizeof ONE - 1);
	struct span out = cut(span_of(stream, (size_t)n), 1);
	assert_int_equal(out.n, n + 1);
	free((char *)out.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_end_of_a_message),
		cmocka_unit_test(waits_no_longer_than_its_limits),
		cmocka_unit_test(a_stream_reads_the_same_however_it_is_cut),
		cmocka_unit_test(a_request_in_a_body_stays_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

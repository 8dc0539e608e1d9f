/* What the tests of core/sip share: parsing from guarded memory, messages built from parts, files.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../guard.h"
#include "base/check.h"
#include "sip/msg.h"
#include "sip/write.h"

#define N_OF(array) (sizeof(array) / sizeof *(array))

/* An INVITE as phones send it; `SAMPLE_HEAD` lacks only the blank line. */
#define SAMPLE_HEAD                                                                                \
	"INVITE sip:bob@example.com SIP/2.0\r\n"                                                   \
	"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKtop;rport\r\n"                              \
	"Max-Forwards: 70\r\n"                                                                     \
	"From: \"Alice\" <sip:alice@example.com>;tag=a1\r\n"                                       \
	"To: <sip:bob@example.com>\r\n"                                                            \
	"Call-ID: c1@192.0.2.1\r\n"                                                                \
	"CSeq: 7 INVITE\r\n"                                                                       \
	"Contact: <sip:alice@192.0.2.1:5060>\r\n"
#define SAMPLE SAMPLE_HEAD "Content-Length: 4\r\n\r\nbody"

struct sample {
	struct span text; /* guarded: valid while few samples are made */
	struct msg msg;
	struct msg_error error;
	int result; /* of msg_parse, then msg_check */
};

static inline struct sample *sample_parse(struct span text)
{
	struct sample *s = must_alloc(sizeof *s);
	s->text = guarded(text);
	msg_init(&s->msg);
	s->result = msg_parse(&s->msg, s->text, &s->error);
	return s;
}

static inline struct sample *sample_check(struct span text)
{
	struct sample *s = sample_parse(text);
	if (s->result == 0)
		s->result = msg_check(&s->msg, &s->error);
	return s;
}

/* A message that must be in order. */
static inline struct sample *sample_good(struct span text)
{
	struct sample *s = sample_check(text);
	if (s->result != 0)
		print_error("%s in:\n%.*s\n", s->error.reason, (int)text.n, text.p);
	assert_int_equal(s->result, 0);
	return s;
}

static inline void sample_free(struct sample *s)
{
	msg_fini(&s->msg);
	free(s);
}

static inline void assert_span(struct span got, const char *want)
{
	expect_text(got, want, "text");
}

/* The message as it would go out, in memory of its own. */
static inline struct span sample_write(struct msg *msg, bool reliable)
{
	struct iovec iov[64];
	uint32_t n = write_msg(msg, iov, N_OF(iov), reliable);
	char *text = must_alloc(write_length(iov, n) + 1), *at = text;
	for (uint32_t i = 0; i < n; i++) {
		memcpy(at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	return span_between(text, at);
}

static inline void assert_written(struct msg *msg, const char *want)
{
	struct span text = sample_write(msg, false);
	assert_span(text, want);
	free((char *)text.p);
}

/* The whole file in memory of its own; p NULL when it cannot be read. */
static inline struct span file_read(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return span_of(NULL, 0);
	fseek(file, 0, SEEK_END);
	long n = ftell(file);
	rewind(file);
	char *text = must_alloc((size_t)n + 1);
	BUG(fread(text, 1, (size_t)n, file) != (size_t)n);
	fclose(file);
	return span_of(text, (size_t)n);
}

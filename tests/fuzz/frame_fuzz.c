/* A stream cut in one piece and byte by byte gives the same messages and pings, and what the framer
 * calls a message is one for the parser too, to the last byte. */
#include <stdlib.h>

#include "base/check.h"
#include "sip/frame.h"
#include "sip/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where each message and ping ends, as a hash. */
static uint64_t cut(struct span stream, uint32_t step)
{
	uint64_t seen = 0;
	uint32_t begin = 0, end = 0;
	for (;;) {
		uint32_t skip, pongs;
		int64_t length = frame_next(span_of(stream.p + begin, end - begin), &skip, &pongs);
		BUG(skip > end - begin || length > end - begin - skip || 4 * pongs > skip);
		begin += skip;
		while (pongs--)
			seen = seen * 31 + 1;
		if (length < 0)
			return seen * 31 + 1000003u + begin;
		if (length > 0) {
			seen = seen * 31 + begin * 65537u + (uint64_t)length;
			begin += (uint32_t)length;
		} else if (end == stream.n) {
			return seen;
		} else {
			end = stream.n - end > step ? end + step : stream.n;
		}
	}
}

/* Lines of the head that end without CR: each gets one when the message is parsed. */
static uint32_t bare_lfs(struct span head)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < head.n; i++)
		n += head.p[i] == '\n' && (i == 0 || head.p[i - 1] != '\r');
	return n;
}

static void parse_frames(struct span stream)
{
	struct msg *msg = must_alloc(sizeof *msg);
	struct msg_error error;
	uint32_t skip, pongs;
	int64_t length;
	while ((length = frame_next(stream, &skip, &pongs)) > 0) {
		stream = span_from(stream, skip);
		msg_init(msg);
		int result = msg_parse(msg, span_of(stream.p, (size_t)length), &error);
		BUG(result == 0 && msg->raw.n != length + bare_lfs(span_of(stream.p,
								  (size_t)length - msg->body.n)));
		msg_fini(msg);
		stream = span_from(stream, (size_t)length);
	}
	free(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span stream = span_of((const char *)data, size);
	BUG(cut(stream, stream.n) != cut(stream, 1));
	parse_frames(stream);
	return 0;
}

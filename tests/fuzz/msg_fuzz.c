/* Parse, write, parse again: both must agree. Then edits that the input itself chooses: whatever is
 * read afterwards must be read the same from the bytes written. Whoever is refused must get an
 * answer that parses. */
#include <stdlib.h>

#include "base/check.h"
#include "sip/edit.h"
#include "sip/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span written(struct msg *msg, uint32_t max)
{
	struct iovec iov[64];
	uint32_t n = write_msg(msg, iov, max, false);
	BUG(n == 0 || n > max);
	size_t length = write_length(iov, n), at = 0;
	char *text = must_alloc(length + 1);
	for (uint32_t i = 0; i < n; i++) {
		memcpy(text + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	return span_of(text, length);
}

static void same(struct span a, struct span b)
{
	BUG(!span_eq(a, b));
}

static void same_addresses(const struct nameaddr *a, const struct nameaddr *b)
{
	BUG(!a != !b);
	if (!a)
		return;
	same(a->text, b->text);
	same(a->uri.text, b->uri.text);
	same(nameaddr_tag(a), nameaddr_tag(b));
}

static void same_views(struct msg *a, struct msg *b)
{
	const struct uri *a_uri = msg_ruri(a), *b_uri = msg_ruri(b);
	const struct via *a_via = msg_top_via(a), *b_via = msg_top_via(b);
	const struct cseq *a_cseq = msg_cseq(a), *b_cseq = msg_cseq(b);
	BUG(!a_uri != !b_uri || !a_via != !b_via || !a_cseq != !b_cseq);
	if (a_uri)
		same(a_uri->text, b_uri->text);
	if (a_via) {
		same(a_via->text, b_via->text);
		same(a_via->branch, b_via->branch);
		same(a_via->received, b_via->received);
		BUG(a_via->has_rport != b_via->has_rport || a_via->port != b_via->port);
	}
	if (a_cseq)
		BUG(a_cseq->number != b_cseq->number || a_cseq->method_id != b_cseq->method_id);
	same_addresses(msg_from(a), msg_from(b));
	same_addresses(msg_to(a), msg_to(b));
	BUG(msg_max_forwards(a) != msg_max_forwards(b));
}

static void same_messages(struct msg *a, struct msg *b)
{
	struct msg_error a_error = {0, NULL}, b_error = {0, NULL};
	BUG(a->is_request != b->is_request || a->code != b->code || a->n_headers != b->n_headers);
	same(a->method, b->method);
	same(a->uri, b->uri);
	same(a->reason, b->reason);
	same(a->body, b->body);
	BUG(a->head_n != b->head_n);
	for (int i = 0; i < a->n_headers; i++) {
		BUG(a->id[i] != b->id[i]);
		same(hdr_name_text(&a->headers[i]), hdr_name_text(&b->headers[i]));
		same(msg_unfolded(a, i), msg_unfolded(b, i));
	}
	BUG(msg_check(a, &a_error) != msg_check(b, &b_error));
	BUG(a_error.code != b_error.code);
	same(span_str(a_error.reason), span_str(b_error.reason));
	BUG(a->method_id != b->method_id && !a_error.reason);
	same_views(a, b);
}

/* What is written parses, and says the same. */
static void read_back(struct msg *msg, uint32_t max)
{
	struct msg *again = must_alloc(sizeof *again);
	struct msg_error error;
	struct span text = written(msg, max);
	BUG(text.n != msg->head_n + msg->body.n);
	msg_init(again);
	BUG(msg_parse(again, text, &error) != 0);
	same_messages(msg, again);
	msg_fini(again);
	free(again);
	free((char *)text.p);
}

/* Choices that depend on every byte of the input. */
struct dice {
	uint64_t state;
	struct span input;
};

static uint32_t roll(struct dice *dice, uint32_t sides)
{
	dice->state = dice->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(dice->state >> 33) % sides;
}

static struct span pick_value(struct dice *dice)
{
	static const struct span values[] = {SPAN(""), SPAN("a"),
		SPAN("SIP/2.0/TCP [::1]:1;rport;branch=z9hG4bKx"),
		SPAN("\"\\\x07\" <sip:a,b@c;x>;tag=1, <sip:d>"), SPAN("0"), SPAN("7 INVITE"),
		SPAN("a\r\nb"), SPAN("\"\\"), SPAN("x,,\"y,"), SPAN(" \t z \t")};
	uint32_t n = sizeof values / sizeof *values, which = roll(dice, n + 4);
	if (which < n)
		return values[which];
	uint32_t at = roll(dice, dice->input.n + 1);
	struct span rest = span_from(dice->input, at);
	return span_of(rest.p, roll(dice, (rest.n < 60 ? rest.n : 60) + 1));
}

static struct span pick_name(struct dice *dice, const struct msg *msg)
{
	uint32_t which = roll(dice, 3);
	if (which == 0 && msg->n_headers)
		return hdr_name_text(&msg->headers[roll(dice, msg->n_headers)]);
	return which == 1 ? hdr_name((enum hdr_id)roll(dice, HDR_COUNT)) : pick_value(dice);
}

static void edit(struct msg *msg, struct dice *dice)
{
	struct span name = pick_name(dice, msg), value = pick_value(dice);
	enum hdr_id id = (enum hdr_id)roll(dice, HDR_COUNT);
	int i = (int)roll(dice, msg->n_headers + 1u);
	struct addr source;
	switch (roll(dice, 12)) {
	case 0:
		edit_set(msg, name, value);
		break;
	case 1:
		edit_add(msg, name, value);
		break;
	case 2:
		edit_remove(msg, name);
		break;
	case 3:
		edit_insert(msg, i, id, value);
		break;
	case 4:
		edit_value(msg, i, value);
		break;
	case 5:
		edit_remove_at(msg, i);
		break;
	case 6:
		edit_pop_value(msg, i < msg->n_headers ? (enum hdr_id)msg->id[i] : HDR_VIA);
		break;
	case 7:
		edit_uri(msg, value);
		break;
	case 8:
		edit_body(msg, value, pick_value(dice));
		break;
	case 9:
		msg_keep(msg);
		break;
	default:
		BUG(!addr_parse(roll(dice, 2) ? SPAN("192.0.2.9:99") : SPAN("[2001:db8::9]:99"), 0,
			&source));
		edit_received(msg, &source);
	}
}

static void answer(struct msg *msg, uint32_t code)
{
	struct reply reply = {.code = code, .to_tag = SPAN("t")};
	struct span text;
	struct msg_error error;
	if (!write_reply(msg, &reply, &text))
		return;
	struct msg *again = must_alloc(sizeof *again);
	msg_init(again);
	int result = msg_parse(again, text, &error);
	BUG(result != 0 && text.n < MSG_HEADER_LENGTH_MAX); /* folds with bare LF grow */
	BUG(result == 0 && (again->code != code || again->body.n));
	BUG(result == 0 && again->n_headers > msg->n_headers + 1); /* Content-Length */
	for (int i = 0; i < again->n_headers; i++) /* and nothing the peer brought in */
		BUG(again->id[i] == HDR_OTHER);
	msg_fini(again);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_of((const char *)data, size);
	struct dice dice = {.state = size, .input = input};
	struct msg *msg = must_alloc(sizeof *msg);
	struct msg_error error;
	for (size_t i = 0; i < size; i++)
		dice.state = (dice.state ^ data[i]) * 1099511628211u;
	msg_init(msg);
	if (msg_parse(msg, input, &error) != 0) {
		BUG(!error.reason);
		if (error.code)
			answer(msg, error.code);
	} else {
		struct span text = written(msg, 1);
		same(text, msg->raw);
		free((char *)text.p);
		read_back(msg, 1);
		answer(msg, 100 + roll(&dice, 600));
		for (uint32_t turns = roll(&dice, 12); turns; turns--) {
			edit(msg, &dice);
			read_back(msg, 1 + roll(&dice, 64));
		}
	}
	msg_fini(msg);
	free(msg);
	return 0;
}

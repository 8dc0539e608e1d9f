/* Reading a message: headers by name, values of lists, and the typed views, each parsed on first
 * use. */
#include <stdalign.h>

#include "sip/line.h"
#include "sip/msg.h"

int msg_find_name(const struct msg *msg, struct span name, int from)
{
	enum hdr_id id = hdr_id_of(name);
	int i = msg_find(msg, id, from);
	while (id == HDR_OTHER && i >= 0 && !span_ieq(hdr_name_text(&msg->headers[i]), name))
		i = msg_find(msg, id, i + 1);
	return i;
}

struct unfolded {
	struct unfolded *next;
	const char *line; /* of the header */
	uint32_t n;
	char text[];
};

static struct unfolded *unfold(struct msg *msg, const struct hdr *hdr)
{
	struct span value = hdr_value(hdr);
	char *room = arena_alloc(&msg->arena,
		(uint32_t)(sizeof(struct unfolded) + alignof(struct unfolded) + value.n));
	struct unfolded *unfolded =
		(struct unfolded *)(((uintptr_t)room + alignof(struct unfolded) - 1) &
				    ~(uintptr_t)(alignof(struct unfolded) - 1));
	char *text = unfolded->text;
	uint32_t n = 0;
	for (uint32_t at = 0; at < value.n; at++) {
		if (value.p[at] != '\r' && value.p[at] != '\n') {
			text[n++] = value.p[at];
			continue;
		}
		while (n && char_is_blank(text[n - 1]))
			n--;
		while (at + 1 < value.n &&
			(char_is_blank(value.p[at + 1]) || value.p[at + 1] == '\r' ||
				value.p[at + 1] == '\n'))
			at++;
		text[n++] = ' ';
	}
	unfolded->line = hdr->line;
	unfolded->n = n;
	unfolded->next = msg->unfolded;
	return msg->unfolded = unfolded;
}

struct span msg_unfold(struct msg *msg, int i)
{
	const struct hdr *hdr = &msg->headers[i];
	struct unfolded *unfolded = msg->unfolded;
	while (unfolded && unfolded->line != hdr->line)
		unfolded = unfolded->next;
	if (!unfolded)
		unfolded = unfold(msg, hdr);
	return span_of(unfolded->text, unfolded->n);
}

bool msg_values_next(struct msg_values *values, struct span *value)
{
	while (!values->rest.n || !list_next(&values->rest, value)) {
		int i = msg_find(values->msg, values->id, values->next);
		if (i < 0)
			return false;
		values->header = i;
		values->next = i + 1;
		values->rest = msg_unfolded(values->msg, i);
		if (hdr_kind_of(values->id) != HDR_KIND_LIST || !span_find(values->rest, ',')) {
			*value = values->rest;
			values->rest = span_of(NULL, 0);
			if (value->n || hdr_kind_of(values->id) != HDR_KIND_LIST)
				return true;
		}
	}
	return true;
}

const struct uri *msg_view_ruri(struct msg *msg)
{
	msg_wake(msg);
	if (msg->ruri_view == VIEW_UNKNOWN) {
		if (!msg->is_request)
			msg->ruri_view = VIEW_ABSENT;
		else
			msg->ruri_view = uri_parse(msg->uri, &msg->room->views.ruri) == 0
						 ? VIEW_OK
						 : VIEW_BAD;
	}
	return msg->ruri_view == VIEW_OK ? &msg->room->views.ruri : NULL;
}

const struct via *msg_view_via(struct msg *msg)
{
	msg_wake(msg);
	if (msg->via_view == VIEW_UNKNOWN) {
		struct span value = msg_value(msg, HDR_VIA);
		if (!value.p) {
			msg->via_view = VIEW_ABSENT;
			return NULL;
		}
		struct span rest = value;
		if (span_find(value, ',') && !list_next(&rest, &value))
			value = span_of(NULL, 0);
		msg->via_view = via_parse(value, &msg->room->views.via) == 0 ? VIEW_OK : VIEW_BAD;
	}
	return msg->via_view == VIEW_OK ? &msg->room->views.via : NULL;
}

static const struct nameaddr *nameaddr_view(
	struct msg *msg, enum hdr_id id, uint8_t *view, struct nameaddr *nameaddr)
{
	if (*view == VIEW_UNKNOWN) {
		struct span value = msg_value(msg, id);
		if (!value.p)
			*view = VIEW_ABSENT;
		else
			*view = nameaddr_parse(value, nameaddr) == 0 ? VIEW_OK : VIEW_BAD;
	}
	return *view == VIEW_OK ? nameaddr : NULL;
}

const struct nameaddr *msg_view_from(struct msg *msg)
{
	msg_wake(msg);
	return nameaddr_view(msg, HDR_FROM, &msg->from_view, &msg->room->views.from);
}

const struct nameaddr *msg_view_to(struct msg *msg)
{
	msg_wake(msg);
	return nameaddr_view(msg, HDR_TO, &msg->to_view, &msg->room->views.to);
}

/* CSeq = 1*DIGIT LWS Method; the number is less than 2^31 (RFC 3261 8.1.1.5). */
static inline bool cseq_parse(struct span value, struct cseq *cseq)
{
	const char *end = span_end(value), *p = class_skip(value.p, end, CHAR_DIGIT);
	if (p == end || !char_is_blank(*p) || !span_u32(span_between(value.p, p), &cseq->number) ||
		cseq->number > INT32_MAX)
		return false;
	cseq->method = span_trim(span_between(p + 1, end));
	cseq->method_id = method_id_of(cseq->method);
	return cseq->method_id || (cseq->method.n <= MSG_METHOD_MAX && span_is_token(cseq->method));
}

const struct cseq *msg_view_cseq(struct msg *msg)
{
	msg_wake(msg);
	if (msg->cseq_view == VIEW_UNKNOWN) {
		struct span value = msg_value(msg, HDR_CSEQ);
		if (!value.p)
			msg->cseq_view = VIEW_ABSENT;
		else
			msg->cseq_view =
				cseq_parse(value, &msg->room->views.cseq) ? VIEW_OK : VIEW_BAD;
	}
	return msg->cseq_view == VIEW_OK ? &msg->room->views.cseq : NULL;
}

int64_t msg_max_forwards(struct msg *msg)
{
	struct span value = msg_value(msg, HDR_MAX_FORWARDS);
	uint32_t hops;
	if (!value.p)
		return -1;
	return span_u32(value, &hops) && hops <= INT32_MAX ? (int64_t)hops : -2;
}

/* What a message must hold before a proxy or registrar acts on it (RFC 3261 8.1.1, 16.3 step 1). */
#include "sip/line.h"
#include "sip/msg.h"

/* Each check returns NULL, or the reason phrase that says what is wrong. */

/* callid = word [ "@" word ]. It is only ever compared, so all printable text passes but what would
 * break apart the headers that carry one as a value (Replaces, In-Reply-To). */
static const char *check_call_id(struct span value)
{
	const char *end = span_end(value);
	return value.n && text_skip(value.p, end, CHAR_CALL_ID) == end ? NULL : "Bad Call-ID";
}

static const char *check_vias(struct msg *msg, int i, uint32_t *count)
{
	struct span rest = msg_unfolded(msg, i), value;
	struct via via;
	if (*count == 0) {
		const struct via *top = msg_top_via(msg);
		*count = 1;
		if (!top)
			return "Bad Via";
		if (top->text.n == rest.n)
			return NULL;
		list_next(&rest, &value);
	} else if (!span_find(rest, ',')) {
		++*count;
		return *count > VIA_COUNT_MAX || via_parse(rest, &via) < 0 ? "Bad Via" : NULL;
	}
	while (list_next(&rest, &value)) {
		if (++*count > VIA_COUNT_MAX)
			return "Too Many Vias";
		if (via_parse(value, &via) < 0)
			return "Bad Via";
	}
	return NULL;
}

/* contact-param lists; "*" stands alone, and an empty one says nothing (RFC 3261 20.10). */
static const char *check_contact(struct span rest)
{
	struct nameaddr nameaddr;
	struct span value;
	if (!span_find(rest, ',')) {
		if (!rest.n || span_eq(rest, SPAN("*")))
			return NULL;
		return nameaddr_parse(rest, &nameaddr) < 0 ? "Bad Contact" : NULL;
	}
	while (list_next(&rest, &value))
		if (nameaddr_parse(value, &nameaddr) < 0)
			return "Bad Contact";
	return NULL;
}

/* Only the topmost Route says where we send; those below, and Record-Routes, are other people's and
 * may be as cryptic as they like (a session border controller in the field escapes '@' and ':'
 * there). */
static const char *check_route(struct msg *msg, int i)
{
	struct nameaddr nameaddr;
	struct span rest = msg_unfolded(msg, i), value;
	if (i != msg_find(msg, HDR_ROUTE, 0) || !list_next(&rest, &value))
		return NULL;
	return nameaddr_parse(value, &nameaddr) < 0 ? "Bad Route" : NULL;
}

/* delta-seconds and the like. Numbers beyond 32 bits pass here: whoever uses one clamps it (RFC
 * 4475 3.1.2.4). */
static const char *check_number(struct span value, const char *reason)
{
	return span_is(value, CHAR_DIGIT) ? NULL : reason;
}

static const char *check_cseq(struct msg *msg)
{
	const struct cseq *cseq = msg_cseq(msg);
	if (!cseq)
		return "Bad CSeq";
	if (!msg->is_request)
		msg->method_id = cseq->method_id;
	else if (cseq->method_id != msg->method_id ||
		 (!cseq->method_id && !span_eq(cseq->method, msg->method)))
		return "CSeq Method Mismatch";
	return NULL;
}

/* Requests are held to more: a response is dropped when it is refused, and nobody hangs a call for
 * its Contact. */
static inline const char *check_header(struct msg *msg, int i, uint32_t *vias)
{
	bool request = msg->is_request;
	switch ((enum hdr_id)msg->id[i]) {
	case HDR_VIA:
		return check_vias(msg, i, vias);
	case HDR_FROM:
		return msg_from(msg) ? NULL : "Bad From";
	case HDR_TO:
		return msg_to(msg) ? NULL : "Bad To";
	case HDR_CALL_ID:
		return check_call_id(msg_unfolded(msg, i));
	case HDR_CSEQ:
		return check_cseq(msg);
	case HDR_CONTACT:
		return request ? check_contact(msg_unfolded(msg, i)) : NULL;
	case HDR_ROUTE:
		return request ? check_route(msg, i) : NULL;
	case HDR_MAX_FORWARDS:
		return request && msg_max_forwards(msg) < 0 ? "Bad Max-Forwards" : NULL;
	case HDR_EXPIRES:
		return request ? check_number(msg_unfolded(msg, i), "Bad Expires") : NULL;
	case HDR_MIN_EXPIRES:
		return request ? check_number(msg_unfolded(msg, i), "Bad Min-Expires") : NULL;
	case HDR_MAX_BREADTH:
		return request ? check_number(msg_unfolded(msg, i), "Bad Max-Breadth") : NULL;
	default:
		return NULL;
	}
}

/* Equal repetitions are harmless and common; different ones would let two hops see two messages. */
static const char *check_repeated(struct msg *msg, int i)
{
	enum hdr_id id = msg->id[i];
	if (hdr_kind_of(id) != HDR_KIND_ONE)
		return NULL;
	struct span first = msg_unfolded(msg, msg_find(msg, id, 0));
	return span_eq(first, msg_unfolded(msg, i)) ? NULL : "Conflicting Headers";
}

/* By id: what check_header looks at, and what may not contradict itself. */
static const bool is_checked[HDR_COUNT] = {
	false,
#define HDR(id, name, compact, kind)                                                               \
	HDR_KIND_##kind == HDR_KIND_ONE || HDR_##id == HDR_VIA || HDR_##id == HDR_CONTACT ||       \
		HDR_##id == HDR_ROUTE,
#include "sip/hdr.def"
#undef HDR
};

/* A header that is checked as one bit. */
#define BIT(id) ((uint64_t)1 << (id))
_Static_assert(HDR_MAX_BREADTH < 64, "the last one has a bit");
static const uint64_t needed =
	BIT(HDR_VIA) | BIT(HDR_FROM) | BIT(HDR_TO) | BIT(HDR_CALL_ID) | BIT(HDR_CSEQ);

/* RFC 3261 8.1.1; Max-Forwards may be missing (RFC 2543 had none). */
static const char *check_presence(uint64_t seen)
{
	if ((seen & needed) == needed)
		return NULL;
	if (!(seen & BIT(HDR_VIA)))
		return "Missing Via";
	if (!(seen & BIT(HDR_FROM)))
		return "Missing From";
	if (!(seen & BIT(HDR_TO)))
		return "Missing To";
	return seen & BIT(HDR_CALL_ID) ? "Missing CSeq" : "Missing Call-ID";
}

/* `seen`: what may be missing. */
static const char *check_headers(struct msg *msg, uint64_t seen)
{
	uint32_t vias = 0;
	const uint8_t *id = msg->id;
	for (int i = 0, n = msg->n_headers; i < n; i++) {
		if (!is_checked[id[i]])
			continue;
		uint64_t bit = BIT(id[i]);
		const char *reason = check_header(msg, i, &vias);
		if (!reason && seen & bit)
			reason = check_repeated(msg, i);
		if (reason)
			return reason;
		seen |= bit;
	}
	return check_presence(seen);
}

/* A sip or sips Request-URI has no headers part (RFC 3261 19.1.1); what other schemes mean is not
 * ours to say. */
static const char *check_request_uri(struct msg *msg)
{
	const struct uri *uri = msg_ruri(msg);
	return uri && !uri->headers.n ? NULL : "Bad Request-URI";
}

static int check(struct msg *msg, uint64_t granted, struct msg_error *error)
{
	const char *reason = msg->is_request ? check_request_uri(msg) : NULL;
	if (!reason)
		reason = check_headers(msg, granted);
	if (!reason)
		return 0;
	*error = (struct msg_error){msg->is_request ? 400 : 0, reason};
	return -1;
}

int msg_check(struct msg *msg, struct msg_error *error)
{
	return check(msg, 0, error);
}

int msg_check_unsent(struct msg *msg, struct msg_error *error)
{
	return check(msg, BIT(HDR_VIA), error);
}

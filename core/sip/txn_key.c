#include "sip/txn.h"

/* What a key is of; the first byte hashed, so that no two kinds meet. */
enum key_kind { KEY_SERVER, KEY_SERVER_2543, KEY_CLIENT };

enum { LOWER_CHUNK = 64 };

/* Without regard to the case of letters (RFC 3261 7.3.1). In pieces, of which the last alone is
 * short, so that two texts in a row are not taken for two others. */
static void add_lower(struct siphash_state *state, struct span text)
{
	char chunk[LOWER_CHUNK];
	uint32_t n;
	do {
		n = text.n < LOWER_CHUNK ? text.n : LOWER_CHUNK;
		for (uint32_t i = 0; i < n; i++)
			chunk[i] = ascii_lower(text.p[i]);
		siphash_add(state, span_of(chunk, n));
		text = span_from(text, n);
	} while (n == LOWER_CHUNK);
}

/* The methods without rules of their own stand there by name. */
static void begin(struct siphash_state *state, const struct siphash_key *secret, enum key_kind kind,
	struct span method, uint16_t port)
{
	enum method_id id = method_id_of(method);
	const char head[] = {(char)kind, (char)id, (char)(port >> 8), (char)(port & 0xff)};
	siphash_init(state, secret);
	siphash_add(state, span_of(head, sizeof head));
	if (id == METHOD_OTHER)
		siphash_add(state, method);
}

/* Two values of one keyed hash: of all there is, and of that and one piece more. */
static struct txn_key end(struct siphash_state *state)
{
	struct siphash_state longer = *state;
	siphash_add(&longer, SPAN("check"));
	return (struct txn_key){siphash_end(state), siphash_end(&longer)};
}

/* 8.1.1.7. The cookie alone identifies nothing (RFC 4475 3.2.1). */
static bool has_cookie(const struct via *via)
{
	static const uint32_t n = sizeof "z9hG4bK" - 1;
	return via->branch.n > n && span_ieq(span_of(via->branch.p, n), SPAN("z9hG4bK"));
}

static uint16_t sent_by_port(const struct via *via)
{
	return via->port ? via->port : via->transport == TRANSPORT_TLS ? 5061 : 5060;
}

/* 17.2.3, RFC 2543: Request-URI, To tag, From tag, Call-ID, CSeq and top Via. The ACK of an INVITE
 * has the To tag of the response, so the tag is left out of both; and received and rport are the
 * recipient's words, so of the Via only what the sender alone writes counts. */
static bool add_2543(
	struct siphash_state *state, struct msg *request, const struct via *via, bool is_invite)
{
	const struct nameaddr *from = msg_from(request), *to = msg_to(request);
	const struct cseq *cseq = msg_cseq(request);
	struct span call_id = msg_value(request, HDR_CALL_ID);
	if (!from || !to || !cseq || !call_id.p)
		return false;
	struct span none = span_of("", 0);
	struct span from_tag = nameaddr_tag(from), to_tag = nameaddr_tag(to);
	uint32_t number = cseq->number;
	const char digits[] = {(char)(number >> 24), (char)(number >> 16 & 0xff),
		(char)(number >> 8 & 0xff), (char)(number & 0xff)};
	siphash_add(state, request->uri);
	siphash_add(state, call_id);
	siphash_add(state, span_of(digits, sizeof digits));
	add_lower(state, from_tag.p ? from_tag : none);
	add_lower(state, to_tag.p && !is_invite ? to_tag : none);
	add_lower(state, via->transport_text);
	add_lower(state, via->branch.p ? via->branch : none);
	add_lower(state, via->host);
	return true;
}

static bool key_server(struct msg *request, struct span method, const struct siphash_key *secret,
	struct txn_key *key)
{
	const struct via *via = msg_top_via(request);
	if (!via)
		return false;
	struct siphash_state state;
	if (has_cookie(via)) {
		begin(&state, secret, KEY_SERVER, method, sent_by_port(via));
		add_lower(&state, via->branch);
		add_lower(&state, via->host);
	} else {
		begin(&state, secret, KEY_SERVER_2543, method, sent_by_port(via));
		if (!add_2543(&state, request, via, span_eq(method, SPAN("INVITE"))))
			return false;
	}
	*key = end(&state);
	return true;
}

bool txn_key_server(struct msg *request, const struct siphash_key *secret, struct txn_key *key)
{
	bool is_ack = request->method_id == METHOD_ACK;
	return key_server(request, is_ack ? SPAN("INVITE") : request->method, secret, key);
}

bool txn_key_cancelled(struct msg *cancel, const struct siphash_key *secret, struct txn_key *key)
{
	return key_server(cancel, SPAN("INVITE"), secret, key);
}

struct txn_key txn_key_sent(
	struct span branch, struct span method, const struct siphash_key *secret)
{
	struct siphash_state state;
	begin(&state, secret, KEY_CLIENT, method, 0);
	add_lower(&state, branch);
	return end(&state);
}

bool txn_key_client(struct msg *response, const struct siphash_key *secret, struct txn_key *key)
{
	const struct via *via = msg_top_via(response);
	const struct cseq *cseq = msg_cseq(response);
	if (!via || !via->branch.p || !cseq)
		return false;
	*key = txn_key_sent(via->branch, cseq->method, secret);
	return true;
}

/* Answers that Viaduct itself gives (RFC 3261 8.2.6, statelessly: 8.2.7). */
#include "base/notes.h"
#include "engine/accept.h"
#include "engine/party.h"
#include "engine/relay.h"
#include "engine/routing.h"

/* The same for a repeated request, so that a stateless answer is idempotent (RFC 3261 8.2.7), and
 * for the ACK to a failure: it has the branch of its INVITE. */
static uint64_t number_of(struct packet *packet)
{
	struct msg *msg = &packet->msg;
	struct siphash_state hash;
	siphash_init(&hash, &packet->engine->key);
	siphash_add(&hash, SPAN("to-tag"));
	const struct via *via = msg_top_via(msg);
	siphash_add(&hash, via ? via->branch : span_of(NULL, 0));
	siphash_add(&hash, msg_value(msg, HDR_CALL_ID));
	siphash_add(&hash, msg_value(msg, HDR_FROM));
	return siphash_end(&hash);
}

static struct span to_tag(uint64_t number, char out[16])
{
	for (int i = 0; i < 16; i++)
		out[i] = "0123456789abcdef"[number >> (4 * i) & 15];
	return span_of(out, 16);
}

/* Inside a dialog the To-tag is another's, so that such a failure has to be remembered. */
static void note_refused(struct packet *packet)
{
	struct engine *engine = packet->engine;
	const struct cseq *cseq = msg_cseq(&packet->msg);
	uint64_t key = number_of(packet);
	if (!engine->refused)
		engine->refused = notes_new(REFUSED_NOTES_MAX);
	struct note *note = notes_find(engine->refused, key);
	if (!note)
		note = notes_put(engine->refused, key, engine_now_ms(engine), NULL);
	note->at_ms = engine_now_ms(engine);
	note->value = cseq ? cseq->number : 0;
}

/* The ACK to a 2xx may have the branch of a refused INVITE, but never its number. */
static bool was_refused(struct packet *packet, uint64_t key)
{
	struct engine *engine = packet->engine;
	const struct cseq *cseq = msg_cseq(&packet->msg);
	const struct note *note = engine->refused ? notes_find(engine->refused, key) : NULL;
	return note && cseq && note->value == cseq->number &&
	       engine_now_ms(engine) - note->at_ms < 64 * (int64_t)engine->times.t1_ms;
}

bool packet_acks_own_reply(struct packet *packet)
{
	char tag[16];
	struct msg *msg = &packet->msg;
	if (!msg->is_request || msg->method_id != METHOD_ACK)
		return false;
	const struct nameaddr *to = msg_to(msg);
	uint64_t number = number_of(packet);
	return to &&
	       (span_ieq(nameaddr_tag(to), to_tag(number, tag)) || was_refused(packet, number));
}

/* The packet's own source; the port is that of the Via unless the client asked for rport (RFC 3581
 * 4). Streams: the connection of the request. */
struct flow packet_reply_flow(struct packet *packet)
{
	struct flow to = packet->from;
	const struct via *via = msg_top_via(&packet->msg);
	/* On a stream the port counts when the connection is gone (RFC 3261 18.2.2). */
	if (via && (to.connection || !via->has_rport))
		addr_set_port(&to.peer, via->port ? via->port : 5060);
	return to;
}

/* Repeated over UDP to a source that acknowledges nothing: it may be a victim's address. */
static bool would_flood(struct packet *packet)
{
	struct engine *engine = packet->engine;
	if (packet->msg.method_id != METHOD_INVITE ||
		transport_is_reliable(packet_leg(packet)->address.transport) ||
		engine->unheard[party_of_source(engine, &packet->from.peer)] < RELAY_UNHEARD_MAX)
		return false;
	engine->count[COUNT_replies_once]++;
	return true;
}

/* Whether this answer is that of a server transaction: begun now if the script wants it so. */
static bool is_transactional(struct packet *packet)
{
	bool wanted = packet->routing && packet->routing->repeats_replies && !would_flood(packet);
	if (wanted)
		relay_begin(packet, false);
	const struct relay *relay = packet->relay;
	return relay && (wanted || relay_is_stateful(relay) || relay_has_spoken(relay));
}

static void send_reply(struct packet *packet, uint32_t code, struct span bytes)
{
	struct engine *engine = packet->engine;
	bool transactional = is_transactional(packet);
	packet->decision = DECISION_REPLIED;
	packet->reply_code = code;
	engine->count[COUNT_replied]++;
	if (transactional) {
		relay_answer(packet->relay, code, bytes);
		if (packet->relay->server.state == TXN_ACCEPTED)
			accept_begin(packet, bytes);
		return;
	}
	const struct nameaddr *party = msg_to(&packet->msg);
	if (packet->msg.method_id == METHOD_INVITE && code >= 300 && party && nameaddr_tag(party).n)
		note_refused(packet);
	struct flow to = packet_reply_flow(packet);
	engine_send(engine, &to, &(struct iovec){(void *)(uintptr_t)bytes.p, bytes.n}, 1);
}

int packet_reply_full(struct packet *packet, const struct reply *reply)
{
	if (!packet->msg.is_request || packet->msg.method_id == METHOD_ACK) {
		packet->decision = DECISION_DROPPED;
		return 0;
	}
	char tag[16];
	struct reply tagged = *reply;
	struct span out;
	if (!tagged.to_tag.n)
		tagged.to_tag = to_tag(number_of(packet), tag);
	if (!write_reply(&packet->msg, &tagged, &out))
		return -1;
	send_reply(packet, reply->code, out);
	return 0;
}

void packet_reply(struct packet *packet, uint32_t code, struct span reason, struct span headers)
{
	struct reply reply = {.code = code, .reason = reason, .headers = headers};
	if (packet_reply_full(packet, &reply) == 0)
		return;
	/* There is no Via to answer to, or what the request brings back is too long. */
	packet_drop(packet, COUNT_replies_impossible);
}

#include "engine/authorizer.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/notes.h"
#include "base/put.h"

struct auth {
	struct digests *digests;
	struct nonces *nonces;
	struct notes
		*let_in; /* by transaction, with a hash of the bytes; NULL until somebody was */
	char nobody[16]; /* the password of users that are none */
	int64_t failed_second; /* when that was logged last */
};

static struct auth *auth_of(struct engine *engine)
{
	if (engine->auth)
		return engine->auth;
	struct auth *auth = engine->auth = must_zalloc(sizeof *auth);
	struct siphash_key key;
	engine->world->random(engine->world, &key, sizeof key);
	engine->world->random(engine->world, auth->nobody, sizeof auth->nobody);
	auth->digests = digests_new();
	auth->nonces = nonces_new(&key);
	auth->failed_second = -1;
	return auth;
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	digests_free(auth->digests);
	nonces_free(auth->nonces);
	notes_free(auth->let_in);
	free(auth);
}

bool auth_knows(struct engine *engine, enum digest_algorithm algorithm)
{
	return digests_know(auth_of(engine)->digests, algorithm);
}

/* ---- what was let in ---- */

/* Of the request, its ACK to a failure, and its CANCEL: the same, from the same address. */
static uint64_t transaction_of(
	struct packet *packet, const struct authorizer *authorizer, struct span realm)
{
	struct msg *msg = &packet->msg;
	struct siphash_state hash;
	const struct via *via = msg_top_via(msg);
	const struct nameaddr *from = msg_from(msg);
	const struct cseq *cseq = msg_cseq(msg);
	const struct addr *peer = &packet->from.peer;
	uint32_t number = cseq ? cseq->number : 0;
	siphash_init(&hash, &packet->engine->key);
	siphash_add(&hash, authorizer->is_proxy ? SPAN("let in 407") : SPAN("let in 401"));
	siphash_add(&hash, realm);
	siphash_add(&hash, via ? via->branch : span_of(NULL, 0));
	siphash_add(&hash, msg_value(msg, HDR_CALL_ID));
	siphash_add(&hash, from ? nameaddr_tag(from) : span_of(NULL, 0));
	siphash_add(&hash, span_of((const char *)&number, sizeof number));
	if (peer->sa.sa_family == AF_INET6)
		siphash_add(&hash, span_of((const char *)&peer->in6.sin6_addr, 16));
	else
		siphash_add(&hash, span_of((const char *)&peer->in4.sin_addr, 4));
	return siphash_end(&hash);
}

static struct note *note_of(
	struct packet *packet, const struct authorizer *authorizer, struct span realm)
{
	struct auth *auth = auth_of(packet->engine);
	if (!auth->let_in)
		return NULL;
	struct note *note = notes_find(auth->let_in, transaction_of(packet, authorizer, realm));
	bool is_old = note && engine_now_ms(packet->engine) - note->at_ms > AUTH_NOTE_MS;
	return is_old ? NULL : note;
}

static uint64_t hash_of_bytes(const struct packet *packet)
{
	uint64_t hash = siphash(&packet->engine->key, packet->msg.raw.p, packet->msg.raw.n);
	return hash >> (64 - AUTH_BYTES_BITS);
}

static bool is_repeated(struct packet *packet, const struct authorizer *authorizer,
	struct span realm, uint64_t bytes)
{
	struct engine *engine = packet->engine;
	const struct note *note = note_of(packet, authorizer, realm);
	return note && engine_now_ms(engine) - note->at_ms < 64 * (int64_t)engine->times.t1_ms &&
	       note->value == bytes;
}

static void note_let_in(struct packet *packet, const struct authorizer *authorizer,
	struct span realm, uint64_t bytes)
{
	struct auth *auth = auth_of(packet->engine);
	int64_t now_ms = engine_now_ms(packet->engine);
	uint64_t key = transaction_of(packet, authorizer, realm);
	if (!auth->let_in)
		auth->let_in = notes_new(AUTH_NOTES_MAX);
	struct note *note = notes_find(auth->let_in, key);
	if (!note)
		note = notes_put(auth->let_in, key, now_ms, NULL);
	note->at_ms = now_ms;
	note->value = bytes;
}

bool auth_was_let_in(struct packet *packet, const struct authorizer *authorizer, struct span realm)
{
	return note_of(packet, authorizer, realm) != NULL;
}

/* ---- finding ---- */

static enum hdr_id header_of(const struct authorizer *authorizer)
{
	return authorizer->is_proxy ? HDR_PROXY_AUTHORIZATION : HDR_AUTHORIZATION;
}

/* Header `i` holds credentials for that realm. */
static bool parse_header(struct msg *msg, int i, struct span realm, struct credentials *credentials)
{
	return credentials_parse(msg_unfolded(msg, i), &msg->arena, credentials) == 0 &&
	       credentials->realm.p && span_eq(credentials->realm, realm);
}

static bool is_offered(const struct authorizer *authorizer, enum digest_algorithm algorithm)
{
	for (uint32_t i = 0; i < authorizer->n_algorithms; i++)
		if (authorizer->algorithms[i] == algorithm)
			return true;
	return false;
}

/* One of "auth,auth-int", or the one there is. */
static bool is_offered_qop(const struct authorizer *authorizer, struct span qop)
{
	struct span rest = span_str(authorizer->qop), offered;
	while (list_next(&rest, &offered))
		if (span_ieq(offered, qop))
			return true;
	return false;
}

/* RFC 7616 3.4.6: the digest is for the Request-URI. Parameters aside, which some leave out. */
static bool is_for_request(const struct msg *msg, struct span digest_uri)
{
	struct span request_uri = msg->received_uri;
	struct uri said, meant;
	if (span_eq(digest_uri, request_uri))
		return true;
	if (uri_parse(digest_uri, &said) || uri_parse(request_uri, &meant))
		return false;
	said.params = meant.params = said.headers = meant.headers = span_of(NULL, 0);
	return uri_eq(&said, &meant);
}

static enum auth_finding judge_nonce(struct packet *packet, const struct authorizer *authorizer,
	struct span realm, struct auth_found *found)
{
	const struct nonces *nonces = auth_of(packet->engine)->nonces;
	struct nonce_scope scope = {.realm = realm, .source = packet->from.peer};
	struct span nonce = found->credentials.nonce;
	if (nonce.n != NONCE_LENGTH)
		return AUTH_NONE;
	/* Perhaps given out before a restart, or to another address of the same phone. */
	if (!nonce_is_ours(nonces, nonce, &scope, &found->issued_ms))
		return AUTH_STALE;
	if (packet->msg.method_id == METHOD_ACK)
		return AUTH_FOUND;
	if (nonce_is_stale(
		    nonces, found->issued_ms, authorizer->life_ms, engine_now_ms(packet->engine)) ||
		nonce_was_used(nonces, nonce, found->count))
		return AUTH_STALE;
	return AUTH_FOUND;
}

static enum auth_finding judge(struct packet *packet, const struct authorizer *authorizer,
	struct span realm, struct auth_found *found)
{
	const struct credentials *said = &found->credentials;
	if (!digest_algorithm_of(said->algorithm, &found->algorithm) ||
		!is_offered(authorizer, found->algorithm) ||
		!is_offered_qop(authorizer, said->qop) || !said->username.n ||
		said->username.n > AUTH_USER_MAX || !said->uri.p ||
		!nonce_count_parse(said->nc, &found->count))
		return AUTH_NONE;
	enum auth_finding finding = judge_nonce(packet, authorizer, realm, found);
	bool of_request = authorizer->any_uri || packet->msg.method_id == METHOD_ACK ||
			  is_for_request(&packet->msg, said->uri);
	return finding == AUTH_FOUND && !of_request ? AUTH_WRONG_URI : finding;
}

/* The first header for the realm and no other: which one counts must never depend on the time. */
static enum auth_finding find(struct packet *packet, const struct authorizer *authorizer,
	struct span realm, struct auth_found *found)
{
	struct msg *msg = &packet->msg;
	int i = msg_find(msg, header_of(authorizer), 0);
	while (i >= 0 && !parse_header(msg, i, realm, &found->credentials))
		i = msg_find(msg, header_of(authorizer), i + 1);
	return i < 0 ? AUTH_NONE : judge(packet, authorizer, realm, found);
}

static void tell_failed(struct packet *packet, const struct credentials *said, const char *reason)
{
	struct engine *engine = packet->engine;
	struct auth *auth = auth_of(engine);
	int64_t second = engine_now_ms(engine) / 1000;
	char from[ADDR_TEXT_MAX];
	engine->count[COUNT_auth_failed]++;
	if (auth->failed_second == second)
		return;
	auth->failed_second = second;
	log_event(engine->log, LOG_INFO, "auth.failed", LOG_TEXT("user", said->username),
		LOG_TEXT("realm", said->realm), LOG_STR("reason", reason),
		LOG_TEXT("from", span_of(from, addr_print(&packet->from.peer, from))),
		LOG_TEXT("call_id", msg_value(&packet->msg, HDR_CALL_ID)));
}

enum auth_finding auth_find(struct packet *packet, const struct authorizer *authorizer,
	struct span realm, struct auth_found *found)
{
	BUG(realm.n > NONCE_REALM_MAX);
	*found = (struct auth_found){0};
	enum auth_finding finding = find(packet, authorizer, realm, found);
	if (finding != AUTH_NONE)
		found->bytes = hash_of_bytes(packet);
	if (finding != AUTH_NONE && is_repeated(packet, authorizer, realm, found->bytes))
		return AUTH_REPEATED;
	if (finding == AUTH_WRONG_URI)
		tell_failed(packet, &found->credentials, "uri");
	return finding;
}

/* ---- checking ---- */

static bool is_right(struct packet *packet, struct span realm, const struct auth_found *found,
	enum auth_secret kind, struct span secret)
{
	struct auth *auth = auth_of(packet->engine);
	struct msg *msg = &packet->msg;
	struct span password =
		kind == SECRET_NONE ? span_of(auth->nobody, sizeof auth->nobody) : secret;
	char a1[DIGEST_HEX_MAX];
	/* Made of a stored A1, too: each check costs the same. */
	digest_a1(
		auth->digests, found->algorithm, found->credentials.username, realm, password, a1);
	struct digest_request request = {
		.algorithm = found->algorithm,
		.a1 = kind == SECRET_A1 ? secret : span_of(a1, digest_length(found->algorithm)),
		.method = msg->method_id == METHOD_ACK ? SPAN("INVITE") : msg->method,
		.body = msg->body,
	};
	bool right = digest_is_right(auth->digests, &request, &found->credentials);
	OPENSSL_cleanse(a1, sizeof a1);
	return right && kind != SECRET_NONE;
}

enum auth_verdict auth_check(struct packet *packet, const struct authorizer *authorizer,
	struct span realm, enum auth_secret kind, struct span secret, uint64_t bytes)
{
	struct auth_found found = {0};
	struct nonces *nonces = auth_of(packet->engine)->nonces;
	/* Again: the secret may have been long in coming. */
	if (find(packet, authorizer, realm, &found) != AUTH_FOUND)
		return AUTH_TOO_LATE;
	if (!is_right(packet, realm, &found, kind, secret)) {
		tell_failed(packet, &found.credentials, "response");
		return AUTH_WRONG;
	}
	if (packet->msg.method_id == METHOD_ACK)
		return AUTH_RIGHT;
	if (!nonce_use(nonces, found.credentials.nonce, found.count, found.issued_ms))
		return AUTH_TOO_LATE;
	packet->engine->count[COUNT_auth_passed]++;
	note_let_in(packet, authorizer, realm, bytes);
	return AUTH_RIGHT;
}

void auth_strip(struct packet *packet, const struct authorizer *authorizer, struct span realm)
{
	struct msg *msg = &packet->msg;
	struct credentials credentials;
	for (int i = msg->n_headers - 1; i >= 0; i--)
		if (msg->id[i] == header_of(authorizer) &&
			parse_header(msg, i, realm, &credentials))
			edit_remove_at(msg, i);
}

/* ---- challenging ---- */

static char *put_quoted(char *out, struct span text)
{
	*out++ = '"';
	for (uint32_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			*out++ = '\\';
		*out++ = text.p[i];
	}
	*out++ = '"';
	return out;
}

static char *put_challenge(char *out, const struct authorizer *authorizer, struct span realm,
	struct span nonce, enum digest_algorithm algorithm, bool stale)
{
	out = authorizer->is_proxy ? put_text(out, "Proxy-Authenticate")
				   : put_text(out, "WWW-Authenticate");
	out = put_quoted(put_text(out, ": Digest realm="), realm);
	out = put_quoted(put_text(out, ", nonce="), nonce);
	if (authorizer->opaque.p)
		out = put_quoted(put_text(out, ", opaque="), authorizer->opaque);
	out = put_span(put_text(out, ", algorithm="), digest_algorithm_name(algorithm));
	out = put_quoted(put_text(out, ", qop="), span_str(authorizer->qop));
	if (stale)
		out = put_text(out, ", stale=true");
	return put_text(out, "\r\n");
}

uint32_t auth_challenge(
	struct packet *packet, const struct authorizer *authorizer, struct span realm, bool stale)
{
	enum { CHALLENGE_MAX = 160 + NONCE_LENGTH + 2 * NONCE_REALM_MAX + 2 * AUTH_OPAQUE_MAX };
	struct engine *engine = packet->engine;
	struct nonce_scope scope = {.realm = realm, .source = packet->from.peer};
	char nonce[NONCE_LENGTH];
	uint32_t code = authorizer->is_proxy ? 407 : 401;
	nonce_make(auth_of(engine)->nonces, &scope, engine_now_ms(engine), nonce);
	char *text = arena_alloc(&packet->msg.arena, DIGEST_ALGORITHMS * CHALLENGE_MAX),
	     *out = text;
	for (uint32_t i = 0; i < authorizer->n_algorithms; i++)
		out = put_challenge(out, authorizer, realm, span_of(nonce, sizeof nonce),
			authorizer->algorithms[i], stale);
	engine->count[COUNT_auth_challenged]++;
	packet->routing = NULL; /* statelessly: who has not proved who he is costs nothing to keep
				   (RFC 3261 26.3.2.4) */
	packet_reply(packet, code, span_of(NULL, 0), span_between(text, out));
	return code;
}

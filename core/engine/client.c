#include "engine/client.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/put.h"
#include "engine/party.h"
#include "engine/transactions.h"
#include "sip/edit.h"

static bool is_invite(const struct client *client)
{
	return client->txn.kind == TXN_INVITE_CLIENT;
}

static void step(struct client *client, enum txn_event event, struct packet *response);

static struct client *find(struct engine *engine, struct txn_key key)
{
	struct table_link *link = table_first(&engine->transactions, key.hash);
	while (link && !txn_key_eq(((struct client *)link)->key, key))
		link = table_next(link);
	return (struct client *)link;
}

static struct client *client_of(struct timer *timer)
{
	return (struct client *)((char *)timer - offsetof(struct client, timer));
}

static void timer_fired(struct timer *timer)
{
	step(client_of(timer), TXN_TIMER, NULL);
}

static void tell(struct client *client, enum client_news news, struct packet *response)
{
	if (client->told)
		client->told(client->user, client, news, response);
}

/* `bytes` last to the end of the turn. */
static int send_bytes(struct client *client, const char *bytes, uint32_t n)
{
	struct iovec iov = {(void *)(uintptr_t)bytes, n};
	int rc = engine_send(client->engine, &client->to, &iov, 1);
	if (rc < 0)
		client->error = strerrorname_np(-rc);
	return rc;
}

/* ---- ACK and CANCEL: made of the request that was sent (RFC 3261 17.1.1.3, 9.1) ---- */

/* Call-ID, From, Request-URI, top Via and Route as they were; `to` from the response or the
 * request. Returns new. */
static char *follow_up(struct msg *request, struct span method, struct span to, uint32_t *n)
{
	static const enum hdr_id kept[] = {
		HDR_VIA, HDR_MAX_FORWARDS, HDR_FROM, HDR_CALL_ID, HDR_ROUTE};
	char *text = must_alloc(request->head_n + (size_t)to.n + 256), *out = text;
	out = put_span(out, method);
	*out++ = ' ';
	out = put_span(out, request->uri);
	out = put_text(out, " SIP/2.0\r\n");
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		for (int at = msg_find(request, kept[i], 0); at >= 0;
			at = msg_find(request, kept[i], at + 1)) {
			out = put_span(out,
				span_of(request->headers[at].line, request->headers[at].line_n));
			if (kept[i] == HDR_VIA)
				break;
		}
	}
	out = put_text(out, "To: ");
	out = put_span(out, to);
	out = put_text(out, "\r\nCSeq: ");
	out = put_u32(out, msg_cseq(request)->number);
	*out++ = ' ';
	out = put_span(out, method);
	out = put_text(out, "\r\nContent-Length: 0\r\n\r\n");
	*n = (uint32_t)(out - text);
	return text;
}

char *client_cancel_of(struct msg *invite, uint32_t *n)
{
	char *cancel = follow_up(invite, SPAN("CANCEL"), msg_value(invite, HDR_TO), n);
	return must_realloc(cancel, *n);
}

void client_take_cancel(struct client *client, char *cancel, uint32_t n)
{
	client->cancel = cancel;
	client->cancel_n = n;
}

/* What we wrote as a message again, in the engine's scratch. */
static struct msg *read_back(struct engine *engine, const char *bytes, uint32_t n)
{
	struct msg_error error;
	msg_fini(&engine->scratch);
	bool good = bytes && !msg_parse(&engine->scratch, span_of(bytes, n), &error) &&
		    msg_cseq(&engine->scratch);
	return good ? &engine->scratch : NULL;
}

static void need_cancel(struct client *client)
{
	struct msg *request =
		client->cancel ? NULL : read_back(client->engine, client->bytes, client->n);
	if (request)
		client->cancel = client_cancel_of(request, &client->cancel_n);
}

static void send_ack(struct client *client, struct packet *response)
{
	need_cancel(client);
	struct msg *cancel = read_back(client->engine, client->cancel, client->cancel_n);
	uint32_t n;
	if (!cancel)
		return;
	char *ack = follow_up(cancel, SPAN("ACK"), msg_value(&response->msg, HDR_TO), &n);
	send_bytes(client, ack, n);
	engine_free_later(client->engine, ack);
}

/* Of a CANCEL: what happened to it matters to its INVITE only when it could not be sent. */
static void cancel_told(
	void *user, struct client *canceller, enum client_news news, struct packet *response)
{
	struct engine *engine = canceller->engine;
	(void)user;
	(void)response;
	struct msg *cancel =
		news == CLIENT_FAILED ? read_back(engine, canceller->bytes, canceller->n) : NULL;
	const struct via *via = cancel ? msg_top_via(cancel) : NULL;
	struct client *invite =
		via ? find(engine, txn_key_sent(via->branch, SPAN("INVITE"), &engine->key)) : NULL;
	if (invite && invite->txn.state == TXN_PROCEEDING)
		step(invite, TXN_TRANSPORT_ERROR, NULL);
}

static void send_cancel(struct client *client)
{
	need_cancel(client);
	struct msg *cancel = read_back(client->engine, client->cancel, client->cancel_n);
	const struct via *via = cancel ? msg_top_via(cancel) : NULL;
	if (!via)
		return;
	char *bytes = must_alloc(client->cancel_n);
	memcpy(bytes, client->cancel, client->cancel_n);
	struct client *canceller = client_new(client->engine, bytes, client->cancel_n, via->branch,
		SPAN("CANCEL"), &client->to, NULL, NULL);
	if (!canceller)
		return;
	canceller->told = cancel_told;
	canceller->is_own = true;
	client_go(canceller);
}

/* ---- what is counted ---- */

static void await_no_more(struct client *client)
{
	if (client->is_awaited)
		client->engine->awaited[client->peer]--;
	client->is_awaited = false;
}

/* Each client has one end: the sum of them is the number of those that are over. */
static enum counter end_of(
	const struct client *client, uint32_t actions, const struct packet *response)
{
	uint32_t code = response ? response->msg.code : 0;
	if (code >= 200 && code < 300)
		return COUNT_clients_2xx;
	if (client->txn.cancelling)
		return COUNT_clients_given_up;
	if (actions & TXN_TIMED_OUT)
		return COUNT_clients_timed_out;
	if (actions & TXN_FAILED)
		return COUNT_clients_unreachable;
	return COUNT_clients_2xx + code / 100 - 2;
}

static void count_step(
	struct client *client, uint8_t before, uint32_t actions, const struct packet *response)
{
	uint64_t *count = client->engine->count;
	uint8_t state = client->txn.state;
	if (before < TXN_PROCEEDING && state == TXN_PROCEEDING)
		count[COUNT_clients_1xx]++;
	if (before > TXN_PROCEEDING || state <= TXN_PROCEEDING)
		return;
	count[end_of(client, actions, response)]++;
	await_no_more(client);
}

/* ---- stepping ---- */

static void arm(struct client *client)
{
	int64_t due_ms = txn_due_ms(&client->txn);
	if (due_ms == INT64_MAX)
		timers_cancel(&client->engine->timers, &client->timer);
	else if (!timer_is_armed(&client->timer) || client->timer.due_ms != due_ms)
		timers_arm(&client->engine->timers, &client->timer, due_ms);
}

static void drop(struct client *client, char **bytes)
{
	engine_free_later(client->engine, *bytes);
	*bytes = NULL;
}

/* What can be needed no more. An INVITE that got a provisional response is never sent again; of one
 * that failed an ACK may have to be made once more. */
static void drop_bytes(struct client *client)
{
	uint8_t state = client->txn.state;
	if (state == TXN_PROCEEDING && is_invite(client))
		need_cancel(client);
	if (state == TXN_ACCEPTED || state == TXN_COMPLETED ||
		(state == TXN_PROCEEDING && is_invite(client)))
		drop(client, &client->bytes);
	if (state == TXN_ACCEPTED)
		drop(client, &client->cancel);
}

static void tell_all(struct client *client, uint32_t actions, struct packet *response)
{
	client->is_telling = true;
	if (actions & TXN_PASS)
		tell(client, CLIENT_RESPONSE, response);
	if (actions & TXN_TIMED_OUT)
		tell(client, CLIENT_TIMED_OUT, NULL);
	if (actions & TXN_FAILED)
		tell(client, CLIENT_FAILED, NULL);
	if (actions & TXN_ENDED)
		tell(client, CLIENT_ENDED, NULL);
	client->is_telling = false;
}

static void step(struct client *client, enum txn_event event, struct packet *response)
{
	struct engine *engine = client->engine;
	uint8_t before = client->txn.state;
	uint32_t actions = transactions_step(engine, &client->txn, event);
	count_step(client, before, actions, response);
	bool failed = (actions & TXN_SEND) && send_bytes(client, client->bytes, client->n) < 0;
	if (actions & TXN_SEND_ACK)
		send_ack(client, response);
	drop_bytes(client);
	if (actions & TXN_SEND_CANCEL)
		send_cancel(client);
	arm(client);
	tell_all(client, actions, response);
	if ((actions & TXN_ENDED) || client->is_freed)
		client_free(client);
	else if (failed)
		step(client, TXN_TRANSPORT_ERROR, NULL);
}

struct client *client_new(struct engine *engine, char *bytes, uint32_t n, struct span branch,
	struct span method, const struct flow *to, client_fn told, void *user)
{
	const struct leg *leg = &engine->legs.leg[to->leg];
	uint16_t peer = party_of_address(engine, leg->address.transport, &to->peer);
	bool is_awaited = told != NULL; /* else it is a CANCEL, which makes room */
	bool is_over_share = is_awaited && engine->awaited[peer] >= engine->limits.clients_per_peer;
	if (engine->transactions.n >= engine->limits.transactions || is_over_share) {
		engine_free_later(engine, bytes);
		engine->count[is_over_share ? COUNT_overload_peer : COUNT_overload]++;
		return NULL;
	}
	struct client *client = must_zalloc(sizeof *client);
	client->engine = engine;
	client->is_client = true;
	client->is_awaited = is_awaited;
	client->peer = peer;
	engine->awaited[peer] += is_awaited;
	client->key = txn_key_sent(branch, method, &engine->key);
	client->timer.fire = timer_fired;
	client->to = *to;
	client->told = told;
	client->user = user;
	client->bytes = bytes;
	client->n = n;
	txn_init(&client->txn, span_eq(method, SPAN("INVITE")) ? TXN_INVITE_CLIENT : TXN_CLIENT,
		transport_is_reliable(leg->address.transport));
	engine->legs.leg[to->leg].n_transactions++;
	transactions_insert(engine, &client->link, client->key, &client->txn);
	engine->count[COUNT_client_transactions]++;
	return client;
}

void client_go(struct client *client)
{
	step(client, TXN_START, NULL);
}

static void add_reason(struct client *client, struct span reason)
{
	static const struct span last = {"Content-Length: 0\r\n\r\n", 21};
	need_cancel(client);
	if (!client->cancel || client->txn.cancelling)
		return;
	char *text = must_realloc(client->cancel, client->cancel_n + (size_t)reason.n + 10);
	char *out = put_text(text + client->cancel_n - last.n, "Reason: ");
	out = put_text(put_span(out, reason), "\r\n");
	client->cancel = text;
	client->cancel_n = (uint32_t)(put_span(out, last) - text);
}

void client_cancel(struct client *client, struct span reason)
{
	if (is_invite(client) && reason.n && reason.n <= CLIENT_REASON_MAX)
		add_reason(client, reason);
	step(client, TXN_CANCEL, NULL);
}

void client_free(struct client *client)
{
	struct engine *engine = client->engine;
	client->told = NULL;
	if (client->is_telling) {
		client->is_freed = true;
		return;
	}
	timers_cancel(&engine->timers, &client->timer);
	if (client->txn.state <= TXN_PROCEEDING)
		engine->count[COUNT_clients_given_up]++;
	await_no_more(client);
	engine->legs.leg[client->to.leg].n_transactions--;
	transactions_remove(engine, &client->link, &client->txn);
	engine_free_later(engine, client->bytes);
	engine_free_later(engine, client->cancel);
	free(client);
}

/* ---- what comes in ---- */

/* RFC 3261 16.7 (3): without a Via below ours it is for nobody else. */
static bool is_for_upstream(struct msg *response)
{
	struct msg_values vias = msg_values(response, HDR_VIA);
	struct span own, next;
	return msg_values_next(&vias, &own) && msg_values_next(&vias, &next);
}

bool client_take_response(struct packet *response)
{
	struct engine *engine = response->engine;
	struct txn_key key;
	if (!engine->transactions.n || !txn_key_client(&response->msg, &engine->key, &key))
		return false;
	struct client *client = find(engine, key);
	if (!client || (client->told && !client->is_own && !is_for_upstream(&response->msg)))
		return false;
	response->is_awaited = true;
	step(client, txn_event_of(response->msg.code), response);
	return true;
}

bool client_take_unsent(struct packet *request, const char *reason)
{
	struct engine *engine = request->engine;
	const struct via *via = msg_top_via(&request->msg);
	if (!engine->transactions.n || !via)
		return false;
	struct txn_key key = txn_key_sent(via->branch, request->msg.method, &engine->key);
	struct client *client = find(engine, key);
	if (!client)
		return false;
	client->error = reason;
	step(client, TXN_TRANSPORT_ERROR, NULL);
	return true;
}

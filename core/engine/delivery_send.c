/* One delivery: where it goes, and what comes back. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/put.h"
#include "engine/delivery_parts.h"
#include "engine/forward.h"
#include "engine/outgoing.h"
#include "engine/party.h"
#include "sip/edit.h"
#include "sip/fork.h"

/* ---- sending ---- */

static void told(void *user, struct client *client, enum client_news news, struct packet *response);
static void silence_over(struct timer *timer);

/* A request of our own gets the Via of a user agent: with a branch nobody can guess. */
static int add_own_via(struct packet *packet, const struct leg *leg, struct span *branch)
{
	struct msg *msg = &packet->msg;
	struct engine *engine = packet->engine;
	uint64_t random;
	engine->world->random(engine->world, &random, sizeof random);
	if (msg_find(msg, HDR_MAX_FORWARDS, 0) < 0 &&
		edit_add(msg, hdr_name(HDR_MAX_FORWARDS), SPAN("70")))
		return EDIT_TOO_MANY;
	char *line = edit_lines_room(msg, 1, leg->via_n + BRANCH_TEXT_MAX + 16), *out = line;
	if (!line)
		return EDIT_TOO_MANY;
	out = put_text(put_span(out, span_of(leg->via, leg->via_n)), ";branch=");
	char *begin = out;
	out = put_hex64(put_text(out, "z9hG4bK"), random);
	*branch = span_between(begin, out);
	out = put_text(out, "\r\n");
	edit_lines_written(msg, out);
	edit_insert_lines(msg, 0, &(struct edit_line){span_between(line, out), HDR_VIA}, 1);
	return 0;
}

/* As a proxy sends it on. A number in the branch makes it a transaction of its own; without one,
 * 0, a repeated INVITE, its CANCEL and its ACK have the branch of the first (RFC 3261 16.11). */
static int edit_as_proxy(
	struct packet *packet, struct leg *leg, uint32_t number, struct span *branch)
{
	struct route route;
	struct outgoing made;
	route_request(packet, &route);
	if (route.code)
		return EDIT_REFUSED;
	int rc = outgoing_edit(packet, &route, leg, number, &made);
	*branch = made.branch;
	return rc;
}

/* As long as a transaction would, if nothing else was asked for. */
static void await_answer(struct delivery *delivery, struct span branch, struct span method)
{
	struct engine *engine = delivery->engine;
	delivery_await(delivery, branch, method);
	if (!timer_is_armed(&delivery->patience))
		timers_arm(&engine->timers, &delivery->patience,
			engine_now_ms(engine) + 64 * (int64_t)engine->times.t1_ms);
}

/* The request as it leaves by that leg, put into the client transaction that sends it or sent here.
 * 0 or an errno. */
static int send_by(
	struct delivery *delivery, struct packet *packet, struct leg *leg, const struct flow *to)
{
	struct engine *engine = delivery->engine;
	struct msg *msg = &packet->msg;
	struct span branch;
	uint32_t n,
		number = (uint32_t)delivery->number * RESOLVE_TARGETS_MAX + delivery->hunt.tried;
	bool is_lossy = !transport_is_reliable(leg->address.transport);
	bool is_stateless = (delivery->once && is_lossy) || msg->method_id == METHOD_ACK;
	if (is_stateless || msg->method_id == METHOD_CANCEL)
		number = 0;
	int rc = packet->is_own ? add_own_via(packet, leg, &branch)
				: edit_as_proxy(packet, leg, number, &branch);
	if (rc < 0)
		return EMSGSIZE;
	char *bytes = write_copy(msg, !is_lossy, &n);
	if (is_stateless) {
		rc = engine_send(engine, to, &(struct iovec){bytes, n}, 1);
		engine_free_later(engine, bytes);
		if (rc == 0 && delivery->wants_end && msg->method_id != METHOD_ACK)
			await_answer(delivery, branch, msg->method);
		return -rc;
	}
	struct client *client =
		client_new(engine, bytes, n, branch, msg->method, to, told, delivery);
	if (!client)
		return ENOBUFS;
	client->is_own = packet->is_own;
	delivery->hunt.client = client;
	hunt_listen(&delivery->hunt, &delivery->patience, silence_over);
	client_go(client);
	return 0;
}

static struct leg_wish wish_of(const struct delivery *delivery)
{
	struct engine *engine = delivery->engine;
	if (delivery->leg_serial)
		return (struct leg_wish){
			.leg = legs_by_serial(engine, delivery->leg_serial), .nowhere_else = true};
	return (struct leg_wish){
		.leg = delivery->is_own ? NULL : &engine->legs.leg[delivery->from.leg]};
}

/* The request to be answered, for its script cannot do that any more; NULL: nobody waits for that,
 * or it went without a transaction, as through a stateless proxy. Statelessly: who did not hear it
 * sends the request again. */
static struct packet *request_to_answer(struct delivery *delivery)
{
	if (delivery->is_own || delivery->awaits_answer || !delivery->bytes)
		return NULL;
	struct packet *packet = delivery_packet(delivery);
	packet->routing = NULL;
	return packet;
}

/* What stands for an answer that never came becomes what a relay with one branch would say (RFC
 * 3261 16.7 (6), RFC 4320 4.2). */
static void answer(struct packet *packet, uint16_t code)
{
	struct fork fork = {.is_invite = packet->msg.method_id == METHOD_INVITE};
	fork_response(&fork, code);
	code = fork_end(&fork);
	if (code == 420)
		forward_refuse_extensions(packet);
	else if (code)
		packet_reply(packet, code, span_of(NULL, 0), span_of(NULL, 0));
}

/* No final response was heard, and will be: `code` stands for that. Who gave it up has 487 coming
 * (RFC 3261 9.2). */
static void fail(struct delivery *delivery, const char *error, uint32_t code)
{
	struct packet *packet = request_to_answer(delivery);
	if (packet) {
		answer(packet, delivery->is_cancelled ? 487 : (uint16_t)code);
		packet_release(packet);
	}
	delivery_finish(delivery, DELIVERY_FAILED, error);
	delivery_forget_request(delivery);
}

/* A limit stands against it. Within deliver that is said there. */
static void refuse(struct delivery *delivery)
{
	struct packet *packet = delivery->is_starting ? NULL : request_to_answer(delivery);
	if (packet) {
		packet_reply(packet, 503, span_of(NULL, 0), SPAN(RETRY_LATER));
		packet_release(packet);
	}
	delivery->no_room = true;
	delivery_finish(delivery, DELIVERY_FAILED, "ENOBUFS");
}

/* From one address to the next until one can be tried. `error`, and the code that stands for it: of
 * those before. */
static void try_next(struct delivery *delivery, const char *error, uint32_t code)
{
	struct leg_wish wish = wish_of(delivery);
	struct flow *to = &delivery->sent_to;
	struct leg *leg;
	int rc = 0;
	if (hunt_has_next(&delivery->hunt)) {
		error = "EHOSTUNREACH";
		code = 503;
	}
	while ((leg = hunt_next(&delivery->hunt, delivery->engine, &wish, to))) {
		/* To ourselves it would go round in a circle (RFC 3261 16.5). */
		if (legs_is_own_address(delivery->engine, leg->address.transport, &to->peer)) {
			code = 404;
			continue;
		}
		to->receipt = delivery->number;
		struct packet *packet = delivery_packet(delivery);
		rc = send_by(delivery, packet, leg, to);
		packet_release(packet);
		if (rc) {
			error = strerrorname_np(rc);
			code = rc == EMSGSIZE ? 513 : 503;
			continue;
		}
		if (!delivery->hunt.client && !delivery->awaits_answer) /* that was it */
			delivery_finish(delivery, DELIVERY_SENT, NULL);
		return;
	}
	if (rc == ENOBUFS)
		refuse(delivery);
	else
		fail(delivery, error, code);
}

/* ---- what comes of it ---- */

static void next_address(struct delivery *delivery, const char *error, uint32_t code)
{
	hunt_leave(&delivery->hunt);
	try_next(delivery, error, code);
	delivery_let_go(delivery);
}

static void fail_over(struct delivery *delivery, const char *error, uint32_t code)
{
	hunt_mark_dead(&delivery->hunt, error);
	if (delivery->is_queued)
		next_address(delivery, error, code);
	else
		fail(delivery, error, 408); /* it rang (RFC 3261 16.8) */
}

static void silence_over(struct timer *timer)
{
	struct delivery *delivery =
		(struct delivery *)((char *)timer - offsetof(struct delivery, hunt.silence));
	if (!delivery->is_queued || !hunt_has_next(&delivery->hunt))
		return;
	hunt_abandon(&delivery->hunt);
	try_next(delivery, "ETIMEDOUT", 408);
	delivery_let_go(delivery);
}

static struct delivery *delivery_of(struct timer *patience)
{
	return (struct delivery *)((char *)patience - offsetof(struct delivery, patience));
}

/* The timeout asked for: nobody has answered. */
static void too_late(struct timer *timer)
{
	struct delivery *delivery = delivery_of(timer);
	struct client *client = delivery->hunt.client;
	if (client)
		hunt_mark_dead(&delivery->hunt, "ETIMEDOUT");
	if (client && client->txn.kind == TXN_INVITE_CLIENT) {
		client_cancel(client, span_of(NULL, 0)); /* a 2xx that comes all the same is a call
							    (RFC 3261 16.7 (5)) */
	} else if (client) {
		client_free(client);
		delivery->hunt.client = NULL;
	}
	if (delivery->resolve)
		resolve_cancel(delivery->resolve);
	delivery->resolve = NULL;
	fail(delivery, "ETIMEDOUT", 408);
}

/* It rings for too long. */
static void impatient(struct timer *timer)
{
	struct delivery *delivery = delivery_of(timer);
	if (delivery->hunt.client)
		client_cancel(delivery->hunt.client, span_of(NULL, 0));
}

void delivery_give_up(struct delivery *delivery, struct span reason)
{
	delivery->is_cancelled = true;
	hunt_stop(&delivery->hunt);
	if (delivery->hunt.client) {
		client_cancel(delivery->hunt.client, reason);
		return;
	}
	resolve_cancel(delivery->resolve);
	delivery->resolve = NULL;
	fail(delivery, "ECANCELED", 487);
	delivery_let_go(delivery);
}

void delivery_be_patient(struct delivery *delivery)
{
	struct engine *engine = delivery->engine;
	delivery->patience.fire = impatient;
	if (delivery->hunt.client)
		timers_arm(&engine->timers, &delivery->patience,
			engine_now_ms(engine) + DELIVERY_PATIENCE_MS);
}

static void pass_on(struct packet *response)
{
	struct policy *policy = &response->engine->policy;
	packet_hold(response);
	policy->receive(policy->self, response);
}

static void answered(struct delivery *delivery, struct packet *response)
{
	struct engine *engine = delivery->engine;
	uint32_t code = response->msg.code;
	hunt_heard(&delivery->hunt, response);
	if (code == 503 && delivery->is_queued && hunt_has_next(&delivery->hunt)) {
		next_address(delivery, NULL, 503);
		return;
	}
	delivery->rings =
		code < 200 && !delivery->is_own && response->msg.method_id == METHOD_INVITE;
	delivery_finish(delivery, DELIVERY_ARRIVED, NULL);
	delivery_be_patient(delivery);
	if (code >= 200) {
		timers_cancel(&engine->timers, &delivery->patience);
		delivery_forget_request(delivery);
	}
	pass_on(response);
}

/* A request that is no INVITE is answered once; each 2xx to an INVITE is a call. */
static void told_late(struct delivery *delivery, const struct client *client, enum client_news news,
	struct packet *response)
{
	bool is_call = client->txn.kind == TXN_INVITE_CLIENT;
	if (hunt_late(&delivery->hunt, client, news, response) &&
		(delivery->is_queued || is_call)) {
		delivery_finish(delivery, DELIVERY_ARRIVED, NULL);
		delivery_forget_request(delivery);
		pass_on(response);
	}
	delivery_let_go(delivery);
}

static void told(void *user, struct client *client, enum client_news news, struct packet *response)
{
	struct delivery *delivery = user;
	if (client != delivery->hunt.client) {
		told_late(delivery, client, news, response);
		return;
	}
	switch (news) {
	case CLIENT_RESPONSE:
		answered(delivery, response);
		return;
	case CLIENT_TIMED_OUT:
		fail_over(delivery, "ETIMEDOUT", 408);
		return;
	case CLIENT_FAILED:
		fail_over(delivery, client->error, 503);
		return;
	case CLIENT_ENDED:
		delivery->hunt.client = NULL;
		delivery_let_go(delivery);
		return;
	}
}

/* ---- beginning ---- */

static void take_targets(struct delivery *delivery, enum locate_result result,
	const struct locate_target *targets, uint32_t n)
{
	hunt_begin(&delivery->hunt, targets, n);
	try_next(delivery, locate_errno_name(result), resolve_code(result));
}

static void located(
	void *arg, enum locate_result result, const struct locate_target *targets, uint32_t n)
{
	struct delivery *delivery = arg;
	delivery->resolve = NULL;
	take_targets(delivery, result, targets, n);
	delivery_let_go(delivery);
}

/* Where it goes: as asked, or by the first Route, or by the Request-URI. A code: nowhere. */
static uint32_t next_hop_of(
	struct packet *packet, const struct uri *to, struct uri *next, uint64_t *seed)
{
	struct route route;
	route_request(packet, &route);
	*next = to ? *to : route.next_hop;
	*seed = route.loop_part;
	return to ? 0 : route.code;
}

static void find_targets(struct delivery *delivery, struct packet *packet, const struct uri *to)
{
	struct engine *engine = delivery->engine;
	struct locate_target targets[RESOLVE_NOW_MAX];
	struct uri next;
	uint64_t seed; /* the same for all requests that are to meet (RFC 3261 16.11) */
	uint32_t code = next_hop_of(packet, to, &next, &seed);
	if (code) {
		fail(delivery, "EHOSTUNREACH", code);
		return;
	}
	bool has_share = delivery->is_own || delivery_take_share(delivery,
						     party_of_source(engine, &delivery->from.peer));
	struct span maddr, host = uri_param(&next, SPAN("maddr"), &maddr) ? maddr : next.host;
	if (!has_share || !delivery_take_share(delivery, party_of_host(engine, host))) {
		refuse(delivery);
		return;
	}
	struct leg *leg = legs_by_serial(engine, delivery->leg_serial);
	struct resolve_query query = {
		.uri = &next,
		.routing = packet->routing,
		.direct = to != NULL,
		.too_big_for_udp = delivery->n > RESOLVE_UDP_MAX,
		.seed = seed,
		.legs = leg ? (uint64_t)1 << leg->index : 0,
	};
	if (delivery->is_own)
		engine->world->random(engine->world, &query.seed, sizeof query.seed);
	uint32_t n = resolve_now(engine, &query, targets);
	if (n)
		take_targets(delivery, LOCATE_FOUND, targets, n);
	else
		delivery->resolve = resolve_start(engine, &query, located, delivery);
}

void delivery_begin(struct delivery *delivery, const struct delivery_options *options)
{
	struct engine *engine = delivery->engine;
	struct packet *packet = delivery_packet(delivery);
	delivery->patience.fire = too_late;
	if (options->timeout_ms)
		timers_arm(&engine->timers, &delivery->patience,
			engine_now_ms(engine) + options->timeout_ms);
	find_targets(delivery, packet, options->to);
	packet_release(packet);
}

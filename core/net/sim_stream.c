/* Connections of the sim world. Bytes arrive in order and all, or none more; where they are cut on
 * the way is chance. Each end puts them together and cuts them into messages with the frame_fn. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "net/sim_parts.h"

enum { ALWAYS = 1000 };

static struct sim_connection *by_id(struct sim *sim, uint64_t id)
{
	struct sim_connection *c = sim->connections[id % SIM_ADDR_BUCKETS];
	while (c && c->id != id)
		c = c->next;
	return c;
}

static struct sim_connection *by_pair(
	struct sim *sim, uint32_t leg, enum transport transport, const struct addr *peer)
{
	struct sim_connection *c = sim->connections[sim_addr_bucket(peer)];
	while (c && (c->leg != leg || c->transport != transport || !addr_eq(&c->peer, peer)))
		c = c->next;
	return c;
}

static struct sim_connection *by_alias(struct sim *sim, uint32_t leg, const struct addr *alias)
{
	for (int i = 0; i < SIM_ADDR_BUCKETS; i++)
		for (struct sim_connection *c = sim->connections[i]; c; c = c->next)
			if (c->leg == leg && !c->is_closed && addr_eq(&c->alias, alias))
				return c;
	return NULL;
}

static struct sim_connection *connection_new(struct sim *sim, uint32_t leg, const struct addr *peer)
{
	uint32_t bucket = sim_addr_bucket(peer);
	struct sim_connection *c = must_zalloc(sizeof *c);
	c->id = ++sim->connections_made * SIM_ADDR_BUCKETS + bucket;
	c->leg = leg;
	c->transport = sim->legs[leg].address.transport;
	c->local = sim->legs[leg].address.bind;
	c->peer = *peer;
	c->next = sim->connections[bucket];
	sim->connections[bucket] = c;
	return c;
}

static void connection_free(struct sim_connection *c)
{
	free(c->came[SIM_TO_ENGINE].p);
	free(c->came[SIM_FROM_ENGINE].p);
	free(c->unsent.p);
	free(c->receipts);
	free(c);
}

static void bury(struct sim *sim, struct sim_connection *c)
{
	struct sim_connection **slot = &sim->connections[c->id % SIM_ADDR_BUCKETS];
	while (*slot != c)
		slot = &(*slot)->next;
	*slot = c->next;
	c->next = sim->dead;
	sim->dead = c;
}

void sim_stream_turn_end(struct sim *sim)
{
	while (sim->dead) {
		struct sim_connection *c = sim->dead;
		sim->dead = c->next;
		connection_free(c);
	}
}

size_t sim_connections(const struct sim *sim)
{
	size_t n = 0;
	for (int i = 0; i < SIM_ADDR_BUCKETS; i++)
		for (const struct sim_connection *c = sim->connections[i]; c; c = c->next)
			n += !c->is_closed && !c->is_peer_closed;
	return n;
}

static void trace(struct sim *sim, const char *verb, const struct sim_connection *c,
	enum sim_way way, struct span bytes)
{
	bool out = way == SIM_FROM_ENGINE;
	sim_trace_bytes(sim, verb, c->transport, out ? &c->local : &c->peer,
		out ? &c->peer : &c->local, bytes);
}

static const struct sim_link *link_of(
	struct sim *sim, const struct sim_connection *c, enum sim_way way)
{
	return sim_link_of(sim, way, c->transport, &c->peer);
}

/* After all that is under way. */
static struct sim_event *queue_behind(struct sim *sim, struct sim_connection *c, enum sim_way way,
	void (*happen)(struct sim *sim, struct sim_event *event), struct span bytes)
{
	int64_t at = sim->now_us + sim_delay(sim, link_of(sim, c, way));
	if (at < c->tail_us[way])
		at = c->tail_us[way];
	c->tail_us[way] = at;
	struct sim_event *event = sim_queue(sim, at, happen, bytes);
	event->id = c->id;
	event->way = way;
	return event;
}

static struct flow flow_of(const struct sim_connection *c)
{
	return (struct flow){.leg = c->leg, .peer = c->peer, .connection = c->id};
}

static void tell_closed(struct sim *sim, struct sim_event *event)
{
	struct flow flow = {.leg = event->leg, .peer = event->from, .connection = event->id};
	sim_trace_text(sim, "closed", span_str(event->reason));
	sim_tell(sim)->closed(sim->world.self, &flow, event->reason);
}

static struct sim_arrival arrival_of(
	struct sim *sim, const struct sim_connection *c, struct sim_endpoint *endpoint)
{
	return (struct sim_arrival){
		.endpoint = endpoint,
		.at_us = sim->now_us,
		.transport = c->transport,
		.from = c->local,
		.leg = c->leg,
		.connection = c->id,
	};
}

static void tell_unsent(struct sim *sim, struct sim_connection *c, const char *reason);

static void end_arrives(struct sim *sim, struct sim_event *event)
{
	struct sim_connection *c = by_id(sim, event->id);
	if (!c || (event->way == SIM_TO_ENGINE && c->is_closed))
		return;
	trace(sim, event->reason, c, event->way, SPAN(""));
	bury(sim, c);
	if (event->way == SIM_TO_ENGINE) {
		struct flow flow = flow_of(c);
		tell_unsent(sim, c, event->reason);
		sim_tell(sim)->closed(sim->world.self, &flow, event->reason);
		return;
	}
	struct sim_endpoint *endpoint = sim_endpoint_at(sim, c->transport, &c->peer);
	if (!endpoint || !endpoint->arrived || c->is_peer_closed)
		return;
	struct sim_arrival arrival = arrival_of(sim, c, endpoint);
	arrival.closed = event->reason;
	endpoint->arrived(endpoint->self, &arrival);
}

static void engine_closes(struct sim *sim, struct sim_connection *c, const char *reason)
{
	if (c->is_closed)
		return;
	c->is_closed = true;
	queue_behind(sim, c, SIM_FROM_ENGINE, end_arrives, SPAN(""))->reason = "ESHUTDOWN";
	struct sim_event *event = sim_queue(sim, sim->now_us, tell_closed, SPAN(""));
	event->id = c->id;
	event->leg = c->leg;
	event->from = c->peer;
	event->reason = reason;
}

static void peer_closes(struct sim *sim, struct sim_connection *c, const char *reason)
{
	if (c->is_peer_closed)
		return;
	c->is_peer_closed = true;
	queue_behind(sim, c, SIM_TO_ENGINE, end_arrives, SPAN(""))->reason = reason;
}

static void append(struct sim_buffer *buffer, struct span bytes)
{
	buffer->n -= buffer->used;
	if (buffer->n)
		memmove(buffer->p, buffer->p + buffer->used, buffer->n);
	buffer->used = 0;
	if (buffer->room - buffer->n < bytes.n) {
		buffer->room = 2 * (buffer->n + bytes.n);
		buffer->p = must_realloc(buffer->p, buffer->room);
	}
	memcpy(buffer->p + buffer->n, bytes.p, bytes.n);
	buffer->n += bytes.n;
}

static void stream_leaves(
	struct sim *sim, struct sim_connection *c, enum sim_way way, struct span bytes);

/* The next message in `came`; empty when it has to wait for more. False: it can not be cut, and
 * `*message` is all there is. */
static bool cut(struct sim *sim, struct sim_buffer *came, struct span *message, uint32_t *pongs)
{
	struct span rest = span_of(came->p + came->used, came->n - came->used);
	uint32_t skip = 0;
	BUG(!sim->frame);
	*pongs = 0;
	int64_t n = sim->frame(rest, &skip, pongs);
	came->used += skip;
	rest = span_from(rest, skip);
	if (n < 0 || n > STREAM_MESSAGE_MAX || (!n && rest.n > STREAM_MESSAGE_MAX)) {
		*message = rest;
		return false;
	}
	*message = span_of(rest.p, (size_t)n);
	came->used += (uint32_t)n;
	return true;
}

/* What the connection never took went nowhere. */
static void tell_unsent(struct sim *sim, struct sim_connection *c, const char *reason)
{
	struct flow flow = flow_of(c);
	struct span message;
	uint32_t pongs;
	while (c->unsent.used < c->unsent.n && cut(sim, &c->unsent, &message, &pongs) && message.n)
		sim_tell(sim)->unsent(sim->world.self, &flow, message, reason);
}

static void give_engine(struct sim *sim, struct sim_connection *c)
{
	struct sim_buffer *came = &c->came[SIM_TO_ENGINE];
	struct flow flow = flow_of(c);
	struct span message;
	uint32_t pongs;
	while (!c->is_closed && came->used < came->n) {
		bool is_cut = cut(sim, came, &message, &pongs);
		for (; pongs; pongs--) /* RFC 5626 4.4.1 */
			stream_leaves(sim, c, SIM_FROM_ENGINE, SPAN("\r\n"));
		if (!is_cut) {
			sim_tell(sim)->unframed(sim->world.self, &flow, message);
			sim_flush(sim); /* the answer goes first */
			engine_closes(sim, c, "EBADMSG");
			return;
		}
		if (!message.n)
			return;
		sim_tell(sim)->message(sim->world.self, &flow, message);
	}
}

static void give_endpoint(struct sim *sim, struct sim_connection *c, struct span raw)
{
	struct sim_buffer *came = &c->came[SIM_FROM_ENGINE];
	struct sim_endpoint *endpoint;
	uint32_t pongs;
	append(came, raw);
	while (came->used < came->n && (endpoint = sim_endpoint_at(sim, c->transport, &c->peer))) {
		struct sim_arrival arrival = arrival_of(sim, c, endpoint);
		if (endpoint->is_raw || !cut(sim, came, &arrival.bytes, &pongs)) {
			arrival.bytes = span_of(came->p + came->used, came->n - came->used);
			came->used = came->n;
		}
		if (!arrival.bytes.n)
			return;
		if (endpoint->arrived)
			endpoint->arrived(endpoint->self, &arrival);
	}
}

static void stream_arrives(struct sim *sim, struct sim_event *event)
{
	struct sim_connection *c = by_id(sim, event->id);
	struct span bytes = span_of(event->bytes, event->n);
	if (!c || (event->way == SIM_TO_ENGINE && c->is_closed))
		return;
	bool is_heard = event->way == SIM_TO_ENGINE || sim_endpoint_at(sim, c->transport, &c->peer);
	trace(sim, is_heard ? "arrive" : "nobody", c, event->way, bytes);
	if (event->way == SIM_FROM_ENGINE) {
		give_endpoint(sim, c, bytes);
	} else {
		append(&c->came[SIM_TO_ENGINE], bytes);
		give_engine(sim, c);
	}
}

static void stream_leaves(
	struct sim *sim, struct sim_connection *c, enum sim_way way, struct span bytes)
{
	const struct sim_link *link = link_of(sim, c, way);
	bool is_lost = link->loss >= ALWAYS, is_cut = sim_chance(sim, link->cut);
	trace(sim, is_lost ? "lost" : "send", c, way, bytes);
	while (!is_lost && bytes.n) {
		uint32_t n = is_cut ? 1 + sim_draw(sim, bytes.n) : bytes.n;
		queue_behind(sim, c, way, stream_arrives, span_of(bytes.p, n));
		bytes = span_from(bytes, n);
	}
}

static void connect_arrives(struct sim *sim, struct sim_event *event)
{
	struct sim_connection *c = by_id(sim, event->id);
	if (!c)
		return;
	bool is_heard = sim_endpoint_at(sim, c->transport, &c->peer) != NULL;
	trace(sim, is_heard ? "open" : "refuse", c, SIM_FROM_ENGINE, SPAN(""));
	c->is_open = is_heard;
	if (is_heard)
		c->unsent.used = c->unsent.n;
	else
		peer_closes(sim, c, "ECONNREFUSED");
	for (uint32_t i = 0; is_heard && i < c->n_receipts; i++)
		sim_tell(sim)->sent(sim->world.self, c->receipts[i]);
	c->n_receipts = 0;
}

static void times_out(struct sim *sim, struct sim_event *event)
{
	struct sim_connection *c = by_id(sim, event->id);
	if (c)
		peer_closes(sim, c, "ETIMEDOUT");
}

int sim_stream_for(struct sim *sim, const struct flow *to, uint64_t *connection)
{
	struct sim_connection *c = to->connection ? by_id(sim, to->connection) : NULL;
	if (!c || c->is_closed) {
		if (!addr_is_set(&to->peer) || !addr_port(&to->peer))
			return -ENOTCONN;
		c = by_pair(sim, to->leg, sim->legs[to->leg].address.transport, &to->peer);
	}
	if (!c || c->is_closed)
		c = by_alias(sim, to->leg, &to->peer);
	if (!c) {
		c = connection_new(sim, to->leg, &to->peer);
		if (link_of(sim, c, SIM_FROM_ENGINE)->loss >= ALWAYS)
			sim_queue(sim, sim->now_us + SIM_CONNECT_MS * 1000, times_out, SPAN(""))
				->id = c->id;
		else
			queue_behind(sim, c, SIM_FROM_ENGINE, connect_arrives, SPAN(""));
	}
	*connection = c->id;
	return 0;
}

static void bytes_left(struct sim *sim, struct sim_event *event)
{
	sim_tell(sim)->sent(sim->world.self, event->id);
}

/* What is sent before the connection is open leaves when it is. */
static void note_receipt(struct sim *sim, struct sim_connection *c, uint64_t receipt)
{
	if (c->is_open) {
		sim_queue(sim, sim->now_us, bytes_left, SPAN(""))->id = receipt;
		return;
	}
	c->receipts = must_realloc(c->receipts, (c->n_receipts + 1) * sizeof *c->receipts);
	c->receipts[c->n_receipts++] = receipt;
}

void sim_stream_send(struct sim *sim, uint64_t connection, struct span bytes, uint64_t receipt)
{
	struct sim_connection *c = by_id(sim, connection);
	if (!c || c->is_closed)
		return;
	bool is_stuck = c->is_open && link_of(sim, c, SIM_FROM_ENGINE)->loss >= ALWAYS;
	if (is_stuck && c->unsent.used == c->unsent.n)
		sim_queue(sim, sim->now_us + SIM_STALL_MS * 1000, times_out, SPAN(""))->id = c->id;
	if (is_stuck || !c->is_open)
		append(&c->unsent, bytes);
	stream_leaves(sim, c, SIM_FROM_ENGINE, bytes);
	if (receipt && !is_stuck)
		note_receipt(sim, c, receipt);
}

int sim_stream_inject(struct sim *sim, enum transport transport, const struct addr *from,
	const struct addr *to, struct span bytes)
{
	struct sim_leg *leg = sim_leg_at(sim, SIM_TO_ENGINE, transport, to);
	if (!leg) {
		sim_trace_bytes(sim, "refuse", transport, from, to, SPAN(""));
		return -ECONNREFUSED;
	}
	uint32_t index = (uint32_t)(leg - sim->legs);
	struct sim_connection *c = by_pair(sim, index, transport, from);
	if (!c || c->is_peer_closed) {
		if (sim_link_of(sim, SIM_TO_ENGINE, transport, from)->loss >= ALWAYS)
			return 0;
		c = connection_new(sim, index, from);
		c->is_open = true;
		trace(sim, "open", c, SIM_TO_ENGINE, SPAN(""));
	}
	stream_leaves(sim, c, SIM_TO_ENGINE, bytes);
	return 0;
}

int sim_answer(struct sim *sim, const struct sim_arrival *arrival, struct span bytes)
{
	const struct addr *from = &arrival->endpoint->addr;
	if (!transport_is_reliable(arrival->transport))
		return sim_inject(sim, arrival->transport, from, &arrival->from, bytes);
	struct sim_connection *c = by_id(sim, arrival->connection);
	if (!c || c->is_peer_closed)
		return -ENOTCONN;
	stream_leaves(sim, c, SIM_TO_ENGINE, bytes);
	return 0;
}

void sim_hang_up(struct sim *sim, enum transport transport, const struct addr *from,
	const struct addr *to, enum sim_end end)
{
	struct sim_leg *leg = sim_leg_at(sim, SIM_TO_ENGINE, transport, to);
	struct sim_connection *c =
		leg ? by_pair(sim, (uint32_t)(leg - sim->legs), transport, from) : NULL;
	if (c)
		peer_closes(sim, c, end == SIM_RESET ? "ECONNRESET" : "ESHUTDOWN");
}

void sim_stream_close(struct world *world, uint64_t connection)
{
	struct sim *sim = (struct sim *)world;
	sim_flush(sim);
	struct sim_connection *c = by_id(sim, connection);
	if (c)
		engine_closes(sim, c, "ECANCELED");
}

void sim_stream_alias(struct world *world, uint64_t connection, const struct addr *alias)
{
	struct sim *sim = (struct sim *)world;
	struct sim_connection *c = by_id(sim, connection);
	if (c && !addr_is_set(&c->alias) && !addr_eq(&c->peer, alias) &&
		!by_alias(sim, c->leg, alias))
		c->alias = *alias;
}

void sim_stream_leg_closed(struct sim *sim, uint32_t leg)
{
	for (int i = 0; i < SIM_ADDR_BUCKETS; i++)
		for (struct sim_connection *c = sim->connections[i]; c; c = c->next)
			if (c->leg == leg)
				engine_closes(sim, c, "ECANCELED");
}

void sim_stream_endpoint_closed(struct sim *sim, const struct sim_endpoint *endpoint)
{
	struct sim_connection *c = sim->connections[sim_addr_bucket(&endpoint->addr)];
	for (; c; c = c->next)
		if (c->transport == endpoint->transport && addr_eq(&c->peer, &endpoint->addr))
			peer_closes(sim, c, "ECONNRESET");
}

void sim_stream_fini(struct sim *sim)
{
	sim_stream_turn_end(sim);
	for (int i = 0; i < SIM_ADDR_BUCKETS; i++)
		for (struct sim_connection *c = sim->connections[i], *next; c; c = next) {
			next = c->next;
			connection_free(c);
		}
}

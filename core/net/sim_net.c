/* Legs, endpoints and datagrams of the sim world. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "net/sim_parts.h"

enum { DATAGRAM_MAX = 65507 };

uint32_t sim_addr_bucket(const struct addr *addr)
{
	uint32_t hash = addr_port(addr);
	if (addr->sa.sa_family == AF_INET)
		hash += ntohl(addr->in4.sin_addr.s_addr) * 31;
	else
		for (int i = 0; i < 16; i++)
			hash = hash * 31 + addr->in6.sin6_addr.s6_addr[i];
	return (hash ^ hash >> 10 ^ hash >> 20) % SIM_ADDR_BUCKETS;
}

/* TCP and TLS share one space of ports. */
static bool same_space(enum transport a, enum transport b)
{
	return transport_is_reliable(a) == transport_is_reliable(b);
}

static bool addr_overlaps(const struct addr *a, const struct addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family || addr_port(a) != addr_port(b))
		return false;
	return addr_is_any(a) || addr_is_any(b) || addr_same_ip(a, b);
}

/* A leg that listens on all addresses gets what the outside sends to any, but is not where the
 * engine sends. */
struct sim_leg *sim_leg_at(
	struct sim *sim, enum sim_way way, enum transport transport, const struct addr *addr)
{
	for (int i = 0; i < SIM_LEGS_MAX; i++) {
		struct sim_leg *leg = &sim->legs[i];
		const struct addr *bind = &leg->address.bind;
		bool is_here =
			way == SIM_TO_ENGINE ? addr_overlaps(bind, addr) : addr_eq(bind, addr);
		if (leg->is_open && leg->address.transport == transport && is_here)
			return leg;
	}
	return NULL;
}

struct sim_endpoint *sim_endpoint_at(
	struct sim *sim, enum transport transport, const struct addr *addr)
{
	struct sim_endpoint *endpoint = sim->endpoints[sim_addr_bucket(addr)];
	while (endpoint && (endpoint->transport != transport || !addr_eq(&endpoint->addr, addr)))
		endpoint = endpoint->next;
	return endpoint;
}

static bool is_in_use(struct sim *sim, enum transport transport, const struct addr *addr)
{
	for (int i = 0; i < SIM_LEGS_MAX; i++) {
		struct sim_leg *leg = &sim->legs[i];
		if (leg->is_open && same_space(leg->address.transport, transport) &&
			addr_overlaps(&leg->address.bind, addr))
			return true;
	}
	for (struct sim_occupied *o = sim->occupied; o; o = o->next)
		if (same_space(o->transport, transport) && addr_overlaps(&o->addr, addr))
			return true;
	return sim_endpoint_at(sim, transport, addr) != NULL;
}

void sim_occupy(struct sim *sim, enum transport transport, const struct addr *addr)
{
	struct sim_occupied *occupied = must_alloc(sizeof *occupied);
	*occupied = (struct sim_occupied){sim->occupied, transport, *addr};
	sim->occupied = occupied;
}

void sim_unreachable(struct sim *sim, const struct addr *ip)
{
	struct sim_unreachable *unreachable = must_alloc(sizeof *unreachable);
	*unreachable = (struct sim_unreachable){sim->unreachable, *ip};
	sim->unreachable = unreachable;
}

static bool is_unreachable(const struct sim *sim, const struct addr *addr)
{
	const struct sim_unreachable *unreachable = sim->unreachable;
	while (unreachable && !addr_same_ip(&unreachable->ip, addr))
		unreachable = unreachable->next;
	return unreachable != NULL;
}

int sim_leg_open(struct world *world, uint32_t index, struct leg_address *address, char error[256])
{
	struct sim *sim = (struct sim *)world;
	struct addr bind = address->bind;
	BUG(index >= SIM_LEGS_MAX || sim->legs[index].is_open);
	if (!addr_port(&bind)) {
		uint32_t port = SIM_PORT_FIRST;
		do
			addr_set_port(&bind, (uint16_t)port++);
		while (port < 65536 && is_in_use(sim, address->transport, &bind));
	}
	if (is_in_use(sim, address->transport, &bind)) {
		char text[ADDR_TEXT_MAX];
		int n = (int)addr_print(&bind, text);
		snprintf(error, 256, "cannot bind %.*s: Address already in use", n, text);
		return -1;
	}
	address->bind = bind;
	sim->legs[index] = (struct sim_leg){.is_open = true, .address = *address};
	sim_trace_bytes(sim, "leg", address->transport, &bind, &bind, SPAN(""));
	return 0;
}

void sim_leg_close(struct world *world, uint32_t index)
{
	struct sim *sim = (struct sim *)world;
	BUG(index >= SIM_LEGS_MAX);
	if (!sim->legs[index].is_open)
		return;
	sim_flush(sim);
	sim_stream_leg_closed(sim, index);
	sim->legs[index].is_open = false;
}

void sim_link(struct sim *sim, enum sim_way way, const struct sim_link *link)
{
	sim->links[way] = *link;
}

void sim_endpoint_link(struct sim_endpoint *endpoint, enum sim_way way, const struct sim_link *link)
{
	endpoint->links[way] = *link;
	endpoint->has_link[way] = true;
}

const struct sim_link *sim_link_of(
	struct sim *sim, enum sim_way way, enum transport transport, const struct addr *outside)
{
	const struct sim_endpoint *endpoint = sim_endpoint_at(sim, transport, outside);
	return endpoint && endpoint->has_link[way] ? &endpoint->links[way] : &sim->links[way];
}

uint32_t sim_delay(struct sim *sim, const struct sim_link *link)
{
	return link->delay_us + sim_draw(sim, link->jitter_us + 1);
}

struct sim_endpoint *sim_endpoint(struct sim *sim, enum transport transport,
	const struct addr *addr, sim_arrival_fn arrived, void *self)
{
	if (sim_endpoint_at(sim, transport, addr) ||
		sim_leg_at(sim, SIM_FROM_ENGINE, transport, addr))
		return NULL;
	struct sim_endpoint *endpoint = must_zalloc(sizeof *endpoint),
			    **bucket = &sim->endpoints[sim_addr_bucket(addr)];
	*endpoint = (struct sim_endpoint){
		.sim = sim,
		.next = *bucket,
		.transport = transport,
		.addr = *addr,
		.arrived = arrived,
		.self = self,
	};
	*bucket = endpoint;
	return endpoint;
}

void sim_endpoint_raw(struct sim_endpoint *endpoint)
{
	endpoint->is_raw = true;
}

void sim_endpoint_close(struct sim_endpoint *endpoint)
{
	struct sim *sim = endpoint->sim;
	struct sim_endpoint **slot = &sim->endpoints[sim_addr_bucket(&endpoint->addr)];
	sim_stream_endpoint_closed(sim, endpoint);
	while (*slot != endpoint)
		slot = &(*slot)->next;
	*slot = endpoint->next;
	free(endpoint);
}

static void datagram_arrives(struct sim *sim, struct sim_event *event)
{
	struct span bytes = span_of(event->bytes, event->n);
	struct sim_leg *leg = sim_leg_at(sim, event->way, event->transport, &event->to);
	struct sim_endpoint *endpoint = sim_endpoint_at(sim, event->transport, &event->to);
	sim_trace_bytes(sim, leg || endpoint ? "arrive" : "nobody", event->transport, &event->from,
		&event->to, bytes);
	if (leg) {
		struct flow flow = {.leg = (uint32_t)(leg - sim->legs), .peer = event->from};
		sim_tell(sim)->message(sim->world.self, &flow, bytes);
	} else if (endpoint && endpoint->arrived) {
		struct sim_arrival arrival = {
			.endpoint = endpoint,
			.at_us = sim->now_us,
			.transport = event->transport,
			.from = event->from,
			.leg = event->leg,
			.bytes = bytes,
		};
		endpoint->arrived(endpoint->self, &arrival);
	}
}

static void queue_datagram(struct sim *sim, int64_t at_us,
	void (*happen)(struct sim *sim, struct sim_event *event), const struct sim_event *like,
	struct span bytes)
{
	struct sim_event *event = sim_queue(sim, at_us, happen, bytes);
	event->way = like->way;
	event->leg = like->leg;
	event->transport = like->transport;
	event->from = like->from;
	event->to = like->to;
}

/* Draws as often whatever the link is like, so that changing one link leaves the fate of all
 * others. */
static void datagram_leaves(struct sim *sim, const struct sim_event *like, struct span bytes)
{
	const struct addr *outside = like->way == SIM_TO_ENGINE ? &like->from : &like->to;
	const struct sim_link *link = sim_link_of(sim, like->way, like->transport, outside);
	bool is_lost = sim_chance(sim, link->loss), is_late = sim_chance(sim, link->reorder);
	bool is_twice = sim_chance(sim, link->duplicate);
	uint32_t delays[] = {sim_delay(sim, link), sim_delay(sim, link)};
	const char *verb = is_lost ? "lost" : "send";
	sim_trace_bytes(sim, verb, like->transport, &like->from, &like->to, bytes);
	for (int i = 0; !is_lost && i < 1 + is_twice; i++) {
		int64_t at = sim->now_us + delays[i] + (is_late ? link->reorder_us : 0);
		queue_datagram(sim, at, datagram_arrives, like, bytes);
	}
}

static void datagram_stays(struct sim *sim, struct sim_event *event)
{
	struct flow to = {.leg = event->leg, .peer = event->to};
	struct span bytes = span_of(event->bytes, event->n);
	sim_trace_bytes(sim, "unsent", event->transport, &event->from, &event->to, bytes);
	sim_tell(sim)->unsent(sim->world.self, &to, bytes, "ENETUNREACH");
}

int sim_inject(struct sim *sim, enum transport transport, const struct addr *from,
	const struct addr *to, struct span bytes)
{
	if (transport_is_reliable(transport))
		return sim_stream_inject(sim, transport, from, to, bytes);
	struct sim_event datagram = {
		.way = SIM_TO_ENGINE, .transport = transport, .from = *from, .to = *to};
	datagram_leaves(sim, &datagram, bytes);
	return 0;
}

static int send_refusal(const struct sim_leg *leg, const struct addr *peer, size_t bytes)
{
	if (transport_is_reliable(leg->address.transport))
		return 0;
	if (peer->sa.sa_family != leg->address.bind.sa.sa_family)
		return -EAFNOSUPPORT;
	if (!addr_port(peer))
		return -EINVAL;
	return bytes > DATAGRAM_MAX ? -EMSGSIZE : 0;
}

int sim_send(struct world *world, const struct flow *to, const struct iovec *iov, uint32_t n)
{
	struct sim *sim = (struct sim *)world;
	size_t bytes = 0;
	BUG(n > WORLD_IOV_MAX || to->leg >= SIM_LEGS_MAX);
	for (uint32_t i = 0; i < n; i++)
		bytes += iov[i].iov_len;
	struct sim_leg *leg = &sim->legs[to->leg];
	if (!leg->is_open)
		return -EBADF;
	uint64_t connection = 0;
	int error = send_refusal(leg, &to->peer, bytes);
	if (!error && transport_is_reliable(leg->address.transport))
		error = sim_stream_for(sim, to, &connection);
	if (error)
		return error;
	if (sim->sends_n == sim->sends_room) {
		sim->sends_room = sim->sends_room ? 2 * sim->sends_room : 16;
		sim->sends = must_realloc(sim->sends, sim->sends_room * sizeof *sim->sends);
	}
	struct sim_send *send = &sim->sends[sim->sends_n++];
	*send = (struct sim_send){.leg = to->leg,
		.peer = to->peer,
		.connection = connection,
		.receipt = to->receipt,
		.n = n};
	memcpy(send->iov, iov, n * sizeof *iov);
	return 0;
}

static struct span joined(const struct sim_send *send)
{
	size_t n = 0;
	for (uint32_t i = 0; i < send->n; i++)
		n += send->iov[i].iov_len;
	char *bytes = must_alloc(n), *at = bytes;
	for (uint32_t i = 0; i < send->n; at += send->iov[i++].iov_len)
		if (send->iov[i].iov_len)
			memcpy(at, send->iov[i].iov_base, send->iov[i].iov_len);
	return span_of(bytes, n);
}

void sim_flush(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->sends_n; i++) {
		const struct sim_send *send = &sim->sends[i];
		const struct leg_address *leg = &sim->legs[send->leg].address;
		struct span bytes = joined(send);
		struct sim_event datagram = {
			.way = SIM_FROM_ENGINE,
			.leg = send->leg,
			.transport = leg->transport,
			.from = leg->bind,
			.to = send->peer,
		};
		if (send->connection)
			sim_stream_send(sim, send->connection, bytes, send->receipt);
		else if (is_unreachable(sim, &send->peer))
			queue_datagram(sim, sim->now_us, datagram_stays, &datagram, bytes);
		else
			datagram_leaves(sim, &datagram, bytes);
		free((char *)(uintptr_t)bytes.p);
	}
	sim->sends_n = 0;
}

void sim_net_fini(struct sim *sim)
{
	for (int i = 0; i < SIM_ADDR_BUCKETS; i++)
		for (struct sim_endpoint *e = sim->endpoints[i], *next; e; e = next) {
			next = e->next;
			free(e);
		}
	for (struct sim_occupied *o = sim->occupied, *next; o; o = next) {
		next = o->next;
		free(o);
	}
	for (struct sim_unreachable *u = sim->unreachable, *next; u; u = next) {
		next = u->next;
		free(u);
	}
	free(sim->sends);
}

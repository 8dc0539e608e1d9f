/* Ids, peers and sources of connections. Hashes are keyed: whoever connects chooses addresses and
 * ports, and must not choose the bucket. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/connection.h"

enum {
	SLOT_BITS = 20, /* with 32 bits of generation an id is exact in a double */
	NO_SLOT = UINT32_MAX,
	SLOTS_FIRST = 64,
};

void tcp_tables_init(struct tcp *tcp)
{
	tcp->first_free = NO_SLOT;
	tcp->n_buckets = 64;
	while (tcp->n_buckets < tcp->loop->options.connections)
		tcp->n_buckets *= 2;
	tcp->peers = must_zalloc(tcp->n_buckets * sizeof(*tcp->peers));
	tcp->aliases = must_zalloc(tcp->n_buckets * sizeof(*tcp->aliases));
	tcp->sources = must_zalloc(tcp->n_buckets * sizeof(*tcp->sources));
	tcp->loop->world.random(&tcp->loop->world, &tcp->key, sizeof tcp->key);
}

void tcp_tables_fini(struct tcp *tcp)
{
	free(tcp->slots);
	free(tcp->peers);
	free(tcp->aliases);
	free(tcp->sources);
}

static void add_slots(struct tcp *tcp)
{
	uint32_t n = tcp->n_slots ? tcp->n_slots * 2 : SLOTS_FIRST;
	tcp->slots = must_realloc(tcp->slots, n * sizeof *tcp->slots);
	for (uint32_t i = n; i-- > tcp->n_slots;) {
		tcp->slots[i] = (struct connection_slot){.next_free = tcp->first_free};
		tcp->first_free = i;
	}
	tcp->n_slots = n;
}

static uint32_t bucket_of(const struct tcp *tcp, uint32_t leg, const struct addr *peer)
{
	struct {
		uint32_t leg, port;
		uint8_t ip[16];
	} key = {.leg = leg, .port = addr_port(peer)};
	if (peer->sa.sa_family == AF_INET6)
		memcpy(key.ip, &peer->in6.sin6_addr, 16);
	else
		memcpy(key.ip, &peer->in4.sin_addr, 4);
	return (uint32_t)siphash(&tcp->key, &key, sizeof key) & (tcp->n_buckets - 1);
}

void tcp_insert(struct tcp *tcp, struct connection *connection)
{
	if (tcp->first_free == NO_SLOT)
		add_slots(tcp);
	uint32_t i = tcp->first_free;
	struct connection_slot *slot = &tcp->slots[i];
	BUG(i >> SLOT_BITS);
	tcp->first_free = slot->next_free;
	if (++slot->generation == 0)
		slot->generation = 1;
	slot->connection = connection;
	struct flow *flow = &connection->flow;
	flow->connection = (uint64_t)slot->generation << SLOT_BITS | i;

	struct connection **bucket = &tcp->peers[bucket_of(tcp, flow->leg, &flow->peer)];
	connection->next_of_peer = *bucket;
	*bucket = connection;
}

static void remove_alias(struct tcp *tcp, struct connection *connection)
{
	if (!addr_is_set(&connection->alias))
		return;
	struct connection **at =
		&tcp->aliases[bucket_of(tcp, connection->flow.leg, &connection->alias)];
	while (*at != connection)
		at = &(*at)->next_of_alias;
	*at = connection->next_of_alias;
}

void tcp_remove(struct tcp *tcp, struct connection *connection)
{
	const struct flow *flow = &connection->flow;
	uint32_t i = (uint32_t)flow->connection & ((1u << SLOT_BITS) - 1);
	tcp->slots[i].connection = NULL;
	tcp->slots[i].next_free = tcp->first_free;
	tcp->first_free = i;

	struct connection **at = &tcp->peers[bucket_of(tcp, flow->leg, &flow->peer)];
	while (*at != connection)
		at = &(*at)->next_of_peer;
	*at = connection->next_of_peer;
	remove_alias(tcp, connection);
}

struct connection *tcp_find_id(const struct tcp *tcp, uint64_t id)
{
	uint32_t i = (uint32_t)id & ((1u << SLOT_BITS) - 1);
	if (i >= tcp->n_slots || tcp->slots[i].generation != id >> SLOT_BITS)
		return NULL;
	return tcp->slots[i].connection;
}

struct connection *tcp_find_peer(const struct tcp *tcp, uint32_t leg, const struct addr *peer)
{
	struct connection *c = tcp->peers[bucket_of(tcp, leg, peer)];
	while (c && (c->flow.leg != leg || !addr_eq(&c->flow.peer, peer)))
		c = c->next_of_peer;
	return c;
}

struct connection *tcp_find_alias(const struct tcp *tcp, uint32_t leg, const struct addr *alias)
{
	struct connection *c = tcp->aliases[bucket_of(tcp, leg, alias)];
	while (c && (c->flow.leg != leg || !addr_eq(&c->alias, alias)))
		c = c->next_of_alias;
	return c;
}

bool tcp_add_alias(struct tcp *tcp, struct connection *connection, const struct addr *alias)
{
	uint32_t leg = connection->flow.leg;
	if (addr_is_set(&connection->alias) || tcp_find_alias(tcp, leg, alias))
		return false;
	struct connection **bucket = &tcp->aliases[bucket_of(tcp, leg, alias)];
	connection->alias = *alias;
	connection->next_of_alias = *bucket;
	*bucket = connection;
	return true;
}

/* An IPv6 host owns its /64 and may use any address in it: the network is the source. */
static uint64_t source_key(const struct addr *peer)
{
	uint64_t key = 0;
	if (peer->sa.sa_family == AF_INET6)
		memcpy(&key, &peer->in6.sin6_addr, sizeof key);
	else
		memcpy(&key, &peer->in4.sin_addr, sizeof peer->in4.sin_addr);
	return key;
}

static struct source **source_at(const struct tcp *tcp, const struct addr *peer)
{
	uint64_t key = source_key(peer);
	struct source **at =
		&tcp->sources[siphash(&tcp->key, &key, sizeof key) & (tcp->n_buckets - 1)];
	while (*at && (*at)->key != key)
		at = &(*at)->next;
	return at;
}

struct source *tcp_find_source(const struct tcp *tcp, const struct addr *peer)
{
	return *source_at(tcp, peer);
}

void tcp_source_add(struct tcp *tcp, const struct addr *peer)
{
	struct source **at = source_at(tcp, peer);
	if (!*at) {
		*at = must_zalloc(sizeof **at);
		(*at)->key = source_key(peer);
	}
	(*at)->n++;
}

void tcp_source_remove(struct tcp *tcp, const struct addr *peer)
{
	struct source **at = source_at(tcp, peer), *source = *at;
	BUG(!source);
	if (--source->n)
		return;
	*at = source->next;
	free(source);
}

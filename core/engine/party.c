#include "engine/party.h"

enum { NETWORK_BYTES = 8, LOWER_CHUNK = 64 };

static void begin(struct siphash_state *hash, const struct engine *engine, struct span kind)
{
	siphash_init(hash, &engine->key);
	siphash_add(hash, kind);
}

static void add_ip(struct siphash_state *hash, const struct addr *addr, uint32_t ipv6_bytes)
{
	bool is_v6 = addr->sa.sa_family == AF_INET6;
	siphash_add(hash, is_v6 ? span_of((const char *)&addr->in6.sin6_addr, ipv6_bytes)
				: span_of((const char *)&addr->in4.sin_addr, 4));
}

uint16_t party_of_address(
	const struct engine *engine, enum transport transport, const struct addr *addr)
{
	struct siphash_state hash;
	uint16_t numbers[] = {(uint16_t)transport, addr_port(addr)};
	begin(&hash, engine, span_of((const char *)numbers, sizeof numbers));
	add_ip(&hash, addr, 16);
	return siphash_end(&hash) % PARTIES;
}

uint16_t party_of_source(const struct engine *engine, const struct addr *source)
{
	struct siphash_state hash;
	begin(&hash, engine, SPAN("source"));
	add_ip(&hash, source, NETWORK_BYTES);
	return siphash_end(&hash) % PARTIES;
}

uint16_t party_of_host(const struct engine *engine, struct span host)
{
	struct siphash_state hash;
	char chunk[LOWER_CHUNK];
	begin(&hash, engine, SPAN("host"));
	while (host.n) {
		uint32_t n = host.n < LOWER_CHUNK ? host.n : LOWER_CHUNK;
		for (uint32_t i = 0; i < n; i++)
			chunk[i] = ascii_lower(host.p[i]);
		siphash_add(&hash, span_of(chunk, n));
		host = span_from(host, n);
	}
	return siphash_end(&hash) % PARTIES;
}

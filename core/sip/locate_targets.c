/* The list of targets, written from what is known so far. */
#include "sip/locate_parts.h"

struct listing {
	const struct locate *locate;
	struct locate_target *targets;
	uint32_t n, max;
	bool is_tcp_before_udp;
};

static uint16_t default_port(enum transport transport)
{
	return transport == TRANSPORT_TLS ? 5061 : 5060;
}

static uint8_t family_of(const struct addr *addr)
{
	return addr->sa.sa_family == AF_INET6 ? LOCATE_IPV6 : LOCATE_IPV4;
}

static void list_one(struct listing *list, enum transport transport, const struct addr *ip,
	uint16_t port, struct span name)
{
	if (list->n == list->max || !(locate_families(list->locate, transport) & family_of(ip)))
		return;
	struct locate_target *target = &list->targets[list->n];
	*target = (struct locate_target){.transport = transport, .addr = *ip, .name = name};
	addr_set_port(&target->addr, port ? port : default_port(transport));
	for (uint32_t i = 0; i < list->n; i++)
		if (list->targets[i].transport == transport &&
			addr_eq(&list->targets[i].addr, &target->addr))
			return;
	list->n++;
}

static bool is_denied(const struct locate *locate, enum transport transport)
{
	return locate->denied & 1u << transport;
}

/* Where nothing says: the first allowed one that reaches the address. TLS is not meant by "sip:"
 * (RFC 3263 4.1), so it is only taken when there is nothing else. */
static enum transport default_transport(const struct locate *locate, const struct addr *ip)
{
	enum transport tls = TRANSPORT_NONE;
	for (uint32_t i = 0; i < locate->options.n_allowed; i++) {
		const struct locate_transport *allowed = &locate->options.allowed[i];
		if (!(allowed->families & family_of(ip)) || is_denied(locate, allowed->transport))
			continue;
		if (allowed->transport != TRANSPORT_TLS)
			return allowed->transport;
		tls = TRANSPORT_TLS;
	}
	return tls;
}

static void list_address(struct listing *list, enum transport transport, const struct addr *ip,
	uint16_t port, struct span name)
{
	if (!transport)
		transport = default_transport(list->locate, ip);
	if (!transport)
		return;
	if (transport == TRANSPORT_UDP && list->is_tcp_before_udp)
		list_one(list, TRANSPORT_TCP, ip, port, name);
	list_one(list, transport, ip, port, name);
}

static void list_family(
	struct listing *list, enum transport transport, uint32_t number, bool ipv6, uint16_t port)
{
	const struct locate *locate = list->locate;
	const struct locate_host *host = &locate->hosts[number];
	uint32_t first = number * locate->quota;
	for (uint32_t i = 0; i < (ipv6 ? host->n6 : host->n4); i++) {
		struct addr ip = {.sa.sa_family = ipv6 ? AF_INET6 : AF_INET};
		if (ipv6)
			ip.in6.sin6_addr = locate->ipv6[first + i];
		else
			ip.in4.sin_addr = locate->ipv4[first + i];
		list_address(list, transport, &ip, port, span_of(host->name, host->n));
	}
}

/* No transport of our own choice where the zone has told one, or denied TCP. */
static bool is_tcp_before_udp(const struct locate *locate)
{
	bool tells = is_denied(locate, TRANSPORT_TCP);
	for (uint32_t i = 0; i < locate->n_services; i++) {
		const struct locate_service *service = &locate->services[i];
		tells |= service->n && service->transport &&
			 transport_is_reliable(service->transport);
	}
	return locate->options.too_big_for_udp && !tells;
}

static bool is_waited_for(const struct locate *locate, uint32_t host)
{
	uint64_t questions = (uint64_t)3 << (LOCATE_ID_HOST + 2 * host);
	return locate_wanted(locate) & ~locate->answered & questions;
}

uint32_t locate_targets(const struct locate *locate, struct locate_target *targets, uint32_t max)
{
	struct listing list = {.locate = locate,
		.targets = targets,
		.max = max < LOCATE_TARGETS_MAX ? max : LOCATE_TARGETS_MAX,
		.is_tcp_before_udp = is_tcp_before_udp(locate)};
	if (addr_is_set(&locate->numeric)) {
		list_address(
			&list, locate->transport, &locate->numeric, locate->port, span_of(NULL, 0));
		return list.n;
	}
	for (uint32_t i = 0; i < locate->n_services; i++) {
		const struct locate_service *service = &locate->services[i];
		for (uint32_t k = 0; k < service->n; k++) {
			const struct locate_entry *entry = &service->entries[k];
			if (entry->host == LOCATE_NO_HOST)
				continue;
			if (is_waited_for(locate, entry->host))
				return list.n;
			bool ipv6 = !locate->options.ipv4_first;
			list_family(&list, service->transport, entry->host, ipv6, entry->port);
			list_family(&list, service->transport, entry->host, !ipv6, entry->port);
		}
	}
	return list.n;
}

#include "sip/locate.h"

#include <stddef.h>

#include "sip/locate_parts.h"

_Static_assert(LOCATE_ID_SRV + LOCATE_SERVICES_MAX <= LOCATE_ID_HOST && LOCATE_ID_END <= 64,
	"one bit for each question");

static inline uint64_t bit(uint32_t id)
{
	return (uint64_t)1 << id;
}

const char *locate_errno_name(enum locate_result result)
{
	switch (result) {
	case LOCATE_ASKING:
	case LOCATE_FOUND:
		break;
	case LOCATE_NO_TRANSPORT:
		return "ENOPROTOOPT";
	case LOCATE_BAD_URI:
	case LOCATE_NO_SERVICE:
	case LOCATE_NOT_FOUND:
		return "EHOSTUNREACH";
	case LOCATE_TIMEOUT:
		return "ETIMEDOUT";
	case LOCATE_DNS_FAILED:
		return "EAGAIN";
	case LOCATE_UNDECIDED:
		return "EFAULT";
	}
	return "";
}

static void end(struct locate *locate, enum locate_result result)
{
	locate->result = result;
	locate->round = LOCATE_DONE;
}

uint8_t locate_families(const struct locate *locate, enum transport transport)
{
	uint8_t families = 0;
	for (uint32_t i = 0; i < locate->options.n_allowed; i++) {
		const struct locate_transport *allowed = &locate->options.allowed[i];
		if (transport ? allowed->transport == transport
			      : !(locate->denied & 1u << allowed->transport))
			families |= allowed->families;
	}
	return families;
}

/* --- services --- */

static struct locate_service *add_service(struct locate *locate, enum transport transport)
{
	if (locate->n_services == LOCATE_SERVICES_MAX)
		return NULL;
	struct locate_service *service = &locate->services[locate->n_services++];
	service->transport = transport;
	service->is_denied = false;
	service->name_n = service->n = 0;
	service->text_n = 0;
	return service;
}

static bool add_text(struct locate_service *service, struct span text)
{
	if (service->text_n + text.n > LOCATE_TEXT_MAX)
		return false;
	memcpy(service->text + service->text_n, text.p, text.n);
	service->text_n = (uint16_t)(service->text_n + text.n);
	return true;
}

static struct span entry_name(
	const struct locate_service *service, const struct locate_entry *entry)
{
	return span_of(service->text + entry->at, entry->n);
}

/* Does nothing when it is there already or there is no room. */
static void add_entry(struct locate_service *service, struct span name, uint16_t port)
{
	uint16_t at = service->text_n;
	for (uint32_t i = 0; i < service->n; i++) {
		const struct locate_entry *entry = &service->entries[i];
		if (entry->port == port && span_ieq(entry_name(service, entry), name))
			return;
	}
	if (service->n < LOCATE_ENTRIES_MAX && add_text(service, name))
		service->entries[service->n++] = (struct locate_entry){
			.port = port, .at = at, .n = (uint8_t)name.n, .host = LOCATE_NO_HOST};
}

/* --- from round to round --- */

static uint8_t host_of(struct locate *locate, struct span name)
{
	for (uint8_t i = 0; i < locate->n_hosts; i++)
		if (span_ieq(span_of(locate->hosts[i].name, locate->hosts[i].n), name))
			return i;
	if (locate->n_hosts == LOCATE_HOSTS_MAX)
		return LOCATE_NO_HOST;
	locate->hosts[locate->n_hosts] = (struct locate_host){.name = name.p, .n = (uint8_t)name.n};
	return locate->n_hosts++;
}

static void begin_addresses(struct locate *locate)
{
	locate->round = LOCATE_ADDRESS;
	for (uint32_t i = 0; i < locate->n_services; i++) {
		struct locate_service *service = &locate->services[i];
		uint8_t families = locate_families(locate, service->transport);
		if (service->transport == TRANSPORT_UDP && locate->options.too_big_for_udp)
			families |= locate_families(locate, TRANSPORT_TCP);
		for (uint32_t k = 0; k < service->n; k++) {
			struct locate_entry *entry = &service->entries[k];
			entry->host = host_of(locate, entry_name(service, entry));
			if (entry->host != LOCATE_NO_HOST)
				locate->hosts[entry->host].families |= families;
		}
	}
	locate->quota = (uint8_t)(LOCATE_ADDRESSES_MAX / locate->n_hosts);
}

/* No SRV: the domain itself is the host (RFC 3263 4.2). */
static void begin_domain(struct locate *locate, enum transport transport)
{
	locate->n_services = 0;
	struct locate_service *service = add_service(locate, transport);
	add_entry(service, span_of(locate->domain, locate->domain_n), locate->port);
	begin_addresses(locate);
}

static void add_well_known(struct locate *locate, enum transport transport)
{
	static const struct span prefixes[] = {
		[TRANSPORT_UDP] = {"_sip._udp.", 10},
		[TRANSPORT_TCP] = {"_sip._tcp.", 10},
		[TRANSPORT_TLS] = {"_sips._tcp.", 11},
	};
	for (uint32_t i = 0; i < locate->n_services; i++)
		if (locate->services[i].transport == transport)
			return;
	struct locate_service *service = add_service(locate, transport);
	struct span prefix = prefixes[transport];
	if (!service || prefix.n + locate->domain_n > LOCATE_NAME_MAX)
		return; /* no such name can exist */
	add_text(service, prefix);
	add_text(service, span_of(locate->domain, locate->domain_n));
	service->name_n = (uint8_t)service->text_n;
}

/* Large messages want reliable transports first: those in the first of two passes, UDP in the
 * second. Otherwise all in the first. */
static bool is_of_pass(const struct locate *locate, enum transport transport, unsigned pass)
{
	bool late = locate->options.too_big_for_udp && !transport_is_reliable(transport);
	return late == (pass == 1);
}

/* SRV under the names that RFC 3263 4.1 makes up where NAPTR does not tell any. */
static void begin_well_known(struct locate *locate)
{
	locate->round = LOCATE_SRV;
	if (locate->transport) {
		add_well_known(locate, locate->transport);
		return;
	}
	for (unsigned pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < locate->options.n_allowed; i++) {
			enum transport transport = locate->options.allowed[i].transport;
			if (is_of_pass(locate, transport, pass))
				add_well_known(locate, transport);
		}
}

static void end_srv(struct locate *locate)
{
	const struct locate_service *open = NULL;
	bool any = false;
	for (uint32_t i = 0; i < locate->n_services; i++) {
		const struct locate_service *service = &locate->services[i];
		any |= service->n > 0;
		if (!service->is_denied && !open)
			open = service;
	}
	if (any)
		begin_addresses(locate);
	else if (!open)
		end(locate, LOCATE_NO_SERVICE);
	else
		begin_domain(locate, locate->from_naptr ? open->transport : locate->transport);
}

static void end_addresses(struct locate *locate)
{
	struct locate_target first;
	if (locate_targets(locate, &first, 1))
		end(locate, LOCATE_FOUND);
	else if (locate->timed_out)
		end(locate, LOCATE_TIMEOUT);
	else
		end(locate, locate->failed ? LOCATE_DNS_FAILED : LOCATE_NOT_FOUND);
}

/* --- questions --- */

uint64_t locate_wanted(const struct locate *locate)
{
	uint64_t wanted = 0;
	switch (locate->round) {
	case LOCATE_NAPTR:
		return bit(LOCATE_ID_NAPTR);
	case LOCATE_SRV:
		for (uint32_t i = 0; i < locate->n_services; i++)
			if (locate->services[i].name_n)
				wanted |= bit(LOCATE_ID_SRV + i);
		break;
	case LOCATE_ADDRESS:
		for (uint32_t i = 0; i < locate->n_hosts; i++) {
			if (locate->hosts[i].families & LOCATE_IPV4)
				wanted |= bit(LOCATE_ID_HOST + 2 * i);
			if (locate->hosts[i].families & LOCATE_IPV6)
				wanted |= bit(LOCATE_ID_HOST + 2 * i + 1);
		}
		break;
	case LOCATE_DONE:
		break;
	}
	return wanted;
}

static void advance(struct locate *locate)
{
	while (locate->round != LOCATE_DONE && !(locate_wanted(locate) & ~locate->answered)) {
		if (locate->round == LOCATE_ADDRESS)
			end_addresses(locate);
		else
			end_srv(locate);
	}
}

bool locate_next(struct locate *locate, struct locate_question *question)
{
	uint64_t open = locate_wanted(locate) & ~locate->asked;
	if (!open)
		return false;
	uint32_t id = (uint32_t)__builtin_ctzll(open);
	locate->asked |= bit(id);
	question->id = id;
	if (id >= LOCATE_ID_HOST) {
		const struct locate_host *host = &locate->hosts[(id - LOCATE_ID_HOST) / 2];
		question->type = (id - LOCATE_ID_HOST) % 2 ? DNS_AAAA : DNS_A;
		question->name = span_of(host->name, host->n);
	} else if (id >= LOCATE_ID_SRV) {
		const struct locate_service *service = &locate->services[id - LOCATE_ID_SRV];
		question->type = DNS_SRV;
		question->name = span_of(service->text, service->name_n);
	} else {
		question->type = DNS_NAPTR;
		question->name = span_of(locate->domain, locate->domain_n);
	}
	return true;
}

/* --- answers --- */

enum naptr_use { NAPTR_OTHER, NAPTR_SIP, NAPTR_USABLE };

/* "SIP+D2x" or "SIPS+D2x", also those of transports unknown here (RFC 4168, RFC 7118). */
static bool is_sip_service(struct span service)
{
	static const struct span starts[] = {{"SIP+D2", 6}, {"SIPS+D2", 7}};
	for (unsigned i = 0; i < 2; i++)
		if (service.n > starts[i].n && span_ieq(span_of(service.p, starts[i].n), starts[i]))
			return true;
	return false;
}

static enum naptr_use naptr_use(
	const struct locate *locate, const struct dns_record *record, enum transport *transport)
{
	struct span flags = span_of(record->flags, strnlen(record->flags, sizeof record->flags));
	struct span service =
		span_of(record->service, strnlen(record->service, sizeof record->service));
	if (!is_sip_service(service) || !span_ieq(flags, SPAN("s")))
		return NAPTR_OTHER;
	if (span_ieq(service, SPAN("SIP+D2U")))
		*transport = TRANSPORT_UDP;
	else if (span_ieq(service, SPAN("SIP+D2T")))
		*transport = TRANSPORT_TCP;
	else if (span_ieq(service, SPAN("SIPS+D2T")))
		*transport = TRANSPORT_TLS;
	else
		return NAPTR_SIP;
	bool is_wanted = !locate->transport || locate->transport == *transport;
	return is_wanted && locate_families(locate, *transport) ? NAPTR_USABLE : NAPTR_SIP;
}

static void add_replacement(
	struct locate *locate, const struct dns_record *record, enum transport transport)
{
	struct span name = record_target(record);
	for (uint32_t i = 0; i < locate->n_services; i++) {
		const struct locate_service *known = &locate->services[i];
		if (known->transport == transport &&
			span_ieq(span_of(known->text, known->name_n), name))
			return;
	}
	struct locate_service *service = add_service(locate, transport);
	if (service && add_text(service, name))
		service->name_n = (uint8_t)name.n;
}

/* A domain that names its SIP services and none that we can use is not tried by others: what it
 * offers may be the safe ones only. */
static void take_naptr(struct locate *locate, const struct dns_record *records, uint32_t n)
{
	uint8_t order[DNS_RECORDS_MAX];
	bool has_sip = false;
	n = order_naptr(records, n, order);
	for (unsigned pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < n; i++) {
			const struct dns_record *record = &records[order[i]];
			enum transport transport;
			enum naptr_use use = naptr_use(locate, record, &transport);
			has_sip |= use != NAPTR_OTHER;
			if (use == NAPTR_USABLE && is_of_pass(locate, transport, pass))
				add_replacement(locate, record, transport);
		}
	locate->from_naptr = locate->n_services > 0;
	if (locate->from_naptr)
		locate->round = LOCATE_SRV;
	else if (has_sip)
		end(locate, LOCATE_NO_TRANSPORT);
	else
		begin_well_known(locate);
}

static void take_srv(struct locate *locate, struct locate_service *service,
	const struct dns_record *records, uint32_t n)
{
	uint8_t order[DNS_RECORDS_MAX];
	uint32_t denials = 0, others = 0;
	for (uint32_t i = 0; i < n; i++)
		if (records[i].type == DNS_SRV)
			*(record_is_denial(&records[i]) ? &denials : &others) += 1;
	if (denials && !others) {
		service->is_denied = true;
		locate->denied |= (uint8_t)(1u << service->transport);
		return;
	}
	n = order_srv(records, n, locate->options.seed, order);
	for (uint32_t i = 0; i < n; i++)
		add_entry(service, record_target(&records[order[i]]), records[order[i]].port);
}

static void take_addresses(struct locate *locate, uint32_t host, enum dns_type type,
	const struct dns_record *records, uint32_t n)
{
	uint8_t order[DNS_RECORDS_MAX];
	uint32_t first = host * locate->quota;
	n = order_addresses(records, n, type, locate->options.seed, order);
	if (n > locate->quota)
		n = locate->quota;
	for (uint32_t i = 0; i < n; i++) {
		const struct addr *addr = &records[order[i]].addr;
		if (type == DNS_A)
			locate->ipv4[first + i] = addr->in4.sin_addr;
		else
			locate->ipv6[first + i] = addr->in6.sin6_addr;
	}
	*(type == DNS_A ? &locate->hosts[host].n4 : &locate->hosts[host].n6) = (uint8_t)n;
}

void locate_answer(struct locate *locate, uint32_t id, enum dns_status status,
	const struct dns_record *records, uint32_t n)
{
	if (id >= LOCATE_ID_END || !(locate->asked & ~locate->answered & bit(id)))
		return;
	locate->answered |= bit(id);
	locate->timed_out |= status == DNS_TIMEOUT;
	locate->failed |= status == DNS_FAILED;
	if (status != DNS_OK)
		n = 0;
	if (n > DNS_RECORDS_MAX)
		n = DNS_RECORDS_MAX;
	if (id >= LOCATE_ID_HOST)
		take_addresses(locate, (id - LOCATE_ID_HOST) / 2,
			(id - LOCATE_ID_HOST) % 2 ? DNS_AAAA : DNS_A, records, n);
	else if (id >= LOCATE_ID_SRV)
		take_srv(locate, &locate->services[id - LOCATE_ID_SRV], records, n);
	else
		take_naptr(locate, records, n);
	advance(locate);
}

/* --- start --- */

static void init(struct locate *locate, const struct locate_options *options)
{
	memset(locate, 0, offsetof(struct locate, services));
	locate->options = *options;
	locate->options.n_allowed = 0;
	for (uint32_t i = 0; i < options->n_allowed && i < LOCATE_TRANSPORTS_MAX; i++)
		if (options->allowed[i].transport && options->allowed[i].families)
			locate->options.allowed[locate->options.n_allowed++] = options->allowed[i];
}

static void start_numeric(struct locate *locate)
{
	struct addr probe = locate->numeric;
	struct locate_target first;
	addr_set_port(&probe, 1);
	bool found = !addr_is_unroutable(&probe) && locate_targets(locate, &first, 1);
	if (!found)
		memset(&locate->numeric, 0, sizeof locate->numeric);
	end(locate, found ? LOCATE_FOUND : LOCATE_NOT_FOUND);
}

static void start(struct locate *locate, struct span host, bool skip_naptr)
{
	if (!locate_families(locate, locate->transport)) {
		end(locate, LOCATE_NO_TRANSPORT);
		return;
	}
	if (addr_parse_ip(host, locate->port, &locate->numeric)) {
		start_numeric(locate);
		return;
	}
	memset(&locate->numeric, 0, sizeof locate->numeric);
	if (!host_is_valid(host)) {
		end(locate, LOCATE_BAD_URI);
		return;
	}
	if (host.p[host.n - 1] == '.')
		host.n--;
	if (!host.n || host.n > LOCATE_NAME_MAX) {
		end(locate, LOCATE_NOT_FOUND);
		return;
	}
	memcpy(locate->domain, host.p, host.n);
	locate->domain_n = (uint8_t)host.n;
	if (locate->port)
		begin_domain(locate, locate->transport);
	else if (skip_naptr)
		begin_well_known(locate);
	advance(locate);
}

void locate_start(
	struct locate *locate, const struct uri *uri, const struct locate_options *options)
{
	struct span host = uri->host, maddr;
	init(locate, options);
	locate->port = uri->port;
	if (uri->scheme != URI_SIP && uri->scheme != URI_SIPS) {
		end(locate, LOCATE_BAD_URI);
		return;
	}
	if (!uri_transport(uri, &locate->transport)) {
		end(locate, LOCATE_NO_TRANSPORT);
		return;
	}
	if (uri_param(uri, SPAN("maddr"), &maddr))
		host = maddr;
	start(locate, host, uri_has_param(uri, SPAN("transport")));
}

void locate_start_response(struct locate *locate, enum transport transport, struct span host,
	uint16_t port, const struct locate_options *options)
{
	init(locate, options);
	locate->options.too_big_for_udp = false;
	locate->transport = transport;
	locate->port = port;
	if (transport)
		start(locate, host, true);
	else
		end(locate, LOCATE_NO_TRANSPORT);
}

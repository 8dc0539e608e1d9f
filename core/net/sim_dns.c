/* The zone of the sim world. */
#include <stdlib.h>
#include <strings.h>

#include "base/check.h"
#include "net/sim_parts.h"

enum { NAME_MAX_N = 256, TTL_S = 300 };

struct sim_record {
	struct sim_record *next;
	struct dns_record record;
	uint32_t delay_ms;
};

struct sim_name {
	struct sim_name *next;
	struct sim_record *records;
	bool is_silent, is_failing;
	char text[NAME_MAX_N]; /* without the dot of the root */
};

static struct span without_root(struct span name)
{
	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	return name;
}

static struct sim_name *find(struct sim *sim, struct span name)
{
	struct sim_name *found = sim->zone;
	name = without_root(name);
	while (found && !span_ieq(span_str(found->text), name))
		found = found->next;
	return found;
}

static struct sim_name *find_or_add(struct sim *sim, const char *text)
{
	struct sim_name *name = find(sim, span_str(text));
	if (name)
		return name;
	struct span plain = without_root(span_str(text));
	BUG(plain.n >= NAME_MAX_N);
	name = must_zalloc(sizeof *name);
	memcpy(name->text, plain.p, plain.n);
	name->next = sim->zone;
	sim->zone = name;
	return name;
}

void sim_dns_add(
	struct sim *sim, const char *name, const struct dns_record *record, uint32_t delay_ms)
{
	struct sim_record **end = &find_or_add(sim, name)->records;
	while (*end)
		end = &(*end)->next;
	*end = must_alloc(sizeof **end);
	**end = (struct sim_record){.record = *record, .delay_ms = delay_ms};
}

void sim_dns_add_ip(struct sim *sim, const char *name, const char *ip)
{
	struct dns_record record = {.ttl_s = TTL_S};
	bool is_ip = addr_parse_ip(span_str(ip), 0, &record.addr);
	BUG(!is_ip);
	record.type = record.addr.sa.sa_family == AF_INET6 ? DNS_AAAA : DNS_A;
	sim_dns_add(sim, name, &record, SIM_DNS_MS);
}

void sim_dns_add_srv(struct sim *sim, const char *name, uint16_t priority, uint16_t weight,
	uint16_t port, const char *target)
{
	struct dns_record record = {
		.type = DNS_SRV,
		.ttl_s = TTL_S,
		.priority = priority,
		.weight = weight,
		.port = port,
	};
	int n = snprintf(record.target, sizeof record.target, "%s", target);
	BUG(n >= (int)sizeof record.target);
	sim_dns_add(sim, name, &record, SIM_DNS_MS);
}

static void free_records(struct sim_name *name)
{
	for (struct sim_record *record = name->records, *next; record; record = next) {
		next = record->next;
		free(record);
	}
	name->records = NULL;
}

void sim_dns_remove(struct sim *sim, const char *text)
{
	struct sim_name *name = find(sim, span_str(text));
	if (!name)
		return;
	free_records(name);
	name->is_silent = name->is_failing = false;
}

void sim_dns_silent(struct sim *sim, const char *name)
{
	find_or_add(sim, name)->is_silent = true;
}

void sim_dns_fail(struct sim *sim, const char *name)
{
	find_or_add(sim, name)->is_failing = true;
}

static void trace(struct sim *sim, const char *what, enum dns_type type, struct span name)
{
	static const char *const types[] = {
		[DNS_A] = "A", [DNS_AAAA] = "AAAA", [DNS_SRV] = "SRV", [DNS_NAPTR] = "NAPTR"};
	char text[64];
	snprintf(text, sizeof text, "dns %s %s", what, types[type]);
	sim_trace_text(sim, text, name);
}

/* event->leg is the status, event->bytes are the records. */
static void answer(struct sim *sim, struct sim_event *event)
{
	static const char *const texts[] = {[DNS_OK] = "ok",
		[DNS_NOT_FOUND] = "not found",
		[DNS_TIMEOUT] = "timeout",
		[DNS_FAILED] = "failed"};
	struct dns_record records[DNS_RECORDS_MAX];
	memcpy(records, event->bytes, event->n);
	sim_trace_text(sim, "dns answer", span_str(texts[event->leg]));
	sim_tell(sim)->dns(sim->world.self, event->id, (enum dns_status)event->leg,
		event->n ? records : NULL, event->n / (uint32_t)sizeof *records);
}

void sim_dns_query(struct world *world, uint64_t query, enum dns_type type, struct span text,
	uint32_t timeout_ms)
{
	struct sim *sim = (struct sim *)world;
	const struct sim_name *name = find(sim, text);
	struct dns_record records[DNS_RECORDS_MAX];
	uint32_t n = 0, delay_ms = SIM_DNS_MS;
	enum dns_status status = DNS_NOT_FOUND;
	trace(sim, "query", type, text);
	for (struct sim_record *r = name ? name->records : NULL; r && n < DNS_RECORDS_MAX;
		r = r->next) {
		if (r->record.type != type)
			continue;
		records[n++] = r->record;
		delay_ms = r->delay_ms > delay_ms ? r->delay_ms : delay_ms;
		status = DNS_OK;
	}
	if (name && name->is_failing)
		status = DNS_FAILED;
	if ((name && name->is_silent) || delay_ms >= timeout_ms) {
		status = DNS_TIMEOUT;
		delay_ms = timeout_ms;
	}
	if (status != DNS_OK)
		n = 0;
	struct sim_event *event = sim_queue(sim, sim->now_us + (int64_t)delay_ms * 1000, answer,
		span_of((const char *)records, n * sizeof *records));
	event->id = query;
	event->leg = status;
}

void sim_dns_cancel(struct world *world, uint64_t query)
{
	struct sim *sim = (struct sim *)world;
	for (size_t i = 0; i < sim->queue_n; i++)
		if (sim->queue[i]->happen == answer && sim->queue[i]->id == query)
			sim->queue[i]->is_void = true;
}

void sim_dns_fini(struct sim *sim)
{
	for (struct sim_name *name = sim->zone, *next; name; name = next) {
		next = name->next;
		free_records(name);
		free(name);
	}
}

#include <ares.h>
#include <netdb.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/dns.h"
#include "net/dns_reply.h"

enum {
	BUCKETS = 1024,
	TRIES = 3, /* of each server */
};

/* Lives until c-ares has called back and the engine has its answer or does not want it. */
struct question {
	struct question *next; /* in its bucket */
	struct dns *dns;
	uint64_t id;
	enum dns_type type;
	bool wanted; /* by the engine; in its bucket */
	bool asked;  /* c-ares holds a pointer */
	ev_timer deadline;
	struct chore answer;
	enum dns_status status;
	uint32_t n;
	struct dns_record *records;
};

struct dns_socket {
	ev_io io;
	struct dns_socket *next;
	struct dns *dns;
};

struct dns {
	struct loop *loop;
	ares_channel channel;
	struct dns_socket *sockets;
	ev_timer timer; /* of c-ares: tries */
	struct chore arm;
	uint32_t asked;
	struct question *questions[BUCKETS];
};

/* --- the loop for c-ares --- */

static void on_arm(struct chore *chore)
{
	struct dns *dns = OWNER_OF(chore, struct dns, arm);
	struct ev_loop *ev = dns->loop->ev;
	struct timeval tv;
	ev_timer_stop(ev, &dns->timer);
	if (!ares_timeout(dns->channel, NULL, &tv))
		return;
	ev_timer_set(&dns->timer, (double)tv.tv_sec + (double)tv.tv_usec / 1e6 + 1e-3, 0.);
	ev_timer_start(ev, &dns->timer);
}

/* Once a turn: c-ares looks at every open question to tell the time of the next try. */
static void arm_later(struct dns *dns)
{
	chore_add(&dns->loop->at_end, &dns->arm);
}

static void on_try(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)ev;
	(void)events;
	struct dns *dns = OWNER_OF(timer, struct dns, timer);
	ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_later(dns);
}

static void on_io(struct ev_loop *ev, ev_io *io, int events)
{
	(void)ev;
	struct dns *dns = OWNER_OF(io, struct dns_socket, io)->dns;
	int fd = io->fd; /* the watcher may be gone when c-ares is done */
	ares_process_fd(dns->channel, events & EV_READ ? fd : ARES_SOCKET_BAD,
		events & EV_WRITE ? fd : ARES_SOCKET_BAD);
	arm_later(dns);
}

static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct dns *dns = arg;
	struct ev_loop *ev = dns->loop->ev;
	struct dns_socket **at = &dns->sockets, *found;
	while (*at && (*at)->io.fd != fd)
		at = &(*at)->next;
	found = *at;
	int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
	if (!found && !events)
		return;
	if (!found) {
		found = must_zalloc(sizeof *found);
		found->dns = dns;
		*at = found;
		ev_init(&found->io, on_io);
	}
	ev_io_stop(ev, &found->io);
	if (!events) {
		*at = found->next;
		free(found);
		return;
	}
	ev_io_set(&found->io, fd, events);
	ev_io_start(ev, &found->io);
}

/* --- questions --- */

static struct question **bucket_of(struct dns *dns, uint64_t id)
{
	return &dns->questions[(id * 0x9e3779b97f4a7c15u) >> 54];
}

static void not_wanted(struct question *question)
{
	if (!question->wanted)
		return;
	struct question **at = bucket_of(question->dns, question->id);
	while (*at != question)
		at = &(*at)->next;
	*at = question->next;
	question->wanted = false;
	ev_timer_stop(question->dns->loop->ev, &question->deadline);
}

static void free_when_done(struct question *question)
{
	if (question->wanted || question->asked || question->answer.queued)
		return;
	free(question->records);
	free(question);
}

static void on_answer(struct chore *chore)
{
	struct question *question = OWNER_OF(chore, struct question, answer);
	struct loop *loop = question->dns->loop;
	if (question->wanted) {
		not_wanted(question);
		loop->world.events->dns(loop->world.self, question->id, question->status,
			question->records, question->n);
	}
	free_when_done(question);
}

/* Told in a turn of its own, whatever called. The first answer counts. Takes `records`. */
static void answer(
	struct question *question, enum dns_status status, struct dns_record *records, uint32_t n)
{
	if (question->answer.queued || !question->wanted) {
		free(records);
		free_when_done(question);
		return;
	}
	if (status == DNS_TIMEOUT)
		question->dns->loop->count.dns_timeouts++;
	question->status = status;
	question->records = records;
	question->n = n;
	chore_add(&question->dns->loop->after, &question->answer);
}

static void on_deadline(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)ev;
	(void)events;
	answer(OWNER_OF(timer, struct question, deadline), DNS_TIMEOUT, NULL, 0);
}

static enum dns_status status_of(int ares_status)
{
	switch (ares_status) {
	case ARES_SUCCESS:
		return DNS_OK;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
		return DNS_NOT_FOUND;
	case ARES_ETIMEOUT:
		return DNS_TIMEOUT;
	default:
		return DNS_FAILED;
	}
}

static void answered(
	struct question *question, int ares_status, struct dns_record *records, uint32_t n)
{
	enum dns_status status = status_of(ares_status);
	question->asked = false;
	question->dns->asked--;
	if (ares_status == ARES_EDESTRUCTION)
		not_wanted(question);
	if (status == DNS_OK && n == 0)
		status = DNS_NOT_FOUND;
	answer(question, status, records, n);
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	(void)timeouts;
	struct question *question = arg;
	struct dns_record *records = NULL;
	uint32_t n = 0;
	if (status == ARES_SUCCESS)
		n = dns_reply_addresses(result, question->type, &records);
	if (result)
		ares_freeaddrinfo(result);
	answered(question, status, records, n);
}

static void on_reply(void *arg, int status, int timeouts, unsigned char *reply, int size)
{
	(void)timeouts;
	struct question *question = arg;
	struct dns_record *records = NULL;
	uint32_t n = 0;
	if (status == ARES_SUCCESS)
		n = dns_reply_records(reply, (uint32_t)size, question->type, &records);
	answered(question, status, records, n);
}

static void ask(struct question *question, const char *name)
{
	struct dns *dns = question->dns;
	struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT,
		.ai_family = question->type == DNS_AAAA ? AF_INET6 : AF_INET,
		.ai_socktype = SOCK_DGRAM};
	question->asked = true;
	dns->asked++;
	dns->loop->count.dns_queries++;
	switch (question->type) {
	case DNS_A:
	case DNS_AAAA:
		ares_getaddrinfo(dns->channel, name, NULL, &hints, on_addresses, question);
		break;
	case DNS_SRV:
		ares_query(dns->channel, name, DNS_CLASS_IN, DNS_TYPE_SRV, on_reply, question);
		break;
	case DNS_NAPTR:
		ares_query(dns->channel, name, DNS_CLASS_IN, DNS_TYPE_NAPTR, on_reply, question);
		break;
	}
	arm_later(dns);
}

/* RFC 6761 6.3. c-ares 1.18 asks servers about names below it, and leaks when asked for its AAAA.
 */
static bool is_localhost(struct span name)
{
	struct span suffix = SPAN(".localhost");
	return span_ieq(name, SPAN("localhost")) ||
	       (name.n > suffix.n && span_ieq(span_from(name, name.n - suffix.n), suffix));
}

static struct dns_record *loopback_record(enum dns_type type)
{
	struct dns_record *record = must_zalloc(sizeof *record);
	struct span ip = type == DNS_A ? SPAN("127.0.0.1") : SPAN("::1");
	record->type = type;
	BUG(!addr_parse_ip(ip, 0, &record->addr));
	return record;
}

void dns_query(
	struct dns *dns, uint64_t query, enum dns_type type, struct span name, uint32_t timeout_ms)
{
	struct question *question = must_zalloc(sizeof *question);
	struct question **bucket = bucket_of(dns, query);
	question->dns = dns;
	question->id = query;
	question->type = type;
	question->answer.run = on_answer;
	question->wanted = true;
	question->next = *bucket;
	*bucket = question;
	ev_timer_init(&question->deadline, on_deadline, timeout_ms / 1e3, 0.);

	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	if (!dns_is_host_name(name) || dns->asked >= dns->loop->options.dns_outstanding) {
		dns->loop->count.dns_refused++;
		answer(question, DNS_FAILED, NULL, 0);
		return;
	}
	if ((type == DNS_A || type == DNS_AAAA) && is_localhost(name)) {
		answer(question, DNS_OK, loopback_record(type), 1);
		return;
	}
	char text[DNS_NAME_MAX + 1];
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	ev_timer_start(dns->loop->ev, &question->deadline);
	ask(question, text);
}

void dns_cancel(struct dns *dns, uint64_t query)
{
	struct question *question = *bucket_of(dns, query);
	while (question && question->id != query)
		question = question->next;
	if (!question)
		return;
	not_wanted(question);
	free_when_done(question);
}

/* --- the whole --- */

struct dns *dns_new(struct loop *loop, char error[256])
{
	struct dns *dns = must_zalloc(sizeof *dns);
	struct ares_options options = {
		.timeout = (int)loop->options.dns_try_ms,
		.tries = TRIES,
		.lookups = (char[]){"fb"},
		.ndomains = 0,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = dns,
	};
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS |
		   ARES_OPT_SOCK_STATE_CB;
	dns->loop = loop;
	dns->arm.run = on_arm;
	ev_timer_init(&dns->timer, on_try, 0., 0.);
	/* c-ares writes to streams with writev, which no flag keeps from raising it. */
	signal(SIGPIPE, SIG_IGN);
	ares_library_init(ARES_LIB_INIT_ALL);
	int status = ares_init_options(&dns->channel, &options, mask);
	if (status == ARES_SUCCESS && loop->options.dns_servers) {
		status = ares_set_servers_ports_csv(dns->channel, loop->options.dns_servers);
		if (status != ARES_SUCCESS)
			ares_destroy(dns->channel);
	}
	if (status == ARES_EBADSTR) {
		snprintf(error, 256,
			"'%.100s' names no DNS servers: write 192.0.2.53 or 127.0.0.1:5300,[::1]",
			loop->options.dns_servers);
	} else if (status != ARES_SUCCESS) {
		snprintf(error, 256, "cannot set up DNS: %s", ares_strerror(status));
	}
	if (status != ARES_SUCCESS) {
		ares_library_cleanup();
		free(dns);
		return NULL;
	}
	return dns;
}

void dns_free(struct dns *dns)
{
	ares_destroy(dns->channel);
	ares_library_cleanup();
	ev_timer_stop(dns->loop->ev, &dns->timer);
	free(dns);
}

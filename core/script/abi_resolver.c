/* A script's own answers to DNS questions, for Lua (abi.h). Questions come while a script runs, so
 * they are asked in tasks of their own, in the next run of the timers. */
#include <stdlib.h>

#include "base/check.h"
#include "script/task.h"
#include "sip/locate.h"

struct script_question {
	struct script_question *next;
	uint64_t id;
	enum dns_type type;
	lookup_fn done;
	void *arg;
	bool is_asked;
	uint32_t n, name_n;
	struct dns_record *records; /* owned */
	char name[LOCATE_NAME_MAX + 3];
};

static struct script_question *find(struct vd_script *script, double id)
{
	struct script_question *question = script->questions;
	while (question && (double)question->id != id)
		question = question->next;
	return question;
}

static void drop(struct vd_script *script, struct script_question *question)
{
	struct script_question **at = &script->questions;
	while (*at != question)
		at = &(*at)->next;
	*at = question->next;
	script->n_questions--;
	free(question->records);
	free(question);
}

static struct script_question *next_unasked(struct vd_script *script)
{
	struct script_question *oldest = NULL, *question = script->questions;
	for (; question; question = question->next)
		if (!question->is_asked)
			oldest = question;
	return oldest;
}

static void ask_all(struct timer *timer)
{
	static const char *const types[] = {[DNS_A] = "A", [DNS_AAAA] = "AAAA", [DNS_SRV] = "SRV"};
	struct vd_script *script =
		(struct vd_script *)((char *)timer - offsetof(struct vd_script, asker));
	struct script_question *question;
	while ((question = next_unasked(script))) {
		question->is_asked = true;
		task_lookup(script, question->id, types[question->type],
			span_of(question->name, question->name_n));
	}
}

static uint64_t ask(void *self, enum dns_type type, struct span name, lookup_fn done, void *arg)
{
	struct vd_script *script = self;
	if (script->n_questions == SCRIPT_QUESTIONS_MAX || name.n > LOCATE_NAME_MAX ||
		type == DNS_NAPTR)
		return 0;
	struct script_question *question = must_zalloc(sizeof *question);
	question->id = ++script->last_question;
	question->type = type;
	question->done = done;
	question->arg = arg;
	question->name_n = name.n;
	memcpy(question->name, name.p, name.n);
	question->next = script->questions;
	script->questions = question;
	script->n_questions++;
	script->asker.fire = ask_all;
	if (!timer_is_armed(&script->asker))
		timers_arm(&script->engine->timers, &script->asker, 0);
	return question->id;
}

static void cancel(void *self, uint64_t id)
{
	struct script_question *question = find(self, (double)id);
	if (question)
		drop(self, question);
}

void script_questions_free(struct vd_script *script)
{
	timers_cancel(&script->engine->timers, &script->asker);
	while (script->questions)
		drop(script, script->questions);
}

int vd_resolver_use(struct vd_script *script)
{
	if (!script->loading)
		return VD_REFUSED;
	script->routing.resolver = (struct resolver){.self = script, .ask = ask, .cancel = cancel};
	script->has_routing = true;
	return VD_OK;
}

static bool is_address(struct span text, int type, struct addr *addr)
{
	return addr_parse_ip(text, 0, addr) &&
	       addr->sa.sa_family == (type == DNS_A ? AF_INET : AF_INET6);
}

int vd_resolver_record(struct vd_script *script, double id, int type, uint32_t priority,
	uint32_t weight, uint32_t port, const char *text, uint32_t n)
{
	struct script_question *question = find(script, id);
	struct dns_record record = {.type = (enum dns_type)type};
	struct span given = span_of(text, n);
	if (!question)
		return VD_GONE;
	if (type == DNS_SRV ? n >= sizeof record.target : !is_address(given, type, &record.addr))
		return VD_BAD_VALUE;
	if (priority > UINT16_MAX || weight > UINT16_MAX || port > UINT16_MAX)
		return VD_BAD_VALUE;
	if (question->n == DNS_RECORDS_MAX)
		return VD_LIMIT;
	record.priority = (uint16_t)priority;
	record.weight = (uint16_t)weight;
	record.port = (uint16_t)port;
	if (type == DNS_SRV)
		memcpy(record.target, text, n);
	question->records =
		must_realloc(question->records, (question->n + 1) * sizeof *question->records);
	question->records[question->n++] = record;
	return VD_OK;
}

int vd_resolver_done(struct vd_script *script, double id)
{
	struct script_question *question = find(script, id);
	if (!question)
		return VD_GONE;
	enum dns_status status = question->n ? DNS_OK : DNS_NOT_FOUND;
	lookup_fn done = question->done;
	void *arg = question->arg;
	struct dns_record *records = question->records;
	uint32_t n = question->n;
	question->records = NULL;
	drop(script, question);
	done(arg, status, records, n);
	free(records);
	return VD_OK;
}

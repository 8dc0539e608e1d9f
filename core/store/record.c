#include "store/record.h"

#include "base/check.h"

enum { PEER_IN4_N = offsetof(struct sockaddr_in, sin_zero) };

static uint8_t peer_size(const struct addr *peer)
{
	switch (peer->sa.sa_family) {
	case AF_INET:
		return PEER_IN4_N;
	case AF_INET6:
		return sizeof peer->in6;
	default:
		return 0;
	}
}

static void texts_of(const struct binding *binding, struct span texts[TEXT_N])
{
	texts[TEXT_AOR] = binding->aor;
	texts[TEXT_CONTACT] = binding->contact;
	texts[TEXT_CALL_ID] = binding->call_id;
	texts[TEXT_PARAMS] = binding->params;
	texts[TEXT_PATH] = binding->path;
}

static size_t texts_size(const struct record *record)
{
	size_t n = 0;
	for (int i = 0; i < TEXT_N; i++)
		n += record->n[i];
	return n;
}

size_t record_size(const struct record *record)
{
	return offsetof(struct record, text) + texts_size(record) + record->peer_n;
}

struct record *record_new(const struct binding *binding)
{
	struct span texts[TEXT_N];
	texts_of(binding, texts);
	size_t size = offsetof(struct record, text) + peer_size(&binding->flow.peer);
	for (int i = 0; i < TEXT_N; i++)
		size += texts[i].n;
	if (size < sizeof(struct record)) /* the block starts before the struct's padding ends */
		size = sizeof(struct record);
	struct record *record = must_alloc(size);
	*record = (struct record){.peer_n = peer_size(&binding->flow.peer)};
	for (int i = 0; i < TEXT_N; i++)
		record->n[i] = (uint16_t)texts[i].n;
	record_set(record, binding);
	return record;
}

struct span record_text(const struct record *record, enum record_text which)
{
	size_t at = 0;
	for (int i = 0; i < (int)which; i++)
		at += record->n[i];
	return span_of(record->text + at, record->n[which]);
}

bool record_fits(const struct record *record, const struct binding *binding)
{
	struct span texts[TEXT_N];
	texts_of(binding, texts);
	for (int i = 0; i < TEXT_N; i++)
		if (record->n[i] != texts[i].n)
			return false;
	return record->peer_n == peer_size(&binding->flow.peer);
}

void record_set(struct record *record, const struct binding *binding)
{
	struct span texts[TEXT_N];
	texts_of(binding, texts);
	char *at = record->text;
	for (int i = 0; i < TEXT_N; at += texts[i++].n)
		if (texts[i].n)
			memmove(at, texts[i].p, texts[i].n);
	memcpy(at, &binding->flow.peer, record->peer_n);
	record->q = binding->q;
	record->cseq = binding->cseq;
	record->expires_at = binding->expires_at;
	record->leg = binding->flow.leg;
	record->connection = binding->flow.connection;
}

void record_view(const struct record *record, struct binding *binding)
{
	*binding = (struct binding){
		.aor = record_text(record, TEXT_AOR),
		.contact = record_text(record, TEXT_CONTACT),
		.call_id = record_text(record, TEXT_CALL_ID),
		.params = record_text(record, TEXT_PARAMS),
		.path = record_text(record, TEXT_PATH),
		.q = record->q,
		.cseq = record->cseq,
		.expires_at = record->expires_at,
		.created = record->created,
		.flow = {.leg = record->leg, .connection = record->connection},
	};
	memcpy(&binding->flow.peer, record->text + texts_size(record), record->peer_n);
}

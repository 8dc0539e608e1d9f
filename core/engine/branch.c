#include "engine/branch.h"

#include "base/put.h"

enum { COOKIE_LENGTH = 7, PART_LENGTH = 16 };
/* Keep one kind of hash from ever being another. */
enum { LOOP_DOMAIN = 1, DIALOG_DOMAIN = 2, CONNECTION_DOMAIN = 4 };

struct branch_seed branch_seed(struct packet *packet)
{
	struct branch_seed seed;
	const struct cseq *cseq = msg_cseq(&packet->msg);
	siphash_init(&seed.call, &packet->engine->key);
	siphash_add(&seed.call, msg_value(&packet->msg, HDR_CALL_ID));
	seed.request = seed.call;
	siphash_word(&seed.request, cseq ? cseq->number : 0);
	return seed;
}

/* Of the From tag; made once, for Record-Route needs it too. */
static uint64_t dialog_mark_of(struct packet *packet, struct branch_seed *seed)
{
	const struct nameaddr *from = msg_from(&packet->msg);
	seed->mark = dialog_mark(seed, from ? nameaddr_tag(from) : span_of(NULL, 0));
	return seed->mark;
}

uint64_t branch_loop_part(struct packet *packet, struct branch_seed *seed)
{
	struct msg *msg = &packet->msg;
	struct siphash_state hash = seed->request;
	hash.v0 ^= LOOP_DOMAIN;
	siphash_add(&hash, msg->received_uri);
	struct msg_values routes = msg_values(msg, HDR_ROUTE);
	for (struct span route; msg_values_next(&routes, &route);)
		siphash_add(&hash, route);
	siphash_word(&hash, dialog_mark_of(packet, seed));
	return siphash_end(&hash);
}

struct branch_below branch_below(const struct via *via)
{
	struct branch_below below = {0};
	if (via)
		below = (struct branch_below){via->branch, via->received, via->rport};
	return below;
}

static void add_below(struct siphash_state *hash, const struct branch_below *below)
{
	siphash_add(hash, below->branch);
	if (!below->received.n && !below->rport.n)
		return; /* two pieces less: no other text makes the same hash */
	siphash_add(hash, below->received);
	siphash_add(hash, below->rport);
}

uint64_t branch_answer_part(const struct branch_seed *seed, const struct leg_name *name,
	const struct branch_below *below, uint32_t number)
{
	struct siphash_state hash = seed->request;
	siphash_word(&hash, name->mark);
	add_below(&hash, below);
	if (number)
		siphash_add(&hash, span_of((const char *)&number, sizeof number));
	return siphash_end(&hash);
}

uint64_t branch_connection_part(
	const struct branch_seed *seed, const struct branch_below *below, uint64_t connection)
{
	struct siphash_state hash = seed->request;
	hash.v0 ^= CONNECTION_DOMAIN;
	siphash_word(&hash, connection);
	add_below(&hash, below);
	return siphash_end(&hash);
}

char *put_branch(char *out, uint64_t answer_part, uint64_t loop_part, uint32_t number)
{
	out = put_text(out, "z9hG4bK");
	out = put_hex64(out, answer_part);
	out = put_hex64(out, loop_part);
	if (!number)
		return out;
	*out++ = '.';
	return put_u32(out, number);
}

static bool has_length(struct span branch)
{
	return branch.n == BRANCH_LENGTH ||
	       (branch.n > BRANCH_LENGTH && branch.p[BRANCH_LENGTH] == '.');
}

uint32_t branch_number(struct span branch)
{
	uint32_t number = 0;
	if (has_length(branch) && span_u32(span_from(branch, BRANCH_LENGTH + 1), &number))
		return number;
	return 0;
}

static bool has_part(struct span branch, uint32_t at, uint64_t part)
{
	char expected[PART_LENGTH];
	if (!has_length(branch))
		return false;
	put_hex64(expected, part);
	return bytes_eq(branch.p + at, expected, PART_LENGTH) || /* nearly always: as we wrote it */
	       span_ieq(span_of(branch.p + at, PART_LENGTH), span_of(expected, PART_LENGTH));
}

bool branch_has_answer_part(struct span branch, uint64_t answer_part)
{
	return has_part(branch, COOKIE_LENGTH, answer_part);
}

bool branch_has_loop_part(struct span branch, uint64_t loop_part)
{
	return has_part(branch, COOKIE_LENGTH + PART_LENGTH, loop_part);
}

uint64_t dialog_mark(const struct branch_seed *seed, struct span tag)
{
	struct siphash_state hash = seed->call;
	hash.v0 ^= DIALOG_DOMAIN;
	siphash_add(&hash, tag);
	return siphash_end(&hash);
}

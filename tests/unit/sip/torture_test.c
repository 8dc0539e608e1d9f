/* The torture messages of RFC 4475 and 5118 against tests/data/torture/expected.tsv, the call flows
 * of five RFCs, and messages from the field when they are at hand. */
#include <ftw.h>
#include <unistd.h>

#include "sip/edit.h"
#include "sip/frame.h"

#include "sample.h"

enum column { CORPUS, FILE_NAME, SECTION, TITLE, KIND, CLASS, STRICT, TOLERATED, COLUMNS };

struct row {
	struct span column[COLUMNS];
};

/* One line of a tab-separated table; missing columns are empty. */
static bool row_next(struct span *rest, struct row *row)
{
	if (!rest->n)
		return false;
	const char *lf = span_find(*rest, '\n');
	struct span line = span_between(rest->p, lf ? lf : span_end(*rest));
	*rest = span_from(*rest, line.n + 1);
	for (int i = 0; i < COLUMNS; i++) {
		const char *tab = span_find(line, '\t');
		row->column[i] = tab ? span_between(line.p, tab) : line;
		line = tab ? span_between(tab + 1, span_end(line)) : span_of("", 0);
	}
	return true;
}

static bool lists(struct span tokens, const char *token)
{
	struct span rest = tokens, value;
	while (list_next(&rest, &value))
		if (span_eq(value, span_str(token)))
			return true;
	return false;
}

/* `noterr` allows any final answer but 400, 414, 505, 513: the parser may let such a message pass.
 */
static bool may_pass(const struct row *row)
{
	struct span strict = row->column[STRICT];
	if (span_eq(row->column[CLASS], SPAN("valid")))
		return true;
	if (span_eq(row->column[CLASS], SPAN("invalid")))
		return lists(strict, "noterr");
	/* valid-app: refused by what the message means, unless 400 is all there is to answer */
	return !lists(strict, "400") || lists(strict, "noterr") ||
	       lists(row->column[TOLERATED], "noterr");
}

static bool may_refuse(const struct row *row, uint32_t code)
{
	char text[16] = "none";
	if (span_eq(row->column[CLASS], SPAN("valid")))
		return false;
	if (code)
		snprintf(text, sizeof text, "%u", code);
	else if (span_eq(row->column[CLASS], SPAN("valid-app")))
		return false;
	return lists(row->column[STRICT], text) || lists(row->column[TOLERATED], text);
}

/* Untouched, kept, and piece by piece: always the bytes that came. */
static void assert_round_trip(struct sample *s)
{
	struct span came = span_of(must_alloc(s->msg.raw.n + 1u), s->msg.raw.n);
	memcpy((char *)came.p, s->msg.raw.p, came.n);
	for (int turn = 0; turn < 3; turn++) {
		struct span text = sample_write(&s->msg, false);
		assert_true(span_eq(text, came));
		assert_int_equal(s->msg.head_n + s->msg.body.n, came.n);
		free((char *)text.p);
		if (turn == 0)
			msg_keep(&s->msg);
		s->msg.edited = true; /* as if: no shortcut */
	}
	free((char *)came.p);
}

/* Whoever is refused gets an answer that is itself in order. */
static void assert_answerable(struct sample *s)
{
	struct reply reply = {.code = s->error.code, .to_tag = SPAN("t")};
	struct span text;
	if (!s->error.code || !write_reply(&s->msg, &reply, &text))
		return;
	struct sample *answer = sample_parse(text);
	if (answer->result)
		print_error("%s in\n%.*s\n", answer->error.reason, (int)text.n, text.p);
	assert_int_equal(answer->result, 0);
	assert_int_equal(answer->msg.code, reply.code);
	sample_free(answer);
}

static struct span corpus_file(struct span directory, struct span name)
{
	char path[512];
	snprintf(path, sizeof path, "tests/data/torture/%.*s/%.*s", (int)directory.n, directory.p,
		(int)name.n, name.p);
	struct span text = file_read(path);
	if (!text.p)
		fail_msg("%s cannot be read", path);
	return text;
}

static void treats_the_torture_messages_as_expected(void **state)
{
	(void)state;
	struct span table = file_read("tests/data/torture/expected.tsv"), rest = table;
	struct row row;
	int messages = 0, wrong = 0;
	assert_non_null(table.p);
	while (row_next(&rest, &row)) {
		if (!row.column[CLASS].n || span_eq(row.column[CORPUS], SPAN("corpus")))
			continue;
		struct span text = corpus_file(row.column[CORPUS], row.column[FILE_NAME]);
		struct sample *s = sample_check(text);
		bool good = s->result == 0 ? may_pass(&row) : may_refuse(&row, s->error.code);
		if (!good) {
			print_error("%.*s: %u %s\n", (int)row.column[FILE_NAME].n,
				row.column[FILE_NAME].p, s->error.code,
				s->error.reason ? s->error.reason : "accepted");
			wrong++;
		}
		if (s->result == 0)
			assert_round_trip(s);
		else
			assert_answerable(s);
		messages++;
		sample_free(s);
		free((char *)text.p);
	}
	free((char *)table.p);
	assert_int_equal(wrong, 0);
	assert_int_equal(messages, 64);
}

static int files_seen;

/* nftw has no room for an argument. */
static void (*file_do)(const char *path, struct span text);

static int visit(const char *path, const struct stat *stat, int type, struct FTW *at)
{
	(void)stat, (void)at;
	const char *dot = strrchr(path, '.');
	if (type != FTW_F || !dot || strcmp(dot, ".sip") != 0)
		return 0;
	struct span text = file_read(path);
	assert_non_null(text.p);
	file_do(path, text);
	files_seen++;
	free((char *)text.p);
	return 0;
}

static void each_file(const char *top, void (*act)(const char *path, struct span text))
{
	files_seen = 0;
	file_do = act;
	assert_int_equal(nftw(top, visit, 16, FTW_PHYS), 0);
}

/* RFC 5626 9.3 to 9.5 prints only the headers it speaks about. */
static bool is_abridged(const char *path)
{
	return strstr(path, "rfc5626/9.3_") || strstr(path, "rfc5626/9.4_") ||
	       strstr(path, "rfc5626/9.5_");
}

static void flow_round_trips(const char *path, struct span text)
{
	struct sample *s = sample_check(text);
	if (is_abridged(path))
		assert_string_equal(s->error.reason, "Missing Via");
	else if (s->result)
		fail_msg("%s: %s", path, s->error.reason);
	assert_int_equal(s->msg.raw.n, text.n);
	assert_round_trip(s);
	sample_free(s);
}

static void the_call_flows_round_trip(void **state)
{
	(void)state;
	each_file("tests/data/callflows", flow_round_trips);
	assert_int_equal(files_seen, 253);
}

/* Of a message followed by the beginning of another one, every prefix says "more" until the message
 * is whole. What has no Content-Length on paper gets one from write_msg, as on every stream. */
static void flow_is_framed(const char *path, struct span text)
{
	struct sample *s = sample_parse(text);
	struct span written = sample_write(&s->msg, true);
	char *stream = must_alloc(written.n + 8u);
	uint32_t skip, pongs;
	memcpy(stream, written.p, written.n);
	memcpy(stream + written.n, "INVITE s", 8);
	for (uint32_t n = 0; n <= written.n + 8; n++) {
		int64_t want = n < written.n ? 0 : written.n;
		int64_t got = frame_next(span_of(stream, n), &skip, &pongs);
		if (got != want || skip != 0 || pongs != 0)
			fail_msg("%s cut at %u: %lld", path, n, (long long)got);
	}
	struct sample *framed = sample_parse(span_of(stream, written.n));
	assert_int_equal(framed->result, 0);
	assert_true(span_eq(framed->msg.body, s->msg.body));
	sample_free(framed);
	sample_free(s);
	free(stream);
	free((char *)written.p);
}

static void the_call_flows_are_framed_wherever_the_stream_is_cut(void **state)
{
	(void)state;
	each_file("tests/data/callflows", flow_is_framed);
	assert_int_equal(files_seen, 253);
}

/* Listed as well-formed, but not so. */
static const struct {
	const char *name, *why;
} not_so_wellformed[] = {
	{"123_kamailio_invite.sip", "&lt; and &gt; instead of brackets"},
	{"145_resiprocate_200.sip", "negative CSeq without a method"},
	{"219_sipXtapi_subscribe_sipsend-0-01.sip", "Contact without a scheme"},
	{"269_sipsorcery_register_ekiga-3-2-7.sip", "comma in the host of the Contact"},
	{"277_sipx_100.sip", "a template with its placeholders"},
	{"291_sofia-sip_message.sip", "NULs in the Contact"},
};

static struct span field_index;
static int refused_wellformed, refused_irregular;

static bool is_wellformed(const char *name)
{
	struct span rest = field_index;
	struct row row;
	for (size_t i = 0; i < N_OF(not_so_wellformed); i++)
		if (strcmp(not_so_wellformed[i].name, name) == 0)
			return false;
	while (row_next(&rest, &row))
		if (span_eq(row.column[CORPUS], span_str(name)))
			return span_eq(row.column[FILE_NAME], SPAN("wellformed"));
	return false;
}

static void field_message(const char *path, struct span text)
{
	const char *name = strrchr(path, '/') + 1;
	struct sample *s = sample_check(text);
	if (s->result == 0) {
		assert_round_trip(s);
	} else {
		bool wellformed = is_wellformed(name);
		print_message("%s %s: %u %s\n", wellformed ? "REFUSED" : "refused", name,
			s->error.code, s->error.reason);
		*(wellformed ? &refused_wellformed : &refused_irregular) += 1;
		assert_non_null(s->error.reason);
		assert_answerable(s);
	}
	sample_free(s);
}

static void messages_from_the_field_pass(void **state)
{
	(void)state;
	const char *top = getenv("VIADUCT_CORPUS");
	char path[1024];
	snprintf(path, sizeof path, "%s/real", top ? top : "../shared/corpus");
	if (access(path, R_OK) != 0) {
		print_message("skipped: %s is not there\n", path);
		skip();
	}
	snprintf(path, sizeof path, "%s/real/index.tsv", top ? top : "../shared/corpus");
	field_index = file_read(path);
	*strrchr(path, '/') = 0;
	each_file(path, field_message);
	free((char *)field_index.p);
	assert_true(files_seen > 100);
	assert_int_equal(refused_wellformed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(treats_the_torture_messages_as_expected),
		cmocka_unit_test(the_call_flows_round_trip),
		cmocka_unit_test(the_call_flows_are_framed_wherever_the_stream_is_cut),
		cmocka_unit_test(messages_from_the_field_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is read of an Authorization header, and what is refused. */
#include "sample.h"
#include "sip/credentials.h"

static struct arena arena;
static char first[512];

static int parse(struct span text, struct credentials *credentials)
{
	arena_reset(&arena);
	return credentials_parse(guarded(text), &arena, credentials);
}

static void all_parameters_are_read_in_any_order_and_letter_case(void **state)
{
	struct credentials c;
	(void)state;
	assert_int_equal(
		parse(SPAN("Digest USERNAME=\"bob\", realm=\"biloxi.com\",\r\n nonce=\"84a4\" ,"
			   "\turi=\"sip:bob@biloxi.com\",qop=auth, nc = 00000001, x=\"1,2\","
			   "cnonce=\"0a,4f\",response=\"6629fae4\",opaque=\"\",algorithm=SHA-256"),
			&c),
		0);
	expect_text(c.username, "bob", "user");
	expect_text(c.realm, "biloxi.com", "realm");
	expect_text(c.nonce, "84a4", "nonce");
	expect_text(c.uri, "sip:bob@biloxi.com", "uri");
	expect_text(c.response, "6629fae4", "response");
	expect_text(c.cnonce, "0a,4f", "a comma in quotes");
	expect_text(c.nc, "00000001", "nc");
	expect_text(c.qop, "auth", "qop");
	expect_text(c.algorithm, "SHA-256", "algorithm");
	expect_text(c.opaque, "", "an empty text is there");
}

static void escapes_are_undone(void **state)
{
	struct credentials c;
	(void)state;
	assert_int_equal(
		parse(SPAN("digest username=\"b\\\"o\\\\b\",realm=\"a\\b\",qop=\"auth\""), &c), 0);
	expect_text(c.username, "b\"o\\b", "quote and backslash");
	expect_text(c.realm, "ab", "needless escape");
	expect_text(c.qop, "auth", "quoted qop, as some write it");
	expect_text(c.nonce, NULL, "absent");
}

static void what_is_no_digest_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "nothing"},
		{"Digest", "no parameters"},
		{"Digest ", "no parameters behind a blank"},
		{"Basic dXNlcjpwYXNz", "another scheme"},
		{"Digestusername=\"a\"", "another word"},
		{"Digest username", "no value"},
		{"Digest username=", "nothing behind ="},
		{"Digest =\"a\"", "no name"},
		{"Digest username=\"a", "open quote"},
		{"Digest username=\"a\\", "open escape"},
		{"Digest username=\"a\" realm=\"b\"", "no comma"},
		{"Digest username=\"a\",", "comma at the end"},
		{"Digest ,username=\"a\"", "comma at the beginning"},
		{"Digest username=\"a\",,realm=\"b\"", "two commas"},
		{"Digest nonce=\"a\",realm=\"r\",nonce=\"b\"", "a parameter twice"},
		{"Digest nonce=\"a\",NONCE=\"a\"", "twice the same, too"},
		{"Digest uri=sip:a@b", "what needs quotes"},
		{"Digest username=\"a\";realm=\"b\"", "a semicolon"},
	};
	(void)state;
	for (size_t i = 0; i < N_OF(bad); i++) {
		struct credentials c;
		if (parse(span_str(bad[i].text), &c) == 0)
			fail_msg("%s: taken", bad[i].why);
	}
}

static void every_beginning_of_good_credentials_is_read_within_its_bytes(void **state)
{
	struct span whole = SPAN("Digest username=\"b\\o\", realm=\"r\", nonce=\"n\", nc=00000001");
	(void)state;
	for (uint32_t n = 0; n <= whole.n; n++) {
		struct credentials c;
		parse(span_of(whole.p, n), &c);
	}
}

static void more_parameters_than_the_limit_are_refused(void **state)
{
	char text[1024] = "Digest p0=0";
	struct credentials c;
	(void)state;
	size_t n = strlen(text);
	for (int i = 1; i < CREDENTIALS_PARAMS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, ",p%d=%d", i, i);
	assert_int_equal(parse(span_str(text), &c), 0);
	snprintf(text + n, sizeof text - n, ",last=1");
	assert_int_equal(parse(span_str(text), &c), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_parameters_are_read_in_any_order_and_letter_case),
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(what_is_no_digest_is_refused),
		cmocka_unit_test(every_beginning_of_good_credentials_is_read_within_its_bytes),
		cmocka_unit_test(more_parameters_than_the_limit_are_refused),
	};
	arena_init(&arena, first, sizeof first);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

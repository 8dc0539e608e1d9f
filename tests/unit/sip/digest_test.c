/* The examples of RFC 2617, RFC 7616 (its SHA-512-256 one as erratum 4897 corrects it), and the
 * algorithms of RFC 8760 for SIP. */
#include "sample.h"
#include "sip/digest.h"

static struct digests *digests;

struct vector {
	const char *why;
	enum digest_algorithm algorithm;
	const char *user, *realm, *password, *method, *uri, *nonce, *cnonce, *qop, *body, *response;
};

static const struct vector vectors[] = {
	{"RFC 2617 3.5", DIGEST_MD5, "Mufasa", "testrealm@host.com", "Circle Of Life", "GET",
		"/dir/index.html", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b", "auth", "",
		"6629fae49393a05397450978507c4ef1"},
	{"RFC 7616 3.9.1, MD5", DIGEST_MD5, "Mufasa", "http-auth@example.org", "Circle of Life",
		"GET", "/dir/index.html", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
		"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "auth", "",
		"8ca523f5e9506fed4657c9700eebdbec"},
	{"RFC 7616 3.9.1, SHA-256", DIGEST_SHA_256, "Mufasa", "http-auth@example.org",
		"Circle of Life", "GET", "/dir/index.html",
		"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
		"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "auth", "",
		"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
	{"RFC 7616 3.9.2, SHA-512-256", DIGEST_SHA_512_256, "J\xc3\xa4s\xc3\xb8n Doe",
		"api@example.org", "Secret, or not?", "GET", "/doe.json",
		"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
		"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", "auth", "",
		"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"},
	{"an INVITE", DIGEST_MD5, "bob", "biloxi.com", "zanzibar", "INVITE", "sip:bob@biloxi.com",
		"dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b", "auth", "",
		"89eb0059246c02b2f6ee02c7961d5ea3"},
	{"an INVITE with its body, MD5", DIGEST_MD5, "bob", "biloxi.com", "zanzibar", "INVITE",
		"sip:bob@biloxi.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b", "auth-int",
		"v=0\r\n", "77226bb823dc077c1ad3537415667bae"},
	{"the same, SHA-256", DIGEST_SHA_256, "bob", "biloxi.com", "zanzibar", "INVITE",
		"sip:bob@biloxi.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b", "auth-int",
		"v=0\r\n", "554a9ffe79ce71c3cb6c9630deddd2787d8033f895e5cdef6a73c8e84ed4c979"},
	{"the same, SHA-512-256", DIGEST_SHA_512_256, "bob", "biloxi.com", "zanzibar", "INVITE",
		"sip:bob@biloxi.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b", "auth-int",
		"v=0\r\n", "e9a7fbc1c80a10421c59a0c982f28d40e0ddc7b62ef3dc4faf68f179c6e05922"},
};

struct attempt {
	char a1[DIGEST_HEX_MAX];
	struct digest_request request;
	struct credentials credentials;
};

static void make(struct attempt *attempt, const struct vector *v)
{
	digest_a1(digests, v->algorithm, span_str(v->user), span_str(v->realm),
		span_str(v->password), attempt->a1);
	attempt->request = (struct digest_request){.algorithm = v->algorithm,
		.a1 = span_of(attempt->a1, digest_length(v->algorithm)),
		.method = span_str(v->method),
		.body = span_str(v->body)};
	attempt->credentials = (struct credentials){.username = span_str(v->user),
		.realm = span_str(v->realm),
		.nonce = span_str(v->nonce),
		.uri = span_str(v->uri),
		.response = span_str(v->response),
		.cnonce = span_str(v->cnonce),
		.nc = SPAN("00000001"),
		.qop = span_str(v->qop)};
}

static bool is_right(const struct attempt *attempt)
{
	return digest_is_right(digests, &attempt->request, &attempt->credentials);
}

static void the_examples_of_the_rfcs_come_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(vectors); i++) {
		struct attempt attempt;
		char response[DIGEST_HEX_MAX];
		make(&attempt, &vectors[i]);
		assert_true(
			digest_response(digests, &attempt.request, &attempt.credentials, response));
		expect_text(span_of(response, digest_length(vectors[i].algorithm)),
			vectors[i].response, vectors[i].why);
		assert_true(is_right(&attempt));
	}
}

static void a_stored_a1_does_for_the_password_in_either_letter_case(void **state)
{
	struct attempt attempt;
	(void)state;
	make(&attempt, &vectors[4]);
	expect_text(attempt.request.a1, "12af60467a33e8518da5c68bbff12b11", "H(A1)");
	attempt.request.a1 = SPAN("12AF60467A33E8518DA5C68BBFF12B11");
	assert_true(is_right(&attempt));
	attempt.request.a1 = SPAN("12af60467a33e8518da5c68bbff12b1");
	assert_false(is_right(&attempt));
}

static void a_response_in_capitals_is_right(void **state)
{
	struct attempt attempt;
	(void)state;
	make(&attempt, &vectors[4]);
	attempt.credentials.response = SPAN("89EB0059246C02B2F6EE02C7961D5EA3");
	assert_true(is_right(&attempt));
}

static void a_change_anywhere_is_wrong(void **state)
{
	(void)state;
	const size_t spans[] = {offsetof(struct credentials, nonce),
		offsetof(struct credentials, uri), offsetof(struct credentials, cnonce),
		offsetof(struct credentials, nc), offsetof(struct credentials, response),
		offsetof(struct credentials, qop)};
	for (size_t i = 0; i < N_OF(spans); i++) {
		struct attempt attempt;
		make(&attempt, &vectors[6]);
		struct span *text = (struct span *)((char *)&attempt.credentials + spans[i]);
		char changed[128];
		assert_true(text->n && text->n < sizeof changed);
		memcpy(changed, text->p, text->n);
		changed[text->n - 1] ^= 1;
		*text = span_of(changed, text->n);
		assert_false(is_right(&attempt));
		text->n--;
		assert_false(is_right(&attempt));
		*text = span_of(NULL, 0);
		assert_false(is_right(&attempt));
	}
	struct attempt attempt;
	make(&attempt, &vectors[6]);
	attempt.request.body = SPAN("v=1\r\n");
	assert_false(is_right(&attempt));
	make(&attempt, &vectors[6]);
	attempt.request.method = SPAN("BYE");
	assert_false(is_right(&attempt));
	make(&attempt, &vectors[6]);
	attempt.request.algorithm = DIGEST_SHA_512_256;
	assert_false(is_right(&attempt));
}

static void algorithms_are_known_by_their_names(void **state)
{
	enum digest_algorithm algorithm;
	(void)state;
	assert_true(digest_algorithm_of(span_of(NULL, 0), &algorithm));
	assert_int_equal(algorithm, DIGEST_MD5);
	assert_true(digest_algorithm_of(SPAN("sha-256"), &algorithm));
	assert_int_equal(algorithm, DIGEST_SHA_256);
	assert_true(digest_algorithm_of(SPAN("SHA-512-256"), &algorithm));
	assert_int_equal(algorithm, DIGEST_SHA_512_256);
	assert_false(digest_algorithm_of(SPAN("MD5-sess"), &algorithm));
	assert_false(digest_algorithm_of(SPAN(""), &algorithm));
	for (int i = 0; i < DIGEST_ALGORITHMS; i++)
		assert_true(digests_know(digests, (enum digest_algorithm)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_the_rfcs_come_out),
		cmocka_unit_test(a_stored_a1_does_for_the_password_in_either_letter_case),
		cmocka_unit_test(a_response_in_capitals_is_right),
		cmocka_unit_test(a_change_anywhere_is_wrong),
		cmocka_unit_test(algorithms_are_known_by_their_names),
	};
	digests = digests_new();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	digests_free(digests);
	return failed;
}

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sip/hdr.h"
#include "../guard.h"

static const struct {
	enum hdr_id id;
	const char *name, *compact;
	enum hdr_kind kind;
} headers[] = {
#define HDR(id, name, compact, kind) {HDR_##id, name, compact, HDR_KIND_##kind},
#include "sip/hdr.def"
#undef HDR
};

static const struct {
	enum method_id id;
	const char *text;
} methods[] = {
#define METHOD(id, text) {METHOD_##id, text},
#include "sip/method.def"
#undef METHOD
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static struct span with_case(const char *text, int (*letter)(int))
{
	static char out[64];
	size_t n = strlen(text);
	for (size_t i = 0; i < n; i++)
		out[i] = (char)letter((unsigned char)text[i]);
	return guarded(span_of(out, n));
}

static int every_other(int c)
{
	static int turn;
	return turn++ & 1 ? toupper(c) : tolower(c);
}

static void finds_every_header_of_the_list_in_any_letter_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		const char *name = headers[i].name;
		expect_number(hdr_id_of(guarded(span_str(name))), headers[i].id, name);
		expect_number(hdr_id_of(with_case(name, tolower)), headers[i].id, name);
		expect_number(hdr_id_of(with_case(name, toupper)), headers[i].id, name);
		expect_number(hdr_id_of(with_case(name, every_other)), headers[i].id, name);
		expect_text(hdr_name(headers[i].id), name, "canonical name");
		expect_number(hdr_kind_of(headers[i].id), headers[i].kind, name);
		if (*headers[i].compact) {
			expect_number(hdr_id_of(with_case(headers[i].compact, tolower)),
				headers[i].id, name);
			expect_number(hdr_id_of(with_case(headers[i].compact, toupper)),
				headers[i].id, name);
		}
	}
}

/* A lookup that compares too little would take these for the real ones. */
static void takes_no_other_name_for_one_of_the_list(void **state)
{
	(void)state;
	char text[64];
	for (size_t i = 0; i < COUNT(headers); i++) {
		size_t n = strlen(headers[i].name);
		for (size_t at = 0; at < n; at++) {
			for (int flip = 1; flip < 256; flip <<= 1) {
				memcpy(text, headers[i].name, n);
				text[at] = (char)(text[at] ^ flip);
				bool same = flip == 0x20 && isalpha((unsigned char)text[at]);
				expect_number(hdr_id_of(guarded(span_of(text, n))),
					same ? headers[i].id : HDR_OTHER, headers[i].name);
			}
		}
		memcpy(text, headers[i].name, n);
		text[n] = 's';
		assert_int_equal(hdr_id_of(span_of(text, n + 1)), HDR_OTHER);
		if (n > 2 && strcmp(headers[i].name, "RSeq") != 0)
			expect_number(hdr_id_of(span_of(text, n - 1)), HDR_OTHER, headers[i].name);
	}
}

static void knows_no_other_single_letters(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char letter = (char)c;
		enum hdr_id expected = HDR_OTHER;
		for (size_t i = 0; i < COUNT(headers); i++)
			if (*headers[i].compact && c < 128 && tolower(c) == *headers[i].compact)
				expected = headers[i].id;
		assert_int_equal(hdr_id_of(guarded(span_of(&letter, 1))), expected);
	}
	assert_int_equal(hdr_id_of(guarded(SPAN(""))), HDR_OTHER);
	assert_int_equal(hdr_id_of((struct span){NULL, 0}), HDR_OTHER);
	assert_int_equal(hdr_name(HDR_OTHER).n, 0);
}

static void finds_methods_exactly_as_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(methods); i++) {
		struct span text = span_str(methods[i].text);
		expect_number(method_id_of(guarded(text)), methods[i].id, methods[i].text);
		expect_number(method_id_of(with_case(methods[i].text, tolower)), METHOD_OTHER,
			"case matters");
		expect_number(method_id_of(guarded(span_of(text.p, text.n - 1))), METHOD_OTHER,
			"a prefix");
	}
	static const char *const others[] = {
		"", "INVITES", "RE%47IST%45R", "Invite", "A", "ACK\r", "NEWMETHOD"};
	for (size_t i = 0; i < COUNT(others); i++)
		expect_number(method_id_of(guarded(span_str(others[i]))), METHOD_OTHER, others[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_every_header_of_the_list_in_any_letter_case),
		cmocka_unit_test(takes_no_other_name_for_one_of_the_list),
		cmocka_unit_test(knows_no_other_single_letters),
		cmocka_unit_test(finds_methods_exactly_as_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

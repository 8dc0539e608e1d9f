/* Contacts as opaque words: sip/contact_token.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/siphash.h"
#include "sip/contact_token.h"
#include "sip/uri.h"

#define SECRET SPAN("correct horse battery staple")
static const struct contact_places places = {
	.shown_at = 0x1122334455667788, .leads_to = 0xabcdef01};

/* The same numbers in each run. */
static uint64_t drawn;
static uint32_t draw(uint32_t below)
{
	static const struct siphash_key key = {1, 2};
	drawn++;
	return (uint32_t)(siphash(&key, &drawn, sizeof drawn) % below);
}

static uint32_t put_from(char *out, const char *letters, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = letters[draw((uint32_t)strlen(letters))];
	return n;
}

/* What stands behind "sip:" in a Contact: with and without user, escapes, password, IPv6, port,
 * parameters. */
static struct span random_contact(char text[512])
{
	static const char *const hosts[] = {
		"10.0.0.%u", "[2001:db8::%x]", "pc%u.example.com", "h%u"};
	char *out = text;
	if (draw(8)) {
		out += put_from(out, "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.!~*'()&=+$,;?/",
			1 + draw(draw(4) ? 12 : 200));
		if (!draw(4))
			out += sprintf(out, "%%%02X", draw(256));
		if (!draw(8))
			out += sprintf(out, ":pa%uss", draw(1000));
		*out++ = '@';
	}
	out += sprintf(out, hosts[draw(4)], draw(256));
	if (draw(2))
		out += sprintf(out, ":%u", 1 + draw(65535));
	for (uint32_t n = draw(4); n; n--)
		out += sprintf(out, draw(2) ? ";transport=tcp" : ";x%u=%%2%u", draw(10), draw(10));
	return span_between(text, out);
}

static struct span word_of(
	struct contact_key *key, struct span contact, char word[CONTACT_WORD_ROOM])
{
	uint32_t n = contact_word_make(key, &places, contact, word);
	assert_true(n > 0);
	return span_of(word, n);
}

static uint32_t read_back(struct contact_key *key, struct span word, char out[CONTACT_MAX])
{
	struct contact_places at = {.shown_at = places.shown_at};
	uint32_t n = contact_word_read(key, &at, word, out);
	if (n)
		assert_int_equal(at.leads_to, places.leads_to);
	return n;
}

static void a_hundred_thousand_contacts_come_back_byte_for_byte(void **state)
{
	(void)state;
	char text[512], word[CONTACT_WORD_ROOM], back[CONTACT_MAX], uri_text[CONTACT_WORD_MAX + 32];
	struct contact_key *key = contact_key_new(SECRET), *twin = contact_key_new(SECRET);
	uint32_t longest = 0;
	for (int i = 0; i < 100000; i++) {
		struct span contact = random_contact(text), made = word_of(key, contact, word);
		longest = contact.n > longest ? contact.n : longest;
		assert_true(10 * made.n <= 17 * contact.n + 300);
		assert_true(contact_word_is_like(made));
		struct uri uri;
		int n = sprintf(uri_text, "sip:%.*s@192.0.2.1:5060", (int)made.n, made.p);
		assert_int_equal(uri_parse(span_of(uri_text, (size_t)n), &uri), 0);
		assert_true(span_eq(uri.user, made));
		/* by another engine with the same key, which is what a restart makes of one */
		assert_true(span_eq(span_of(back, read_back(twin, made, back)), contact));
		/* the same once more */
		char again[CONTACT_WORD_ROOM];
		assert_true(span_eq(word_of(twin, contact, again), made));
	}
	assert_true(longest > 200);
	contact_key_free(key);
	contact_key_free(twin);
}

/* Phones and registrars hold words for months: what one version makes the next has to read. */
static void words_stay_what_they_are(void **state)
{
	(void)state;
	char word[CONTACT_WORD_ROOM];
	struct contact_key *key = contact_key_new(SECRET);
	assert_true(span_eq(word_of(key, SPAN("alice@10.0.0.1:5062;transport=udp"), word),
		SPAN("bep5kprniqhluksy4asm3qfzbfny6ziqfqiyw2zw6alqszhc3qsaqdnpbngx5olch3zzsmj64oth2"
		     "gdi")));
	contact_key_free(key);
}

static void a_word_that_was_lower_or_upper_cased_is_still_read(void **state)
{
	(void)state;
	char word[CONTACT_WORD_ROOM], back[CONTACT_MAX];
	struct contact_key *key = contact_key_new(SECRET);
	struct span contact = SPAN("Alice@10.0.0.1:5062"), made = word_of(key, contact, word);
	for (uint32_t i = 0; i < made.n; i++)
		if (word[i] >= 'a')
			word[i] &= (char)~0x20;
	assert_true(span_eq(span_of(back, read_back(key, made, back)), contact));
	contact_key_free(key);
}

static void any_flipped_bit_makes_a_word_nothing(void **state)
{
	(void)state;
	char text[512], word[CONTACT_WORD_ROOM], bytes[CONTACT_WORD_MAX], back[CONTACT_MAX];
	struct contact_key *key = contact_key_new(SECRET);
	for (int i = 0; i < 200; i++) {
		struct span made = word_of(key, random_contact(text), word);
		int64_t n = contact_bytes(span_from(made, 1), bytes);
		for (int64_t bit = 0; bit < 8 * n; bit++) {
			bytes[bit / 8] ^= (char)(1 << bit % 8);
			contact_letters(span_of(bytes, (size_t)n), word + 1);
			assert_int_equal(read_back(key, made, back), 0);
			bytes[bit / 8] ^= (char)(1 << bit % 8);
		}
	}
	contact_key_free(key);
}

/* But for the letter case, any other text of a word is nothing. */
static void any_other_letter_makes_a_word_nothing(void **state)
{
	(void)state;
	char word[CONTACT_WORD_ROOM], back[CONTACT_MAX];
	struct contact_key *key = contact_key_new(SECRET);
	for (uint32_t length = 1; length < 12; length++) { /* all ways bits can be left over */
		struct span made = word_of(key, span_of("a@b.example.com", length), word);
		for (uint32_t i = 0; i < made.n; i++) {
			char was = word[i];
			for (int c = 0; c < 256; c++) {
				if (ascii_lower((char)c) == was)
					continue;
				word[i] = (char)c;
				assert_int_equal(read_back(key, made, back), 0);
			}
			word[i] = was;
		}
		for (uint32_t n = 0; n < made.n; n++)
			assert_int_equal(read_back(key, span_of(word, n), back), 0);
		word[made.n] = 'a';
		assert_int_equal(read_back(key, span_of(word, made.n + 1), back), 0);
	}
	contact_key_free(key);
}

static void another_key_or_another_place_reads_nothing(void **state)
{
	(void)state;
	char word[CONTACT_WORD_ROOM], back[CONTACT_MAX];
	struct contact_key *key = contact_key_new(SECRET),
			   *other = contact_key_new(SPAN("correct horse battery stapler"));
	struct span made = word_of(key, SPAN("alice@10.0.0.1"), word);
	assert_int_equal(read_back(other, made, back), 0);
	struct contact_places elsewhere = {.shown_at = places.shown_at + 1};
	assert_int_equal(contact_word_read(key, &elsewhere, made, back), 0);
	contact_key_free(key);
	contact_key_free(other);
}

/* Words tell nothing of what their contacts have in common (a stream cipher used twice would). */
static void contacts_that_differ_in_one_letter_have_words_that_differ_everywhere(void **state)
{
	(void)state;
	char text[512], word[CONTACT_WORD_ROOM], other[CONTACT_WORD_ROOM];
	struct contact_key *key = contact_key_new(SECRET);
	uint32_t same = 0, letters = 0;
	for (int i = 0; i < 1000; i++) {
		struct span contact = random_contact(text), made = word_of(key, contact, word);
		text[contact.n - 1] ^= 1;
		word_of(key, contact, other);
		for (uint32_t at = 1; at < made.n; at++, letters++)
			same += word[at] == other[at];
	}
	assert_true(same < letters / 32 * 1.1 && same > letters / 32 * 0.9);
	contact_key_free(key);
}

static void names_of_users_are_no_words(void **state)
{
	(void)state;
	const char *const names[] = {"", "b", "bob", "benjamin.blumchen", "+49301234567", "b-29",
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbb", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb8",
		"abbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_false(contact_word_is_like(span_str(names[i])));
}

static void the_longest_contact_fits_and_a_longer_one_is_refused(void **state)
{
	(void)state;
	static char text[CONTACT_MAX + 1], word[CONTACT_WORD_ROOM], back[CONTACT_MAX];
	struct contact_key *key = contact_key_new(SECRET);
	memset(text, 'x', sizeof text);
	struct span made = word_of(key, span_of(text, CONTACT_MAX), word);
	assert_int_equal(made.n, CONTACT_WORD_MAX);
	assert_int_equal(read_back(key, made, back), CONTACT_MAX);
	assert_int_equal(contact_word_make(key, &places, span_of(text, CONTACT_MAX + 1), word), 0);
	assert_int_equal(contact_word_make(key, &places, span_of(text, 0), word), 0);
	contact_key_free(key);
}

static void letters_of_any_length_come_back(void **state)
{
	(void)state;
	char bytes[40], letters[64 + CONTACT_LETTERS_SLACK], back[40];
	for (uint32_t n = 0; n <= sizeof bytes; n++) {
		for (uint32_t i = 0; i < n; i++)
			bytes[i] = (char)draw(256);
		uint32_t made = contact_letters(span_of(bytes, n), letters);
		assert_int_equal(made, (n * 8 + 4) / 5);
		assert_int_equal(contact_bytes(span_of(letters, made), back), n);
		assert_memory_equal(bytes, back, n);
	}
}

/* No judgement: what a word costs, for whoever reads the log (make bench has it too). */
static void says_what_a_word_costs(void **state)
{
	(void)state;
	enum { ROUNDS = 100000 };
	char word[CONTACT_WORD_ROOM], back[CONTACT_MAX];
	struct contact_key *key = contact_key_new(SECRET);
	struct span contact = SPAN("alice@10.0.0.1:5062;transport=udp"), made = {0};
	struct timespec begin, middle, end;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < ROUNDS; i++)
		made = word_of(key, contact, word);
	clock_gettime(CLOCK_MONOTONIC, &middle);
	for (int i = 0; i < ROUNDS; i++)
		assert_int_equal(read_back(key, made, back), contact.n);
	clock_gettime(CLOCK_MONOTONIC, &end);
	print_message("%.0f ns to make a word of %u letters, %.0f ns to read it\n",
		((double)(middle.tv_sec - begin.tv_sec) * 1e9 +
			(double)(middle.tv_nsec - begin.tv_nsec)) /
			ROUNDS,
		made.n,
		((double)(end.tv_sec - middle.tv_sec) * 1e9 +
			(double)(end.tv_nsec - middle.tv_nsec)) /
			ROUNDS);
	contact_key_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_thousand_contacts_come_back_byte_for_byte),
		cmocka_unit_test(words_stay_what_they_are),
		cmocka_unit_test(a_word_that_was_lower_or_upper_cased_is_still_read),
		cmocka_unit_test(any_flipped_bit_makes_a_word_nothing),
		cmocka_unit_test(any_other_letter_makes_a_word_nothing),
		cmocka_unit_test(another_key_or_another_place_reads_nothing),
		cmocka_unit_test(
			contacts_that_differ_in_one_letter_have_words_that_differ_everywhere),
		cmocka_unit_test(names_of_users_are_no_words),
		cmocka_unit_test(the_longest_contact_fits_and_a_longer_one_is_refused),
		cmocka_unit_test(letters_of_any_length_come_back),
		cmocka_unit_test(says_what_a_word_costs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

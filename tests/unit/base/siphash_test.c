#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/siphash.h"
#include "../guard.h"

/* Key 00 01 .. 0f of the reference implementation's vectors. */
static const struct siphash_key reference_key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

/* Messages 00 01 02 .. of these lengths: 15 is the worked example of the paper (appendix A), the
 * others are from the vectors published with it. */
static const struct {
	size_t length;
	uint64_t hash;
} published[] = {
	{0, 0x726fdb47dd0e0e31},
	{1, 0x74f839c593dc67fd},
	{7, 0xab0200f58b01d137},
	{8, 0x93f5f5799a932462},
	{9, 0x9e0082df0ba9e4b0},
	{15, 0xa129ca6149be45e5},
	{16, 0x3f2acc7f57c29bdb},
	{63, 0x958a324ceb064572},
};

static void agrees_with_the_published_vectors(void **state)
{
	(void)state;
	char message[64];
	for (size_t i = 0; i < sizeof message; i++)
		message[i] = (char)i;
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		struct span input = guarded(span_of(message, published[i].length));
		assert_int_equal(siphash(&reference_key, input.p, input.n), published[i].hash);
	}
}

/* One number stands for all 64 published digests, each checked when it was computed. */
static void agrees_with_all_64_published_vectors_in_one_digest(void **state)
{
	(void)state;
	char message[64];
	uint64_t digests[64];
	for (size_t n = 0; n < 64; n++) {
		message[n] = (char)n;
		digests[n] = htole64(siphash(&reference_key, message, n));
	}
	assert_int_equal(siphash(&reference_key, digests, sizeof digests), 0x505c706bd37f0119);
}

static uint64_t of_pieces(const struct span *pieces, size_t n)
{
	struct siphash_state hash;
	siphash_init(&hash, &reference_key);
	for (size_t i = 0; i < n; i++)
		siphash_add(&hash, guarded(pieces[i]));
	return siphash_end(&hash);
}

static void tells_apart_where_one_piece_ends_and_the_next_begins(void **state)
{
	(void)state;
	const struct span cuts[][3] = {
		{SPAN("ab"), SPAN("c"), SPAN("")},
		{SPAN("a"), SPAN("bc"), SPAN("")},
		{SPAN("abc"), SPAN(""), SPAN("")},
		{SPAN(""), SPAN("abc"), SPAN("")},
		{SPAN(""), SPAN(""), SPAN("abc")},
	};
	for (size_t i = 0; i < 5; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(of_pieces(cuts[i], 3), of_pieces(cuts[j], 3));
	assert_int_not_equal(of_pieces(cuts[0], 2), of_pieces(cuts[0], 3));
}

static void no_two_ways_to_cut_a_text_hash_alike(void **state)
{
	(void)state;
	enum { LONGEST = 20, WAYS = (LONGEST + 1) * (LONGEST + 1) };
	static uint64_t seen[WAYS];
	char text[2 * LONGEST];
	memset(text, 'a', sizeof text);
	unsigned n = 0;
	for (unsigned a = 0; a <= LONGEST; a++)
		for (unsigned b = 0; b <= LONGEST; b++) {
			const struct span pieces[2] = {span_of(text, a), span_of(text, b)};
			seen[n++] = of_pieces(pieces, 2);
		}
	for (unsigned i = 0; i < WAYS; i++)
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(seen[i], seen[j]);
}

/* A long piece has its length in a word of its own. */
static void long_pieces_are_told_apart_by_their_lengths(void **state)
{
	(void)state;
	static char text[1024];
	uint64_t seen[1024];
	for (unsigned n = 0; n < 1024; n++) {
		seen[n] = of_pieces(&(struct span){text, n}, 1);
		for (unsigned i = 0; i < n; i++)
			assert_int_not_equal(seen[i], seen[n]);
	}
}

static void depends_on_both_halves_of_the_key(void **state)
{
	(void)state;
	struct siphash_key other = reference_key;
	other.k0 ^= 1;
	assert_int_not_equal(siphash(&other, "x", 1), siphash(&reference_key, "x", 1));
	other = reference_key;
	other.k1 ^= 1;
	assert_int_not_equal(siphash(&other, "x", 1), siphash(&reference_key, "x", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_published_vectors),
		cmocka_unit_test(agrees_with_all_64_published_vectors_in_one_digest),
		cmocka_unit_test(tells_apart_where_one_piece_ends_and_the_next_begins),
		cmocka_unit_test(no_two_ways_to_cut_a_text_hash_alike),
		cmocka_unit_test(long_pieces_are_told_apart_by_their_lengths),
		cmocka_unit_test(depends_on_both_halves_of_the_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/bindings.h"

enum { NOW = 1000000, LATER = NOW + 60000 };

static const struct siphash_key key = {1, 2};
static const struct span bob = {"sip:bob@example.com", 19}, ann = {"sip:ann@example.com", 19};

static struct binding binding_of(struct span aor, const char *contact)
{
	return (struct binding){
		.aor = aor,
		.contact = span_str(contact),
		.call_id = SPAN("call@phone"),
		.expires_at = LATER,
		.q = 1000,
		.cseq = 1,
	};
}

static void put(struct bindings *store, struct span aor, const char *contact, uint16_t q)
{
	struct binding binding = binding_of(aor, contact);
	binding.q = q;
	assert_true(bindings_put(store, &binding, binding.contact, NOW));
}

/* The cursor rests on this contact. */
static struct bindings_cursor at(struct bindings *store, struct span aor, const char *contact)
{
	struct bindings_cursor cursor;
	struct binding binding;
	bindings_find(store, aor, NOW, &cursor);
	while (bindings_next(&cursor, &binding))
		if (span_eq(binding.contact, span_str(contact)))
			return cursor;
	fail_msg("%s is not there", contact);
	return cursor;
}

/* The contacts in order, with a space after each. */
static const char *contacts(struct bindings *store, struct span aor, int64_t now)
{
	static char text[4096];
	size_t n = 0;
	struct bindings_cursor cursor;
	struct binding binding;
	bindings_find(store, aor, now, &cursor);
	while (bindings_next(&cursor, &binding)) {
		memcpy(text + n, binding.contact.p, binding.contact.n);
		n += binding.contact.n;
		text[n++] = ' ';
	}
	text[n] = '\0';
	return text;
}

static int with_store(void **state)
{
	*state = bindings_new(&key, NULL);
	return 0;
}

static int without_store(void **state)
{
	bindings_free(*state);
	return 0;
}

static void gives_back_all_that_was_put_in(void **state)
{
	struct bindings *store = *state;
	struct binding in = {
		.aor = bob,
		.contact = SPAN("sip:bob@[2001:db8::7]:5070;ob"),
		.call_id = SPAN("843817637684230@998sdasdh09"),
		.params =
			SPAN(";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\""),
		.path = SPAN("<sip:p1.example.com;lr>,<sip:p2.example.com;lr>"),
		.q = 250,
		.cseq = 1826,
		.expires_at = LATER,
		.flow = {.leg = 3, .connection = 0x1234567890abcdef},
	};
	in.flow.peer.in6.sin6_family = AF_INET6;
	in.flow.peer.in6.sin6_port = htons(5070);
	in.flow.peer.in6.sin6_addr.s6_addr[15] = 7;
	in.flow.peer.in6.sin6_scope_id = 2;
	assert_true(bindings_put(store, &in, SPAN("[2001:db8::7]:5070"), NOW));

	struct bindings_cursor cursor;
	struct binding out;
	bindings_find(store, bob, NOW, &cursor);
	assert_true(bindings_next(&cursor, &out));
	assert_true(span_eq(out.aor, in.aor));
	assert_true(span_eq(out.contact, in.contact));
	assert_true(span_eq(out.call_id, in.call_id));
	assert_true(span_eq(out.params, in.params));
	assert_true(span_eq(out.path, in.path));
	assert_int_equal(out.q, 250);
	assert_int_equal(out.cseq, 1826);
	assert_int_equal(out.expires_at, LATER);
	assert_int_equal(out.flow.leg, 3);
	assert_int_equal(out.flow.connection, 0x1234567890abcdef);
	assert_memory_equal(&out.flow.peer, &in.flow.peer, sizeof in.flow.peer);
	assert_false(bindings_next(&cursor, &out));
}

static void keeps_an_ipv4_peer_and_the_lack_of_one(void **state)
{
	struct bindings *store = *state;
	struct binding in = binding_of(bob, "sip:with"), out;
	in.flow.peer.in4.sin_family = AF_INET;
	in.flow.peer.in4.sin_port = htons(5060);
	in.flow.peer.in4.sin_addr.s_addr = htonl(0x0a000001);
	assert_true(bindings_put(store, &in, in.contact, NOW));
	put(store, ann, "sip:without", 1000);

	struct bindings_cursor cursor;
	bindings_find(store, bob, NOW, &cursor);
	assert_true(bindings_next(&cursor, &out));
	assert_memory_equal(&out.flow.peer.in4, &in.flow.peer.in4, sizeof in.flow.peer.in4);
	bindings_find(store, ann, NOW, &cursor);
	assert_true(bindings_next(&cursor, &out));
	assert_int_equal(out.flow.peer.sa.sa_family, AF_UNSPEC);
}

static void prefers_high_q_then_the_newest(void **state)
{
	struct bindings *store = *state;
	put(store, bob, "a", 500);
	put(store, bob, "b", 1000);
	put(store, bob, "c", 500);
	put(store, bob, "d", 0);
	put(store, bob, "e", 1000);
	assert_string_equal(contacts(store, bob, NOW), "e b c a d ");
	assert_string_equal(contacts(store, ann, NOW), "");
}

static void a_refresh_keeps_its_place_among_equals(void **state)
{
	struct bindings *store = *state;
	put(store, bob, "a", 500);
	put(store, bob, "b", 500);
	struct bindings_cursor cursor = at(store, bob, "a");
	struct binding fresh = binding_of(bob, "a"), out;
	fresh.q = 500;
	fresh.cseq = 2;
	fresh.expires_at = LATER + 5;
	fresh.params = SPAN(";longer=than-before"); /* does not fit where the old one was */
	assert_true(bindings_replace(&cursor, &fresh, fresh.contact));
	assert_string_equal(contacts(store, bob, NOW), "b a ");
	assert_string_equal(contacts(store, bob, LATER), "a ");
	bindings_find(store, bob, LATER, &cursor);
	assert_true(bindings_next(&cursor, &out));
	assert_int_equal(out.cseq, 2);
	assert_int_equal(out.created, 1);
	assert_true(span_eq(out.params, fresh.params));
	assert_int_equal(bindings_count(store), 2);
}

static void a_refresh_with_another_q_moves(void **state)
{
	struct bindings *store = *state;
	put(store, bob, "a", 500);
	put(store, bob, "b", 500);
	struct bindings_cursor cursor = at(store, bob, "a");
	struct binding fresh = binding_of(bob, "a");
	fresh.q = 501;
	assert_true(bindings_replace(&cursor, &fresh, fresh.contact));
	assert_string_equal(contacts(store, bob, NOW), "a b ");
}

static void a_refresh_may_be_made_of_the_view_it_replaces(void **state)
{
	struct bindings *store = *state;
	put(store, bob, "sip:a", 500);
	for (int i = 0; i < 2; i++) { /* in place, and in a new block */
		struct bindings_cursor cursor;
		struct binding view;
		bindings_find(store, bob, NOW, &cursor);
		assert_true(bindings_next(&cursor, &view));
		view.expires_at += 1000;
		if (i)
			view.path = SPAN("<sip:p;lr>");
		assert_true(bindings_replace(&cursor, &view, view.contact));
	}
	assert_string_equal(contacts(store, bob, LATER + 1999), "sip:a ");
	assert_true(bindings_has_contact(store, SPAN("sip:a"), LATER + 1999));
}

static void an_expired_binding_is_absent_at_once(void **state)
{
	struct bindings *store = *state;
	put(store, bob, "a", 500);
	assert_string_equal(contacts(store, bob, LATER - 1), "a ");
	assert_string_equal(contacts(store, bob, LATER), "");
	assert_true(bindings_has_contact(store, SPAN("a"), LATER - 1));
	assert_int_equal(bindings_room(store, bob, LATER), BINDINGS_PER_AOR);
	assert_int_equal(bindings_remove_all(store, bob, LATER), 0);
	put(store, bob, "b", 500);
	assert_false(bindings_has_contact(store, SPAN("b"), LATER));
}

static void a_new_binding_clears_away_expired_ones_of_its_aor(void **state)
{
	struct bindings *store = *state;
	for (int i = 0; i < BINDINGS_PER_AOR; i++)
		put(store, bob, "old", 500);
	struct binding binding = binding_of(bob, "new");
	assert_false(bindings_put(store, &binding, binding.contact, NOW));
	binding.expires_at = LATER + 1;
	assert_true(bindings_put(store, &binding, binding.contact, LATER));
	assert_int_equal(bindings_count(store), 1);
}

static void expired_bindings_are_dropped_within_two_sweeps(void **state)
{
	struct bindings *store = *state;
	char text[64];
	for (int i = 0; i < 5000; i++) {
		struct span aor = span_of(text, (size_t)sprintf(text, "sip:%d@example.com", i));
		struct binding binding = binding_of(aor, "sip:phone");
		binding.expires_at = i % 5 ? LATER : LATER + 10 * BINDINGS_SWEEP_MS;
		assert_true(bindings_put(store, &binding, binding.contact, NOW));
	}
	uint32_t dropped = 0, most = 0;
	for (int64_t t = LATER; t <= LATER + 2 * BINDINGS_SWEEP_MS; t += 100) {
		uint32_t n = bindings_expire(store, t);
		dropped += n;
		most = n > most ? n : most;
	}
	assert_int_equal(dropped, 4000);
	assert_int_equal(bindings_count(store), 1000);
	assert_in_range(most, 1, 100);
}

static void a_sweep_after_a_long_pause_is_bounded(void **state)
{
	struct bindings *store = *state;
	put(store, bob, "a", 500);
	bindings_expire(store, NOW);
	assert_int_equal(bindings_expire(store, LATER + 100LL * BINDINGS_SWEEP_MS), 1);
	bindings_expire(store, NOW); /* a wall clock set back is no trouble */
}

static void removes_one_and_goes_on(void **state)
{
	struct bindings *store = *state;
	put(store, bob, "a", 100);
	put(store, bob, "b", 200);
	put(store, bob, "c", 300);
	put(store, ann, "x", 300);
	struct bindings_cursor cursor;
	struct binding binding;
	bindings_find(store, bob, NOW, &cursor);
	while (bindings_next(&cursor, &binding))
		if (!span_eq(binding.contact, SPAN("b")))
			bindings_remove(&cursor);
	assert_string_equal(contacts(store, bob, NOW), "b ");
	assert_string_equal(contacts(store, ann, NOW), "x ");
	assert_false(bindings_has_contact(store, SPAN("a"), NOW));
	assert_true(bindings_has_contact(store, SPAN("b"), NOW));
}

static void an_iteration_survives_whatever_changes(void **state)
{
	struct bindings *store = *state;
	put(store, bob, "a", 100);
	put(store, bob, "b", 200);
	put(store, bob, "c", 300);
	put(store, bob, "d", 400);
	struct bindings_cursor cursor, other;
	struct binding binding;
	bindings_find(store, bob, NOW, &cursor);
	assert_true(bindings_next(&cursor, &binding)); /* d */
	assert_true(bindings_next(&cursor, &binding)); /* c */
	other = at(store, bob, "b");		       /* the one that would come next */
	bindings_remove(&other);
	other = at(store, bob, "c");
	bindings_remove(&other);
	put(store, bob, "before", 500);
	put(store, bob, "behind", 50);
	assert_true(bindings_next(&cursor, &binding));
	assert_true(span_eq(binding.contact, SPAN("a")));
	assert_true(bindings_next(&cursor, &binding));
	assert_true(span_eq(binding.contact, SPAN("behind")));
	bindings_remove_all(store, bob, NOW);
	assert_false(bindings_next(&cursor, &binding));
}

static void removes_all_of_one_aor_only(void **state)
{
	struct bindings *store = *state;
	put(store, bob, "a", 100);
	put(store, bob, "b", 200);
	put(store, ann, "a", 300);
	assert_int_equal(bindings_remove_all(store, bob, NOW), 2);
	assert_string_equal(contacts(store, bob, NOW), "");
	assert_string_equal(contacts(store, ann, NOW), "a ");
	assert_true(bindings_has_contact(store, SPAN("a"), NOW));
	assert_false(bindings_has_contact(store, SPAN("b"), NOW));
}

static void a_contact_is_found_by_its_present_key_only(void **state)
{
	struct bindings *store = *state;
	struct binding binding = binding_of(bob, "sip:bob@10.0.0.1");
	assert_true(bindings_put(store, &binding, SPAN("10.0.0.1:5060"), NOW));
	struct bindings_cursor cursor = at(store, bob, "sip:bob@10.0.0.1");
	assert_true(bindings_replace(&cursor, &binding, SPAN("10.0.0.1:5070")));
	assert_false(bindings_has_contact(store, SPAN("10.0.0.1:5060"), NOW));
	assert_true(bindings_has_contact(store, SPAN("10.0.0.1:5070"), NOW));
	cursor = at(store, bob, "sip:bob@10.0.0.1");
	assert_true(bindings_replace(&cursor, &binding, SPAN("")));
	assert_false(bindings_has_contact(store, SPAN("10.0.0.1:5070"), NOW));
	assert_false(bindings_has_contact(store, SPAN(""), NOW));
}

static void refuses_what_is_beyond_a_limit_and_says_which(void **state)
{
	struct bindings *store = *state;
	static char long_text[4096];
	memset(long_text, 'x', sizeof long_text);
	struct binding good = binding_of(bob, "sip:a");
	static const struct {
		size_t at;
		uint32_t limit;
		const char *says;
	} cases[] = {
		{offsetof(struct binding, aor), BINDING_AOR_MAX, "address of record"},
		{offsetof(struct binding, contact), BINDING_CONTACT_MAX, "contact"},
		{offsetof(struct binding, call_id), BINDING_CALL_ID_MAX, "Call-ID"},
		{offsetof(struct binding, params), BINDING_PARAMS_MAX, "parameters"},
		{offsetof(struct binding, path), BINDING_PATH_MAX, "path"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct binding binding = good;
		struct span *text = (struct span *)((char *)&binding + cases[i].at);
		*text = span_of(long_text, cases[i].limit);
		assert_null(bindings_check(&binding));
		assert_true(bindings_put(store, &binding, SPAN(""), NOW));
		text->n++;
		assert_non_null(strstr(bindings_check(&binding), cases[i].says));
		assert_false(bindings_put(store, &binding, SPAN(""), NOW));
	}
	struct binding binding = good;
	binding.q = 1001;
	assert_non_null(bindings_check(&binding));
	binding = good;
	binding.contact.n = 0;
	assert_non_null(bindings_check(&binding));
	binding = good;
	binding.aor.n = 0;
	assert_non_null(bindings_check(&binding));
}

static void a_refused_refresh_changes_nothing(void **state)
{
	struct bindings *store = *state;
	put(store, bob, "a", 500);
	struct bindings_cursor cursor = at(store, bob, "a");
	struct binding fresh = binding_of(bob, "a");
	fresh.q = 1001;
	assert_false(bindings_replace(&cursor, &fresh, fresh.contact));
	assert_string_equal(contacts(store, bob, NOW), "a ");
}

static void the_total_limit_holds_over_all_aors(void **state)
{
	(void)state;
	struct bindings *store = bindings_new(&key, &(struct bindings_limits){.total = 3});
	put(store, bob, "a", 500);
	put(store, bob, "b", 500);
	assert_int_equal(bindings_room(store, ann, NOW), 1);
	put(store, ann, "c", 500);
	struct binding binding = binding_of(ann, "d");
	assert_int_equal(bindings_room(store, ann, NOW), 0);
	assert_false(bindings_put(store, &binding, binding.contact, NOW));
	bindings_remove_all(store, bob, NOW);
	assert_int_equal(bindings_room(store, ann, NOW), 2);
	bindings_free(store);
}

static void one_contact_of_very_many_aors_stays_cheap(void **state)
{
	struct bindings *store = *state;
	enum { SHARED = 50000 };
	char text[64];
	for (int i = 0; i < SHARED; i++) {
		struct binding binding = binding_of(SPAN(""), "sip:pbx.example.com");
		binding.aor = span_of(text, (size_t)sprintf(text, "sip:%d@example.com", i));
		assert_true(bindings_put(store, &binding, SPAN("pbx.example.com:5060"), NOW));
	}
	for (int i = 0; i < SHARED; i++) { /* seconds, were each removal to pass by the others */
		assert_true(bindings_has_contact(store, SPAN("pbx.example.com:5060"), NOW));
		bindings_remove_all(
			store, span_of(text, (size_t)sprintf(text, "sip:%d@example.com", i)), NOW);
	}
	assert_false(bindings_has_contact(store, SPAN("pbx.example.com:5060"), NOW));
	assert_int_equal(bindings_count(store), 0);
}

static void memory_goes_back_when_bindings_go(void **state)
{
	struct bindings *store = *state;
	size_t empty = bindings_bytes(store);
	char text[64];
	for (int i = 0; i < 20000; i++)
		put(store, span_of(text, (size_t)sprintf(text, "sip:%d@example.com", i)), text,
			500);
	assert_true(bindings_bytes(store) > empty + 20000 * 100);
	for (int i = 0; i < 20000; i++)
		bindings_remove_all(
			store, span_of(text, (size_t)sprintf(text, "sip:%d@example.com", i)), NOW);
	assert_int_equal(bindings_bytes(store), empty);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, with_store, without_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(gives_back_all_that_was_put_in),
		WITH_STORE(keeps_an_ipv4_peer_and_the_lack_of_one),
		WITH_STORE(prefers_high_q_then_the_newest),
		WITH_STORE(a_refresh_keeps_its_place_among_equals),
		WITH_STORE(a_refresh_with_another_q_moves),
		WITH_STORE(a_refresh_may_be_made_of_the_view_it_replaces),
		WITH_STORE(an_expired_binding_is_absent_at_once),
		WITH_STORE(a_new_binding_clears_away_expired_ones_of_its_aor),
		WITH_STORE(expired_bindings_are_dropped_within_two_sweeps),
		WITH_STORE(a_sweep_after_a_long_pause_is_bounded),
		WITH_STORE(removes_one_and_goes_on),
		WITH_STORE(an_iteration_survives_whatever_changes),
		WITH_STORE(removes_all_of_one_aor_only),
		WITH_STORE(a_contact_is_found_by_its_present_key_only),
		WITH_STORE(refuses_what_is_beyond_a_limit_and_says_which),
		WITH_STORE(a_refused_refresh_changes_nothing),
		cmocka_unit_test(the_total_limit_holds_over_all_aors),
		WITH_STORE(one_contact_of_very_many_aors_stays_cheap),
		WITH_STORE(memory_goes_back_when_bindings_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "store/bindings.h"

/* A model: an array of what should be there. */
enum { NOW = 1000000, SEEDS = 10, STEPS = 4000, USERS = 40, PHONES = 6 };

struct expected {
	bool is_there;
	uint16_t q;
	uint64_t created;
	int64_t expires_at;
};

struct model {
	struct expected all[USERS][PHONES];
	uint64_t random, created;
	int64_t now;
};

static uint32_t draw(struct model *model, uint32_t below)
{
	model->random = model->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(model->random >> 33) % below;
}

static struct span aor_of(uint32_t user, char *text)
{
	return span_of(text, (size_t)sprintf(text, "sip:user%u@example.com", user));
}

static struct span contact_of(uint32_t phone, char *text)
{
	return span_of(text, (size_t)sprintf(text, "sip:phone%u@10.0.0.%u", phone, phone));
}

static bool is_live(const struct model *model, const struct expected *e)
{
	return e->is_there && e->expires_at > model->now;
}

/* As a registrar does it: look for an equal contact, then refresh or add. */
static void model_register(struct model *model, struct bindings *store)
{
	char aor_text[64], contact_text[64];
	uint32_t user = draw(model, USERS), phone = draw(model, PHONES);
	struct expected *e = &model->all[user][phone];
	struct span aor = aor_of(user, aor_text), contact = contact_of(phone, contact_text);
	struct binding old, binding = {
				    .aor = aor,
				    .contact = contact,
				    .call_id = SPAN("call@phone"),
				    .q = (uint16_t)(draw(model, 3) * 500),
				    .expires_at = model->now + 1 + draw(model, 300),
			    };
	if (draw(model, 3) == 0)
		binding.params = SPAN(";reg-id=1");
	struct bindings_cursor cursor;
	bool found = false;
	bindings_find(store, aor, model->now, &cursor);
	while (!found && bindings_next(&cursor, &old))
		found = span_eq(old.contact, contact);
	assert_int_equal(found, is_live(model, e));
	if (found)
		assert_true(bindings_replace(&cursor, &binding, contact));
	else
		assert_true(bindings_put(store, &binding, contact, model->now));
	*e = (struct expected){
		.is_there = true,
		.q = binding.q,
		.created = found ? e->created : ++model->created,
		.expires_at = binding.expires_at,
	};
}

static void model_unregister(struct model *model, struct bindings *store)
{
	char text[64];
	uint32_t user = draw(model, USERS), live = 0;
	for (int phone = 0; phone < PHONES; phone++) {
		live += is_live(model, &model->all[user][phone]);
		model->all[user][phone].is_there = false;
	}
	assert_int_equal(bindings_remove_all(store, aor_of(user, text), model->now), live);
}

static void model_compare(struct model *model, struct bindings *store, uint32_t user)
{
	char aor_text[64], contact_text[64];
	struct bindings_cursor cursor;
	struct binding binding;
	const struct expected *former = NULL;
	uint32_t n = 0, live = 0;
	bindings_find(store, aor_of(user, aor_text), model->now, &cursor);
	while (bindings_next(&cursor, &binding)) {
		const struct expected *e = NULL;
		for (uint32_t phone = 0; phone < PHONES; phone++)
			if (span_eq(binding.contact, contact_of(phone, contact_text)))
				e = &model->all[user][phone];
		assert_non_null(e);
		assert_true(is_live(model, e));
		assert_int_equal(binding.created, e->created);
		assert_int_equal(binding.expires_at, e->expires_at);
		assert_true(!former || former->q > e->q ||
			    (former->q == e->q && former->created > e->created));
		former = e;
		n++;
	}
	for (int phone = 0; phone < PHONES; phone++)
		live += is_live(model, &model->all[user][phone]);
	assert_int_equal(n, live);
}

static void model_compare_key(struct model *model, struct bindings *store, uint32_t phone)
{
	char text[64];
	bool any = false;
	for (int user = 0; user < USERS; user++)
		any |= is_live(model, &model->all[user][phone]);
	assert_int_equal(bindings_has_contact(store, contact_of(phone, text), model->now), any);
}

static void agrees_with_a_plain_array_whatever_is_done(void **state)
{
	(void)state;
	static const struct siphash_key key = {1, 2};
	static struct model model;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct bindings *store = bindings_new(&key, NULL);
		model = (struct model){.random = seed, .now = NOW};
		for (int step = 0; step < STEPS; step++) {
			if (draw(&model, 10))
				model_register(&model, store);
			else
				model_unregister(&model, store);
			model.now += draw(&model, 4);
			if (draw(&model, 3) == 0)
				bindings_expire(store, model.now);
			model_compare(&model, store, draw(&model, USERS));
			model_compare_key(&model, store, draw(&model, PHONES));
		}
		bindings_free(store);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_plain_array_whatever_is_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

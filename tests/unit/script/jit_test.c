/* The shipped script and the library under it stay compiled: whoever puts what LuaJIT cannot
 * compile on the way of a message learns it here. */
#include <lauxlib.h>
#include <lua.h>

#include "script_bench.h"

enum {
	WARM_UP = 2000, /* messages */
	MEASURED = 500,
	INTERPRETED_MAX = 10, /* instructions a message: from one compiled piece to the next */
	WAITING_MAX = 25,     /* where a handler waits, which nothing compiles */
};

/* A hook sees interpreted instructions only. */
static uint64_t n_interpreted;

static void count_instruction(lua_State *L, lua_Debug *ar)
{
	(void)L, (void)ar;
	n_interpreted++;
}

/* Leaves the function of jit_watch.lua on the stack. */
static void watch(lua_State *L)
{
	if (luaL_loadfile(L, "tests/unit/script/jit_watch.lua") || lua_pcall(L, 0, 1, 0))
		fail_msg("%s", lua_tostring(L, -1));
}

static void nothing_is_wrong(lua_State *L)
{
	if (lua_pcall(L, 0, 1, 0) || lua_isstring(L, -1))
		fail_msg("%s", lua_tostring(L, -1));
	lua_pop(L, 1);
}

/* Answers each request with its own headers behind another first line. */
static void answer(void *self, const struct sim_arrival *arrival)
{
	struct bench *bench = self;
	char text[2048];
	const char *headers = memchr(arrival->bytes.p, '\n', arrival->bytes.n);
	bench->n_heard++;
	int n = snprintf(text, sizeof text, "SIP/2.0 200 OK\r%.*s",
		(int)(span_end(arrival->bytes) - headers), headers);
	assert_int_equal(sim_answer(bench->sim, arrival, span_of(text, (size_t)n)), 0);
}

/* Interpreted instructions a message. */
static double interpreted(struct bench *bench, void (*exchange)(struct bench *bench, unsigned n))
{
	lua_State *L = bench->host->current->L;
	for (unsigned n = 0; n < WARM_UP; n++)
		exchange(bench, n);
	n_interpreted = 0;
	lua_sethook(L, count_instruction, LUA_MASKCOUNT, 1);
	uint64_t received = bench->engine->count[COUNT_received];
	for (unsigned n = WARM_UP; n < WARM_UP + MEASURED; n++)
		exchange(bench, n);
	lua_sethook(L, NULL, 0, 0);
	received = bench->engine->count[COUNT_received] - received;
	assert_true(received >= MEASURED);
	assert_int_equal(bench->engine->count[COUNT_script_errors], 0);
	double each = (double)n_interpreted / (double)received;
	print_message("%.1f interpreted instructions a message\n", each);
	return each;
}

static void stays_compiled(struct bench *bench, void (*exchange)(struct bench *bench, unsigned n))
{
	lua_State *L = bench->host->current->L;
	watch(L);
	assert_true(interpreted(bench, exchange) <= INTERPRETED_MAX);
	nothing_is_wrong(L);
}

static void invite(struct bench *bench, unsigned n)
{
	bench_request(bench, "INVITE", n);
}

static void enroll(struct bench *bench, unsigned n)
{
	bench_request(bench, "REGISTER", n);
}

static void an_invite_is_compiled_from_end_to_end(void **state)
{
	struct bench bench;
	(void)state;
	bench_open(&bench, "scripts/proxy.lua");
	stays_compiled(&bench, invite);
	assert_int_equal(bench.n_heard, WARM_UP + MEASURED);
	bench_close(&bench);
}

static void so_is_its_answer(void **state)
{
	struct bench bench;
	(void)state;
	bench_open(&bench, "scripts/proxy.lua");
	bench_answers(&bench, answer);
	stays_compiled(&bench, invite);
	assert_int_equal(bench.engine->count[COUNT_received], 2 * (WARM_UP + MEASURED));
	bench_close(&bench);
}

static void and_a_registration(void **state)
{
	struct bench bench;
	(void)state;
	bench_open(&bench, "scripts/proxy.lua");
	stays_compiled(&bench, enroll);
	bench_close(&bench);
}

static void a_stateful_call_is_compiled_up_to_its_wait(void **state)
{
	struct bench bench;
	(void)state;
	bench_open(&bench, "scripts/router.lua");
	bench_answers(&bench, answer);
	assert_true(interpreted(&bench, invite) <= WAITING_MAX);
	assert_int_equal(bench.engine->count[COUNT_server_transactions], WARM_UP + MEASURED);
	bench_close(&bench);
}

static void and_a_contact_rewritten_in_lua(void **state)
{
	struct bench bench;
	(void)state;
	bench_open(&bench, "tests/unit/script/rewrite.lua");
	bench_answers(&bench, answer);
	stays_compiled(&bench, invite);
	assert_int_equal(bench.engine->count[COUNT_forwarded], 2 * (WARM_UP + MEASURED));
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invite_is_compiled_from_end_to_end),
		cmocka_unit_test(so_is_its_answer),
		cmocka_unit_test(and_a_registration),
		cmocka_unit_test(a_stateful_call_is_compiled_up_to_its_wait),
		cmocka_unit_test(and_a_contact_rewritten_in_lua),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

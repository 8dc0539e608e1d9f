/* What the watchdogs of one process do to each other, and to the process. */
#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "script/watchdog.h"

enum { BUDGET_MS = 20, SIGNALS = 65 };

/* Long enough to be stopped, and over by itself when nobody does. */
static const char long_run[] = "jit.off() for i = 1, 5e8 do end";

static bool is_stopped(struct watchdog *watchdog)
{
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	assert_int_equal(luaL_loadstring(L, long_run), 0);
	watchdog_begin(watchdog, L, BUDGET_MS);
	int status = lua_pcall(L, 0, 0, 0);
	bool exceeded = watchdog_end(watchdog);
	assert_int_equal(exceeded, status == LUA_ERRRUN);
	lua_close(L);
	return exceeded;
}

static void the_end_of_one_leaves_the_other_armed(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		struct watchdog *both[] = {watchdog_new(), watchdog_new()};
		assert_true(is_stopped(both[first]));
		watchdog_free(both[first]);
		assert_true(is_stopped(both[!first]));
		watchdog_free(both[!first]);
	}
}

static void somebody_elses(int signo)
{
	(void)signo;
}

/* Of every signal a program may choose for itself, but the last, which valgrind keeps. */
static void dispositions(struct sigaction actions[SIGNALS])
{
	for (int signo = SIGRTMIN; signo < SIGRTMAX; signo++)
		assert_int_equal(sigaction(signo, NULL, &actions[signo]), 0);
}

static bool are_same(const struct sigaction before[SIGNALS], const struct sigaction after[SIGNALS])
{
	for (int signo = SIGRTMIN; signo < SIGRTMAX; signo++)
		if (before[signo].sa_handler != after[signo].sa_handler)
			return false;
	return true;
}

static void after_the_last_every_signal_does_what_it_did_before(void **state)
{
	(void)state;
	struct sigaction mine = {.sa_handler = somebody_elses}, before[SIGNALS], after[SIGNALS];
	for (int signo = SIGRTMIN; signo < SIGRTMAX; signo++)
		assert_int_equal(sigaction(signo, &mine, NULL), 0);
	dispositions(before);
	for (int round = 0; round < 2; round++) {
		struct watchdog *one = watchdog_new(), *other = watchdog_new();
		watchdog_free(one);
		dispositions(after);
		assert_false(are_same(before, after));
		watchdog_free(other);
		dispositions(after);
		assert_true(are_same(before, after));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_of_one_leaves_the_other_armed),
		cmocka_unit_test(after_the_last_every_signal_does_what_it_did_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "script/watchdog.h"

#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

enum { TICK_MS = 10 };

struct watchdog {
	timer_t timer;
	lua_State *volatile running; /* NULL between runs */
	volatile uint32_t run, seen; /* number of this run, and of the run the last tick saw */
	volatile uint32_t ticks, budget_ticks;
	volatile sig_atomic_t tripped;
};

static void out_of_time(lua_State *L, lua_Debug *ar)
{
	static const char text[] = "the script ran longer than its time budget";
	if (lua_getinfo(L, "Sl", ar) && ar->currentline > 0)
		lua_pushfstring(L, "%s:%d: %s", ar->short_src, ar->currentline, text);
	else
		lua_pushstring(L, text);
	lua_error(L);
}

static void tick(int signo, siginfo_t *info, void *context)
{
	struct watchdog *watchdog = info->si_value.sival_ptr;
	(void)signo, (void)context;
	if (!watchdog->running)
		return;
	if (watchdog->seen != watchdog->run) {
		watchdog->seen = watchdog->run;
		watchdog->ticks = 0;
	} else if (++watchdog->ticks >= watchdog->budget_ticks) {
		watchdog->tripped = 1;
		/* Allowed from a signal handler, and only from there while Lua runs. */
		lua_sethook(watchdog->running, out_of_time, LUA_MASKCOUNT, 1);
	}
}

static int tick_signal(void)
{
	return SIGRTMIN + 3;
}

/* What a signal does is one thing for the whole process, however many engines run in it, so the
 * count of those who need it must be one too: the first sets it, the last puts back what was. */
static struct {
	pthread_mutex_t lock;
	uint32_t users;
	struct sigaction before;
} handler = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool handle_ticks(void)
{
	struct sigaction action = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigemptyset(&action.sa_mask);
	pthread_mutex_lock(&handler.lock);
	bool handled = handler.users > 0 || sigaction(tick_signal(), &action, &handler.before) == 0;
	handler.users += handled;
	pthread_mutex_unlock(&handler.lock);
	return handled;
}

static void leave_ticks(void)
{
	pthread_mutex_lock(&handler.lock);
	if (--handler.users == 0)
		sigaction(tick_signal(), &handler.before, NULL);
	pthread_mutex_unlock(&handler.lock);
}

/* Those on their way to this thread. Another watchdog of the thread may lose one: it ticks on. */
static void discard_ticks(void)
{
	static const struct timespec at_once = {0};
	sigset_t ticks, mask;
	sigemptyset(&ticks);
	sigaddset(&ticks, tick_signal());
	pthread_sigmask(SIG_BLOCK, &ticks, &mask);
	while (sigtimedwait(&ticks, NULL, &at_once) > 0)
		;
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

struct watchdog *watchdog_new(void)
{
	struct watchdog *watchdog = must_zalloc(sizeof *watchdog);
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = tick_signal()};
	struct itimerspec every = {{0, TICK_MS * 1000000}, {0, TICK_MS * 1000000}};
	event.sigev_value.sival_ptr = watchdog;
	event._sigev_un._tid = gettid();
	bool handled = handle_ticks();
	if (!handled || timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &watchdog->timer)) {
		if (handled)
			leave_ticks();
		free(watchdog);
		return NULL;
	}
	timer_settime(watchdog->timer, 0, &every, NULL);
	return watchdog;
}

void watchdog_free(struct watchdog *watchdog)
{
	if (!watchdog)
		return;
	timer_delete(watchdog->timer);
	discard_ticks(); /* they would find freed memory */
	leave_ticks();
	free(watchdog);
}

void watchdog_begin(struct watchdog *watchdog, lua_State *running, uint32_t budget_ms)
{
	watchdog->budget_ticks = (budget_ms + TICK_MS - 1) / TICK_MS;
	watchdog->run++;
	atomic_signal_fence(memory_order_seq_cst);
	watchdog->running = running;
}

bool watchdog_end(struct watchdog *watchdog)
{
	lua_State *ran = watchdog->running;
	watchdog->running = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	if (!watchdog->tripped)
		return false;
	watchdog->tripped = 0;
	lua_sethook(ran, NULL, 0, 0);
	return true;
}

/* `viaduct run`: the live world, the engine, the script host and the control socket, joined; and
 * what makes the script reload: a changed file, SIGHUP, `viaduct ctl reload`. */
#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/relay.h"
#include "net/control.h"
#include "net/live.h"
#include "sip/frame.h"

enum { DEBOUNCE_MS = 150 };

_Static_assert((int)LIVE_IDLE_MS > (int)RELAY_TIMER_C_MS + 64 * (int)TXN_T1_MS,
	"the connection of a call outlives its ringing");

/* Tells whether the watched files are still those of the last load, so that one save reloads once.
 */
static uint64_t fingerprint(const struct run *run)
{
	static const struct siphash_key key = {0};
	struct siphash_state hash;
	struct stat st;
	siphash_init(&hash, &key);
	const char *file;
	for (uint32_t i = 0; (file = host_watched_file(run->host, i)); i++) {
		if (stat(file, &st))
			st = (struct stat){0};
		int64_t facts[] = {
			(int64_t)st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
		siphash_add(&hash, span_str(file));
		siphash_add(&hash, span_of((const char *)facts, sizeof facts));
	}
	return siphash_end(&hash);
}

static void files_settled(void *arg)
{
	struct run *run = arg;
	if (fingerprint(run) != run->loaded_files)
		run_reload(run, "file change");
}

static void file_changed(void *arg)
{
	struct run *run = arg;
	live_after(run->live, DEBOUNCE_MS / 1000.0, files_settled, run);
}

static void watch(struct run *run)
{
	const char *file;
	run->loaded_files = fingerprint(run);
	live_unwatch_all(run->live);
	for (uint32_t i = 0; (file = host_watched_file(run->host, i)); i++)
		live_watch_file(run->live, file, file_changed, run);
}

int run_reload(struct run *run, const char *by)
{
	int rc = host_load(run->host, run->script, by);
	watch(run);
	return rc;
}

static void hang_up(void *arg)
{
	run_reload(arg, "SIGHUP");
}

static void stop(void *arg)
{
	struct run *run = arg;
	live_stop(run->live);
}

static void say_where(const struct run *run, const char *socket)
{
	const struct engine *engine = run->engine;
	printf("Viaduct " VERSION " runs %s\n", run->script);
	for (uint32_t i = 0; i < engine->legs.n; i++) {
		const struct leg *leg = &engine->legs.leg[i];
		if (leg->state == LEG_OPEN)
			printf("  listens on  %s\n", leg->spec);
	}
	printf("  control     %s\n"
	       "Try next:\n"
	       "  viaduct ctl -s %s status      what runs, counters, the last failed reload\n"
	       "  edit %s      it reloads by itself; a broken script changes nothing\n",
		socket, socket, run->script);
	fflush(stdout);
}

static bool open_world(struct run *run, const struct cli *cli, char error[256])
{
	const struct live_options options = {.frame = frame_next, .dns_servers = cli->dns_servers};
	run->live = live_new(&options, &run->log, error);
	if (!run->live)
		return false;
	run->engine = engine_new(live_world(run->live), &run->log);
	run->host = host_new(run->engine, &run->options);
	return true;
}

static void close_world(struct run *run)
{
	host_free(run->host);
	engine_free(run->engine);
	live_free(run->live);
}

static void prepare(struct run *run, const struct cli *cli, const struct paths *paths)
{
	*run = (struct run){0};
	log_init(&run->log, cli->verbose ? LOG_DEBUG : LOG_INFO);
	run->options = (struct host_options){
		.library = paths->library,
		.legs = cli->legs,
		.n_legs = cli->n_legs,
		.settings = cli->settings,
		.n_settings = cli->n_settings,
		.budget_ms = cli->budget_ms,
		.memory_mb = cli->memory_mb,
	};
	if (cli->script)
		snprintf(run->script, sizeof run->script, "%s", cli->script);
	else
		snprintf(run->script, sizeof run->script, "%s/proxy.lua", paths->scripts);
}

static int serve(struct run *run, const char *socket)
{
	char error[256];
	if (host_load(run->host, run->script, "start"))
		return 1;
	struct control *control = control_open(run->live, socket, ctl_answer, run, error);
	if (!control) {
		fprintf(stderr, "viaduct: control socket %s: %s\n", socket, error);
		return 1;
	}
	watch(run);
	live_on_signal(run->live, SIGHUP, hang_up, run);
	live_on_signal(run->live, SIGINT, stop, run);
	live_on_signal(run->live, SIGTERM, stop, run);
	say_where(run, socket);
	live_run(run->live);
	log_event(&run->log, LOG_INFO, "stopped");
	control_close(control);
	return 0;
}

int run_command(const struct cli *cli, const struct paths *paths)
{
	struct run run;
	char error[256], socket[PATHS_MAX];
	prepare(&run, cli, paths);
	if (cli->socket)
		snprintf(socket, sizeof socket, "%s", cli->socket);
	else
		paths_default_socket(socket);
	if (!open_world(&run, cli, error)) {
		fprintf(stderr, "viaduct: %s\n", error);
		return 1;
	}
	int rc = serve(&run, socket);
	close_world(&run);
	return rc;
}

int check_command(const struct cli *cli, const struct paths *paths)
{
	struct run run;
	struct script_failure failure;
	char error[256];
	prepare(&run, cli, paths);
	if (!open_world(&run, cli, error)) {
		fprintf(stderr, "viaduct: %s\n", error);
		return 1;
	}
	int rc = host_check(run.host, run.script, &failure);
	if (rc && failure.line)
		printf("%s:%u: %s\n", failure.file, failure.line, failure.message);
	else if (rc)
		printf("%s: %s\n", failure.file, failure.message);
	else
		printf("%s: ok\n", run.script);
	close_world(&run);
	return rc ? 1 : 0;
}

/* One running engine: what `run`, `check` and the control socket share. */
#pragma once

#include "cli.h"
#include "paths.h"

struct live;
struct control_reply;

struct run {
	struct log log;
	struct live *live;
	struct engine *engine;
	struct host *host;
	struct host_options options;
	char script[2 * PATHS_MAX];
	uint64_t loaded_files; /* fingerprint at the last load */
};

/* Return the exit status. */
int run_command(const struct cli *cli, const struct paths *paths);
int check_command(const struct cli *cli, const struct paths *paths);
/* 0, or -1 with the reason in host_status. */
int run_reload(struct run *run, const char *by);

/* One request of the control socket: a JSON line in, a JSON line out (ctl.c). */
void ctl_answer(void *run, struct span line, struct control_reply *reply);
/* `viaduct ctl`: asks a running engine and prints the answer (ctl_client.c). */
int ctl_command(const struct cli *cli);

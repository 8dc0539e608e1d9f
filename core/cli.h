/* The command line, as values. */
#pragma once

#include "engine/legs.h"
#include "script/host.h"

enum cli_command { CLI_RUN, CLI_CHECK, CLI_CTL, CLI_VERSION, CLI_HELP };

enum { CLI_SETTINGS_MAX = 256, CLI_WORDS_MAX = 2 };

struct cli {
	enum cli_command command;
	struct span legs[LEGS_MAX];
	uint32_t n_legs;
	struct host_setting settings[CLI_SETTINGS_MAX];
	uint32_t n_settings;
	const char *socket;		  /* NULL: the default */
	const char *dns_servers;	  /* NULL: those of resolv.conf */
	const char *script;		  /* NULL: scripts/proxy.lua */
	const char *words[CLI_WORDS_MAX]; /* of ctl */
	uint32_t n_words;
	bool json;
	uint32_t budget_ms, memory_mb; /* 0: the default */
	bool verbose;
};

/* False with a sentence in `error`. All texts are borrowed from `argv`. */
bool cli_parse(int argc, char **argv, struct cli *cli, char error[256]);
extern const char cli_help[];

#include "cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

const char cli_help[] =
	"Viaduct routes SIP by Lua scripts.\n"
	"\n"
	"  viaduct [run] [-l LEG]... [-s SOCKET] [--dns SERVER,...] [-D KEY=VALUE]...\n"
	"              [SCRIPT]\n"
	"                          run a script (scripts/proxy.lua when none is named)\n"
	"  viaduct check [-D KEY=VALUE]... SCRIPT\n"
	"                          load it without opening a socket; exit 1 and file:line: reason\n"
	"  viaduct ctl [-s SOCKET] [--json] COMMAND\n"
	"                          reload | rollback | status | legs | bindings [AOR] |\n"
	"                          transactions | queue | flush-dns | stop |\n"
	"                          loglevel error|warn|info|debug\n"
	"\n"
	"  -l, --leg LEG           udp:127.0.0.1:5060, tcp:[::1]:5060,\n"
	"                          udp:0.0.0.0:5060;advertise=198.51.100.1:5060;\n"
	"                          wins over the legs the script names\n"
	"  -s, --socket PATH       control socket\n"
	"      --dns SERVER,...    name servers to ask, 192.0.2.53 or 127.0.0.1:5300, in that\n"
	"                          order (those of /etc/resolv.conf)\n"
	"  -D KEY=VALUE            sip.settings.KEY in the script\n"
	"      --budget-ms N       CPU time of one handler run between waits (100)\n"
	"      --memory-mb N       memory of one script generation (256)\n"
	"  -v, --verbose           log every message and what was decided\n"
	"      --version, --help\n";

enum { OPTION_VERSION = 256, OPTION_HELP, OPTION_JSON, OPTION_BUDGET, OPTION_MEMORY, OPTION_DNS };

static const struct option long_options[] = {
	{"leg", required_argument, NULL, 'l'},
	{"socket", required_argument, NULL, 's'},
	{"dns", required_argument, NULL, OPTION_DNS},
	{"define", required_argument, NULL, 'D'},
	{"verbose", no_argument, NULL, 'v'},
	{"budget-ms", required_argument, NULL, OPTION_BUDGET},
	{"memory-mb", required_argument, NULL, OPTION_MEMORY},
	{"json", no_argument, NULL, OPTION_JSON},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

static bool add_leg(struct cli *cli, const char *text, char error[256])
{
	struct leg_spec spec;
	if (!leg_spec_parse(span_str(text), &spec, error))
		return false;
	if (cli->n_legs == LEGS_MAX) {
		snprintf(error, 256, "more than %d legs", LEGS_MAX);
		return false;
	}
	cli->legs[cli->n_legs++] = span_str(text);
	return true;
}

static bool add_setting(struct cli *cli, const char *text, char error[256])
{
	const char *equals = strchr(text, '=');
	if (!equals || equals == text) {
		snprintf(error, 256, "-D takes KEY=VALUE, not '%.100s'", text);
		return false;
	}
	if (cli->n_settings == CLI_SETTINGS_MAX) {
		snprintf(error, 256, "more than %d settings", CLI_SETTINGS_MAX);
		return false;
	}
	cli->settings[cli->n_settings++] =
		(struct host_setting){span_between(text, equals), span_str(equals + 1)};
	return true;
}

static bool number(const char *what, const char *text, uint32_t *value, char error[256])
{
	if (span_u32(span_str(text), value) && *value > 0 && *value <= 1000000)
		return true;
	snprintf(error, 256, "%s takes a number from 1 to 1000000, not '%.100s'", what, text);
	return false;
}

static bool option(struct cli *cli, int code, const char *wrong, char error[256])
{
	switch (code) {
	case 'l':
		return add_leg(cli, optarg, error);
	case 'D':
		return add_setting(cli, optarg, error);
	case 's':
		cli->socket = optarg;
		return true;
	case 'v':
		cli->verbose = true;
		return true;
	case OPTION_BUDGET:
		return number("--budget-ms", optarg, &cli->budget_ms, error);
	case OPTION_MEMORY:
		return number("--memory-mb", optarg, &cli->memory_mb, error);
	case OPTION_DNS:
		cli->dns_servers = optarg;
		return true;
	case OPTION_JSON:
		cli->json = true;
		return true;
	case OPTION_VERSION:
		cli->command = CLI_VERSION;
		return true;
	case OPTION_HELP:
		cli->command = CLI_HELP;
		return true;
	case ':':
		snprintf(error, 256, "%.100s needs a value", wrong);
		return false;
	default:
		snprintf(error, 256, "unknown option %.100s: see viaduct --help", wrong);
		return false;
	}
}

static bool take_words(struct cli *cli, char **words, int n, char error[256])
{
	if (cli->command == CLI_CTL) {
		if (!n)
			snprintf(error, 256, "ctl takes a command: see viaduct --help");
		else if (n > CLI_WORDS_MAX)
			snprintf(error, 256,
				"ctl takes a command and one argument, not '%.100s' too",
				words[CLI_WORDS_MAX]);
		if (!n || n > CLI_WORDS_MAX)
			return false;
		for (int i = 0; i < n; i++)
			cli->words[cli->n_words++] = words[i];
		return true;
	}
	if (n > 1) {
		snprintf(error, 256, "one script only, not '%.100s' too: see viaduct --help",
			words[1]);
		return false;
	}
	cli->script = n ? words[0] : NULL;
	if (cli->command == CLI_CHECK && !cli->script) {
		snprintf(error, 256, "check takes a script: viaduct check SCRIPT");
		return false;
	}
	return true;
}

bool cli_parse(int argc, char **argv, struct cli *cli, char error[256])
{
	static const struct {
		const char *name;
		enum cli_command command;
	} commands[] = {
		{"run", CLI_RUN}, {"check", CLI_CHECK}, {"ctl", CLI_CTL}, {"help", CLI_HELP}};
	*cli = (struct cli){.command = CLI_RUN};
	int first = 1;
	for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[1], commands[i].name) == 0) {
			cli->command = commands[i].command;
			first = 2;
		}
	opterr = 0;
	optind = first;
	for (int code; (code = getopt_long(argc, argv, ":l:s:D:v", long_options, NULL)) != -1;)
		if (!option(cli, code, argv[optind - 1], error))
			return false;
	if (cli->command == CLI_HELP || cli->command == CLI_VERSION)
		return true;
	return take_words(cli, argv + optind, argc - optind, error);
}

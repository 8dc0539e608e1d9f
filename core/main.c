/* The entrance: reads the command line and hands over. */
#include <stdio.h>

#include "run.h"

int main(int argc, char **argv)
{
	struct cli cli;
	struct paths paths;
	char error[3 * PATHS_MAX];
	if (!cli_parse(argc, argv, &cli, error)) {
		fprintf(stderr, "viaduct: %s\n", error);
		return 2;
	}
	switch (cli.command) {
	case CLI_VERSION:
		puts("viaduct " VERSION);
		return 0;
	case CLI_HELP:
		fputs(cli_help, stdout);
		return 0;
	case CLI_CTL:
		return ctl_command(&cli);
	case CLI_RUN:
	case CLI_CHECK:
		break;
	}
	if (!paths_find(&paths, error)) {
		fprintf(stderr, "viaduct: %s\n", error);
		return 1;
	}
	return cli.command == CLI_RUN ? run_command(&cli, &paths) : check_command(&cli, &paths);
}

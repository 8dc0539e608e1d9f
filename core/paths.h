/* Where Viaduct's own files are: in $VIADUCT_HOME (a source tree) when that is set, else found from
 * the place of the binary, in the build tree and installed. */
#pragma once

#include <stdbool.h>

enum { PATHS_MAX = 4096 };

struct paths {
	char library[PATHS_MAX]; /* folder that holds viaduct/init.lua */
	char scripts[PATHS_MAX]; /* folder that holds proxy.lua */
};

/* False with the folders looked into in `error`. */
bool paths_find(struct paths *paths, char error[3 * PATHS_MAX]);
/* The control socket when none is named: $XDG_RUNTIME_DIR/viaduct.sock, else /tmp/viaduct-UID.sock.
 */
void paths_default_socket(char out[PATHS_MAX]);

#include "paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Relative to the folder of the binary: library, scripts. */
static const char *const layouts[][2] = {
	{"../lua", "../scripts"},				  /* build/viaduct */
	{"../../lua", "../../scripts"},				  /* build/asan/viaduct */
	{"../share/lua/5.1", "../share/lua/5.1/viaduct/scripts"}, /* make install, luarocks */
};

static bool has(const char *folder, const char *file)
{
	char path[3 * PATHS_MAX];
	snprintf(path, sizeof path, "%s/%s", folder, file);
	return access(path, R_OK) == 0;
}

static bool take(struct paths *paths, const char *library, const char *scripts)
{
	if (!has(library, "viaduct/init.lua") || !realpath(library, paths->library))
		return false;
	if (!realpath(scripts, paths->scripts))
		paths->scripts[0] = '\0';
	return true;
}

bool paths_find(struct paths *paths, char error[3 * PATHS_MAX])
{
	char self[PATHS_MAX], library[PATHS_MAX * 2], scripts[PATHS_MAX * 2];
	const char *home = getenv("VIADUCT_HOME");
	if (home) {
		snprintf(library, sizeof library, "%s/lua", home);
		snprintf(scripts, sizeof scripts, "%s/scripts", home);
		if (take(paths, library, scripts))
			return true;
	}
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash = n > 0 ? memrchr(self, '/', (size_t)n) : NULL;
	if (!slash) {
		snprintf(error, 3 * PATHS_MAX, "cannot find the place of this program");
		return false;
	}
	*slash = '\0';
	for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
		snprintf(library, sizeof library, "%s/%s", self, layouts[i][0]);
		snprintf(scripts, sizeof scripts, "%s/%s", self, layouts[i][1]);
		if (take(paths, library, scripts))
			return true;
	}
	snprintf(error, 3 * PATHS_MAX,
		"Viaduct's Lua library (viaduct/init.lua) is neither in %s/../lua nor in "
		"%s/../share/lua/5.1",
		self, self);
	return false;
}

void paths_default_socket(char out[PATHS_MAX])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	if (runtime && *runtime)
		snprintf(out, PATHS_MAX, "%s/viaduct.sock", runtime);
	else
		snprintf(out, PATHS_MAX, "/tmp/viaduct-%u.sock", (unsigned)getuid());
}

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "net/watch.h"

enum {
	EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB,
	TOLD_MAX = 1000, /* in one round of the loop */
};

/* What tells two versions of a file apart; all zero when there is none. */
struct version {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec written, changed;
};

struct file {
	struct file *next;
	struct watch *watch;
	live_fn fn;
	void *arg;
	struct version version;
	ev_stat poll; /* active only where inotify can not watch */
	char path[];
};

struct watch {
	struct loop *loop;
	struct file *files;
	ev_io io;
	int fd; /* inotify, or -1 */
};

static struct version version_of(const char *path)
{
	struct version version;
	struct stat st;
	memset(&version, 0, sizeof version); /* padding too: versions are compared as bytes */
	if (stat(path, &st) == 0) {
		version.device = st.st_dev;
		version.inode = st.st_ino;
		version.size = st.st_size;
		version.written = st.st_mtim;
		version.changed = st.st_ctim;
	}
	return version;
}

static bool watch_directory_of(const struct watch *watch, const char *path)
{
	char copy[PATH_MAX];
	size_t n = strlen(path) + 1;
	if (watch->fd < 0 || n > sizeof copy)
		return false;
	memcpy(copy, path, n);
	return inotify_add_watch(watch->fd, dirname(copy), EVENTS) >= 0;
}

/* Where the path is, and where it leads: again after each change, for links may lead elsewhere. */
static bool watch_directories(const struct file *file)
{
	char real[PATH_MAX];
	if (realpath(file->path, real))
		watch_directory_of(file->watch, real);
	return watch_directory_of(file->watch, file->path);
}

/* Returns whether it was told. A callback may clear or add watches. */
static bool tell_one(struct watch *watch)
{
	for (struct file *file = watch->files; file; file = file->next) {
		struct version version = version_of(file->path);
		if (memcmp(&version, &file->version, sizeof version) == 0)
			continue;
		file->version = version;
		watch_directories(file);
		loop_turn_begin(watch->loop);
		file->fn(file->arg);
		return true;
	}
	return false;
}

/* Bounded, should a callback itself change what it watches. */
static void tell(struct watch *watch)
{
	for (int i = 0; i < TOLD_MAX && tell_one(watch); i++)
		;
}

static void on_events(struct ev_loop *ev, ev_io *io, int events)
{
	(void)ev;
	(void)events;
	struct watch *watch = OWNER_OF(io, struct watch, io);
	char buffer[16384] __attribute__((aligned(8)));
	/* Which directory it was does not matter: the files say themselves what is new. */
	while (read(watch->fd, buffer, sizeof buffer) > 0)
		;
	tell(watch);
}

static void on_poll(struct ev_loop *ev, ev_stat *poll, int events)
{
	(void)ev;
	(void)events;
	tell(OWNER_OF(poll, struct file, poll)->watch);
}

struct watch *watch_new(struct loop *loop)
{
	struct watch *watch = must_zalloc(sizeof *watch);
	watch->loop = loop;
	watch->fd = -1;
	return watch;
}

static void start(struct watch *watch)
{
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0)
		return;
	ev_io_init(&watch->io, on_events, watch->fd, EV_READ);
	ev_io_start(watch->loop->ev, &watch->io);
}

void watch_file(struct watch *watch, const char *path, live_fn fn, void *arg)
{
	size_t n = strlen(path) + 1;
	struct file *file = must_zalloc(sizeof *file + n);
	if (watch->fd < 0)
		start(watch);
	memcpy(file->path, path, n);
	file->watch = watch;
	file->fn = fn;
	file->arg = arg;
	ev_stat_init(&file->poll, on_poll, file->path, 0.);
	if (!watch_directories(file)) {
		log_event(watch->loop->log, LOG_WARN, "file watched by polling",
			LOG_STR("path", path), LOG_STR("error", strerror(errno)));
		ev_stat_start(watch->loop->ev, &file->poll);
	}
	file->version = version_of(path);
	file->next = watch->files;
	watch->files = file;
}

void watch_clear(struct watch *watch)
{
	struct file *file = watch->files, *next;
	watch->files = NULL;
	for (; file; file = next) {
		next = file->next;
		ev_stat_stop(watch->loop->ev, &file->poll);
		free(file);
	}
	if (watch->fd >= 0) {
		ev_io_stop(watch->loop->ev, &watch->io);
		close(watch->fd);
		watch->fd = -1;
	}
}

void watch_free(struct watch *watch)
{
	watch_clear(watch);
	free(watch);
}

/* Tells when files change, by inotify on their directories: that sees a file written in place, one
 * replaced by rename, and a symbolic link turned to another directory. libev's ev_stat compares
 * times in seconds and so misses the second of two equally long versions saved in one second. */
#pragma once

#include "net/loop.h"

struct watch;

struct watch *watch_new(struct loop *loop);
void watch_free(struct watch *watch);
void watch_file(struct watch *watch, const char *path, live_fn fn, void *arg);
void watch_clear(struct watch *watch);

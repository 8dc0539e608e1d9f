/* measure.c - see measure.h. Everything about the other process comes from /proc. */
#include "measure.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	size_t i = ns;
	if (ns >= 2 * HISTOGRAM_STEPS) {
		unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - 6;
		i = shift * HISTOGRAM_STEPS + (size_t)(ns >> shift);
	}
	h->cell[i < HISTOGRAM_SIZE ? i : HISTOGRAM_SIZE - 1]++;
	h->count++;
}

double histogram_us(const struct histogram *h, double quantile)
{
	uint64_t want = (uint64_t)(quantile * (double)h->count), seen = 0;
	for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
		seen += h->cell[i];
		if (seen <= want)
			continue;
		if (i < 2 * HISTOGRAM_STEPS)
			return (double)i / 1000;
		size_t shift = i / HISTOGRAM_STEPS - 1;
		return (double)((uint64_t)(i - shift * HISTOGRAM_STEPS) << shift) / 1000;
	}
	return 0;
}

/* A whole small file of /proc as a string; empty when it cannot be read (the thread ended). */
static const char *slurp(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return text;
}

/* The parent, and the ticks, of a process; the name in the middle may contain anything. */
static int read_stat(int pid, unsigned long *user, unsigned long *sys)
{
	char path[64], text[1024];
	int parent = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	const char *p = strrchr(slurp(path, text, sizeof text), ')');
	if (p)
		sscanf(p + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &parent, user,
			sys);
	return parent;
}

static bool descends_from(int pid, int root)
{
	unsigned long unused;
	for (int depth = 0; pid > 1 && depth < 16; depth++, pid = read_stat(pid, &unused, &unused))
		if (pid == root)
			return true;
	return false;
}

static void add_process(struct usage *u, int pid)
{
	char path[300], text[1024];
	unsigned long user = 0, sys = 0, resident = 0;

	read_stat(pid, &user, &sys);
	u->user_ticks += user;
	u->system_ticks += sys;

	snprintf(path, sizeof path, "/proc/%d/statm", pid);
	sscanf(slurp(path, text, sizeof text), "%*u %lu", &resident);
	u->rss_kb += resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	for (struct dirent *e; tasks && (e = readdir(tasks));) {
		uint64_t run = 0;
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", pid, e->d_name);
		sscanf(slurp(path, text, sizeof text), "%" SCNu64, &run);
		u->run_ns += run;
	}
	if (tasks)
		closedir(tasks);
}

struct usage usage_of(int pid)
{
	struct usage u = {0};
	DIR *all = pid > 0 ? opendir("/proc") : NULL;
	for (struct dirent *e; all && (e = readdir(all));)
		if (isdigit((unsigned char)e->d_name[0]) && descends_from(atoi(e->d_name), pid))
			add_process(&u, atoi(e->d_name));
	if (all)
		closedir(all);
	return u;
}

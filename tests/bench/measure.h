/* measure.h - the clock, latency percentiles, and what another process has cost so far. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>

uint64_t now_ns(void);

/* Log-linear histogram of nanoseconds, 64 steps per power of two: a percentile is at most
 * 1.6 % off, and adding costs the load generator nothing it would notice. */
enum { HISTOGRAM_STEPS = 64, HISTOGRAM_SIZE = 60 * HISTOGRAM_STEPS };
struct histogram {
	uint64_t count;
	uint32_t cell[HISTOGRAM_SIZE];
};
void histogram_add(struct histogram *h, uint64_t ns);
double histogram_us(const struct histogram *h, double quantile);

/* What a process, its threads and its descendants have used. run_ns is the scheduler's exact
 * run time; user and system are 10 ms ticks, good only for their proportion. On loopback the
 * kernel delivers a packet in its sender's context: a proxy pays for delivering what it sends
 * and gets its own input delivered for free. That is the same for every system measured. */
struct usage {
	uint64_t run_ns, user_ticks, system_ticks, rss_kb;
};
struct usage usage_of(int pid);

#endif

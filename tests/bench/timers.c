/* timers - what a deadline costs, by how many are pending: nanoseconds to arm, cancel and expire
 * one, and bytes each. Times are spread as those of deliveries are, half a second to 32 s, and the
 * oldest is cancelled when a new one comes. Each figure is the least of several rounds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/timers.h"
#include "measure.h"

enum { ROUNDS = 5, CHUNK = 64, OPERATIONS = 200000 };

struct costs {
	double arm, cancel, expire; /* nanoseconds each */
};

struct bench {
	struct timers timers;
	struct timer *pending;
	uint32_t n, oldest;
	int64_t now_ms;
	uint64_t random, fired;
};

static struct bench bench;

static void fired(struct timer *timer)
{
	(void)timer;
	bench.fired++;
}

static int64_t some_delay(void)
{
	static const int64_t delays[] = {500, 1000, 2000, 4000, 5000, 8000, 16000, 32000};
	bench.random = bench.random * 6364136223846793005u + 1442695040888963407u;
	uint64_t draw = bench.random >> 33;
	return delays[draw % 8] + (int64_t)(draw / 8 % 64);
}

static double per(uint64_t ns, double operations)
{
	return (double)ns / operations;
}

/* Cancels the oldest ones, or arms as many anew, at the present time. */
static void churn(uint32_t n, bool arms)
{
	for (uint32_t i = 0; i < n; i++) {
		struct timer *timer = &bench.pending[(bench.oldest + i) % bench.n];
		if (arms)
			timers_arm(&bench.timers, timer, bench.now_ms + some_delay());
		else
			timers_cancel(&bench.timers, timer);
	}
}

static void play(struct costs *costs)
{
	uint64_t arming = 0, cancelling = 0, done = 0;
	timers_init(&bench.timers, bench.now_ms = 1000);
	bench.oldest = 0;
	bench.fired = 0;
	churn(bench.n, true);
	/* until nobody is left of those armed at one time; all are replaced once in 16 s */
	for (uint64_t ms = 0; done < OPERATIONS + 2 * bench.n; done += CHUNK) {
		uint64_t a = now_ns();
		churn(CHUNK, false);
		uint64_t b = now_ns();
		churn(CHUNK, true);
		uint64_t c = now_ns();
		cancelling += b - a;
		arming += c - b;
		bench.oldest = (bench.oldest + CHUNK) % bench.n;
		for (ms += CHUNK * 16000; ms >= bench.n; ms -= bench.n)
			bench.now_ms++;
		timers_run(&bench.timers, bench.now_ms);
	}
	uint64_t before = bench.fired, start = now_ns();
	for (int64_t next; (next = timers_next(&bench.timers)) != INT64_MAX;)
		timers_run(&bench.timers, next);
	*costs = (struct costs){per(arming, (double)done), per(cancelling, (double)done),
		per(now_ns() - start, (double)(bench.fired - before))};
}

static void keep_least(double *least, double value, int round)
{
	if (round == 0 || value < *least)
		*least = value;
}

int main(void)
{
	bench.random = 1;
	printf("%-10s %8s %8s %8s %8s\n", "pending", "arm ns", "cancel", "expire", "bytes");
	for (bench.n = 1000; bench.n <= 1000000; bench.n *= 10) {
		struct costs least = {0}, now;
		bench.pending = must_zalloc(bench.n * sizeof *bench.pending);
		for (uint32_t i = 0; i < bench.n; i++)
			bench.pending[i].fire = fired;
		for (int round = 0; round < ROUNDS; round++) {
			play(&now);
			keep_least(&least.arm, now.arm, round);
			keep_least(&least.cancel, now.cancel, round);
			keep_least(&least.expire, now.expire, round);
		}
		printf("%-10" PRIu32 " %8.1f %8.1f %8.1f %8.1f\n", bench.n, least.arm, least.cancel,
			least.expire,
			(double)(bench.n * sizeof *bench.pending + sizeof bench.timers) / bench.n);
		free(bench.pending);
	}
	return 0;
}

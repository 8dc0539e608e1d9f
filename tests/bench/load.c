/* load.c - SIP over UDP load generator: caller (UAC) and callee (UAS) in one process.
 *
 *   UAC socket --request--> proxy --request--> UAS socket
 *   UAC socket <--response- proxy <--response- UAS socket
 *
 * One run sends INVITEs through a proxy and prints one line of JSON: throughput, loss,
 * latency and, the figure to judge by, the proxy's own CPU microseconds per message. A
 * message is one packet that the proxy received and forwarded; what it makes itself (a 100
 * Trying) is not counted, though its cost is. Closed loop: a window of requests outstanding.
 * Open loop: a fixed rate, for latency (in a closed loop that is only window / rate).
 */
#include "loopback.h"
#include "measure.h"
#include "message.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* RINGING: calls that nobody answers, to see what a pending one costs. CALL: INVITE, 180, 200, ACK,
 * BYE, 200. */
enum mode { INVITE, INVITE_200, RINGING, CALL, MODES };
static const char *const mode_name[MODES] = {"invite", "invite+200", "ringing", "call"};

/* Requests under way are kept by number modulo this; more than any window or rate needs. */
enum { SLOTS = 1 << 20 };
enum { AT_UAS = 1, RANG = 2, ANSWERED = 4, DONE = 8 };

static struct {
	enum mode mode;
	struct ends ends;
	const char *proxy, *label;
	double rate, warm, seconds;
	uint64_t window, count;
	int pid, cpu;
} opt = {.ends = {"127.0.0.1:7060", "127.0.0.1:7070", 0},
	.proxy = "127.0.0.1:25060",
	.label = "",
	.warm = 0.5,
	.seconds = 2,
	.window = 128,
	.cpu = -1};

static struct {
	uint64_t sent, messages, failed;
	struct histogram latency;
} got;

static int uac, uas;
static struct sockaddr_in proxy;
static struct invite invite;
static struct batch requests, in, out;
static uint64_t sent_at[SLOTS];
static uint8_t state[SLOTS];
static uint64_t next, completed, given_up;

static void complete(uint32_t number)
{
	if (!(state[number % SLOTS] & DONE)) {
		state[number % SLOTS] |= DONE;
		completed++;
	}
}

static void send_requests(unsigned n)
{
	uint64_t t = now_ns();
	for (unsigned i = 0; i < n; i++, next++) {
		invite_patch(&invite, &opt.ends, requests.text[i], (uint32_t)next);
		sent_at[next % SLOTS] = t;
		state[next % SLOTS] = 0;
	}
	requests.count = n;
	got.sent += n;
	batch_send(&requests, uac);
}

/* Room for one more message in `out`, sent to the given address from fd. */
static char *room(const struct sockaddr_in *to, int fd)
{
	if (out.count == BATCH)
		batch_send(&out, fd);
	out.peer[out.count] = *to;
	return out.text[out.count];
}

static void answer(const char *status, unsigned i)
{
	char *text = room(&in.peer[i], uas);
	out.part[out.count++].iov_len =
		message_answer(text, status, in.text[i], in.part[i].iov_len, &opt.ends);
}

static unsigned play_uas(void)
{
	unsigned n = batch_receive(&in, uas, false);
	uint64_t t = n ? now_ns() : 0;
	for (unsigned i = 0; i < n; i++) {
		const char *msg = in.text[i];
		int64_t number = message_number(msg, in.part[i].iov_len, &opt.ends);
		if (number < 0)
			continue;
		uint8_t *s = &state[number % SLOTS];
		bool first = msg[0] == 'I' && !(*s & AT_UAS);
		if (first) {
			*s |= AT_UAS;
			histogram_add(&got.latency, t - sent_at[number % SLOTS]);
		}
		got.messages += first || msg[0] == 'A' || msg[0] == 'B';
		if (opt.mode == INVITE)
			complete((uint32_t)number);
		if (msg[0] == 'I' && (opt.mode == RINGING || opt.mode == CALL))
			answer("180 Ringing", i);
		if (msg[0] != 'A' && (opt.mode == INVITE_200 || opt.mode == CALL))
			answer("200 OK", i);
	}
	batch_send(&out, uas);
	return n;
}

static void in_dialog(const char *method, int cseq, unsigned i, uint32_t number)
{
	char *text = room(&proxy, uac);
	out.part[out.count++].iov_len = message_in_dialog(
		text, method, cseq, in.text[i], in.part[i].iov_len, &opt.ends, number);
}

static void rang(uint32_t number)
{
	uint8_t *s = &state[number % SLOTS];
	got.messages += !(*s & RANG);
	*s |= RANG;
	if (opt.mode == RINGING)
		complete(number);
}

static unsigned play_uac(void)
{
	unsigned n = batch_receive(&in, uac, false);
	for (unsigned i = 0; i < n; i++) {
		const char *msg = in.text[i];
		int64_t number = message_number(msg, in.part[i].iov_len, &opt.ends);
		if (number < 0 || strncmp(msg, "SIP/2.0 ", 8) || !strncmp(msg + 8, "100", 3))
			continue;
		uint8_t *s = &state[number % SLOTS];
		if (msg[8] == '1') {
			rang((uint32_t)number);
		} else if (msg[8] != '2') {
			got.failed++;
			complete((uint32_t)number);
		} else if (!(*s & ANSWERED)) {
			*s |= ANSWERED;
			got.messages++;
			if (opt.mode == CALL) {
				in_dialog("ACK", 1, i, (uint32_t)number);
				in_dialog("BYE", 2, i, (uint32_t)number);
			} else
				complete((uint32_t)number);
		} else if (opt.mode == CALL && !(*s & DONE)) {
			got.messages++; /* the BYE's 200 */
			complete((uint32_t)number);
		}
	}
	batch_send(&out, uac);
	return n;
}

/* Sends until the time is over or `count` requests were sent. */
static void run(double seconds, uint64_t count)
{
	uint64_t start = now_ns(), base = next, last = completed, moved = start;
	for (uint64_t t = start; t - start < (uint64_t)(seconds * 1e9); t = now_ns()) {
		int64_t want = (int64_t)(opt.window + completed + given_up) - (int64_t)next;
		if (opt.rate > 0)
			want = (int64_t)((double)(t - start) * opt.rate / 1e9) -
			       (int64_t)(next - base);
		if (count && want > (int64_t)(count - (next - base)))
			want = (int64_t)(count - (next - base));
		if (want > 0)
			send_requests(want < BATCH ? (unsigned)want : BATCH);
		play_uas();
		play_uac();
		if (completed != last) {
			last = completed;
			moved = t;
		} else if (t - moved > 200000000) { /* 200 ms without any: the window is lost */
			given_up = next - completed;
			moved = t;
		}
		if (count && next - base == count && completed + given_up == next)
			return;
	}
}

/* Takes what is still under way, until 50 ms pass without any. */
static void drain(void)
{
	uint64_t start = now_ns(), quiet = start;
	for (uint64_t t = start; t - start < 1000000000 && t - quiet < 50000000; t = now_ns())
		if (play_uas() + play_uac())
			quiet = t;
}

static void report(double seconds, const struct usage *a, const struct usage *b)
{
	double cpu = (double)(b->run_ns - a->run_ns) / 1e3;
	double user = (double)(b->user_ticks - a->user_ticks);
	double sys = (double)(b->system_ticks - a->system_ticks);
	printf("{\"system\":\"%s\",\"mode\":\"%s\",\"requests\":%" PRIu64 ",\"messages\":%" PRIu64
	       ",\"lost\":%" PRIu64 ",\"failed\":%" PRIu64
	       ",\"seconds\":%.3f,\"messages_per_s\":%.0f"
	       ",\"cpu_us_per_message\":%.4f,\"user_share\":%.3f"
	       ",\"latency_p50_us\":%.1f,\"latency_p99_us\":%.1f"
	       ",\"rss_before_kb\":%" PRIu64 ",\"rss_after_kb\":%" PRIu64 "}\n",
		opt.label, mode_name[opt.mode], got.sent, got.messages, next - completed,
		got.failed, seconds, (double)got.messages / seconds,
		got.messages ? cpu / (double)got.messages : 0,
		user + sys > 0 ? user / (user + sys) : 0, histogram_us(&got.latency, .5),
		histogram_us(&got.latency, .99), a->rss_kb, b->rss_kb);
}

static _Noreturn void usage(void)
{
	fprintf(stderr,
		"usage: load [options]                      (127.0.0.0/8 only)\n"
		"  -x IP:PORT  the proxy (127.0.0.1:25060)   -P PID  whose CPU is accounted\n"
		"  -m MODE     invite | invite+200 | ringing | call    -l TEXT name of the system\n"
		"  -w N        closed loop, N outstanding    -r N    open loop, N requests/s\n"
		"  -t S -W S   seconds measured, to warm up  -n N    stop after N requests\n"
		"  -a, -s IP:PORT  UAC, UAS address          -c CPU  pin the generator\n");
	exit(2);
}

static void parse_options(int argc, char **argv)
{
	for (int c; (c = getopt(argc, argv, "x:m:l:w:r:t:W:n:P:a:s:c:")) != -1;)
		switch (c) {
		case 'x':
			opt.proxy = optarg;
			break;
		case 'm':
			for (opt.mode = 0; strcmp(mode_name[opt.mode], optarg);)
				if (++opt.mode == MODES)
					usage();
			break;
		case 'l':
			opt.label = optarg;
			break;
		case 'w':
			opt.window = strtoull(optarg, NULL, 10);
			break;
		case 'r':
			opt.rate = atof(optarg);
			break;
		case 't':
			opt.seconds = atof(optarg);
			break;
		case 'W':
			opt.warm = atof(optarg);
			break;
		case 'n':
			opt.count = strtoull(optarg, NULL, 10);
			break;
		case 'P':
			opt.pid = atoi(optarg);
			break;
		case 'a':
			opt.ends.uac = optarg;
			break;
		case 's':
			opt.ends.uas = optarg;
			break;
		case 'c':
			opt.cpu = atoi(optarg);
			break;
		default:
			usage();
		}
	if (optind != argc || opt.seconds > 600 || opt.window > SLOTS / 2)
		usage();
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	proxy = loopback_address(opt.proxy);
	struct sockaddr_in a = loopback_address(opt.ends.uac), s = loopback_address(opt.ends.uas);
	if (opt.cpu >= 0)
		pin_to_cpu(opt.cpu);
	opt.ends.run = (uint32_t)now_ns() ^ (uint32_t)getpid() << 16;
	uac = loopback_socket(&a, false);
	uas = loopback_socket(&s, false);
	invite_build(&invite, &opt.ends);
	batch_init(&requests);
	batch_init(&in);
	batch_init(&out);
	for (unsigned i = 0; i < BATCH; i++) {
		memcpy(requests.text[i], invite.text, invite.len);
		requests.part[i].iov_len = invite.len;
		requests.peer[i] = proxy;
	}

	if (opt.warm > 0)
		run(opt.warm, 0);
	if (opt.count) /* exact counts wanted: begin with an idle proxy */
		drain();
	memset(&got, 0, sizeof got);
	struct usage before = usage_of(opt.pid);
	uint64_t start = now_ns();
	run(opt.seconds, opt.count);
	double seconds = (double)(now_ns() - start) / 1e9;
	struct usage after = usage_of(opt.pid);
	uint64_t measured = got.messages;
	drain(); /* so that what is under way does not count as lost */
	if (!opt.count)
		got.messages = measured;
	report(seconds, &before, &after);
	return 0;
}

/* Stream legs under peers and an engine that do anything at any time, in any order. Nothing is
 * expected but that each connection is told to end once, that none is left, and that the sanitizers
 * find nothing. `STORM_SEED` and `STORM_ROUNDS` in the environment make other storms. */
#include "stream.h"

enum { PEERS = 24, ROUNDS = 3000, FLOWS = 64 };

static uint64_t seed;

static uint32_t any_below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 33) % n);
}

static uint32_t number_from(const char *name, uint32_t standard)
{
	const char *text = getenv(name);
	return text ? (uint32_t)strtoul(text, NULL, 10) : standard;
}

static struct flow flows[FLOWS]; /* some that were seen, dead ones too */

static void act(struct recorder *r)
{
	static const char text[65536] = "65530:";
	struct flow *flow = &flows[any_below(FLOWS)];
	char error[256];
	switch (any_below(16)) {
	case 0:
		r->world->stream_close(r->world, flow->connection);
		break;
	case 1:
		if (any_below(50))
			break;
		r->world->leg_close(r->world, 0);
		struct leg_address address = {.transport = TRANSPORT_TCP, .bind = r->bound[0]};
		assert_int_equal(r->world->leg_open(r->world, 0, &address, error), 0);
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		if (flow->connection)
			send_span(r, flow, span_of(text, any_below(any_below(9) ? 900 : 65536)));
		break;
	}
}

static void storm_message(struct recorder *r, const struct flow *from, struct span bytes)
{
	flows[any_below(FLOWS)] = *from;
	if (any_below(2))
		send_span(r, from, bytes);
	act(r);
}

static void storm_closed(struct recorder *r, const struct flow *flow)
{
	(void)flow;
	act(r);
}

static void storm_turn_end(struct recorder *r)
{
	if (any_below(4) == 0)
		act(r);
}

static void peer_acts(const struct addr *leg, int *fd)
{
	static const char *const words[] = {"3:abc", "10:0123456789", "5:a", "bcde", "\r\n\r\n",
		"\r\n", "x", "3:abc3:abc3:abc", "1000:", "\r", "\n"};
	static char heard[65536];
	struct linger reset = {.l_onoff = 1};
	if (*fd < 0) {
		*fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(*fd, &leg->sa, addr_len(leg));
		return;
	}
	uint32_t what = any_below(40);
	if (what < 24) {
		const char *word = words[any_below(sizeof words / sizeof *words)];
		send(*fd, word, strlen(word), MSG_NOSIGNAL);
	} else if (what < 34) {
		recv(*fd, heard, any_below(sizeof heard), 0);
	} else if (what < 36) {
		shutdown(*fd, SHUT_WR);
	} else {
		if (what < 38)
			setsockopt(*fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(*fd);
		*fd = -1;
	}
}

static void whatever_happens_each_connection_ends_once(void **state)
{
	(void)state;
	seed = 0x9e3779b97f4a7c15u + number_from("STORM_SEED", 1);
	struct recorder *r = stream_recorder((struct live_options){.write_queue = 200000,
		.connections = 40,
		.connections_source = 20,
		.message_ms = 30,
		.idle_ms = 80,
		.stall_ms = 40,
		.connect_ms = 20});
	struct addr leg = open_leg(r, 0, TRANSPORT_TCP, "127.0.0.1:0");
	r->on_message = r->on_unframed = storm_message;
	r->on_closed = storm_closed;
	r->on_turn_end = storm_turn_end;
	int fd[PEERS];
	memset(fd, -1, sizeof fd);
	for (uint32_t round = number_from("STORM_ROUNDS", ROUNDS); round; round--) {
		for (int i = 0; i < 6; i++)
			peer_acts(&leg, &fd[any_below(PEERS)]);
		live_poll(r->live, 0.0001 * any_below(10));
		assert_true(statistics(r).connections <= 40);
	}
	r->on_message = r->on_unframed = NULL;
	r->on_turn_end = NULL;
	r->on_closed = NULL;
	for (int i = 0; i < PEERS; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	RUN_UNTIL(r, statistics(r).connections == 0);
	struct live_statistics now = statistics(r);
	assert_true(now.connections_closed > 100);
	run_dry(r);
	assert_int_equal(r->count[EVENT_CLOSED], now.connections_closed);
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->events[i].kind != EVENT_CLOSED)
			continue;
		uint64_t id = r->events[i].flow.connection;
		for (uint32_t j = i + 1; j < r->n && j < i + 200; j++)
			assert_false(r->events[j].kind == EVENT_CLOSED &&
				     r->events[j].flow.connection == id);
	}
	recorder_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_happens_each_connection_ends_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

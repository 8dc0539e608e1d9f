/* One whole engine in a simulated world: what a flow acts on and looks at.
 *
 * Phones are endpoints of the simulated network. What they receive, and each log line, waits here
 * until the flow takes it. Scripts are loaded in a turn of their own, as a timer or a signal would
 * do it. */
#pragma once

#include "net/sim.h"
#include "script/host_private.h"

enum { NET_PHONES_MAX = 64, NET_SETTINGS_MAX = 16 };

struct net_arrival {
	struct net_arrival *next;
	int phone;
	int64_t at_us;
	char from[ADDR_TEXT_MAX]; /* the leg that sent it */
	const char *closed;	  /* a stream ended: no bytes then */
	uint32_t n;
	char bytes[];
};

struct net_line {
	struct net_line *next;
	enum log_level level;
	size_t n;
	char text[];
};

struct net {
	struct sim *sim;
	struct log log;
	struct engine *engine;
	struct host *host;
	struct host_options options;
	struct engine_limits limits; /* of the engine; 0: its own */
	struct span legs[LEGS_MAX];
	struct host_setting settings[NET_SETTINGS_MAX];
	struct sim_endpoint *phones[NET_PHONES_MAX];
	int n_phones;
	struct net_arrival *arrivals, **last_arrival;
	struct net_line *lines, **last_line;
	const char *asked_file; /* of the load that runs at the next step; NULL: a rollback */
	int answer;
	FILE *trace; /* NULL: none of its own */
	char error[256];
};

/* What `net->options` points to is copied by the caller and stays until net_close. */
void net_open(struct net *net, uint64_t seed, const char *library);
void net_start(struct net *net);
void net_close(struct net *net);

/* Both return 0, or -1 with the reason in host_status or net->error. */
int net_load(struct net *net, const char *file);
int net_rollback(struct net *net);

/* Number of the phone, or -1 when the address is taken. */
int net_phone(struct net *net, enum transport transport, const struct addr *addr, bool raw);

/* What should all be 0 when nothing is going on any more. */
struct net_leftovers {
	uint32_t packets, tasks, transactions, timers, lingering, events;
	uint32_t leg_holders; /* transactions, also those no message finds any more */
};
void net_leftovers(const struct net *net, struct net_leftovers *leftovers);

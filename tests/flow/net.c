#include "net.h"

#include <stdlib.h>

#include "base/check.h"
#include "sip/frame.h"

static void take_line(void *self, enum log_level level, const char *text, size_t n)
{
	struct net *net = self;
	struct net_line *line = must_alloc(sizeof *line + n);
	*line = (struct net_line){.level = level, .n = n};
	memcpy(line->text, text, n);
	*net->last_line = line;
	net->last_line = &line->next;
}

static void arrived(void *self, const struct sim_arrival *from)
{
	struct net *net = self;
	struct net_arrival *arrival = must_zalloc(sizeof *arrival + from->bytes.n);
	arrival->phone = -1;
	for (int i = 0; i < net->n_phones; i++)
		if (net->phones[i] == from->endpoint)
			arrival->phone = i;
	arrival->at_us = from->at_us;
	addr_print(&from->from, arrival->from); /* room was zeroed */
	arrival->closed = from->closed;
	arrival->n = from->bytes.n;
	if (arrival->n)
		memcpy(arrival->bytes, from->bytes.p, arrival->n);
	*net->last_arrival = arrival;
	net->last_arrival = &arrival->next;
}

void net_open(struct net *net, uint64_t seed, const char *library)
{
	*net = (struct net){0};
	net->sim = sim_new(seed, frame_next);
	net->log = (struct log){.level = LOG_INFO, .sink = take_line, .self = net};
	net->last_arrival = &net->arrivals;
	net->last_line = &net->lines;
	net->options.library = library;
	net->options.legs = net->legs;
	net->options.settings = net->settings;
}

void net_start(struct net *net)
{
	net->engine = engine_new(sim_world(net->sim), &net->log);
	struct engine_limits *limits = &net->engine->limits;
	if (net->limits.transactions)
		limits->transactions = net->limits.transactions;
	if (net->limits.clients_per_peer)
		limits->clients_per_peer = net->limits.clients_per_peer;
	if (net->limits.delivery_share)
		limits->delivery_share = net->limits.delivery_share;
	net->host = host_new(net->engine, &net->options);
}

void net_close(struct net *net)
{
	if (net->host)
		host_free(net->host);
	engine_free(net->engine);
	sim_free(net->sim);
	if (net->trace)
		fclose(net->trace);
	for (struct net_arrival *next; net->arrivals; net->arrivals = next) {
		next = net->arrivals->next;
		free(net->arrivals);
	}
	for (struct net_line *next; net->lines; net->lines = next) {
		next = net->lines->next;
		free(net->lines);
	}
}

static void act(void *arg)
{
	struct net *net = arg;
	net->answer = net->asked_file ? host_load(net->host, net->asked_file, "flow")
				      : host_rollback(net->host, net->error);
}

static int in_a_turn(struct net *net, const char *file)
{
	net->asked_file = file;
	sim_at(net->sim, sim_now_us(net->sim), act, net);
	sim_run_until(net->sim, sim_now_us(net->sim));
	return net->answer;
}

int net_load(struct net *net, const char *file)
{
	return in_a_turn(net, file);
}

int net_rollback(struct net *net)
{
	return in_a_turn(net, NULL);
}

int net_phone(struct net *net, enum transport transport, const struct addr *addr, bool raw)
{
	BUG(net->n_phones == NET_PHONES_MAX);
	struct sim_endpoint *phone = sim_endpoint(net->sim, transport, addr, arrived, net);
	if (!phone)
		return -1;
	if (raw)
		sim_endpoint_raw(phone);
	net->phones[net->n_phones] = phone;
	return net->n_phones++;
}

static uint32_t armed(const struct timers *timers)
{
	uint32_t n = 0;
	for (unsigned i = 0; i < sizeof timers->slots / sizeof timers->slots[0]; i++) {
		const struct timer_links *head = &timers->slots[i];
		for (const struct timer_links *at = head->next; at != head; at = at->next)
			n++;
	}
	return n;
}

void net_leftovers(const struct net *net, struct net_leftovers *leftovers)
{
	const struct engine *engine = net->engine;
	*leftovers = (struct net_leftovers){
		.packets = engine->n_live,
		.tasks = host_pending(net->host),
		.transactions = engine->transactions.n + engine->deliveries.n,
		.timers = armed(&engine->timers),
		.events = (uint32_t)sim_queued(net->sim),
	};
	for (int kind = 0; kind < TXN_KIND_COUNT; kind++) /* are counted as they come and go */
		for (int state = 0; state < TXN_STATE_COUNT; state++)
			leftovers->transactions |= engine->in_state[kind][state];
	for (uint32_t i = 0; i < engine->legs.n; i++)
		leftovers->lingering += timer_is_armed(&engine->legs.leg[i].linger);
	for (uint32_t i = 0; i < engine->legs.n; i++)
		leftovers->leg_holders += engine->legs.leg[i].n_transactions;
	leftovers->timers -= leftovers->lingering;
	/* What runs as long as the engine does: the sweep of bindings, and the script's own. */
	leftovers->timers -= timer_is_armed(&engine->sweep);
	for (const struct vd_script *script = net->host->scripts; script; script = script->next)
		for (const struct script_timer *t = script->timers; t; t = t->next)
			if (script->current && t->from_load && timer_is_armed(&t->timer))
				leftovers->timers--;
}

/* Runs flows: gives tests/flow/flow.lua the simulated network (net.h) as a Lua object, and leaves
 * all else to it.
 *
 *   build/tests/flow/runner [--seed N] [--trace] [--only TEXT] FILE.flow.lua...
 *
 * Scenarios have a Lua state of their own; it shares nothing with those of the engine. */
#include "net.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/targets.h"

static const char NET[] = "flow.net";

static struct net *check_net(lua_State *L)
{
	return luaL_checkudata(L, 1, NET);
}

static struct span check_span(lua_State *L, int at)
{
	size_t n;
	const char *text = luaL_checklstring(L, at, &n);
	return span_of(text, n);
}

/* "udp:192.0.2.1:5060" */
static enum transport check_address(lua_State *L, int at, struct addr *addr)
{
	struct span text = check_span(L, at);
	const char *colon = span_find(text, ':');
	enum transport transport =
		colon ? transport_of(span_between(text.p, colon)) : TRANSPORT_NONE;
	if (!transport || !addr_parse(span_between(colon + 1, span_end(text)), 5060, addr))
		luaL_error(L, "'%s' is no address: write udp:198.51.100.7:5060", text.p);
	return transport;
}

static int push_done(lua_State *L, bool done)
{
	lua_pushboolean(L, done);
	return 1;
}

static void set_number(lua_State *L, const char *key, double number)
{
	lua_pushnumber(L, number);
	lua_setfield(L, -2, key);
}

static void set_text(lua_State *L, const char *key, const char *text)
{
	lua_pushstring(L, text ? text : "");
	lua_setfield(L, -2, key);
}

/* ---- life ---- */

/* Texts of options live as long as the registry holds them: the net is closed before the state. */
static struct span keep_text(lua_State *L, int at)
{
	struct span text = check_span(L, at);
	lua_pushvalue(L, at);
	luaL_ref(L, LUA_REGISTRYINDEX);
	return text;
}

static void read_legs(lua_State *L, struct net *net, int from)
{
	lua_getfield(L, from, "legs");
	for (int i = 1; lua_istable(L, -1) && i <= LEGS_MAX; i++) {
		lua_rawgeti(L, -1, i);
		if (!lua_isnil(L, -1))
			net->legs[net->options.n_legs++] = keep_text(L, lua_gettop(L));
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

static void read_settings(lua_State *L, struct net *net, int from)
{
	lua_getfield(L, from, "settings");
	int settings = lua_gettop(L);
	if (lua_istable(L, settings))
		for (lua_pushnil(L); lua_next(L, settings); lua_pop(L, 1)) {
			struct host_setting *setting = &net->settings[net->options.n_settings++];
			if (net->options.n_settings > NET_SETTINGS_MAX)
				luaL_error(L, "too many settings");
			setting->key = keep_text(L, settings + 1);
			setting->value = keep_text(L, settings + 2);
		}
	lua_pop(L, 1);
}

/* 0: there is none. */
static uint32_t number_in(lua_State *L, int table, const char *name)
{
	lua_getfield(L, table, name);
	uint32_t number = (uint32_t)lua_tonumber(L, -1);
	lua_pop(L, 1);
	return number;
}

/* net(seed, library, { legs, settings, budget_ms, memory_mb, and fields of struct engine_limits },
 * trace): into that file, "-" is stdout. */
static int l_net(lua_State *L)
{
	luaL_checktype(L, 3, LUA_TTABLE);
	struct net *net = lua_newuserdata(L, sizeof *net);
	net_open(net, (uint64_t)luaL_checknumber(L, 1), keep_text(L, 2).p);
	luaL_getmetatable(L, NET);
	lua_setmetatable(L, -2);
	read_legs(L, net, 3);
	read_settings(L, net, 3);
	net->options.budget_ms = number_in(L, 3, "budget_ms");
	net->options.memory_mb = number_in(L, 3, "memory_mb");
	net->limits = (struct engine_limits){
		.transactions = number_in(L, 3, "transactions"),
		.clients_per_peer = number_in(L, 3, "clients_per_peer"),
		.delivery_share = number_in(L, 3, "delivery_share"),
	};
	const char *trace = luaL_optstring(L, 4, NULL);
	net->trace = trace && strcmp(trace, "-") ? fopen(trace, "w") : NULL;
	sim_trace_to(net->sim, trace && !net->trace ? stdout : net->trace);
	net_start(net);
	return 1;
}

static int l_close(lua_State *L)
{
	struct net *net = check_net(L);
	net_close(net);
	lua_pushnil(L); /* no second time */
	lua_setmetatable(L, 1);
	return 0;
}

/* ---- scripts ---- */

static int l_load(lua_State *L)
{
	return push_done(L, net_load(check_net(L), luaL_checkstring(L, 2)) == 0);
}

static int l_rollback(lua_State *L)
{
	struct net *net = check_net(L);
	push_done(L, net_rollback(net) == 0);
	lua_pushstring(L, net->answer ? net->error : "");
	return 2;
}

static int l_check(lua_State *L)
{
	struct script_failure failure;
	push_done(L, host_check(check_net(L)->host, luaL_checkstring(L, 2), &failure) == 0);
	lua_pushfstring(L, "%s:%d: %s", failure.file, (int)failure.line, failure.message);
	return 2;
}

static int l_status(lua_State *L)
{
	struct host_status status;
	host_status(check_net(L)->host, &status);
	lua_newtable(L);
	set_number(L, "generation", status.generation);
	set_number(L, "kept", status.kept);
	set_number(L, "draining", status.draining);
	set_number(L, "memory", (double)status.memory);
	set_number(L, "loaded_at", (double)status.loaded_at);
	set_text(L, "file", status.file);
	set_text(L, "by", status.by);
	if (status.has_failure) {
		set_text(L, "failed_file", status.failure.file);
		set_number(L, "failed_line", status.failure.line);
		set_text(L, "failure", status.failure.message);
	}
	return 1;
}

static int l_watched(lua_State *L)
{
	struct net *net = check_net(L);
	const char *file;
	lua_newtable(L);
	for (uint32_t i = 0; (file = host_watched_file(net->host, i)); i++) {
		lua_pushstring(L, file);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

/* ---- the engine ---- */

static int l_counters(lua_State *L)
{
	struct net *net = check_net(L);
	lua_newtable(L);
	for (int i = 0; i < COUNTERS; i++)
		set_number(L, counter_name((enum counter)i), (double)net->engine->count[i]);
	return 1;
}

static int l_legs(lua_State *L)
{
	static const char *const states[] = {"closed", "prepared", "open", "draining"};
	struct net *net = check_net(L);
	lua_newtable(L);
	for (uint32_t i = 0; i < net->engine->legs.n; i++) {
		const struct leg *leg = &net->engine->legs.leg[i];
		char bound[ADDR_TEXT_MAX];
		lua_newtable(L);
		set_text(L, "spec", leg->spec);
		set_text(L, "state", states[leg->state]);
		set_text(L, "shown", leg->shown.text);
		set_text(L, "transport", leg->address.transport == TRANSPORT_UDP ? "udp" : "tcp");
		lua_pushlstring(L, bound, addr_print(&leg->address.bind, bound));
		lua_setfield(L, -2, "bound");
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

static int l_leftovers(lua_State *L)
{
	struct net_leftovers leftovers;
	net_leftovers(check_net(L), &leftovers);
	lua_newtable(L);
	set_number(L, "packets", leftovers.packets);
	set_number(L, "tasks", leftovers.tasks);
	set_number(L, "transactions", leftovers.transactions);
	set_number(L, "timers", leftovers.timers);
	set_number(L, "lingering", leftovers.lingering);
	set_number(L, "leg_holders", leftovers.leg_holders);
	set_number(L, "events", leftovers.events);
	return 1;
}

static int l_log_level(lua_State *L)
{
	struct net *net = check_net(L);
	return push_done(L, log_level_of(check_span(L, 2), &net->log.level));
}

/* The oldest log line not taken yet: level, text. */
static int l_take_line(lua_State *L)
{
	struct net *net = check_net(L);
	struct net_line *line = net->lines;
	if (!line)
		return 0;
	lua_pushstring(L, log_level_name(line->level));
	lua_pushlstring(L, line->text, line->n);
	net->lines = line->next;
	if (!net->lines)
		net->last_line = &net->lines;
	free(line);
	return 2;
}

/* ---- the network ---- */

static int l_phone(lua_State *L)
{
	struct addr addr;
	struct net *net = check_net(L);
	enum transport transport = check_address(L, 2, &addr);
	lua_pushinteger(L, net_phone(net, transport, &addr, lua_toboolean(L, 3)));
	return 1;
}

static int l_close_phone(lua_State *L)
{
	struct net *net = check_net(L);
	int phone = (int)luaL_checkinteger(L, 2);
	sim_endpoint_close(net->phones[phone]);
	net->phones[phone] = NULL;
	return 0;
}

static int l_stop_reading(lua_State *L)
{
	static const struct sim_link stuck = {.delay_us = 500, .loss = 1000};
	struct net *net = check_net(L);
	sim_endpoint_link(net->phones[luaL_checkinteger(L, 2)], SIM_FROM_ENGINE, &stuck);
	return 0;
}

/* net:inject(from, to, bytes) */
static int l_inject(lua_State *L)
{
	struct addr from, to;
	struct net *net = check_net(L);
	enum transport transport = check_address(L, 2, &from);
	check_address(L, 3, &to);
	return push_done(L, sim_inject(net->sim, transport, &from, &to, check_span(L, 4)) == 0);
}

static int l_hang_up(lua_State *L)
{
	struct addr from, to;
	struct net *net = check_net(L);
	enum transport transport = check_address(L, 2, &from);
	check_address(L, 3, &to);
	sim_hang_up(net->sim, transport, &from, &to, SIM_SHUTDOWN);
	return 0;
}

/* The oldest arrival not taken yet: phone, bytes or nil, from, seconds, reason of closing. */
static int l_take(lua_State *L)
{
	struct net *net = check_net(L);
	struct net_arrival *arrival = net->arrivals;
	if (!arrival)
		return 0;
	lua_pushinteger(L, arrival->phone);
	if (arrival->closed)
		lua_pushnil(L);
	else
		lua_pushlstring(L, arrival->bytes, arrival->n);
	lua_pushstring(L, arrival->from);
	lua_pushnumber(L, (double)(arrival->at_us - SIM_START_US) / 1e6);
	lua_pushstring(L, arrival->closed);
	net->arrivals = arrival->next;
	if (!net->arrivals)
		net->last_arrival = &net->arrivals;
	free(arrival);
	return 5;
}

/* net:link(way, { delay, jitter, loss, duplicate, reorder, cut, reorder_by }): seconds, and chances
 * from 0 to 1. */
static int l_link(lua_State *L)
{
	static const char *const names[] = {
		"delay", "jitter", "reorder_by", "loss", "duplicate", "reorder", "cut"};
	static const double units[] = {1e6, 1e6, 1e6, 1e3, 1e3, 1e3, 1e3};
	struct net *net = check_net(L);
	enum sim_way way = lua_toboolean(L, 2) ? SIM_FROM_ENGINE : SIM_TO_ENGINE;
	uint32_t value[7];
	luaL_checktype(L, 3, LUA_TTABLE);
	for (int i = 0; i < 7; i++) {
		lua_getfield(L, 3, names[i]);
		value[i] = (uint32_t)(lua_tonumber(L, -1) * units[i] + 0.5);
		lua_pop(L, 1);
	}
	sim_link(net->sim, way,
		&(struct sim_link){.delay_us = value[0],
			.jitter_us = value[1],
			.reorder_us = value[2],
			.loss = (uint16_t)value[3],
			.duplicate = (uint16_t)value[4],
			.reorder = (uint16_t)value[5],
			.cut = (uint16_t)value[6]});
	return 0;
}

static int l_occupy(lua_State *L)
{
	struct addr addr;
	struct net *net = check_net(L);
	enum transport transport = check_address(L, 2, &addr);
	sim_occupy(net->sim, transport, &addr);
	return 0;
}

static int l_unreachable(lua_State *L)
{
	struct addr addr;
	struct net *net = check_net(L);
	if (!addr_parse_ip(span_str(luaL_checkstring(L, 2)), 0, &addr))
		return luaL_error(L, "this is no IP address: %s", lua_tostring(L, 2));
	sim_unreachable(net->sim, &addr);
	return 0;
}

/* net:dns(name, "A" or "AAAA", ip, delay), (name, "SRV", priority, weight, port, target), (name,
 * "silent", "fail" or "remove") */
static int l_dns(lua_State *L)
{
	struct net *net = check_net(L);
	const char *name = luaL_checkstring(L, 2), *what = luaL_checkstring(L, 3);
	struct dns_record record = {.ttl_s = 300};
	if (!strcmp(what, "SRV")) {
		sim_dns_add_srv(net->sim, name, (uint16_t)luaL_checkinteger(L, 4),
			(uint16_t)luaL_checkinteger(L, 5), (uint16_t)luaL_checkinteger(L, 6),
			luaL_checkstring(L, 7));
	} else if (!strcmp(what, "silent")) {
		sim_dns_silent(net->sim, name);
	} else if (!strcmp(what, "fail")) {
		sim_dns_fail(net->sim, name);
	} else if (!strcmp(what, "remove")) {
		sim_dns_remove(net->sim, name);
	} else {
		if (!addr_parse_ip(check_span(L, 4), 0, &record.addr))
			return luaL_error(L, "'%s' is no IP address", lua_tostring(L, 4));
		record.type = record.addr.sa.sa_family == AF_INET6 ? DNS_AAAA : DNS_A;
		sim_dns_add(net->sim, name, &record,
			(uint32_t)(luaL_optnumber(L, 5, SIM_DNS_MS / 1e3) * 1e3));
	}
	return 0;
}

/* ---- time ---- */

static int l_advance(lua_State *L)
{
	struct net *net = check_net(L);
	sim_run_until(net->sim, sim_now_us(net->sim) + (int64_t)(luaL_checknumber(L, 2) * 1e6));
	return 0;
}

static int l_run_idle(lua_State *L)
{
	sim_run_idle(check_net(L)->sim, (int64_t)(luaL_checknumber(L, 2) * 1e6));
	return 0;
}

static int l_now(lua_State *L)
{
	lua_pushnumber(L, (double)(sim_now_us(check_net(L)->sim) - SIM_START_US) / 1e6);
	return 1;
}

static int l_shift_wall(lua_State *L)
{
	sim_shift_wall(check_net(L)->sim, (int64_t)(luaL_checknumber(L, 2) * 1e3));
	return 0;
}

static int l_connections(lua_State *L)
{
	lua_pushnumber(L, (double)sim_connections(check_net(L)->sim));
	return 1;
}

static int l_dead(lua_State *L)
{
	struct engine *engine = check_net(L)->engine;
	struct dead_target dead;
	uint32_t position = 0;
	char text[ADDR_TEXT_MAX];
	lua_newtable(L);
	while (targets_walk(engine->targets, &position, &dead, engine_now_ms(engine))) {
		lua_pushlstring(L, text, addr_print(&dead.addr, text));
		lua_pushstring(L, dead.reason);
		lua_rawset(L, -3);
	}
	return 1;
}

static int l_hash(lua_State *L)
{
	char text[20];
	snprintf(text, sizeof text, "%016llx",
		(unsigned long long)sim_trace_hash(check_net(L)->sim));
	lua_pushstring(L, text);
	return 1;
}

/* CPU time of this process, in seconds. */
static int l_cpu(lua_State *L)
{
	struct timespec used;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	lua_pushnumber(L, (double)used.tv_sec + (double)used.tv_nsec / 1e9);
	return 1;
}

/* What phones prove their passwords with: "MD5", text. */
static int l_digest(lua_State *L)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	char text[2 * EVP_MAX_MD_SIZE];
	size_t n;
	struct span data = check_span(L, 2);
	if (!EVP_Q_digest(NULL, luaL_checkstring(L, 1), NULL, data.p, data.n, bytes, &n))
		return luaL_error(L, "there is no digest '%s'", lua_tostring(L, 1));
	for (size_t i = 0; i < n; i++) {
		text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	lua_pushlstring(L, text, 2 * n);
	return 1;
}

static const luaL_Reg net_methods[] = {
	{"close", l_close},
	{"load", l_load},
	{"rollback", l_rollback},
	{"check", l_check},
	{"status", l_status},
	{"watched", l_watched},
	{"counters", l_counters},
	{"legs", l_legs},
	{"leftovers", l_leftovers},
	{"log_level", l_log_level},
	{"take_line", l_take_line},
	{"phone", l_phone},
	{"close_phone", l_close_phone},
	{"stop_reading", l_stop_reading},
	{"inject", l_inject},
	{"hang_up", l_hang_up},
	{"take", l_take},
	{"link", l_link},
	{"occupy", l_occupy},
	{"unreachable", l_unreachable},
	{"dns", l_dns},
	{"advance", l_advance},
	{"run_idle", l_run_idle},
	{"now", l_now},
	{"shift_wall", l_shift_wall},
	{"connections", l_connections},
	{"dead", l_dead},
	{"hash", l_hash},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	lua_State *L = luaL_newstate();
	char root[] = FLOW_ROOT;
	luaL_openlibs(L);
	luaL_newmetatable(L, NET);
	luaL_register(L, NULL, net_methods);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, l_close);
	lua_setfield(L, -2, "__gc");
	lua_newtable(L);
	lua_pushcfunction(L, l_net);
	lua_setfield(L, -2, "net");
	lua_pushcfunction(L, l_cpu);
	lua_setfield(L, -2, "cpu");
	lua_pushcfunction(L, l_digest);
	lua_setfield(L, -2, "digest");
	set_text(L, "root", root);
	set_number(L, "pid", getpid());
	lua_setglobal(L, "core");
	lua_pushfstring(L, "%s/tests/flow/flow.lua", root);
	if (luaL_loadfile(L, lua_tostring(L, -1))) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		return 2;
	}
	for (int i = 1; i < argc; i++)
		lua_pushstring(L, argv[i]);
	if (lua_pcall(L, argc - 1, 1, 0)) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		return 2;
	}
	int rc = (int)lua_tointeger(L, -1);
	lua_close(L);
	return rc;
}

/* A script is a generation: one Lua state with what the script returned, the tasks that run in it
 * and the timers they started. It is loaded aside, put to work or thrown away, and closed when
 * nothing in it is pending any more. It holds nothing that must survive it.
 *
 * Only core/script includes lua.h. C enters Lua in task.c only (and once, at boot, in vm.c). */
#pragma once

#include "engine/authorizer.h"
#include "engine/engine.h"
#include "engine/proxy.h"
#include "engine/registrar.h"
#include "engine/relay.h"
#include "engine/resolve.h"
#include "script/abi_c.h"
#include "script/host.h"

struct lua_State;

enum {
	SCRIPT_REGISTRARS_MAX = 64,
	SCRIPT_AUTHORIZERS_MAX = 64,
	SCRIPT_PROXIES_MAX = 64,
	SCRIPT_MODULES_MAX = 256, /* files a script may require */
	SCRIPT_TIMERS_MAX = 10000,
	SCRIPT_QUESTIONS_MAX = 1024,	/* to its dnsresolv, unanswered at one time */
	SCRIPT_TASKS_MAX = 20000,	/* running and waiting at one time */
	SCRIPT_HEADERS_MAX = 16 * 1024, /* bytes of further headers in one reply */
};

struct task;

struct script_timer {
	struct timer timer;
	struct vd_script *script;
	uint64_t id;
	int64_t period_ms; /* 0: once */
	int64_t delay_ms;
	bool from_load; /* made while the script loaded: runs while the script is current */
	struct script_timer *next, **at;
};

struct vd_script {
	struct host *host;
	struct engine *engine;
	struct lua_State *L;
	size_t memory, memory_max; /* bytes */
	int worker;		   /* reference to the function every task runs */
	bool loading, current;

	uint32_t number; /* 0: never put to work */
	char *file;
	int64_t loaded_at; /* ms since 1970 */
	const char *by;

	char legs[LEGS_MAX][LEG_SPEC_MAX];
	uint32_t n_legs;
	char *modules[SCRIPT_MODULES_MAX];
	uint32_t n_modules;
	struct registrar *registrars[SCRIPT_REGISTRARS_MAX];
	uint32_t n_registrars;
	struct authorizer *authorizers[SCRIPT_AUTHORIZERS_MAX];
	uint32_t n_authorizers;
	struct routing routing;
	struct script_question *questions; /* to its dnsresolv; newest first */
	uint32_t n_questions;
	uint64_t last_question;
	struct timer asker; /* starts tasks for those not asked yet */
	bool has_routing;
	struct txn_times times; /* of the engine, while this script is at work */
	struct proxy *stateless[SCRIPT_PROXIES_MAX];
	uint32_t n_stateless;

	struct task *running, *idle, *waiting;
	uint32_t n_tasks;
	struct script_timer *timers;
	uint32_t n_timers;
	uint32_t n_deliveries; /* that it is to be told of, or that use its routing */
	uint64_t last_timer;

	/* Of the ABI calls that go step by step. */
	struct msg_values values;
	struct span unlisted_name; /* values of a header without id: next index */
	int unlisted_at;
	char name[MSG_NAME_MAX]; /* of the header asked for; also short texts given out */
	double values_of;
	struct registrar_cursor bindings;
	char headers[SCRIPT_HEADERS_MAX];
	uint32_t headers_n;
	struct span body, body_type;
	struct resolve_query query;
	struct locate_target *judged; /* borrowed; while the script is asked about them */
	uint32_t n_judged;
	struct span proxies[DOMAIN_MAP_PROXIES_MAX]; /* texts owned */
	uint32_t n_proxies;
	struct relay_target targets[RELAY_TARGETS_MAX]; /* texts owned */
	uint32_t n_targets;
	char *scratch; /* malloc'ed text given out last */

	struct vd_script *next; /* in the host's list */
};

/* Opens a state and loads the file. NULL with `failure` filled when anything is wrong with it. */
struct vd_script *script_load(struct host *host, const char *file, struct script_failure *failure);
/* Cancels what is pending; waiting handlers are ended as failed. */
void script_free(struct vd_script *script);
/* Puts it to work, or takes it off: timers made at load run only in between. */
void script_activate(struct vd_script *script);
void script_deactivate(struct vd_script *script);
/* Neither task nor timer of a message is pending. */
bool script_is_idle(const struct vd_script *script);
void script_timer_free(struct script_timer *timer);

/* abi_resolver.c */
void script_questions_free(struct vd_script *script);

/* vm.c */
bool vm_open(struct vd_script *script, struct script_failure *failure);
/* All garbage goes. Shrinking its tables the collector may ask for memory first: here beyond the
 * limit. */
void vm_collect(struct vd_script *script);
void vm_close(struct vd_script *script);

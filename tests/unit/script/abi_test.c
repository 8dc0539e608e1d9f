/* What core/script/abi.h promises: no function touches a message that is gone, and Lua sees structs
 * and functions as C compiled them. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "script/task.h"
#include "script_bench.h"

static char abi_text[64 * 1024];

/* ---- the functions, each called with a number that is no message ---- */

static const char *called[128];
static size_t n_called;

static bool was_called(const char *name)
{
	for (size_t i = 0; i < n_called; i++)
		if (strcmp(called[i], name) == 0)
			return true;
	return false;
}

static void note_call(const char *name)
{
	if (!was_called(name))
		called[n_called++] = name;
}

#define CALL(function, wanted, ...)                                                                \
	do {                                                                                       \
		double result = function(__VA_ARGS__);                                             \
		note_call(#function);                                                              \
		if (result != (wanted))                                                            \
			fail_msg(#function " gave %g, not " #wanted, result);                      \
	} while (0)

static void call_with_message(struct vd_script *script, double gone)
{
	vd_value out = {0}, value = {0};
	vd_plan plan;
	vd_contact contact;
	for (int fact = VD_METHOD; fact <= VD_DECISION; fact++)
		CALL(vd_message_fact, VD_GONE, script, gone, fact, &out);
	CALL(vd_message_values, VD_GONE, script, gone, "Via", 3);
	CALL(vd_message_next_value, VD_GONE, script, gone, &out);
	CALL(vd_message_header_at, VD_GONE, script, gone, 0, &out, &value);
	CALL(vd_message_text, VD_GONE, script, gone, &out);
	CALL(vd_message_set_header, VD_GONE, script, gone, "X", 1, "1", 1);
	CALL(vd_message_add_header, VD_GONE, script, gone, "X", 1, "1", 1);
	CALL(vd_message_remove_header, VD_GONE, script, gone, "X", 1);
	CALL(vd_message_set_uri, VD_GONE, script, gone, "sip:a@b", 7);
	CALL(vd_message_retarget, VD_GONE, script, gone, "sip:a@b", 7);
	CALL(vd_message_set_body, VD_GONE, script, gone, "x", 1, "text/plain", 10);
	CALL(vd_reply_begin, VD_GONE, script, gone);
	CALL(vd_reply_send, VD_GONE, script, gone, 200, "OK", 2);
	CALL(vd_message_drop, VD_GONE, script, gone, VD_DROP_SCRIPT, "gone", 4);
	CALL(vd_message_drop, VD_BAD_VALUE, script, gone, VD_DROP_SOURCE + 1, "gone", 4);
	vd_rate rate = {.attempts = 1, .interval = 1};
	CALL(vd_message_rate, VD_GONE, script, gone, &rate, "x", 1);
	CALL(vd_proxy_forward, VD_GONE, script, 0, gone);
	CALL(vd_proxy_forward_found, VD_GONE, script, 0, gone);
	CALL(vd_wait_target, VD_GONE, script, 0, gone);
	CALL(vd_proxy_plan, VD_GONE, script, 0, gone, &plan);
	CALL(vd_proxy_plan_found, VD_GONE, script, 0, gone, &plan);
	CALL(vd_proxy_send, VD_GONE, script, 0, gone);
	CALL(vd_proxy_refuse, VD_GONE, script, 0, gone, 500, "no", 2);
	CALL(vd_contact_of_uri, VD_GONE, script, gone, &contact);
	CALL(vd_contact_set_uri, VD_GONE, script, gone, "a@b", 3, "", 0);
	CALL(vd_contact_at, VD_GONE, script, gone, 0, &contact);
	CALL(vd_contact_restore, VD_GONE, script, gone, 0, "a@b", 3);
	CALL(vd_contact_show, VD_GONE, script, gone, 0, "a", 1, 1);
	CALL(vd_relay_begin, VD_GONE, script, gone);
	CALL(vd_relay_start, VD_REFUSED, script, gone, 0, 0, -1);
	CALL(vd_message_in_dialog, VD_GONE, script, gone);
	CALL(vd_deliver, VD_GONE, script, gone, "", 0, "", 0, "", 0, 0, 0, 0, 0);
	CALL(vd_registrar_receive, VD_GONE, script, 0, gone);
	CALL(vd_registrar_route, VD_GONE, script, gone);
	CALL(vd_registrar_way, VD_GONE, script, gone, "<sip:h;lr>", 10, 0);
	CALL(vd_registrar_serves, VD_GONE, script, 0, gone);
	CALL(vd_registrar_lacks, VD_GONE, script, 0, gone);
	CALL(vd_auth_find, VD_GONE, script, 0, gone, "r", 1, &out);
	CALL(vd_auth_check, VD_GONE, script, 0, gone, "r", 1, VD_PASSWORD, "p", 1, 0);
	CALL(vd_auth_was_let_in, VD_GONE, script, 0, gone, "r", 1);
	CALL(vd_auth_strip, VD_GONE, script, 0, gone, "r", 1);
	CALL(vd_auth_challenge, VD_GONE, script, 0, gone, "r", 1, 0);
}

/* Those without a message: with numbers and texts that are none, outside of any task. */
static void call_without_message(struct vd_script *script)
{
	vd_uri uri;
	vd_address address;
	vd_value name, value;
	vd_binding binding;
	vd_record record;
	vd_leg leg;
	vd_target target;
	vd_registrar options = {.min_expires = 2, .max_expires = 1};
	vd_proxy proxy = {.rewrites = 1};
	uint32_t at = 99;
	CALL(vd_reply_header, VD_BAD_NAME, script, "no name", 7, "", 0);
	CALL(vd_reply_header, VD_BAD_VALUE, script, "X", 1, "a\r\nb", 4);
	CALL(vd_reply_header, VD_REFUSED, script, "l", 1, "0", 1);
	CALL(vd_reply_body, VD_BAD_VALUE, script, "x", 1, "a\nb", 3);
	CALL(vd_uri_parse, VD_BAD_VALUE, "sip:", 4, &uri);
	CALL(vd_address_parse, VD_BAD_VALUE, script, "<sip:", 5, &address);
	CALL(vd_param_next, VD_ABSENT, script, ";a", 2, &at, &name, &value);
	CALL(vd_registrar_new, VD_BAD_VALUE, script, &options);
	CALL(vd_registrar_domain, VD_MISUSE, script, 99, "a", 1);
	CALL(vd_registrar_domain, VD_MISUSE, script, -1, "a", 1);
	CALL(vd_registrar_domain, VD_BAD_VALUE, script, 0, "", 0);
	vd_authorizer authorizer = {.auth = 1, .life = 300, .n_algorithms = 4};
	CALL(vd_authorizer_new, VD_BAD_VALUE, script, &authorizer, "", 0);
	authorizer.n_algorithms = 1;
	authorizer.algorithms[0] = VD_ALGORITHMS;
	CALL(vd_authorizer_new, VD_BAD_VALUE, script, &authorizer, "", 0);
	authorizer.algorithms[0] = VD_MD5;
	CALL(vd_authorizer_new, VD_BAD_VALUE, script, &authorizer, "a\nb", 3);
	authorizer.life = 0.0 / 0.0;
	CALL(vd_authorizer_new, VD_BAD_VALUE, script, &authorizer, "", 0);
	CALL(vd_proxy_new, script->n_stateless - 1.0, script, &proxy, 1);
	CALL(vd_proxy_key, VD_MISUSE, script, 99, "0123456789abcdef", 16);
	CALL(vd_proxy_key, VD_MISUSE, script, -1, "0123456789abcdef", 16);
	CALL(vd_proxy_key, VD_BAD_VALUE, script, 0, "0123456789abcde", 15);
	CALL(vd_letters, VD_LIMIT, script, "", 1 << 30, &value);
	CALL(vd_letters_undo, VD_ABSENT, script, "1", 1, &value);
	CALL(vd_letters_undo, VD_LIMIT, script, "", 1 << 30, &value);
	CALL(vd_registrar_query, VD_BAD_VALUE, script, "sip:", 4);
	CALL(vd_registrar_next, VD_ABSENT, script, &binding);
	CALL(vd_registrar_expire, 0, script);
	CALL(vd_wait_sleep, VD_REFUSED, script, 1);
	CALL(vd_wait_lookup, VD_REFUSED, script, DNS_A, "a", 1, 1);
	CALL(vd_relay_target, VD_BAD_VALUE, script, "sip:", 4, 0);
	CALL(vd_relay_way, VD_REFUSED, script, "<sip:h;lr>", 10, 0);
	CALL(vd_relay_result, VD_REFUSED, script, &value);
	CALL(vd_lookup_status, VD_REFUSED, script);
	CALL(vd_lookup_record, VD_ABSENT, script, 0, &record);
	CALL(vd_dispatcher_proxy, VD_REFUSED, script, "192.0.2.1", 9);
	CALL(vd_dispatcher_domain, VD_REFUSED, script, "com", 3, &value);
	CALL(vd_dispatcher_repeats, VD_REFUSED, script);
	CALL(vd_dispatcher_times, VD_REFUSED, script, 0.5, 4, 5);
	CALL(vd_resolver_use, VD_REFUSED, script);
	CALL(vd_resolver_record, VD_GONE, script, 1, DNS_A, 0, 0, 0, "192.0.2.1", 9);
	CALL(vd_resolver_done, VD_GONE, script, 1);
	CALL(vd_judge_use, VD_OK, script);
	CALL(vd_judge_target, VD_ABSENT, script, 0, "udp:", 4, &target);
	CALL(vd_judge_says, VD_ABSENT, script, 0, "udp:", 4, 1);
	CALL(vd_request_new, VD_REFUSED, script, "", 0, &value);
	CALL(vd_delivery_cancel, 0, script, 0.0 / 0.0);
	CALL(vd_delivery_cancel_id, 0, script, "x", 1);
	CALL(vd_delivery_cancel_call, 0, script, "x", 1);
	CALL(vd_delivery_next, 0, script);
	CALL(vd_resolve_begin, VD_OK, script);
	CALL(vd_resolve_transport, VD_BAD_VALUE, script, 4);
	CALL(vd_resolve_leg, VD_GONE, script, 12345);
	CALL(vd_wait_resolve, VD_REFUSED, script, "sip:a@b", 7);
	CALL(vd_resolve_target, VD_ABSENT, script, 0, &target);
	CALL(vd_resolve_error, VD_REFUSED, script, &value);
	CALL(vd_timer_start, VD_BAD_VALUE, script, 0.0 / 0.0, 0);
	CALL(vd_timer_start, VD_BAD_VALUE, script, -1, 0);
	CALL(vd_timer_start, VD_BAD_VALUE, script, 1, 1e300);
	CALL(vd_timer_stop, VD_ABSENT, script, 12345);
	CALL(vd_now, sim_now_us(((struct bench *)script->engine->log->self)->sim) / 1e6, script);
	CALL(vd_log, VD_BAD_VALUE, script, 99, "x", 1);
	CALL(vd_leg_at, VD_ABSENT, script, LEGS_MAX, &leg);
	CALL(vd_leg_add, VD_BAD_VALUE, script, "udp", 3, &value);
	CALL(vd_leg_remove, VD_GONE, script, 12345);
	CALL(vd_load_leg, VD_BAD_VALUE, script, "udp:127.0.0.1:5060", 18);
	assert_true(vd_time(script) > 1e9);
	double random = vd_random(script);
	assert_true(random >= 0 && random < 1);
	assert_int_equal(vd_load_module(script, "x.lua", 5), VD_OK);
	note_call("vd_time");
	note_call("vd_random");
	note_call("vd_load_module");
}

/* Takes the next name that `before` stands in front of and `after` behind, at the beginning of a
 * line. */
static bool next_name(const char **at, const char *before, char after, char name[64])
{
	for (const char *line = *at; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		size_t n = strlen(before);
		if (strncmp(line, before, n))
			continue;
		size_t length = strcspn(line + n, " (;{,");
		const char *end = line + n + length;
		if (length >= 64 || *end != after)
			continue;
		memcpy(name, line + n, length);
		name[length] = '\0';
		*at = end;
		return true;
	}
	return false;
}

static size_t each_function(void (*look)(void *arg, const char *name), void *arg)
{
	static const char *const types[] = {"int ", "double ", "uint32_t "};
	size_t n = 0;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		const char *at = abi_text;
		char name[64];
		for (; next_name(&at, types[i], '(', name); n++)
			look(arg, name);
	}
	return n;
}

static void must_be_called(void *arg, const char *name)
{
	(void)arg;
	if (!was_called(name))
		fail_msg("no test calls %s with what is no message", name);
}

/* ---- tests ---- */

static void dead_handles_are_refused_by_every_function(void **state)
{
	struct bench bench;
	(void)state;
	bench_open(&bench, "scripts/proxy.lua");
	bench.log.self = &bench;
	bench_request(&bench, "OPTIONS", 1);
	assert_int_equal(bench.n_heard, 1);
	assert_int_equal(bench.engine->n_live, 0);
	struct vd_script *script = bench.host->current;
	call_with_message(script, bench.handle);
	call_without_message(script);
	assert_true(each_function(must_be_called, NULL) > 40);
	bench_close(&bench);
}

/* The slot is the same, the message is another. */
static void a_handle_does_not_come_alive_with_the_next_message(void **state)
{
	struct bench bench;
	(void)state;
	bench_open(&bench, "scripts/proxy.lua");
	bench_request(&bench, "OPTIONS", 1);
	double first = bench.handle;
	struct packet *packet = bench.packet;
	bench_request(&bench, "OPTIONS", 2);
	assert_ptr_equal(bench.packet, packet);
	assert_true(bench.handle != first);
	call_with_message(bench.host->current, first);
	bench_close(&bench);
}

static void numbers_that_never_were_handles_are_refused(void **state)
{
	static const double numbers[] = {-1, -0.5, 0.0 / 0.0, 1.0 / 0.0, -1.0 / 0.0, 1e300, 0x1p53,
		0x1p64, 4503599627370495.0, 1048575, 123456789};
	struct bench bench;
	(void)state;
	bench_open(&bench, "scripts/proxy.lua");
	bench_request(&bench, "OPTIONS", 1);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		call_with_message(bench.host->current, numbers[i]);
	}
	bench_close(&bench);
}

static void look_at_live_message(struct bench *bench)
{
	struct vd_script *script = bench->host->current;
	vd_value out;
	assert_int_equal(vd_message_fact(script, bench->handle, VD_METHOD, &out), VD_TEXT);
	assert_true(span_eq(span_of(out.p, out.n), SPAN("OPTIONS")));
	assert_int_equal(vd_message_fact(script, bench->handle, 99, &out), VD_MISUSE);
	assert_int_equal(vd_message_fact(script, bench->handle, -1, &out), VD_MISUSE);
	assert_int_equal(vd_message_header_at(script, bench->handle, 4096, &out, &out), VD_ABSENT);
	assert_int_equal(vd_registrar_receive(script, 99, bench->handle), VD_MISUSE);
	assert_int_equal(vd_auth_challenge(script, 99, bench->handle, "r", 1, 0), VD_MISUSE);
	assert_int_equal(vd_auth_strip(script, -1, bench->handle, "r", 1), VD_MISUSE);
	assert_int_equal(vd_registrar_serves(script, -1, bench->handle), VD_MISUSE);
	assert_int_equal(vd_registrar_lacks(script, 1 << 30, bench->handle), VD_MISUSE);
	assert_int_equal(vd_proxy_forward(script, 99, bench->handle), VD_MISUSE);
	assert_int_equal(vd_proxy_forward_found(script, 0, bench->handle), VD_MISUSE);
	assert_int_equal(vd_wait_target(script, 0, bench->handle), VD_REFUSED);
	assert_int_equal(vd_contact_restore(script, bench->handle, 9999, "a@b", 3), VD_LIMIT);
	assert_int_equal(vd_contact_show(script, bench->handle, 0, "a", 1, 1 << 30), VD_MISUSE);
	assert_int_equal(vd_relay_begin(script, bench->handle), VD_REFUSED);
	assert_int_equal(vd_relay_start(script, bench->handle, 0, 0, -1), VD_REFUSED);
	assert_int_equal(vd_message_next_value(script, bench->handle, &out), VD_MISUSE);
	assert_int_equal(vd_reply_send(script, bench->handle, 99, "", 0), VD_BAD_VALUE);
	assert_int_equal(vd_reply_send(script, bench->handle, 200, "a\nb", 3), VD_BAD_VALUE);
	bench->n_heard += 1000;
}

static void a_live_message_is_there_and_wrong_numbers_beside_it_are_refused(void **state)
{
	struct bench bench;
	(void)state;
	bench_open(&bench, "scripts/proxy.lua");
	bench.look = look_at_live_message;
	bench_request(&bench, "OPTIONS", 1);
	assert_int_equal(bench.n_heard, 1001);
	bench_close(&bench);
}

/* ---- what Lua sees ---- */

struct field {
	const char *of, *name; /* name NULL: the struct itself */
	size_t offset;
};

#define SIZE(type)                                                                                 \
	{                                                                                          \
#type, NULL, sizeof(type)                                                          \
	}
#define FIELD(type, field)                                                                         \
	{                                                                                          \
#type, #field, offsetof(type, field)                                               \
	}

static const struct field fields[] = {
	SIZE(vd_value),
	FIELD(vd_value, number),
	FIELD(vd_value, p),
	FIELD(vd_value, n),
	FIELD(vd_value, extra),
	SIZE(vd_uri),
	FIELD(vd_uri, scheme),
	FIELD(vd_uri, user),
	FIELD(vd_uri, password),
	FIELD(vd_uri, host),
	FIELD(vd_uri, params),
	FIELD(vd_uri, headers),
	FIELD(vd_uri, port),
	SIZE(vd_address),
	FIELD(vd_address, display),
	FIELD(vd_address, uri),
	FIELD(vd_address, params),
	SIZE(vd_authorizer),
	FIELD(vd_authorizer, is_proxy),
	FIELD(vd_authorizer, any_uri),
	FIELD(vd_authorizer, auth),
	FIELD(vd_authorizer, auth_int),
	FIELD(vd_authorizer, algorithms),
	FIELD(vd_authorizer, n_algorithms),
	FIELD(vd_authorizer, life),
	SIZE(vd_rate),
	FIELD(vd_rate, attempts),
	FIELD(vd_rate, per_port),
	FIELD(vd_rate, interval),
	SIZE(vd_registrar),
	FIELD(vd_registrar, min_expires),
	FIELD(vd_registrar, max_expires),
	FIELD(vd_registrar, default_expires),
	SIZE(vd_binding),
	FIELD(vd_binding, contact),
	FIELD(vd_binding, params),
	FIELD(vd_binding, call_id),
	FIELD(vd_binding, path),
	FIELD(vd_binding, leg),
	FIELD(vd_binding, expires),
	FIELD(vd_binding, q),
	FIELD(vd_binding, cseq),
	SIZE(vd_record),
	FIELD(vd_record, type),
	FIELD(vd_record, ttl),
	FIELD(vd_record, priority),
	FIELD(vd_record, weight),
	FIELD(vd_record, port),
	FIELD(vd_record, text),
	FIELD(vd_record, flags),
	FIELD(vd_record, service),
	SIZE(vd_target),
	FIELD(vd_target, addr),
	FIELD(vd_target, leg),
	FIELD(vd_target, transport),
	FIELD(vd_target, family),
	FIELD(vd_target, dead),
	FIELD(vd_target, port),
	SIZE(vd_leg),
	FIELD(vd_leg, spec),
	FIELD(vd_leg, address),
	FIELD(vd_leg, host),
	FIELD(vd_leg, ip),
	FIELD(vd_leg, port),
	FIELD(vd_leg, transport),
	FIELD(vd_leg, serial),
	FIELD(vd_leg, place),
	SIZE(vd_proxy),
	FIELD(vd_proxy, rewrites),
	FIELD(vd_proxy, by_script),
	FIELD(vd_proxy, force),
	FIELD(vd_proxy, quiet),
	SIZE(vd_plan),
	FIELD(vd_plan, incoming),
	FIELD(vd_plan, outgoing),
	FIELD(vd_plan, hides),
	FIELD(vd_plan, apart),
	FIELD(vd_plan, late),
	SIZE(vd_contact),
	FIELD(vd_contact, contact),
	FIELD(vd_contact, word),
	FIELD(vd_contact, is_refer_to),
	FIELD(vd_contact, is_last),
	SIZE(enum vd_code),
	SIZE(enum vd_fact),
};

static const char helpers[] =
	"local ffi, text = require 'ffi', ...\n"
	"ffi.cdef(text)\n"
	"function size_of(type) return ffi.sizeof(type) end\n"
	"function offset_of(type, field) return ffi.offsetof(type, field) end\n"
	"function fields_of(type)\n"
	"	local body = text:match('struct ' .. type .. ' (%b{})'):gsub('//[^\\n]*', '')\n"
	"	local n = 0\n"
	"	for names in body:gmatch '([^;{]+);' do n = n + 1 + select(2, names:gsub(',', "
	"',')) end\n"
	"	return n\n"
	"end\n"
	"function resolves(name) return ffi.C[name] ~= nil end\n"
	"function value_of(name) return tonumber(ffi.C[name]) end\n";

static lua_State *open_lua(void)
{
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	assert_int_equal(luaL_loadstring(L, helpers), 0);
	lua_pushstring(L, abi_text);
	if (lua_pcall(L, 1, 0, 0))
		fail_msg("%s", lua_tostring(L, -1));
	return L;
}

/* function(a, b) in Lua; -1 when it fails or gives nothing. `b` may be NULL. */
static double ask(lua_State *L, const char *function, const char *a, const char *b)
{
	lua_getglobal(L, function);
	lua_pushstring(L, a);
	lua_pushstring(L, b);
	bool failed = lua_pcall(L, 2, 1, 0);
	double answer = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : lua_toboolean(L, -1);
	if (failed || lua_isnil(L, -1))
		answer = -1;
	lua_pop(L, 1);
	return answer;
}

static void structs_are_in_lua_what_they_are_in_c(void **state)
{
	(void)state;
	lua_State *L = open_lua();
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		const struct field *field = &fields[i];
		double seen = field->name ? ask(L, "offset_of", field->of, field->name)
					  : ask(L, "size_of", field->of, NULL);
		if (seen != (double)field->offset)
			fail_msg("%s.%s: %g in Lua, %zu in C", field->of,
				field->name ? field->name : "size", seen, field->offset);
	}
	lua_close(L);
}

static size_t n_fields_of(const char *type)
{
	size_t n = 0;
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		n += strcmp(fields[i].of, type) == 0 && fields[i].name;
	return n;
}

static void no_struct_or_field_is_left_out_of_this_test(void **state)
{
	(void)state;
	lua_State *L = open_lua();
	const char *at = abi_text;
	char name[64];
	size_t n = 0;
	for (; next_name(&at, "typedef struct ", ' ', name); n++)
		if (strcmp(name, "vd_script") &&
			ask(L, "fields_of", name, NULL) != (double)n_fields_of(name))
			fail_msg("fields[] has not all of %s", name);
	assert_true(n > 7);
	lua_close(L);
}

static void must_resolve(void *arg, const char *name)
{
	if (ask(arg, "resolves", name, NULL) != 1)
		fail_msg("Lua does not find %s: is it defined, and visible?", name);
}

static void every_function_declared_is_found_by_lua(void **state)
{
	(void)state;
	lua_State *L = open_lua();
	assert_true(each_function(must_resolve, L) > 40);
	assert_true(ask(L, "resolves", "vd_no_such_function", NULL) == -1);
	lua_close(L);
}

static void codes_and_facts_have_the_same_values(void **state)
{
	static const struct {
		const char *name;
		int value;
	} values[] = {{"VD_GONE", VD_GONE}, {"VD_MISUSE", VD_MISUSE}, {"VD_RESOLVE", VD_RESOLVE},
		{"VD_DECISION", VD_DECISION}, {"VD_SOURCE_IP", VD_SOURCE_IP}};
	(void)state;
	lua_State *L = open_lua();
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		assert_true(ask(L, "value_of", values[i].name, NULL) == values[i].value);
	lua_close(L);
}

static int read_abi(void **state)
{
	(void)state;
	FILE *file = fopen("core/script/abi.h", "r");
	if (!file)
		return -1;
	size_t n = fread(abi_text, 1, sizeof abi_text - 1, file);
	fclose(file);
	return n > 0 && n < sizeof abi_text - 1 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dead_handles_are_refused_by_every_function),
		cmocka_unit_test(a_handle_does_not_come_alive_with_the_next_message),
		cmocka_unit_test(numbers_that_never_were_handles_are_refused),
		cmocka_unit_test(a_live_message_is_there_and_wrong_numbers_beside_it_are_refused),
		cmocka_unit_test(structs_are_in_lua_what_they_are_in_c),
		cmocka_unit_test(no_struct_or_field_is_left_out_of_this_test),
		cmocka_unit_test(every_function_declared_is_found_by_lua),
		cmocka_unit_test(codes_and_facts_have_the_same_values),
	};
	return cmocka_run_group_tests(tests, read_abi, NULL);
}

/* Opening and closing Lua states: memory limit, libraries, and the boot of lua/viaduct. */
#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "script/host_private.h"
#include "script/script.h"

/* abi.h as text, for ffi.cdef. */
__asm__(".section .rodata\n"
	"vd_abi_text:\n"
	".incbin \"core/script/abi.h\"\n"
	"vd_abi_text_end:\n"
	".byte 0\n"
	".previous\n");
extern const char vd_abi_text[], vd_abi_text_end[];

static void *limited(void *self, void *p, size_t old_n, size_t n)
{
	struct vd_script *script = self;
	size_t had = p ? old_n : 0;
	if (!n) {
		free(p);
		script->memory -= had;
		return NULL;
	}
	if (n > had && script->memory + (n - had) > script->memory_max)
		return NULL;
	void *q = realloc(p, n);
	if (q)
		script->memory += n - had;
	return q;
}

/* jit_off(prototype): this one is interpreted for ever. */
static int jit_off(lua_State *L)
{
	lua_pushboolean(L, luaJIT_setmode(L, 1, LUAJIT_MODE_FUNC | LUAJIT_MODE_OFF));
	return 1;
}

static void push_span(lua_State *L, struct span s)
{
	lua_pushlstring(L, s.p, s.n);
}

static void push_settings(lua_State *L, const struct host_options *options)
{
	lua_newtable(L);
	for (uint32_t i = 0; i < options->n_settings; i++) {
		push_span(L, options->settings[i].key);
		push_span(L, options->settings[i].value);
		lua_rawset(L, -3);
	}
}

/* Runs lua/viaduct/boot.lua, which gives back the function that every task runs. In protected mode:
 * any Lua error, lack of memory included, ends here. */
static int boot(lua_State *L)
{
	struct vd_script *script = lua_touserdata(L, 1);
	const struct host_options *options = script->host->options;
	luaL_openlibs(L);
	/* Recursion is never compiled into a loop that no hook could interrupt; and a handler with
	 * its many tail calls, which count as unrolled, is compiled all the same. */
	luaL_loadstring(L, "require('jit.opt').start('recunroll=100000', 'loopunroll=60')");
	lua_call(L, 0, 0);
	lua_getglobal(L, "package");
	lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;", options->library, options->library);
	lua_getfield(L, -2, "path");
	lua_concat(L, 2);
	lua_setfield(L, -2, "path");
	lua_pop(L, 1);

	lua_pushfstring(L, "%s/viaduct/boot.lua", options->library);
	if (luaL_loadfile(L, lua_tostring(L, -1)))
		return lua_error(L);
	lua_pushlightuserdata(L, script);
	lua_pushlstring(L, vd_abi_text, (size_t)(vd_abi_text_end - vd_abi_text));
	lua_pushstring(L, script->file);
	push_settings(L, options);
	lua_pushcfunction(L, jit_off);
	lua_call(L, 5, 1);
	luaL_checktype(L, -1, LUA_TFUNCTION);
	script->worker = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

bool vm_open(struct vd_script *script, struct script_failure *failure)
{
	script->L = lua_newstate(limited, script);
	if (!script->L) {
		snprintf(failure->message, sizeof failure->message, "no memory for a Lua state");
		return false;
	}
	if (lua_cpcall(script->L, boot, script) == 0)
		return true;
	const char *reason = lua_tostring(script->L, -1);
	snprintf(failure->message, sizeof failure->message,
		"Viaduct's Lua library does not start: %s", reason ? reason : "unknown error");
	return false;
}

void vm_collect(struct vd_script *script)
{
	size_t limit = script->memory_max;
	script->memory_max = SIZE_MAX;
	lua_gc(script->L, LUA_GCCOLLECT, 0);
	script->memory_max = limit;
}

void vm_close(struct vd_script *script)
{
	if (script->L)
		lua_close(script->L);
	script->L = NULL;
}

rockspec_format = "3.0"
package = "viaduct"
version = "scm-1"

description = {
	summary = "A SIP routing engine whose every decision is a Lua script",
	detailed = [[
		A C core does parsing, legs and state; each SIP message is handed to a Lua script that decides what
		becomes of it. Scripts are replaced between two messages, without a call lost.
	]],
	license = "MIT",
	labels = { "sip", "network", "telephony" },
}

-- A working copy is the source: run `luarocks make` in it.
source = { url = "git+file://." }

supported_platforms = { "linux" }
dependencies = { "lua == 5.1" } -- its LuaJIT comes linked, as do libev, c-ares, jansson and libcrypto
external_dependencies = {
	LUAJIT = { library = "luajit-5.1" },
	EV = { library = "ev" },
	CARES = { library = "cares" },
	JANSSON = { library = "jansson" },
	CRYPTO = { library = "crypto" },
}

build = {
	type = "make",
	build_variables = { CC = "$(CC)" },
	install_variables = { PREFIX = "$(PREFIX)", BINDIR = "$(BINDIR)", LUADIR = "$(LUADIR)" },
}

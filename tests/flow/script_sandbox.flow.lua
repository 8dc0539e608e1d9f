-- What a script is given besides messages: settings, modules, chains; and what it is not given.
local ALICE, BOB = "udp:198.51.100.7:5062", "udp:198.51.100.8:5060"
local FINE = "return { receive = function(msg) return msg:reply(200) end }"

local function handler(text)
	return 'local sip = require "viaduct"\nreturn { receive = function(msg, leg, from)\n' .. text .. "\nend }"
end

local function ask(net, alice, method, user)
	alice = alice or net:phone("alice", ALICE)
	alice:request(method or "MESSAGE", "sip:" .. (user or "x") .. "@example.com")
	return alice
end

-- ---- what is refused, at its line ----

for _, case in ipairs {
	{ "io", "local f = io.open('/etc/passwd')", "io would block the engine" },
	{ "debug", "debug.sethook()", "debug is not available to scripts" },
	{ "ffi", "ffi.C.exit(0)", "ffi is not available to scripts" },
	{ "jit", "jit.off()", "jit is not available to scripts" },
	{ "package", "package.loaded = 1", "package is not available to scripts" },
	{ "require of ffi", "local name = 'ffi' require(name)", "module 'ffi' not found" },
	{ "require of the library's insides", "require 'viaduct.abi'", "module 'viaduct.abi' not found" },
	{ "require by a path", "require '../../../etc/passwd'", "not found" },
	{ "require of an absolute path", "require '/etc/passwd'", "not found" },
	{ "dofile", "dofile 'x'", "dofile is not available" },
	{ "setfenv", "setfenv(1, {})", "setfenv is not available" },
	{ "newproxy", "newproxy(true)", "newproxy is not available" },
	{ "os.execute", "os.execute 'true'", "attempt to call" },
	{ "os.exit", "os.exit(1)", "attempt to call" },
	{ "string.dump", "string.dump(print)", "attempt to call" },
	{ "an accidental global", "counter = 1", "'counter' would be a global: write `local counter = ...`" },
	{ "an accidental global in a function", "local function f() counter = 1 end f()", "'counter' would be a global" },
	{ "reading an undefined name", "local x = contacts + 1", "'contacts' is not defined" },
	{ "stopping the collector", "collectgarbage 'stop'", "collectgarbage takes 'collect' or 'count' here" },
	{ "loading bytecode", "assert(load('\\27LJ'))", "" },
	{ "an unknown option", "require('viaduct').registrar { domian = 'x' }", "registrar has no option 'domian'" },
	{ "an option of the wrong type", "require('viaduct').registrar { min_expires = 'x' }",
		"option 'min_expires' of registrar must be a number, not a string" },
	{ "a domain with a space", "require('viaduct').registrar { domains = { 'example.com', 'a b' } }",
		"'a b' is no domain: write a host name or address" },
	{ "a domain with a port", "require('viaduct').registrar { domain = 'example.com:5060' }", "is no domain" },
	{ "an empty domain", "require('viaduct').registrar { domain = '' }", "is no domain" },
	{ "a star in the middle of a domain", "require('viaduct').registrar { domain = 'a.*.example.com' }", "is no domain" },
	{ "nothing below a star", "require('viaduct').registrar { domain = '*.' }", "is no domain" },
	{ "too many domains", "local d = {} for i = 1, 65 do d[i] = 'd' .. i end require('viaduct').registrar { domains = d }",
		"too many domains" },
	{ "settings that are changed", "require('viaduct').settings.x = 1", "settings are given on the command line" },
	{ "an empty chain", "require('viaduct').receive_chain {}", "receive_chain needs at least one element" },
	{ "a chain of what handles nothing", "require('viaduct').receive_chain { 5 }", "element 1 of receive_chain must be a function" },
} do
	flow(case[1] .. " is refused with its line") {
		script_text = FINE,
		run = function(net)
			net:refuses("-- first line\n" .. case[2] .. "\n" .. FINE, 2, case[3])
			ask(net):expect(200)
		end,
	}
end

flow "there is no way to the real libraries through metatables, load or strings" {
	script_text = handler [[
		local leaks = {}
		local function check(name, leaked) if leaked then leaks[#leaks + 1] = name end end
		check("string metatable", getmetatable("") ~= false)
		check("module metatable", getmetatable(sip) ~= false)
		check("message metatable", getmetatable(msg) ~= false)
		check("environment metatable", getmetatable(_G) ~= false)
		check("function in load", load("return debug", "x", "t", {})() ~= nil)
		check("load's own environment", select("#", load("return _G", "x")()) ~= 1 or load("return _G", "x")() ~= _G)
		check("binary chunk", load(("\27LJ\2"):rep(10)) ~= nil)
		check("chunk of functions", pcall(load, function() return nil end))
		check("string.rep behind the guard", pcall(function() return ("x").rep("x", 1e10) end))
		check("io by _G", pcall(function() return _G.io end))
		return msg:reply(200, nil, { ["X-Leaks"] = table.concat(leaks, ", ") })]],
	run = function(net)
		ask(net):expect(200) { ["X-Leaks"] = "" }
	end,
}

flow "domains may be names, addresses, what is below a name, or all" {
	script_text = [[
		local sip = require "viaduct"
		sip.registrar { domains = { "Example.com", "localhost", "192.0.2.1", "[2001:db8::1]", "*.example.com", "*" } }
		]] .. FINE,
	run = function(net) ask(net):expect(200) end,
}

flow "what the library gives cannot be changed, for this handler or for others" {
	script_text = [[
		local sip = require "viaduct"
		local given = { registrar = sip.registrar {}, proxy = sip.stateless_proxy {}, timer = sip.after(1, print), dns = sip.dns }
		local methods = { registrar = "receive", proxy = "receive", timer = "cancel", dns = "resolve", leg = "port", msg = "reply" }
		return { receive = function(msg, leg)
			local leaks = {}
			given.leg, given.msg = leg, msg
			for name, key in pairs(methods) do
				local object = given[name]
				local function leaks_by(way, f, ...)
					if pcall(f, ...) then leaks[#leaks + 1] = name .. " by " .. way end
				end
				leaks_by("assignment", function() object[key] = print end)
				leaks_by("a new name", function() object.other = print end)
				leaks_by("its own metatable", function() object.__index[key] = print end)
				leaks_by("its metatable", function() getmetatable(object).__index[key] = print end)
				leaks_by("another metatable", setmetatable, object, {})
			end
			leaks[#leaks + 1] = given.registrar.contact_mt and "the metatable of contacts" or nil
			return msg:reply(200, nil, { ["X-Leaks"] = table.concat(leaks, ", ") })
		end }]],
	run = function(net)
		ask(net):expect(200) { ["X-Leaks"] = "" }
	end,
}

-- ---- modules and settings ----

flow "a script may require modules beside it, in folders too, each loaded once" {
	script_text = [[
		local a, again, b = require "greeting", require "greeting", require "greeting"
		return { receive = function(msg) return msg:reply(200, a.text(), { ["X-Same"] = tostring(a == again and a == b) }) end }]],
	modules = { greeting = 'local words = require "words"\nreturn { text = function() return words[1] end }',
		words = 'return { "Hello" }' },
	run = function(net)
		ask(net):expect(200) { reason = "Hello", ["X-Same"] = "true" }
		net:equal(#net:watched(), 3, "files whose change reloads")
	end,
}

flow "an error in a module names the module's file and line" {
	script_text = FINE,
	run = function(net)
		net:write("broken.lua", "local x = 1\nx()\n")
		net:refuses('\nrequire "broken"\n' .. FINE, 2, "attempt to call", "broken.lua")
		net:write("broken.lua", "local x = \n\n= 2")
		net:refuses('\nrequire "broken"\n' .. FINE, 3, "unexpected symbol", "broken.lua")
		net:write("broken.lua", "local self = require 'broken'\nreturn self")
		net:refuses('\nrequire "broken"\n' .. FINE, 1, "module 'broken' requires itself", "broken.lua")
		net:remove "broken.lua"
		net:refuses('\nrequire "broken"\n' .. FINE, 2, "module 'broken' not found")
		net:refuses('\nrequire "no.such"\n' .. FINE, 2, "no/such.lua")
		net:refuses('\nrequire(5)\n' .. FINE, 2, "require takes a module's name")
	end,
}

flow "a module has no globals either" {
	script_text = FINE,
	run = function(net)
		net:write("leaky.lua", "\nfunction helper() end\n")
		net:refuses('require "leaky"\n' .. FINE, 2, "'helper' would be a global", "leaky.lua")
	end,
}

flow "settings of the command line are there as texts, others are nil" {
	script_text = handler [[
		local set = sip.settings
		return msg:reply(200, nil, { ["X-Seen"] = set.gateway .. tostring(set.other) .. type(set.limit) })]],
	settings = { gateway = "198.51.100.1", limit = "5" },
	run = function(net) ask(net):expect(200) { ["X-Seen"] = "198.51.100.1nilstring" } end,
}

flow "print and sip.log write to the log, one line whatever the text" {
	script_text = handler [[
		print("a", 5, nil, true)
		sip.log "plain"
		sip.log("warn", "two\nerror forged=1")
		return msg:reply(200)]],
	run = function(net)
		ask(net):expect(200)
		net:expect_log 'info script text="a\\t5\\tnil\\ttrue"'
		net:expect_log "info script text=plain"
		net:expect_log 'warn script text="two\\nerror forged=1"'
	end,
}

-- ---- chains ----

flow "a chain asks its elements in order until one has handled the message" {
	script_text = [[
		local sip = require "viaduct"
		local asked = {}
		local function element(name, handles)
			return function(msg)
				asked[#asked + 1] = name
				if handles == msg.ruri.user then
					local all = table.concat(asked, " ")
					asked = {}
					return msg:reply(200, nil, { ["X-Asked"] = all })
				end
			end
		end
		return { receive = sip.receive_chain { element("one", "a"), { receive = function(_, ...) return element("two", "b")(...) end },
			element("three", "c") } }]],
	run = function(net)
		local alice = ask(net, nil, "MESSAGE", "a")
		alice:expect(200) { ["X-Asked"] = "one" }
		ask(net, alice, "MESSAGE", "b")
		alice:expect(200) { ["X-Asked"] = "one two" }
		ask(net, alice, "MESSAGE", "c")
		alice:expect(200) { ["X-Asked"] = "one two three" }
		ask(net, alice, "MESSAGE", "d")
		alice:expect(500)
		net:expect_log "request.undecided"
		net:counts { undecided_requests = 1 }
	end,
}

flow "methods and filter say which messages a chain is for; responses count by their CSeq" {
	script_text = [[
		local sip = require "viaduct"
		local proxy = sip.stateless_proxy {}
		local function mark(text) return function(msg) msg:set_header("X-Chain", text) return false end end
		local invites = sip.receive_chain { mark "invite", proxy, methods = { "INVITE" } }
		local friends = sip.receive_chain { mark "friend", proxy, filter = function(msg, leg,
			from) return from.port == 5062 and leg.port == 5060 end }
		return { receive = sip.receive_chain { invites, friends, function(msg) return msg:is_request() and msg:reply(403) end } }]],
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		alice:request("INVITE", "sip:bob@198.51.100.8")
		bob:expect "INVITE" { ["X-Chain"] = "invite" }
		bob:reply(200)
		alice:expect(200) { ["X-Chain"] = "invite" }
		alice:request("MESSAGE", "sip:bob@198.51.100.8")
		bob:expect "MESSAGE" { ["X-Chain"] = "friend" }
		bob:request("MESSAGE", "sip:alice@198.51.100.7:5062")
		bob:expect(403)
	end,
}

flow "a registrar can be asked from the handler" {
	script_text = [[
		local sip = require "viaduct"
		local registrar = sip.registrar { domain = "example.com" }
		return { receive = function(msg)
			if msg.method == "REGISTER" then return registrar:receive(msg) end
			local texts = {}
			for i, contact in ipairs(registrar:query(msg.uri)) do
				texts[i] = ("%s q=%g expires=%d cseq=%d x=%s"):format(contact, contact.q, contact.expires, contact.cseq, contact.params.x)
			end
			return msg:reply(200, nil, { ["X-Found"] = texts })
		end }]],
	run = function(net)
		local bob = net:phone("bob", BOB)
		bob:register("sip:x@example.com", { contact = { "<sip:a@h>;q=0.5;x=y", "<sip:b@h>" }, cseq = 3 })
		net:advance(10)
		bob:request("MESSAGE", "sip:x@example.com")
		bob:expect(200) { ["X-Found"] = { "sip:b@h q=1 expires=289 cseq=3 x=nil", "sip:a@h q=0.5 expires=289 cseq=3 x=y" } }
		bob:request("MESSAGE", "sip:y@example.com")
		bob:expect(200) { ["X-Found"] = {} }
	end,
}

flow "a script cannot take hold of the coroutine its handler runs in" {
	script_text = [[
local sip = require "viaduct"
return { receive = function(req)
	if coroutine.running() ~= nil then error "the task is visible" end
	local seen
	local own = coroutine.create(function() seen = coroutine.running() end)
	assert(coroutine.resume(own))
	assert(seen == own)
	return req:reply(200)
end }
]],
	run = function(net)
		local alice = net:phone("alice", "udp:198.51.100.7:5062")
		alice:request("OPTIONS", "sip:x@example.com")
		alice:expect(200)
	end,
}

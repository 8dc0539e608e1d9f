-- Replacing the script while it works: a new generation or nothing (design principle 3).
local ALICE = "udp:198.51.100.7:5062"
local LEG, OTHER = "udp:192.0.2.1:5060", "udp:192.0.2.1:5070"

local function answers(text, legs)
	return ([[
local legs = %s
return { legs = legs, receive = function(msg) return msg:reply(200, "%s") end }]]):format(legs or "nil", text)
end

local function reason(alice, leg)
	alice:request("OPTIONS", "sip:x@example.com", { leg = leg })
	return alice:expect(200).reason
end

flow "the next message after a reload is the new script's" {
	script_text = answers "one",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:equal(reason(alice), "one", "before")
		net:is_true(net:reload(answers "two"), "it loads")
		net:equal(reason(alice), "two", "after")
		local status = net:status()
		net:equal(status.generation, 2, "generation")
		net:equal(status.kept, 1, "generations kept")
		net:equal(status.by, "flow", "by")
		net:equal(status.failure, nil, "failure")
	end,
}

-- Each changes nothing, and says where to look.
local broken = {
	{ "a syntax error", "return {\n\treceive = = 1 }", 2, "unexpected symbol" },
	{ "an unfinished text", "return {\n\treceive = function()", 2, "expected" },
	{ "an error while it runs", "local x\n\nx.y = 1\nreturn {}", 3, "attempt to index local 'x'" },
	{ "an error it raises itself", "local function check()\n\terror 'no gateway'\nend\ncheck()", 2, "no gateway" },
	{ "no handler", "local x = 1\nreturn { legs = { 'udp:192.0.2.1:5060' } }", 2, "the script has no handler" },
	{ "a handler that is a text", "\n\nreturn { receive = 'x' }", 3,
		"receive must be a function(message, leg, from) or something with a receive method, not a string" },
	{ "nothing returned", "local sip = require 'viaduct'\n", 1, "the script must return a table" },
	{ "a return in its functions alone", "local function f()\n\treturn 1\nend\nlocal g = { receive = f }\n\n", 4,
		"the script must return a table" },
	{ "a return that is followed by functions", "return { receve = function()\n\treturn 1\nend }", 1,
		"the script returned an unknown field 'receve'" },
	{ "something else returned", "\nreturn 5", 2, "the script must return a table" },
	{ "a field nobody knows", "\nreturn { recieve = print, receive = print }", 2, "the script returned an unknown field 'recieve'" },
	{ "a leg that is none", "local legs = {\n'udp:nowhere:5060' }\nreturn { legs = legs, receive = print }", 2,
		"'udp:nowhere:5060' is no leg" },
	{ "a leg of no transport", "\nreturn { legs = { 'carrier-pigeon:192.0.2.1:5060' }, receive = print }", 2, "is no leg" },
	{ "a leg that is a number", "\nreturn { legs = { 5060 }, receive = print }", 2, "leg 1 must be a text" },
	{ "legs that are a text", "\nreturn { legs = 'udp:192.0.2.1:5060', receive = print }", 2, "legs must be a list" },
	{ "a wildcard leg without advertise", "\nreturn { legs = { 'udp:0.0.0.0:5060' }, receive = print }", 2, "add ;advertise=IP" },
	{ "no legs", "local function f()\n\treturn 1\nend\nreturn { receive = f }", 4, "the script names no legs and -l gave none" },
	{ "a leg that is in use", "return { receive = print, legs = { 'udp:192.0.2.1:5070',\n'udp:192.0.2.1:5090' } }", 2,
		"Address already in use" },
	{ "a module that is missing", "\nlocal m = require 'missing'\nreturn m", 2, "module 'missing' not found" },
}

for _, case in ipairs(broken) do
	flow("a script with " .. case[1] .. " changes nothing and names its line") {
		script_text = answers("one", "{ '" .. LEG .. "' }"),
		legs = false,
		run = function(net)
			local alice = net:phone("alice", ALICE)
			net:occupy "udp:192.0.2.1:5090"
			net:refuses(case[2], case[3], case[4])
			net:equal(reason(alice), "one", "the running script")
			for i, leg in ipairs(net:legs()) do
				net:equal(leg.state, i == 1 and "open" or "closed", "leg " .. i)
			end
			net:counts { reloads = 1, reloads_failed = 1 }
			local fine, text = net:check(net:path "script.lua")
			net:is_true(not fine or case[1] == "no legs" or case[1] == "a leg that is in use", "check says the same: " .. text)
			net:is_true(net:reload(answers("two", "{ '" .. LEG .. "' }")), "mended, it loads")
			net:equal(reason(alice), "two", "the mended script")
		end,
	}
end

flow "a file that is gone changes nothing" {
	script_text = answers "one",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:remove "script.lua"
		local loaded, failure = net:reload()
		net:is_true(not loaded and failure.text:find "cannot be read" and failure.file:find "script.lua",
			"it says that the file cannot be read")
		net:expect_log "script.refused"
		net:equal(reason(alice), "one", "the running script")
	end,
}

flow "a script that is refused at the start leaves an engine that serves nobody and can be given a better one" {
	script_text = "return {}",
	unloaded = true,
	run = function(net)
		net:is_true(not net:start(), "it is refused")
		net:expect_log "script.refused"
		net:is_true(net:reload(answers "late"), "a better one loads")
		net:equal(reason(net:phone("alice", ALICE)), "late", "the answer")
	end,
}

flow "a handler that waits ends in the generation it began in" {
	script_text = 'local sip = require "viaduct"\nreturn { receive = function(msg) sip.sleep(5) return msg:reply(200, "one") end }',
	run = function(net)
		local alice = net:phone("alice", ALICE)
		alice:request("OPTIONS", "sip:x@example.com")
		net:advance(1)
		for i = 2, 8 do
			net:is_true(net:reload(answers(tostring(i))), "it loads")
			net:equal(reason(alice), tostring(i), "the new generation")
		end
		net:equal(net:status().draining, 1, "generations that drain")
		net:advance(4)
		alice:expect(200) { reason = "one" }
		net:settle()
		net:equal(net:status().draining, 0, "generations that drain")
	end,
}

flow "a handler that waits for DNS ends in its own generation too" {
	script_text = [[
		local sip = require "viaduct"
		return { receive = function(msg) return msg:reply(200, sip.dns.resolve("h.example.net", "A")[1].address) end }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:dns("h.example.net", "A", "198.51.100.9", 3)
		alice:request("OPTIONS", "sip:x@example.com")
		net:advance(1)
		for i = 2, 6 do
			net:reload(answers(tostring(i)))
		end
		net:advance(3)
		alice:expect(200) { reason = "198.51.100.9" }
	end,
}

flow "timers of the old script stop, those of the new begin, and a rollback turns it round" {
	script_text = 'local sip = require "viaduct"\nsip.every(10, function() sip.log "old ticks" end)\nreturn { receive = print }',
	run = function(net)
		net:advance(10.5)
		net:expect_log "old ticks"
		net:is_true(net:reload [[
			local sip = require "viaduct"
			sip.every(10, function() sip.log "new ticks" end)
			return { receive = print }]], "it loads")
		net:advance(30)
		net:equal(net:count_log "old ticks", 0, "ticks of the old script")
		net:equal(net:count_log "new ticks", 3, "ticks of the new script")
		net:is_true(net:rollback(), "it goes back")
		net:advance(30)
		net:equal(net:count_log "new ticks", 3, "ticks of the script taken back")
		net:equal(net:count_log "old ticks", 3, "ticks of the script that is back")
	end,
}

flow "a script that is refused never starts the timers it made" {
	script_text = answers "one",
	run = function(net)
		net:refuses('local sip = require "viaduct"\nsip.every(1, function() sip.log "ghost" end)\nreturn {}', 3, "no handler")
		net:advance(5)
		net:equal(net:count_log "ghost", 0, "ticks")
	end,
}

flow "an every started by a handler of an old generation does not run for ever" {
	script_text = [[
		local sip = require "viaduct"
		return { receive = function(msg)
			sip.sleep(5)
			sip.every(1, function() sip.log "ghost" end)
			return msg:reply(200)
		end }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		alice:request("OPTIONS", "sip:x@example.com")
		net:advance(1)
		net:is_true(net:reload(answers "two"), "it loads")
		net:advance(5)
		alice:expect(200)
		net:advance(20)
		net:equal(net:count_log "ghost", 0, "ticks of a script that is no longer current")
	end,
}

flow "a timer a message started runs to its end in its own generation" {
	script_text = [[
		local sip = require "viaduct"
		return { receive = function(msg)
			sip.after(60, function() sip.log "one's timer" end)
			return msg:reply(200)
		end }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		alice:request("OPTIONS", "sip:x@example.com")
		alice:expect(200)
		for i = 2, 6 do
			net:reload(answers(tostring(i)))
		end
		net:equal(net:status().draining, 1, "generations that drain")
		net:advance(61)
		net:expect_log "one's timer"
		net:equal(net:status().draining, 0, "generations that drain")
	end,
}

flow "rollback goes back three generations, one at a time, and then says there is none" {
	script_text = answers "1",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for i = 2, 6 do
			net:is_true(net:reload(answers(tostring(i))), "it loads")
		end
		for _, text in ipairs { "5", "4", "3" } do
			net:is_true(net:rollback(), "it goes back")
			net:equal(reason(alice), text, "the script after rollback")
		end
		local back, why = net:rollback()
		net:equal(back, false, "rollback")
		net:equal(why, "there is no earlier generation", "why")
		net:equal(reason(alice), "3", "the script that stays")
		net:is_true(net:reload(answers "7"), "a new one loads")
		net:equal(net:status().generation, 7, "generation")
	end,
}

flow "rollback gives the same state back: what the script remembered is still there" {
	script_text = 'local n = 0\nreturn { receive = function(msg) n = n + 1 return msg:reply(200, tostring(n)) end }',
	run = function(net)
		local alice = net:phone("alice", ALICE)
		reason(alice)
		reason(alice)
		net:reload(answers "new")
		net:equal(reason(alice), "new", "the new one")
		net:rollback()
		net:equal(reason(alice), "3", "the count goes on")
	end,
}

-- ---- legs ----

local function legs_of(net)
	local texts = {}
	for _, leg in ipairs(net:legs()) do
		texts[#texts + 1] = leg.state == "closed" and "closed" or leg.spec:match "%d+$" .. " " .. leg.state
	end
	return table.concat(texts, ", ")
end

flow "a leg the new script no longer names takes no more than its pending work, then closes" {
	script_text = [[
		local sip = require "viaduct"
		local proxy = sip.stateless_proxy {}
		return { legs = { "udp:192.0.2.1:5060", "udp:192.0.2.1:5070" }, receive = proxy }]],
	legs = false,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", "udp:198.51.100.8:5060")
		alice:request("MESSAGE", "sip:bob@198.51.100.8", { leg = OTHER })
		bob:expect "MESSAGE"
		net:is_true(net:reload(answers("two", "{ '" .. LEG .. "' }")), "it loads")
		net:equal(legs_of(net), "5060 open, 5070 draining", "legs")
		net:is_true(net:reload [[
			local sip = require "viaduct"
			return { legs = { "udp:192.0.2.1:5060" }, receive = sip.stateless_proxy {} }]], "it loads")
		net:advance(20)
		bob:reply(200)
		alice:expect(200) { from = "192.0.2.1:5070" }
		net:advance(13)
		net:equal(legs_of(net), "5060 open, closed", "legs")
		net:expect_log "leg.closed leg=udp:192.0.2.1:5070"
		net:is_true(net:reload(answers("again", "{ '" .. LEG .. "', '" .. OTHER .. "' }")), "it opens again")
		net:equal(reason(alice, OTHER), "again", "by the leg that is open again")
	end,
}

flow "a leg the new script no longer names stays until the last handler of its messages has ended" {
	script_text = [[
		local sip = require "viaduct"
		return { legs = { "udp:192.0.2.1:5060", "udp:192.0.2.1:5070" }, receive = function(msg)
			sip.sleep(tonumber(msg.ruri.user))
			return msg:drop()
		end }]],
	legs = false,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _, seconds in ipairs { 50, 100 } do -- an ACK has no transaction that would hold the leg
			alice:request("ACK", ("sip:%d@example.com"):format(seconds), { leg = OTHER })
		end
		net:settle()
		net:is_true(net:reload(answers("two", "{ '" .. LEG .. "' }")), "it loads")
		net:advance(90)
		net:equal(legs_of(net), "5060 open, 5070 draining", "legs while a handler waits")
		net:advance(12)
		net:equal(legs_of(net), "5060 open, closed", "legs")
		net:counts { dropped_by_script = 2 }
	end,
}

flow "a leg that was never used closes at once, and one named again while it drains stays open" {
	script_text = answers("one", "{ '" .. LEG .. "', '" .. OTHER .. "' }"),
	legs = false,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		reason(alice, LEG)
		net:reload(answers("two", "{ 'udp:192.0.2.1:5080' }"))
		net:equal(legs_of(net), "5060 draining, closed, 5080 open", "legs")
		net:advance(10)
		net:is_true(net:rollback(), "it goes back")
		net:advance(60)
		net:equal(legs_of(net), "5060 open, 5070 open, closed", "legs")
		net:equal(reason(alice, OTHER), "one", "by the leg that was closed")
	end,
}

flow "scripts see the legs that are open, not those of another time" {
	script_text = [[
		local sip = require "viaduct"
		return { legs = { "udp:192.0.2.1:5060", "udp:192.0.2.1:5070" }, receive = function(msg, leg)
			local ports = {}
			for i, open in ipairs(sip.legs()) do ports[i] = open.port end
			return msg:reply(200, leg.port .. " of " .. table.concat(ports, " "))
		end }]],
	legs = false,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:equal(reason(alice, OTHER), "5070 of 5060 5070", "legs at first")
		net:is_true(net:reload(answers("two", "{ 'udp:192.0.2.1:5080' }")), "it loads")
		net:advance(40)
		net:is_true(net:reload(answers("three", "{ 'udp:192.0.2.1:5090', 'udp:192.0.2.1:5091' }")), "it loads")
		alice:request("OPTIONS", "sip:x@example.com", { leg = "udp:192.0.2.1:5090" })
		alice:expect(200)
		net:is_true(net:rollback() and net:rollback(), "it goes back")
		net:advance(40)
		net:equal(reason(alice, LEG), "5060 of 5060 5070", "legs after the way back")
	end,
}

-- ---- the same address under another name ----

local function shown_as(name, others)
	return ([[
local sip = require "viaduct"
local proxy = sip.stateless_proxy {}
return { legs = { "udp:192.0.2.1:5060;advertise=%s"%s }, receive = function(msg, leg)
	if msg.ruri and msg.ruri.user == "who" then return msg:reply(200, leg.address) end
	return proxy:receive(msg)
end }]]):format(name, others or "")
end

local function open_phones(net)
	local alice, bob = net:phone("alice", ALICE), net:phone("bob", "udp:198.51.100.8:5060")
	alice.to, bob.to = LEG, LEG
	return alice, bob
end

local function invited(bob, name)
	return bob:expect "INVITE" { Via = { "~^SIP/2.0/UDP " .. name .. ";branch=", true },
		["Record-Route"] = { "~^<sip:" .. name .. ";lr;" } }
end

local function who(alice)
	alice:request("OPTIONS", "sip:who@example.com", { leg = LEG })
	return alice:expect(200).reason
end

flow "a leg that is advertised otherwise keeps its socket and shows the new address at once" {
	script_text = shown_as "one.example.com:5080",
	legs = false,
	run = function(net)
		local alice, bob = open_phones(net)
		alice:request("INVITE", "sip:bob@198.51.100.8")
		local first = invited(bob, "one.example.com:5080")
		net:is_true(net:reload(shown_as "two.example.com"), "it loads")
		net:equal(#net:legs(), 1, "legs ever opened")
		net:equal(net:legs()[1].shown, "two.example.com:5060", "shown as")
		net:equal(net:legs()[1].spec, "udp:192.0.2.1:5060;advertise=two.example.com", "spec")
		net:expect_log "leg.renamed .*shown_as=two.example.com:5060 before=one.example.com:5080"
		net:equal(who(alice), "two.example.com:5060", "what the script sees")
		alice:request("INVITE", "sip:bob@198.51.100.8")
		local second = invited(bob, "two.example.com:5060")
		for _, request in ipairs { first, second } do
			bob:reply(200, { request = request, leg = LEG })
			alice:expect(200) { Via = { true } }
		end
		net:is_true(net:rollback(), "it goes back")
		net:equal(who(alice), "one.example.com:5080", "what the script sees that is back")
	end,
}

flow "what was sent under the former name is known for as long as an answer can be due, and no longer" {
	script_text = shown_as "one.example.com",
	legs = false,
	run = function(net)
		local alice, bob = open_phones(net)
		alice:request("INVITE", "sip:bob@198.51.100.8")
		local first = invited(bob, "one.example.com:5060")
		net:is_true(net:reload(shown_as "two.example.com"), "it loads")
		net:advance(1)
		for _, name in ipairs { "three", "two", "three" } do
			net:is_true(net:reload(shown_as(name .. ".example.com")), "it loads")
		end
		net:advance(30)
		bob:reply(180, { request = first, leg = LEG })
		alice:expect(180)
		alice:request("MESSAGE", "sip:bob@198.51.100.8", { route = "<sip:one.example.com;lr>" })
		bob:expect "MESSAGE" { Route = {} }
		net:advance(1.1)
		bob:reply(200, { request = first, leg = LEG })
		alice:expect_nothing()
		net:counts { responses_not_ours = 1 }
	end,
}

flow "a reload that fails leaves the name that was shown before" {
	script_text = shown_as "one.example.com",
	legs = false,
	run = function(net)
		local alice, bob = open_phones(net)
		net:occupy "udp:192.0.2.1:5090"
		net:refuses(shown_as("two.example.com", ',\n"udp:192.0.2.1:5090"'), 4, "Address already in use")
		net:equal(net:legs()[1].shown, "one.example.com:5060", "shown as")
		alice:request("INVITE", "sip:bob@198.51.100.8")
		invited(bob, "one.example.com:5060")
		net:refuses(shown_as("two.example.com", ',\n"udp:192.0.2.1:5060;advertise=three.example.com"'), 4,
			"another leg has this address already")
		net:equal(net:legs()[1].shown, "one.example.com:5060", "shown as")
		net:equal(who(alice), "one.example.com:5060", "what the script sees")
	end,
}

flow "two legs may exchange their names" {
	script_text = shown_as("one.example.com", ', "udp:192.0.2.1:5070;advertise=two.example.com:5060", "udp:192.0.2.1:5080"'),
	legs = false,
	run = function(net)
		local alice, bob = open_phones(net)
		local sent = {}
		for i, leg in ipairs { LEG, OTHER } do
			alice:request("INVITE", "sip:bob@198.51.100.8", { leg = leg })
			sent[i] = invited(bob, ({ "one", "two" })[i] .. ".example.com:5060")
		end
		net:is_true(net:reload(shown_as("two.example.com",
			', "udp:192.0.2.1:5070;advertise=one.example.com:5060", "udp:192.0.2.1:5080"')), "it loads")
		for _, request in ipairs(sent) do
			bob:reply(200, { request = request })
			alice:expect(200)
		end
		alice:request("INVITE", "sip:bob@198.51.100.8", { leg = OTHER })
		invited(bob, "one.example.com:5060")
	end,
}

flow "a handler that waits knows its leg by the former name too" {
	script_text = [[
		local sip = require "viaduct"
		local dispatcher = sip.dispatcher { do_retransmits = false }
		return { legs = { "udp:192.0.2.1:5060", "udp:192.0.2.1:5070" }, receive = function(msg, leg)
			sip.sleep(1)
			local target = dispatcher:resolve_uri("sip:x@198.51.100.8", { allowed_legs = { leg } })[1]
			return msg:reply(200, target.leg.address)
		end }]],
	legs = false,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		alice:request("OPTIONS", "sip:x@example.com", { leg = OTHER })
		net:settle()
		net:is_true(net:reload(shown_as("one.example.com", ', "udp:192.0.2.1:5070;advertise=two.example.com"')), "it loads")
		net:advance(1)
		alice:expect(200) { reason = "two.example.com:5070" }
	end,
}

flow "a leg of the command line wins over the script's" {
	script_text = answers("one", "{ '" .. OTHER .. "' }"),
	legs = { LEG },
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:equal(reason(alice), "one", "by the leg of the command line")
		net:equal(legs_of(net), "5060 open", "legs")
	end,
}

flow "a hundred reloads and a hundred broken ones in between leave no trace" {
	script_text = answers "0",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local before
		for i = 1, 100 do
			net:is_true(net:reload(answers(tostring(i))), "it loads")
			net:refuses("return {}", 1, "no handler")
			net:equal(reason(alice), tostring(i), "the answer")
			if i == 10 then
				before = net:status().memory
			end
		end
		net:equal(net:status().generation, 101, "generation")
		net:is_true(net:status().memory < before * 1.5, "memory is flat")
	end,
}

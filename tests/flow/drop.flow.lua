-- sip.drop: who gets no answer, and how that is counted.
local ALICE, BOB = "udp:198.51.100.7:5062", "udp:198.51.100.8:5060"

local function script(options, rest)
	return ([[
local sip = require "viaduct"
local drop = sip.drop { %s }
return { receive = sip.receive_chain { drop, %s } }]]):format(options,
		rest or 'function(message) return message:is_request() and message.method ~= "ACK" and message:reply(200) end')
end

local function ask(phone, headers, method) phone:request(method or "OPTIONS", "sip:192.0.2.1", { headers = headers }) end

-- ---- by field ----

flow "a text in a header is found anywhere and in any letter case, and such a message gets no answer" {
	script_text = script [[ by_field = { ["User-Agent"] = { "sipvicious", "friendly-scanner" }, From = "spam@" } ]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice, { "User-Agent: Friendly-Scanner 1.0" })
		ask(alice, { "User-Agent: a", "User-Agent: old SIPVicious" })
		alice:request("OPTIONS", "sip:192.0.2.1", { from = "<sip:spam@example.net>;tag=1" })
		alice:expect_nothing()
		ask(alice, { "User-Agent: scanner, friendly" })
		alice:expect(200)
		ask(alice)
		alice:expect(200)
		net:counts { dropped_by_field = 3, dropped_by_script = 0, replied = 2 }
	end,
}

flow "a header is judged by a pattern or a function, each of its values" {
	script_text = script [[ by_field = {
		To = { pattern = "<sip:%d+@" },
		Subject = function(value, message) return #value > 10 and message.method == "MESSAGE" end,
	} ]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		alice:request("OPTIONS", "sip:192.0.2.1", { to = "<sip:49301234@example.com>" })
		ask(alice, { "s: much too long a text" }, "MESSAGE")
		alice:expect_nothing()
		ask(alice, { "Subject: much too long a text" })
		alice:expect(200)
		alice:request("OPTIONS", "sip:192.0.2.1", { to = ('"%s" <sip:x@example.com>'):format(("a"):rep(15000)) }) -- too long to search
		alice:expect_nothing()
		net:counts { dropped_by_field = 3 }
	end,
}

flow "by_field looks at the methods named, at responses only where an empty one is" {
	script_text = script([[ by_field = { methods = { "MESSAGE", "" }, Server = "bad", ["User-Agent"] = "bad" } ]],
		"sip.stateless_proxy {}"),
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		alice:request("MESSAGE", "sip:bob@198.51.100.8", { headers = { "User-Agent: bad" } })
		bob:expect_nothing()
		alice:request("INFO", "sip:bob@198.51.100.8", { headers = { "User-Agent: bad" } })
		bob:expect "INFO"
		bob:reply(200, { headers = { "Server: bad" } })
		alice:expect_nothing()
		net:counts { dropped_by_field = 2 }
	end,
}

flow "callbacks drop what they are true for" {
	script_text = script [[ cbs = { function(message, leg, from) return from.port == 5062 and leg.transport == "udp" end } ]],
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		ask(alice)
		ask(bob)
		bob:expect(200)
		alice:expect_nothing()
		net:counts { dropped_by_script = 1 }
	end,
}

-- ---- by source ----

local SOURCE = script [[ by_source = { attempts = 3, interval = 10 } ]]

flow "so many messages of one source pass in an interval, and another source is not concerned" {
	script_text = SOURCE,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		for _ = 1, 5 do
			ask(alice)
		end
		net:equal(#alice:take_all(), 3, "answers")
		ask(bob)
		bob:expect(200)
		net:counts { dropped_by_source = 2 }
	end,
}

flow "who keeps sending stays out, and who is quiet for an interval is let in again" {
	script_text = SOURCE,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _ = 1, 30 do
			ask(alice)
			net:advance(1)
		end
		net:equal(#alice:take_all(), 3, "answers in half a minute")
		net:advance(10)
		ask(alice)
		alice:expect(200)
	end,
}

flow "whoever keeps to the rate is never dropped" {
	script_text = SOURCE,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _ = 1, 40 do
			ask(alice)
			alice:expect(200)
			net:advance(5)
		end
		net:counts { dropped_by_source = 0 }
	end,
}

flow "a reload goes on counting, and other numbers begin anew" {
	script_text = SOURCE,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _ = 1, 3 do
			ask(alice)
			alice:expect(200)
		end
		net:reload(SOURCE)
		ask(alice)
		alice:expect_nothing()
		net:reload(script [[ by_source = { attempts = 4, interval = 10 } ]])
		ask(alice)
		alice:expect(200)
	end,
}

flow "ports of one address are one source unless the script tells them apart, an IPv6 network is one" {
	legs = { "udp:192.0.2.1:5060", "udp:[2001:db8::1]:5060" },
	script_text = [[
local sip = require "viaduct"
local by_address = sip.drop { by_source = { attempts = 1, interval = 10, methods = { "OPTIONS" } } }
local by_port = sip.drop { by_source = { attempts = 1, interval = 10, methods = { "INFO" }, per_port = true } }
return { receive = sip.receive_chain { by_address, by_port, function(message) return message:reply(200) end } }]],
	run = function(net)
		local one, two = net:phone("one", "udp:198.51.100.7:5062"), net:phone("two", "udp:198.51.100.7:5063")
		local near, far = net:phone("near", "udp:[2001:db8:1::5]:5060"), net:phone("far", "udp:[2001:db8:1:0:7::6]:5060")
		local other = net:phone("other", "udp:[2001:db8:2::5]:5060")
		ask(one)
		one:expect(200)
		ask(two)
		two:expect_nothing()
		ask(one, nil, "INFO")
		one:expect(200)
		ask(two, nil, "INFO")
		two:expect(200)
		for _, phone in ipairs { near, far, other } do
			phone:request("OPTIONS", "sip:[2001:db8::1]")
		end
		near:expect(200)
		far:expect_nothing()
		other:expect(200)
	end,
}

flow "two limits of the same numbers count apart" {
	script_text = [[
local sip = require "viaduct"
local first = sip.drop { by_source = { attempts = 2, interval = 10 } }
local second = sip.drop { by_source = { attempts = 2, interval = 10 } }
return { receive = sip.receive_chain { first, second, function(message) return message:reply(200) end } }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _ = 1, 2 do
			ask(alice)
			alice:expect(200)
		end
		ask(alice)
		alice:expect_nothing()
	end,
}

flow "a mistake in the options of drop is told with its line" {
	script_text = SOURCE,
	run = function(net)
		for _, case in ipairs {
			{ "", "drop needs by_field, by_source, cb or cbs" },
			{ "by_field = { methods = {}, From = 'x' }", "methods of drop.by_field names none" },
			{ "by_field = { methods = { 'INVITE' } }", "by_field of drop names headers" },
			{ "by_field = { ['a b'] = 'x' }", "'a b' is no header name" },
			{ "by_field = { From = 7 }", "From needs a text" },
			{ "by_field = { From = {} }", "the list of From is empty" },
			{ "by_field = { From = { pattern = '(' } }", "'(' is no pattern" },
			{ "by_field = { From = { pattern = '.-.-.-.-x' } }", "could take too long on a header" },
			{ "by_source = { attempts = 0, interval = 1 }", "needs attempts" },
			{ "by_source = { attempts = 1 }", "needs interval" },
			{ "by_source = { attempts = 1, interval = 1, limit = 1 }", "has no option 'limit'" },
			{ "cb = print, cbs = { print }", "cb or cbs, not both" },
			{ "cbs = { 'x' }", "callback 1 of drop" },
			{ "cbs = {}", "cbs of drop is empty" },
			{ "cbs = { nil, print }", "cbs of drop: a list without gaps" },
			{ "by_field = { methods = 'INVITE', From = 'x' }", "methods of drop.by_field: a list without gaps and names is wanted" },
			{ "by_field = { methods = { 'invite' }, From = 'x' }", "letter case counts: write INVITE" },
			{ "cb = print, dispatcher = 5", "option 'dispatcher' of drop is what sip.dispatcher { ... } gave" },
		} do
			net:refuses(script(case[1]), 2, case[2])
		end
	end,
}

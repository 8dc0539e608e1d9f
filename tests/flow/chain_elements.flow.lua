-- The small elements of a chain: what they answer, absorb and let pass.
local ALICE, BOB, CAROL = "udp:198.51.100.7:5062", "udp:198.51.100.8:5060", "udp:198.51.100.9:5060"

local function phones(net) return net:phone("alice", ALICE), net:phone("bob", BOB), net:phone("carol", CAROL) end

local function script(elements)
	return ([[
local sip = require "viaduct"
local registrar = sip.registrar { domains = { "example.com" } }
local proxy = sip.stateless_proxy {}
return { receive = sip.receive_chain { %s } }]]):format(elements)
end

-- ---- block ----

flow "a blocked method is answered once, with Allow, and the ACK to it goes nowhere" {
	script_text = script [[ sip.block { INVITE = "405 Not Here" }, proxy ]],
	run = function(net)
		local alice, bob = phones(net)
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		local refused = alice:expect(405) { reason = "Not Here", Allow = "~OPTIONS", To = "~;tag=" }
		alice:same_transaction("ACK", invite, { to = refused:header "To" })
		alice:request("CANCEL", "sip:bob@198.51.100.8")
		alice:expect(481)
		alice:request("OPTIONS", "sip:bob@198.51.100.8")
		bob:expect "OPTIONS"
		bob:reply(200)
		alice:expect(200)
		net:counts { acks_absorbed = 1, dropped_by_script = 0 }
	end,
}

flow "an ACK of a dialog that was there before is absorbed where INVITE is blocked" {
	script_text = script [[ sip.block { INVITE = "405 Not Here" }, proxy ]],
	run = function(net)
		local alice = phones(net)
		alice:request("ACK", "sip:bob@198.51.100.8", { to = "<sip:bob@example.com>;tag=b" })
		net:counts { dropped_by_script = 1, forwarded = 0 }
	end,
}

flow "an ACK whose To-tag is not ours is not taken for one to our answer" {
	script_text = script [[ proxy ]],
	run = function(net)
		local alice, bob = phones(net)
		alice:request("ACK", "sip:bob@198.51.100.8", { to = "<sip:bob@198.51.100.8>;tag=0123456789abcdef" })
		bob:expect "ACK"
		net:counts { acks_absorbed = 0 }
	end,
}

-- ---- redirect ----

local REDIRECT = script [[ sip.redirect { registrar = registrar }, registrar, proxy ]]

flow "a caller is redirected to all contacts, best first, each a name-addr with q and expires" {
	script_text = REDIRECT,
	run = function(net)
		local alice, bob, carol = phones(net)
		bob:register("sip:bob@example.com", { contact = "<sip:bob@198.51.100.8;transport=tcp>;q=0.5;expires=100" })
		carol:register("sip:bob@example.com", { contact = "<sip:bob@198.51.100.9>;expires=60" })
		local invite = alice:request("INVITE", "sip:bob@example.com")
		local moved = alice:expect(302) { Contact = {
			"<sip:bob@198.51.100.9>;expires=60", "<sip:bob@198.51.100.8;transport=tcp>;q=0.5;expires=100",
		}, reason = "Moved Temporarily" }
		alice:same_transaction("ACK", invite, { to = moved:header "To" })
		net:counts { acks_absorbed = 1 }
	end,
}

flow "a registrar before the redirect changes nothing for the caller" {
	script_text = script [[ registrar, sip.redirect { registrar = registrar, code = 300 }, proxy ]],
	run = function(net)
		local alice, bob = phones(net)
		bob:register "sip:bob@example.com"
		alice:request("OPTIONS", "sip:bob@example.com")
		alice:expect(300) { Contact = { "<sip:bob@198.51.100.8:5060>;expires=300" }, reason = "Multiple Choices" }
	end,
}

flow "the way to a contact, its Path, is not told to whoever is redirected" {
	script_text = REDIRECT,
	run = function(net)
		local alice, bob = phones(net)
		bob:register("sip:bob@example.com", { headers = { "Supported: path", "Path: <sip:198.51.100.20;lr>" } })
		alice:request("OPTIONS", "sip:bob@example.com")
		local moved = alice:expect(302) { Contact = { "<sip:bob@198.51.100.8:5060>;expires=300" }, Path = false }
		net:is_true(not moved.text:find("198.51.100.20", 1, true), "nothing says where the proxy is")
	end,
}

flow "who is not registered here is answered 404, and others' domains are left to the next element" {
	script_text = REDIRECT,
	run = function(net)
		local alice, bob = phones(net)
		alice:request("OPTIONS", "sip:nobody@example.com")
		alice:expect(404) { Contact = false }
		alice:request("OPTIONS", "sip:bob@198.51.100.8")
		bob:expect "OPTIONS"
		bob:reply(200)
		alice:expect(200)
	end,
}

flow "a redirect for every domain answers 404 for whoever is not registered" {
	script_text = [[
local sip = require "viaduct"
local registrar = sip.registrar {}
return { receive = sip.receive_chain { sip.redirect { registrar = registrar }, registrar } }]],
	run = function(net)
		local alice, bob = phones(net)
		bob:register "sip:bob@example.net"
		alice:request("OPTIONS", "sip:bob@example.net")
		alice:expect(302)
		alice:request("OPTIONS", "sip:bob@198.51.100.8")
		alice:expect(404)
	end,
}

flow "a CANCEL at a redirect server is answered 200" {
	script_text = REDIRECT,
	run = function(net)
		local alice, bob = phones(net)
		bob:register "sip:bob@example.com"
		alice:request("CANCEL", "sip:bob@example.com")
		alice:expect(200) { Contact = false }
	end,
}

flow "a mistake in the options of block, redirect and chains is told with its line" {
	script_text = [[return { receive = function(message) return message:reply(501) end }]],
	run = function(net)
		net:refuses([[local sip = require "viaduct"
return { receive = sip.block { INVITE = "no" } }]], 2, "block answers INVITE with a code and a text")
		net:refuses([[local sip = require "viaduct"

return { receive = sip.redirect {} }]], 3, "redirect needs a registrar")
		net:refuses([[local sip = require "viaduct"
local block = sip.block { INVITE = 405 }
local chain = sip.receive_chain { block, methods = { INVITE = true } }
return { receive = chain }]], 3, "methods of receive_chain: a list without gaps and names is wanted")
		net:refuses([[local sip = require "viaduct"
return { receive = sip.receive_chain { sip.block { INVITE = 405 }, methods = {} } }]], 2, "methods of receive_chain names none")
		for _, case in ipairs {
			{ "sip.receive_chain { print, methods = { 'invite' } }", "letter case counts: write INVITE" },
			{ "sip.receive_chain { print, sip.stateless_proxy }", "not sip.stateless_proxy itself: call it, as in sip.stateless_proxy {}" },
			{ "sip.stateless_proxy", "not sip.stateless_proxy itself: call it" },
			{ "sip.block { INVITE = 405.5 }", "block answers INVITE with a code and a text" },
			{ "sip.block { INVITE = '405Not' }", "block answers INVITE with a code and a text" },
			{ "sip.block { INVITE = 405, dispatcher = 5 }", "option 'dispatcher' of block is what sip.dispatcher { ... } gave" },
			{ "sip.registrar { dispatcher = 5 }", "option 'dispatcher' of registrar is what" },
			{ "sip.registrar { domains = { ['example.com'] = true } }", 'write domains = { "example.com" }' },
			{ "sip.registrar { domains = { nil, 'example.com' } }", "domains of registrar: a list without gaps" },
			{ "sip.registrar { min_expires = 30, default_expires = 5 }", "default_expires of registrar, 5, is below min_expires, 30" },
			{ "sip.registrar { min_expires = 301 }", "min_expires of registrar, 301, is above max_expires, 300" },
		} do
			net:refuses(("local sip = require 'viaduct'\nreturn { receive = %s }"):format(case[1]), 2, case[2])
		end
		net:is_true(net:reload("local sip = require 'viaduct' local d = sip.dispatcher {}\n"
			.. "return { receive = sip.receive_chain { print, sip.block { INVITE = 405, dispatcher = d } } }"), "its own dispatcher")
	end,
}

-- ---- chains ----

flow "chains nest, and a filter that waits holds up nobody else" {
	script_text = script [[
		sip.receive_chain {
			sip.block { INVITE = "603 Asleep" },
			methods = { "INVITE", "ACK" },
			filter = function(message) if message.from.uri.user == "alice" then sip.sleep(5) return true end end,
		},
		proxy ]],
	run = function(net)
		local alice, bob, carol = phones(net)
		local slow = alice:request("INVITE", "sip:bob@198.51.100.8")
		local quick = carol:request("INVITE", "sip:bob@198.51.100.8")
		bob:expect "INVITE"
		bob:reply(486)
		carol:same_transaction("ACK", quick, { to = carol:expect(486):header "To" })
		bob:expect "ACK"
		net:advance(5)
		alice:expect(100)
		alice:same_transaction("ACK", slow, { to = alice:expect(603):header "To" })
		net:advance(40)
		bob:expect_nothing()
	end,
}

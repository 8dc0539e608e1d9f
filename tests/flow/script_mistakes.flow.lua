-- What a user gets wrong in a script is told with its line and what to write, also in a tail call.
local function mistake(name, line, told)
	flow(name) {
		script_text = "local sip = require 'viaduct'\nlocal proxy = sip.stateless_proxy {}\n"
			.. "return { receive = function(req, leg, from)\n" .. line .. "\nend, }\n",
		run = function(net)
			local alice = net:phone("alice", "udp:198.51.100.7:5062")
			alice:request("MESSAGE", "sip:x@example.com")
			alice:expect(500)
			local seen = net:expect_log "script.error"
			if not seen:find(told, 1, true) or not seen:find "script%.lua:[34]: " then
				error(("told: %s\nwanted: %s"):format(seen, told), 0)
			end
		end,
	}
end

mistake("a code that is a text, in a tail call", 'return req:reply("404")', "req:reply(404)")
mistake("a reason that is a table", "return req:reply(404, {})", "the reason must be a string")
mistake("headers that are a list", 'return req:reply(404, nil, { "X: y" })', "headers of a reply are named")
mistake("a header without a name", "return req:header()", "the header name must be a string")
mistake("a method called with a dot", "return proxy.receive(req, leg)", "proxy:receive(message, leg, from)")
mistake("a typo in a parsed address", "return req.from.tga", "an address has no field 'tga'")
mistake("a typo in a parsed URI", "return req.ruri.usr", "a URI has no field 'usr'")
mistake("a typo in a leg", "return leg.adress", "a leg has no field 'adress'")
mistake("a header the engine keeps", 'req:remove_header "Via"', "the engine keeps it")

mistake("what is no URI, to a registrar", 'require("viaduct").registrar {}:query "bob"', "'bob' is no URI")

local A_LIST = "targets of forward: a list without gaps and names is wanted: write { "
for what, targets in pairs {
	["a hole among targets"] = '{ "sip:a@192.0.2.4", nil, "sip:b@192.0.2.5" }',
	["a hole before the only target"] = '{ nil, "sip:b@192.0.2.5" }',
	["a hole in an inner list"] = '{ { "sip:a@192.0.2.4", nil, "sip:b@192.0.2.5" } }',
	["a hole among contacts"] = '{ { uri = "sip:a@192.0.2.4", q = 1 }, nil, { uri = "sip:b@192.0.2.5", q = 0.5 } }',
	["an option among targets"] = '{ "sip:a@192.0.2.4", timeout = 5 }',
} do
	mistake(what, ("return req:forward(%s)"):format(targets), A_LIST)
	mistake(what .. ", at one time", ("return req:forward(%s, { parallel = true })"):format(targets), A_LIST)
end

-- What a callback of a library element gets wrong is told with the line where the callback begins: it has returned by then.
local function callback_mistake(name, option, told)
	flow(name .. " is told with the line where it begins") {
		legs = { "udp:10.0.0.1:5060", "udp:192.0.2.1:5070" },
		script_text = "local sip = require 'viaduct'\nreturn { receive = sip.stateless_proxy {\n" .. option .. "\n}, }\n",
		run = function(net)
			local alice = net:phone("alice", "udp:10.0.0.7:5062")
			alice:request("MESSAGE", "sip:bob@198.51.100.8:5060", { contact = alice:contact() })
			net:settle()
			alice:take_all()
			local seen = net:expect_log "script.error"
			if not seen:find(told, 1, true) or not seen:find("script.lua:3: in the callback that begins here: ", 1, true) then
				error(("told: %s\nwanted: %s"):format(seen, told), 0)
			end
		end,
	}
end

callback_mistake("a rewrite_contact that returns a number", "rewrite_contact = function() return 7 end",
	"rewrite_contact returns a text or nil, not a number")
callback_mistake("a rewrite_contact whose word is none", "rewrite_contact = function() return 'a@b' end",
	"rewrite_contact returned 'a@b': a new contact is a word")
callback_mistake("a rewrite_crypt that returns a table", "rewrite_crypt = function() return {} end",
	"rewrite_crypt returns a text or nil, not a table")
callback_mistake("a do_nat with a code that is none", "nathelper = { do_nat = function() return 7 end }",
	"do_nat of a nathelper returns nothing, or a code of 300 to 699 and a text, not 7 and nil")
callback_mistake("a do_nat with a text that is none", "nathelper = { do_nat = function() return 488, 5 end }",
	"do_nat of a nathelper returns nothing, or a code of 300 to 699 and a text, not 488 and 5")
callback_mistake("a do_nat that answers by itself", "nathelper = { do_nat = function(_, m) m:reply(488) end }",
	"answered or forwarded before do_nat returned")

flow "a rewrite_crypt that deciphers to what is no contact is told so, and not as a rewrite_contact" {
	legs = { "udp:10.0.0.1:5060", "udp:192.0.2.1:5070" },
	script_text = [[
local sip = require "viaduct"
return { receive = sip.stateless_proxy {
	rewrite_crypt = function(data, dir) return dir == 1 and data or data:sub(1, 4) .. "no contact" end } }]],
	run = function(net)
		local alice, bob = net:phone("alice", "udp:10.0.0.7:5062"), net:phone("bob", "udp:198.51.100.8:5060")
		alice.to, bob.to = "udp:10.0.0.1:5060", "udp:192.0.2.1:5070"
		alice:request("MESSAGE", "sip:bob@198.51.100.8:5060", { contact = alice:contact() })
		bob:request("MESSAGE", bob:expect("MESSAGE"):header("Contact"):match "<(.*)>")
		bob:expect(500)
		local seen = net:expect_log "rewrite_crypt returned 'no contact': deciphered is what was enciphered"
		net:is_true(seen:find("script.lua:3: in the callback", 1, true), "its line")
	end,
}

flow "a mistake that no line of the script leads to is told with the receiver's" {
	script_text = [[
local sip = require "viaduct"
local function forgets_to_say_so(message) message:reply(404) end
return { receive = sip.receive_chain { forgets_to_say_so, sip.stateless_proxy {} } }]],
	run = function(net)
		local alice = net:phone("alice", "udp:198.51.100.7:5062")
		alice:request("MESSAGE", "sip:x@example.com")
		alice:expect(404)
		net:expect_log "script.lua:3: in the receiver that is named here: this message was answered or forwarded already"
	end,
}

-- `wrong` ends in a tail call, which leaves no line of it.
local TAIL_CALL = [[
local sip = require "viaduct"
local function wrong() return sip.log("bogus", "x") end
local dispatcher = sip.dispatcher { do_retransmits = false, dnsresolv = wrong }
return { legs = { { "udp:192.0.2.1:5060", can_deliver_to = %s } }, receive = function(req)
	if req:is_request() then %s end
end }]]
local tail_calls = {
	{ "a timer", "sip.after(0.01, wrong) req:reply(200)" },
	{ "a timer of the dispatcher", "dispatcher:add_timer(0, wrong) req:reply(200)" },
	{ "a callback of resolve_uri", "dispatcher:resolve_uri('sip:bob@198.51.100.8', nil, wrong) req:reply(200)" },
	{ "a callback of deliver", "dispatcher:deliver(req, { callback = wrong })" },
	{ "on_response", "return req:forward('sip:bob@198.51.100.8', { on_response = wrong })" },
	{ "dnsresolv", "return req:forward 'sip:bob@example.net'" },
	{ "can_deliver_to", "return req:forward 'sip:bob@198.51.100.8'", "wrong" },
}
for _, case in ipairs(tail_calls) do
	flow("a mistake in a tail call of " .. case[1] .. " is told with its line, not the receiver's") {
		legs = false,
		script_text = TAIL_CALL:format(case[3] or "nil", case[2]),
		run = function(net)
			local alice, bob = net:phone("alice", "udp:198.51.100.7:5062"), net:phone("bob", "udp:198.51.100.8:5060")
			alice:request("OPTIONS", "sip:bob@198.51.100.8")
			net:settle()
			if #bob.inbox > 0 then
				bob:expect "OPTIONS"
				bob:reply(183)
				bob:reply(200)
			end
			net:advance(70)
			alice:take_all()
			net:expect_log "script.lua:2: in the callback that begins here: sip.log knows error, warn, info and debug, not 'bogus'"
		end,
	}
end

flow "a script of a hundred kilobytes loads like any other" {
	script_text = ("-- words and words and words\n"):rep(4000) .. "return { receive = function(req) return req:reply(200) end }",
	run = function(net)
		local alice = net:phone("alice", "udp:198.51.100.7:5062")
		alice:request("MESSAGE", "sip:x@example.com")
		alice:expect(200)
	end,
}

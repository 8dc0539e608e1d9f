-- Stateful forwards that hide contacts: req:forward with the `proxy` whose words they become.
local relayed = require "lib.relayed"
local INSIDE, OUTSIDE = "udp:10.0.0.1:5060", "udp:192.0.2.1:5070"
local LEGS = { INSIDE, OUTSIDE }
local ALICE, BOB = "udp:10.0.0.7:5062", "udp:198.51.100.8:5060"
local BOB_URI, ALICE_URI = "sip:bob@198.51.100.8:5060", "sip:alice@10.0.0.7:5062"

local SCRIPT = [[
local sip = require "viaduct"
local proxy = sip.stateless_proxy { rewrite_key = "a key that nobody else has guessed" }
return { receive = function(message, leg, from)
	if not message:is_request() or message.method == "ACK" or message.method == "CANCEL" then
		return proxy:receive(message, leg, from)
	end
	return message:forward(message.uri, { proxy = proxy %s })
end }]]

local function sides(net)
	local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
	alice.to, bob.to = INSIDE, OUTSIDE
	return alice, bob
end

-- The URI in a Contact, which is a word at that address.
local function hidden(net, message, at)
	local uri = message:header("Contact"):match "<(.-)>"
	net:is_true(uri:find("^sip:b%w+@" .. at:gsub("%p", "%%%0") .. "$"), uri .. " is a word at " .. at)
	return uri
end

local function hides(title, extra)
	flow(title) {
		legs = LEGS, script_text = SCRIPT:format(extra),
		run = function(net)
			local alice, bob = sides(net)
			local invite = alice:request("INVITE", BOB_URI)
			local came = bob:expect "INVITE" { from = "192.0.2.1:5070", uri = BOB_URI }
			local to_alice = hidden(net, came, "192.0.2.1:5070")
			bob:reply(180)
			hidden(net, alice:expect(180), "10.0.0.1:5060")
			bob:reply(200)
			local answer = alice:expect(200)
			local to_bob, routes = hidden(net, answer, "10.0.0.1:5060"), answer:rows "Record-Route"
			local inside = { call_id = invite:header "Call-ID", from = invite:header "From", to = answer:header "To",
				route = { routes[2], routes[1] } }
			alice:request("ACK", to_bob, inside)
			bob:expect "ACK" { uri = BOB_URI, Route = {} }
			local back = { call_id = inside.call_id, from = inside.to, to = inside.from, route = routes, contact = bob:contact() }
			bob:request("INVITE", to_alice, back)
			local again = alice:expect "INVITE" { uri = ALICE_URI, Route = {}, from = "10.0.0.1:5060" }
			net:equal(hidden(net, again, "10.0.0.1:5060"), to_bob, "bob's contact")
			alice:reply(200)
			net:equal(hidden(net, bob:expect(200), "192.0.2.1:5070"), to_alice, "alice's contact")
			back.route = nil -- a peer that forgot the routes
			bob:request("BYE", to_alice, back)
			alice:expect "BYE" { uri = ALICE_URI, from = "10.0.0.1:5060" }
			alice:reply(200)
			bob:expect(200)
			net:advance(40)
		end,
	}
end

hides("a forward with a proxy hides contacts of requests and responses, and in-dialog requests reach the real ones", "")
hides("so does a stateless one, with the key of that proxy", ", stateless = true")

flow "what is repeated is the same bytes; a failure has its Contact hidden; a CANCEL follows" {
	legs = LEGS, script_text = SCRIPT:format "",
	run = function(net)
		local alice, bob = sides(net)
		local invite = alice:request("INVITE", BOB_URI)
		local first = bob:expect "INVITE"
		net:advance(0.6)
		net:equal(bob:expect("INVITE").text, first.text, "the INVITE that is repeated")
		alice:expect(100)
		bob:reply(302, { headers = { "Contact: <sip:bob@198.51.100.9>" } })
		bob:expect "ACK" { uri = BOB_URI }
		local moved = alice:expect(302)
		hidden(net, moved, "10.0.0.1:5060")
		relayed.ack(alice, invite, moved)
		local other = alice:request("INVITE", BOB_URI)
		local rings = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		alice:same_transaction("CANCEL", other)
		alice:expect(200)
		relayed.expect_cancelled(bob, rings)
		relayed.ack(alice, other, alice:expect(487))
		net:advance(40)
	end,
}

flow "an answer that comes after a reload is hidden by the words its forward began with" {
	legs = LEGS, script_text = SCRIPT:format "",
	run = function(net)
		local alice, bob = sides(net)
		alice:request("INVITE", BOB_URI)
		bob:expect "INVITE"
		net:is_true(net:reload(SCRIPT:format(", timeout = 30"):gsub("guessed", "thought of")), "it loads")
		bob:reply(200)
		local uri = hidden(net, alice:expect(200), "10.0.0.1:5060")
		net:advance(40)
		net:is_true(net:reload(SCRIPT:format ""), "it loads")
		alice:request("MESSAGE", uri)
		bob:expect "MESSAGE" { uri = BOB_URI }
		bob:reply(200)
		alice:expect(200)
		net:advance(40)
	end,
}

flow "a word that was changed is answered 404 by a forward too, and sent nowhere" {
	legs = LEGS, script_text = SCRIPT:format "",
	run = function(net)
		local alice, bob = sides(net)
		alice:request("MESSAGE", BOB_URI, { contact = alice:contact() })
		local word = hidden(net, bob:expect "MESSAGE", "192.0.2.1:5070")
		bob:reply(200)
		alice:expect(200)
		bob:request("MESSAGE", (word:gsub("^sip:b.", function(two) return two == "sip:ba" and "sip:bb" or "sip:ba" end)))
		bob:expect(404)
		net:counts { contacts_refused = 1 }
		alice:expect_nothing()
		net:advance(40)
	end,
}

flow "without a proxy a forward leaves contacts as they are" {
	legs = LEGS, script_text = SCRIPT:gsub("proxy = proxy %%s", ""),
	run = function(net)
		local alice, bob = sides(net)
		alice:request("MESSAGE", BOB_URI, { contact = "<sip:alice@10.0.0.7>" })
		bob:expect "MESSAGE" { Contact = "<sip:alice@10.0.0.7>" }
		bob:reply(200)
		alice:expect(200)
		net:advance(40)
	end,
}

for options, said in pairs {
	["proxy = {}"] = "proxy of forward is what sip.stateless_proxy made",
	["proxy = proxy"] = "a transaction hides contacts behind words that are built in",
} do
	flow("a forward with " .. options .. " that cannot hide contacts says so with its line") {
		legs = LEGS,
		script_text = ([[
local sip = require "viaduct"
local proxy = sip.stateless_proxy { rewrite_contact = function() end }
return { receive = function(message) message:forward(message.uri, { %s }) end }]]):format(options),
		run = function(net)
			local alice = sides(net)
			alice:request("MESSAGE", BOB_URI)
			alice:expect(500)
			net:expect_log("script.lua:3: " .. said)
			net:advance(40)
		end,
	}
end

flow "a quiet proxy keeps no answer of a transaction to itself" {
	script_text = [[
local sip = require "viaduct"
local proxy = sip.stateless_proxy { quiet = true }
return { receive = function(req) return req:forward("sip:bob@198.51.100.8", { proxy = proxy }) end }]],
	run = function(net)
		local alice = net:phone("alice", "udp:198.51.100.7:5062")
		alice:request("MESSAGE", "sip:x@192.0.2.1", { headers = { "Proxy-Require: foo" } })
		alice:expect(420) { Unsupported = "foo" }
		net:advance(70)
	end,
}

-- Requests that UDP should not carry (RFC 3261 18.1.1): by TCP, and by UDP when nobody is there.
local delivered = require "lib.delivered"
local relayed = require "lib.relayed"
local parties, rest = relayed.parties, relayed.rest

local HERE = { domains = "example.com" }
local BOB_AOR, BOB = "sip:bob@example.com", "sip:bob@198.51.100.8:5060"
local BODY = ("a=" .. ("x"):rep(71) .. "\r\n"):rep(18)
local STATELESS = [[return { receive = require "viaduct".stateless_proxy {} }]]

-- Each to TCP that is refused says so once.
local function refused(net)
	net:expect_log "send.failed"
end

local function large(phone, method, uri, given)
	given = given or {}
	given.type, given.body = "application/sdp", BODY
	return phone:request(method, uri, given)
end

for _, name in ipairs { "proxy", "router" } do
	for _, params in ipairs { "", ";transport=udp" } do
		flow("a large INVITE reaches a phone that has UDP only, bound as sip:...:5060" .. params .. " (" .. name .. ")") {
			script = "scripts/" .. name .. ".lua",
			settings = HERE,
			run = function(net)
				local alice, bob = parties(net, "alice", "bob")
				bob:register(BOB_AOR, { contact = "<" .. BOB .. params .. ">" })
				local invite = large(alice, "INVITE", BOB_AOR)
				local came = bob:expect "INVITE" { uri = BOB .. params, body = BODY, ["Max-Forwards"] = 69 }
				net:is_true(came:rows("Via")[1]:find "^SIP/2.0/UDP ", "a Via of UDP")
				bob:reply(180)
				alice:expect(180)
				bob:reply(200)
				local answer = alice:expect(200)
				local inside = { call_id = invite:header "Call-ID", to = answer:header "To", route = answer:rows "Record-Route" }
				alice:request("ACK", BOB, inside)
				bob:expect "ACK" { Route = {} }
				refused(net)
				net:counts { failovers = 1, clients_unreachable = 1 }
				rest(net)
			end,
		}
	end
end

flow "a large request within a dialog too" {
	script = "scripts/router.lua",
	settings = HERE,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		bob:register(BOB_AOR)
		local invite = alice:request("INVITE", BOB_AOR)
		bob:expect "INVITE"
		bob:reply(200)
		local answer = alice:expect(200)
		local inside = { call_id = invite:header "Call-ID", to = answer:header "To", route = answer:rows "Record-Route", cseq = 2 }
		local again = large(alice, "INVITE", BOB, inside)
		local to_bob = bob:expect "INVITE" { Route = {}, body = BODY }
		relayed.cancel(alice, again)
		alice:expect(200)
		bob:expect_nothing() -- RFC 3261 9.1: not before it has said something
		bob:reply(180)
		alice:expect(180)
		relayed.expect_cancelled(bob, to_bob)
		relayed.expect_failure(alice, again, 487)
		refused(net)
		rest(net)
	end,
}

flow "the next request goes by UDP at once, with no transaction, and later ones try TCP again" {
	script_text = STATELESS,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		for round = 1, 2 do
			large(alice, "MESSAGE", BOB)
			bob:expect "MESSAGE"
			bob:reply(200)
			alice:expect(200)
			refused(net)
			net:counts { failovers = round, server_transactions = round }
			large(alice, "MESSAGE", BOB)
			bob:expect "MESSAGE"
			bob:reply(200)
			alice:expect(200)
			net:counts { failovers = round, server_transactions = round }
			net:advance(100)
		end
	end,
}

flow "who has TCP gets it by TCP" {
	script_text = STATELESS,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local stream = net:phone("stream", "tcp:198.51.100.8:5060")
		large(alice, "MESSAGE", BOB)
		stream:expect "MESSAGE"
		stream:reply(200)
		alice:expect(200)
		bob:expect_nothing()
		rest(net)
	end,
}

flow "by TCP it leaves from where it came in by UDP" {
	legs = { "udp:192.0.2.9:5060", "tcp:192.0.2.9:5060", "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" },
	script_text = relayed.FORWARD,
	run = function(net)
		local alice = parties(net, "alice")
		local stream = net:phone("stream", "tcp:198.51.100.8:5060")
		large(alice, "MESSAGE", BOB, { leg = "udp:192.0.2.1:5060" })
		stream:expect "MESSAGE" { from = "192.0.2.1:5060" }
		stream:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "who asks for TCP gets nothing by UDP" {
	script_text = STATELESS,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		large(alice, "MESSAGE", BOB .. ";transport=tcp")
		alice:expect(503)
		bob:expect_nothing()
		refused(net)
	end,
}

flow "where the SYN of TCP is answered by nobody, UDP follows after eight T1" {
	script_text = STATELESS,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		relayed.exact(net)
		net.core:link(true, { delay = 0.001, loss = 1 }) -- of the engine
		large(alice, "MESSAGE", BOB)
		net:settle()
		relayed.exact(net)
		net:advance(3.9)
		bob:expect_nothing()
		net:advance(0.1)
		bob:expect "MESSAGE"
		bob:reply(200)
		alice:expect(200)
		net:advance(10)
		refused(net)
		rest(net)
	end,
}

flow "the addresses of a name are tried each by TCP, then by UDP" {
	script_text = STATELESS,
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		delivered.two_addresses(net)
		large(alice, "MESSAGE", "sip:x@example.net")
		net:advance(4.2)
		carol:expect "MESSAGE"
		carol:reply(200)
		alice:expect(200)
		net:equal(net:count_log "send.failed", 2, "addresses that refused TCP")
		refused(net)
		refused(net)
		net:counts { failovers = 3 }
		rest(net)
	end,
}

flow "a large request is delivered to who has UDP only" {
	script_text = delivered.acting(),
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		large(alice, "OPTIONS", BOB)
		bob:expect "OPTIONS" { body = BODY }
		bob:reply(200)
		alice:expect(200)
		net:expect_log "told nil of"
		refused(net)
		net:counts { failovers = 1 }
		rest(net)
	end,
}

flow "a large ACK that TCP was refused to goes by UDP when it is repeated" {
	script_text = STATELESS,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		large(alice, "ACK", BOB)
		refused(net)
		bob:expect_nothing()
		alice:resend()
		bob:expect "ACK" { body = BODY }
		net:counts { acks_undeliverable = 1 }
	end,
}

flow "a script that rewrites contacts itself forwards what is large likewise" {
	script_text = [[
		local sip = require "viaduct"
		return { receive = sip.stateless_proxy { rewrite_contact = function(contact) return contact end } }]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		large(alice, "MESSAGE", BOB)
		bob:expect "MESSAGE"
		bob:reply(200)
		alice:expect(200)
		refused(net)
		rest(net)
	end,
}

flow "one whose contacts are hidden from the other side, and its answer, are hidden by UDP as by TCP" {
	legs = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060", "udp:192.0.2.9:5060", "tcp:192.0.2.9:5060" },
	script_text = STATELESS,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = large(alice, "INVITE", BOB)
		local came = bob:expect "INVITE" { from = "192.0.2.9:5060", Contact = "~^<sip:b%w+@192%.0%.2%.9:5060>$" }
		bob:reply(200)
		local answer = alice:expect(200) { Contact = "~^<sip:b%w+@192%.0%.2%.1:5060>$" }
		refused(net)
		net:advance(100) -- TCP is tried anew
		large(bob, "INFO", came:header("Contact"):match "<(.*)>", { leg = "udp:192.0.2.9:5060", call_id = invite:header "Call-ID",
			from = answer:header "To", to = invite:header "From" })
		alice:expect "INFO" { from = "192.0.2.1:5060", uri = "sip:alice@198.51.100.7:5062" }
		alice:reply(200)
		bob:expect(200)
		refused(net)
		rest(net)
	end,
}

flow "what the proxy sends by TCP for its size has to be called from the handler, and says so of itself" {
	script_text = [[
local proxy = require "viaduct".stateless_proxy {}
return { receive = function(msg, leg)
	coroutine.wrap(function() proxy:receive(msg, leg) end)()
end }]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("OPTIONS", BOB)
		bob:expect "OPTIONS"
		large(alice, "OPTIONS", BOB)
		alice:expect(500)
		net:expect_log "script.lua:3: receive of a stateless proxy must be called from the handler itself, not from a coroutine"
	end,
}

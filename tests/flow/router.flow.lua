-- scripts/router.lua: a registrar and a stateful router for the phones registered here.
local relayed = require "lib.relayed"
local parties, rest = relayed.parties, relayed.rest
local expect_ack, expect_cancelled, expect_failure = relayed.expect_ack, relayed.expect_cancelled, relayed.expect_failure
local ROUTER, HERE = "scripts/router.lua", { domains = "example.com" }
local BOB_AOR = "sip:bob@example.com"
local STRANGER = "udp:203.0.113.8:5060"

flow "a call to a registered phone: INVITE, 180, 200, ACK, BYE" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		bob:register(BOB_AOR)
		local invite = alice:request("INVITE", BOB_AOR)
		bob:expect "INVITE" { uri = "sip:bob@198.51.100.8:5060", ["Max-Forwards"] = 69 }
		bob:reply(180)
		alice:expect(180)
		bob:reply(200)
		local answer = alice:expect(200)
		local inside = { call_id = invite:header "Call-ID", to = answer:header "To", route = answer:rows "Record-Route" }
		alice:request("ACK", "sip:bob@198.51.100.8:5060", inside)
		bob:expect "ACK" { Route = {} }
		inside.cseq = 2
		alice:request("BYE", "sip:bob@198.51.100.8:5060", inside)
		bob:expect "BYE" { Route = {} }
		bob:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "all contacts of one q ring at one time, those of a lower q when they failed" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		bob:register(BOB_AOR, { contact = bob:contact() .. ";q=0.9" })
		carol:register(BOB_AOR, { contact = carol:contact() .. ";q=0.9" })
		dave:register(BOB_AOR, { contact = dave:contact() .. ";q=0.2" })
		alice:request("INVITE", BOB_AOR)
		local to_bob, to_carol = bob:expect "INVITE", carol:expect "INVITE"
		dave:expect_nothing()
		bob:reply(486)
		carol:reply(486)
		expect_ack(bob, to_bob)
		expect_ack(carol, to_carol)
		dave:expect "INVITE"
		dave:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "who answers first has the call, and the other phone stops ringing" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		bob:register(BOB_AOR)
		carol:register(BOB_AOR)
		alice:request("INVITE", BOB_AOR)
		local to_bob = bob:expect "INVITE"
		carol:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		carol:reply(200)
		alice:expect(200)
		expect_cancelled(bob, to_bob)
		rest(net)
	end,
}

flow "nobody answers for a minute: the phones are cancelled and the caller hears 408" {
	script = ROUTER,
	settings = { domains = "example.com", ring = "20" },
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		bob:register(BOB_AOR)
		local invite = alice:request("INVITE", BOB_AOR)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		net:advance(19)
		bob:expect_nothing()
		net:advance(1.1)
		expect_cancelled(bob, came)
		expect_failure(alice, invite, 408)
		rest(net)
	end,
}

flow "a caller who hangs up while it rings stops all phones" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		bob:register(BOB_AOR)
		carol:register(BOB_AOR)
		local invite = alice:request("INVITE", BOB_AOR)
		local invites = { [bob] = bob:expect "INVITE", [carol] = carol:expect "INVITE" }
		for _, phone in ipairs { bob, carol } do
			phone:reply(180)
			alice:expect(180)
		end
		relayed.cancel(alice, invite)
		alice:expect(200)
		for _, phone in ipairs { bob, carol } do
			expect_cancelled(phone, invites[phone])
		end
		expect_failure(alice, invite, 487)
		rest(net)
	end,
}

flow "who is not registered in our domain is answered 404, and a stranger's foreign target 403" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, stranger = parties(net, "alice"), net:phone("stranger", STRANGER)
		alice:request("MESSAGE", "sip:nobody@example.com")
		alice:expect(404)
		stranger:request("MESSAGE", "sip:alice@198.51.100.7:5062")
		stranger:expect(403)
		alice:expect_nothing()
		rest(net)
	end,
}

flow "with relay=any it forwards for everybody" {
	script = ROUTER,
	settings = { relay = "any", domains = "example.com" },
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", "sip:bob@198.51.100.8")
		bob:expect "MESSAGE"
		bob:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "a MESSAGE reaches all phones of its callee, and the first 2xx counts" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		bob:register(BOB_AOR)
		carol:register(BOB_AOR)
		alice:request("MESSAGE", BOB_AOR, { body = "hello", type = "text/plain" })
		bob:expect "MESSAGE" { body = "hello" }
		carol:expect "MESSAGE" { body = "hello" }
		bob:reply(200)
		alice:expect(200)
		carol:reply(200)
		alice:expect_nothing()
		rest(net)
	end,
}

flow "an INVITE inside a dialog follows its Route, whoever is registered" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		bob:register(BOB_AOR)
		local invite = alice:request("INVITE", BOB_AOR)
		bob:expect "INVITE"
		bob:reply(200)
		local answer = alice:expect(200)
		carol:register(BOB_AOR)
		bob:request("INVITE", "sip:alice@198.51.100.7:5062", { call_id = invite:header "Call-ID", from = answer:header "To",
			to = invite:header "From", route = answer:rows "Record-Route" })
		alice:expect "INVITE"
		alice:reply(200)
		bob:expect(200)
		carol:expect_nothing()
		rest(net)
	end,
}

flow "a phone behind TCP is called on its connection, from a caller with UDP" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, bob = parties(net, "alice"), net:phone("bob", "tcp:198.51.100.8:5060")
		bob:register(BOB_AOR)
		local invite = alice:request("INVITE", BOB_AOR)
		local came = bob:expect "INVITE" { Via = { "~TCP", "~UDP", true } }
		bob:reply(486)
		expect_ack(bob, came)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "a keep-alive OPTIONS for the router itself is answered 200 to who may use it, and 403 to strangers" {
	script = ROUTER,
	settings = HERE,
	legs = { "udp:192.0.2.1:5060", "udp:127.0.0.1:5060" },
	run = function(net)
		local stranger, here = net:phone("stranger", STRANGER), net:phone("here", "udp:127.0.0.1:5062")
		stranger:request("OPTIONS", "sip:192.0.2.1")
		stranger:expect(403)
		here:request("OPTIONS", "sip:127.0.0.1", { leg = "udp:127.0.0.1:5060" })
		here:expect(200)
		rest(net)
	end,
}

flow "a stranger's ACK or CANCEL that belongs to nothing is no way through" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, stranger = parties(net, "alice"), net:phone("stranger", STRANGER)
		stranger:request("ACK", "sip:alice@198.51.100.7:5062")
		stranger:request("CANCEL", "sip:alice@198.51.100.7:5062")
		net:equal(#alice:take_all(), 0, "what went through")
		stranger:expect(481)
		net:counts { forwarded = 0 }
		rest(net)
	end,
}

-- ---- Path: the way to a contact (RFC 3327) ----

local EDGE = "udp:198.51.100.20:5060"
local PATH, INNER = "<sip:198.51.100.20;lr>", "<sip:inner.example.net;lr>"

flow "a contact that registered with Path is called by it, and others of the same callee directly (RFC 3327 5.4)" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local edge = net:phone("edge", EDGE)
		bob:register(BOB_AOR, { headers = { "Supported: path", "Path: " .. PATH .. "," .. INNER } })
		carol:register(BOB_AOR)
		alice:request("INVITE", BOB_AOR)
		local by_edge = edge:expect "INVITE" { uri = "sip:bob@198.51.100.8:5060", Route = { PATH .. ", " .. INNER } }
		carol:expect "INVITE" { uri = "sip:carol@198.51.100.9:5060", Route = {} }
		edge:reply(486)
		expect_ack(edge, by_edge) { Route = { PATH .. ", " .. INNER } }
		carol:reply(200)
		alice:expect(200)
		bob:expect_nothing()
		rest(net)
	end,
}

flow "Path goes before the Route that the caller gave, and ours in front of that has done its work" {
	script = ROUTER,
	settings = { domains = "example.com", relay = "any" },
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local edge = net:phone("edge", EDGE)
		bob:register(BOB_AOR, { headers = { "Path: " .. PATH } })
		alice:request("MESSAGE", BOB_AOR, { route = { "<sip:192.0.2.1;lr>", INNER } })
		edge:expect "MESSAGE" { Route = { PATH, INNER } }
		edge:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

local CHOOSING = [[
local sip = require "viaduct"
local registrar = sip.registrar {}
return { receive = function(req)
	if not req:is_request() or req.method == "ACK" then return req:drop() end
	if req.method == "REGISTER" then return registrar:receive(req) end
	local contacts = registrar:query(%s)
	%s
end }]]

local ways = {
	{ "one contact alone", "req.uri", "return req:forward(contacts[1])" },
	{ "a list of its own", "req.uri", [[return req:forward { "sip:x@h.invalid", { contacts[1] } }]] },
	{ "all in parallel", "req.uri", "return req:forward(contacts, { parallel = true })" },
	{ "statelessly", "req.uri", "return req:forward(contacts, { stateless = true })" },
	{ "a table of the script's own", "req.uri", "return req:forward { uri = contacts[1].uri, path = contacts[1].path }" },
	{ "put into the request by the registrar", "req.uri", "registrar:receive(req) return req:forward(req.uri)" },
	{ "asked for once the registrar had put it there", "req.received_uri",
		"registrar:receive(req) return req:forward(registrar:query(req.received_uri))" },
}

for _, way in ipairs(ways) do
	flow("a contact keeps its Path: " .. way[1]) {
		script_text = CHOOSING:format(way[2], way[3]),
		run = function(net)
			local alice, bob = parties(net, "alice", "bob")
			local edge = net:phone("edge", EDGE)
			bob:register(BOB_AOR, { headers = { "Path: " .. PATH } })
			alice:request("MESSAGE", BOB_AOR)
			edge:expect "MESSAGE" { uri = "sip:bob@198.51.100.8:5060", Route = { PATH } }
			edge:reply(200)
			net:settle()
			alice:take_all()
			rest(net)
		end,
	}
end

flow "who is tried after the contact that the registrar put into the request is not sent by its Path" {
	script_text = CHOOSING:format("req.uri", [[
		registrar:receive(req)
		req:forward(req.uri)
		return req:forward "sip:carol@198.51.100.9"]]),
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local edge = net:phone("edge", EDGE)
		bob:register(BOB_AOR, { headers = { "Path: " .. PATH } })
		alice:request("MESSAGE", BOB_AOR)
		edge:expect "MESSAGE" { Route = { PATH } }
		edge:reply(480)
		carol:expect "MESSAGE" { Route = {} }
		carol:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "a Path that is none ends its contact, and no other" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		bob:register(BOB_AOR, { headers = { "Path: nonsense" } })
		carol:register(BOB_AOR)
		alice:request("MESSAGE", BOB_AOR)
		carol:expect "MESSAGE"
		bob:expect_nothing()
		carol:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "a contact is called from the side it registered by, though the caller's side reaches it too" {
	legs = { "udp:192.0.2.1:5060", "udp:192.0.2.2:5070" },
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		bob:register(BOB_AOR, { leg = "udp:192.0.2.2:5070" })
		carol:register(BOB_AOR, { leg = "udp:192.0.2.1:5060" })
		alice:request("MESSAGE", BOB_AOR, { leg = "udp:192.0.2.1:5060" })
		bob:expect "MESSAGE" { from = "192.0.2.2:5070" }
		carol:expect "MESSAGE" { from = "192.0.2.1:5060" }
		bob:reply(200)
		alice:expect(200)
		carol:reply(200)
		rest(net)
	end,
}

flow "what is no path and no leg of a contact is said with what to write" {
	script_text = CHOOSING:format("req.uri", [[
		sip.log(select(2, pcall(req.forward, req, { uri = "sip:x@h", path = {} })))
		sip.log(select(2, pcall(req.forward, req, { uri = "sip:x@h", leg = "udp" })))
		return req:reply(#contacts == 0 and 404 or 200)]]),
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", BOB_AOR)
		alice:expect(404)
		net:expect_log "the path of a contact is a text such as .*<sip:edge.example.com;lr>.*, not a table"
		net:expect_log "the leg of a contact is one such as get_legs gives, not udp"
		rest(net)
	end,
}

flow "a stranger's Route leads nowhere, not past a registered phone either" {
	script = ROUTER,
	settings = HERE,
	run = function(net)
		local bob, stranger, victim = parties(net, "bob"), net:phone("stranger", STRANGER), net:phone("victim", "udp:203.0.113.9:5090")
		bob:register(BOB_AOR)
		for _, route in ipairs { "<sip:+900@203.0.113.9:5090>", "<sip:203.0.113.9:5090;lr>",
			"<sip:192.0.2.1;lr>, <sip:203.0.113.9:5090;lr>" } do
			for _, method in ipairs { "INVITE", "OPTIONS", "MESSAGE" } do
				local sent = stranger:request(method, BOB_AOR, { route = route })
				if method == "INVITE" then
					expect_failure(stranger, sent, 403)
				else
					stranger:expect(403)
				end
			end
		end
		stranger:request("ACK", BOB_AOR, { route = "<sip:203.0.113.9:5090;lr>" })
		victim:expect_nothing()
		bob:expect_nothing()
		net:counts { forwarded = 0 }
		stranger:request("MESSAGE", BOB_AOR, { route = "<sip:192.0.2.1;lr>" })
		bob:expect "MESSAGE"
		bob:reply(200)
		stranger:expect(200)
		rest(net)
	end,
}

flow "where every domain may register, strangers reach who did" {
	script = ROUTER,
	run = function(net)
		local bob, stranger = parties(net, "bob"), net:phone("stranger", STRANGER)
		bob:register(BOB_AOR)
		stranger:request("MESSAGE", BOB_AOR)
		bob:expect "MESSAGE"
		bob:reply(200)
		stranger:expect(200)
		stranger:request("MESSAGE", BOB_AOR, { route = "<sip:203.0.113.9:5090;lr>" })
		stranger:expect(403)
		stranger:request("MESSAGE", "sip:carol@example.com")
		stranger:expect(403)
		rest(net)
	end,
}

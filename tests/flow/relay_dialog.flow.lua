-- Routes, loops, hops and legs of a request that is forwarded statefully (RFC 3261 16.3, 16.4, 16.6, RFC 5393, RFC 5658).
local relayed = require "lib.relayed"
local script, parties, rest = relayed.script, relayed.parties, relayed.rest
local expect_ack, expect_failure = relayed.expect_ack, relayed.expect_failure
local TO_BOB = "sip:bob@198.51.100.8"

flow "a dialog keeps to the route of its INVITE, in both directions, and is recorded once" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE" { ["Record-Route"] = { "~^<sip:192%.0%.2%.1:5060;lr;d=%x+>$" } }
		bob:reply(200)
		local answer = alice:expect(200) { ["Record-Route"] = came:rows "Record-Route" }
		local route = answer:rows "Record-Route"
		local inside = { call_id = invite:header "Call-ID", to = answer:header "To", route = route, cseq = 2 }
		alice:request("ACK", "sip:bob@198.51.100.8:5060", { call_id = inside.call_id, to = inside.to, route = route })
		bob:expect "ACK" { Route = {} }
		alice:request("INVITE", "sip:bob@198.51.100.8:5060", inside)
		local again = bob:expect "INVITE" { Route = {}, ["Record-Route"] = {} }
		bob:reply(200)
		alice:expect(200)
		net:is_true(again:branch() ~= came:branch(), "another branch")
		bob:request("BYE", "sip:alice@198.51.100.7:5062", { call_id = inside.call_id, route = route, from = answer:header "To",
			to = invite:header "From", cseq = 1 })
		alice:expect "BYE" { Route = {} }
		alice:reply(200)
		bob:expect(200)
		rest(net)
	end,
}

flow "a Route that is left decides where the request goes; the target is its Request-URI" {
	script_text = script "return req:forward(BOB)",
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("MESSAGE", "sip:x@example.com", { route = { "<sip:192.0.2.1;lr>", "<sip:198.51.100.9;lr>" } })
		carol:expect "MESSAGE" { uri = TO_BOB, Route = { "<sip:198.51.100.9;lr>" } }
		carol:reply(200)
		alice:expect(200)
		bob:expect_nothing()
		rest(net)
	end,
}

flow "a strict router gets its address as Request-URI, in every branch (RFC 3261 16.6 (6))" {
	script_text = script "return req:forward({ BOB, DAVE }, { parallel = true })",
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		alice:request("MESSAGE", "sip:x@example.com", { route = "<sip:198.51.100.9>" })
		local first = carol:expect "MESSAGE" { uri = "sip:198.51.100.9", Route = { "<sip:bob@198.51.100.8>" } }
		carol:expect "MESSAGE" { uri = "sip:198.51.100.9", Route = { "<sip:dave@198.51.100.10>" } }
		carol:reply(404)
		carol:reply(200, { request = first })
		alice:expect(200)
		rest(net)
	end,
}

flow "a request that comes back with another target is a spiral and is forwarded" {
	script_text = script 'return req:forward(req.ruri.user == "carol" and CAROL or req.uri)',
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		-- bob is a proxy that sends carol's calls back
		bob:request("INVITE", "sip:carol@example.com", { via = { bob:via "z9hG4bKbob", unpack(came:rows "Via") },
			from = came:header "From", to = came:header "To", call_id = came:header "Call-ID", max_forwards = 68 })
		local last = carol:expect "INVITE" { ["Max-Forwards"] = 67 }
		net:equal(#last:rows "Via", 4, "Vias")
		carol:reply(486)
		expect_ack(carol, last)
		local back = expect_failure(bob, bob.sent, 486)
		net:equal(#back:rows "Via", 3, "Vias on the way back")
		bob:reply(486, { request = came })
		expect_ack(bob, came)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "a request that comes back unchanged is a loop: 482, and the script may try elsewhere" {
	script_text = script [[
		local final, _, why = req:forward(req.uri)
		sip.log(("forward gave %s %s"):format(final and final.code or "nil", why or "-"))]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		local back = bob:request("INVITE", TO_BOB, { via = { bob:via "z9hG4bKbob", unpack(came:rows "Via") }, from = came:header "From",
			to = came:header "To", call_id = came:header "Call-ID", max_forwards = 68 })
		expect_failure(bob, back, 482)
		net:expect_log "forward gave nil unreachable"
		bob:reply(482, { request = came })
		expect_ack(bob, came)
		expect_failure(alice, invite, 482)
		net:expect_log "forward gave 482 -"
		rest(net)
	end,
}

flow "a request whose hops are used up is answered 483, whatever the targets" {
	script_text = script "return req:forward { BOB, CAROL }",
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local invite = alice:request("INVITE", "sip:x@example.com", { max_forwards = 0 })
		expect_failure(alice, invite, 483)
		bob:expect_nothing()
		carol:expect_nothing()
		rest(net)
	end,
}

flow "a request with a Proxy-Require nobody knows is answered 420, which names it (RFC 3261 16.3 (5))" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB, { headers = { "Proxy-Require: foo, bar" } })
		net:equal(expect_failure(alice, invite, 420):header "Unsupported", "foo, bar", "what is not understood")
		bob:expect_nothing()
		rest(net)
	end,
}

flow "a request that leaves by another leg carries two Vias and two Record-Routes of ours; answers lose both" {
	script_text = relayed.FORWARD,
	legs = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" },
	run = function(net)
		local alice, bob = parties(net, "alice"), net:phone("bob", "tcp:198.51.100.8:5060")
		local invite = alice:request("INVITE", TO_BOB .. ";transport=tcp")
		local came = bob:expect "INVITE" { Via = { "~^SIP/2.0/TCP 192%.0%.2%.1", "~^SIP/2.0/UDP 192%.0%.2%.1", true },
			["Record-Route"] = { "~transport=tcp;lr", "~^<sip:192.0.2.1:5060;lr" } }
		bob:reply(180)
		alice:expect(180) { Via = relayed.via_of(invite) }
		bob:reply(486)
		expect_ack(bob, came)
		expect_failure(alice, invite, 486) { Via = relayed.via_of(invite) }
		rest(net)
	end,
}

flow "a target that is ourselves is nobody: 404, and the search goes on" {
	script_text = script 'return req:forward { "sip:carol@192.0.2.1", CAROL }',
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		alice:request("INVITE", "sip:via@example.com")
		carol:expect "INVITE" { ["Max-Breadth"] = "60" }
		carol:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "targets at one time share Max-Breadth, and those one after the other have all of it (RFC 5393 5.3.3)" {
	script_text = script "return req:forward { { BOB, CAROL }, DAVE }",
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("MESSAGE", "sip:x@example.com", { headers = { "Max-Breadth: 5" } })
		local to_bob, to_carol = bob:expect "MESSAGE", carol:expect "MESSAGE"
		net:equal(to_bob:header "Max-Breadth" + to_carol:header "Max-Breadth", 5, "the shares together")
		bob:reply(480)
		carol:reply(480)
		dave:expect "MESSAGE" { ["Max-Breadth"] = { 5 } }
		dave:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "who is left without a share of Max-Breadth is tried when the others have failed, the first named first" {
	script_text = script "return req:forward({ BOB, CAROL, DAVE }, { parallel = true })",
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("MESSAGE", "sip:x@example.com", { headers = { "Max-Breadth: 2" } })
		bob:expect "MESSAGE" { ["Max-Breadth"] = "1" }
		carol:expect "MESSAGE" { ["Max-Breadth"] = "1" }
		dave:expect_nothing()
		bob:reply(480)
		dave:expect_nothing()
		carol:reply(480)
		dave:expect "MESSAGE" { ["Max-Breadth"] = "2" }
		dave:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "a Max-Breadth of any size is shared evenly" {
	script_text = script "return req:forward({ BOB, CAROL }, { parallel = true })",
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		for _, value in ipairs { "60", "4294967295" } do
			alice:request("MESSAGE", "sip:x@example.com", { headers = { "Max-Breadth: " .. value } })
			local to_bob, to_carol = bob:expect "MESSAGE", carol:expect "MESSAGE"
			net:is_true(math.abs(to_bob:header "Max-Breadth" - to_carol:header "Max-Breadth") <= 1, "shares of " .. value)
			bob:reply(200)
			alice:expect(200)
			carol:reply(200)
		end
		rest(net)
	end,
}

flow "a request whose breadth is used up is answered 440 and goes nowhere (RFC 5393 5.3.3)" {
	script_text = script "return req:forward({ BOB, CAROL }, { parallel = true })",
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("MESSAGE", "sip:x@example.com", { headers = { "Max-Breadth: 0" } })
		alice:expect(440)
		bob:expect_nothing()
		carol:expect_nothing()
		rest(net)
	end,
}

-- A target with several addresses: the next one when one is dead (RFC 3263 4.3), and a short memory of who was.
local relayed = require "lib.relayed"
local script, parties, rest = relayed.script, relayed.parties, relayed.rest
local cancel, expect_ack, expect_failure = relayed.cancel, relayed.expect_ack, relayed.expect_failure
local TO_EXAMPLE = "sip:x@example.net"

local TELL = script [[
	local final, text, code = req:forward(req.uri)
	sip.log(("forward gave %s %s"):format(final and final.code or "nil", code or "-"))]]

-- Bob's address first, then carol's.
local function two_targets(net, transport)
	local service = ("_sip._%s.example.net"):format(transport or "udp")
	net:dns(service, "SRV", 1, 1, 5060, "one.example.net")
	net:dns(service, "SRV", 2, 1, 5060, "two.example.net")
	net:dns("one.example.net", "A", "198.51.100.8")
	net:dns("two.example.net", "A", "198.51.100.9")
end

flow "when the first address says nothing for four seconds the second is tried, and the caller notices nothing" {
	script_text = TELL,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_targets(net)
		relayed.exact(net)
		alice:request("INVITE", TO_EXAMPLE)
		net:advance(3.9)
		local came = bob:take_all()
		net:equal(relayed.times(came), "0 0.5 1.5 3.5", "requests to the first")
		carol:expect_nothing()
		net:advance(0.2)
		local second = carol:expect "INVITE" { uri = TO_EXAMPLE }
		net:is_true(second:branch() ~= came[1]:branch(), "a new transaction has a new branch (RFC 3263 4.3)")
		carol:reply(200)
		alice:expect(100)
		alice:expect(200)
		net:expect_log "forward gave 200 -"
		net:counts { failovers = 1 }
		rest(net)
		bob:take_all()
	end,
}

flow "with a shorter T1 the second is tried sooner: after eight of them" {
	script_text = [[
local sip = require "viaduct"
sip.dispatcher { do_retransmits = false, t1 = 0.1 }
return { receive = function(req) return req:forward(req.uri) end }]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_targets(net)
		relayed.exact(net)
		alice:request("OPTIONS", TO_EXAMPLE)
		net:advance(0.85)
		local came = bob:take_all()
		net:equal(relayed.times(came), "0 0.1 0.3 0.7", "requests to the first")
		net:equal(relayed.times({ carol:expect "OPTIONS" }, came[1].at), "0.8", "the request to the second")
		carol:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "the last address has all the time that is left" {
	script_text = TELL,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_targets(net)
		local invite = alice:request("INVITE", TO_EXAMPLE)
		net:advance(4 + 31.9)
		net:equal(#carol:take_all(), 7, "requests to the second")
		alice:expect(100)
		alice:expect_nothing()
		net:advance(0.2)
		expect_failure(alice, invite, 408)
		net:expect_log "forward gave nil timeout"
		rest(net)
		bob:take_all()
	end,
}

flow "a timeout is for the target: each of its addresses gets an even share" {
	script_text = script [[
		local final, _, code = req:forward(req.uri, { timeout = 4 })
		sip.log(("forward gave %s %s"):format(final and final.code or "nil", code or "-"))]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_targets(net)
		relayed.exact(net)
		alice:request("INVITE", TO_EXAMPLE)
		net:advance(4.2)
		net:equal(relayed.times(bob:take_all()), "0 0.5 1.5 3.5", "requests to the first")
		net:equal(relayed.kinds(carol:take_all()), "INVITE INVITE INVITE", "requests to the second")
		net:expect_log "forward gave nil timeout"
		alice:take_all()
		rest(net)
		for _, phone in ipairs { alice, bob, carol } do
			phone:take_all()
		end
	end,
}

flow "an address that answers within the share of its time keeps the call, however long it rings" {
	script_text = TELL,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_targets(net)
		alice:request("INVITE", TO_EXAMPLE)
		net:advance(3)
		local came = bob:take_all()[1]
		bob:reply(100, { request = came })
		net:advance(60)
		bob:reply(200, { request = came })
		alice:expect(100)
		alice:expect(200)
		net:expect_log "forward gave 200 -"
		carol:expect_nothing()
		net:counts { failovers = 0 }
		rest(net)
	end,
}

-- Bob has been silent, carol is being tried.
local function with_carol_tried(net)
	local alice, bob, carol = parties(net, "alice", "bob", "carol")
	two_targets(net)
	local invite = alice:request("INVITE", TO_EXAMPLE)
	net:advance(4.1)
	return alice, bob, carol, invite, bob:take_all()[1], carol:expect "INVITE"
end

flow "who rings after he was given up for another address is cancelled, and the caller hears only the other" {
	script_text = TELL,
	run = function(net)
		local alice, bob, carol, _, late, tried = with_carol_tried(net)
		alice:expect(100)
		bob:reply(180, { request = late })
		relayed.expect_cancelled(bob, late)
		alice:expect_nothing()
		carol:reply(200, { request = tried })
		alice:expect(200)
		net:expect_log "forward gave 200 -"
		rest(net)
	end,
}

flow "a 2xx of an address given up goes upstream, and the other is cancelled" {
	script_text = TELL,
	run = function(net)
		local alice, bob, carol, _, late, tried = with_carol_tried(net)
		alice:expect(100)
		carol:reply(180, { request = tried })
		alice:expect(180)
		bob:reply(200, { request = late })
		alice:expect(200) { Via = { "~^SIP/2.0/UDP 198.51.100.7:5062" }, To = "~tag=bob" }
		net:expect_log "forward gave 200 -"
		relayed.expect_cancelled(carol, tried)
		rest(net)
		alice:expect_nothing()
	end,
}

flow "a 2xx of an address given up goes upstream by the Vias that request had, when the other left by another leg" {
	script_text = TELL,
	legs = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" },
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local carol = net:phone("carol", "tcp:198.51.100.9:5060")
		net:dns("_sip._udp.example.net", "SRV", 1, 1, 5060, "one.example.net")
		net:dns("_sip._tcp.example.net", "SRV", 1, 1, 5060, "two.example.net")
		net:dns("one.example.net", "A", "198.51.100.8")
		net:dns("two.example.net", "A", "198.51.100.9")
		alice:request("INVITE", TO_EXAMPLE)
		net:advance(4.1)
		local late = bob:take_all()[1]
		local tried = carol:expect "INVITE"
		net:equal(#tried:rows "Via" - #late:rows "Via", 1, "Vias more")
		bob:reply(200, { request = late })
		alice:expect(100)
		alice:expect(200) { Via = { "~^SIP/2.0/UDP 198.51.100.7:5062" } }
		net:expect_log "forward gave 200 -"
		carol:reply(180, { request = tried })
		relayed.expect_cancelled(carol, tried)
		rest(net)
	end,
}

flow "an address given up that speaks after all is alive, and tried first the next time" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob, carol, _, late, tried = with_carol_tried(net)
		alice:expect(100)
		carol:reply(200, { request = tried })
		alice:expect(200)
		bob:reply(404, { request = late })
		relayed.expect_ack(bob, late)
		alice:request("MESSAGE", TO_EXAMPLE)
		bob:expect "MESSAGE"
		bob:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "a failure of an address given up is acknowledged and counts no more" {
	script_text = TELL,
	run = function(net)
		local alice, bob, carol, _, late, tried = with_carol_tried(net)
		alice:expect(100)
		bob:reply(404, { request = late })
		relayed.expect_ack(bob, late)
		alice:expect_nothing()
		carol:reply(200, { request = tried })
		alice:expect(200)
		net:expect_log "forward gave 200 -"
		rest(net)
	end,
}

flow "a request of another method is sent no more to an address given up, whose 2xx still counts" {
	script_text = TELL,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_targets(net)
		relayed.exact(net)
		alice:request("MESSAGE", TO_EXAMPLE)
		net:advance(5)
		local late = bob:take_all()
		net:equal(relayed.times(late), "0 0.5 1.5 3.5", "requests to the first")
		carol:take_all()
		net:advance(10)
		bob:expect_nothing()
		bob:reply(200, { request = late[1] })
		alice:expect(200)
		net:expect_log "forward gave 200 -"
		carol:take_all()
		net:advance(10)
		carol:expect_nothing()
		rest(net)
	end,
}

flow "an address no request can be sent to is passed over" {
	script_text = TELL,
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		net:dns("_sip._udp.example.net", "SRV", 1, 1, 5060, "one.example.net")
		net:dns("_sip._udp.example.net", "SRV", 2, 1, 5060, "two.example.net")
		net:dns("one.example.net", "A", "0.0.0.0")
		net:dns("two.example.net", "A", carol.host)
		alice:request("MESSAGE", TO_EXAMPLE)
		carol:expect "MESSAGE"
		carol:reply(200)
		alice:expect(200)
		net:expect_log "forward gave 200 -"
		rest(net)
	end,
}

flow "a 503 of the first address leads to the second, and is acknowledged" {
	script_text = TELL,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_targets(net)
		local invite = alice:request("INVITE", TO_EXAMPLE)
		local came = bob:expect "INVITE"
		bob:reply(503)
		expect_ack(bob, came)
		local second = carol:expect "INVITE"
		carol:reply(486)
		expect_ack(carol, second)
		expect_failure(alice, invite, 486)
		net:expect_log "forward gave 486 -"
		rest(net)
	end,
}

flow "no other failure leads to another address" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_targets(net)
		for _, code in ipairs { 404, 500, 504, 302, 600 } do
			local invite = alice:request("INVITE", TO_EXAMPLE)
			local came = bob:expect "INVITE"
			bob:reply(code)
			expect_ack(bob, came)
			expect_failure(alice, invite, code)
		end
		carol:expect_nothing()
		rest(net)
	end,
}

flow "a refused connection leads to the second address at once" {
	script_text = TELL,
	run = function(net)
		local alice = parties(net, "alice")
		local carol = net:phone("carol", "tcp:198.51.100.9:5060")
		two_targets(net, "tcp")
		alice:request("INVITE", TO_EXAMPLE .. ";transport=tcp")
		carol:expect "INVITE" { Via = { "~TCP", "~UDP 192.0.2.1", true } }
		carol:reply(200)
		alice:expect(200)
		net:expect_log "forward gave 200 -"
		net:expect_log "send.failed"
		rest(net)
	end,
}

flow "an address whose stream cannot be opened is dead for the reason it had" {
	script_text = TELL,
	run = function(net)
		local alice = parties(net, "alice")
		net.core:link(true, { delay = 0.0005, loss = 1 }) -- from here to others
		alice:request("MESSAGE", "sip:bob@198.51.100.8;transport=tcp")
		net:advance(12)
		net:expect_log "send.failed"
		net:expect_log "forward gave nil unreachable"
		net:equal(net:dead()["198.51.100.8:5060"], "ETIMEDOUT", "why it is dead")
		rest(net)
	end,
}

flow "with every address dead the caller hears 500, and the script that nobody could be reached" {
	script_text = TELL,
	run = function(net)
		local alice = parties(net, "alice")
		two_targets(net, "tcp")
		local invite = alice:request("INVITE", TO_EXAMPLE .. ";transport=tcp")
		expect_failure(alice, invite, 500)
		net:expect_log "forward gave nil unreachable"
		net:expect_log "send.failed" -- once a second at most
		net:counts { failovers = 1, send_failed = 2 }
		rest(net)
	end,
}

for _, method in ipairs { "INVITE", "MESSAGE" } do
	flow(("a datagram that cannot be sent leads to the second address at once: %s"):format(method)) {
		script_text = TELL,
		run = function(net)
			local alice, carol = parties(net, "alice", "carol")
			two_targets(net)
			net:unreachable "198.51.100.8"
			alice:request(method, TO_EXAMPLE)
			carol:expect(method)
			carol:reply(200)
			alice:expect(200)
			net:expect_log "forward gave 200 -"
			net:expect_log "send.failed.*198.51.100.8:5060.*ENETUNREACH"
			net:counts { failovers = 1, send_failed = 1 }
			rest(net)
		end,
	}
end

flow "an address no datagram can be sent to is remembered as dead" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		two_targets(net)
		net:unreachable "198.51.100.8"
		for _ = 1, 2 do
			alice:request("MESSAGE", TO_EXAMPLE)
			carol:expect "MESSAGE"
			carol:reply(200)
			alice:expect(200)
		end
		net:expect_log "send.failed"
		net:counts { failovers = 1, send_failed = 1 }
		rest(net)
	end,
}

flow "when no datagram can be sent to any address the caller hears 500 at once, and none is repeated" {
	script_text = TELL,
	run = function(net)
		local alice = parties(net, "alice")
		two_targets(net)
		net:unreachable "198.51.100.8"
		net:unreachable "198.51.100.9"
		local invite = alice:request("INVITE", TO_EXAMPLE)
		expect_failure(alice, invite, 500)
		net:expect_log "forward gave nil unreachable"
		net:expect_log "send.failed"
		rest(net)
		net:counts { failovers = 1, send_failed = 2 }
	end,
}

flow "an answer that cannot be sent is counted, and nothing is made of it" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		net:unreachable(alice.host)
		bob:reply(486)
		expect_ack(bob, came)
		net:expect_log "send.failed.*198.51.100.7:5062"
		relayed.ack(alice, invite, came)
		net:counts { send_failed = 1 }
		rest(net)
	end,
}

flow "a stream that is refused is a failure of its target, and the next in the list is tried" {
	script_text = script 'return req:forward { "sip:x@198.51.100.8;transport=tcp", CAROL }',
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		alice:request("INVITE", TO_EXAMPLE)
		carol:expect "INVITE"
		carol:reply(200)
		alice:expect(200)
		net:expect_log "send.failed"
		rest(net)
	end,
}

flow "a dead address is tried last the next time, and first again after half a minute" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_targets(net)
		local function call()
			alice:request("MESSAGE", TO_EXAMPLE)
			net:settle()
		end
		call()
		bob:expect "MESSAGE"
		bob:reply(503)
		carol:expect "MESSAGE"
		carol:reply(200)
		alice:expect(200)
		call()
		carol:expect "MESSAGE"
		carol:reply(503)
		bob:expect "MESSAGE" -- dead, but the last hope
		bob:reply(200)
		alice:expect(200)
		net:advance(31)
		call()
		bob:expect "MESSAGE"
		bob:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "a name that does not resolve is a target that cannot be reached" {
	script_text = TELL,
	run = function(net)
		local alice = parties(net, "alice")
		local invite = alice:request("INVITE", "sip:x@nowhere.example.net")
		expect_failure(alice, invite, 500)
		net:expect_log "forward gave nil unreachable"
		net:dns("broken.example.net", "fail")
		invite = alice:request("INVITE", "sip:x@broken.example.net:5060")
		expect_failure(alice, invite, 500)
		net:expect_log "forward gave nil unreachable"
		rest(net)
	end,
}

flow "a target that cannot be used is skipped: no leg, a scheme nobody speaks, no address" {
	script_text = script [[
		local _, _, why = req:forward(req.header(req, "X-Target"))
		sip.log("skipped as " .. tostring(why))
		return req:forward(CAROL)]],
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		for _, uri in ipairs { "sip:x@[2001:db8::1]", "sips:x@198.51.100.8", "tel:+4930123", "sip:x@0.0.0.0",
			"sip:x@198.51.100.8;transport=sctp", "mailto:x@example.net" } do
			alice:request("MESSAGE", TO_EXAMPLE, { headers = { "X-Target: " .. uri } })
			carol:expect "MESSAGE"
			net:expect_log "skipped as unreachable"
			carol:reply(200)
			alice:expect(200)
		end
		rest(net)
	end,
}

flow "targets that fail one after the other in the moment a timer fires do not leave the handler waiting" {
	script_text = script [[
		req:forward(BOB, { timeout = 1 })
		for _ = 1, 3 do
			local _, _, why = req:forward { "sip:x@0.0.0.0", "sips:x@198.51.100.9" }
			assert(why == "unreachable", why)
		end
		return req:reply(480)]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", TO_EXAMPLE)
		net:advance(1.1)
		alice:expect(480)
		bob:take_all()
		net:advance(40)
		bob:take_all()
		rest(net)
	end,
}

flow "an upstream CANCEL ends the wait for the second address" {
	script_text = TELL,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_targets(net)
		local invite = alice:request("INVITE", TO_EXAMPLE)
		net:advance(3)
		cancel(alice, invite)
		alice:expect(100)
		alice:expect(200)
		net:advance(30)
		net:equal(#bob:take_all(), 7, "requests to the first")
		carol:expect_nothing()
		relayed.ack(alice, invite, alice:take_all()[1])
		net:expect_log "forward gave nil cancelled"
		rest(net)
	end,
}

flow "who was given up is not tried at another address" {
	script_text = script [[
		local _, _, why = req:forward(req.uri, { timeout = 5 })
		return req:reply(480, why)]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_targets(net)
		local invite = alice:request("INVITE", TO_EXAMPLE)
		bob:expect "INVITE"
		bob:reply(100)
		net:advance(5.1)
		alice:expect(100)
		expect_failure(alice, invite, 480) { reason = "timeout" }
		net:advance(40)
		bob:take_all()
		carol:expect_nothing()
		rest(net)
	end,
}

flow "a target whose name takes longer than the timeout is given up: nobody is called there later" {
	script_text = script [[
		local final, _, code = req:forward("sip:x@example.net", { timeout = 2 })
		assert(final == nil and code == "timeout")
		if req.method == "INVITE" then return req:forward(CAROL) end]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		net:dns("example.net", "A", bob.host, 3)
		local invite = alice:request("INVITE", TO_EXAMPLE)
		net:advance(2.1)
		local second = carol:expect "INVITE"
		carol:reply(180)
		alice:expect(100)
		alice:expect(180)
		net:advance(5)
		bob:expect_nothing()
		carol:reply(486, { request = second })
		expect_ack(carol, second)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "a call that ended while a name was still looked up leaves nothing behind" {
	script_text = script 'req:forward("sip:x@example.net", { timeout = 2 })',
	run = function(net)
		local alice = net:phone("alice", "tcp:198.51.100.7:49152") -- by TCP it is over with its ACK
		net:dns("example.net", "silent")
		local invite = alice:request("INVITE", TO_EXAMPLE)
		net:advance(2.1)
		alice:expect(100)
		expect_failure(alice, invite, 408)
		rest(net)
	end,
}

-- The caller gives up (RFC 3261 9, 16.10).
local relayed = require "lib.relayed"
local script, parties, rest = relayed.script, relayed.parties, relayed.rest
local cancel, expect_ack, expect_failure = relayed.cancel, relayed.expect_ack, relayed.expect_failure
local expect_cancel, expect_cancelled = relayed.expect_cancel, relayed.expect_cancelled
local TO_BOB, TO_SALES = "sip:bob@198.51.100.8", "sip:sales@example.com"

local TELL = script [[
	local final, text, code = req:forward(req.uri)
	sip.log(("forward gave %s, %s, %s"):format(final and final.code or "nil", text or "-", code or "-"))]]

flow "a CANCEL is answered 200 at once, the callee is cancelled, and the caller hears 487" {
	script_text = TELL,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		cancel(alice, invite)
		alice:expect(200) { CSeq = "1 CANCEL", Via = relayed.via_of(invite), ["Record-Route"] = false }
		alice:expect_nothing()
		expect_cancelled(bob, came)
		expect_failure(alice, invite, 487) { To = "~tag=bob", CSeq = "1 INVITE" }
		net:expect_log "forward gave nil, the caller gave up, cancelled"
		net:counts { cancels = 1, server_transactions = 1, client_transactions = 2 }
		rest(net)
	end,
}

flow "a CANCEL reaches every branch with the Reason it has (RFC 3326), and those that wait are never tried" {
	script_text = script "return req:forward { { BOB, CAROL }, DAVE }",
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local invite = alice:request("INVITE", TO_SALES)
		local to_bob, to_carol = bob:expect "INVITE", carol:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		carol:reply(100)
		local reason = 'SIP ;cause=200 ;text="Picked up at home"'
		alice:same_transaction("CANCEL", invite, { headers = { "Reason: " .. reason } })
		alice:expect(200)
		expect_cancelled(bob, to_bob, reason)
		expect_cancelled(carol, to_carol, reason)
		expect_failure(alice, invite, 487)
		dave:expect_nothing()
		rest(net)
	end,
}

flow "without a Reason the CANCEL has none, nor with one that is too long" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		for _, headers in ipairs { {}, { "Reason: SIP;text=\"" .. ("x"):rep(1100) .. "\"" } } do
			local invite = alice:request("INVITE", TO_BOB)
			local came = bob:expect "INVITE"
			bob:reply(180)
			alice:expect(180)
			alice:same_transaction("CANCEL", invite, { headers = headers })
			alice:expect(200)
			expect_cancelled(bob, came, false)
			expect_failure(alice, invite, 487)
		end
		rest(net)
	end,
}

flow "a CANCEL before any provisional response is answered, and waits for one on its way down (RFC 3261 9.1)" {
	script_text = TELL,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		cancel(alice, invite)
		alice:expect(200)
		bob:expect_nothing()
		net:advance(0.4)
		alice:expect(100)
		bob:reply(100)
		expect_cancelled(bob, came)
		expect_failure(alice, invite, 487)
		net:expect_log "cancelled"
		rest(net)
	end,
}

flow "a cancelled callee who never says anything: the caller hears 487 when the INVITE has timed out" {
	script_text = TELL,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		cancel(alice, invite)
		alice:expect(200)
		net:advance(32.1)
		net:equal(relayed.kinds(bob:take_all()), ("INVITE "):rep(7):sub(1, -2), "requests")
		alice:expect(100)
		expect_failure(alice, invite, 487)
		net:expect_log "cancelled"
		rest(net)
	end,
}

flow "a cancelled callee who answers only the CANCEL: the caller hears 487 after 64*T1 (RFC 3261 9.1)" {
	script_text = TELL,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		cancel(alice, invite)
		alice:expect(200)
		expect_cancel(bob, came)
		net:advance(31)
		alice:expect_nothing()
		net:advance(1.1)
		expect_failure(alice, invite, 487)
		net:expect_log "cancelled"
		rest(net)
	end,
}

flow "a 2xx that crosses the CANCEL goes upstream, and the script gets it" {
	script_text = TELL,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		cancel(alice, invite)
		alice:expect(200) { CSeq = "1 CANCEL" }
		expect_cancel(bob, came)
		bob:reply(200, { request = came })
		alice:expect(200) { CSeq = "1 INVITE" }
		net:expect_log "forward gave 200, -, -"
		rest(net)
	end,
}

flow "a failure that crosses the CANCEL goes upstream as it is" {
	script_text = TELL,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		cancel(alice, invite)
		alice:expect(200)
		expect_cancel(bob, came)
		bob:reply(486, { request = came })
		expect_ack(bob, came)
		expect_failure(alice, invite, 486)
		net:expect_log "cancelled"
		rest(net)
	end,
}

flow "a repeated CANCEL is answered again and cancels nobody twice" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		local sent = cancel(alice, invite)
		local first = alice:expect(200)
		expect_cancel(bob, came)
		alice:resend(sent)
		net:equal(alice:expect(200).text, first.text, "the repeated answer")
		bob:expect_nothing()
		bob:reply(487, { request = came })
		expect_ack(bob, came)
		local failure = alice:expect(487)
		alice:resend(sent)
		alice:expect(200)
		relayed.ack(alice, invite, failure)
		bob:expect_nothing()
		rest(net)
	end,
}

flow "the tag of the answer to a CANCEL is that of the answers to its INVITE made here (RFC 3261 9.2)" {
	script_text = script "req:forward(req.uri) return req:reply(480)",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		cancel(alice, invite)
		local answer = alice:expect(200)
		expect_cancelled(bob, came)
		expect_failure(alice, invite, 480) { To = answer:header "To" }
		rest(net)
	end,
}

flow "a CANCEL after the final response is answered 200 and changes nothing" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		for _, code in ipairs { 200, 486 } do
			local invite = alice:request("INVITE", TO_BOB)
			local came = bob:expect "INVITE"
			bob:reply(code)
			local final = alice:expect(code)
			cancel(alice, invite)
			alice:expect(200) { CSeq = "1 CANCEL" }
			if code == 486 then
				expect_ack(bob, came)
				relayed.ack(alice, invite, final)
			end
			bob:expect_nothing()
		end
		rest(net)
	end,
}

flow "a CANCEL that meets no INVITE is the script's to handle" {
	script_text = [[return { receive = function(msg)
		if msg.method == "CANCEL" then return msg:reply(481) end
		return msg:forward(msg.uri)
	end }]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		alice:request("CANCEL", TO_BOB, { via = alice:via "z9hG4bKother", call_id = invite:header "Call-ID" })
		alice:expect(481)
		bob:reply(486, { request = came })
		expect_ack(bob, came)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "a CANCEL of a MESSAGE that is being forwarded stops nothing" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local sent = alice:request("MESSAGE", TO_BOB)
		local came = bob:expect "MESSAGE"
		cancel(alice, sent)
		bob:expect "CANCEL" -- statelessly, as the script has it
		bob:reply(481)
		alice:expect(481)
		bob:reply(200, { request = came })
		alice:expect(200)
		rest(net)
	end,
}

-- ---- the script and the CANCEL ----

flow "a script that was told of the CANCEL may still answer as it likes" {
	script_text = script [[
		local _, _, code = req:forward(req.uri)
		return req:reply(code == "cancelled" and 487 or 500, "Call Withdrawn")]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		cancel(alice, invite)
		alice:expect(200)
		expect_cancelled(bob, came)
		expect_failure(alice, invite, 487) { reason = "Call Withdrawn" }
		rest(net)
	end,
}

flow "a script that forwards a cancelled request elsewhere calls nobody" {
	script_text = script [[
		req:forward(req.uri)
		local final, _, code = req:forward(CAROL)
		sip.log(("the second gave %s %s"):format(final and final.code or "nil", code or "-"))]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		cancel(alice, invite)
		alice:expect(200)
		expect_cancelled(bob, came)
		carol:expect_nothing()
		net:expect_log "the second gave nil cancelled"
		expect_failure(alice, invite, 487)
		rest(net)
	end,
}

flow "a CANCEL while the script thinks between two forwards holds for the second" {
	script_text = script [[
		req:forward(req.uri)
		sip.sleep(1)
		local _, _, code = req:forward(CAROL)
		sip.log("the second gave " .. tostring(code))]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(486)
		expect_ack(bob, came)
		cancel(alice, invite)
		alice:expect(200)
		net:advance(1)
		alice:expect(100)
		carol:expect_nothing()
		net:expect_log "the second gave cancelled"
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "a CANCEL while names are looked up ends the look-up, and the caller hears 487" {
	script_text = TELL,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		net:dns("slow.example.net", "A", "198.51.100.8", 3)
		local invite = alice:request("INVITE", "sip:bob@slow.example.net:5060")
		net:advance(1)
		alice:expect(100)
		cancel(alice, invite)
		alice:expect(200)
		expect_failure(alice, invite, 487)
		net:expect_log "cancelled"
		net:advance(3)
		bob:expect_nothing()
		rest(net)
	end,
}

-- ---- a CANCEL that cannot be delivered (RFC 3261 9.1, 17.1.4) ----

local STREAMS = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" }
local BY_TCP = "sip:bob@198.51.100.8;transport=tcp"

-- Bob rings, and is gone; alice gives up.
local function ring_and_go(net)
	local alice, bob = parties(net, "alice"), net:phone("bob", "tcp:198.51.100.8:5060")
	local invite = alice:request("INVITE", BY_TCP)
	local came = bob:expect "INVITE"
	bob:reply(180)
	alice:expect(180)
	bob:leave()
	net:settle()
	cancel(alice, invite)
	alice:expect(200)
	net:advance(0.1)
	net:expect_log "send.failed"
	return alice, invite, came
end

flow "a caller who gives up hears 487 at once when the callee is gone and its CANCEL goes nowhere" {
	legs = STREAMS, script_text = TELL,
	run = function(net)
		local alice, invite = ring_and_go(net)
		expect_failure(alice, invite, 487)
		net:expect_log "forward gave nil, the caller gave up, cancelled"
		net:advance(1)
		net:counts { clients_given_up = 0 }
		rest(net)
		net:counts { clients_given_up = 1, forwards_cancelled = 1 }
		alice:expect_nothing()
	end,
}

flow "the callee comes back and takes the call that it was not told to forget: the caller hears of that" {
	legs = STREAMS, script_text = TELL,
	run = function(net)
		local alice, invite, came = ring_and_go(net)
		expect_failure(alice, invite, 487)
		net:expect_log "forward gave"
		local back = net:phone("bob", "tcp:198.51.100.8:5060")
		back:reply(200, { request = came })
		alice:expect(200)
		rest(net)
		alice:expect_nothing()
	end,
}

flow "of two callees the one that is gone is not waited for, the other is" {
	legs = STREAMS, script_text = script [[return req:forward { { "sip:bob@198.51.100.8;transport=tcp", CAROL } }]],
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		local bob = net:phone("bob", "tcp:198.51.100.8:5060")
		local invite = alice:request("INVITE", TO_SALES)
		bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		local to_carol = carol:expect "INVITE"
		carol:reply(180)
		alice:expect(180)
		bob:leave()
		net:settle()
		cancel(alice, invite)
		alice:expect(200)
		net:advance(0.1)
		net:expect_log "send.failed"
		alice:expect_nothing()
		expect_cancelled(carol, to_carol)
		expect_failure(alice, invite, 487)
		rest(net)
	end,
}

-- When a transaction sends again and when it gives up, to the millisecond (RFC 3261 17, RFC 4320, RFC 6026).
local relayed = require "lib.relayed"
local script, rest = relayed.script, relayed.rest
local expect_ack, expect_cancel, expect_failure = relayed.expect_ack, relayed.expect_cancel, relayed.expect_failure
local TO_BOB = "sip:bob@198.51.100.8"

local function parties(net, ...)
	relayed.exact(net)
	return relayed.parties(net, ...)
end

-- What forward returned goes into the log.
local TELL = script [[
	local final, text, code = req:forward(req.uri)
	sip.log(("forward gave %s %s"):format(final and final.code or "nil", code or ""))]]

flow "an INVITE nobody answers is sent seven times in 32 seconds, and then the caller hears 408 (Timers A and B)" {
	script_text = TELL,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		net:advance(40)
		local came = bob:take_all()
		net:equal(relayed.kinds(came), ("INVITE "):rep(7):sub(1, -2), "requests")
		net:equal(relayed.times(came), "0 0.5 1.5 3.5 7.5 15.5 31.5", "times of sending")
		for _, again in ipairs(came) do
			net:equal(again.text, came[1].text, "the repeated INVITE")
		end
		alice:expect(100)
		local failures = alice:take_all()
		net:equal(relayed.kinds(failures), "408 408 408 408 408", "responses")
		net:equal(relayed.times(failures, came[1].at), "32 32.5 33.5 35.5 39.5", "times of the 408")
		relayed.ack(alice, invite, failures[1])
		net:expect_log "forward gave nil timeout"
		rest(net)
		alice:expect_nothing()
	end,
}

flow "a request of another method is sent eleven times in 32 seconds, and no 408 follows (Timers E and F, RFC 4320 4.2)" {
	script_text = TELL,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", TO_BOB)
		net:advance(100)
		net:equal(relayed.times(bob:take_all()), "0 0.5 1.5 3.5 7.5 11.5 15.5 19.5 23.5 27.5 31.5", "times of sending")
		alice:expect_nothing()
		net:expect_log "forward gave nil timeout"
	end,
}

flow "after a provisional response a request of another method is sent every four seconds" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", TO_BOB)
		local first = bob:expect "MESSAGE"
		bob:reply(100)
		net:advance(14)
		net:equal(relayed.times(bob:take_all(), first.at), "0.5 4.5 8.5 12.5", "times of sending")
		bob:reply(200, { request = first })
		alice:expect(200)
		net:advance(60)
		bob:expect_nothing()
	end,
}

flow "an INVITE is not sent again once a provisional response came" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		net:advance(2)
		local came = bob:take_all()
		net:equal(relayed.times(came), "0 0.5 1.5", "times of sending")
		alice:expect(100)
		bob:reply(180, { request = came[1] })
		alice:expect(180)
		net:advance(30)
		bob:expect_nothing()
		bob:reply(486, { request = came[1] })
		expect_ack(bob, came[1])
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "a final response without ACK is sent again after T1, doubling to T2, for 32 seconds (Timers G and H)" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		bob:reply(486)
		expect_ack(bob, bob.last_request)
		net:advance(60)
		local came = alice:take_all()
		net:equal(relayed.times(came), "0 0.5 1.5 3.5 7.5 11.5 15.5 19.5 23.5 27.5 31.5", "times of sending")
		for _, again in ipairs(came) do
			net:equal(again.text, came[1].text, "the repeated response")
		end
		rest(net)
	end,
}

flow "an answer of the script after a failure is repeated until its ACK, too" {
	script_text = script 'if req:forward(req.uri).code == 486 then return req:reply(480, "Gone Home") end',
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		bob:reply(486)
		expect_ack(bob, bob.last_request)
		net:advance(4)
		local came = alice:take_all()
		net:equal(relayed.kinds(came), "480 480 480 480", "responses")
		net:equal(relayed.times(came), "0 0.5 1.5 3.5", "times of sending")
		net:equal(came[1].reason, "Gone Home", "reason")
		relayed.ack(alice, invite, came[1])
		net:advance(20)
		alice:expect_nothing()
		rest(net)
	end,
}

-- ---- streams ----

local STREAM = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" }

flow "on a stream nothing is sent twice, and the limits are the same" {
	script_text = TELL,
	legs = STREAM,
	run = function(net)
		relayed.exact(net)
		local alice, bob = net:phone("alice", "tcp:198.51.100.7:5062"), net:phone("bob", "tcp:198.51.100.8:5060")
		local invite = alice:request("INVITE", TO_BOB .. ";transport=tcp")
		net:advance(31)
		bob:expect "INVITE"
		bob:expect_nothing()
		alice:expect(100)
		alice:expect_nothing()
		net:advance(1.5)
		local failure = alice:expect(408)
		net:equal(failure.at >= 32 and failure.at < 32.1, true, "after 64*T1")
		net:advance(10)
		alice:expect_nothing() -- Timer G does not run
		relayed.ack(alice, invite, failure)
		net:expect_log "forward gave nil timeout"
		alice:request("MESSAGE", TO_BOB .. ";transport=tcp")
		net:advance(40)
		bob:expect "MESSAGE"
		bob:expect_nothing()
		alice:expect_nothing()
		net:expect_log "forward gave nil timeout"
		rest(net)
	end,
}

flow "each side of a call has the timers of its own transport" {
	script_text = relayed.FORWARD,
	legs = STREAM,
	run = function(net)
		relayed.exact(net)
		local alice, bob = net:phone("alice", "tcp:198.51.100.7:5062"), net:phone("bob", relayed.BOB)
		local invite = alice:request("INVITE", TO_BOB)
		net:advance(1)
		net:equal(relayed.times(bob:take_all()), "0 0.5", "times of sending by datagram")
		alice:expect(100)
		relayed.cancel(alice, invite)
		alice:expect(200)
		net:advance(40)
		net:equal(#bob:take_all(), 5, "later requests") -- with none the CANCEL may not follow
		expect_failure(alice, invite, 487)
		rest(net)
	end,
}

-- ---- Timer C and opts.timeout ----

flow "an INVITE that only rings is cancelled after three minutes, and the caller hears 408 (Timer C)" {
	script_text = TELL,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		net:advance(180)
		bob:expect_nothing()
		alice:expect_nothing()
		net:advance(1)
		expect_cancel(bob, came)
		expect_failure(alice, invite, 408)
		net:expect_log "forward gave nil timeout"
		bob:reply(487, { request = came })
		expect_ack(bob, came)
		alice:expect_nothing()
		rest(net)
	end,
}

flow "each provisional response but 100 starts Timer C again (RFC 3261 16.7 (2))" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		for _ = 1, 4 do
			bob:reply(183, { request = came })
			alice:expect(183)
			net:advance(170)
		end
		bob:reply(100, { request = came })
		net:advance(11)
		expect_cancel(bob, came)
		expect_failure(alice, invite, 408)
		bob:reply(487, { request = came })
		expect_ack(bob, came)
		rest(net)
	end,
}

flow "a 2xx that crosses the CANCEL of Timer C or a timeout still reaches a caller who was told 408" {
	script_text = script "return req:forward(req.uri, { timeout = 10 })",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		net:advance(10)
		expect_cancel(bob, came)
		expect_failure(alice, invite, 408)
		bob:reply(200, { request = came })
		alice:expect(200)
		rest(net)
	end,
}

flow "opts.timeout ends a branch that rings, provisional responses or not" {
	script_text = script [[
		local final, _, code = req:forward(req.uri, { timeout = 5 })
		assert(final == nil and code == "timeout")
		return req:forward(CAROL)]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		for _ = 1, 4 do
			bob:reply(180, { request = came })
			alice:expect(180)
			net:advance(1.1)
		end
		carol:expect_nothing()
		net:advance(1)
		expect_cancel(bob, came)
		local second = carol:expect "INVITE"
		bob:reply(487, { request = came })
		expect_ack(bob, came)
		carol:reply(200, { request = second })
		alice:expect(200) { To = "~tag=carol" }
		rest(net)
	end,
}

flow "a request of another method that has a timeout is given up without a word upstream" {
	script_text = script [[
		local final, text, code = req:forward(req.uri, { timeout = 3 })
		sip.log("gave " .. tostring(final) .. " " .. code)]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", TO_BOB)
		net:advance(3.1)
		net:expect_log "gave nil timeout"
		bob:take_all()
		net:advance(100)
		bob:take_all()
		alice:expect_nothing()
	end,
}

flow "a timeout before any provisional response: the CANCEL waits for one (RFC 3261 9.1)" {
	script_text = script "return req:forward(req.uri, { timeout = 2 })",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		net:advance(3)
		local came = bob:take_all()
		net:equal(relayed.times(came), "0 0.5 1.5", "times of sending")
		local told = alice:take_all()
		net:equal(relayed.kinds(told), "100 408 408", "responses")
		relayed.ack(alice, invite, told[2])
		bob:reply(180, { request = came[1] })
		expect_cancel(bob, came[1])
		alice:expect_nothing()
		bob:reply(487, { request = came[1] })
		expect_ack(bob, came[1])
		rest(net)
	end,
}

-- ---- timers of the script's own ----

local function timed(options)
	return ([[
local sip = require "viaduct"
sip.dispatcher { do_retransmits = false, %s }
return { receive = function(req) return req:forward(req.uri) end }]]):format(options)
end

flow "t1 and t2 of the dispatcher are T1 and T2 of all that begins while its script is at work" {
	script_text = timed "t1 = 0.1, t2 = 0.4",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", TO_BOB)
		net:advance(2)
		net:equal(relayed.times(bob:take_all()), "0 0.1 0.3 0.7 1.1 1.5 1.9", "times of sending")
		net:advance(5)
		net:equal(relayed.times(bob:take_all()), "0 0.4 0.8 1.2 1.6 2 2.4 2.8 3.2 3.6 4", "times of sending until 6.4 s")
		net:is_true(net:reload(relayed.FORWARD), "a script without them loads")
		alice:request("MESSAGE", TO_BOB)
		net:advance(2)
		net:equal(relayed.times(bob:take_all()), "0 0.5 1.5", "times of sending")
		rest(net)
		bob:take_all()
	end,
}

flow "what waits when a script with other timers takes over ends when it would have" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		net:advance(1)
		alice:expect(100)
		net:is_true(net:reload(timed "t1 = 0.05, t2 = 0.1, t4 = 0.1"), "it loads")
		alice:expect_nothing()
		net:advance(30)
		alice:expect_nothing()
		net:advance(2)
		relayed.ack(alice, invite, alice:expect(408))
		alice:take_all() -- the same again, until the ACK arrived
		net:equal(relayed.kinds(bob:take_all()):match "^INVITE INVITE", "INVITE INVITE", "what bob heard of it")
		rest(net)
	end,
}

flow "timers that cannot be are refused with the line and what to write" {
	unloaded = true,
	legs = false,
	run = function(net)
		for _, case in ipairs { "t1 = 0", "t2 = 0.1", "t1 = -1", "t4 = 20000", "t1 = 0/0" } do
			net:refuses(timed(case), 2, "t1, t2 and t4 are seconds, 0.001 to 16777, t2 not below t1")
		end
	end,
}

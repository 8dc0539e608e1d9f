-- A handler that takes its time: the caller of an INVITE hears a 100 after 200 ms (RFC 3261 17.2.1), and whatever the handler
-- decides then is repeated by the engine, since the caller repeats no more.
local relayed = require "lib.relayed"
local script, parties, rest, expect_failure = relayed.script, relayed.parties, relayed.rest, relayed.expect_failure
local TO_BOB = "sip:bob@198.51.100.8"

local function expect_trying(net, alice, invite)
	local trying = alice:expect(100) { Via = relayed.via_of(invite), To = invite:header "To" }
	net:is_true(math.abs(trying.at - 0.202) < 0.0005, "200 ms after it came: " .. trying.at)
end

-- What a thoughtful handler may do at last, and what the caller hears of it.
for _, case in ipairs {
	{ "sip.sleep(1) return req:reply(404)", 404 },
	{ "sip.sleep(1) error 'at last'", 500, log = "at last" },
	{ "sip.sleep(1)", 500, log = "request.undecided" },
	{ "sip.sleep(0.1) sip.sleep(0.9) return req:reply(486)", 486 },
	{ "sip.dns.resolve('slow.example.net', 'A') return req:reply(480)", 480 },
	{ "sip.dns.resolve('slow.example.net', 'A') req:set_uri 'sip:0.0.0.0' return proxy:receive(req)", 500 },
} do
	flow(("100 and then %d, until it is acknowledged: %s"):format(case[2], case[1])) {
		script_text = script(case[1]),
		run = function(net)
			relayed.exact(net)
			net:dns("slow.example.net", "A", "198.51.100.8", 0.9)
			local alice = parties(net, "alice")
			local invite = alice:request("INVITE", TO_BOB)
			net:advance(0.5)
			expect_trying(net, alice, invite)
			alice:resend(invite)
			alice:expect(100)
			net:advance(3)
			local finals = alice:take_all()
			net:equal(#finals, 3, "times it was sent: at once, after 500 ms, a second later")
			for _, final in ipairs(finals) do
				net:equal(final.code, case[2], "code")
			end
			relayed.ack(alice, invite, finals[1])
			net:advance(30)
			alice:expect_nothing()
			if case.log then
				net:expect_log(case.log)
			end
			rest(net)
		end,
	}
end

for _, how in ipairs { "req:forward(req.uri)", "proxy:receive(req)" } do
	flow("what is forwarded after a 100 is repeated until it arrives: " .. how) {
		script_text = script("sip.sleep(1) return " .. how),
		run = function(net)
			relayed.exact(net)
			local alice, bob = parties(net, "alice", "bob")
			local invite = alice:request("INVITE", TO_BOB)
			net:advance(0.5)
			expect_trying(net, alice, invite)
			net:advance(0.2)
			net:loss(1)
			net:advance(0.5)
			net:link { delay = 0.001 }
			net:advance(0.6)
			bob:expect "INVITE" { Via = { true, true } }
			bob:reply(180)
			alice:expect(180)
			bob:reply(486)
			relayed.expect_ack(bob, bob.last_request)
			expect_failure(alice, invite, 486)
			rest(net)
		end,
	}
end

flow "a name that takes long to look up makes no transaction of a stateless proxy (RFC 3261 16.11)" {
	script_text = script "return proxy:receive(req)",
	run = function(net)
		net:dns("slow.example.net", "A", "198.51.100.8", 1)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", "sip:bob@slow.example.net:5060")
		net:advance(3)
		bob:expect "INVITE"
		alice:expect_nothing()
		bob:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

-- Nothing to say, or said already.
for _, case in ipairs {
	{ "a handler that decides in time", "INVITE", "sip.sleep(0.15) return req:reply(486)", { 486 } },
	{ "a caller that heard a 180 before", "INVITE", "req:reply(180) sip.sleep(1) return req:reply(486)", { 180, 486 } },
	{ "a caller that heard 180 in time", "INVITE", "sip.sleep(0.1) req:reply(180) sip.sleep(1) return req:reply(486)", { 180, 486 } },
	{ "a request that was answered already", "INVITE", "sip.sleep(0.1) req:reply(486) sip.sleep(1)", { 486 } },
	{ "a request that was dropped already", "INVITE", "sip.sleep(0.1) req:drop() sip.sleep(1)", {} },
	{ "a request that is no INVITE", "MESSAGE", "sip.sleep(1) return req:reply(200)", { 200 } },
} do
	flow("no 100 for " .. case[1]) {
		script_text = script(case[3]),
		run = function(net)
			local alice = parties(net, "alice")
			alice:request(case[2], TO_BOB)
			net:advance(2)
			for _, code in ipairs(case[4]) do
				alice:expect(code)
			end
			alice:expect_nothing()
		end,
	}
end

flow "a handler that drops after the 100 leaves no transaction behind" {
	script_text = script "sip.sleep(1) return req:drop()",
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("INVITE", TO_BOB)
		net:advance(1.1)
		alice:expect(100)
		alice:expect_nothing()
	end,
}

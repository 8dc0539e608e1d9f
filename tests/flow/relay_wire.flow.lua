-- What goes over the wire when requests are forwarded statefully: by which socket, to which address, in how many bytes.
-- forwarding.flow.lua and routing.flow.lua hold the same against the stateless proxy.
local relayed = require "lib.relayed"
local parties, rest = relayed.parties, relayed.rest
local expect_ack, expect_failure = relayed.expect_ack, relayed.expect_failure
local TO_BOB = "sip:bob@198.51.100.8"
local TWO_UDP = { "udp:192.0.2.1:5060", "udp:192.0.2.1:5070" }
local UDP_AND_TCP = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" }

-- ---- which socket ----

flow "all answers, made here or passed on, leave by the socket their request came in on" {
	script_text = relayed.FORWARD,
	legs = TWO_UDP,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice.to = "udp:192.0.2.1:5070"
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE" { from = "192.0.2.1:5070" }
		net:advance(0.3)
		alice:expect(100) { from = "192.0.2.1:5070" }
		bob:reply(180, { request = came })
		alice:expect(180) { from = "192.0.2.1:5070" }
		bob:reply(486, { request = came })
		expect_ack(bob, came)
		alice:expect(486) { from = "192.0.2.1:5070" }
		net:advance(0.6)
		local again = alice:expect(486) { from = "192.0.2.1:5070" }
		relayed.ack(alice, invite, again)
		rest(net)
	end,
}

flow "a caller on TCP hears a callee on UDP by its own connection: 100, 180, 200 and the answer to BYE" {
	script_text = relayed.FORWARD,
	legs = UDP_AND_TCP,
	run = function(net)
		local alice, bob = net:phone("alice", "tcp:198.51.100.7:49152"), net:phone("bob", relayed.BOB)
		local invite = alice:request("INVITE", TO_BOB, { via_params = "" })
		net:advance(0.3)
		local came = bob:expect "INVITE"
		alice:expect(100)
		bob:reply(180, { request = came })
		alice:expect(180) { Via = invite:rows "Via" }
		bob:reply(200, { request = came })
		local answer = alice:expect(200) { Via = invite:rows "Via" }
		local inside = { call_id = invite:header "Call-ID", to = answer:header "To", route = answer:rows "Record-Route" }
		alice:request("ACK", "sip:bob@198.51.100.8:5060", inside)
		bob:expect "ACK"
		inside.cseq = 2
		alice:request("BYE", "sip:bob@198.51.100.8:5060", inside)
		bob:expect "BYE"
		bob:reply(200)
		alice:expect(200)
		net:equal(net:connections(), 1, "streams")
		rest(net)
	end,
}

flow "a hundred calls that ring on one connection all get their answers by it, in whatever order, pings in between" {
	script_text = relayed.FORWARD,
	legs = UDP_AND_TCP,
	run = function(net)
		local alice, bob = net:phone("alice", "tcp:198.51.100.7:49152"), net:phone("bob", relayed.BOB)
		local invites = {}
		for i = 1, 100 do
			invites["call" .. i] = alice:request("INVITE", TO_BOB, { call_id = "call" .. i, via_params = "" })
			if i % 10 == 0 then
				alice:send_bytes "\r\n\r\n"
			end
		end
		local ringing = bob:take_all()
		net:equal(#ringing, 100, "INVITEs")
		for _, came in ipairs(ringing) do
			bob:reply(180, { request = came })
		end
		net:equal(relayed.kinds(alice:take_all()), ("180 "):rep(100):sub(1, -2), "responses")
		for i = 100, 1, -1 do
			bob:reply(486, { request = ringing[i] })
			expect_ack(bob, ringing[i])
			local failure = alice:expect(486) { ["Call-ID"] = "call" .. i, Via = invites["call" .. i]:rows "Via" }
			relayed.ack(alice, invites["call" .. i], failure)
		end
		net:equal(net:connections(), 1, "streams")
		rest(net)
	end,
}

-- ---- which address: rport, received (RFC 3261 18.2.2, RFC 3581 4) ----

local AT = "udp:198.51.100.7:5062" -- where the request comes from
local ways = {
	{ "with rport answers go to the port the request came from, whatever its Via says", "10.0.0.1:9;rport", AT },
	{ "without rport answers go to the port of the Via, at the address the request came from", "10.0.0.1:5099",
		"udp:198.51.100.7:5099" },
	{ "a received that the caller wrote itself steers no answer", "198.51.100.7:5062;received=203.0.113.66", AT },
	-- They are repeated until somebody acknowledges them, so a Via must not choose whom they hit.
	{ "a maddr in the Via steers no answer of a transaction", "198.51.100.7:5062;maddr=203.0.113.66", AT },
}

for _, way in ipairs(ways) do
	local name, via, wanted = way[1], way[2], way[3]
	flow(name .. ": 100, 180 and the failure with its repetitions") {
		script_text = relayed.FORWARD,
		run = function(net)
			local alice, bob = parties(net, "alice", "bob")
			local victim = net:phone("victim", "udp:203.0.113.66:5062")
			local hears = wanted == AT and alice or net:phone("hears", wanted)
			local host, params = via:match "^([^;]*)(.*)$"
			local invite = alice:request("INVITE", TO_BOB, { via = ("SIP/2.0/UDP %s;branch=z9hG4bKw%s"):format(host, params) })
			local came = bob:expect "INVITE"
			net:advance(0.3)
			hears:expect(100)
			bob:reply(180, { request = came })
			hears:expect(180)
			bob:reply(486, { request = came })
			expect_ack(bob, came)
			hears:expect(486)
			net:advance(0.6)
			relayed.ack(alice, invite, hears:expect(486))
			victim:expect_nothing()
			rest(net)
		end,
	}
end

-- ---- the branch ----

flow "INVITE, its repetitions, CANCEL and the ACK to its 487 go out with one branch" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB, { body = "v=0\r\n", type = "application/sdp" })
		net:advance(2)
		local sent = bob:take_all()
		net:equal(relayed.kinds(sent), "INVITE INVITE INVITE", "requests")
		for _, again in ipairs(sent) do
			net:equal(again.text, sent[1].text, "the repeated INVITE, Contact and Via included")
		end
		alice:expect(100)
		bob:reply(180, { request = sent[1] })
		alice:expect(180)
		relayed.cancel(alice, invite)
		alice:expect(200)
		relayed.expect_cancelled(bob, sent[1])
		expect_failure(alice, invite, 487)
		rest(net)
	end,
}

-- ---- names ----

flow "targets of one priority get their shares by weight, and those of a lower priority nothing" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local phones, weights = { bob, carol, dave }, { 10, 30, 60 }
		for i, phone in ipairs(phones) do
			net:dns("_sip._udp.example.net", "SRV", 10, weights[i], 5060, phone.name .. ".example.net")
			net:dns(phone.name .. ".example.net", "A", phone.host)
			phone.picks = 0
		end
		net:dns("_sip._udp.example.net", "SRV", 20, 1000, 5060, "last.example.net")
		net:dns("last.example.net", "A", "198.51.100.99")
		local last = net:phone("last", "udp:198.51.100.99:5060")
		for _ = 1, 20 do
			for _ = 1, 100 do
				alice:request("MESSAGE", "sip:x@example.net")
			end
			for _, phone in ipairs(phones) do
				for _, came in ipairs(phone:take_all()) do
					phone.picks = phone.picks + 1
					phone:reply(200, { request = came })
				end
			end
			net:equal(#alice:take_all(), 100, "answers")
		end
		for i, phone in ipairs(phones) do
			net:is_true(math.abs(phone.picks / 2000 * 100 - weights[i]) < 3, ("%d picks by %d"):format(phone.picks, weights[i]))
		end
		last:expect_nothing()
		rest(net)
	end,
}

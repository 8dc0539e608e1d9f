-- One request, several targets: at one time, one after the other, in groups, by q; and which response is the one (RFC 3261 16.7).
local relayed = require "lib.relayed"
local script, parties, rest = relayed.script, relayed.parties, relayed.rest
local expect_ack, expect_cancel, expect_cancelled = relayed.expect_ack, relayed.expect_cancel, relayed.expect_cancelled
local expect_failure = relayed.expect_failure

local PARALLEL = script "return req:forward({ BOB, CAROL, DAVE }, { parallel = true })"
local SERIAL = script "return req:forward { BOB, CAROL, DAVE }"
local TO_SALES = "sip:sales@example.com"

--- Each phone has its INVITE.
local function invited(phones)
	local invites = {}
	for i, phone in ipairs(phones) do
		invites[i] = phone:expect "INVITE"
	end
	return unpack(invites)
end

-- ---- at one time ----

flow "a forked request goes to every target with its own Request-URI and branch" {
	script_text = PARALLEL,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local invite = alice:request("INVITE", TO_SALES, { body = "v=0\r\n", type = "application/sdp" })
		local to_bob = bob:expect "INVITE" { uri = "sip:bob@198.51.100.8" }
		local to_carol = carol:expect "INVITE" { uri = "sip:carol@198.51.100.9" }
		local to_dave = dave:expect "INVITE" { uri = "sip:dave@198.51.100.10" }
		local a, b, c = to_bob:branch(), to_carol:branch(), to_dave:branch()
		net:is_true(a ~= b and b ~= c and a ~= c, "the branches differ")
		for _, came in ipairs { to_bob, to_carol, to_dave } do
			came { ["Max-Forwards"] = 69, To = invite:header "To", ["Call-ID"] = invite:header "Call-ID", body = "v=0\r\n",
				["Record-Route"] = to_bob:rows "Record-Route", Via = { true, true } }
		end
		bob:reply(200, { request = to_bob })
		alice:expect(200)
		for _, phone in ipairs { carol, dave } do
			phone:reply(180)
			alice:expect_nothing() -- too late
			expect_cancelled(phone, phone == carol and to_carol or to_dave)
		end
		rest(net)
	end,
}

flow "the first 2xx wins: the others are cancelled and told that, and their 487 ends here (RFC 3326)" {
	script_text = PARALLEL,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("INVITE", TO_SALES)
		local to_bob, to_carol, to_dave = invited { bob, carol, dave }
		for _, phone in ipairs { bob, carol, dave } do
			phone:reply(180)
			alice:expect(180)
		end
		carol:reply(200)
		alice:expect(200) { To = "~tag=carol" }
		local reason = 'SIP;cause=200;text="Call completed elsewhere"'
		expect_cancelled(bob, to_bob, reason)
		expect_cancelled(dave, to_dave, reason)
		alice:expect_nothing()
		carol:expect_nothing()
		net:is_true(to_carol, "carol was called")
		rest(net)
	end,
}

flow "a late 2xx of a loser goes upstream as well (RFC 3261 16.7 (5), 13.2.2.4)" {
	script_text = PARALLEL,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("INVITE", TO_SALES)
		local to_bob, to_carol, to_dave = invited { bob, carol, dave }
		bob:reply(180)
		alice:expect(180)
		carol:reply(180)
		alice:expect(180)
		dave:reply(486)
		expect_ack(dave, to_dave)
		bob:reply(200)
		alice:expect(200) { To = "~tag=bob" }
		expect_cancel(carol, to_carol)
		carol:reply(200, { request = to_carol })
		alice:expect(200) { To = "~tag=carol" }
		net:advance(10)
		carol:reply(200, { request = to_carol })
		alice:expect(200) { To = "~tag=carol" }
		bob:reply(200, { request = to_bob })
		alice:expect(200) { To = "~tag=bob" }
		rest(net)
	end,
}

flow "one who never said anything gets no CANCEL until he does (RFC 3261 9.1)" {
	script_text = PARALLEL,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("INVITE", TO_SALES)
		local _, to_carol, to_dave = invited { bob, carol, dave }
		bob:reply(200)
		alice:expect(200)
		carol:expect_nothing()
		net:advance(0.6)
		carol:expect "INVITE" -- it might have been lost
		carol:reply(100, { request = to_carol })
		expect_cancelled(carol, to_carol)
		net:advance(32)
		for _, came in ipairs(dave:take_all()) do
			net:equal(came.text, to_dave.text, "what dave was sent")
		end
		alice:expect_nothing()
		rest(net)
	end,
}

flow "a 6xx cancels all the others, and goes upstream when they have ended" {
	script_text = PARALLEL,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local invite = alice:request("INVITE", TO_SALES)
		local to_bob, to_carol, to_dave = invited { bob, carol, dave }
		bob:reply(180)
		carol:reply(180)
		alice:expect(180)
		alice:expect(180)
		dave:reply(486)
		expect_ack(dave, to_dave)
		bob:reply(603)
		expect_ack(bob, to_bob)
		alice:expect_nothing()
		expect_cancelled(carol, to_carol, "SIP;cause=603")
		expect_failure(alice, invite, 603)
		rest(net)
	end,
}

flow "a 2xx that crosses the CANCEL of a 6xx wins after all" {
	script_text = PARALLEL,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("INVITE", TO_SALES)
		local to_bob, to_carol, to_dave = invited { bob, carol, dave }
		carol:reply(180)
		alice:expect(180)
		bob:reply(600)
		expect_ack(bob, to_bob)
		dave:reply(404)
		expect_ack(dave, to_dave)
		expect_cancel(carol, to_carol)
		carol:reply(200, { request = to_carol })
		alice:expect(200)
		rest(net)
	end,
}

-- ---- the best response (RFC 3261 16.7 (6), RFC 4320) ----

local best = {
	{ "the lowest class wins", { 503, 486, 302 }, 302 },
	{ "a 6xx wins over all but 2xx", { 302, 603, 404 }, 603 },
	{ "in one class what tells the caller how to try again wins", { 486, 484, 404 }, 484 },
	{ "of equals the first", { 480, 486, 404 }, 480 },
	{ "408 is the last of its class", { 408, 408, 486 }, 486 },
	{ "487 says less than 404", { 487, 404, 408 }, 404 },
	{ "503 is the last of its class", { 503, 500, 503 }, 500 },
	{ "a 503 alone becomes 500", { 503, 503, 503 }, 500 },
	{ "a 4xx wins over a 503", { 503, 480, 500 }, 480 },
}

for _, case in ipairs(best) do
	flow("best response: " .. case[1] .. " (" .. table.concat(case[2], ", ") .. ")") {
		script_text = PARALLEL,
		run = function(net)
			local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
			local invite = alice:request("INVITE", TO_SALES)
			for i, phone in ipairs { bob, carol, dave } do
				local came = phone:expect "INVITE"
				phone:reply(case[2][i])
				expect_ack(phone, came)
			end
			local seen = expect_failure(alice, invite, case[3])
			if case[3] ~= 500 or case[2][2] == 500 then
				net:equal(seen.reason, "Said So", "it is the one that came")
			end
			rest(net)
		end,
	}
end

flow "a challenge takes those of all other branches along (RFC 3261 16.7 (7))" {
	script_text = PARALLEL,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local invite = alice:request("INVITE", TO_SALES)
		local to_bob, to_carol, to_dave = invited { bob, carol, dave }
		local old, new = 'Digest realm="bob", nonce="1"', 'Digest realm="bob", nonce="2", algorithm=SHA-256'
		bob:reply(401, { headers = { "WWW-Authenticate: " .. old, "WWW-Authenticate: " .. new } })
		expect_ack(bob, to_bob)
		carol:reply(404)
		expect_ack(carol, to_carol)
		dave:reply(407, { headers = { 'Proxy-Authenticate: Digest realm="dave", nonce="3"' } })
		expect_ack(dave, to_dave)
		expect_failure(alice, invite, 401) {
			["WWW-Authenticate"] = { old, new },
			["Proxy-Authenticate"] = { 'Digest realm="dave", nonce="3"' },
		}
		rest(net)
	end,
}

-- ---- one after the other ----

flow "targets in a list are tried one after the other, the next when one fails" {
	script_text = SERIAL,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("INVITE", TO_SALES)
		local to_bob = bob:expect "INVITE"
		carol:expect_nothing()
		bob:reply(180)
		alice:expect(180)
		bob:reply(486)
		expect_ack(bob, to_bob)
		local to_carol = carol:expect "INVITE"
		alice:expect_nothing()
		dave:expect_nothing()
		carol:reply(503)
		expect_ack(carol, to_carol)
		dave:expect "INVITE"
		dave:reply(200)
		alice:expect(200)
		rest(net)
		bob:expect_nothing()
	end,
}

flow "with a timeout the next is tried while the one before is being cancelled" {
	script_text = script "return req:forward({ BOB, CAROL }, { timeout = 10 })",
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local invite = alice:request("INVITE", TO_SALES)
		local to_bob = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		net:advance(10.1)
		expect_cancel(bob, to_bob)
		local to_carol = carol:expect "INVITE"
		bob:reply(487, { request = to_bob })
		expect_ack(bob, to_bob)
		carol:reply(486, { request = to_carol })
		expect_ack(carol, to_carol)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "a 2xx of one who was given up ends the search" {
	script_text = script "return req:forward({ BOB, CAROL, DAVE }, { timeout = 10 })",
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("INVITE", TO_SALES)
		local to_bob = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		net:advance(10.1)
		expect_cancel(bob, to_bob)
		local to_carol = carol:expect "INVITE"
		carol:reply(180)
		alice:expect(180)
		bob:reply(200, { request = to_bob })
		alice:expect(200)
		expect_cancelled(carol, to_carol)
		net:advance(20)
		dave:expect_nothing()
		rest(net)
	end,
}

flow "the 487 of one who was given up is no response to a caller who cancelled nothing" {
	script_text = script "return req:forward({ BOB, CAROL }, { timeout = 10 })",
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local invite = alice:request("INVITE", TO_SALES)
		local to_bob = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		net:advance(10.1)
		expect_cancelled(bob, to_bob)
		local to_carol = carol:expect "INVITE"
		carol:reply(180)
		alice:expect(180)
		net:advance(10.1)
		expect_cancelled(carol, to_carol)
		expect_failure(alice, invite, 408)
		rest(net)
	end,
}

flow "a 2xx of one who was given up ends a search that is still looking up names" {
	script_text = script [[
		local final = req:forward({ BOB, "sip:carol@slow.example.net:5060" }, { timeout = 10 })
		sip.log("forward gave " .. final.code)]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		net:dns("slow.example.net", "A", "198.51.100.9", 4)
		alice:request("INVITE", TO_SALES)
		local to_bob = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		net:advance(10.1)
		expect_cancel(bob, to_bob)
		bob:reply(200, { request = to_bob })
		alice:expect(200)
		net:expect_log "forward gave 200"
		net:advance(10)
		carol:expect_nothing()
		rest(net)
	end,
}

flow "a 6xx ends the search" {
	script_text = SERIAL,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		for _, method in ipairs { "INVITE", "MESSAGE" } do
			local sent = alice:request(method, TO_SALES)
			local came = bob:expect(method)
			bob:reply(603)
			alice:expect(603)
			carol:expect_nothing()
			if method == "INVITE" then
				expect_ack(bob, came)
				relayed.ack(alice, sent, alice.last)
			end
		end
		rest(net)
	end,
}

flow "an inner list is tried at one time, and the outer one goes on when all of it failed" {
	script_text = script "return req:forward { { BOB, CAROL }, DAVE }",
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local invite = alice:request("INVITE", TO_SALES)
		local to_bob, to_carol = invited { bob, carol }
		bob:reply(486)
		expect_ack(bob, to_bob)
		dave:expect_nothing()
		carol:reply(480)
		expect_ack(carol, to_carol)
		local to_dave = dave:expect "INVITE"
		dave:reply(404)
		expect_ack(dave, to_dave)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "contacts are tried by q, equal ones at one time" {
	script_text = script [[
		return req:forward { { uri = DAVE, q = 0.1 }, { uri = BOB, q = 0.9 }, { uri = CAROL, q = 0.9 } }]],
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("INVITE", TO_SALES)
		local to_bob, to_carol = invited { bob, carol }
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

flow "parallel = true rings contacts of every q at one time" {
	script_text = script "return req:forward({ { uri = BOB, q = 0.9 }, { uri = CAROL, q = 0.1 } }, { parallel = true })",
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("INVITE", TO_SALES)
		local _, to_carol = invited { bob, carol }
		bob:reply(200)
		alice:expect(200)
		carol:reply(100)
		expect_cancelled(carol, to_carol)
		rest(net)
	end,
}

-- ---- other methods ----

flow "of a forked MESSAGE the first 2xx goes upstream, and nobody is cancelled" {
	script_text = PARALLEL,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("MESSAGE", TO_SALES)
		for _, phone in ipairs { bob, carol, dave } do
			phone:expect "MESSAGE"
		end
		carol:reply(202)
		alice:expect(202)
		bob:reply(200)
		dave:reply(404)
		alice:expect_nothing()
		net:equal(relayed.runs(net), 1, "runs of the script")
		rest(net)
	end,
}

flow "a MESSAGE that fails at one and is never answered by the others gives the failure" {
	script_text = PARALLEL,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("MESSAGE", TO_SALES)
		bob:expect "MESSAGE"
		bob:reply(404)
		alice:expect_nothing()
		net:advance(33)
		alice:expect(404)
		carol:take_all()
		dave:take_all()
		rest(net)
	end,
}

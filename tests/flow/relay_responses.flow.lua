-- req:forward as a transaction-stateful proxy: what goes upstream, when, and who repeats what (RFC 3261 16.7, 17, RFC 6026).
local relayed = require "lib.relayed"
local script, parties, rest = relayed.script, relayed.parties, relayed.rest
local ack, expect_ack, expect_failure = relayed.ack, relayed.expect_ack, relayed.expect_failure
local TO_BOB = "sip:bob@198.51.100.8"

-- ---- 100 (RFC 3261 17.2.1, 16.2) ----

flow "100 is sent 200 ms after an INVITE to which nothing else was said" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		alice:expect_nothing()
		net:advance(0.1)
		alice:expect_nothing()
		net:advance(0.2)
		local trying = alice:expect(100) { Via = relayed.via_of(invite), To = invite:header "To", CSeq = "1 INVITE", Contact = false }
		net:is_true(math.abs(trying.at - 0.2 - 0.001) < 0.0005, "after 200 ms: " .. trying.at)
		bob:reply(486)
		expect_ack(bob, bob.last_request)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "no 100 is sent when a provisional or final response came within 200 ms" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		for _, code in ipairs { 180, 486, 200 } do
			local invite = alice:request("INVITE", TO_BOB)
			bob:expect "INVITE"
			bob:reply(code)
			local response = alice:expect(code)
			net:advance(0.3)
			alice:expect_nothing()
			if code == 180 then
				bob:reply(486)
				response = alice:expect(486)
			end
			if code ~= 200 then
				expect_ack(bob, bob.last_request)
				ack(alice, invite, response)
			end
		end
		rest(net)
	end,
}

flow "a 100 from the next hop is not passed on, and stops the repetition of the INVITE" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(100)
		alice:expect_nothing()
		net:advance(10)
		alice:expect(100) { Via = relayed.via_of(invite) }
		bob:expect_nothing()
		bob:reply(486, { request = came })
		expect_ack(bob, came)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "no 100 is sent for a request other than INVITE" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", TO_BOB)
		local came = bob:expect "MESSAGE"
		bob:reply(100)
		net:advance(0.4)
		alice:expect_nothing()
		bob:reply(202, { request = came })
		alice:expect(202)
		rest(net)
	end,
}

-- ---- responses on their way up ----

flow "provisional responses pass at once and in order, without our Via" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		for _, code in ipairs { 180, 183, 181, 199, 180 } do
			bob:reply(code, { headers = { "X-Code: " .. code } })
			alice:expect(code) { Via = relayed.via_of(invite), ["X-Code"] = code }
		end
		bob:reply(603)
		expect_ack(bob, bob.last_request)
		expect_failure(alice, invite, 603)
		rest(net)
	end,
}

flow "a 2xx goes upstream at once, and the script gets it" {
	script_text = script [[
		local final = req:forward(req.uri)
		sip.log(("final %d from %s by %s"):format(final.code, final:header "X-From", final.method))
		sip.sleep(1)
		assert(final.to.tag == "bob")]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		local sent = bob:reply(200, { headers = { "X-From: bob" }, type = "application/sdp", body = "v=0\r\n" })
		alice:expect(200) { Via = relayed.via_of(invite), ["Record-Route"] = sent:rows "Record-Route", body = "v=0\r\n" }
		net:expect_log "final 200 from bob by INVITE"
		rest(net)
	end,
}

flow "a 2xx is repeated by the callee alone, end to end, for 32 seconds (RFC 6026 7.1)" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(200)
		alice:expect(200)
		net:advance(20)
		alice:expect_nothing()
		bob:reply(200, { request = came })
		alice:expect(200)
		alice:resend()
		bob:expect_nothing()
		alice:expect_nothing()
		net:equal(relayed.runs(net), 1, "runs of the script")
		net:counts { requests_absorbed = 1 }
		rest(net)
	end,
}

flow "the ACK to a 2xx passes end to end in a transaction of its own" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		bob:reply(200)
		local answer = alice:expect(200)
		alice:request("ACK", TO_BOB, { call_id = invite:header "Call-ID", to = answer:header "To", route = answer:rows "Record-Route" })
		bob:expect "ACK" { Route = {}, Via = { true, true } }
		rest(net)
	end,
}

flow "an ACK to a 2xx that reuses the branch of its INVITE reaches the callee" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		bob:reply(200)
		ack(alice, invite, alice:expect(200))
		bob:expect "ACK"
		rest(net)
	end,
}

flow "a failure goes upstream when the handler ends, not before" {
	script_text = script "local final = req:forward(req.uri) assert(final.code == 486) sip.sleep(3)",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(486, { reason = "I Am Busy", headers = { "X-Why: lunch" } })
		expect_ack(bob, came)
		net:advance(2)
		alice:expect(100)
		alice:expect_nothing()
		net:advance(1)
		local failure = expect_failure(alice, invite, 486) { reason = "I Am Busy", ["X-Why"] = "lunch", Via = relayed.via_of(invite) }
		net:equal(failure:param("To", 1, "tag"), "bob", "tag of the callee")
		rest(net)
	end,
}

flow "a redirection goes upstream unless the script follows it" {
	script_text = script [[
		local final = req:forward(req.uri)
		if final.code == 302 and req.ruri.user == "follow" then return req:forward(final:contacts()[1].uri) end]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local invite = alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		bob:reply(302, { headers = { "Contact: <sip:carol@198.51.100.9>" } })
		expect_ack(bob, bob.last_request)
		expect_failure(alice, invite, 302) { Contact = "<sip:carol@198.51.100.9>" }
		carol:expect_nothing()
		alice:request("INVITE", "sip:follow@198.51.100.8")
		bob:expect "INVITE"
		bob:reply(302, { headers = { "Contact: <sip:carol@198.51.100.9>" } })
		expect_ack(bob, bob.last_request)
		carol:expect "INVITE" { uri = "sip:carol@198.51.100.9" }
		carol:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

-- ---- ACK to failures: hop by hop (RFC 3261 17.1.1.3) ----

flow "the ACK to a failure is made here for the callee, and that of the caller ends here" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB, { route = { "<sip:192.0.2.1;lr>", "<sip:198.51.100.8;lr;x=1>" } })
		local came = bob:expect "INVITE" { Route = { "<sip:198.51.100.8;lr;x=1>" } }
		local sent = bob:reply(486)
		expect_ack(bob, came, sent:header "To") { Route = { "<sip:198.51.100.8;lr;x=1>" }, ["Content-Length"] = 0, Contact = false,
			["Record-Route"] = false, ["Max-Forwards"] = true }
		local failure = alice:expect(486)
		ack(alice, invite, failure)
		bob:expect_nothing()
		net:advance(4)
		ack(alice, invite, failure) -- Timer I: absorbed for five seconds
		bob:expect_nothing()
		net:equal(relayed.runs(net), 1, "runs of the script")
		net:counts { requests_absorbed = 2 }
		rest(net)
	end,
}

flow "a failure that the callee repeats is acknowledged again and passed on once" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(486)
		expect_failure(alice, invite, 486)
		expect_ack(bob, came)
		for _ = 1, 3 do
			net:advance(4)
			bob:reply(486, { request = came })
			expect_ack(bob, came)
		end
		alice:expect_nothing()
		rest(net)
	end,
}

-- ---- retransmitted requests (RFC 3261 17.2) ----

flow "a repeated INVITE gets the last response, without a run of the script" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		alice:resend(invite)
		alice:expect_nothing() -- nothing was said yet
		net:advance(0.3)
		alice:expect(100)
		alice:resend(invite)
		alice:expect(100)
		for _, code in ipairs { 180, 183 } do
			bob:take_all()
			bob:reply(code, { request = came })
			local first = alice:expect(code)
			alice:resend(invite)
			net:equal(alice:expect(code).text, first.text, "the repeated response")
		end
		bob:reply(486, { request = came })
		local failure = alice:expect(486)
		alice:resend(invite)
		net:equal(alice:expect(486).text, failure.text, "the repeated response")
		ack(alice, invite, failure)
		alice:resend(invite)
		alice:expect_nothing()
		expect_ack(bob, came)
		net:equal(relayed.runs(net), 1, "runs of the script")
		net:counts { server_transactions = 1, client_transactions = 1 }
		rest(net)
	end,
}

flow "a repeated request of another method gets its final response for 32 seconds, and then is a new one" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local message = alice:request("MESSAGE", TO_BOB)
		bob:expect "MESSAGE"
		alice:resend(message)
		alice:expect_nothing()
		bob:reply(404)
		local first = alice:expect(404)
		for _ = 1, 2 do
			alice:resend(message)
			net:equal(alice:expect(404).text, first.text, "the repeated response")
			net:advance(31.5 / 2)
		end
		net:equal(relayed.runs(net), 1, "runs of the script")
		net:advance(1)
		alice:resend(message)
		bob:expect "MESSAGE"
		bob:reply(404)
		alice:expect(404)
		net:equal(relayed.runs(net), 2, "runs of the script")
		rest(net)
	end,
}

flow "an INVITE and another request with the same branch are two transactions" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB, { branch = "z9hG4bKsame", call_id = "c" })
		local came = bob:expect "INVITE"
		alice:request("MESSAGE", TO_BOB, { branch = "z9hG4bKsame", call_id = "c" })
		bob:expect "MESSAGE"
		bob:reply(200)
		alice:expect(200) { CSeq = "1 MESSAGE" }
		bob:reply(486, { request = came })
		expect_ack(bob, came)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "a caller that knows no magic cookie is served as RFC 2543 says" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB, { branch = "1" })
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		alice:resend(invite)
		alice:expect(180)
		bob:reply(486, { request = came })
		expect_ack(bob, came)
		expect_failure(alice, invite, 486)
		alice:expect_nothing()
		net:equal(relayed.runs(net), 1, "runs of the script")
		rest(net)
	end,
}

-- ---- what is not ours ----

flow "a response that belongs to no transaction any more is dropped (RFC 6026)" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(200)
		alice:expect(200)
		rest(net)
		bob:reply(200, { request = came })
		alice:expect_nothing()
		net:counts { responses_stray = 1 }
	end,
}

flow "a non-2xx that comes after the 2xx of the same branch is dropped" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(200)
		alice:expect(200)
		bob:reply(486, { request = came })
		bob:reply(180, { request = came })
		alice:expect_nothing()
		bob:expect_nothing()
		rest(net)
	end,
}

flow "a response with our Via alone goes nowhere, and the call goes on" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		local text = bob:response_text(200)
		local ours = true
		bob:send((text:gsub("Via: [^\r]*\r\n", function(line)
			local kept = ours and line or ""
			ours = false
			return kept
		end)), bob.last_request.leg)
		alice:expect_nothing()
		bob:reply(486)
		expect_ack(bob, bob.last_request)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

-- What a script can do around req:forward: choose the next target, look at provisional responses, answer, fail.
local relayed = require "lib.relayed"
local script, parties, rest = relayed.script, relayed.parties, relayed.rest
local expect_ack, expect_cancel, expect_cancelled = relayed.expect_ack, relayed.expect_cancel, relayed.expect_cancelled
local expect_failure = relayed.expect_failure
local TO_BOB, TO_SALES = "sip:bob@198.51.100.8", "sip:sales@example.com"

-- ---- plain code ----

flow "a busy callee's caller is sent to voicemail in plain code, and never hears the 486" {
	script_text = script [[
		local final = req:forward(req.uri)
		if final.code == 486 then return req:forward(CAROL) end]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local invite = alice:request("INVITE", TO_BOB, { body = "v=0\r\n", type = "application/sdp" })
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		bob:reply(486)
		expect_ack(bob, came)
		local second = carol:expect "INVITE" { uri = "sip:carol@198.51.100.9", ["Max-Forwards"] = 69, body = "v=0\r\n",
			Via = { true, true }, ["Record-Route"] = came:rows "Record-Route", To = invite:header "To" }
		net:is_true(second:branch() ~= came:branch(), "a branch of its own")
		carol:reply(200)
		alice:expect(200) { To = "~tag=carol" }
		net:equal(relayed.runs(net), 1, "runs of the script")
		rest(net)
	end,
}

flow "what a script changes between its waits is there after them, and in all that is forwarded" {
	script_text = script [[
		req:set_header("Subject", "one")
		sip.sleep(1)
		req:add_header("X-Seen", req:header "Subject" .. " " .. req.from.uri.user)
		req:set_body("new body", "text/plain")
		local final = req:forward(BOB)
		req:add_header("X-Seen", tostring(final.code) .. " " .. req.body)
		sip.sleep(1)
		return req:forward(CAROL)]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("INVITE", TO_SALES, { body = "v=0\r\n", type = "application/sdp" })
		net:advance(1.1)
		bob:expect "INVITE" { Subject = "one", ["X-Seen"] = { "one alice" }, body = "new body", ["Content-Type"] = "text/plain" }
		bob:reply(180)
		net:advance(5)
		bob:reply(486)
		expect_ack(bob, bob.last_request)
		net:advance(1.1)
		carol:expect "INVITE" { Subject = "one", ["X-Seen"] = { "one alice", "486 new body" }, body = "new body" }
		carol:reply(200)
		for _, code in ipairs { 100, 180, 200 } do alice:expect(code) end
		rest(net)
	end,
}

flow "each forward returns its own result, and the best of all goes upstream" {
	script_text = script [[
		local first = req:forward(BOB)
		local second = req:forward(CAROL)
		local none, _, why = req:forward("sip:x@0.0.0.0")
		local _, _, slow = req:forward(DAVE, { timeout = 2 })
		local last = req:forward(CAROL)
		sip.log(("results %d %d %s %s %s %d"):format(first.code, second.code, tostring(none), why, slow, last.code))]],
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local invite = alice:request("INVITE", TO_SALES)
		bob:expect "INVITE"
		bob:reply(486)
		expect_ack(bob, bob.last_request)
		carol:expect "INVITE"
		carol:reply(503)
		expect_ack(carol, carol.last_request)
		local to_dave = dave:expect "INVITE"
		dave:reply(180)
		alice:expect(180)
		net:advance(2.1)
		expect_cancel(dave, to_dave)
		dave:reply(487, { request = to_dave })
		expect_ack(dave, to_dave)
		carol:expect "INVITE"
		carol:reply(404)
		expect_ack(carol, carol.last_request)
		net:expect_log "results 486 503 nil unreachable timeout 404"
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "more targets than one forward takes are an outcome the handler can deal with" {
	script_text = script [[
		local contacts = {}
		for i = 1, 33 do contacts[i] = { uri = "sip:bob" .. i .. "@198.51.100.8", q = 1 } end
		local final, why, code = req:forward(contacts)
		sip.log(("outcome %s %s %s"):format(tostring(final), why, code))
		contacts[33] = nil
		return req:forward(contacts)]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", TO_SALES)
		net:expect_log "outcome nil 33 targets are more than one forward takes limit"
		for _ = 1, 32 do
			bob:expect "MESSAGE"
			bob:reply(200)
		end
		alice:expect(200)
		rest(net)
	end,
}

flow "the responses of all forwards stay readable to the end of the handler" {
	script_text = script [[
		local first = req:forward(BOB)
		local second = req:forward(CAROL)
		sip.sleep(1)
		return req:reply(480, nil, { ["X-Seen"] = ("%s %s %s"):format(first:header "X-Name", second:header "X-Name", first.to.tag) })]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local invite = alice:request("INVITE", TO_SALES)
		for _, phone in ipairs { bob, carol } do
			phone:expect "INVITE"
			phone:reply(486, { headers = { "X-Name: " .. phone.name } })
			expect_ack(phone, phone.last_request)
		end
		net:advance(1.1)
		alice:expect(100)
		expect_failure(alice, invite, 480) { ["X-Seen"] = "bob carol bob" }
		rest(net)
	end,
}

flow "a failure that the script edits goes upstream as edited" {
	script_text = script [[
		local final = req:forward(req.uri)
		final:set_header("Warning", '399 here "try later"')
		final:remove_header "X-Secret"]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		bob:reply(480, { headers = { "X-Secret: 1" } })
		expect_ack(bob, bob.last_request)
		expect_failure(alice, invite, 480) { Warning = '399 here "try later"', ["X-Secret"] = false, Via = relayed.via_of(invite) }
		rest(net)
	end,
}

flow "edits of the request before a forward reach the target, and those between two the second alone" {
	script_text = script [[
		req:set_header("X-Try", 1)
		req:forward(BOB)
		req:set_header("X-Try", 2)
		return req:forward(CAROL)]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("INVITE", TO_SALES)
		local came = bob:expect "INVITE" { ["X-Try"] = { 1 } }
		bob:reply(480)
		expect_ack(bob, came) { ["X-Try"] = false }
		carol:expect "INVITE" { ["X-Try"] = { 2 }, Via = { true, true }, ["Max-Forwards"] = { 69 } }
		carol:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "a request reads the same after a forward as before" {
	script_text = script [[
		local function look()
			return table.concat({ req.uri, #req:headers "Via", #req:headers "Record-Route", req.max_forwards, req.body }, "|")
		end
		local before = look()
		req:forward(BOB)
		assert(look() == before, look())
		sip.log "it does"]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_SALES, { body = "v=0\r\n", type = "application/sdp" })
		local came = bob:expect "INVITE"
		bob:reply(404)
		expect_ack(bob, came)
		expect_failure(alice, invite, 404)
		net:expect_log "it does"
		rest(net)
	end,
}

flow "a script may reply when a forward failed, and its answer is the only one" {
	script_text = script [[
		local final = req:forward(req.uri)
		if final.code >= 400 then return req:reply(302, "Try There", { Contact = "<sip:carol@198.51.100.9>" }) end]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(500)
		expect_ack(bob, came)
		local first = alice:expect(302) { reason = "Try There", Contact = "<sip:carol@198.51.100.9>" }
		alice:resend(invite)
		net:equal(alice:expect(302).text, first.text, "the repeated answer")
		relayed.ack(alice, invite, first)
		net:equal(relayed.runs(net), 1, "runs of the script")
		rest(net)
	end,
}

flow "a script may answer 2xx itself when a forward failed" {
	script_text = script [[
		local final = req:forward(req.uri)
		return req:reply(200, nil, { ["X-Instead-Of"] = final.code })]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", TO_BOB)
		bob:expect "MESSAGE"
		bob:reply(404)
		local first = alice:expect(200) { ["X-Instead-Of"] = 404 }
		alice:resend()
		net:equal(alice:expect(200).text, first.text, "the repeated answer")
		rest(net)
	end,
}

flow "with stateless = true a request is sent to the first target and forgotten" {
	script_text = script "return req:forward({ BOB, CAROL }, { stateless = true })",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_SALES)
		bob:expect "INVITE" { uri = "sip:bob@198.51.100.8" }
		net:advance(40)
		bob:expect_nothing()
		alice:expect_nothing()
		alice:resend(invite)
		bob:expect "INVITE"
		bob:reply(486)
		alice:expect(486)
		relayed.ack(alice, invite, alice.last)
		bob:take_all()
		net:counts { server_transactions = 0, client_transactions = 0 }
	end,
}

-- ---- on_response ----

flow "on_response sees each provisional response above 100, and may edit it" {
	script_text = script [[
		return req:forward(req.uri, { on_response = function(response)
			response:set_header("X-Seen", response.code)
			sip.log(("ringing %d %s"):format(response.code, response.to.tag))
		end })]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		for _, code in ipairs { 100, 180, 183 } do
			bob:reply(code)
			if code > 100 then
				alice:expect(code) { ["X-Seen"] = code, Via = relayed.via_of(invite) }
				net:expect_log(("ringing %d bob"):format(code))
			end
		end
		bob:reply(486)
		expect_ack(bob, came)
		expect_failure(alice, invite, 486) { ["X-Seen"] = false }
		net:equal(relayed.runs(net), 3, "runs of the script")
		rest(net)
	end,
}

flow "on_response may drop a provisional response, and a repeated INVITE gets the one before it" {
	script_text = script [[
		return req:forward(req.uri, { on_response = function(response)
			if response.code == 183 then response:drop "no early media" end
		end })]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		bob:reply(183)
		alice:expect_nothing()
		alice:resend(invite)
		alice:expect(180)
		bob:reply(486)
		expect_ack(bob, came)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "on_response hears all branches" {
	script_text = script [[
		local n = 0
		return req:forward({ BOB, CAROL }, { parallel = true, on_response = function(response)
			n = n + 1
			response:set_header("X-Number", n)
		end })]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("INVITE", TO_SALES)
		local to_bob = bob:expect "INVITE"
		carol:expect "INVITE"
		bob:reply(180)
		alice:expect(180) { ["X-Number"] = 1, To = "~tag=bob" }
		carol:reply(180)
		alice:expect(180) { ["X-Number"] = 2, To = "~tag=carol" }
		carol:reply(200)
		alice:expect(200)
		expect_cancelled(bob, to_bob)
		rest(net)
	end,
}

flow "a hook that waits delays its response only, and a final one that overtakes it silences it" {
	script_text = script "return req:forward(req.uri, { on_response = function() sip.sleep(1) end })",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		net:advance(1.1)
		alice:expect(100)
		alice:expect(180)
		bob:reply(183)
		alice:expect_nothing()
		bob:reply(486)
		expect_ack(bob, came)
		expect_failure(alice, invite, 486)
		net:advance(2)
		alice:expect_nothing()
		rest(net)
	end,
}

flow "an error in a hook is logged, its response passes, and the call goes on" {
	script_text = script "return req:forward(req.uri, { on_response = function(response) error 'bad hook' end })",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		net:expect_log "bad hook"
		bob:reply(200)
		alice:expect(200)
		net:counts { script_errors = 1 }
		rest(net)
	end,
}

flow "a hook belongs to its forward: the next one has none" {
	script_text = script [[
		req:forward(BOB, { on_response = function(response) response:drop "quiet" end })
		return req:forward(CAROL)]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("INVITE", TO_SALES)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect_nothing()
		bob:reply(486)
		expect_ack(bob, came)
		carol:expect "INVITE"
		carol:reply(180)
		alice:expect(180)
		carol:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

-- ---- errors ----

flow "an error after a forward that failed is answered 500, and that is repeated like any other" {
	script_text = script [[
		local final = req:forward(req.uri)
		error("broken after " .. final.code)]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(486)
		expect_ack(bob, came)
		local failure = alice:expect(500)
		net:expect_log "broken after 486"
		alice:resend(invite)
		net:equal(alice:expect(500).text, failure.text, "the repeated answer")
		relayed.ack(alice, invite, failure)
		rest(net)
	end,
}

flow "an error after a 2xx is logged and harms nobody" {
	script_text = script "req:forward(req.uri) error 'too late'",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		bob:reply(200)
		alice:expect(200)
		net:expect_log "too late"
		alice:expect_nothing()
		rest(net)
	end,
}

-- What raises, and what the text says.
local misuses = {
	{ "an empty list", "req:forward {}", "forward needs at least one target" },
	{ "no target", "req:forward()", "forward takes a URI or a list" },
	{ "a number", "req:forward(5060)", "forward takes a URI or a list" },
	{ "a list with a number in it", "req:forward { BOB, 5 }", "a target must be a URI or a contact, not a number" },
	{ "a text that is no URI", "req:forward 'not a uri'", "'not a uri' is no URI" },
	{ "an unknown option", "req:forward(BOB, { time_out = 5 })", "forward has no option 'time_out'" },
	{ "an option of another type", "req:forward(BOB, { timeout = '5' })", "option 'timeout' of forward must be a number" },
	{ "a negative timeout", "req:forward(BOB, { timeout = -1 })", "the timeout of forward is 0 to 86400 seconds, not -1" },
	{ "a timeout that is no number", "req:forward(BOB, { timeout = 0/0 })", "the timeout of forward is 0 to 86400 seconds, not " },
	{ "a text that is no URI, statelessly", "req:forward('not a uri', { stateless = true })", "'not a uri' is no URI" },
	{ "a table whose uri is a number", "req:forward { uri = 5 }", "the uri of a target must be a text, not a number" },
	{ "a message", "req:forward(req)", "a target must be a URI or a contact, not a message" },
	{ "what sip.uri could not parse", "req:forward(sip.uri 'not a uri')", "forward has no target: 'not a uri' is no URI" },
	{ "contacts whose q is none", "req:forward { { uri = BOB, q = 'high' }, { uri = CAROL, q = 1 } }",
		"the q of a contact is a number from 0 to 1, not 'high'" },
	{ "contacts whose q is no number", "req:forward { { uri = BOB, q = 0/0 }, { uri = CAROL, q = 1 } }",
		"the q of a contact is a number" },
	{ "a request that was answered", "req:reply(404) req:forward(BOB)", "answered or forwarded already", 404 },
	{ "a request that was dropped", "req:drop 'x' req:forward(BOB)", "answered or forwarded already", false },
	{ "a request in a coroutine of the script's own",
		"local _, e = coroutine.resume(coroutine.create(function() req:forward(BOB) end)) error(e, 0)", "from the handler itself" },
}

for _, case in ipairs(misuses) do
	local what, text, complaint, answer = case[1], case[2], case[3], case[4]
	flow("forward of " .. what .. " raises, at the script's line, and nothing is sent") {
		script_text = script(text),
		run = function(net)
			local alice, bob = parties(net, "alice", "bob")
			alice:request("MESSAGE", TO_SALES)
			net:is_true(net:expect_log(complaint):find("script.lua", 1, true), "the line names the script")
			if answer ~= false then
				alice:expect(answer or 500)
			end
			bob:expect_nothing()
			rest(net)
		end,
	}
end

flow "a second forward after a 2xx raises" {
	script_text = script "req:forward(BOB) req:forward(CAROL)",
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("INVITE", TO_SALES)
		bob:expect "INVITE"
		bob:reply(200)
		alice:expect(200)
		net:expect_log "answered or forwarded already"
		carol:expect_nothing()
		rest(net)
	end,
}

flow "a reply after a 2xx went upstream raises" {
	script_text = script "req:forward(BOB) req:reply(486)",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", TO_SALES)
		bob:expect "INVITE"
		bob:reply(200)
		alice:expect(200)
		net:expect_log "script.error"
		alice:expect_nothing()
		rest(net)
	end,
}

for method, answer in pairs { ACK = false, CANCEL = 500 } do
	flow(method .. " cannot be forwarded statefully") {
		script_text = "return { receive = function(msg) return msg:forward(msg.uri) end }",
		run = function(net)
			local alice, bob = parties(net, "alice", "bob")
			alice:request(method, TO_BOB)
			net:expect_log "other than ACK and CANCEL"
			if answer then
				alice:expect(answer)
			end
			alice:expect_nothing()
			bob:expect_nothing()
		end,
	}
end

flow "a script may catch the error of a wrong forward and forward rightly" {
	script_text = script [[
		assert(not pcall(req.forward, req, {}))
		assert(not pcall(req.forward, req, { BOB, "nonsense" }))
		return req:forward(CAROL)]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("INVITE", TO_SALES)
		carol:expect "INVITE"
		carol:reply(200)
		alice:expect(200)
		bob:expect_nothing()
		rest(net)
	end,
}

-- ---- repetitions while the script thinks ----

flow "an INVITE that is repeated before the script forwards it is called once" {
	script_text = script "sip.sleep(1) return req:forward(req.uri)",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		net:advance(0.5)
		alice:resend(invite)
		net:advance(2)
		local came = bob:take_all()
		for i = 2, #came do
			net:equal(came[i].text, came[1].text, "what bob was sent")
		end
		alice:take_all()
		bob:reply(486, { request = came[1] })
		expect_ack(bob, came[1])
		expect_failure(alice, invite, 486)
		rest(net)
		alice:expect_nothing()
	end,
}

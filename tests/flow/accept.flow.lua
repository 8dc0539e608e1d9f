-- A 2xx a script answers an INVITE with is repeated until its ACK comes (RFC 3261 13.3.1.4).
local relayed = require "lib.relayed"
local exact, times, rest, runs = relayed.exact, relayed.times, relayed.rest, relayed.runs

local UDP, TCP = "udp:198.51.100.7:5062", "tcp:198.51.100.7:49152"
local LEGS = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" }
local SCHEDULE = "0 0.5 1.5 3.5 7.5 11.5 15.5 19.5 23.5 27.5 31.5" -- T1 doubled up to T2, until 64*T1

-- A script that answers with 200, and says what else came. `before` is done first, `options` make the dispatcher.
local function answering(before, options)
	return ([[
local sip = require "viaduct"
local dispatcher = sip.dispatcher { %s }
return { receive = function(msg)
	if msg.method == "ACK" then
		sip.log "acknowledged"
		return msg:drop()
	end
	%s
	return msg:reply(200, nil, { Contact = "<sip:us@192.0.2.1>" })
end }]]):format(options or "", before or "")
end

-- The ACK of a user agent to that 200: a transaction of its own (13.2.2.4).
local function acknowledge(phone, answer, given)
	given = given or {}
	return phone:request("ACK", "sip:us@192.0.2.1", { from = answer:header "From", to = given.to or answer:header "To",
		call_id = given.call_id or answer:header "Call-ID", cseq = given.cseq or 1 })
end

for _, address in ipairs { UDP, TCP } do
	local name = address:match "^%l+"
	flow("over " .. name .. " a 200 is repeated at T1, 2*T1 ... T2 until 64*T1, then given up and counted") {
		legs = LEGS, script_text = answering(),
		run = function(net)
			exact(net)
			local alice = net:phone("alice", address)
			alice:request("INVITE", "sip:us@192.0.2.1")
			net:advance(70)
			local answers = alice:take_all()
			net:equal(times(answers), SCHEDULE, "when it was sent")
			for _, answer in ipairs(answers) do
				net:equal(answer.text, answers[1].text, "what was sent")
			end
			net:counts { answers_unacknowledged = 1, replied = 1, sent = 11 }
		end,
	}

	flow("over " .. name .. " its ACK, which has a branch of its own, ends that and reaches the handler once") {
		legs = LEGS, script_text = answering(),
		run = function(net)
			exact(net)
			local alice = net:phone("alice", address)
			alice:request("INVITE", "sip:us@192.0.2.1")
			net:advance(2)
			local answers = alice:take_all()
			net:equal(times(answers), "0 0.5 1.5", "when it was sent")
			acknowledge(alice, answers[1])
			net:advance(70)
			alice:expect_nothing()
			net:expect_log "acknowledged"
			net:equal(runs(net), 2, "runs of the handler")
			net:counts { answers_unacknowledged = 0 }
		end,
	}
end

flow "a repeated INVITE gets the same 200 at once, beside those that are due, and no handler" {
	script_text = answering(),
	run = function(net)
		exact(net)
		local alice = net:phone("alice", UDP)
		local invite = alice:request("INVITE", "sip:us@192.0.2.1")
		net:advance(0.2)
		alice:resend(invite)
		net:advance(0.4)
		local answers = alice:take_all()
		net:equal(times(answers), "0 0.2 0.5", "when it was sent")
		net:equal(answers[2].text, answers[1].text, "what was sent")
		acknowledge(alice, answers[1])
		net:settle()
		net:expect_log "acknowledged"
		alice:resend(invite)
		alice:expect_nothing()
		net:equal(runs(net), 2, "runs of the handler")
		net:counts { requests_absorbed = 2 }
		rest(net)
	end,
}

flow "an ACK of another call, request or dialog does not end it" {
	script_text = answering(),
	run = function(net)
		exact(net)
		local alice = net:phone("alice", UDP)
		alice:request("INVITE", "sip:us@192.0.2.1")
		local answer = alice:expect(200)
		acknowledge(alice, answer, { call_id = "another" })
		acknowledge(alice, answer, { cseq = 2 })
		acknowledge(alice, answer, { to = "<sip:us@192.0.2.1>;tag=another" })
		acknowledge(alice, answer, { to = "<sip:us@192.0.2.1>" })
		net:advance(1.6)
		net:equal(#alice:take_all(), 2, "repetitions")
		acknowledge(alice, answer)
		rest(net)
		alice:expect_nothing()
		net:counts { answers_unacknowledged = 0 }
		for _ = 1, 5 do
			net:expect_log "acknowledged"
		end
	end,
}

flow "two ways of one INVITE (same Call-ID, CSeq and From) are two dialogs, each with its ACK" {
	script_text = answering(),
	run = function(net)
		exact(net)
		local alice = net:phone("alice", UDP)
		alice:request("INVITE", "sip:us@192.0.2.1", { call_id = "forked" })
		local one = alice:expect(200)
		alice:request("INVITE", "sip:us@192.0.2.1", { call_id = "forked" })
		local other = alice:expect(200)
		acknowledge(alice, one)
		net:advance(0.6)
		local answers = alice:take_all()
		net:equal(#answers, 1, "repetitions")
		net:equal(answers[1]:header "To", other:header "To", "the one that is repeated")
		acknowledge(alice, other)
		rest(net)
		net:expect_log "acknowledged"
		net:expect_log "acknowledged"
	end,
}

flow "inside a dialog too: the To-tag is that of the re-INVITE" {
	script_text = answering(),
	run = function(net)
		exact(net)
		local alice = net:phone("alice", UDP)
		alice:request("INVITE", "sip:us@192.0.2.1", { to = "<sip:us@192.0.2.1>;tag=ours", cseq = 7 })
		net:advance(0.6)
		local answers = alice:take_all()
		net:equal(times(answers), "0 0.5", "when it was sent")
		acknowledge(alice, answers[1], { cseq = 7 })
		rest(net)
		alice:expect_nothing()
		net:expect_log "acknowledged"
	end,
}

flow "without transactions that keep answers a 200 is sent once for each INVITE" {
	script_text = answering("", "do_retransmits = false"),
	run = function(net)
		exact(net)
		local alice = net:phone("alice", UDP)
		alice:request("INVITE", "sip:us@192.0.2.1")
		net:advance(40)
		net:equal(#alice:take_all(), 1, "answers")
		alice:resend()
		alice:expect(200)
		net:equal(runs(net), 2, "runs of the handler")
	end,
}

flow "a caller who was told 100 repeats nothing, so its 200 is repeated without a dispatcher's word" {
	script_text = answering("sip.sleep(1)", "do_retransmits = false"),
	run = function(net)
		exact(net)
		local alice = net:phone("alice", UDP)
		alice:request("INVITE", "sip:us@192.0.2.1")
		net:advance(0.5)
		alice:expect(100)
		net:advance(1.1)
		local answers = alice:take_all()
		net:equal(times(answers), "0 0.5", "when it was sent")
		acknowledge(alice, answers[1])
		rest(net)
		net:expect_log "acknowledged"
	end,
}

flow "a 2xx to another request is sent once" {
	script_text = [[
local sip = require "viaduct"
sip.dispatcher {}
return { receive = function(msg) return msg:reply(202) end }]],
	run = function(net)
		exact(net)
		local alice = net:phone("alice", UDP)
		alice:request("MESSAGE", "sip:us@192.0.2.1")
		net:advance(40)
		net:equal(#alice:take_all(), 1, "answers")
	end,
}

flow "a reload in between changes nothing" {
	script_text = answering(),
	run = function(net)
		exact(net)
		local alice = net:phone("alice", UDP)
		alice:request("INVITE", "sip:us@192.0.2.1")
		net:advance(1)
		net:is_true(net:reload(answering 'sip.log "second"'), "it loads")
		net:advance(1)
		local answers = alice:take_all()
		net:equal(times(answers), "0 0.5 1.5", "when it was sent")
		acknowledge(alice, answers[1])
		rest(net)
		alice:expect_nothing()
		net:expect_log "acknowledged"
	end,
}

flow "a hundred INVITEs in a victim's name bring it one 200 each, and repetitions of 64 only" {
	script_text = answering(),
	run = function(net)
		local INVITES, UNHEARD, REPETITIONS = 100, 64, 10
		local victim = net:phone("victim", UDP)
		for _ = 1, INVITES do
			victim:request("INVITE", "sip:us@192.0.2.1")
		end
		rest(net)
		net:equal(#victim:take_all(), INVITES + UNHEARD * REPETITIONS, "answers")
		net:counts { replies_once = INVITES - UNHEARD, answers_unacknowledged = UNHEARD }
		victim:request("INVITE", "sip:us@192.0.2.1")
		net:advance(0.6)
		local answers = victim:take_all()
		net:equal(#answers, 2, "answers when all that is over")
		acknowledge(victim, answers[1])
		rest(net)
		net:expect_log "acknowledged"
	end,
}

flow "thousands of INVITEs of one Call-ID and CSeq, each answered 200, cost no more each than the first, and each has its ACK" {
	script_text = [[
local sip = require "viaduct"
sip.dispatcher {}
return { receive = function(msg) return msg.method == "INVITE" and msg:reply(200) or msg:drop() end }]],
	legs = { "tcp:192.0.2.1:5060" },
	run = function(net)
		local N = 2000
		local alice = net:phone("alice", "tcp:198.51.100.7:5062")
		local sent = {}
		for i = 1, N do
			sent[i] = alice:request("INVITE", "sip:x@192.0.2.1", { call_id = "one", cseq = 1, from = "<sip:a@example.com>;tag=" .. i })
		end
		local answers = alice:take_all()
		net:equal(#answers, N, "answers")
		for i, answer in ipairs(answers) do
			alice:request("ACK", "sip:x@192.0.2.1", { call_id = "one", cseq = 1, from = sent[i]:header "From", to = answer:header "To" })
		end
		net:advance(70)
		alice:expect_nothing()
		net:counts { answers_unacknowledged = 0 }
	end,
}

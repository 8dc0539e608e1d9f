-- Many calls at one time: on a network that loses, through reloads, and under messages that belong to nothing.
local agents = require "lib.agents"
local relayed = require "lib.relayed"
local parties, rest, script = relayed.parties, relayed.rest, relayed.script

-- ---- loss ----

local PLANS = { "answer", "refuse", "cancel" }
local WANTED = { answer = 200, refuse = 486, cancel = 487 }

local function check_conversation(net, conversation, callee)
	local call = conversation.call
	net:equal(conversation.code, WANTED[conversation.plan], "final response of " .. call.id)
	net:equal(call.ended, true, call.id .. " has ended at the caller")
	local there = callee.calls[call.id]
	if not there then -- cancelled before it came so far
		return net:equal(conversation.plan, "cancel", "plan of a call the callee never saw")
	end
	net:equal(there.ended, true, call.id .. " has ended at the callee")
	net:equal(next(there.branches, next(there.branches)), nil, "a second branch of " .. call.id)
end

-- A message that is sent seven times gets lost in one of 5,000 calls, and what goes end to end has two links to be lost
-- on: who hears nothing in 64*T1 dials again, as people do, and a callee whose 2xx nobody acknowledges hangs up.
flow "with 30 % loss both ways 1,000 calls through router.lua all complete: answered and hung up, refused, or cancelled" {
	script = "scripts/router.lua",
	settings = { domains = "example.com" },
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local caller, callee = agents.caller(alice), agents.callee(bob)
		bob:register "sip:bob@example.com"
		net:loss(0.3)
		local conversations = {}
		agents.run(net, { caller, callee }, 600, function()
			local n = #conversations
			if n < 1000 then
				conversations[n + 1] = { plan = PLANS[n % 3 + 1], to = "sip:bob@example.com" }
				caller:dial(conversations[n + 1])
			end
			return n < 1000
		end)
		local tries = 0
		for _, conversation in ipairs(conversations) do
			check_conversation(net, conversation, callee)
			tries = tries + conversation.tries
		end
		net:is_true(tries <= 1010, ("1,000 calls and few more, not %d"):format(tries))
		local unacknowledged = callee.unacknowledged or 0
		net:is_true(unacknowledged <= 10, ("few final responses without ACK, not %d"):format(unacknowledged))
		net:link {}
		rest(net)
		alice:take_all()
		bob:take_all()
	end,
}

-- ---- reloads ----

local function generation(name, code)
	return script(([[
		local final = req:forward({ req.uri, CAROL }, { timeout = 20 })
		if final.code >= 300 then return req:reply(%d, "%s") end]]):format(code, name))
end

local GENERATIONS = { generation("One", 480), generation("Two", 481), generation("Three", 482) }
local NAMES = { "One", "Two", "Three" }

flow "500 calls that wait when the script is replaced, twice, end in the generation that began them, and it is freed then" {
	script_text = GENERATIONS[1],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local begun = {}
		for i = 1, 500 do
			local id = "call" .. i
			begun[id] = { invite = alice:request("INVITE", "sip:bob@198.51.100.8", { call_id = id }), by = NAMES[math.ceil(i / 200)] }
			if i % 200 == 0 then
				net:settle()
				net:is_true(net:reload(GENERATIONS[i / 200 + 1]), "it loads")
			end
		end
		local ringing = bob:take_all()
		net:equal(#ringing, 500, "INVITEs")
		for i = 1, 4 do -- more than are kept for rollback
			net:is_true(net:reload(generation("Later", 482 + i)), "it loads")
		end
		net:equal(net:status().draining, 3, "generations that only their calls keep")
		for _, came in ipairs(ringing) do
			bob:reply(180, { request = came })
		end
		net:equal(relayed.kinds(alice:take_all()), ("180 "):rep(500):sub(1, -2), "responses")
		-- every third is answered, the others fail here and go on to carol, who is busy
		for i, came in ipairs(ringing) do
			bob:reply(i % 3 == 0 and 200 or 486, { request = came })
		end
		for _, came in ipairs(carol:take_all()) do
			carol:reply(486, { request = came })
		end
		local finals, answered = alice:take_all(), 0
		net:equal(#finals, 500, "final responses")
		for _, final in ipairs(finals) do
			local call = begun[final:header "Call-ID"]
			if final.code >= 300 then
				net:equal(final.reason, call.by, "the generation that ended " .. final:header "Call-ID")
				relayed.ack(alice, call.invite, final)
			else
				answered = answered + 1
			end
			net:is_true(not call.ended, "one final response for each call")
			call.ended = true
		end
		net:equal(answered, 166, "calls that were answered")
		net:settle()
		net:equal(net:status().draining, 0, "generations left behind")
		bob:take_all()
		carol:take_all()
		rest(net)
	end,
}

flow "a hook of an old generation still hears its own call" {
	script_text = script "return req:forward(req.uri, { on_response = function(response) response:set_header('X-Hook', 'old') end })",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		net:is_true(net:reload(script "return req:forward(req.uri)"), "it loads")
		bob:reply(180)
		alice:expect(180) { ["X-Hook"] = "old" }
		bob:reply(486)
		relayed.expect_ack(bob, came)
		relayed.expect_failure(alice, invite, 486)
		rest(net)
	end,
}

-- ---- what belongs to nothing ----

-- Spoils one line of a message, or a part of it.
local spoilings = {
	{ "another branch", function(text)
		return (text:gsub("branch=z9hG4bK(%x)", function(digit) return "branch=z9hG4bK" .. (digit == "0" and "1" or "0") end, 1))
	end },
	{ "no branch", function(text) return (text:gsub(";branch=[^;\r]*", "", 1)) end },
	{ "another number of the branch", function(text) return (text:gsub("(branch=[^;\r,]*)", "%1.7", 1)) end },
	{ "another method in CSeq", function(text) return (text:gsub("CSeq: (%d+) %u+", "CSeq: %1 NOTIFY", 1)) end },
	{ "no CSeq", function(text) return (text:gsub("CSeq: [^\r]*\r\n", "", 1)) end },
	{ "no Via at all", function(text) return (text:gsub("Via: [^\r]*\r\n", "")) end },
	{ "half of it", function(text) return text:sub(1, math.floor(#text / 2)) end },
}

for _, spoiling in ipairs(spoilings) do
	flow("responses with " .. spoiling[1] .. " change nothing and leave nothing behind") {
		script_text = relayed.FORWARD,
		run = function(net)
			local alice, bob = parties(net, "alice", "bob")
			local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
			local came = bob:expect "INVITE"
			bob:reply(180)
			alice:expect(180)
			for _, code in ipairs { 100, 183, 200, 302, 486, 503, 603, 699 } do
				bob:send_bytes(spoiling[2](bob:response_text(code, { request = came })), came.leg)
			end
			net:settle()
			for _, seen in ipairs(alice:take_all()) do -- statelessly, to whom its Vias name
				net:is_true(seen.code ~= 180, "a response")
			end
			bob:expect_nothing()
			bob:reply(486, { request = came })
			relayed.expect_ack(bob, came)
			relayed.expect_failure(alice, invite, 486)
			rest(net)
			alice:take_all()
		end,
	}
end

flow "CANCELs of strangers end no call: another branch, another sent-by, another source with another Via" {
	script_text = [[return { receive = function(msg)
		if msg.method == "CANCEL" then return msg:reply(481) end
		if msg.method == "ACK" then return msg:drop "no ACK" end
		return msg:forward(msg.uri)
	end }]],
	run = function(net)
		local alice, bob, mallory = parties(net, "alice", "bob", "carol")
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		local via = invite:rows("Via")[1]
		for _, other in ipairs { via:gsub("branch=z9hG4bK", "branch=z9hG4bKx") .. "", mallory:via(invite:branch()),
			(via:gsub("5062", "5099")) } do
			mallory:request("CANCEL", invite.uri, { via = other, call_id = invite:header "Call-ID", to = invite:header "To",
				from = invite:header "From" })
		end
		net:settle()
		mallory:take_all()
		bob:expect_nothing()
		bob:reply(486, { request = came })
		relayed.expect_ack(bob, came)
		relayed.expect_failure(alice, invite, 486)
		rest(net)
	end,
}

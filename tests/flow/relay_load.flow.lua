-- Many calls at one time: on a network that loses, through reloads, and under messages that belong to nothing.
local relayed = require "lib.relayed"
local parties, rest, script = relayed.parties, relayed.rest, relayed.script

-- ---- loss ----

-- One step of a caller and of a callee who do what RFC 3261 asks of user agents, for many calls. They speak every half second.
local function answer_requests(bob, state)
	for _, came in ipairs(bob:take_all()) do
		local id = came:header "Call-ID"
		if came.method == "INVITE" and not state.acked[id] then
			bob:reply(state.code(id), { request = came })
			state.invites[id] = came
		elseif came.method == "ACK" then
			state.acked[id] = true
		end
	end
end

local function repeat_answers(bob, state)
	for id, came in pairs(state.ordered()) do
		if not state.acked[came:header "Call-ID"] then
			bob:reply(state.code(came:header "Call-ID"), { request = came })
		end
		state.last = id
	end
end

local function take_answers(alice, calls)
	for _, came in ipairs(alice:take_all()) do
		local call = calls[came:header "Call-ID"]
		if came.code >= 200 then
			call.final = call.final or came.code
			if came.code < 300 then
				alice:request("ACK", call.invite.uri, { call_id = came:header "Call-ID", to = came:header "To",
					route = came:rows "Record-Route" })
			else
				relayed.ack(alice, call.invite, came)
			end
		elseif not call.final then
			call.provisional = true
		end
	end
end

flow "with 30 % loss both ways 100 calls complete, answered or refused" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		net:loss(0.3)
		local calls, order = {}, {}
		for i = 1, 100 do
			local invite = alice:request("INVITE", "sip:bob@198.51.100.8", { call_id = "call" .. i })
			calls["call" .. i] = { invite = invite }
			order[i] = "call" .. i
		end
		local state = { invites = {}, acked = {} }
		function state.code(id) return tonumber(id:match "%d+") % 2 == 0 and 200 or 486 end
		function state.ordered()
			local list = {}
			for _, id in ipairs(order) do
				list[#list + 1] = state.invites[id]
			end
			return list
		end
		for _ = 1, 56 do
			net:advance(0.5)
			answer_requests(bob, state)
			repeat_answers(bob, state)
			take_answers(alice, calls)
			for _, id in ipairs(order) do
				if not calls[id].final and not calls[id].provisional then
					alice:resend(calls[id].invite)
				end
			end
		end
		for _, id in ipairs(order) do
			net:equal(calls[id].final, state.code(id), "final response of " .. id)
		end
		net:is_true(net:counters().server_transactions == 100, "each call had one transaction")
		net:equal(relayed.runs(net) >= 100, true, "runs of the script")
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

flow "fifty calls that wait when the script is replaced, twice, end in the generation that began them" {
	script_text = generation("One", 480),
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		local begun = {}
		for i = 1, 50 do
			local id = "call" .. i
			begun[id] = { invite = alice:request("INVITE", "sip:bob@198.51.100.8", { call_id = id }),
				by = i <= 20 and "One" or i <= 40 and "Two" or "Three" }
			net:settle()
			if i == 20 then
				net:is_true(net:reload(generation("Two", 481)), "it loads")
			elseif i == 40 then
				net:is_true(net:reload(generation("Three", 482)), "it loads")
			end
		end
		local ringing = bob:take_all()
		net:equal(#ringing, 50, "INVITEs")
		for _, came in ipairs(ringing) do
			bob:reply(180, { request = came })
		end
		net:equal(relayed.kinds(alice:take_all()), ("180 "):rep(50):sub(1, -2), "responses")
		-- every third is answered, the others fail here and go on to carol, who is busy
		for i, came in ipairs(ringing) do
			bob:reply(i % 3 == 0 and 200 or 486, { request = came })
		end
		for _, came in ipairs(carol:take_all()) do
			carol:reply(486, { request = came })
		end
		local finals = alice:take_all()
		net:equal(#finals, 50, "final responses")
		for _, final in ipairs(finals) do
			local call = begun[final:header "Call-ID"]
			if final.code >= 300 then
				net:equal(final.reason, call.by, "the generation that ended " .. final:header "Call-ID")
				relayed.ack(alice, call.invite, final)
			end
			call.ended = true
		end
		for id, call in pairs(begun) do
			net:is_true(call.ended, id .. " ended")
		end
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

flow "a thousand random responses and CANCELs against live calls: no reply but to the calls, and nothing is left" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local number = 12345
		local function random(n)
			number = (number * 1103515245 + 12345) % 2147483648
			return math.floor(number / 65536) % n + 1
		end
		local codes = { 100, 180, 183, 200, 202, 302, 401, 407, 408, 486, 487, 503, 600 }
		local invites = {}
		for i = 1, 20 do
			alice:request("INVITE", "sip:bob@198.51.100.8", { call_id = "call" .. i })
			invites[i] = bob:expect "INVITE"
		end
		for _ = 1, 1000 do
			local came = invites[random(#invites)]
			local text = bob:response_text(codes[random(#codes)], { request = came })
			for _ = 1, random(3) do
				text = spoilings[random(#spoilings)][2](text)
			end
			if random(4) == 1 then
				local at = random(#text)
				text = text:sub(1, at - 1) .. string.char(random(255)) .. text:sub(at + 1)
			end
			bob:send_bytes(text, came.leg)
		end
		net:settle()
		for _ = 1, 3 do
			alice:take_all()
			bob:take_all()
			net:advance(100)
		end
		alice:take_all()
		bob:take_all()
		rest(net)
	end,
}

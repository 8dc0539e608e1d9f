-- How many transactions there may be, in all and towards one address; and how each of them ends, counted.
local relayed = require "lib.relayed"
local script, parties, rest = relayed.script, relayed.parties, relayed.rest
local expect_failure = relayed.expect_failure
local TO_BOB, TO_CAROL = "sip:bob@198.51.100.8", "sip:carol@198.51.100.9"

local ENDS = { "1xx", "2xx", "3xx", "4xx", "5xx", "6xx", "timed_out", "unreachable", "given_up" }

-- Clients that ended like this, the others not at all; each has ended once.
local function ended(net, wanted)
	local seen, sum = net:counters(), 0
	for _, name in ipairs(ENDS) do
		net:equal(seen["clients_" .. name], wanted[name] or 0, "clients_" .. name)
		sum = sum + (name ~= "1xx" and seen["clients_" .. name] or 0)
	end
	net:equal(sum, seen.client_transactions, "ends of all clients")
end

-- ---- the share of one address ----

flow "an address that owes as many answers as it may gets no further request: 503 with Retry-After, others are served" {
	script_text = relayed.FORWARD,
	clients_per_peer = 2,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("INVITE", TO_BOB)
		alice:request("INVITE", TO_BOB)
		local came = { bob:expect "INVITE", bob:expect "INVITE" }
		local third = alice:request("INVITE", TO_BOB)
		expect_failure(alice, third, 503) { ["Retry-After"] = 5 }
		bob:expect_nothing()
		alice:request("INVITE", TO_CAROL)
		carol:expect "INVITE"
		carol:reply(200)
		alice:expect(200)
		bob:reply(180, { request = came[1] })
		alice:expect(180)
		expect_failure(alice, alice:request("INVITE", TO_BOB), 503)
		bob:reply(200, { request = came[1] })
		alice:expect(200)
		alice:request("INVITE", TO_BOB)
		bob:expect "INVITE"
		bob:reply(200)
		alice:expect(200)
		bob:reply(200, { request = came[2] })
		alice:expect(200)
		net:counts { overload_peer = 2, overload = 0, forwards_refused = 2, forwards_final = 4 }
		rest(net)
	end,
}

flow "the port and the transport make another address" {
	script_text = relayed.FORWARD,
	clients_per_peer = 1,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local stream, other = net:phone("stream", "tcp:198.51.100.8:5060"), net:phone("other", "udp:198.51.100.8:5070")
		for _, params in ipairs { "", ";transport=tcp", ":5070" } do
			alice:request("MESSAGE", TO_BOB .. params)
		end
		for _, phone in ipairs { bob, stream, other } do
			phone:expect "MESSAGE"
			phone:reply(200)
			alice:expect(200)
		end
		net:counts { overload_peer = 0 }
		rest(net)
	end,
}

flow "a script hears of the limit and may go elsewhere; in a list the next target is tried" {
	script_text = script [[
		if req.method == "INVITE" then return req:forward { BOB, CAROL } end
		local final, text, code = req:forward(BOB)
		sip.log(("forward gave %s, %s, %s"):format(final and final.code or "nil", text, code))
		return final or req:forward(CAROL)]],
	clients_per_peer = 1,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		alice:request("MESSAGE", TO_BOB)
		net:expect_log "forward gave nil, too many transactions are open, limit"
		carol:expect "MESSAGE"
		carol:reply(200)
		alice:expect(200)
		alice:request("INVITE", TO_BOB)
		carol:expect "INVITE"
		carol:reply(200)
		alice:expect(200)
		bob:reply(200, { request = came })
		alice:expect(200)
		net:counts { overload_peer = 2, forwards_refused = 1, forwards_final = 3 }
		rest(net)
	end,
}

flow "a CANCEL goes out at the limit: it makes room" {
	script_text = relayed.FORWARD,
	clients_per_peer = 1,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		relayed.cancel(alice, invite)
		alice:expect(200)
		relayed.expect_cancelled(bob, came)
		expect_failure(alice, invite, 487)
		alice:request("MESSAGE", TO_BOB)
		bob:expect "MESSAGE"
		bob:reply(200)
		alice:expect(200)
		net:counts { overload_peer = 0, forwards_cancelled = 1 }
		rest(net)
		ended(net, { ["1xx"] = 1, ["2xx"] = 2, given_up = 1 })
	end,
}

flow "what the delivery queue sends counts too, until it is answered or cancelled" {
	script_text = [[
		local sip = require "viaduct"
		local dispatcher = sip.dispatcher {}
		local function deliver(id)
			return dispatcher:deliver(sip.request { method = "OPTIONS", uri = "sip:bob@198.51.100.8", call_id = id }, {
				callback = function(err) sip.log(id .. " told " .. tostring(err)) end })
		end
		return { receive = function(msg)
			if msg:is_response() then return msg:drop() end
			local first = deliver "first"
			sip.log("second " .. select(3, deliver "second"))
			first:cancel()
			deliver "third"
			return msg:reply(200)
		end }]],
	clients_per_peer = 1,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", TO_BOB)
		alice:expect(200)
		bob:expect "OPTIONS" { ["Call-ID"] = "first" }
		bob:expect "OPTIONS" { ["Call-ID"] = "third" }
		bob:reply(200)
		net:expect_log "second limit"
		net:expect_log "third told nil"
		net:counts { overload_peer = 1 }
		rest(net)
		ended(net, { ["2xx"] = 1, given_up = 1 })
	end,
}

-- ---- all of them ----

flow "when there are as many transactions as there may be a further request is answered 503 with Retry-After" {
	script_text = relayed.FORWARD,
	transactions = 2,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", TO_BOB)
		local came = bob:expect "MESSAGE"
		alice:request("MESSAGE", TO_BOB)
		alice:expect(503) { ["Retry-After"] = 5 }
		bob:reply(200, { request = came })
		alice:expect(200)
		net:counts { overload = 1, undecided_requests = 0, forwards_final = 1 }
		rest(net)
	end,
}

-- ---- ends ----

flow "each end of a client transaction is counted, once" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		for _, code in ipairs { 200, 302, 404, 500, 603 } do
			alice:request("MESSAGE", TO_BOB)
			bob:expect "MESSAGE"
			bob:reply(code)
			bob:reply(code)
			alice:expect(code)
		end
		net:settle()
		bob:take_all()
		alice:request("MESSAGE", TO_BOB) -- nobody answers
		alice:request("MESSAGE", TO_BOB .. ":9;transport=tcp") -- nobody is there
		alice:expect(500)
		net:expect_log "send.failed"
		local invite = alice:request("INVITE", TO_BOB)
		net:settle()
		relayed.cancel(alice, invite)
		alice:expect(200)
		net:advance(40)
		bob:take_all()
		alice:expect(100)
		expect_failure(alice, invite, 487)
		alice:take_all() -- repeated until the ACK
		net:counts { forwards_final = 5, forwards_timed_out = 1, forwards_unreachable = 1, forwards_cancelled = 1,
			forwards_answered = 0, forwards_refused = 0 }
		rest(net)
		ended(net, { ["2xx"] = 1, ["3xx"] = 1, ["4xx"] = 1, ["5xx"] = 1, ["6xx"] = 1, timed_out = 1, unreachable = 1, given_up = 1 })
	end,
}

flow "a call that rings, is repeated and answered twice has one end" {
	script_text = relayed.FORWARD,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", TO_BOB)
		local came = bob:expect "INVITE"
		for _, code in ipairs { 180, 183, 200, 200 } do
			bob:reply(code, { request = came })
			alice:expect(code)
		end
		rest(net)
		ended(net, { ["1xx"] = 1, ["2xx"] = 1 })
	end,
}

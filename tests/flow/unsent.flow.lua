-- What a stream did not take: requests fail at once (RFC 3261 17.1.4, 18.4); responses whose connection is gone go to the other
-- addresses of the name in the Via (18.2.2, RFC 3263 5).
local relayed = require "lib.relayed"
local rest = relayed.rest

local NAME = "cluster.example.net"
local LEGS = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" }
local STATELESS = [[
local sip = require "viaduct"
return { receive = sip.stateless_proxy {} }]]
local LATE = [[
local sip = require "viaduct"
return { receive = function(msg)
	if msg.method ~= "ACK" then sip.sleep(1) return msg:reply(404) end
	return msg:drop()
end }]]

-- A proxy of a cluster sends a request by TCP, goes away with all its connections, and a UDP phone is called meanwhile.
local function begin(net, sent_by, method)
	local gone = net:phone("gone", "tcp:198.51.100.7:49152")
	local bob = net:phone("bob", "udp:198.51.100.8:5060")
	local request = gone:request(method or "OPTIONS", "sip:bob@198.51.100.8",
		{ via = ("SIP/2.0/TCP %s;branch=z9hG4bKc"):format(sent_by or NAME) })
	net:settle()
	gone:leave()
	net:settle()
	return bob, request
end

local function cluster(net)
	for _, ip in ipairs { "198.51.100.7", "198.51.100.21", "198.51.100.22" } do
		net:dns(NAME, "A", ip)
	end
end

local ways = {
	{ "a stateless proxy passes on", STATELESS },
	{ "a forward passes on", relayed.FORWARD },
}
for _, way in ipairs(ways) do
	flow("a response that " .. way[1] .. " reaches another host of the name when its connection is gone") {
		legs = LEGS, script_text = way[2],
		run = function(net)
			cluster(net)
			local bob, request = begin(net)
			local one, two = net:phone("one", "tcp:198.51.100.21:5060"), net:phone("two", "tcp:198.51.100.22:5060")
			bob:expect "OPTIONS"
			bob:reply(200)
			net:advance(1)
			local seen = #one.inbox > 0 and one or two
			seen:expect(200) { Via = { "~^SIP/2.0/TCP " .. NAME .. ";branch=z9hG4bKc;received=198.51.100.7$" },
				["Call-ID"] = request:header "Call-ID" }
			net:expect_log "send.failed"
			net:counts { failovers = 1, responses_lost = 0 }
			rest(net)
		end,
	}
end

flow "so does an answer of the script, from one host to the next until one takes it" {
	legs = LEGS, script_text = LATE,
	run = function(net)
		cluster(net)
		begin(net)
		local two = net:phone("two", "tcp:198.51.100.22:5060")
		net:advance(2)
		two:expect(404)
		net:expect_log "send.failed"
		net:is_true(net:counters().failovers <= 2, "hosts that were tried")
		rest(net)
	end,
}

flow "without a port in the Via SRV records say where, and in which order" {
	legs = LEGS, script_text = LATE,
	run = function(net)
		net:dns("_sip._tcp." .. NAME, "SRV", 10, 0, 5060, "a.example.net")
		net:dns("_sip._tcp." .. NAME, "SRV", 20, 0, 5071, "b.example.net")
		net:dns("_sip._tcp." .. NAME, "SRV", 30, 0, 5072, "c.example.net")
		net:dns("a.example.net", "A", "198.51.100.7")
		net:dns("b.example.net", "A", "198.51.100.21")
		net:dns("c.example.net", "A", "198.51.100.22")
		begin(net)
		local one = net:phone("one", "tcp:198.51.100.21:5071")
		net:phone("two", "tcp:198.51.100.22:5072")
		net:advance(2)
		one:expect(404)
		net:expect_log "send.failed"
		rest(net)
	end,
}

flow "when none takes it, it is lost and counted" {
	legs = LEGS, script_text = LATE,
	run = function(net)
		cluster(net)
		begin(net)
		net:advance(3)
		net:expect_log "send.failed"
		net:counts { failovers = 2, responses_lost = 1 }
		rest(net)
	end,
}

local strangers = {
	{ "a name that has not the address the request came from", "victim.example.com" },
	{ "an address", "203.0.113.66:5060" },
	{ "a name that leads nowhere", "nowhere.example.net" },
}
for _, stranger in ipairs(strangers) do
	flow("a Via does not choose whom responses hit: " .. stranger[1] .. " gets nothing") {
		legs = LEGS, script_text = LATE,
		run = function(net)
			net:dns("victim.example.com", "A", "203.0.113.66")
			local victim = net:phone("victim", "tcp:203.0.113.66:5060")
			begin(net, stranger[2])
			net:advance(10)
			victim:expect_nothing()
			net:expect_log "send.failed"
			net:counts { failovers = 0, responses_lost = 1 }
		end,
	}
end

-- ---- requests ----

local ways_down = { { "statefully", relayed.FORWARD, 500 }, { "statelessly", STATELESS, 503 } }
for _, way in ipairs(ways_down) do
	flow(("requests forwarded %s that a stalled connection did not take are answered %d when it is closed"):format(way[1], way[3])) {
		legs = LEGS, script_text = way[2],
		run = function(net)
			local MESSAGES = 200
			local alice, bob = net:phone("alice", "udp:198.51.100.7:5062"), net:phone("bob", "tcp:198.51.100.8:5060")
			alice:request("OPTIONS", "sip:bob@198.51.100.8;transport=tcp")
			bob:expect "OPTIONS"
			bob:reply(200)
			alice:expect(200)
			bob:stop_reading()
			for _ = 1, MESSAGES do
				alice:request("MESSAGE", "sip:bob@198.51.100.8;transport=tcp", { body = ("x"):rep(6000) })
			end
			net:advance(9.9)
			alice:expect_nothing()
			net:advance(0.2)
			local answers = alice:take_all()
			net:equal(#answers, MESSAGES, "answers once the connection is closed")
			for _, answer in ipairs(answers) do
				net:equal(answer.code, way[3], "code")
			end
			bob:expect_nothing()
			net:expect_log "send.failed"
			rest(net)
		end,
	}
end

flow "a delivery that a stalled connection did not take is told and answered as a failure when that is closed, never as sent" {
	legs = LEGS,
	script_text = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher {}
return { receive = function(msg)
	if msg:is_response() then return sip.stateless_proxy {}:receive(msg) end
	return dispatcher:deliver(msg, { do_retransmits = false, callback = function(err) sip.log("told " .. tostring(err)) end })
end }]],
	run = function(net)
		local alice, bob = net:phone("alice", "udp:198.51.100.7:5062"), net:phone("bob", "tcp:198.51.100.8:5060")
		alice:request("MESSAGE", "sip:bob@198.51.100.8;transport=tcp")
		bob:expect "MESSAGE"
		net:expect_log "told nil"
		bob:stop_reading()
		alice:request("MESSAGE", "sip:bob@198.51.100.8;transport=tcp")
		net:advance(10.1)
		net:expect_log "told ETIMEDOUT"
		net:expect_log "send.failed"
		alice:expect(500)
		rest(net)
	end,
}

-- The examples do what their first line says.
local relayed = require "lib.relayed"
local rest, expect_ack, expect_cancelled = relayed.rest, relayed.expect_ack, relayed.expect_cancelled
local expect_failure = relayed.expect_failure

local function phones(net, ...)
	local list = { (net:phone("alice", relayed.ALICE)) }
	for i, host in ipairs { ... } do
		list[i + 1] = net:phone("phone" .. i, "udp:192.0.2." .. host .. ":5060")
	end
	return unpack(list)
end

flow "failover.lua: the second gateway is tried when the first is down, then voicemail" {
	script = "examples/failover.lua",
	run = function(net)
		local alice, one, two, voicemail = phones(net, 11, 12, 20)
		alice:request("INVITE", "sip:+49301234@example.com")
		local first = one:expect "INVITE" { uri = "sip:+49301234@192.0.2.11" }
		one:reply(503)
		expect_ack(one, first)
		net:expect_log "192.0.2.11: 503"
		local second = two:expect "INVITE" { uri = "sip:+49301234@192.0.2.12" }
		two:reply(180)
		alice:expect(180)
		net:advance(8.1)
		expect_cancelled(two, second)
		net:expect_log "192.0.2.12: nobody answered in time"
		voicemail:expect "INVITE" { uri = "sip:voicemail@192.0.2.20" }
		voicemail:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

for _, code in ipairs { 404, 486, 603 } do
	flow(("failover.lua: a %d is about the callee and goes to the caller"):format(code)) {
		script = "examples/failover.lua",
		run = function(net)
			local alice, one, two, voicemail = phones(net, 11, 12, 20)
			local invite = alice:request("INVITE", "sip:+49301234@example.com")
			local first = one:expect "INVITE"
			one:reply(code)
			expect_ack(one, first)
			expect_failure(alice, invite, code)
			two:expect_nothing()
			voicemail:expect_nothing()
			rest(net)
		end,
	}
end

flow "failover.lua: a Request-URI without a user stays without, and nobody else is tried once the caller has gone" {
	script = "examples/failover.lua",
	run = function(net)
		local alice, one, two = phones(net, 11, 12)
		local invite = alice:request("INVITE", "sip:example.com")
		local first = one:expect "INVITE" { uri = "sip:192.0.2.11" }
		one:reply(180)
		alice:expect(180)
		relayed.cancel(alice, invite)
		alice:expect(200)
		expect_cancelled(one, first)
		expect_failure(alice, invite, 487)
		two:expect_nothing()
		rest(net)
	end,
}

flow "ring_group.lua: two phones at one time, then the manager, and busy becomes 480" {
	script = "examples/ring_group.lua",
	run = function(net)
		local alice, anna, ben, manager = phones(net, 31, 32, 33)
		local invite = alice:request("INVITE", "sip:sales@example.com")
		local to_anna, to_ben = anna:expect "INVITE", ben:expect "INVITE"
		anna:reply(180)
		alice:expect(180)
		net:expect_log "sales says 180"
		ben:reply(486)
		expect_ack(ben, to_ben)
		manager:expect_nothing()
		net:advance(15.1)
		expect_cancelled(anna, to_anna)
		local to_manager = manager:expect "INVITE"
		manager:reply(486)
		expect_ack(manager, to_manager)
		expect_failure(alice, invite, 480) { reason = "Everybody Is Busy" }
		rest(net)
	end,
}

flow "ring_group.lua: who answers has the call, and others are no group" {
	script = "examples/ring_group.lua",
	run = function(net)
		local alice, anna, ben = phones(net, 31, 32)
		local other = net:phone("other", "udp:198.51.100.50:5060")
		alice:request("INVITE", "sip:sales@example.com")
		local to_anna = anna:expect "INVITE"
		ben:expect "INVITE"
		anna:reply(100)
		ben:reply(200)
		alice:expect(200)
		expect_cancelled(anna, to_anna)
		alice:request("MESSAGE", "sip:sales@198.51.100.50")
		other:expect "MESSAGE"
		rest(net)
	end,
}

flow "prefix_routing.lua: the longest prefix has the call, and its dialog goes on" {
	script = "examples/prefix_routing.lua",
	run = function(net)
		local alice, berlin, germany = phones(net, 30, 49)
		alice:request("INVITE", "sip:+498912@example.com")
		germany:expect "INVITE" { uri = "sip:498912@192.0.2.49:5060", ["X-Dialled"] = "498912" }
		local invite = alice:request("INVITE", "sip:+493012@example.com")
		berlin:expect "INVITE" { uri = "sip:493012@192.0.2.30:5060" }
		berlin:reply(200)
		local answer = alice:expect(200)
		alice:request("ACK", "sip:phone1@192.0.2.30:5060", { call_id = invite:header "Call-ID", to = answer:header "To",
			route = answer:rows "Record-Route" })
		berlin:expect "ACK" { uri = "sip:phone1@192.0.2.30:5060", ["X-Dialled"] = false }
	end,
}

flow "prefix_routing.lua: the ACK to a refusal takes the way of its INVITE, and one to no number is dropped" {
	script = "examples/prefix_routing.lua",
	run = function(net)
		local alice, berlin, other = phones(net, 30, 9)
		local invite = alice:request("INVITE", "sip:+493012@example.com")
		berlin:expect "INVITE"
		berlin:reply(486)
		alice:same_transaction("ACK", invite, { to = alice:expect(486):header "To" })
		berlin:expect "ACK" { uri = "sip:493012@192.0.2.30:5060" }
		for _, uri in ipairs { "sip:+777@example.com", "sip:you@192.0.2.9", "sip:192.0.2.9" } do
			alice:request("MESSAGE", uri, { to = ("<%s>;tag=made-up"):format(uri) })
			alice:expect(404)
			alice:request("ACK", uri)
			alice:request("ACK", uri, { to = ("<%s>;tag=made-up"):format(uri) })
		end
		alice:expect_nothing()
		other:expect_nothing()
		net:counts { dropped_by_script = 6, script_errors = 0 }
	end,
}

-- Both gateways answer a probe, or only one of them.
local function answer_probes(net, ...)
	for _, gateway in ipairs { ... } do
		gateway:expect "OPTIONS"
		gateway:reply(200)
	end
	net:settle()
end

-- How many of so many calls each gateway gets; all are refused.
local function calls(net, alice, one, two, n)
	local seen = { 0, 0 }
	for _ = 1, n do
		local invite = alice:request("INVITE", "sip:+49301234@example.com")
		net:settle()
		for i, gateway in ipairs { one, two } do
			for _, message in ipairs(gateway:take_all()) do
				if message.method == "INVITE" then
					net:equal(message.uri, ("sip:+49301234@192.0.2.4%d"):format(i), "Request-URI")
					gateway:reply(486, { request = message })
					expect_ack(gateway, message)
					seen[i] = seen[i] + 1
				end
			end
		end
		expect_failure(alice, invite, 486)
	end
	return seen
end

flow "load_balancer.lua: calls are spread by weight" {
	script = "examples/load_balancer.lua",
	run = function(net)
		local alice, one, two = phones(net, 41, 42)
		answer_probes(net, one, two)
		local seen = calls(net, alice, one, two, 200)
		net:is_true(seen[1] + seen[2] == 200 and seen[1] > 125 and seen[1] < 175, "three of four: " .. seen[1])
		net:reload [[return { receive = function(msg) return msg:drop() end }]] -- no more probes
		rest(net)
	end,
}

flow "load_balancer.lua: a user part with an escape reaches its gateway as it is" {
	script = "examples/load_balancer.lua",
	run = function(net)
		local alice, dead, two = phones(net, 41, 42)
		two:expect "OPTIONS"
		two:reply(200)
		net:advance(4.1) -- the first is dead
		local invite = alice:request("INVITE", "sip:%23100@example.com")
		local came = two:expect "INVITE" { uri = "sip:%23100@192.0.2.42" }
		two:reply(486)
		expect_ack(two, came)
		expect_failure(alice, invite, 486)
		net:reload [[return { receive = function(msg) return msg:drop() end }]]
		rest(net)
		dead:take_all()
	end,
}

flow "load_balancer.lua: a gateway that answers no probe gets no calls, also after a reload, until it answers again" {
	script = "examples/load_balancer.lua",
	run = function(net)
		local alice, one, two = phones(net, 41, 42)
		answer_probes(net, two)
		net:advance(4.1)
		one:take_all()
		net:reload()
		answer_probes(net, two)
		net:equal(calls(net, alice, one, two, 20)[1], 0, "calls to the dead one")
		net:advance(4)
		one:take_all() -- the probe of the new script
		net:advance(26)
		answer_probes(net, one, two)
		net:is_true(calls(net, alice, one, two, 20)[1] > 5, "calls to it again")
		net:reload [[return { receive = function(msg) return msg:drop() end }]]
		rest(net)
	end,
}

flow "domain_map.lua: each domain goes to its proxy, and to the second when the first is dead" {
	script = "examples/domain_map.lua",
	run = function(net)
		local alice, com, org, org2, other = phones(net, 51, 52, 53, 54)
		local pbx = net:phone("pbx", "tcp:192.0.2.55:5060")
		net:dns("pbx.example.net", "A", "192.0.2.55")
		local function goes(uri, phone, code)
			alice:request("OPTIONS", uri)
			phone:expect "OPTIONS" { uri = uri }
			phone:reply(code or 200)
		end
		goes("sip:you@example.com", com)
		alice:expect(200)
		goes("sip:you@sub.example.com", other)
		alice:expect(200)
		goes("sip:you@a.example.org", org, 503)
		org2:expect "OPTIONS"
		org2:reply(200)
		alice:expect(200)
		goes("sip:you@example.net", pbx)
		alice:expect(200)
		rest(net)
	end,
}

-- ---- between two networks ----

local function neighbours(net)
	local alice, bob = net:phone("alice", "udp:127.0.0.7:5062"), net:phone("bob", "udp:127.0.0.8:5060")
	alice.to, bob.to = "udp:127.0.0.1:5060", "udp:127.0.0.2:5060"
	return alice, bob
end

-- Bob sees Alice at the proxy and reaches her there. The address he saw.
local function reaches_back(alice, bob)
	alice:request("INVITE", "sip:bob@127.0.0.8:5060", { headers = { "User-Agent: secret/1.0" } })
	local came = bob:expect "INVITE" { from = "127.0.0.2:5060", Contact = "~^<sip:%w+@127.0.0.2:5060>$" }
	local shown = came:header("Contact"):match "<(.*)>"
	bob:request("MESSAGE", shown)
	alice:expect "MESSAGE" { uri = "sip:alice@127.0.0.7:5062", from = "127.0.0.1:5060" }
	bob:reply(200, { request = came })
	alice:expect(200) { Contact = "~^<sip:%w+@127.0.0.1:5060>$" }
	return shown, came
end

flow "custom_rewrite.lua: contacts in hex, and back; what only looks so is nobody" {
	script = "examples/custom_rewrite.lua", legs = false,
	run = function(net)
		local alice, bob = neighbours(net)
		reaches_back(alice, bob)
		for _, word in ipairs { "x00", "xabc", "x", "bob", "x3132372e302e302e313a3530363020610d0a62" } do
			bob:request("MESSAGE", ("sip:%s@127.0.0.2:5060"):format(word))
			bob:expect(404)
		end
	end,
}

flow "topology_hiding.lua: the same contact after a reload, and nothing that tells of the inside" {
	script = "examples/topology_hiding.lua", legs = false,
	run = function(net)
		local alice, bob = neighbours(net)
		local shown, came = reaches_back(alice, bob)
		came { ["User-Agent"] = false }
		net:is_true(net:reload(), "it loads again")
		net:equal(reaches_back(alice, bob), shown, "contact")
	end,
}

flow "nat_gateway.lua: phones inside call out and are reached in their calls, strangers outside are refused" {
	script = "examples/nat_gateway.lua", legs = false,
	run = function(net)
		local alice, bob = neighbours(net)
		reaches_back(alice, bob)
		bob:request("INVITE", "sip:alice@127.0.0.7:5062")
		bob:expect(403)
		bob:request("MESSAGE", "sip:x@127.0.0.2:5060", { route = "<sip:127.0.0.7:5062;lr>" })
		bob:expect(403)
		bob:request("MESSAGE", "sip:alice@127.0.0.2:5060")
		bob:expect(404)
		bob:request("ACK", "sip:alice@127.0.0.7:5062")
		alice:expect_nothing()
	end,
}

flow "nat_gateway.lua: what is sent to the gateway gets in by its words, also with its own Route or Path and without a port" {
	script = "examples/nat_gateway.lua", legs = false,
	run = function(net)
		local alice, bob = neighbours(net)
		local word = reaches_back(alice, bob):match "^sip:(%w+)@"
		for _, route in ipairs { "<sip:127.0.0.2;lr>", "<sip:127.0.0.2:5060;lr>, <sip:127.0.0.1:5060;lr>" } do
			bob:request("INVITE", ("sip:%s@127.0.0.2:5060"):format(word), { route = route })
			alice:expect "INVITE" { uri = "sip:alice@127.0.0.7:5062", Route = {} }
		end
		bob:request("MESSAGE", ("sip:%s@127.0.0.2"):format(word))
		alice:expect "MESSAGE"
		bob:request("OPTIONS", "sip:127.0.0.2")
		bob:expect(200)
	end,
}

flow "nat_gateway.lua: neither a Route behind its own nor maddr leads a stranger in" {
	script = "examples/nat_gateway.lua", legs = false,
	run = function(net)
		local alice, bob = neighbours(net)
		local word = reaches_back(alice, bob):match "^sip:(%w+)@"
		for _, user in ipairs { "", "x@", word .. "@" } do
			bob:request("MESSAGE", ("sip:%s127.0.0.2:5060"):format(user), { route = "<sip:127.0.0.2;lr>, <sip:127.0.0.7:5062;lr>" })
			bob:expect(403)
			bob:request("MESSAGE", ("sip:%s127.0.0.2:5060;maddr=127.0.0.7"):format(user))
			bob:expect(403)
			bob:request("MESSAGE", ("sip:%s127.0.0.2:5060;m%%61ddr=127.0.0.7"):format(user))
			bob:expect(403)
			bob:request("MESSAGE", ("sip:%s127.0.0.2:5060"):format(user), { route = "<sip:127.0.0.2;lr;maddr=127.0.0.7>" })
			bob:expect(403)
		end
		bob:request("MESSAGE", "sip:127.0.0.2;lr", { route = "<sip:alice@127.0.0.7:5062>" })
		bob:expect(403)
		alice:expect_nothing()
	end,
}

-- The examples that forward statefully do what their first line says.
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

flow "failover.lua: what a gateway says about the callee goes to the caller" {
	script = "examples/failover.lua",
	run = function(net)
		local alice, one, two = phones(net, 11, 12)
		local invite = alice:request("INVITE", "sip:+49301234@example.com")
		local first = one:expect "INVITE"
		one:reply(404)
		expect_ack(one, first)
		expect_failure(alice, invite, 404)
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

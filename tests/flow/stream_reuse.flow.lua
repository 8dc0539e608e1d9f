-- One stream for both ways: by its own address, and by the one its peer advertises (RFC 5923).
local relayed = require "lib.relayed"
local script, rest = relayed.script, relayed.rest

local LISTENS = "sip:dave@198.51.100.10:5060;transport=tcp"
local FORWARD = script "return req:forward(req.uri)"

-- Dave calls from a port of the moment and says in his Via that he listens at 5060.
local function announce(dave, sent_by, params)
	local sent_by_port = sent_by or "198.51.100.10:5060"
	dave:request("OPTIONS", "sip:192.0.2.1:5060;transport=tcp", {
		via = ("SIP/2.0/TCP %s;branch=z9hG4bK-%s%d%s"):format(sent_by_port, dave.name, dave.net:count(), params or ";alias"),
	})
	dave:expect(200)
end

local ANSWERS = script [[
	if req.method == "OPTIONS" then return req:reply(200) end
	return req:forward(req.uri)]]

local function message_to(alice, target)
	alice:request("MESSAGE", target or LISTENS)
end

flow "a request to the address that a peer advertises with alias goes by the stream the peer opened" {
	script_text = ANSWERS,
	run = function(net)
		local alice = relayed.parties(net, "alice")
		local dave = net:phone("dave", "tcp:198.51.100.10:49152")
		announce(dave)
		for _ = 1, 2 do
			message_to(alice)
			dave:expect "MESSAGE" { uri = LISTENS }
			dave:reply(200)
			alice:expect(200)
		end
		net:equal(net:connections(), 1, "connections")
		net:counts { aliases_refused = 0, failovers = 0, send_failed = 0 }
		rest(net)
	end,
}

flow "without alias a peer is reached where it listens, by a stream of our own" {
	script_text = ANSWERS,
	run = function(net)
		local alice = relayed.parties(net, "alice")
		local dave = net:phone("dave", "tcp:198.51.100.10:49152")
		local listening = net:phone("listening", "tcp:198.51.100.10:5060")
		announce(dave, nil, "")
		message_to(alice)
		listening:expect "MESSAGE"
		listening:reply(200)
		alice:expect(200)
		net:equal(net:connections(), 2, "connections")
		rest(net)
	end,
}

flow "nobody becomes the alias of another machine, of a name, or of ourselves" {
	script_text = ANSWERS,
	run = function(net)
		local alice = relayed.parties(net, "alice")
		local mallory = net:phone("mallory", "tcp:198.51.100.66:49152")
		local neighbour = net:phone("neighbour", "tcp:192.0.2.1:49152")
		local dave = net:phone("dave", "tcp:198.51.100.10:5060")
		announce(mallory, "198.51.100.10:5060")
		announce(mallory, "192.0.2.1:5060")
		announce(neighbour, "192.0.2.1:5060")
		announce(mallory, "dave.example.net:5060")
		message_to(alice)
		dave:expect "MESSAGE"
		dave:reply(200)
		alice:expect(200)
		net:counts { aliases_refused = 3 }
		rest(net)
	end,
}

flow "a Via that names another transport than the stream it came by claims nothing" {
	script_text = ANSWERS,
	run = function(net)
		local alice = relayed.parties(net, "alice")
		local dave, listening = net:phone("dave", "tcp:198.51.100.10:49152"), net:phone("listening", "tcp:198.51.100.10:5060")
		dave:request("OPTIONS", "sip:192.0.2.1:5060;transport=tcp",
			{ via = "SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bK-other;alias" })
		dave:expect(200)
		message_to(alice)
		listening:expect "MESSAGE"
		listening:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "of two streams that claim one address the older has it while it lives, then the younger" {
	script_text = ANSWERS,
	run = function(net)
		local alice = relayed.parties(net, "alice")
		local old = net:phone("old", "tcp:198.51.100.10:49152")
		local young = net:phone("young", "tcp:198.51.100.10:49153")
		announce(old)
		announce(young)
		message_to(alice)
		old:expect "MESSAGE"
		old:reply(200)
		alice:expect(200)
		old:hang_up()
		announce(young)
		message_to(alice)
		young:expect "MESSAGE"
		young:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "who listens at the advertised address and is connected there is preferred to an alias" {
	script_text = ANSWERS,
	run = function(net)
		local alice = relayed.parties(net, "alice")
		local listening = net:phone("listening", "tcp:198.51.100.10:5060")
		message_to(alice)
		listening:expect "MESSAGE"
		listening:reply(200)
		alice:expect(200)
		local claims = net:phone("claims", "tcp:198.51.100.10:49152")
		announce(claims)
		message_to(alice)
		listening:expect "MESSAGE"
		listening:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "a stream leads to one address, the first it claimed" {
	script_text = ANSWERS,
	run = function(net)
		local alice = relayed.parties(net, "alice")
		local dave, other = net:phone("dave", "tcp:198.51.100.10:49152"), net:phone("other", "tcp:198.51.100.10:5080")
		announce(dave)
		announce(dave, "198.51.100.10:5080")
		message_to(alice, "sip:dave@198.51.100.10:5080;transport=tcp")
		other:expect "MESSAGE"
		other:reply(200)
		alice:expect(200)
		message_to(alice)
		dave:expect "MESSAGE"
		dave:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "requests we send over TCP offer the stream with alias, those over UDP do not" {
	script_text = FORWARD,
	run = function(net)
		local alice, bob = relayed.parties(net, "alice", "bob")
		local dave = net:phone("dave", "tcp:198.51.100.10:5060")
		message_to(alice)
		dave:expect "MESSAGE" { Via = { "~^SIP/2.0/TCP 192.0.2.1:5060;alias;branch=", "~UDP", "~UDP" } }
		dave:reply(200)
		alice:expect(200)
		message_to(alice, "sip:bob@198.51.100.8")
		local came = bob:expect "MESSAGE"
		net:is_true(not came:rows("Via")[1]:find "alias", "no alias where there is no stream")
		bob:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "a peer that was sent to sends its own requests back on that stream, and is answered there" {
	script_text = ANSWERS,
	run = function(net)
		local alice = relayed.parties(net, "alice")
		local dave = net:phone("dave", "tcp:198.51.100.10:5060")
		message_to(alice)
		dave:expect "MESSAGE"
		dave:reply(200)
		alice:expect(200)
		announce(dave)
		net:equal(net:connections(), 1, "connections")
		rest(net)
	end,
}

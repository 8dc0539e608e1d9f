-- What the engine answers by itself, what it drops, and that neither can be turned against it or others.
local OPEN = { relay = "any" }
local ALICE, BOB = "udp:198.51.100.7:5062", "udp:198.51.100.8:5060"

local function pair(net) return net:phone("alice", ALICE), net:phone("bob", BOB) end

-- ---- answers: RFC 3261 8.2.6 and 8.2.7 ----

flow "an answer carries Via, From, To, Call-ID and CSeq of its request, and a To-tag" {
	settings = OPEN,
	run = function(net)
		local alice = pair(net)
		local sent = alice:request("INVITE", "sip:bob@198.51.100.8", { max_forwards = 0,
			headers = { "Record-Route: <sip:p.example.com;lr>" } })
		alice:expect(483) {
			reason = "Too Many Hops", From = sent:header "From", ["Call-ID"] = sent:header "Call-ID", CSeq = "1 INVITE",
			To = "~^<sip:bob@198%.51%.100%.8>;tag=%w+$", ["Content-Length"] = 0, ["Record-Route"] = false,
			Via = { "~^SIP/2.0/UDP 198%.51%.100%.7:5062;branch=z9hG4bK%-alice%-%d+;rport=5062;received=198%.51%.100%.7$" },
		}
	end,
}

flow "a repeated request gets the same answer, byte for byte, To-tag included" {
	settings = OPEN,
	run = function(net)
		local alice = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8", { max_forwards = 0 })
		local first = alice:expect(483)
		net:advance(4)
		alice:resend()
		alice:expect(483) { text = first.text }
		alice:request("INVITE", "sip:bob@198.51.100.8", { max_forwards = 0 })
		net:is_true(alice:expect(483):param("To", 1, "tag") ~= first:param("To", 1, "tag"), "another request gets another tag")
	end,
}

flow "a To-tag that is there is left as it is" {
	settings = OPEN,
	run = function(net)
		local alice = pair(net)
		alice:request("BYE", "sip:bob@198.51.100.8", { max_forwards = 0, to = "<sip:bob@example.com>;tag=theirs" })
		alice:expect(483) { To = "<sip:bob@example.com>;tag=theirs" }
	end,
}

-- ---- refusals of RFC 3261 16.3 ----

local refused = {
	{ "Proxy-Require is answered 420 with all it names in Unsupported", "INVITE", "sip:bob@198.51.100.8",
		{ headers = { "Proxy-Require: foo, bar", "Proxy-Require: baz" } }, 420, { Unsupported = { "foo, bar, baz" } } },
	{ "a tel URI is answered 416", "INVITE", "tel:+15550100", {}, 416, {} },
	{ "an unknown scheme is answered 416", "MESSAGE", "http://example.com/", {}, 416, {} },
	{ "a Route of an unknown scheme is answered 416", "MESSAGE", "sip:bob@198.51.100.8", { route = "<tel:1>" }, 416, {} },
	{ "sips is answered 416 as long as there is no TLS", "MESSAGE", "sips:bob@198.51.100.8", {}, 416, {} },
	{ "an IPv6 target without an IPv6 leg is answered 503", "MESSAGE", "sip:bob@[2001:db8::8]", {}, 503, {} },
	{ "a broadcast target is answered 503", "MESSAGE", "sip:bob@255.255.255.255", {}, 503, {} },
	{ "a multicast target is answered 503", "MESSAGE", "sip:bob@224.0.1.75", {}, 503, {} },
	{ "the target 0.0.0.0 is answered 503", "MESSAGE", "sip:bob@0.0.0.0", {}, 503, {} },
}

for _, case in ipairs(refused) do
	flow(case[1]) {
		settings = OPEN,
		run = function(net)
			local alice = pair(net)
			alice:request(case[2], case[3], case[4])
			alice:expect(case[5])(case[6])
			net:counts { forwarded = 0 }
		end,
	}
end

flow "Proxy-Require in ACK and CANCEL is overlooked" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("ACK", "sip:bob@198.51.100.8", { headers = { "Proxy-Require: foo" } })
		bob:expect "ACK"
		alice:request("CANCEL", "sip:bob@198.51.100.8", { headers = { "Proxy-Require: foo" } })
		bob:expect "CANCEL"
	end,
}

-- ---- loops and ourselves ----

-- What another proxy does: its Via on top, one hop less, and back to where it came from.
local function send_back(net, proxy, came, uri)
	local text = came.text:gsub("^(%S+) %S+", "%1 " .. (uri or came.uri), 1)
		:gsub("\r\n", ("\r\nVia: %s\r\n"):format(proxy:via("z9hG4bK-other-" .. net:count(), "")), 1)
		:gsub("Max%-Forwards: (%d+)", function(hops) return "Max-Forwards: " .. hops - 1 end)
	proxy:send_bytes(text)
end

flow "a request that comes back unchanged is a loop: 482" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8")
		send_back(net, bob, bob:expect "INVITE")
		bob:expect(482) { Via = { "~^SIP/2.0/UDP 198.51.100.8:5060", true, true } }
		net:counts { loops = 1, forwarded = 1 }
	end,
}

flow "a request that comes back for somebody else is a spiral and passes (RFC 5393)" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8")
		send_back(net, bob, bob:expect "INVITE", "sip:carol@198.51.100.8")
		bob:expect "INVITE" { uri = "sip:carol@198.51.100.8" }
		bob:reply(200)
		bob:expect(200)
		net:counts { loops = 0 }
	end,
}

flow "OPTIONS to our own address is answered 200, other methods and users 404, and nothing is sent to ourselves" {
	settings = OPEN,
	run = function(net)
		local alice = pair(net)
		alice:request("OPTIONS", "sip:192.0.2.1")
		alice:expect(200)
		alice:request("OPTIONS", "sip:192.0.2.1:5060;transport=tcp")
		alice:expect(200)
		alice:request("OPTIONS", "sip:bob@192.0.2.1")
		alice:expect(404)
		alice:request("INVITE", "sip:192.0.2.1:5060", { route = "<sip:192.0.2.1;lr>" })
		alice:expect(404)
		alice:request("ACK", "sip:192.0.2.1")
		net:counts { received = 5, forwarded = 0, sent = 4 }
	end,
}

flow "a name that leads to ourselves is answered like our own address" {
	settings = OPEN,
	run = function(net)
		local alice = pair(net)
		net:dns("us.example.net", "A", "192.0.2.1")
		alice:request("MESSAGE", "sip:bob@us.example.net:5060")
		alice:expect(404)
		alice:request("MESSAGE", "sip:bob@192.0.2.9;maddr=192.0.2.1")
		alice:expect(404)
		net:counts { received = 2, forwarded = 0 }
	end,
}

flow "a binding or a proxy of the script that leads to ourselves is answered 404, and nothing is sent to ourselves" {
	settings = { domains = "example.com" },
	run = function(net)
		local alice, bob = pair(net)
		bob:register("sip:bob@example.com", { contact = "<sip:bob@192.0.2.1:5060>" })
		alice:request("INVITE", "sip:bob@example.com")
		alice:expect(404)
		net:counts { received = 2, forwarded = 0 }
		net:is_true(net:reload [[
			local sip = require "viaduct"
			sip.dispatcher { outgoing_proxy = "192.0.2.1:5060", do_retransmits = false }
			return { receive = sip.stateless_proxy {} }]], "it loads")
		alice:request("INVITE", "sip:bob@198.51.100.8")
		alice:expect(404)
		net:counts { received = 3, forwarded = 0 }
	end,
}

-- ---- responses ----

flow "a response whose top Via is not ours is dropped and counted" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		bob:send [[
			SIP/2.0 200 OK
			Via: SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bKf
			Via: SIP/2.0/UDP 198.51.100.7:5062;branch=z9hG4bKg
			From: <sip:a@example.com>;tag=1
			To: <sip:b@example.com>;tag=2
			Call-ID: $call
			CSeq: 1 OPTIONS
			Content-Length: 0]]
		alice:expect_nothing()
		net:counts { responses_not_ours = 1, forwarded = 0 }
	end,
}

flow "a response with our address and an invented branch is dropped: we are no reflector" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("OPTIONS", "sip:bob@198.51.100.8")
		local came = bob:expect "OPTIONS"
		local branch = came:branch()
		local forgeries = {
			(bob:response_text(200):gsub(branch, "z9hG4bK0000000000000000" .. branch:sub(24))),
			(bob:response_text(200):gsub("Call%-ID: ", "Call-ID: x")),
			(bob:response_text(200):gsub("CSeq: 1", "CSeq: 2")),
			(bob:response_text(200):gsub("z9hG4bK%-alice", "z9hG4bK-mallory")),
		}
		for _, text in ipairs(forgeries) do
			bob:send_bytes(text)
		end
		alice:expect_nothing()
		net:counts { responses_not_ours = #forgeries }
	end,
}

flow "a response is not sent over another caller's connection because it says so" {
	settings = OPEN,
	run = function(net)
		local alice, victim = net:phone("alice", "tcp:198.51.100.7:49152"), net:phone("victim", "tcp:198.51.100.66:49152")
		local bob = net:phone("bob", BOB)
		victim:request("OPTIONS", "sip:bob@198.51.100.8")
		local theirs = bob:expect("OPTIONS"):param("Via", 2, "i"):sub(1, 16)
		alice:request("OPTIONS", "sip:bob@198.51.100.8")
		local ours = bob:expect("OPTIONS"):param("Via", 2, "i"):sub(1, 16)
		net:is_true(theirs ~= ours, "each connection has its number")
		bob:send_bytes((bob:response_text(200):gsub("i=" .. ours, "i=" .. theirs)))
		alice:expect(200)
		victim:expect_nothing()
	end,
}

flow "a response that has no Via but ours is dropped" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("OPTIONS", "sip:bob@198.51.100.8")
		local came = bob:expect "OPTIONS"
		bob:reply(200, { via = { came:rows("Via")[1] } })
		alice:expect_nothing()
	end,
}

flow "provisional responses, 100 included, and repeated finals are all forwarded" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8")
		bob:expect "INVITE"
		for _, code in ipairs { 100, 180, 183, 200, 200 } do
			bob:reply(code)
			alice:expect(code)
		end
	end,
}

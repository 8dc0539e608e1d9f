-- Messages that are not as they should be, and what comes with streams (RFC 3261 7, 16.3 (1), 18.3; RFC 5626 4.4.1).
local OPEN = { relay = "any" }
local ALICE, BOB = "udp:198.51.100.7:5062", "udp:198.51.100.8:5060"

local function pair(net) return net:phone("alice", ALICE), net:phone("bob", BOB) end

local function request(change, with)
	return ([[
INVITE sip:bob@198.51.100.8 SIP/2.0
Via: $via
Max-Forwards: 70
From: <sip:alice@example.com>;tag=a
To: <sip:bob@example.com>
Call-ID: $call
CSeq: 1 INVITE
Contact: <sip:alice@$at>
Content-Length: 0

]]):gsub(change, with)
end

local answered = {
	{ "no Call-ID", "Call%-ID: $call\n", "", 400 },
	{ "no From", "From: [^\n]*\n", "", 400 },
	{ "a CSeq of another method", "1 INVITE", "1 BYE", 400 },
	{ "a CSeq of 2^31 (RFC 3261 8.1.1.5)", "1 INVITE", "2147483648 INVITE", 400 },
	{ "a CSeq above 2^32", "1 INVITE", "4294967297 INVITE", 400 },
	{ "two different Call-IDs", "CSeq", "Call-ID: other\nCSeq", 400 },
	{ "a Contact that is no address", "Contact: [^\n]*", "Contact: <<x>", 400 },
	{ "headers in the Request-URI", "8 SIP/2.0", "8?Subject=x SIP/2.0", 400 },
	{ "SIP/3.0", "SIP/2.0\nVia", "SIP/3.0\nVia", 505 },
	{ "a body longer than the datagram", "Length: 0", "Length: 10", 400 },
	{ "a Content-Length that is no number", "Length: 0", "Length: x", 400 },
	{ "a Max-Forwards that is no number", "Forwards: 70", "Forwards: many", 400 },
	{ "an unclosed quote in From", "From: <sip:alice", 'From: "Al <sip:alice', 400 },
}

for _, case in ipairs(answered) do
	flow(("a request with %s is answered %d"):format(case[1], case[4])) {
		settings = OPEN,
		run = function(net)
			local alice, bob = pair(net)
			alice:send((request(case[2], case[3])))
			alice:expect(case[4])
			bob:expect_nothing()
			net:counts { malformed_answered = 1, forwarded = 0, tasks_started = 1 }
		end,
	}
	flow(("an ACK with %s is never answered"):format(case[1])) {
		settings = OPEN,
		run = function(net)
			local alice, bob = pair(net)
			alice:send((request(case[2], case[3]):gsub("INVITE", "ACK")))
			alice:expect_nothing()
			bob:expect_nothing()
		end,
	}
end

flow "a malformed response is dropped" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("OPTIONS", "sip:bob@198.51.100.8")
		bob:expect "OPTIONS"
		bob:send_bytes((bob:response_text(200):gsub("CSeq: [^\r]*", "CSeq: none")))
		alice:expect_nothing()
		net:counts { malformed_dropped = 1 }
	end,
}

flow "bytes behind Content-Length are cut off a datagram (RFC 3261 18.3)" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:send(request("Length: 0\n\n", "Length: 4\n\nbodyGET / HTTP/1.1") .. "")
		bob:expect "INVITE" { body = "body", ["Content-Length"] = 4 }
	end,
}

flow "a response whose body was cut short is dropped, one with bytes behind its body goes on without them (RFC 3261 18.3)" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8")
		bob:expect "INVITE"
		local ringing = bob:response_text(183, { body = "hello", type = "text/plain" })
		bob:send_bytes(ringing:sub(1, -2))
		alice:expect_nothing()
		net:counts { malformed_dropped = 1 }
		bob:send_bytes(ringing .. "BYE sip:alice@198.51.100.7 SIP/2.0\r\n\r\n")
		alice:expect(183) { body = "hello", ["Content-Length"] = 5 }
	end,
}

flow "a datagram without Content-Length goes on with all of its body, and still without" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:send((request("Content%-Length: 0\n\n", "Content-Type: text/plain\n\nhello")))
		bob:expect "INVITE" { body = "hello", ["Content-Length"] = false }
	end,
}

flow "towards a stream Content-Length is added where it was missing" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", "tcp:198.51.100.8:5060")
		alice:send((request("Content%-Length: 0\n\n", "Content-Type: text/plain\n\nhello"):gsub("8 SIP", "8;transport=tcp SIP")))
		bob:expect "INVITE" { body = "hello", ["Content-Length"] = 5 }
	end,
}

flow "noise is passed over: CRLF, NULs, bytes that are no SIP" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		for _, noise in ipairs { "\r\n\r\n", "\0", "\0\0\0\0", "jaK", "", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", ("\255"):rep(1400),
			"SIP/2.0 " } do
			alice:send_bytes(noise)
		end
		alice:expect_nothing()
		bob:expect_nothing()
		net:counts { forwarded = 0, replied = 0, script_errors = 0 }
	end,
}

flow "unknown methods, odd tokens, an empty reason phrase and leading CRLF go through" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("X-FOO!%*_+`'~.", "sip:bob@198.51.100.8")
		bob:expect "X-FOO!%*_+`'~."
		alice:send_bytes("\r\n\r\n" .. alice:request_text("MESSAGE", "sip:bob@198.51.100.8", { cseq = "2147483647" }))
		bob:expect "MESSAGE"
		bob:reply(299, { reason = "" })
		alice:expect(299) { reason = "" }
		local carol = net:phone("carol", "tcp:198.51.100.7:49152") -- RFC 3261 7.5
		carol:send_bytes("\r\n" .. carol:request_text("MESSAGE", "sip:bob@198.51.100.8"))
		bob:expect "MESSAGE"
	end,
}

-- ---- line ends: CRLF (RFC 3261 7). A strict reader of a stream takes a head that ends otherwise for one that goes on. ----

-- Nothing but CRLF in the head, and the body as it was sent.
local function expect_crlf(net, came, body)
	local head = came.text:sub(1, #came.text - #body)
	net:equal(came.text:sub(#came.text - #body + 1), body, "body")
	net:equal(head:sub(-4), "\r\n\r\n", "end of the head")
	net:equal(head:gsub("\r\n", ""):match "[\r\n]", nil, "CR or LF alone")
end

local BODY = "v=0\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\n"
local FOLDED = "Subject: a\n b\n\tc\n"

-- With a body; LF alone wherever the request has a line end.
local function with_lf(method, call, cseq)
	local folded = request("Content%-Length: 0", FOLDED .. "Content-Type: application/sdp\nContent-Length: " .. #BODY)
	return folded:gsub("INVITE", method):gsub("$via", "SIP/2.0/TCP 198.51.100.7:5062;branch=z9hG4bK" .. call .. cseq)
		:gsub("$call", call):gsub("$at", "198.51.100.7:5062"):gsub("8 SIP", "8;transport=tcp SIP") .. BODY
end

for _, transport in ipairs { "udp", "tcp" } do
	flow(("requests with bare LFs by %s go on with CRLF, and the stream they share with others lasts"):format(transport)) {
		settings = OPEN,
		run = function(net)
			local alice, bob = net:phone("alice", transport .. ":198.51.100.7:5062"), net:phone("bob", "tcp:198.51.100.8:5060")
			alice:send_bytes(with_lf("INVITE", "lf", 1))
			alice:send_bytes(with_lf("MESSAGE", "other", 1))
			for _, method in ipairs { "INVITE", "MESSAGE" } do
				local came = bob:expect(method) { Subject = "a b c", ["Content-Length"] = #BODY }
				expect_crlf(net, came, BODY)
				bob:reply(486)
				alice:expect(486)
			end
			net:counts { forwarded = 4, malformed_answered = 0 }
		end,
	}
end

for _, transport in ipairs { "udp", "tcp" } do
	flow(("a response with bare LFs by %s goes on with CRLF"):format(transport)) {
		settings = OPEN,
		run = function(net)
			local alice, bob = net:phone("alice", "tcp:198.51.100.7:49152"), net:phone("bob", transport .. ":198.51.100.8:5060")
			alice:request("INVITE", "sip:bob@198.51.100.8;transport=" .. transport)
			local invite = bob:expect "INVITE"
			for _, code in ipairs { 183, 200 } do
				local text = bob:response_text(code,
					{ request = invite, headers = { "Subject: a\r\n b" }, body = BODY, type = "application/sdp" })
				local head = text:sub(1, #text - #BODY)
				bob:send_bytes(head:gsub("\r\n", "\n") .. BODY)
				expect_crlf(net, alice:expect(code) { Subject = "a b" }, BODY)
			end
		end,
	}
end

flow "a request with bare LFs is forwarded statefully, repeated and cancelled with CRLF" {
	script_text = [[
local sip = require "viaduct"
return { receive = function(req) return req:forward(req.uri) end }]],
	run = function(net)
		local alice, bob = pair(net)
		local text = with_lf("INVITE", "lf", 1):gsub(";transport=tcp", ""):gsub("/TCP", "/UDP")
		alice:send_bytes(text)
		net:advance(0.7)
		local came = bob:take_all()
		net:equal(#came, 2, "INVITEs")
		expect_crlf(net, came[2], BODY)
		bob:reply(180, { request = came[1] })
		alice:expect(100)
		alice:expect(180)
		alice:send_bytes((text:gsub("INVITE", "CANCEL"):gsub("Content%-Type.*", "Content-Length: 0\n\n")))
		alice:expect(200)
		expect_crlf(net, bob:expect "CANCEL", "")
		bob:reply(200)
		bob:reply(487, { request = came[1] })
		expect_crlf(net, bob:expect "ACK", "")
		alice:send_bytes((text:gsub("INVITE", "ACK"):gsub("Content%-Type.*", "Content-Length: 0\n\n")))
		alice:expect(487)
		net:advance(70)
	end,
}

-- ---- streams ----

flow "a keep-alive ping on a stream is answered by CRLF" {
	run = function(net)
		local alice = net:phone("alice", "tcp:198.51.100.7:49152", { raw = true })
		alice:send_bytes "\r\n\r\n"
		net:settle()
		local came = alice:take_all()
		net:equal(#came, 1, "pieces that came")
		net:equal(came[1].text, "\r\n", "pong")
	end,
}

flow "a stream that is cut anywhere is put together again" {
	settings = OPEN,
	run = function(net)
		net:link { cut = 1, jitter = 0.003 }
		local alice, bob = net:phone("alice", "tcp:198.51.100.7:49152"), net:phone("bob", "tcp:198.51.100.8:5060")
		for i = 1, 20 do
			alice:request("MESSAGE", "sip:bob@198.51.100.8;transport=tcp", { body = ("x"):rep(i * 37), type = "text/plain" })
		end
		for i = 1, 20 do
			bob:expect "MESSAGE" { body = ("x"):rep(i * 37) }
			bob:reply(200)
		end
		for _ = 1, 20 do
			alice:expect(200)
		end
	end,
}

flow "a stream without Content-Length is told 400 and closed, since nothing behind it can be found" {
	settings = OPEN,
	run = function(net)
		local alice = net:phone("alice", "tcp:198.51.100.7:49152")
		net:phone("bob", BOB)
		alice:send((request("Content%-Length: 0\n", "")))
		alice:expect(400)
		alice:expect_closed()
	end,
}

flow "a malformed request in a stream is answered, and the stream goes on" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", "tcp:198.51.100.7:49152"), net:phone("bob", BOB)
		alice:send((request("Call%-ID: $call\n", "")))
		alice:expect(400)
		alice:request("OPTIONS", "sip:bob@198.51.100.8")
		bob:expect "OPTIONS"
		bob:reply(200)
		alice:expect(200)
		net:equal(net:connections(), 1, "streams")
	end,
}

flow "a target that refuses the connection is answered 503, and holds nobody up" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:nobody@198.51.100.99;transport=tcp")
		alice:request("MESSAGE", "sip:bob@198.51.100.8")
		bob:expect "MESSAGE"
		alice:expect(503) { CSeq = "1 INVITE" }
		net:expect_log "send.failed.*ECONNREFUSED"
	end,
}

flow "a target no datagram can be sent to is answered 503 (RFC 3261 16.9), but not for an ACK, and no answer is made of an answer" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		net:unreachable "9.9.9.9"
		alice:request("ACK", "sip:x@9.9.9.9")
		local sent = alice:request("OPTIONS", "sip:x@9.9.9.9")
		alice:request("MESSAGE", "sip:bob@198.51.100.8")
		bob:expect "MESSAGE"
		alice:expect(503) { CSeq = "1 OPTIONS", Via = { "~branch=" .. sent:branch():gsub("%-", "%%-") .. ";" } }
		net:expect_log "send.failed.*9.9.9.9:5060.*ENETUNREACH"
		net:counts { send_failed = 2, acks_undeliverable = 1 }
		net:unreachable(alice.host)
		bob:reply(200)
		alice:request("OPTIONS", "sip:x@9.9.9.9")
		net:counts { send_failed = 5, replied = 2 }
		alice:expect_nothing()
	end,
}

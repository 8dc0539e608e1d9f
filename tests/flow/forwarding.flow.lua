-- What a request gains and keeps on its way (RFC 3261 16.3, 16.6).
local relayed = require "lib.relayed"
local OPEN = { relay = "any" }
local ALICE, BOB = "udp:198.51.100.7:5062", "udp:198.51.100.8:5060"

local function pair(net) return net:phone("alice", ALICE), net:phone("bob", BOB) end

flow "Max-Forwards 0 is answered 483 and goes nowhere" {
	settings = OPEN,
	run = function(net)
		local alice = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8", { max_forwards = 0 })
		alice:expect(483)
		net:counts { too_many_hops = 1, forwarded = 0 }
	end,
}

flow "an ACK whose hops are used up is dropped without an answer" {
	settings = OPEN,
	run = function(net)
		local alice = pair(net)
		alice:request("ACK", "sip:bob@198.51.100.8", { max_forwards = 0 })
		alice:expect_nothing()
		net:counts { acks_undeliverable = 1, forwarded = 0 }
	end,
}

flow "Max-Forwards 1 is forwarded as 0" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8", { max_forwards = 1 })
		bob:expect "INVITE" { ["Max-Forwards"] = { 0 } }
	end,
}

flow "a request without Max-Forwards leaves with 70" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8", { max_forwards = false })
		bob:expect "INVITE" { ["Max-Forwards"] = { 70 } }
	end,
}

flow "a Max-Forwards of 255 is counted down, not capped" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("OPTIONS", "sip:bob@198.51.100.8", { max_forwards = 255 })
		bob:expect "OPTIONS" { ["Max-Forwards"] = { 254 } }
	end,
}

flow "a forwarded INVITE gains one Via and one Record-Route, and is otherwise byte-identical" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		local sent = alice:send [[
			INVITE sip:bob@198.51.100.8 SIP/2.0
			v: SIP/2.0/UDP 198.51.100.7:5062 ;branch=z9hG4bKa1;rport
			MAX-forwards:70
			t:Bob  <sip:bob@example.com>
			FROM: "A. \"L\" ice" <sip:alice@example.com>  ;tag=1
			call-id:  x-1
			CSeq:   7   INVITE
			Subject: folded
			   over two lines
			m: <sip:alice@198.51.100.7:5062>,
			   <sip:alice@203.0.113.1>;q=0.1
			X-Odd:
			k: , 100rel
			c: text/plain
			l: 5

			hello]]
		local came = bob:expect "INVITE"
		local via = came.text:match "Via: (SIP/2%.0/UDP 192%.0%.2%.1:5060;branch=z9hG4bK%x+)\r\n"
		net:is_true(via, "our Via names our leg")
		local record_route = came.text:match "Record%-Route: (<sip:192%.0%.2%.1:5060;lr;d=%x+>)\r\n"
		net:is_true(record_route, "our Record-Route is loose and carries our mark")
		local back = came.text:gsub("Via: SIP/2.0/UDP 192[^\r]*\r\n", ""):gsub("Record%-Route: [^\r]*\r\n", "")
			:gsub("MAX%-forwards:%s*69", "MAX-forwards:70")
			:gsub(";branch=z9hG4bKa1[^\r]*\r\n", ";branch=z9hG4bKa1;rport\r\n", 1)
		net:equal(back, sent.text, "the request without what was added")
	end,
}

local none = { Allow = false, Supported = false, Contact = false, ["User-Agent"] = false, Server = false }
for _, way in ipairs { { "statelessly" }, { "statefully", relayed.FORWARD } } do
	flow("what is forwarded " .. way[1] .. " gets no Allow, Supported, Contact, User-Agent or Server that was not there") {
		settings = OPEN, script_text = way[2],
		run = function(net)
			local alice, bob = pair(net)
			for _, exchange in ipairs { { "INVITE", 200 }, { "OPTIONS", 200 }, { "UPDATE", 405 } } do
				alice:request(exchange[1], "sip:bob@198.51.100.8", { contact = false })
				bob:expect(exchange[1])(none)
				bob:send_bytes((bob:response_text(exchange[2]):gsub("Contact: [^\r]*\r\n", "")))
				alice:expect(exchange[2])(none)
			end
			relayed.rest(net)
		end,
	}
end

flow "a response goes on byte-identically but for our Via" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8")
		bob:expect "INVITE"
		local sent = bob:reply(183, { reason = "", headers = { "X-Odd :  a,,b ", "s: x" }, body = "v=0\r\n", type = "application/sdp" })
		local came = alice:expect(183)
		net:equal(came.text, (sent.text:gsub("Via: SIP/2.0/UDP 192[^\r]*\r\n", "")), "the response")
	end,
}

-- ---- Via: received and rport (RFC 3261 18.2.1, RFC 3581 4) ----

local matrix = {
	{ "a Via with rport gets rport and received", "198.51.100.7:5062;branch=z9hG4bKr;rport",
		"198.51.100.7:5062;branch=z9hG4bKr;rport=5062;received=198.51.100.7" },
	{ "a Via with the true address and no rport stays as it is", "198.51.100.7:5062;branch=z9hG4bKr",
		"198.51.100.7:5062;branch=z9hG4bKr" },
	{ "a Via with another address gets received", "10.0.0.1:5062;branch=z9hG4bKr",
		"10.0.0.1:5062;branch=z9hG4bKr;received=198.51.100.7" },
	{ "a Via with a host name in capitals gets received", "PC1.Example.COM:5062;branch=z9hG4bKr",
		"PC1.Example.COM:5062;branch=z9hG4bKr;received=198.51.100.7" },
	{ "a Via with another port and rport gets the true one", "10.0.0.1:9;branch=z9hG4bKr;rport",
		"10.0.0.1:9;branch=z9hG4bKr;rport=5062;received=198.51.100.7" },
	{ "a Via whose rport the sender filled in gets the true one", "198.51.100.7:5062;branch=z9hG4bKr;rport=9",
		"198.51.100.7:5062;branch=z9hG4bKr;rport=5062;received=198.51.100.7" },
}

for _, case in ipairs(matrix) do
	local name, sent, seen = case[1], case[2], case[3]
	flow(name) {
		settings = OPEN,
		run = function(net)
			local alice, bob = pair(net)
			alice:request("OPTIONS", "sip:bob@198.51.100.8", { via = "SIP/2.0/UDP " .. sent })
			local came = bob:expect "OPTIONS" { Via = { "~^SIP/2.0/UDP 192%.0%.2%.1:5060;branch=", true } }
			local function sorted(text)
				local params = {}
				for param in text:gmatch ";[^;]+" do
					params[#params + 1] = param
				end
				table.sort(params)
				return text:match "^[^;]*" .. table.concat(params)
			end
			net:equal(sorted(came:rows("Via")[2]), sorted("SIP/2.0/UDP " .. seen), "Via of the sender")
			bob:reply(200)
			alice:expect(200)
		end,
	}
end

flow "a received that the sender wrote itself does not steer the answer" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		local victim = net:phone("victim", "udp:203.0.113.66:5062")
		alice:request("OPTIONS", "sip:bob@198.51.100.8",
			{ via = "SIP/2.0/UDP 198.51.100.7:5062;branch=z9hG4bKx;received=203.0.113.66;rport=5062" })
		bob:expect "OPTIONS"
		bob:reply(200)
		alice:expect(200)
		victim:expect_nothing()
	end,
}

flow "a Via with the true IPv6 address stays as it is, however that is written" {
	settings = OPEN,
	legs = { "udp:[2001:db8::1]:5060" },
	run = function(net)
		local alice, bob = net:phone("alice", "udp:[2001:db8::7]:5062"), net:phone("bob", "udp:[2001:db8::8]:5060")
		local via = "SIP/2.0/UDP [2001:DB8:0:0::7]:5062;branch=z9hG4bKr"
		alice:request("OPTIONS", "sip:bob@[2001:db8::8]", { via = via })
		bob:expect "OPTIONS" { Via = { true, via } }
		bob:reply(200)
		alice:expect(200)
	end,
}

flow "a Via without port and rport is answered at 5060" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		local listening = net:phone("listening", "udp:198.51.100.7:5060")
		alice:request("OPTIONS", "sip:bob@198.51.100.8", { via = "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKp" })
		bob:expect "OPTIONS"
		bob:reply(200)
		listening:expect(200)
	end,
}

flow "without rport the answer goes to the port of the Via, wherever the request came from" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		local listening = net:phone("listening", "udp:198.51.100.7:5099")
		alice:request("OPTIONS", "sip:bob@198.51.100.8", { via = "SIP/2.0/UDP 198.51.100.7:5099;branch=z9hG4bKp" })
		bob:expect "OPTIONS"
		bob:reply(200)
		listening:expect(200)
		alice:request("OPTIONS", "sip:bob@198.51.100.8", { via = "SIP/2.0/UDP 198.51.100.7:5099;branch=z9hG4bKq", max_forwards = 0 })
		listening:expect(483)
	end,
}

flow "maddr in a Via comes before received, with the port of the Via and not that of rport (RFC 3261 18.2.2)" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		local other = net:phone("other", "udp:198.51.100.70:5099")
		for _, params in ipairs { "", ";rport" } do
			alice:request("OPTIONS", "sip:bob@198.51.100.8",
				{ via = "SIP/2.0/UDP alice.example.com:5099;branch=z9hG4bKm;maddr=198.51.100.70" .. params })
			bob:expect "OPTIONS" { Via = { true, "~;received=198.51.100.7" } }
			bob:reply(200)
			other:expect(200)
		end
	end,
}

-- ---- the branch (RFC 3261 16.11, 9.1, 17.1.1.3) ----

flow "a retransmission is forwarded byte-identically" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		local sent = alice:request("INVITE", "sip:bob@198.51.100.8", { body = "x", type = "text/plain" })
		local first = bob:expect "INVITE"
		net:advance(0.5)
		alice:resend(sent)
		bob:expect "INVITE" { text = first.text }
	end,
}

flow "ACK to a failure and CANCEL get the branch of their INVITE" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		alice:same_transaction("CANCEL", invite)
		net:equal(bob:expect("CANCEL"):branch(), came:branch(), "branch of CANCEL")
		bob:reply(200)
		alice:expect(200)
		bob:reply(487, { request = came })
		local final = alice:expect(487)
		alice:same_transaction("ACK", invite, { to = final:header "To" })
		net:equal(bob:expect("ACK"):branch(), came:branch(), "branch of ACK")
	end,
}

flow "another CSeq number, another Request-URI or another client branch gives another branch" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		local same = { call_id = "c", branch = "z9hG4bKc", from = "<sip:a@example.com>;tag=1" }
		local function branch(uri, change)
			local given = setmetatable(change, { __index = same })
			alice:request("MESSAGE", uri, given)
			return bob:expect("MESSAGE"):branch()
		end
		local first = branch("sip:bob@198.51.100.8", {})
		net:equal(branch("sip:bob@198.51.100.8", {}), first, "the same once more")
		net:is_true(branch("sip:bob@198.51.100.8", { cseq = 2 }) ~= first, "CSeq is in the branch")
		net:is_true(branch("sip:bo@198.51.100.8", {}) ~= first, "the Request-URI is in the branch")
		net:is_true(branch("sip:bob@198.51.100.8", { branch = "z9hG4bKd" }) ~= first, "the client's branch is in it")
	end,
}

flow "credentials do not count for the branch, whatever their nonce and response" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		local first
		for _, credentials in ipairs { "X-None: 1", 'Proxy-Authorization: Digest nonce="1",response="2"',
			'Proxy-Authorization: Digest nonce="3",response="4"', 'Authorization: Digest nonce="5"' } do
			alice:request("MESSAGE", "sip:bob@198.51.100.8", { call_id = "c", branch = "z9hG4bKc", headers = { credentials } })
			local seen = bob:expect("MESSAGE"):branch()
			first = first or seen
			net:equal(seen, first, "branch with " .. credentials)
		end
	end,
}

flow "over a network that loses, doubles and reorders, each request that arrives is forwarded once for each time it came" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		net:link { loss = 0.3, duplicate = 0.1, reorder = 0.2, reorder_by = 0.02, jitter = 0.004 }
		for i = 1, 200 do
			alice:request("OPTIONS", "sip:bob@198.51.100.8", { call_id = "c" .. i, branch = "z9hG4bKl" .. i })
		end
		net:advance(1)
		local came = bob:take_all()
		for _, request in ipairs(came) do
			bob:reply(200, { request = request })
		end
		net:advance(1)
		local counters = net:counters()
		net:equal(counters.responses + counters.requests, counters.forwarded, "messages forwarded")
		net:is_true(#came > 80 and #came < 180, #came .. " requests arrived")
		local answers = alice:take_all()
		net:is_true(#answers > 30 and #answers < #came * 1.2, #answers .. " answers arrived")
		net:link {}
	end,
}

-- Where a request goes and which way its dialog takes from then on: Route, Record-Route, legs (RFC 3261 16.4 to 16.7).
local OPEN = { relay = "any" }
local ALICE, BOB = "udp:198.51.100.7:5062", "udp:198.51.100.8:5060"
local V4_V6 = { "udp:192.0.2.1:5060", "udp:[2001:db8::1]:5060" }

local function pair(net) return net:phone("alice", ALICE), net:phone("bob", BOB) end

-- The route set of the side that called, and of the side that was called (RFC 3261 12.1).
local function route_sets(response)
	local called, calling = response:rows "Record-Route", {}
	for i = #called, 1, -1 do
		calling[#calling + 1] = called[i]
	end
	return calling, called
end

flow "Record-Route is added to the request that begins a dialog, and to none of those inside" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8")
		bob:expect "INVITE" { ["Record-Route"] = { "~^<sip:192%.0%.2%.1:5060;lr;d=%x+>$" } }
		alice:request("BYE", "sip:bob@198.51.100.8", { to = "<sip:bob@example.com>;tag=x" })
		bob:expect "BYE" { ["Record-Route"] = {} }
		alice:request("ACK", "sip:bob@198.51.100.8", { to = "<sip:bob@example.com>;tag=x" })
		bob:expect "ACK" { ["Record-Route"] = {} }
		alice:request("REGISTER", "sip:198.51.100.8", { to = "<sip:alice@elsewhere.example>" })
		alice:expect(200)
	end,
}

flow "a Record-Route that is there already stays below ours" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8", { headers = { "Record-Route: <sip:p1.example.com;lr>,<sip:p0.example.com;lr>" } })
		bob:expect "INVITE" { ["Record-Route"] = { "~192.0.2.1", "<sip:p1.example.com;lr>,<sip:p0.example.com;lr>" } }
	end,
}

flow "our own Routes on top go, and the next one says where" {
	settings = OPEN,
	run = function(net)
		local alice = pair(net)
		local next_hop = net:phone("next_hop", "udp:198.51.100.9:5070")
		alice:request("MESSAGE", "sip:bob@example.net", {
			route = { "<sip:192.0.2.1;lr>, <sip:192.0.2.1:5060;transport=tcp;lr>", "<sip:198.51.100.9:5070;lr>",
				"<sip:last.example.com;lr>" },
		})
		next_hop:expect "MESSAGE" { uri = "sip:bob@example.net", Route = { "<sip:198.51.100.9:5070;lr>", "<sip:last.example.com;lr>" } }
	end,
}

flow "a Route that names us further down is left alone" {
	settings = OPEN,
	run = function(net)
		local alice = pair(net)
		local next_hop = net:phone("next_hop", "udp:198.51.100.9:5070")
		alice:request("MESSAGE", "sip:bob@example.net", { route = "<sip:198.51.100.9:5070;lr>, <sip:192.0.2.1;lr>" })
		next_hop:expect "MESSAGE" { Route = { "<sip:198.51.100.9:5070;lr>, <sip:192.0.2.1;lr>" } }
	end,
}

flow "the last Route goes with us, and the Request-URI says where" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("MESSAGE", "sip:bob@198.51.100.8", { route = "<sip:192.0.2.1;lr>" })
		bob:expect "MESSAGE" { Route = {} }
	end,
}

flow "a strict next hop gets itself as Request-URI, and the target at the end of Route (16.6 (6))" {
	settings = OPEN,
	run = function(net)
		local alice = pair(net)
		local strict = net:phone("strict", "udp:198.51.100.9:5070")
		alice:request("MESSAGE", "sip:bob@example.net;x=1", { route = { "<sip:198.51.100.9:5070;y=2>", "<sip:p3.example.com;lr>" } })
		strict:expect "MESSAGE" { uri = "sip:198.51.100.9:5070;y=2", Route = { "<sip:p3.example.com;lr>", "<sip:bob@example.net;x=1>" } }
	end,
}

flow "a strict previous hop put us into the Request-URI: the last Route is the target (16.4)" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("MESSAGE", "sip:192.0.2.1:5060;lr", { route = "<sip:bob@198.51.100.8>" })
		bob:expect "MESSAGE" { uri = "sip:bob@198.51.100.8", Route = {} }
		alice:request("MESSAGE", "sip:192.0.2.1:5060;lr", { route = { "<sip:198.51.100.8:5060;lr>", "<sip:carol@example.net>" } })
		bob:expect "MESSAGE" { uri = "sip:carol@example.net", Route = { "<sip:198.51.100.8:5060;lr>" } }
	end,
}

flow "a strict router that puts our Record-Route into the Request-URI is understood, mark and all" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8")
		bob:expect "INVITE"
		bob:reply(200)
		local ours = alice:expect(200):header("Record-Route"):match "<(.*)>"
		alice:request("BYE", ours, { to = "<sip:bob@example.com>;tag=bob", route = "<sip:bob@198.51.100.8:5060>" })
		bob:expect "BYE" { uri = "sip:bob@198.51.100.8:5060", Route = {} }
	end,
}

-- One call from a phone to another over two legs, both hanging up once.
local function call_over_two_legs(alice, bob, target, shown)
	local invite = alice:request("INVITE", target)
	local came = bob:expect "INVITE" {
		["Record-Route"] = { "~^<sip:" .. shown.out .. ";lr;d=%x+>$", "~^<sip:" .. shown.inside .. ";lr;d=%x+>$" },
		Via = { "~^SIP/2.0/" .. shown.via_out, "~^SIP/2.0/" .. shown.via_in, true },
	}
	bob:reply(180)
	alice:expect(180) { Via = { true } }
	bob:reply(200)
	local answer = alice:expect(200) { Via = { true } }
	local calling, called = route_sets(answer)
	local remote = answer:header("Contact"):match "<(.*)>"
	local tagged, from = answer:header "To", invite:header "From"
	local inside = { call_id = invite:header "Call-ID", to = tagged, from = from, route = calling }
	alice:request("ACK", remote, inside)
	bob:expect "ACK" { Route = {}, uri = bob:contact():match "<(.*)>",
		Via = { "~^SIP/2.0/" .. shown.via_out, "~^SIP/2.0/" .. shown.via_in, true } }
	inside.cseq = 2
	alice:request("BYE", remote, inside)
	bob:expect "BYE" { Route = {} }
	bob:reply(481)
	alice:expect(481)
	bob:request("BYE", came:header("Contact"):match "<(.*)>",
		{ call_id = inside.call_id, to = from, from = tagged, route = called })
	alice:expect "BYE" { Route = {}, uri = alice:contact():match "<(.*)>",
		Via = { "~^SIP/2.0/" .. shown.via_in, "~^SIP/2.0/" .. shown.via_out, true } }
	alice:reply(200)
	bob:expect(200)
end

flow "from UDP to TCP and back: both legs record their route, and each BYE takes the right ones (RFC 5658)" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", "tcp:198.51.100.8:5060")
		call_over_two_legs(alice, bob, "sip:bob@198.51.100.8;transport=tcp", {
			out = "192%.0%.2%.1:5060;transport=tcp", inside = "192%.0%.2%.1:5060",
			via_out = "TCP 192%.0%.2%.1:5060;", via_in = "UDP 192%.0%.2%.1:5060;",
		})
		net:equal(net:connections(), 1, "streams to bob")
	end,
}

flow "from IPv4 to IPv6 and back" {
	settings = OPEN,
	legs = V4_V6,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", "udp:[2001:db8::8]:5060")
		call_over_two_legs(alice, bob, "sip:bob@[2001:db8::8]", {
			out = "%[2001:db8::1%]:5060", inside = "192%.0%.2%.1:5060",
			via_out = "UDP %[2001:db8::1%]:5060;", via_in = "UDP 192%.0%.2%.1:5060;",
		})
	end,
}

flow "from TCP to UDP, target without transport: UDP out, the answer by the caller's own connection" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", "tcp:198.51.100.7:49152"), net:phone("bob", BOB)
		alice:request("INVITE", "sip:bob@198.51.100.8", { via = "SIP/2.0/TCP 198.51.100.7:5060;branch=z9hG4bKt" })
		bob:expect "INVITE" { Via = { "~^SIP/2.0/UDP ", "~^SIP/2.0/TCP 192", "~^SIP/2.0/TCP 198" } }
		bob:reply(180)
		bob:reply(200)
		alice:expect(180)
		alice:expect(200)
		net:equal(net:connections(), 1, "streams")
	end,
}

-- RFC 3261 18.2.2: received, and the port of sent-by; rport and maddr are for datagrams.
for _, sent_by in ipairs { "198.51.100.7:5060", "10.0.0.1:5060;rport", "198.51.100.7;maddr=203.0.113.66" } do
	flow("an answer whose connection is gone is sent over a new one, to where its request came from: Via " .. sent_by) {
		settings = OPEN,
		run = function(net)
			local alice, bob = net:phone("alice", "tcp:198.51.100.7:49152"), net:phone("bob", BOB)
			local listening = net:phone("listening", "tcp:198.51.100.7:5060")
			alice:request("OPTIONS", "sip:bob@198.51.100.8", { via = ("SIP/2.0/TCP %s;branch=z9hG4bKt"):format(sent_by) })
			bob:expect "OPTIONS"
			alice:hang_up()
			bob:reply(200)
			listening:expect(200)
		end,
	}
end

flow "forty requests by one connection get their forty answers by it" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", "tcp:198.51.100.7:49152"), net:phone("bob", BOB)
		for i = 1, 40 do
			alice:request("OPTIONS", "sip:bob@198.51.100.8", { branch = "z9hG4bKm" .. i, via_params = "" })
		end
		for _ = 1, 40 do
			bob:expect "OPTIONS"
			bob:reply(200)
		end
		for i = 1, 40 do
			alice:expect(200) { Via = { "~branch=z9hG4bKm" .. i .. "$" } }
		end
		net:equal(net:connections(), 1, "streams")
	end,
}

flow "an answer leaves by the leg its request came in on, though another leg reaches the sender as well" {
	settings = OPEN,
	legs = { "udp:192.0.2.1:5060", "udp:192.0.2.1:5070" },
	run = function(net)
		local alice, bob = pair(net)
		alice:request("OPTIONS", "sip:bob@198.51.100.8", { leg = "udp:192.0.2.1:5070" })
		bob:expect "OPTIONS" { from = "192.0.2.1:5060" }
		bob:reply(200)
		alice:expect(200) { from = "192.0.2.1:5070" }
		alice:request("OPTIONS", "sip:bob@198.51.100.8", { leg = "udp:192.0.2.1:5070", max_forwards = 0 })
		alice:expect(483) { from = "192.0.2.1:5070" }
	end,
}

flow "what came and left by the second of two legs has its answer by that leg too, contacts untouched" {
	settings = OPEN,
	legs = { "udp:192.0.2.1:5060", "udp:192.0.2.1:5070;can_deliver_to=198.51.100.0/24" },
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@198.51.100.8", { leg = "udp:192.0.2.1:5070" })
		bob:expect "INVITE" { from = "192.0.2.1:5070", Contact = alice:contact(), Via = { "~^SIP/2.0/UDP 192.0.2.1:5070;", true } }
		bob:reply(200)
		alice:expect(200) { from = "192.0.2.1:5070", Contact = bob:contact() }
	end,
}

flow "maddr in the Request-URI is where the request goes, whatever its host" {
	settings = OPEN,
	run = function(net)
		local alice, bob = pair(net)
		alice:request("INVITE", "sip:bob@no_such-host.invalid;maddr=198.51.100.8")
		bob:expect "INVITE" { uri = "sip:bob@no_such-host.invalid;maddr=198.51.100.8" }
		alice:request("MESSAGE", "sip:carol@example.net", { route = "<sip:p.invalid:5060;maddr=198.51.100.8;lr>" })
		bob:expect "MESSAGE"
	end,
}

flow "a wildcard leg shows what it advertises, in Via and Record-Route, and knows itself by it" {
	settings = OPEN,
	legs = { "udp:0.0.0.0:5060;advertise=sip.example.com:5080" },
	run = function(net)
		local alice, bob = pair(net)
		alice.to, bob.to = "udp:192.0.2.1:5060", "udp:192.0.2.1:5060"
		alice:request("INVITE", "sip:bob@198.51.100.8", { route = "<sip:SIP.example.com:5080;lr>" })
		bob:expect "INVITE" { Route = {}, Via = { "~^SIP/2.0/UDP sip.example.com:5080;branch=", true },
			["Record-Route"] = { "~^<sip:sip.example.com:5080;lr;" } }
		bob:reply(200, { leg = "udp:192.0.2.1:5060" })
		alice:expect(200)
		alice:request("OPTIONS", "sip:sip.example.com:5080")
		alice:expect(200)
	end,
}

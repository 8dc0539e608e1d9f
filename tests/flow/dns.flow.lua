-- Targets that are names (RFC 3263), and what waiting for them costs others: nothing.
local OPEN = { relay = "any" }
local ALICE, BOB, CAROL = "udp:198.51.100.7:5062", "udp:198.51.100.8:5070", "udp:198.51.100.9:5060"

flow "a name without port is looked up by SRV, and its port taken" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		net:dns("_sip._udp.example.net", "SRV", 10, 0, 5070, "pbx.example.net")
		net:dns("pbx.example.net", "A", "198.51.100.8")
		alice:request("INVITE", "sip:bob@example.net")
		bob:expect "INVITE" { uri = "sip:bob@example.net" }
		bob:reply(486)
		alice:expect(486)
	end,
}

flow "SRV priority decides, and a target without address is passed over" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		net:dns("_sip._udp.example.net", "SRV", 20, 99, 5099, "last.example.net")
		net:dns("_sip._udp.example.net", "SRV", 10, 5, 5070, "pbx.example.net")
		net:dns("_sip._udp.example.net", "SRV", 5, 5, 5071, "gone.example.net")
		for _, name in ipairs { "last", "pbx" } do
			net:dns(name .. ".example.net", "A", "198.51.100.8")
		end
		alice:request("INVITE", "sip:bob@example.net")
		bob:expect "INVITE"
	end,
}

flow "a name with a port is looked up by address alone" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		net:dns("_sip._udp.example.net", "SRV", 10, 0, 5099, "wrong.example.net")
		net:dns("example.net", "A", "198.51.100.8")
		alice:request("INVITE", "sip:bob@example.net:5070")
		bob:expect "INVITE"
		net:counts { lookups = 1 }
	end,
}

flow "a name without SRV goes to its address and port 5060" {
	settings = OPEN,
	run = function(net)
		local alice, carol = net:phone("alice", ALICE), net:phone("carol", CAROL)
		net:dns("example.net", "A", "198.51.100.9")
		alice:request("INVITE", "sip:carol@Example.NET")
		carol:expect "INVITE"
	end,
}

flow "an AAAA record leads to an IPv6 leg" {
	settings = OPEN,
	legs = { "udp:192.0.2.1:5060", "udp:[2001:db8::1]:5060" },
	run = function(net)
		local alice, six = net:phone("alice", ALICE), net:phone("six", "udp:[2001:db8::8]:5060")
		net:dns("six.example.net", "AAAA", "2001:db8::8")
		alice:request("INVITE", "sip:six@six.example.net")
		six:expect "INVITE" { Via = { "~UDP %[2001:db8::1%]", "~UDP 192.0.2.1", true } }
		six:reply(200)
		alice:expect(200)
	end,
}

flow "without an IPv6 leg nobody asks for AAAA" {
	settings = OPEN,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:dns("six.example.net", "AAAA", "2001:db8::8")
		alice:request("INVITE", "sip:six@six.example.net:5060")
		alice:expect(503)
		net:counts { lookups = 1 }
	end,
}

flow "transport=tcp asks for the SRV of TCP and goes by TCP" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", "tcp:198.51.100.8:5070")
		net:dns("_sip._tcp.example.net", "SRV", 1, 1, 5070, "pbx.example.net")
		net:dns("pbx.example.net", "A", "198.51.100.8")
		alice:request("INVITE", "sip:bob@example.net;transport=tcp")
		bob:expect "INVITE"
		net:counts { lookups = 2 }
	end,
}

flow "a Route that is a name is looked up, and the rest of the plan holds" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		net:dns("p.example.net", "A", "198.51.100.8")
		alice:request("MESSAGE", "sip:x@example.org", { route = { "<sip:192.0.2.1;lr>", "<sip:p.example.net:5070;lr>" },
			max_forwards = 9 })
		bob:expect "MESSAGE" { Route = { "<sip:p.example.net:5070;lr>" }, ["Max-Forwards"] = 8, uri = "sip:x@example.org",
			["Record-Route"] = { true } }
	end,
}

flow "who waits for DNS holds nobody up, and answers come in the order they are ready" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		net:dns("slow.example.net", "A", "198.51.100.8", 2)
		alice:request("MESSAGE", "sip:slow@slow.example.net:5070")
		alice:request("MESSAGE", "sip:fast@198.51.100.8:5070")
		bob:expect "MESSAGE" { uri = "~fast" }
		bob:expect_nothing()
		net:advance(2)
		bob:expect "MESSAGE" { uri = "~slow" }
	end,
}

flow "a thousand requests wait at once, and each goes its way" {
	settings = OPEN,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		net:dns("slow.example.net", "A", "198.51.100.8", 1)
		for i = 1, 1000 do
			alice:request("MESSAGE", ("sip:u%d@slow.example.net:5070"):format(i))
		end
		net:advance(0.5)
		net:equal(net.core:leftovers().tasks, 1000, "tasks that wait")
		net:advance(1)
		net:equal(#bob:take_all(), 1000, "messages that arrived")
	end,
}

flow "a name that does not exist is answered 503" {
	settings = OPEN,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		alice:request("INVITE", "sip:bob@nowhere.example")
		alice:expect(503)
		alice:request("ACK", "sip:bob@nowhere.example")
		net:advance(0.1)
		alice:expect_nothing()
		net:counts { acks_undeliverable = 1, forwarded = 0 }
	end,
}

flow "a server that fails is answered 503 at once" {
	settings = OPEN,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:dns("broken.example.net", "fail")
		alice:request("INVITE", "sip:bob@broken.example.net:5060")
		alice:expect(503)
	end,
}

flow "a name server that never answers costs 503 after its time, and the handler ends" {
	settings = OPEN,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:dns("silent.example.net", "silent")
		alice:request("INVITE", "sip:bob@silent.example.net:5060")
		net:advance(4.9)
		alice:expect_nothing()
		net:advance(0.2)
		alice:expect(503)
		net:counts { lookups = 1 }
	end,
}

flow "a retransmission goes where the request went, whatever the order of records; while that waits it is absorbed" {
	settings = OPEN,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local phones = { net:phone("bob", "udp:198.51.100.8:5070"), net:phone("carol", "udp:198.51.100.9:5070") }
		net:dns("many.example.net", "A", "198.51.100.9")
		net:dns("many.example.net", "A", "198.51.100.8", 0.8)
		alice:request("INVITE", "sip:bob@many.example.net:5070")
		net:advance(0.5)
		alice:resend()
		net:advance(1)
		alice:resend()
		net:advance(0.1)
		local bobs, carols = phones[1]:take_all(), phones[2]:take_all()
		net:equal(#bobs + #carols, 2, "messages that arrived")
		net:equal(#bobs * #carols, 0, "messages that went elsewhere")
		local both = #bobs == 2 and bobs or carols
		net:equal(both[1].text, both[2].text, "the retransmission")
		net:counts { requests_absorbed = 1 }
	end,
}

flow "requests that come at one moment and find their name in the cache are all answered" {
	settings = OPEN,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _ = 1, 3 do
			for i = 1, 5 do
				alice:request("MESSAGE", ("sip:u%d@nowhere.example"):format(i))
			end
			net:advance(0.1)
			net:equal(#alice:take_all(), 5, "answers")
		end
	end,
}

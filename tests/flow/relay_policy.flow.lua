-- Whom scripts/proxy.lua forwards for: it is no open relay.
local HERE = { domains = "example.com" }
local DESK, ALICE, BOB = "udp:198.51.100.8:5060", "udp:198.51.100.7:5062", "udp:203.0.113.8:5060"

flow "a stranger's request for a foreign target is answered 403" {
	settings = HERE,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		alice:request("INVITE", "sip:bob@203.0.113.8")
		alice:expect(403)
		alice:request("INVITE", "sip:bob@example.net")
		alice:expect(403)
		bob:expect_nothing()
		net:counts { forwarded = 0, lookups = 0 }
	end,
}

flow "a stranger's ACK for a foreign target is dropped without a word" {
	settings = HERE,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		alice:request("ACK", "sip:bob@203.0.113.8")
		bob:expect_nothing()
		net:counts { dropped_by_script = 1, forwarded = 0 }
	end,
}

flow "a stranger reaches who is registered here, by address and by contact" {
	settings = HERE,
	run = function(net)
		local desk, alice = net:phone("desk", DESK), net:phone("alice", ALICE)
		desk:register "sip:bob@example.com"
		alice:request("INVITE", "sip:bob@example.com")
		desk:expect "INVITE"
		alice:request("MESSAGE", "sip:desk@198.51.100.8:5060")
		desk:expect "MESSAGE"
		alice:request("MESSAGE", "sip:desk@198.51.100.8:5066")
		alice:expect(403)
	end,
}

flow "who is not registered in our domain is answered 404, and a host in it is looked up" {
	settings = HERE,
	run = function(net)
		local alice, desk = net:phone("alice", ALICE), net:phone("desk", DESK)
		alice:request("INVITE", "sip:nobody@example.com")
		alice:expect(404)
		net:dns("example.com", "A", "198.51.100.8")
		alice:request("MESSAGE", "sip:service@example.com:5060")
		desk:expect "MESSAGE"
	end,
}

flow "settings name several domains, and *.name what is below a name" {
	settings = { domains = "example.org, *.example.net" },
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _, case in ipairs { { "example.org", 404 }, { "a.example.net", 404 }, { "b.a.example.net", 404 }, { "example.net", 403 },
			{ "badexample.net", 403 }, { "example.com", 403 } } do
			alice:request("INVITE", "sip:x@" .. case[1])
			alice:expect(case[2])
		end
	end,
}

flow "a dialog that began through here goes on in both directions, wherever its ends are" {
	settings = HERE,
	run = function(net)
		local desk, carol = net:phone("desk", DESK), net:phone("carol", "udp:203.0.113.20:5062")
		desk:register "sip:bob@example.com"
		local invite = carol:request("INVITE", "sip:bob@example.com")
		desk:expect "INVITE"
		desk:reply(200)
		local answer = carol:expect(200)
		local inside = { call_id = invite:header "Call-ID", route = answer:rows "Record-Route", to = invite:header "From",
			from = answer:header "To", cseq = 7 }
		desk:request("BYE", "sip:carol@203.0.113.20:5062", inside)
		carol:expect "BYE" { Route = {} }
		carol:reply(200)
		desk:expect(200)
		inside.call_id = "another"
		desk:request("BYE", "sip:carol@203.0.113.20:5062", inside)
		desk:expect(403)
		inside.call_id, inside.route = invite:header "Call-ID", "<sip:192.0.2.1:5060;lr;d=0123456789abcdef>"
		desk:request("BYE", "sip:carol@203.0.113.20:5062", inside)
		desk:expect(403)
	end,
}

flow "a stranger's Route is no way around the policy" {
	settings = HERE,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		net:phone("desk", DESK):register "sip:bob@example.com"
		alice:request("INVITE", "sip:bob@example.com", { route = "<sip:203.0.113.8;lr>" })
		local seen = bob:take_all()
		net:equal(#seen, 0, "requests sent where a stranger's Route says")
		alice:expect(403)
	end,
}

flow "neither maddr nor a Route behind ours opens the relay" {
	settings = HERE,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		net:phone("desk", DESK):register "sip:bob@example.com"
		for _, uri in ipairs { "sip:x@example.com:5060;maddr=203.0.113.8", "sip:example.com;maddr=203.0.113.8",
			"sip:desk@198.51.100.8:5060;maddr=203.0.113.8", "sip:x@example.com:5060;m%61ddr=203.0.113.8" } do
			alice:request("INVITE", uri)
			alice:expect(403)
		end
		alice:request("INVITE", "sip:bob@example.com", { route = { "<sip:192.0.2.1;lr>", "<sip:203.0.113.8>" } })
		alice:expect(403)
		bob:expect_nothing()
	end,
}

flow "a phone may register a contact with maddr or behind a proxy of its own, and be called there" {
	settings = HERE,
	run = function(net)
		local desk, alice = net:phone("desk", DESK), net:phone("alice", ALICE)
		local edge = net:phone("edge", BOB)
		desk:register("sip:bob@example.com", { contact = "<sip:desk@desk.invalid;maddr=198.51.100.8>" })
		alice:request("INVITE", "sip:bob@example.com")
		desk:expect "INVITE"
		desk:register("sip:carol@example.com", { headers = { "Path: <sip:203.0.113.8;lr>" } })
		alice:request("INVITE", "sip:carol@example.com", { route = "<sip:192.0.2.1;lr>" })
		edge:expect "INVITE" { Route = { "<sip:203.0.113.8;lr>" }, uri = "sip:desk@198.51.100.8:5060" }
		alice:request("INVITE", "sip:carol@example.com", { route = "<sip:192.0.2.1;lr>,<sip:203.0.113.9;lr>" })
		alice:expect(403)
	end,
}

flow "relay=any forwards for everybody" {
	settings = { relay = "any", domains = "example.com" },
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		alice:request("INVITE", "sip:bob@203.0.113.8")
		bob:expect "INVITE"
		alice:request("INVITE", "sip:nobody@example.com")
		alice:expect(404)
	end,
}

flow "who asks from this machine is served" {
	settings = HERE,
	legs = { "udp:127.0.0.1:5060", "udp:192.0.2.1:5060", "udp:[::1]:5060" },
	run = function(net)
		local mine, mine6, bob = net:phone("mine", "udp:127.0.0.1:5062"), net:phone("mine6", "udp:[::1]:5062"), net:phone("bob", BOB)
		mine:request("INVITE", "sip:bob@203.0.113.8")
		bob:expect "INVITE"
		mine6:request("INVITE", "sip:bob@203.0.113.8")
		bob:expect "INVITE"
	end,
}

flow "with no domains named everybody may register, and only who did is reached" {
	run = function(net)
		local desk, alice = net:phone("desk", DESK), net:phone("alice", ALICE)
		desk:register "sip:bob@anything.example"
		alice:request("INVITE", "sip:bob@anything.example")
		desk:expect "INVITE"
		alice:request("INVITE", "sip:carol@anything.example")
		alice:expect(403)
	end,
}

-- What happens to a request on its way (RFC 3261 16.3 to 16.6).

flow "Max-Forwards 0 is answered 483 and goes nowhere" {
	settings = { relay = "any" },
	run = function(net)
		local alice = net:phone("alice", "udp:198.51.100.7:5062")
		net:phone("bob", "udp:198.51.100.8:5060")
		alice:request("INVITE", "sip:bob@198.51.100.8", { max_forwards = 0 })
		alice:expect(483)
		net:counts { too_many_hops = 1, forwarded = 0 }
	end,
}

flow "Max-Forwards 1 is forwarded as 0" {
	settings = { relay = "any" },
	run = function(net)
		local alice, bob = net:phone("alice", "udp:198.51.100.7:5062"), net:phone("bob", "udp:198.51.100.8:5060")
		alice:request("INVITE", "sip:bob@198.51.100.8", { max_forwards = 1 })
		bob:expect "INVITE" { ["Max-Forwards"] = 0 }
	end,
}

flow "an INVITE to a registered address reaches its contact" {
	settings = { domains = "example.com" },
	run = function(net)
		local alice, bob = net:phone("alice", "udp:198.51.100.7:5062"), net:phone("bob", "udp:198.51.100.8:5060")
		bob:register "sip:bob@example.com"
		alice:request("INVITE", "sip:bob@example.com")
		bob:expect "INVITE" { ["Max-Forwards"] = 69, uri = "sip:bob@198.51.100.8:5060" }
		bob:reply(486)
		alice:expect(486)
	end,
}

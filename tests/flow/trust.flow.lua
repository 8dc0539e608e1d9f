-- What neither a registration nor an answer can make us believe.
flow "a REGISTER for our domain with a foreign To is answered 404, not sent on" {
	settings = { domains = "example.com" },
	run = function(net)
		local alice = net:phone("alice", "udp:198.51.100.7:5062")
		alice:request("REGISTER", "sip:example.com", { to = "<sip:alice@elsewhere.example>" })
		alice:expect(404)
		net:counts { forwarded = 0 }
	end,
}

flow "an answer that names another received or rport than we wrote is not ours" {
	settings = { relay = "any" },
	run = function(net)
		local alice, bob = net:phone("alice", "udp:198.51.100.7:5062"), net:phone("bob", "udp:198.51.100.8:5060")
		alice:request("INVITE", "sip:bob@198.51.100.8")
		local invite = bob:expect "INVITE"
		local vias = {}
		for via in invite.text:gmatch "Via: ([^\r\n]+)" do vias[#vias + 1] = via end
		bob:send(("SIP/2.0 486 Busy Here\nVia: %s\nVia: %s\nFrom: %s\nTo: %s;tag=b\nCall-ID: %s\nCSeq: 1 INVITE\nContent-Length: 0\n\n")
			:format(vias[1], (vias[2]:gsub("received=198.51.100.7", "received=203.0.113.9")),
				invite.text:match "From: ([^\r\n]+)", invite.text:match "To: ([^\r\n]+)", invite.text:match "Call%-ID: ([^\r\n]+)"))
		alice:expect_nothing()
		net:counts { responses_not_ours = 1 }
	end,
}

flow "the mark of one dialog lets no first request and no other dialog pass" {
	settings = { domains = "example.com" },
	run = function(net)
		local alice, bob = net:phone("alice", "udp:198.51.100.7:5062"), net:phone("bob", "udp:198.51.100.8:5060")
		bob:register "sip:bob@example.com"
		alice:request("INVITE", "sip:bob@example.com")
		local route = bob:expect("INVITE").text:match "Record%-Route: ([^\r\n]+)"
		bob:reply(200)
		alice:expect(200)
		local call = alice.sent:header "Call-ID"
		local victim = net:phone("victim", "udp:203.0.113.8:5060")
		alice:request("INVITE", "sip:victim@203.0.113.8", { route = route, call_id = call })
		alice:expect(403)
		alice:request("MESSAGE", "sip:victim@203.0.113.8",
			{ route = route, call_id = call, from = "<sip:eve@x.example>;tag=eve", to = "<sip:v@x.example>;tag=v" })
		alice:expect(403)
		victim:expect_nothing()
	end,
}

-- The sender of a request that is delivered gives up, or repeats it.
local relayed = require "lib.relayed"
local delivered = require "lib.delivered"
local parties, rest = relayed.parties, relayed.rest
local acting, two_addresses = delivered.acting, delivered.two_addresses

flow "a CANCEL of a delivered INVITE is answered and cancels it where it was sent, and the script sees the 487 alone" {
	script_text = acting "",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		relayed.cancel(alice, invite)
		alice:expect(200) { CSeq = "1 CANCEL", Via = relayed.via_of(invite) }
		relayed.expect_cancelled(bob, came)
		relayed.expect_failure(alice, invite, 487)
		net:expect_log "response 180"
		net:expect_log "response 487"
		net:expect_log "told nil"
		net:counts { cancels = 1, deliveries = 1 }
		rest(net)
	end,
}

flow "a CANCEL before any provisional response waits for one on its way down (RFC 3261 9.1), and its INVITE is tried nowhere else" {
	script_text = acting "",
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_addresses(net)
		local invite = alice:request("INVITE", "sip:bob@example.net")
		local came = bob:expect "INVITE"
		relayed.cancel(alice, invite)
		alice:expect(200)
		net:advance(6)
		net:equal(relayed.kinds(bob:take_all()), "INVITE INVITE INVITE", "requests to bob")
		bob:reply(180, { request = came })
		alice:expect(180)
		relayed.expect_cancelled(bob, came)
		relayed.expect_failure(alice, invite, 487)
		net:expect_log "response 180"
		net:expect_log "response 487"
		net:expect_log "told nil"
		rest(net)
		carol:expect_nothing()
	end,
}

flow "who gave up an INVITE that nobody answered hears 487 when its time is over" {
	script_text = acting "",
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_addresses(net)
		local invite = alice:request("INVITE", "sip:bob@example.net")
		bob:expect "INVITE"
		relayed.cancel(alice, invite)
		alice:expect(200)
		net:advance(31.9)
		alice:expect_nothing()
		net:advance(0.3)
		relayed.expect_failure(alice, invite, 487)
		net:expect_log "told ETIMEDOUT"
		bob:take_all()
		carol:expect_nothing()
		rest(net)
	end,
}

flow "a CANCEL while names are looked up ends the delivery: 487 at once, and nothing is sent" {
	script_text = acting "",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		net:dns("example.net", "A", "198.51.100.8", 3)
		local invite = alice:request("INVITE", "sip:bob@example.net")
		net:settle()
		relayed.cancel(alice, invite)
		local codes = { alice:expect(), alice:expect() }
		net:equal(relayed.kinds(codes), "200 487", "answers")
		relayed.ack(alice, invite, codes[2])
		net:expect_log "told ECANCELED"
		rest(net)
		bob:expect_nothing()
	end,
}

flow "a 2xx that crosses the CANCEL is passed on, and a CANCEL after it does nothing but be answered" {
	script_text = acting "",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		relayed.cancel(alice, invite)
		alice:expect(200) { CSeq = "1 CANCEL" }
		bob:reply(200, { request = came })
		alice:expect(200) { CSeq = "1 INVITE" }
		relayed.cancel(alice, invite)
		alice:expect(200) { CSeq = "1 CANCEL" }
		net:expect_log "response 200"
		net:expect_log "told nil"
		rest(net)
		bob:expect_nothing()
	end,
}

flow "a CANCEL that fits no delivery comes to the script" {
	script_text = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher {}
return { receive = function(msg)
	if msg.method == "CANCEL" then return msg:reply(481) end
	return dispatcher:deliver(msg)
end }]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		bob:expect "INVITE"
		relayed.cancel(alice, alice:request("OPTIONS", "sip:bob@198.51.100.8"))
		alice:expect(481)
		bob:expect "OPTIONS"
		bob:reply(200)
		alice:expect(200) { CSeq = "~OPTIONS" }
		relayed.cancel(alice, invite)
		alice:expect(200) { CSeq = "~CANCEL" }
		rest(net)
		bob:take_all()
		alice:expect(487)
	end,
}

flow "sent once, a repeated INVITE, its CANCEL and its ACK have one branch, whatever its names lead to" {
	script_text = acting("", "do_retransmits = false"),
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		for i = 1, 5 do
			net:dns("_sip._udp.example.net", "SRV", 1, 1, 5060 + i, "one.example.net")
		end
		net:dns("one.example.net", "A", "198.51.100.11")
		local phones, here = {}, nil
		for i = 1, 5 do
			phones[i] = net:phone("phone" .. i, "udp:198.51.100.11:" .. 5060 + i)
		end
		local invite = alice:request("INVITE", "sip:bob@example.net")
		net:settle()
		local came
		for _, phone in ipairs(phones) do
			local all = phone:take_all()
			if all[1] then
				here, came = phone, all[1]
			end
		end
		alice:resend()
		net:equal(here:expect("INVITE"):branch(), came:branch(), "the branch of the repeated INVITE")
		relayed.cancel(alice, invite)
		net:equal(here:expect("CANCEL"):branch(), came:branch(), "the branch of the CANCEL")
		here:reply(200)
		alice:expect(200)
		here:reply(487, { request = came })
		local failure = alice:expect(487)
		relayed.ack(alice, invite, failure)
		net:equal(here:expect("ACK"):branch(), came:branch(), "the branch of the ACK")
		net:expect_log "response 200"
		net:expect_log "response 487"
		rest(net)
		bob:expect_nothing()
	end,
}

flow "an INVITE that rings is not delivered a second time either" {
	script_text = acting "",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		alice:resend()
		net:settle()
		bob:expect_nothing()
		bob:reply(200, { request = came })
		alice:expect(200)
		net:expect_log "response 180"
		net:expect_log "response 200"
		net:expect_log "told nil"
		net:counts { deliveries = 1, requests_absorbed = 1 }
		rest(net)
	end,
}

flow "what its sender gave up while the handler waited is not delivered" {
	script_text = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher {}
return { receive = function(msg)
	if not msg:is_request() or msg.method == "ACK" then return msg:drop() end
	sip.sleep(1)
	local _, text, code = dispatcher:deliver(msg)
	sip.log(("%s, %s"):format(text, code))
end }]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		net:advance(0.5)
		alice:expect(100)
		relayed.cancel(alice, invite)
		alice:expect(200)
		net:advance(0.6)
		net:expect_log "the caller gave up, cancelled"
		relayed.expect_failure(alice, invite, 487)
		rest(net)
		bob:expect_nothing()
	end,
}

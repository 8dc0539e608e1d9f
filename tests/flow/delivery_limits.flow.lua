-- What one source or one host may have of the delivery queue, and how a limit is told.
local relayed = require "lib.relayed"
local delivered = require "lib.delivered"
local parties, rest = relayed.parties, relayed.rest
local acting, poke = delivered.acting, delivered.poke

flow "a source that has its share of the queue hears 503 with Retry-After, and so does who sends to a host that has it" {
	script_text = acting "",
	delivery_share = 1, -- bytes: one request
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		relayed.expect_failure(alice, alice:request("INVITE", "sip:carol@198.51.100.9"), 503) { ["Retry-After"] = 5 }
		dave:request("OPTIONS", "sip:other@198.51.100.8:5070")
		dave:expect(503) { ["Retry-After"] = 5 }
		dave:request("OPTIONS", "sip:carol@198.51.100.9")
		carol:expect "OPTIONS"
		carol:reply(200)
		dave:expect(200)
		net:counts { overload_peer = 2, undecided_requests = 0, deliveries = 4, deliveries_arrived = 1, deliveries_failed = 2 }
		bob:reply(200, { request = came })
		alice:expect(200)
		alice:request("OPTIONS", "sip:carol@198.51.100.9")
		carol:expect "OPTIONS"
		carol:reply(200)
		alice:expect(200)
		for _ = 1, 3 do
			net:expect_log "told nil"
		end
		for _ = 1, 3 do
			net:expect_log "response 200"
		end
		rest(net)
	end,
}

flow "with maddr the host is that, whatever name stands before it" {
	script_text = acting "",
	delivery_share = 1,
	run = function(net)
		local alice, bob, dave = parties(net, "alice", "bob", "dave")
		alice:request("OPTIONS", "sip:bob@h1.example;maddr=198.51.100.8")
		bob:expect "OPTIONS"
		dave:request("OPTIONS", "sip:bob@h2.example;maddr=198.51.100.8")
		dave:expect(503)
		bob:reply(200)
		alice:expect(200)
		net:expect_log "told nil"
		net:expect_log "response 200"
		rest(net)
	end,
}

flow "letter case makes no other host, and what a script makes is of no source" {
	script_text = acting [[probe "sip:bob@slow.example"
		local given, text, code = probe "sip:bob@SLOW.example"
		sip.log(("second %s: %s, %s"):format(tostring(given), text, code))
		probe "sip:carol@198.51.100.9"]],
	delivery_share = 1,
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		net:dns("slow.example", "A", "198.51.100.8", 3)
		poke(net, alice)
		net:expect_log "second nil: too many requests are being delivered, limit"
		carol:expect "OPTIONS"
		carol:reply(200)
		net:expect_log "response 200"
		net:expect_log "told nil"
		rest(net)
	end,
}

flow "a limit that is met within deliver is what deliver returns, and the script may go elsewhere" {
	script_text = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher {}
local proxy = sip.stateless_proxy {}
return { receive = function(msg)
	if msg:is_response() or msg.method == "ACK" then return proxy:receive(msg) end
	local function told(err) sip.log("told " .. tostring(err)) end
	local delivery, text, code = dispatcher:deliver(msg, { callback = told })
	if delivery then return delivery end
	sip.log(text .. ", " .. code)
	if msg.method == "OPTIONS" then return dispatcher:deliver(msg, { dst_addr = "198.51.100.9:5060", callback = told }) end
end }]],
	clients_per_peer = 1,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		relayed.expect_failure(alice, alice:request("INVITE", "sip:bob@198.51.100.8"), 503) { ["Retry-After"] = 5 }
		net:expect_log "too many requests are being delivered, limit"
		alice:request("OPTIONS", "sip:bob@198.51.100.8")
		net:expect_log "too many requests are being delivered, limit"
		carol:expect "OPTIONS"
		carol:reply(200)
		alice:expect(200)
		net:expect_log "told nil"
		bob:reply(200, { request = came })
		alice:expect(200)
		net:expect_log "told nil"
		net:counts { overload_peer = 2, undecided_requests = 0 }
		rest(net)
		bob:expect_nothing()
	end,
}

flow "a limit that is met once the name is known is told as ENOBUFS, and the sender hears 503 with Retry-After" {
	script_text = acting "",
	clients_per_peer = 1,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		net:dns("example.net", "A", "198.51.100.8")
		alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		relayed.expect_failure(alice, alice:request("INVITE", "sip:bob@example.net"), 503) { ["Retry-After"] = 5 }
		net:expect_log "told ENOBUFS"
		net:counts { overload_peer = 1, deliveries_failed = 1 }
		bob:reply(486, { request = came })
		relayed.expect_ack(bob, came)
		alice:expect(486)
		net:expect_log "response 486"
		net:expect_log "told nil"
		rest(net)
		alice:expect_nothing()
	end,
}

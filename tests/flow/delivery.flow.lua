-- dispatcher:deliver and the queue: repeated until answered, from address to address, until it is known what became of it (seed 002).
local relayed = require "lib.relayed"
local delivered = require "lib.delivered"
local parties, rest, exact, times = relayed.parties, relayed.rest, relayed.exact, relayed.times
local acting, poke = delivered.acting, delivered.poke

flow "a request of the script's own has all a request needs, and the first response says that it arrived" {
	script_text = acting [[probe "sip:bob@198.51.100.8"]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		poke(net, alice)
		bob:expect "OPTIONS" {
			uri = "sip:bob@198.51.100.8", Via = { "~^SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%x+$" }, ["Max-Forwards"] = 70,
			From = "~^<sip:anonymous@anonymous.invalid>;tag=%x+$", To = "<sip:bob@198.51.100.8>", CSeq = "7 OPTIONS",
			["Call-ID"] = "probe", ["Record-Route"] = {},
		}
		bob:reply(200)
		net:expect_log "response 200 probe"
		net:expect_log "told nil of probe 7"
		net:counts { deliveries = 1, deliveries_arrived = 1 }
		rest(net)
	end,
}

flow "over UDP it is sent at the times of RFC 3261 17.1.2 until Timer F, and the callback hears ETIMEDOUT" {
	script_text = acting [[probe "sip:bob@198.51.100.8"]],
	run = function(net)
		exact(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", "sip:x@192.0.2.99")
		net:advance(33)
		alice:expect(200)
		local came = bob:take_all()
		net:equal(times(came, came[1].at), "0 0.5 1.5 3.5 7.5 11.5 15.5 19.5 23.5 27.5 31.5", "send times")
		net:expect_log "told ETIMEDOUT of probe 7"
		net:counts { deliveries_failed = 1 }
		rest(net)
	end,
}

flow "an INVITE is sent at the times of RFC 3261 17.1.1 until Timer B" {
	script_text = acting [[dispatcher:deliver(sip.request { method = "INVITE", uri = "sip:bob@198.51.100.8" },
		{ id = "mine", callback = told })]],
	run = function(net)
		exact(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", "sip:x@192.0.2.99")
		net:advance(33)
		alice:expect(200)
		local came = bob:take_all()
		net:equal(times(came, came[1].at), "0 0.5 1.5 3.5 7.5 15.5 31.5", "send times")
		net:expect_log "told ETIMEDOUT of mine"
		rest(net)
	end,
}

flow "with do_retransmits false it is sent once, and gone when nobody wants to hear of it" {
	script_text = acting [[probe("sip:bob@198.51.100.8", { do_retransmits = false })
		sip.log(tostring(dispatcher:cancel_delivery "probe 7"))]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		poke(net, alice)
		net:advance(40)
		net:equal(#bob:take_all(), 1, "requests")
		net:expect_log "false"
		net:counts { deliveries_sent = 1, client_transactions = 0 }
	end,
}

local ONCE = [[probe("sip:bob@198.51.100.8", { do_retransmits = false, callback = told, timeout = %s })]]

flow "what was sent once has arrived with its first response, which goes to the script; one that comes later finds nothing" {
	script_text = acting(ONCE:format "nil"),
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		poke(net, alice)
		bob:expect "OPTIONS"
		net:equal(net:count_log "told", 0, "calls before the response")
		for _ = 1, 2 do
			bob:reply(404)
			net:settle()
		end
		net:equal(net:count_log "response 404 probe", 2, "responses the script saw")
		net:advance(40)
		net:equal(net:count_log "told nil of probe 7", 1, "calls")
		net:equal(net:count_log "told", 1, "calls in all")
		bob:expect_nothing()
		net:counts { deliveries_arrived = 1, client_transactions = 0 }
	end,
}

for _, seconds in ipairs { 1, 32 } do
	local timeout = seconds == 32 and "nil" or tostring(seconds) -- 64 T1 when none is given
	flow(("what was sent once and not answered in %d s is told as ETIMEDOUT"):format(seconds)) {
		script_text = acting(ONCE:format(timeout)),
		run = function(net)
			local alice, bob = parties(net, "alice", "bob")
			poke(net, alice)
			net:advance(seconds - 0.1)
			net:equal(net:count_log "told", 0, "calls before")
			net:advance(0.2)
			net:expect_log "told ETIMEDOUT of probe 7"
			bob:expect "OPTIONS"
			bob:expect_nothing()
			bob:reply(200)
			net:expect_log "response 200 probe"
			net:advance(40)
			net:equal(net:count_log "told", 0, "calls after")
			net:counts { deliveries_failed = 1, failovers = 0 }
		end,
	}
end

flow "what was sent once can be cancelled until it is answered, and then nobody is called" {
	script_text = acting(ONCE:format "nil" .. [[sip.log(("cancelled %s"):format(tostring(dispatcher:cancel_delivery "probe 7")))]]),
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		poke(net, alice)
		bob:expect "OPTIONS"
		bob:reply(200)
		net:advance(40)
		net:expect_log "cancelled true"
		net:equal(net:count_log "told", 0, "calls")
		net:counts { deliveries_cancelled = 1 }
	end,
}

flow "an INVITE sent once and repeated by its sender is sent each time, and each time its callback is called once" {
	script_text = acting("", "do_retransmits = false"),
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		bob:expect "INVITE"
		alice:resend()
		bob:expect "INVITE"
		bob:reply(200)
		alice:expect(200)
		alice:request("ACK", "sip:bob@198.51.100.8", { call_id = invite:header "Call-ID" })
		bob:expect "ACK"
		net:advance(40)
		net:equal(net:count_log("told nil of " .. invite:header "Call-ID"), 2, "calls")
		net:equal(net:count_log "told", 2, "calls in all")
	end,
}

flow "an ACK has arrived when it has left, whatever timeout it was given" {
	script_text = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher {}
return { receive = function(msg)
	return dispatcher:deliver(msg, { timeout = 5, callback = function(err) sip.log("told " .. tostring(err)) end })
end }]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("ACK", "sip:bob@198.51.100.8")
		bob:expect "ACK"
		net:expect_log "told nil"
		net:advance(40)
		net:equal(net:count_log "told", 0, "further calls")
		net:counts { deliveries_sent = 1 }
	end,
}

flow "the script keeps nothing of deliveries that are over" {
	script_text = acting [[
		local request = sip.request { method = "OPTIONS", uri = "sip:nobody@198.51.100.99" }
		for _ = 1, 1000 do
			dispatcher:deliver(request, { do_retransmits = false, timeout = 0.01, callback = function() end })
		end
		sip.sleep(1)
		collectgarbage()]],
	run = function(net)
		local ROUNDS = 5
		local alice, after_one = parties(net, "alice"), nil
		for round = 1, ROUNDS do
			alice:request("MESSAGE", "sip:x@192.0.2.99")
			net:advance(1.1)
			alice:expect(200)
			after_one = after_one or net:status().memory
			net:counts { deliveries_failed = 1000 * round }
		end
		net:is_true(net:status().memory < after_one + 100000, "four thousand more have cost less than 25 bytes each")
		rest(net)
	end,
}

flow "the dispatcher's do_retransmits is what a delivery does that says nothing of its own" {
	script_text = acting([[probe("sip:bob@198.51.100.8", {})
		probe("sip:carol@198.51.100.9", { do_retransmits = true })]], "do_retransmits = false"),
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		poke(net, alice)
		net:advance(1)
		net:equal(#bob:take_all(), 1, "requests to bob")
		net:equal(#carol:take_all(), 2, "requests to carol")
		rest(net)
		carol:take_all()
	end,
}

flow "where no leg leads, and what has no address, is told by an errno name" {
	script_text = acting [[probe "sip:bob@nowhere.example" probe "sip:bob@[2001:db8::5]"
		probe "sips:bob@198.51.100.8" probe "sip:bob@255.255.255.255" ]],
	run = function(net)
		local alice = parties(net, "alice")
		poke(net, alice)
		net:expect_log "told EHOSTUNREACH of probe 7"
		net:expect_log "told ENOPROTOOPT of probe 7"
		net:counts { deliveries_failed = 4 }
		rest(net)
	end,
}

flow "nothing is delivered to ourselves, neither what came in nor a request of our own (RFC 3261 16.5)" {
	script_text = acting [[probe "sip:bob@192.0.2.1:5060"
		probe("sip:bob@198.51.100.8", { dst_addr = "192.0.2.1:5060", callback = told }) ]],
	run = function(net)
		local alice = parties(net, "alice")
		poke(net, alice)
		net:expect_log "told EHOSTUNREACH of probe 7"
		alice:request("OPTIONS", "sip:bob@192.0.2.1", { call_id = "c" })
		alice:expect(404)
		net:expect_log "told EHOSTUNREACH of c 1"
		net:counts { received = 2, deliveries_failed = 3 }
		rest(net)
	end,
}

flow "over a stream, a peer that refuses the connection is told as ECONNREFUSED" {
	legs = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" },
	script_text = acting [[probe "sip:bob@198.51.100.8;transport=tcp"]],
	run = function(net)
		local alice = parties(net, "alice")
		poke(net, alice)
		net:advance(1)
		net:expect_log "told ECONNREFUSED of probe 7"
		net:expect_log "send.failed"
		rest(net)
	end,
}

flow "a datagram that cannot be sent is told as ENETUNREACH" {
	script_text = acting [[probe "sip:bob@198.51.100.8"]],
	run = function(net)
		local alice = parties(net, "alice")
		net:unreachable "198.51.100.8"
		poke(net, alice)
		net:expect_log "told ENETUNREACH of probe 7"
		net:expect_log "send.failed"
		rest(net)
		net:counts { deliveries_failed = 1, send_failed = 1 }
	end,
}

flow "a datagram that is sent once and never leaves is told as ENETUNREACH too, and counted once" {
	script_text = acting [[probe("sip:bob@198.51.100.8", { do_retransmits = false, callback = told })]],
	run = function(net)
		local alice = parties(net, "alice")
		net:unreachable "198.51.100.8"
		poke(net, alice)
		net:expect_log "send.failed"
		net:expect_log "told ENETUNREACH of probe 7"
		net:counts { send_failed = 1, acks_undeliverable = 0, deliveries_failed = 1 }
		rest(net)
	end,
}

flow "over a stream it has arrived when the stream has taken it, whatever the peer says then" {
	legs = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" },
	script_text = acting [[probe("sip:bob@198.51.100.8;transport=tcp", { do_retransmits = false, callback = told })]],
	run = function(net)
		local alice = parties(net, "alice")
		local bob = net:phone("bob", "tcp:198.51.100.8:5060")
		poke(net, alice)
		bob:expect "OPTIONS"
		net:expect_log "told nil of probe 7"
		bob:reply(486)
		net:expect_log "response 486 probe"
		net:counts { deliveries_arrived = 1 }
		rest(net)
	end,
}

flow "dst_addr says where to, whatever the Request-URI and the proxies are" {
	script_text = acting([[probe("sip:you@example.com", { dst_addr = "198.51.100.9:5060" })
		probe("sip:you@example.com", { dst_addr = { proto = "udp", addr = "198.51.100.8", port = 5060 } })]],
		'outgoing_proxy = "198.51.100.10"'),
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		poke(net, alice)
		carol:expect "OPTIONS" { uri = "sip:you@example.com" }
		carol:reply(200)
		bob:expect "OPTIONS" { uri = "sip:you@example.com" }
		bob:reply(200)
		net:expect_log "response 200"
		rest(net)
	end,
}

flow "leg says by which socket it leaves" {
	legs = { "udp:192.0.2.1:5060", "udp:192.0.2.2:5070" },
	script_text = acting [[probe("sip:bob@198.51.100.8", { leg = dispatcher:get_legs { port = 5070 }[1] })]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		poke(net, alice)
		bob:expect "OPTIONS" { Via = { "~^SIP/2.0/UDP 192.0.2.2:5070;" } }
		bob:reply(200)
		net:expect_log "response 200"
		rest(net)
	end,
}

flow "cancel_delivery ends the repeating, by id, Call-ID or delivery, and nobody is called" {
	script_text = acting [[
		local function tell(what) sip.log(("cancelled %s %s"):format(what, tostring(dispatcher:queue_expire() ~= nil))) end
		probe "sip:bob@198.51.100.8" tell(tostring(dispatcher:cancel_delivery "probe 7"))
		probe "sip:bob@198.51.100.8" tell(tostring(dispatcher:cancel_delivery("callid", "probe")))
		local delivery = probe "sip:bob@198.51.100.8" tell(tostring(dispatcher:cancel_delivery("qentry", delivery)))
		probe "sip:bob@198.51.100.8" probe "sip:bob@198.51.100.8" tell(tostring(dispatcher:cancel_delivery("id", "probe 7")))
		tell(tostring(dispatcher:cancel_delivery("id", "probe 7"))) tell(tostring(delivery:cancel()))
		tell(tostring(dispatcher:cancel_delivery("callid", "other")))]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		poke(net, alice)
		net:advance(40)
		net:equal(#bob:take_all(), 5, "requests, each once")
		net:equal(net:count_log "cancelled true false", 4, "that were there")
		net:equal(net:count_log "cancelled false false", 3, "that were not")
		net:counts { deliveries_cancelled = 5, deliveries_failed = 0 }
	end,
}

flow "queue_expire tells when something is due while the queue holds anything" {
	script_text = acting [[probe "sip:bob@198.51.100.8" sip.sleep(0.001)
		sip.log(("due in %.1f"):format(dispatcher:queue_expire() - sip.time()))]],
	run = function(net)
		exact(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", "sip:x@192.0.2.99")
		net:advance(0.1)
		alice:expect(200)
		net:expect_log "due in 0.5"
		bob:take_all()
		rest(net)
		bob:take_all()
	end,
}

flow "a request that came in is sent on as a proxy would, and its response goes back through the script" {
	script_text = acting "",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE" { ["Max-Forwards"] = 69, ["Record-Route"] = { "~192.0.2.1" } }
		net:advance(0.6)
		net:equal(bob:expect("INVITE"):branch(), came:branch(), "the branch of the repeated one")
		bob:reply(180)
		alice:expect(180)
		net:expect_log "response 180"
		net:expect_log(("told nil of %s 1"):format(invite:header "Call-ID"))
		bob:reply(486, { request = came })
		relayed.expect_ack(bob, came)
		alice:expect(486)
		net:expect_log "response 486"
		rest(net)
	end,
}

flow "a response is delivered by its Via, without options" {
	script_text = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher {}
return { receive = function(msg)
	if msg:is_response() and msg.code == 180 then
		sip.log(select(2, pcall(dispatcher.deliver, dispatcher, msg, { id = "x" })))
	end
	return dispatcher:deliver(msg)
end }]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180) { Via = relayed.via_of(alice.sent) }
		net:expect_log "a response goes back by its Via: deliver it without options"
		bob:reply(486, { request = came })
		relayed.expect_ack(bob, came)
		alice:expect(486)
		rest(net)
	end,
}

flow "a request that its sender repeats is not delivered a second time" {
	script_text = acting "",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("OPTIONS", "sip:bob@198.51.100.8")
		local first = bob:expect "OPTIONS"
		alice:resend()
		net:settle()
		bob:expect_nothing()
		net:advance(0.6)
		net:equal(bob:expect("OPTIONS"):branch(), first:branch(), "the branch of what we repeat")
		bob:reply(200)
		alice:expect(200)
		net:expect_log "response 200"
		net:expect_log "told nil"
		net:counts { deliveries = 1, requests_absorbed = 1 }
		rest(net)
	end,
}

flow "a 2xx that crosses the CANCEL of a delivery that took too long is passed on" {
	script_text = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher {}
local proxy = sip.stateless_proxy {}
return { receive = function(msg)
	if msg:is_response() or msg.method == "ACK" then return proxy:receive(msg) end
	return dispatcher:deliver(msg, { timeout = 2, callback = function(err) sip.log("told " .. tostring(err)) end })
end }]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		net:advance(2.1)
		net:expect_log "told ETIMEDOUT"
		relayed.expect_failure(alice, invite, 408)
		bob:take_all()
		bob:reply(200, { request = came })
		alice:expect(200)
		rest(net)
	end,
}

flow "a delivered INVITE that rings for three minutes is cancelled" {
	script_text = acting "",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", "sip:bob@198.51.100.8")
		local came = bob:expect "INVITE"
		bob:reply(180)
		alice:expect(180)
		net:advance(180.8)
		bob:expect_nothing()
		net:advance(0.4)
		relayed.expect_cancelled(bob, came)
		alice:expect(487)
		net:expect_log "response 487"
		net:expect_log "told nil"
		net:expect_log "response 180"
		rest(net)
	end,
}

flow "a delivery whose script was replaced is repeated on, and its callback runs in the script that asked" {
	script_text = acting [[probe "sip:bob@198.51.100.8"]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		poke(net, alice)
		bob:expect "OPTIONS"
		net:reload [[return { receive = function(msg) if msg:is_request() then return msg:reply(202) end return msg:drop() end }]]
		net:advance(0.6)
		bob:expect "OPTIONS"
		bob:reply(200)
		net:expect_log "told nil of probe 7"
		rest(net)
	end,
}

flow "what is wrong with a request or a delivery is said with line and what to write" {
	script_text = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher {}
local function try(f, ...) local ok, why = pcall(f, ...) sip.log(tostring(why)) end
return { receive = function(msg)
	try(sip.request, { uri = "sip:a@b" })
	try(sip.request, { method = "OPTIONS" })
	try(sip.request, { method = "OPTIONS", uri = "sip:" })
	try(sip.request, { method = "OPTIONS", uri = "sip:a@b", headers = { ["X-A"] = "1\r\nX-B: 2" } })
	try(sip.request, { method = "OPTIONS", uri = "sip:a@b", body = "x" })
	try(dispatcher.deliver, dispatcher, msg, { callbak = print })
	try(dispatcher.deliver, dispatcher, "x")
	try(dispatcher.deliver, dispatcher, msg, { dst_addr = "not an address" })
	msg:reply(200)
	try(dispatcher.deliver, dispatcher, msg)
	try(dispatcher.cancel_delivery, dispatcher, "call", "x")
end }]],
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@192.0.2.99")
		alice:expect(200)
		for _, text in ipairs { "the method of a request must be a string, not nil", "a request needs a uri: write sip.request",
			"this is no request: Bad Request-URI", "the value of X-A has CR, LF or NUL in it", "a body needs its type",
			"deliver has no option 'callbak'", "deliver takes a message", "dst_addr 'sip:not an address' is no address",
			"this request was answered or forwarded already", 'cancel_delivery knows .*, not \'call\'' } do
			net:expect_log(text)
		end
		rest(net)
	end,
}

flow "timeout ends the waiting for an answer, and the address counts as dead for a while" {
	script_text = acting [[
		probe("sip:bob@198.51.100.8", { timeout = 4, callback = function(err, delivery)
			told(err, delivery)
			sip.log("dead " .. tostring(dispatcher:resolve_uri("sip:bob@198.51.100.8")[1].is_dead))
		end })
		sip.log("alive " .. tostring(dispatcher:resolve_uri("sip:bob@198.51.100.8")[1].is_dead))]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		poke(net, alice)
		net:expect_log "alive false"
		net:advance(4.1)
		net:expect_log "told ETIMEDOUT of probe 7"
		net:expect_log "dead true"
		local sent = #bob:take_all()
		net:advance(40)
		bob:expect_nothing()
		net:equal(sent, 4, "requests in four seconds")
	end,
}

-- ---- legs that go ----

local function states(net)
	local texts = {}
	for i, leg in ipairs(net:legs()) do
		texts[i] = leg.state == "closed" and "closed" or leg.spec:match "%d+$" .. " " .. leg.state
	end
	return table.concat(texts, ", ")
end

local function on_legs(legs, text) return (acting(text):gsub("return { receive", "return { legs = { " .. legs .. " }, receive")) end

flow "what was delivered holds no leg open" {
	script_text = on_legs '"udp:192.0.2.1:5060", "udp:192.0.2.1:5070"',
	legs = false,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("OPTIONS", "sip:bob@198.51.100.8", { leg = "udp:192.0.2.1:5070" })
		bob:expect "OPTIONS"
		bob:reply(200)
		alice:expect(200)
		net:expect_log "told nil"
		net:expect_log "response 200"
		net:is_true(net:reload(on_legs '"udp:192.0.2.1:5080"'), "it loads")
		net:advance(70)
		net:equal(states(net), "closed, closed, 5080 open", "legs")
	end,
}

flow "a request a script made holds no leg open that was not there yet" {
	script_text = on_legs '"udp:192.0.2.1:5060", "udp:192.0.2.1:5070"',
	legs = false,
	run = function(net)
		local alice = parties(net, "alice")
		local one = on_legs('"udp:192.0.2.1:5070"', 'local made = sip.request { method = "OPTIONS", uri = "sip:x@h" } sip.sleep(5)')
		net:is_true(net:reload(one), "it loads")
		net:equal(states(net), "closed, 5070 open", "legs")
		alice:request("MESSAGE", "sip:x@192.0.2.99", { leg = "udp:192.0.2.1:5070" })
		net:advance(1)
		net:is_true(net:reload(on_legs '"udp:192.0.2.1:5060", "udp:192.0.2.1:5070"'), "it loads")
		net:advance(5)
		alice:expect(200)
		rest(net)
		net:is_true(net:reload(on_legs '"udp:192.0.2.1:5070"'), "it loads")
		net:equal(states(net), "closed, 5070 open", "legs")
	end,
}

-- ---- answers ----

local ANSWERS = [[
local sip = require "viaduct"
sip.dispatcher { do_retransmits = %s }
local registrar = sip.registrar {}
return { receive = function(msg, leg, from)
	sip.log("asked " .. msg.method)
	if msg.method == "REGISTER" then return registrar:receive(msg, leg, from) end
	return msg:is_request() and msg.method ~= "ACK" and msg:reply(486) or msg:drop()
end }]]

flow "a repeated request gets its answer again, byte for byte, and the script is asked once" {
	script_text = ANSWERS:format "true",
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@192.0.2.1")
		local first = alice:expect(486)
		for _ = 1, 2 do
			alice:resend()
			net:equal(alice:expect(486).text, first.text, "answer")
		end
		net:equal(net:count_log "asked MESSAGE", 1, "calls of the handler")
		net:counts { requests_absorbed = 2 }
		rest(net)
	end,
}

flow "so does a repeated REGISTER" {
	script_text = ANSWERS:format "true",
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("REGISTER", "sip:example.com", { headers = { "Contact: <sip:alice@198.51.100.7>" } })
		alice:expect(200)
		alice:resend()
		alice:expect(200)
		net:equal(net:count_log "asked REGISTER", 1, "calls of the handler")
		rest(net)
	end,
}

flow "a failure of an INVITE is repeated until its ACK comes (RFC 3261 17.2.1)" {
	script_text = ANSWERS:format "true",
	run = function(net)
		exact(net)
		local alice = parties(net, "alice")
		local invite = alice:request("INVITE", "sip:x@192.0.2.1")
		net:advance(3.6)
		local came = alice:take_all()
		net:equal(times(came), "0 0.5 1.5 3.5", "answers")
		relayed.ack(alice, invite, came[1])
		net:advance(40)
		alice:expect_nothing()
		rest(net)
	end,
}

flow "without do_retransmits each repetition is a request of its own" {
	script_text = ANSWERS:format "false",
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@192.0.2.1")
		alice:expect(486)
		alice:resend()
		alice:expect(486)
		net:equal(net:count_log "asked MESSAGE", 2, "calls of the handler")
	end,
}

flow "a thousand INVITEs in a victim's name bring it one answer each, and repetitions of 64 only; others notice nothing" {
	script_text = ANSWERS:format "true",
	run = function(net)
		local INVITES, UNHEARD, REPETITIONS = 1000, 64, 10
		local victim, bob = parties(net, "alice", "bob")
		for _ = 1, INVITES do
			victim:request("INVITE", "sip:x@192.0.2.1")
		end
		net:advance(1)
		local invite = bob:request("INVITE", "sip:x@192.0.2.1")
		net:advance(3.6)
		local came = bob:take_all()
		net:equal(#came, 4, "answers to another source")
		relayed.ack(bob, invite, came[1])
		rest(net)
		net:equal(#victim:take_all(), INVITES + UNHEARD * REPETITIONS, "answers to the victim")
		net:counts { replies_once = INVITES - UNHEARD }
		victim:request("INVITE", "sip:x@192.0.2.1")
		net:advance(0.6)
		net:equal(#victim:take_all(), 2, "answers when all that is over")
		rest(net)
		victim:take_all()
	end,
}

flow "a source that acknowledges what it hears is never short of repetitions" {
	script_text = ANSWERS:format "true",
	run = function(net)
		local alice = parties(net, "alice")
		for _ = 1, 100 do
			local invite = alice:request("INVITE", "sip:x@192.0.2.1")
			relayed.expect_failure(alice, invite, 486)
		end
		net:counts { replies_once = 0 }
		rest(net)
		alice:expect_nothing()
	end,
}

flow "an answer that is sent once is sent again to who asks again, and its ACK is absorbed" {
	script_text = ANSWERS:format "true",
	run = function(net)
		local alice = parties(net, "alice")
		for _ = 1, 64 do
			alice:request("INVITE", "sip:x@192.0.2.1")
		end
		net:settle()
		alice:take_all()
		local invite = alice:request("INVITE", "sip:x@192.0.2.1")
		local first = alice:expect(486)
		alice:resend()
		net:equal(alice:expect(486).text, first.text, "answer")
		relayed.ack(alice, invite, first)
		net:settle()
		net:equal(net:count_log "asked INVITE", 66, "calls of the handler")
		net:equal(net:count_log "asked ACK", 0, "ACKs the handler saw")
		rest(net)
		alice:take_all()
	end,
}

-- A delivery that failed: whoever sent the request is answered by the engine, for its handler has ended.
local relayed = require "lib.relayed"
local delivered = require "lib.delivered"
local parties, rest, expect_failure = relayed.parties, relayed.rest, relayed.expect_failure
local acting, poke = delivered.acting, delivered.poke

local NOBODY = "sip:x@198.51.100.8"

-- What is asked, what it is answered, and what the callback hears.
local cases = {
	{ "whose name does not exist", "sip:x@nowhere.example", 500, "EHOSTUNREACH" },
	{ "whose address no leg leads to", "sip:x@[2001:db8::5]", 500, "EHOSTUNREACH" },
	{ "whose transport there is none of", "sips:x@198.51.100.8", 500, "ENOPROTOOPT" },
	{ "whose only address refuses the connection", NOBODY .. ";transport=tcp", 500, "ECONNREFUSED" },
	{ "whose addresses all refuse the connection", "sip:x@example.net;transport=tcp", 500, "ECONNREFUSED" },
	{ "that is ourselves", "sip:x@192.0.2.1", 404, "EHOSTUNREACH" },
	{ "of a scheme nobody resolves", "tel:+4930123", 416, "EHOSTUNREACH" },
}
for _, case in ipairs(cases) do
	local title, uri, code, heard = unpack(case)
	flow(("a request to a host %s is answered %d"):format(title, code)) {
		script_text = acting "",
		run = function(net)
			local alice = parties(net, "alice")
			net:dns("example.net", "A", "198.51.100.8")
			net:dns("example.net", "A", "198.51.100.9")
			for _, method in ipairs { "INVITE", "OPTIONS" } do
				local request = alice:request(method, uri)
				net:advance(1)
				if method == "INVITE" then
					expect_failure(alice, request, code)
				else
					alice:expect(code)
				end
				net:expect_log("told " .. heard)
			end
			for _ = 1, net:count_log "send.failed" do
				net:expect_log "send.failed"
			end
			net:counts { replied = 2, deliveries = 2, deliveries_failed = 2, acks_absorbed = 1 }
			rest(net)
		end,
	}
end

flow "a request whose name nobody answers for is answered 500" {
	script_text = acting "",
	run = function(net)
		local alice = parties(net, "alice")
		net:dns("silent.example.net", "silent")
		alice:request("OPTIONS", "sip:x@silent.example.net:5060")
		net:advance(4.9)
		alice:expect_nothing()
		net:advance(0.2)
		alice:expect(500)
		net:expect_log "told ETIMEDOUT"
	end,
}

flow "what a proxy must refuse is refused likewise" {
	script_text = acting "",
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("OPTIONS", NOBODY, { max_forwards = 0 })
		alice:expect(483)
		net:expect_log "told EHOSTUNREACH"
		alice:request("OPTIONS", NOBODY, { headers = { "Proxy-Require: x-unknown" } })
		alice:expect(420) { Unsupported = "x-unknown" }
		net:expect_log "told EHOSTUNREACH"
	end,
}

flow "an INVITE that nobody answers is answered 408 when its transaction is over" {
	script_text = acting "",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		local invite = alice:request("INVITE", NOBODY)
		net:advance(31.9)
		alice:expect_nothing()
		net:advance(0.2)
		expect_failure(alice, invite, 408)
		net:expect_log "told ETIMEDOUT"
		bob:take_all()
		rest(net)
	end,
}

flow "an INVITE that was sent once is not answered for who does not answer it" {
	script_text = acting("", "do_retransmits = false"),
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("INVITE", NOBODY)
		bob:expect "INVITE"
		net:advance(40)
		alice:expect_nothing()
		net:expect_log "told ETIMEDOUT"
	end,
}

flow "another request that nobody answers is answered by nobody (RFC 4320 4.2)" {
	script_text = acting "",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("OPTIONS", NOBODY)
		net:advance(40)
		alice:expect_nothing()
		net:expect_log "told ETIMEDOUT"
		bob:take_all()
	end,
}

flow "an ACK that leads nowhere and a request of the script's own are answered to nobody" {
	script_text = [[
		local dispatcher = require "viaduct".dispatcher {}
		return { receive = function(msg) return dispatcher:deliver(msg) end }]],
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("ACK", "sip:x@nowhere.example")
		net:counts { deliveries_failed = 1, replied = 0, sent = 0 }
		net:reload(acting [[probe "sip:x@nowhere.example"]])
		poke(net, alice)
		net:expect_log "told EHOSTUNREACH of probe 7"
		net:counts { deliveries_failed = 2, replied = 1, sent = 1 }
		rest(net)
	end,
}

flow "what the script cancels is not answered for it" {
	script_text = acting([[dispatcher:cancel_delivery("id", "c 1")]], "do_retransmits = true"),
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("OPTIONS", NOBODY, { call_id = "c" })
		bob:expect "OPTIONS"
		poke(net, alice)
		rest(net)
		alice:expect_nothing()
	end,
}

-- ---- an INVITE that rang ----

local function ringing(net)
	local alice, bob = parties(net, "alice", "bob")
	local invite = alice:request("INVITE", NOBODY)
	bob:expect "INVITE"
	bob:reply(180)
	alice:expect(180)
	net:expect_log "told nil"
	net:expect_log "response 180"
	return alice, bob, invite
end

flow "a caller who gives up while it rings hears 487, though the callee says nothing any more (RFC 3261 9.1)" {
	script_text = acting "",
	run = function(net)
		local alice, bob, invite = ringing(net)
		relayed.cancel(alice, invite)
		alice:expect(200)
		net:advance(31)
		alice:expect_nothing()
		net:advance(2)
		expect_failure(alice, invite, 487)
		rest(net)
		net:equal(relayed.kinds(bob:take_all()):match "^CANCEL", "CANCEL", "what bob heard")
	end,
}

flow "a caller whom nobody answers for three minutes hears 408 (Timer C, RFC 3261 16.8)" {
	script_text = acting "",
	run = function(net)
		local alice, bob, invite = ringing(net)
		net:advance(181 + 31)
		alice:expect_nothing()
		net:advance(3)
		expect_failure(alice, invite, 408)
		rest(net)
		bob:take_all()
	end,
}

flow "an INVITE that rings takes its share of the queue until it is answered" {
	script_text = acting "",
	delivery_share = 1,
	run = function(net)
		local alice, bob = ringing(net)
		local second = alice:request("INVITE", "sip:carol@198.51.100.9")
		expect_failure(alice, second, 503)
		bob:reply(486)
		relayed.expect_ack(bob, bob.last_request)
		net:expect_log "response 486"
		alice:take_all()
		alice:request("OPTIONS", NOBODY)
		bob:expect "OPTIONS"
		bob:reply(200)
		alice:expect(200)
		net:expect_log "told nil"
		net:expect_log "response 200"
		rest(net)
	end,
}

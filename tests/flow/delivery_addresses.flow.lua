-- A delivery whose host has several addresses: the next one when one is dead or silent (RFC 3263 4.3).
local relayed = require "lib.relayed"
local delivered = require "lib.delivered"
local parties, rest, exact, times = relayed.parties, relayed.rest, relayed.exact, relayed.times
local acting, poke, two_addresses = delivered.acting, delivered.poke, delivered.two_addresses

flow "an address that says nothing for four seconds is left for the next, which has the full time" {
	script_text = acting [[probe "sip:bob@example.net"]],
	run = function(net)
		exact(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_addresses(net)
		alice:request("MESSAGE", "sip:x@192.0.2.99")
		net:advance(40)
		alice:expect(200)
		local first, second = bob:take_all(), carol:take_all()
		net:equal(times(first), "0 0.5 1.5 3.5", "requests to the first")
		net:equal(times(second, first[1].at), "4 4.5 5.5 7.5 11.5 15.5 19.5 23.5 27.5 31.5 35.5", "requests to the second")
		net:expect_log "told ETIMEDOUT of probe 7"
		net:counts { failovers = 1, deliveries_failed = 1 }
		rest(net)
	end,
}

flow "the time asked for a delivery is shared evenly by its addresses" {
	script_text = acting [[probe("sip:bob@example.net", { timeout = 4, callback = told })]],
	run = function(net)
		exact(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_addresses(net)
		alice:request("MESSAGE", "sip:x@192.0.2.99")
		net:advance(40)
		alice:expect(200)
		local first = bob:take_all()
		net:equal(times(first), "0 0.5 1.5", "requests to the first")
		net:equal(times(carol:take_all(), first[1].at), "1.998 2.498 3.498", "requests to the second") -- names took 4 ms
		net:expect_log "told ETIMEDOUT of probe 7"
		rest(net)
	end,
}

flow "an address that said 100 in time keeps the delivery" {
	script_text = acting "",
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_addresses(net)
		alice:request("INVITE", "sip:bob@example.net")
		local came = bob:expect "INVITE"
		bob:reply(100)
		net:advance(20)
		bob:reply(200, { request = came })
		alice:expect(100)
		alice:expect(200)
		carol:expect_nothing()
		net:expect_log "told nil"
		net:expect_log "response 100"
		net:expect_log "response 200"
		rest(net)
	end,
}

-- Bob has been silent, carol is being tried.
local function with_carol_tried(net, method)
	local alice, bob, carol = parties(net, "alice", "bob", "carol")
	two_addresses(net)
	alice:request(method, "sip:bob@example.net")
	net:advance(4.1)
	return alice, bob, carol, bob:take_all()[1], carol:expect(method)
end

flow "a 2xx of an address that was left reaches the script, and the next one is cancelled" {
	script_text = acting "",
	run = function(net)
		local alice, bob, carol, late, tried = with_carol_tried(net, "INVITE")
		bob:reply(200, { request = late })
		alice:expect(200) { To = "~tag=bob" }
		net:expect_log "response 200"
		net:expect_log "told nil"
		carol:reply(180, { request = tried })
		relayed.expect_cancelled(carol, tried)
		alice:expect_nothing()
		net:counts { deliveries_arrived = 1, failovers = 1 }
		rest(net)
	end,
}

flow "who rings after it was left is cancelled, and the script hears only the next" {
	script_text = acting "",
	run = function(net)
		local alice, bob, carol, late, tried = with_carol_tried(net, "INVITE")
		bob:reply(180, { request = late })
		relayed.expect_cancelled(bob, late)
		alice:expect_nothing()
		carol:reply(200, { request = tried })
		alice:expect(200) { To = "~tag=carol" }
		net:expect_log "response 200"
		net:expect_log "told nil"
		rest(net)
	end,
}

flow "a request that is no INVITE is answered once, by whoever is first" {
	script_text = acting "",
	run = function(net)
		local alice, bob, carol, late, tried = with_carol_tried(net, "OPTIONS")
		bob:reply(200, { request = late })
		alice:expect(200) { To = "~tag=bob" }
		net:expect_log "response 200"
		net:expect_log "told nil"
		carol:reply(200, { request = tried })
		net:advance(40)
		carol:expect_nothing()
		alice:expect_nothing()
		rest(net)
	end,
}

flow "the next address is tried when one is dead, each with its own branch" {
	script_text = acting [[probe "sip:bob@example.net"]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		two_addresses(net)
		poke(net, alice)
		local first = bob:expect "OPTIONS"
		bob:reply(503)
		local second = carol:expect "OPTIONS"
		net:is_true(first:branch() ~= second:branch(), "another transaction")
		carol:reply(404)
		net:expect_log "response 404 probe"
		net:expect_log "told nil of probe 7"
		net:counts { failovers = 1 }
		rest(net)
	end,
}

-- What a script gets wrong with its dispatcher is said with what is wrong and what to write, and what allows nothing allows nothing.
local relayed, delivered = require "lib.relayed", require "lib.delivered"
local parties, rest, acting, poke = relayed.parties, relayed.rest, delivered.acting, delivered.poke

local function mistake(name, text, told)
	flow(name .. " is told") {
		script_text = acting(("local ok, why = pcall(function() %s end) assert(not ok, 'accepted') sip.log(why)"):format(text)),
		run = function(net)
			local alice = parties(net, "alice")
			poke(net, alice)
			local seen = net:expect_log "info script "
			if not seen:find(told, 1, true) or not seen:find "script%.lua:%d+: " then
				error(("told: %s\nwanted: %s"):format(seen, told), 0)
			end
			rest(net)
		end,
	}
end

local PROBE = "sip.request { method = 'OPTIONS', uri = 'sip:bob@198.51.100.8' }"

mistake("a delivery with a timeout below nothing", "dispatcher:deliver(" .. PROBE .. ", { timeout = -1 })",
	"the timeout of deliver is 0 to 86400 seconds, not -1")
mistake("a delivery with a timeout that is no number of seconds", "dispatcher:deliver(" .. PROBE .. ", { timeout = 0/0 })",
	"the timeout of deliver is 0 to 86400 seconds, not ")
mistake("a delivery with too long an id", "dispatcher:deliver(" .. PROBE .. ", { id = ('x'):rep(4097) })",
	"id and callid of a delivery, else its Call-ID and CSeq, have at most 4096 bytes")
mistake("a delivery to a table without an address", "dispatcher:deliver(" .. PROBE .. ", { dst_addr = {} })",
	"dst_addr is a text such as")
mistake("a delivery to a port that is a table",
	"dispatcher:deliver(" .. PROBE .. ", { dst_addr = { addr = '192.0.2.1', port = {} } })",
	"dst_addr is a text such as")
mistake("deliver with a dot", "dispatcher.deliver(" .. PROBE .. ")",
	"deliver takes a message: write dispatcher:deliver(message), with a colon")
mistake("add_timer backwards", "dispatcher:add_timer(-1, print)", "add_timer takes 0 to 31622400 seconds (366 days), not -1")
mistake("add_timer with an interval backwards", "dispatcher:add_timer(0, print, -2)",
	"add_timer takes 0 to 31622400 seconds (366 days), not -2")
mistake("resolve_uri of an address without its scheme", "dispatcher:resolve_uri 'bob@192.0.2.4'",
	"'bob@192.0.2.4' is no URI: write sip:bob@192.0.2.4")
mistake("resolve_uri of no URI with a callback", "dispatcher:resolve_uri('not a uri', nil, print)",
	"'not a uri' is no URI: write sip:bob@192.0.2.4")
mistake("a protocol that is none, with a callback",
	"dispatcher:resolve_uri('sip:x@192.0.2.4', { allowed_proto = { 'sctp' } }, print)",
	"tls\\\", not 'sctp'")
mistake("a leg that is none, with a callback", "dispatcher:resolve_uri('sip:x@192.0.2.4', { allowed_legs = { 5 } }, print)",
	"a leg is wanted, such as get_legs gives them, not 5")
mistake("a hole among protocols", "dispatcher:resolve_uri('sip:x@192.0.2.4', { allowed_proto = { 'udp', nil, 'tcp' } })",
	"allowed_proto: a list without gaps and names is wanted")
mistake("add_leg with a port that is a word", "dispatcher:add_leg { addr = '127.0.0.1', port = 'a' }",
	"the leg of add_leg must have a whole number as its port, not 'a'")
mistake("add_leg with half a port", "dispatcher:add_leg { addr = '127.0.0.1', port = 5060.5 }",
	"the leg of add_leg must have a whole number as its port, not '5060.5'")
mistake("add_leg with a transport that is a number", "dispatcher:add_leg { addr = '127.0.0.1', proto = 17 }",
	"the leg of add_leg must have a text as its proto")

flow "a delivery by a leg that has closed says so" {
	lingers = true,
	script_text = acting [[
		local leg = dispatcher:add_leg "udp:192.0.2.1:5070"
		dispatcher:remove_leg(leg)
		dispatcher:add_timer(40, function() sip.log(select(2, pcall(probe, "sip:bob@198.51.100.8", { leg = leg }))) end)]],
	run = function(net)
		local alice = parties(net, "alice")
		poke(net, alice)
		net:advance(41)
		net:expect_log "script%.lua:%d+: the leg it shall leave by is closed"
	end,
}

for _, given in ipairs { "{ t1 = 1 }", "{ do_retransmits = true }", "{}", "{ outgoing_proxy = '192.0.2.1:5060' }" } do
	flow("a dispatcher that is made in a handler is told: sip.dispatcher " .. given) {
		script_text = ("local sip = require 'viaduct'\nreturn { receive = function(req)\nsip.dispatcher %s\n%s }"):format(given,
			"req:reply(200) end"),
		run = function(net)
			local alice = parties(net, "alice")
			alice:request("MESSAGE", "sip:x@192.0.2.99")
			alice:expect(500)
			net:expect_log "script%.lua:3: sip.dispatcher is made while the script loads, not in a handler"
		end,
	}
end

flow "a delivery while the script loads is refused there, with what to write" {
	unloaded = true,
	run = function(net)
		net:refuses([[
local sip = require "viaduct"
sip.dispatcher {}:deliver(sip.request { method = "OPTIONS", uri = "sip:bob@198.51.100.8" })
return { receive = function() end }]], 2,
			"nothing is delivered while the script loads, no leg is open: write dispatcher:add_timer(0,")
	end,
}

flow "a proxy that is no address is refused, alone and in a list" {
	unloaded = true,
	run = function(net)
		for _, proxy in ipairs { "5", "{ 5 }", "{ {} }", "{ { addr = 5 } }" } do
			local text = ("local d = require('viaduct').dispatcher { domain2proxy = { ['*'] = %s } }\nreturn {}"):format(proxy)
			net:refuses(text, 1, 'a proxy is a text such as "192.0.2.1:5060"')
		end
	end,
}

flow "an empty list allows nothing: no transport, no leg" {
	script_text = acting [[
		local function told(what, targets, text, code)
			sip.log(("%s: %s, %s, %s"):format(what, tostring(targets), text, code))
		end
		told("proto", dispatcher:resolve_uri("sip:bob@198.51.100.8", { allowed_proto = {} }))
		told("legs", dispatcher:resolve_uri("sip:bob@198.51.100.8", { allowed_legs = {} }))
		dispatcher:resolve_uri("sip:bob@198.51.100.8", { allowed_legs = {} }, function(code, targets)
			told("later", targets, "", code)
		end)]],
	run = function(net)
		local alice = parties(net, "alice")
		poke(net, alice)
		net:expect_log "proto: nil, no way leads to sip:bob@198.51.100.8, ENOPROTOOPT"
		net:expect_log "legs: nil, no way leads to sip:bob@198.51.100.8, EHOSTUNREACH"
		net:expect_log "later: nil, , EHOSTUNREACH"
		rest(net)
	end,
}

flow "a leg that has closed meanwhile allows nothing either" {
	lingers = true,
	script_text = acting [[
		local leg = dispatcher:add_leg "udp:192.0.2.1:5070"
		dispatcher:remove_leg(leg)
		dispatcher:add_timer(40, function()
			sip.log("code " .. select(3, dispatcher:resolve_uri("sip:bob@198.51.100.8", { allowed_legs = { leg } })))
		end)]],
	run = function(net)
		local alice = parties(net, "alice")
		poke(net, alice)
		net:advance(41)
		net:expect_log "code EHOSTUNREACH"
	end,
}

flow "a dnsresolv that answers with no list is told so, and nobody waits for more" {
	script_text = acting(
		'local began = sip.now() dispatcher:resolve_uri "sip:bob@example.net" sip.log(("after %.1f s"):format(sip.now() - began))',
		'dnsresolv = function(kind, name, callback) callback "x" end'),
	run = function(net)
		local alice = parties(net, "alice")
		poke(net, alice)
		net:expect_log "script%.lua:%d+: dnsresolv answers with records: .* not with a string"
		net:expect_log "after 0.0 s"
		rest(net)
	end,
}

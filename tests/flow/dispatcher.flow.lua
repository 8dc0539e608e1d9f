-- The script's dispatcher: who is in charge of a domain, where a URI leads, legs, timers, receivers (seed 002).
local relayed = require "lib.relayed"
local parties, rest = relayed.parties, relayed.rest
local TWO_LEGS = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" }

-- A script with that dispatcher that forwards all it gets: statelessly, or as `how` says.
local function routed(options, how)
	return ([[
local sip = require "viaduct"
local dispatcher = sip.dispatcher { %s }
local proxy = sip.stateless_proxy { dispatcher = dispatcher }
return { receive = function(msg, leg, from)
	if msg:is_request() and msg.method ~= "ACK" then %s end
	return proxy:receive(msg, leg, from)
end }]]):format(options, how or "")
end

-- A script whose handler of MESSAGE does this, with `dispatcher` at hand.
local function acting(text, options)
	return routed("do_retransmits = false, " .. (options or ""), 'if msg.method == "MESSAGE" then ' .. text .. " end")
end

-- ---- who is in charge ----

-- B-10: the six cases of Net::SIP's own test.
local NET_SIP = [[domain2proxy = {
	com = "198.51.100.8", org = "198.51.100.9", ["*.org"] = "198.51.100.9", ["*"] = "198.51.100.10" }]]
local cases = {
	{ "example.com", "dave", "what no entry names goes to '*': an entry without '*.' is for that domain alone" },
	{ "foo.com", "dave", "the same for any other" },
	{ "com", "bob", "a domain goes to its proxy" },
	{ "org", "carol", "a domain named twice, alone and with '*.', goes to its proxy" },
	{ "example.org", "carol", "what is below a '*.' domain goes to its proxy" },
	{ "a.b.ORG", "carol", "however far below, and whatever the letter case" },
}
for _, case in ipairs(cases) do
	flow("domain2proxy: " .. case[3]) {
		script_text = routed(NET_SIP),
		run = function(net)
			local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
			alice:request("OPTIONS", "sip:you@" .. case[1])
			local got = ({ bob = bob, carol = carol, dave = dave })[case[2]]
			got:expect "OPTIONS" { uri = "sip:you@" .. case[1] }
			got:reply(200)
			alice:expect(200)
			net:counts { lookups = 0 }
		end,
	}
end

flow "'*.domain' includes the domain itself" {
	script_text = routed [[domain2proxy = { ["*.example.org"] = "198.51.100.9" }]],
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		alice:request("OPTIONS", "sip:you@example.org")
		carol:expect "OPTIONS"
	end,
}

flow "a proxy may have a name of its own, which is looked up, and its port wins over that of the URI" {
	script_text = routed [[domain2proxy = { ["example.com"] = "pbx.example.net:5060" }]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		net:dns("pbx.example.net", "A", "198.51.100.8")
		alice:request("OPTIONS", "sip:you@example.com:5099")
		bob:expect "OPTIONS" { uri = "sip:you@example.com:5099" }
	end,
}

flow "outgoing_proxy is for what no domain names, addresses too" {
	script_text = routed [[outgoing_proxy = "198.51.100.9", domain2proxy = { ["example.com"] = "198.51.100.8" }]],
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("OPTIONS", "sip:you@example.com")
		bob:expect "OPTIONS"
		alice:request("OPTIONS", "sip:you@example.net")
		carol:expect "OPTIONS" { uri = "sip:you@example.net" }
		alice:request("OPTIONS", "sip:you@198.51.100.10")
		carol:expect "OPTIONS" { uri = "sip:you@198.51.100.10" }
	end,
}

flow "a Route says where to go before the Request-URI does, and is looked up in domain2proxy too" {
	script_text = routed [[domain2proxy = { ["example.com"] = "198.51.100.8", ["example.net"] = "198.51.100.9" }]],
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		alice:request("OPTIONS", "sip:you@example.com", { route = "<sip:example.net;lr>" })
		carol:expect "OPTIONS" { Route = { "<sip:example.net;lr>" } }
	end,
}

flow "maddr goes before every proxy" {
	script_text = routed [[outgoing_proxy = "198.51.100.9"]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("OPTIONS", "sip:you@example.com;maddr=198.51.100.8")
		bob:expect "OPTIONS"
	end,
}

flow "the transport the URI names holds for its proxy" {
	legs = TWO_LEGS,
	script_text = routed [[outgoing_proxy = "198.51.100.9"]],
	run = function(net)
		local alice = parties(net, "alice")
		local carol = net:phone("carol", "tcp:198.51.100.9:5060")
		alice:request("OPTIONS", "sip:you@example.com;transport=tcp")
		carol:expect "OPTIONS"
	end,
}

flow "a proxy without UDP leg on our side is reached by TCP" {
	legs = { "tcp:192.0.2.1:5060" },
	script_text = routed [[outgoing_proxy = "198.51.100.9"]],
	run = function(net)
		local alice, carol = net:phone("alice", "tcp:198.51.100.7:5062"), net:phone("carol", "tcp:198.51.100.9:5060")
		alice:request("OPTIONS", "sip:you@example.com")
		carol:expect "OPTIONS"
	end,
}

flow "forward goes by the proxies too, from one to the next when one is dead" {
	script_text = routed([[domain2proxy = { ["example.com"] = { "198.51.100.8", "198.51.100.9" } }]],
		"return msg:forward(msg.uri)"),
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("OPTIONS", "sip:you@example.com")
		bob:expect "OPTIONS"
		bob:reply(503)
		carol:expect "OPTIONS"
		carol:reply(200)
		alice:expect(200)
		net:counts { failovers = 1 }
		rest(net)
	end,
}

flow "proxies given as records go by their prio" {
	script_text = routed [[domain2proxy = { ["example.com"] = {
		{ prio = 20, addr = "198.51.100.8", port = 5060 }, { prio = 10, proto = "udp", addr = "198.51.100.9", port = 5060 } } }]],
	run = function(net)
		local alice, carol = parties(net, "alice", "carol")
		alice:request("OPTIONS", "sip:you@example.com")
		carol:expect "OPTIONS"
	end,
}

flow "a proxy that is none is refused with what to write" {
	unloaded = true,
	run = function(net)
		net:refuses('local sip = require "viaduct"\nlocal d = sip.dispatcher { outgoing_proxy = "not a proxy" }\nreturn {}', 2,
			'"not a proxy" is no proxy: write "192.0.2.1:5060" or "sip:proxy.example.com"')
		net:refuses('local sip = require "viaduct"\n\nsip.dispatcher { domain2proxy = { ["*com"] = "192.0.2.1" } }', 3,
			'write "example.com", "*.example.com" or "*"')
		net:refuses('local sip = require "viaduct"\nsip.dispatcher {}\nsip.dispatcher {}', 3, "a script has one dispatcher")
		net:refuses('local sip = require "viaduct"\nsip.dispatcher { outgoing = 1 }', 2, "dispatcher has no option 'outgoing'")
	end,
}

-- ---- where a URI leads ----

local TELL = [[
	local function told(list, text, code)
		if not list then return sip.log(("nothing: %s, %s"):format(text, code)) end
		for _, t in ipairs(list) do
			sip.log(("to %s:%s:%d family %d by %s"):format(t.proto, t.addr, t.port, t.family, tostring(t.leg)))
		end
	end
]]

flow "resolve_uri waits for the addresses of a URI, best first, each with the leg that reaches it" {
	legs = TWO_LEGS,
	script_text = acting(TELL .. [[told(dispatcher:resolve_uri(msg.uri)) return msg:reply(200)]]),
	run = function(net)
		local alice = parties(net, "alice")
		net:dns("_sip._tcp.example.net", "SRV", 1, 1, 5070, "one.example.net")
		net:dns("_sip._udp.example.net", "SRV", 2, 1, 5080, "two.example.net")
		net:dns("one.example.net", "A", "198.51.100.8")
		net:dns("two.example.net", "A", "198.51.100.9")
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(200)
		net:expect_log "to udp:198.51.100.9:5080 family 4 by udp:192.0.2.1:5060"
		net:expect_log "to tcp:198.51.100.8:5070 family 4 by tcp:192.0.2.1:5060"
		net:settle()
		alice:request("MESSAGE", "sip:x@198.51.100.8:5071;transport=tcp")
		alice:expect(200)
		net:expect_log "to tcp:198.51.100.8:5071 family 4 by tcp:192.0.2.1:5060"
	end,
}

flow "allowed_proto says which transports, and in which order" {
	legs = TWO_LEGS,
	script_text = acting(TELL .. [[told(dispatcher:resolve_uri("sip:x@198.51.100.8", { allowed_proto = { "tcp", "udp" } }))
		told(dispatcher:resolve_uri("sip:x@198.51.100.8;transport=tcp", { allowed_proto = { "udp" } })) return msg:reply(200)]]),
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(200)
		net:expect_log "to tcp:198.51.100.8:5060"
		net:expect_log "nothing: no way leads to sip:x@198.51.100.8;transport=tcp, ENOPROTOOPT"
	end,
}

flow "allowed_legs leaves only what those legs reach" {
	legs = { "udp:192.0.2.1:5060", "udp:192.0.2.2:5060", "tcp:192.0.2.2:5060" },
	script_text = acting(TELL .. [[local legs = dispatcher:get_legs { addr = "192.0.2.2", proto = "udp" }
		told(dispatcher:resolve_uri("sip:x@198.51.100.8", { allowed_legs = legs })) return msg:reply(200)]]),
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(200)
		net:expect_log "to udp:198.51.100.8:5060 family 4 by udp:192.0.2.2:5060"
	end,
}

flow "what no address is found for says why by an errno name" {
	script_text = acting(TELL .. [[told(dispatcher:resolve_uri("sip:x@nowhere.example"))
		told(dispatcher:resolve_uri("tel:+1")) told(dispatcher:resolve_uri("sips:x@198.51.100.8")) return msg:reply(200)]]),
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(200)
		net:expect_log "nothing: no way leads to sip:x@nowhere.example, EHOSTUNREACH"
		net:expect_log "nothing: no way leads to tel:+1, EHOSTUNREACH"
		net:expect_log "nothing: no way leads to sips:x@198.51.100.8, ENOPROTOOPT"
	end,
}

flow "resolve_uri with a callback returns at once, and calls it later with an errno name or the targets" {
	script_text = acting [[dispatcher:resolve_uri("sip:x@example.net", nil, function(code, list) sip.log("later " .. list[1].addr) end)
		dispatcher:resolve_uri("sip:x@nowhere.example", nil, function(code, list) sip.log("later " .. code .. tostring(list)) end)
		sip.log "first" return msg:reply(200)]],
	run = function(net)
		local alice = parties(net, "alice")
		net:dns("example.net", "A", "198.51.100.9")
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(200)
		net:expect_log "first"
		net:expect_log "later 198.51.100.9"
		net:expect_log "later EHOSTUNREACHnil"
	end,
}

-- ---- a resolver of the script's own ----

local OWN_ZONE = [[dnsresolv = function(kind, name, callback)
	sip.log(("asked %s %s"):format(kind, name))
	local zone = {
		["SRV _sip._udp.example.net"] = { { "SRV", 20, "two.example.net", 5060 }, { "SRV", 10, "one.example.net", 5060, 5 } },
		["A one.example.net"] = { { "A", "198.51.100.8", "one.example.net" } },
		["A two.example.net"] = { { "A", "198.51.100.9", "two.example.net" } },
	}
	callback(zone[kind .. " " .. name] or {})
end]]

flow "dnsresolv answers in place of DNS: for what is forwarded statelessly" {
	script_text = routed(OWN_ZONE),
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		net:dns("_sip._udp.example.net", "SRV", 1, 1, 5060, "wrong.example.net")
		alice:request("OPTIONS", "sip:x@example.net")
		bob:expect "OPTIONS"
		net:expect_log "asked SRV _sip._udp.example.net"
		net:expect_log "asked A one.example.net"
		net:expect_log "asked A two.example.net"
		net:counts { lookups = 0 }
	end,
}

flow "dnsresolv answers for forward too, and the next of its addresses is tried" {
	script_text = routed(OWN_ZONE, "return msg:forward(msg.uri)"),
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		alice:request("OPTIONS", "sip:x@example.net")
		bob:expect "OPTIONS"
		bob:reply(503)
		carol:expect "OPTIONS"
		carol:reply(200)
		alice:expect(200)
		net:expect_log "asked SRV _sip._udp.example.net"
		rest(net)
	end,
}

flow "dnsresolv may answer later, and what it never answers ends by the time a name may take" {
	script_text = acting(TELL .. [[told(dispatcher:resolve_uri(msg.uri)) return msg:reply(200)]], [[
		dnsresolv = function(kind, name, callback)
			if name == "slow.example.net" and kind == "A" then
				sip.after(2, function() callback { { "A", "198.51.100.8", name } } end)
			elseif name ~= "never.example.net" then
				callback(nil)
			end
		end]]),
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@slow.example.net:5060")
		net:advance(1.9)
		alice:expect_nothing()
		net:advance(0.2)
		alice:expect(200)
		net:expect_log "to udp:198.51.100.8:5060"
		alice:request("MESSAGE", "sip:x@never.example.net:5060")
		net:advance(5.1)
		alice:expect(200)
		net:expect_log "nothing: no way leads to sip:x@never.example.net:5060, ETIMEDOUT"
	end,
}

flow "a record of the wrong form is told with its line, and the request is answered" {
	script_text = routed [[dnsresolv = function(kind, name, callback) callback { { "A", "2001:db8::1", name } } end]],
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("OPTIONS", "sip:x@example.net:5060")
		net:expect_log "'2001:db8::1' is no address for a record of type A"
		net:advance(5.1)
		alice:expect(503)
		rest(net)
	end,
}

-- ---- legs, timers, receivers ----

flow "get_legs gives the legs that meet all conditions" {
	legs = { "udp:192.0.2.1:5060", "udp:192.0.2.2:5070", "tcp:192.0.2.2:5060" },
	script_text = acting [[local function log(t) local s = {} for i, l in ipairs(t) do s[i] = l.spec end
		sip.log("legs: " .. table.concat(s, " ")) end
		log(dispatcher:get_legs()) log(dispatcher:get_legs { proto = "udp", port = 5070 }) log(dispatcher:get_legs { addr = "192.0.2.2" })
		log(dispatcher:get_legs { sub = function(l) return l.transport == "tcp" end }) log(dispatcher:get_legs { port = 1 })
		return msg:reply(200)]],
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(200)
		net:expect_log "legs: udp:192.0.2.1:5060 udp:192.0.2.2:5070 tcp:192.0.2.2:5060"
		net:expect_log "legs: udp:192.0.2.2:5070"
		net:expect_log "legs: udp:192.0.2.2:5070 tcp:192.0.2.2:5060"
		net:expect_log "legs: tcp:192.0.2.2:5060"
		net:expect_log "legs: "
	end,
}

flow "add_timer takes seconds from now or a point in time, calls back with the timer, and repeats" {
	script_text = acting [[local t0 = sip.now()
		local function at(what) return function(timer) sip.log(("%s at %.2f"):format(what, sip.now() - t0)) end end
		dispatcher:add_timer(0, at "zero")
		dispatcher:add_timer(0.25, at "quarter")
		dispatcher:add_timer(sip.time() + 2, at "absolute")
		local n = 0
		dispatcher:add_timer(1, function(timer) at "again" () n = n + 1 if n == 3 then timer:cancel() end end, 0.5)
		sip.log "returned" return msg:reply(200)]],
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(200)
		net:advance(5)
		for _, line in ipairs { "returned", "zero at 0.00", "quarter at 0.25", "again at 1.00", "again at 1.50", "absolute at 2.00" } do
			net:expect_log(line)
		end
		net:equal(net:count_log "again at", 1, "third call, after which it cancelled itself")
	end,
}

flow "set_receiver decides who gets messages, now and later" {
	script_text = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher { do_retransmits = false }
local second = { receive = function(_, msg) return msg:reply(202) end }
dispatcher:set_receiver(function(msg) dispatcher:set_receiver(second) return msg:reply(200) end)
return {}]],
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(200)
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(202)
	end,
}

flow "without a receiver a request is answered 500 and said to be undecided" {
	script_text = [[
local sip = require "viaduct"
sip.dispatcher { do_retransmits = false }:set_receiver(nil)
return {}]],
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(500)
		net:expect_log "request.undecided"
	end,
}

-- ---- legs that reach only some ----

local TWO_SIDES = [[
local sip = require "viaduct"
local proxy = sip.stateless_proxy {}
return { legs = { { "udp:192.0.2.1:5060", can_deliver_to = { "198.51.100.7", "198.51.100.8/31" } },
		{ "udp:192.0.2.2:5060", can_deliver_to = "198.51.100.10/32" } },
	receive = proxy }]]

flow "a leg delivers only to the networks it names: two sides need no code" {
	legs = false,
	script_text = TWO_SIDES,
	run = function(net)
		local alice, bob, dave = parties(net, "alice", "bob", "dave")
		alice:request("OPTIONS", "sip:bob@198.51.100.8")
		bob:expect "OPTIONS" { Via = { "~192.0.2.1:5060", true } }
		alice:request("OPTIONS", "sip:dave@198.51.100.10")
		dave:expect "OPTIONS" { Via = { "~192.0.2.2:5060", "~192.0.2.1:5060", true } }
		dave:reply(200)
		alice:expect(200)
	end,
}

flow "what no leg may deliver to is answered 503" {
	legs = false,
	script_text = TWO_SIDES,
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("OPTIONS", "sip:x@198.51.100.99")
		alice:expect(503)
	end,
}

flow "a network that is none is refused with the line of the leg and what to write" {
	unloaded = true,
	legs = false,
	run = function(net)
		net:refuses([[
return { receive = function() end,
	legs = { { "udp:192.0.2.1:5060", can_deliver_to = { "10.0.0.0/33" } } } }]], 2, "'10.0.0.0/33' is no network")
	end,
}

flow "an option that no leg has is refused, so that a misspelt network opens nothing to all" {
	unloaded = true,
	legs = false,
	run = function(net)
		net:refuses([[
return { receive = function() end,
	legs = { { "udp:192.0.2.1:5060", can_delivr_to = { "10.0.0.0/8" } } } }]], 1,
			"leg 1 has no option 'can_delivr_to'; it knows: addr, can_deliver_to, port, proto")
		net:refuses([[
require("viaduct").dispatcher {}:add_leg { proto = "udp", addr = "192.0.2.5", prot = 5060 }
return { receive = function() end }]], 1, "the leg of add_leg has no option 'prot'")
	end,
}

flow "add_leg opens a leg at once, and remove_leg closes it when nothing can come back on it" {
	script_text = acting [[
		local added = dispatcher:add_leg { proto = "udp", addr = "192.0.2.5", port = 5080 }
		sip.log("added " .. tostring(added))
		sip.log("legs " .. #dispatcher:get_legs { port = 5080 })
		sip.after(1, function() dispatcher:remove_leg(added) end)
		local other, why, code = dispatcher:add_leg "udp:nowhere:5080"
		sip.log(("not added %s: %s %s"):format(tostring(other), why, code))
		return msg:reply(200)]],
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(200)
		net:expect_log "added udp:192.0.2.5:5080"
		net:expect_log "legs 1"
		net:expect_log "not added nil: 'udp:nowhere:5080' is no leg"
		net:equal(net:count_log "leg.closed", 0, "legs closed")
		net:advance(40)
		net:expect_log "leg.closed leg=udp:192.0.2.5:5080"
	end,
}

flow "add_leg while the script loads makes it one of the script's legs" {
	legs = false,
	script_text = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher { do_retransmits = false }
dispatcher:add_leg "udp:192.0.2.1:5060"
return { receive = function(msg) return msg:reply(200) end }]],
	run = function(net)
		local alice = parties(net, "alice")
		alice:request("MESSAGE", "sip:x@example.net")
		alice:expect(200)
	end,
}

-- can_deliver_to as a function: the script decides which leg leads to an address (seed 002: resolve_uri, deliver).
local rest = require("lib.relayed").rest

-- Two legs: 10.x goes by INSIDE, the rest by OUTSIDE. `act` is the handler of a request.
local INSIDE, OUTSIDE = "192.0.2.1:5060", "192.0.2.2:5060"
local ALICE, IN, OUT = "udp:198.51.100.7:5062", "udp:10.1.2.3:5060", "udp:198.51.100.8:5060"
local IS_INSIDE = [[local function is_inside(proto, addr, port) return addr:find "^10%." ~= nil end]]

local function script(act, is_inside, is_outside)
	return ([[
local sip = require "viaduct"
local dispatcher = sip.dispatcher { do_retransmits = false }
local proxy = sip.stateless_proxy { rewrite_contact = false }
%s
return {
	legs = {
		{ "udp:192.0.2.1:5060", can_deliver_to = is_inside },
		{ "udp:192.0.2.2:5060", can_deliver_to = %s },
	},
	receive = function(msg, leg, from)
		if msg:is_request() and msg.method ~= "ACK" then %s end
		return proxy:receive(msg, leg, from)
	end,
}]]):format(is_inside or IS_INSIDE, is_outside or "function(...) return not is_inside(...) end", act or "")
end

local function phones(net)
	return net:phone("alice", ALICE), net:phone("inside", IN), net:phone("outside", OUT)
end

-- Each goes by its leg, and comes back.
local function goes_both_ways(net)
	local alice, inside, outside = phones(net)
	for _, way in ipairs { { inside, INSIDE, IN }, { outside, OUTSIDE, OUT }, { inside, INSIDE, IN } } do
		alice:request("OPTIONS", "sip:x@" .. way[3]:match "udp:(.*)")
		way[1]:expect "OPTIONS" { from = way[2] }
		way[1]:reply(200)
		alice:expect(200)
	end
	rest(net)
end

local ways = {
	{ "a stateless proxy", "" },
	{ "forward", "return msg:forward(msg.uri)" },
	{ "forward with stateless", "return msg:forward(msg.uri, { stateless = true })" },
	{ "deliver", "return dispatcher:deliver(msg, { do_retransmits = true })" },
	{ "deliver to a dst_addr", "return dispatcher:deliver(msg, { dst_addr = msg.ruri.host .. ':5060' })" },
	{ "a proxy that rewrites contacts itself",
		"return sip.stateless_proxy { rewrite_contact = function() end }:receive(msg, leg, from)" },
}
for _, way in ipairs(ways) do
	flow("the leg whose can_deliver_to says so is taken by " .. way[1]) {
		legs = false, script_text = script(way[2]),
		run = goes_both_ways,
	}
end

flow "a request of the script's own is delivered by the leg that leads there" {
	legs = false,
	script_text = script [[
		dispatcher:deliver(sip.request { method = "INFO", uri = "sip:x@10.1.2.3" })
		dispatcher:deliver(sip.request { method = "INFO", uri = "sip:x@198.51.100.8" })
		return msg:reply(200)]],
	run = function(net)
		local alice, inside, outside = phones(net)
		alice:request("MESSAGE", "sip:x@192.0.2.1")
		alice:expect(200)
		inside:expect "INFO" { from = INSIDE, Via = { "~" .. INSIDE } }
		outside:expect "INFO" { from = OUTSIDE, Via = { "~" .. OUTSIDE } }
		inside:reply(200)
		outside:reply(200)
		rest(net)
	end,
}

for _, way in ipairs { ways[2], ways[4] } do
	flow("each address of a name has its own leg, also when the first is dead, for " .. way[1]) {
		legs = false, script_text = script(way[2]),
		run = function(net)
			net:dns("_sip._udp.all.example.net", "SRV", 10, 0, 5060, "in.example.net")
			net:dns("_sip._udp.all.example.net", "SRV", 20, 0, 5060, "out.example.net")
			net:dns("in.example.net", "A", "10.1.2.3")
			net:dns("out.example.net", "A", "198.51.100.8")
			local alice, inside, outside = phones(net)
			alice:request("OPTIONS", "sip:x@all.example.net")
			inside:expect "OPTIONS" { from = INSIDE }
			inside:reply(503)
			outside:expect "OPTIONS" { from = OUTSIDE }
			outside:reply(200)
			alice:expect(200)
			rest(net)
		end,
	}
end

flow "resolve_uri names the leg of each target, leaves out those that none leads to, and fails when none is left" {
	legs = false,
	script_text = script([[
		local function show(uri)
			local targets, why, code = dispatcher:resolve_uri(uri)
			if not targets then return sip.log(("none: %s, %s"):format(why, code)) end
			for _, target in ipairs(targets) do sip.log(target.addr .. " by " .. target.leg.spec) end
		end
		show "sip:x@10.1.2.3" show "sip:x@198.51.100.8" show "sip:x@all.example.net" show "sip:x@203.0.113.9"
		return msg:reply(200)]], IS_INSIDE, [[function(_, addr) return addr:find "^198%." end]]),
	run = function(net)
		net:dns("all.example.net", "A", "10.1.2.3")
		net:dns("all.example.net", "A", "203.0.113.9")
		net:dns("all.example.net", "A", "198.51.100.8")
		local alice = phones(net)
		alice:request("MESSAGE", "sip:x@192.0.2.1")
		alice:expect(200)
		net:expect_log "10.1.2.3 by udp:192.0.2.1:5060"
		net:expect_log "198.51.100.8 by udp:192.0.2.2:5060"
		net:expect_log "10.1.2.3 by udp:192.0.2.1:5060"
		net:expect_log "198.51.100.8 by udp:192.0.2.2:5060"
		net:equal(net:count_log "203.0.113.9 by", 0, "targets that no leg leads to")
		net:expect_log "none: no way leads to sip:x@203.0.113.9, EHOSTUNREACH"
	end,
}

flow "it is asked about each address once: transport, address and port" {
	legs = false,
	script_text = script("", [[local function is_inside(...) sip.log("asked " .. table.concat({ ... }, " ")) return true end]]),
	run = function(net)
		local alice, inside = phones(net)
		alice:request("OPTIONS", "sip:x@10.1.2.3")
		inside:expect "OPTIONS" { from = INSIDE }
		net:equal(net:count_log "asked udp 10.1.2.3 5060", 2, "times, once for each leg")
	end,
}

flow "a leg that says it leads there is taken before the other side, as one that names the network is" {
	legs = false,
	script_text = script("", IS_INSIDE, "nil"),
	run = function(net)
		local inside = net:phone("inside", IN)
		local other = net:phone("other", "udp:10.1.2.4:5060")
		inside:request("OPTIONS", "sip:x@10.1.2.4", { leg = "udp:" .. INSIDE })
		other:expect "OPTIONS" { from = INSIDE }
	end,
}

flow "what no leg leads to is answered 503, and unreachable for forward" {
	legs = false,
	script_text = script("if msg.method == 'INFO' then return sip.log(select(3, msg:forward(msg.uri))) end",
		"local function is_inside() return nil end", "is_inside"),
	run = function(net)
		local alice = phones(net)
		alice:request("OPTIONS", "sip:x@10.1.2.3")
		alice:expect(503)
		alice:request("INFO", "sip:x@10.1.2.3")
		alice:expect(500) -- RFC 3261 16.7 (6): a 503 of a branch is not passed on
		net:expect_log "unreachable"
		rest(net)
	end,
}

for _, way in ipairs { ways[1], ways[2], ways[6] } do
	flow("an error in it is one of the script: its line in the log, counted, and 500 to the caller, for " .. way[1]) {
		legs = false,
		script_text = script(way[2], [[local function is_inside(_, addr)
			if addr == "10.1.2.3" then error "no idea" end
			return false
		end]]),
		run = function(net)
			local alice, _, outside = phones(net)
			alice:request("OPTIONS", "sip:x@10.1.2.3")
			alice:expect(500)
			net:expect_log "script.lua:5: no idea"
			net:counts { script_errors = 1 }
			alice:request("OPTIONS", "sip:x@198.51.100.8")
			outside:expect "OPTIONS"
			outside:reply(200)
			alice:expect(200)
			rest(net)
		end,
	}
end

flow "deliver and resolve_uri hear of an error in it as EFAULT" {
	legs = false,
	script_text = script([[
		local _, _, code = dispatcher:resolve_uri "sip:x@10.1.2.3"
		sip.log("resolved: " .. code)
		dispatcher:deliver(sip.request { method = "INFO", uri = "sip:x@10.1.2.3" },
			{ callback = function(err) sip.log("delivered: " .. err) end })
		return msg:reply(200)]], [[local function is_inside() error "no idea" end]]),
	run = function(net)
		local alice = phones(net)
		alice:request("MESSAGE", "sip:x@192.0.2.1")
		alice:expect(200)
		net:expect_log "resolved: EFAULT"
		net:expect_log "delivered: EFAULT"
		net:expect_log "no idea"
		net:counts { script_errors = 2 }
	end,
}

flow "it cannot wait, and is told so with its line" {
	legs = false,
	script_text = script("", [[local function is_inside()
		sip.sleep(1)
	end]]),
	run = function(net)
		local alice = phones(net)
		alice:request("OPTIONS", "sip:x@10.1.2.3")
		alice:expect(500)
		net:expect_log "script.lua:5: sleep waits, and can_deliver_to has to answer at once"
		net:counts { script_errors = 1 }
	end,
}

flow "it may answer or cancel what is being decided about" {
	legs = false,
	script_text = script([[
		if msg.method == "MESSAGE" then
			entry = dispatcher:deliver(sip.request { method = "INFO", uri = "sip:x@10.1.2.3" })
			return msg:reply(200)
		end
		kept = msg
		return msg:forward(msg.uri)]], [[local kept, entry
		local function is_inside()
			if kept then kept:reply(403) end
			if entry then sip.log("cancelled " .. tostring(entry:cancel())) end
			kept, entry = nil, nil
			return true
		end]]),
	run = function(net)
		local alice = phones(net)
		alice:request("OPTIONS", "sip:x@10.1.2.3")
		alice:expect(403)
		alice:request("MESSAGE", "sip:x@192.0.2.1")
		alice:expect(200)
		net:expect_log "cancelled true"
		rest(net)
	end,
}

flow "a reload changes it; who waits meanwhile keeps that of its generation" {
	legs = false,
	script_text = script "if msg.method == 'INFO' then sip.sleep(1) end",
	run = function(net)
		local alice, inside = phones(net)
		alice:request("INFO", "sip:x@10.1.2.3")
		net:settle()
		net:is_true(net:reload(script("", "local function is_inside() return false end")), "it loads")
		alice:request("OPTIONS", "sip:x@10.1.2.3")
		inside:expect "OPTIONS" { from = OUTSIDE }
		net:advance(1)
		inside:expect "INFO" { from = INSIDE }
	end,
}

flow "add_leg takes one too, while the script loads and in a handler" {
	legs = false,
	script_text = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher { do_retransmits = false }
local function is_inside(_, addr) return addr:find "^10%." ~= nil end
dispatcher:add_leg { "udp:192.0.2.1:5060", can_deliver_to = is_inside }
return { receive = function(msg)
	if msg.method == "MESSAGE" then
		dispatcher:add_leg { proto = "udp", addr = "192.0.2.2", can_deliver_to = function(...) return not is_inside(...) end }
		return msg:reply(200)
	end
	if msg:is_request() then msg:forward(msg.uri) end
end }]],
	run = function(net)
		local alice, _, outside = phones(net)
		alice:request("OPTIONS", "sip:x@198.51.100.8")
		alice:expect(500)
		alice:request("MESSAGE", "sip:x@192.0.2.1")
		alice:expect(200)
		alice:request("OPTIONS", "sip:x@198.51.100.8")
		outside:expect "OPTIONS" { from = OUTSIDE }
		outside:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "it holds for the leg of its address, however -l spells that" {
	legs = { "udp:192.0.2.1;advertise=192.0.2.1:5060", "udp:192.0.2.2:5060;can_deliver_to=0.0.0.0/0" },
	script_text = script "return msg:forward(msg.uri)",
	run = goes_both_ways,
}

local WRITE = ": write { \"10.0.0.0/8\" }, not "
local refusals = {
	{ '"udp:192.0.2.1:5060", can_deliver_to = 7', WRITE .. "a number" },
	{ '"udp:192.0.2.1:5060", can_deliver_to = false', WRITE .. "a boolean" },
	{ '"udp:192.0.2.1:5060", can_deliver_to = {}', WRITE .. "an empty list" },
	{ '"udp:192.0.2.1:5060", can_deliver_to = { "10.0.0.0/8", true }', WRITE .. "a list with a boolean" },
	{ '"udp:192.0.2.1:5060", can_deliver_to = { "10.0.0.0/8", nil, "10.0.0.0/8" }', WRITE .. "a list with gaps or names" },
	{ '"udp:192.0.2.1:5060", can_deliver_to = { x = 1, "10.0.0.0/8" }', WRITE .. "a list with gaps or names" },
	{ '"udp:192.0.2.1:5060", proto = "tcp", port = 7000', "proto, addr and port, not both" },
	{ '"udp:192.0.2.1:5060", addr = "192.0.2.2"', "proto, addr and port, not both" },
	{ 'false, addr = "192.0.2.2"', "proto, addr and port, not both" },
}
flow "what names no leg, or no networks, is refused with the leg, the line and what to write" {
	unloaded = true, legs = false,
	run = function(net)
		for _, legs in ipairs { '"udp:192.0.2.1:5060"', '{ "udp:192.0.2.1:5060", nil, "udp:192.0.2.2:5060" }',
			'{ udp = "192.0.2.1:5060" }' } do
			net:refuses(("return { receive = function() end, legs = %s }"):format(legs), 1, "legs must be a list without gaps and names")
		end
		for _, case in ipairs(refusals) do
			net:refuses(("return { receive = function() end,\n\tlegs = { { %s } } }"):format(case[1]), 1, "leg 1 ")
			net:refuses(("return { receive = function() end,\n\tlegs = { { %s } } }"):format(case[1]), 1, case[2])
			net:refuses(("local dispatcher = require('viaduct').dispatcher {}\ndispatcher:add_leg { %s }"):format(case[1]), 2, case[2])
		end
	end,
}

-- A word of the proxy in the Request-URI: reached from the side it leads to, if that side may reach it now.
local HIDING = [[
local sip = require "viaduct"
local proxy = sip.stateless_proxy { rewrite_key = "a key that nobody else has guessed" }
local is_shut = false
return {
	legs = {
		{ "udp:10.0.0.1:5060", can_deliver_to = function(_, addr) return addr:find "^10%%." ~= nil end },
		{ "udp:192.0.2.2:5060", can_deliver_to = function(_, addr) return not is_shut and not addr:find "^10%%." end },
	},
	receive = function(msg, leg, from)
		if msg.method == "OPTIONS" then
			is_shut = true
			return msg:reply(200)
		elseif not msg:is_request() or msg.method == "ACK" then
			return proxy:receive(msg, leg, from)
		end
		return msg:forward(msg.uri, { proxy = proxy, stateless = %s })
	end,
}]]

for is_stateless, code in pairs { [false] = 500, [true] = 503 } do
	flow(("a word leads to no address that its leg may not reach: forward with stateless = %s"):format(is_stateless)) {
		legs = false,
		script_text = HIDING:format(is_stateless),
		run = function(net)
			local alice, bob = net:phone("alice", "udp:10.0.0.7:5062"), net:phone("bob", "udp:198.51.100.8:5060")
			alice.to, bob.to = "udp:10.0.0.1:5060", "udp:192.0.2.2:5060"
			alice:request("INVITE", "sip:bob@198.51.100.8:5060")
			bob:expect "INVITE"
			bob:reply(200)
			local word = alice:expect(200):header("Contact"):match "<(.-)>"
			rest(net)
			alice:request("OPTIONS", "sip:10.0.0.1:5060")
			alice:expect(200)
			alice:request("MESSAGE", word)
			alice:expect(code)
			bob:expect_nothing()
			rest(net)
		end,
	}
end

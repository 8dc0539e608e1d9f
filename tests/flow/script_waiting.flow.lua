-- Waiting looks like a call and holds nobody up: sip.sleep, sip.after, sip.every, sip.dns.resolve.
local ALICE = "udp:198.51.100.7:5062"

local function script(text) return 'local sip = require "viaduct"\n' .. text end
local function handler(text) return script("return { receive = function(msg, leg, from)\n" .. text .. "\nend }") end

local function ask(alice, user, given) return alice:request("MESSAGE", "sip:" .. user .. "@example.com", given) end

flow "a handler that sleeps goes on after that time, and others meanwhile" {
	script_text = handler [[
		local seconds = tonumber(msg.ruri.user)
		if seconds > 0 then sip.sleep(seconds) end
		return msg:reply(200, nil, { ["X-Slept"] = seconds })]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _, seconds in ipairs { 3, 1, 0, 2, 0.25 } do
			ask(alice, seconds)
		end
		alice:expect(200) { ["X-Slept"] = 0 }
		net:advance(60)
		for _, seconds in ipairs { 0.25, 1, 2, 3 } do
			local came = alice:expect(200) { ["X-Slept"] = seconds }
			net:is_true(math.abs(came.at - seconds - 0.001) < 0.001, ("answered after %g s, at %g"):format(seconds, came.at))
		end
		net:counts { tasks_waited = 4 }
	end,
}

flow "sleeping no time at all lets others go first" {
	script_text = handler [[
		if msg.ruri.user == "patient" then sip.sleep(0) end
		return msg:reply(200, nil, { ["X-Who"] = msg.ruri.user })]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice, "patient")
		ask(alice, "hasty")
		alice:expect(200) { ["X-Who"] = "hasty" }
		alice:expect(200) { ["X-Who"] = "patient" }
	end,
}

flow "a message is whole after a wait, edits included" {
	script_text = handler [[
		msg:set_header("Subject", "edited")
		local body = msg.body
		for i = 1, 3 do sip.sleep(1) msg:add_header("X-Turn", i) end
		assert(msg.body == body)
		return msg:reply(200, msg:header "Subject", { ["X-Turns"] = #msg:headers "X-Turn", ["X-Call"] = msg.call_id,
			["X-From"] = from.ip })]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for i = 1, 20 do
			ask(alice, "x", { call_id = "call" .. i, body = ("b"):rep(i), type = "text/plain" })
		end
		net:advance(4)
		for i = 1, 20 do
			alice:expect(200) { reason = "edited", ["X-Turns"] = 3, ["X-Call"] = "call" .. i, ["X-From"] = "198.51.100.7" }
		end
	end,
}

flow "a handler may wait inside pcall and xpcall" {
	script_text = handler [[
		local ok, value = pcall(function() sip.sleep(1) return "first" end)
		local ok2, value2 = xpcall(function() sip.sleep(1) error "second" end,
			function(e) return "caught " .. tostring(e):match "%w+$" end)
		return msg:reply(200, nil, { ["X-Seen"] = tostring(ok) .. value .. tostring(ok2) .. value2 })]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice, "x")
		net:advance(2.1)
		alice:expect(200) { ["X-Seen"] = "truefirstfalsecaught second" }
	end,
}

flow "clocks of a script are those of the world" {
	script_text = handler [[
		local before, clock, wall = sip.now(), os.clock(), sip.time()
		sip.sleep(90)
		return msg:reply(200, nil, { ["X-Seen"] = ("%.0f %.0f %.0f %d %s"):format(sip.now() - before, os.clock() - clock,
			sip.time() - wall,
			os.time(), os.date("!%Y-%m-%d", os.time())) })]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice, "x")
		net:advance(91)
		alice:expect(200) { ["X-Seen"] = "90 90 90 1790000090 2026-09-21" }
	end,
}

flow "random numbers of a script come from the world: the same seed gives the same" {
	script_text = handler "return msg:reply(200, nil, { ['X-Random'] = math.random(1e9) .. '-' .. math.random() })",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice, "x")
		alice:expect(200) { ["X-Random"] = "~^%d+%-0%.%d+$" }
	end,
}

-- ---- timers ----

flow "after runs once, every again and again, and cancel stops them" {
	script_text = script [[
		local log, every, once = {}
		local function note(what) log[#log + 1] = what .. "@" .. math.floor(sip.now() - 1 + 0.5) end
		every = sip.every(10, function() note "every" end)
		sip.after(25, function() note "after" end)
		once = sip.after(26, function() note "cancelled" end)
		sip.after(35, function() every:cancel() note "stopped" end)
		sip.after(1, function() assert(once:cancel()) assert(not once:cancel()) end)
		return { receive = function(msg) return msg:reply(200, nil, { ["X-Log"] = table.concat(log, " ") }) end }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:advance(100)
		ask(alice, "x")
		alice:expect(200) { ["X-Log"] = "every@10 every@20 after@25 every@30 stopped@35" }
	end,
}

flow "a timer started by a handler outlives it, may wait, and may start others" {
	script_text = script [[
		local log = {}
		return { receive = function(msg)
			local user = msg.ruri.user
			if user ~= "log" then
				sip.after(1, function()
					sip.sleep(1)
					log[#log + 1] = user
					sip.after(1, function() log[#log + 1] = user .. "!" end)
				end)
			end
			return msg:reply(200, nil, { ["X-Log"] = table.concat(log, " ") })
		end }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice, "a")
		alice:expect(200)
		net:advance(0.5)
		ask(alice, "b")
		alice:expect(200)
		net:advance(10)
		ask(alice, "log")
		alice:expect(200) { ["X-Log"] = "a b a! b!" }
	end,
}

flow "an every that falls behind does not catch up in a burst" {
	script_text = script [[
		local runs = 0
		sip.every(0.001, function() runs = runs + 1 end)
		return { receive = function(msg) return msg:reply(200, nil, { ["X-Runs"] = runs }) end }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:advance(1)
		ask(alice, "x")
		alice:expect(200) { ["X-Runs"] = function(runs) return tonumber(runs) <= 1002 and tonumber(runs) >= 998 end }
	end,
}

flow "an error in a timer is logged, and an every goes on" {
	script_text = script [[
		local runs = 0
		sip.every(10, function() runs = runs + 1 error("tick " .. runs) end)
		return { receive = function(msg) return msg:reply(200, nil, { ["X-Runs"] = runs }) end }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:advance(35)
		net:expect_log "script.lua:3: tick 1"
		net:expect_log "script.lua:3: tick 2"
		net:expect_log "script.lua:3: tick 3"
		ask(alice, "x")
		alice:expect(200) { ["X-Runs"] = 3 }
	end,
}

-- ---- DNS ----

flow "resolve gives records with their fields" {
	script_text = handler [[
		local a, aaaa = sip.dns.resolve("h.example.net", "A"), sip.dns.resolve("h.example.net", "AAAA")
		local srv = sip.dns.resolve("_sip._udp.example.net", "SRV")[1]
		return msg:reply(200, nil, { ["X-Seen"] = table.concat({ #a, a[1].address, a[2].address, a[1].ttl, a[1].type, aaaa[1].address,
			srv.target, srv.port, srv.priority, srv.weight }, " ") })]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:dns("h.example.net", "A", "198.51.100.1")
		net:dns("h.example.net", "A", "198.51.100.2")
		net:dns("h.example.net", "AAAA", "2001:db8::5")
		net:dns("_sip._udp.example.net", "SRV", 10, 20, 5070, "pbx.example.net")
		ask(alice, "x")
		alice:expect(200) { ["X-Seen"] = "2 198.51.100.1 198.51.100.2 300 A 2001:db8::5 pbx.example.net 5070 10 20" }
	end,
}

flow "resolve tells what went wrong by text and code" {
	script_text = handler [[
		local records, text, code = sip.dns.resolve(msg.ruri.user .. ".example.net", "A", 2)
		return msg:reply(200, nil, { ["X-Seen"] = tostring(records) .. "|" .. text .. "|" .. code })]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:dns("silent.example.net", "silent")
		net:dns("broken.example.net", "fail")
		ask(alice, "nothing")
		alice:expect(200) { ["X-Seen"] = "nil|nothing.example.net A has no such record|not_found" }
		ask(alice, "broken")
		alice:expect(200) { ["X-Seen"] = "~|failed$" }
		ask(alice, "silent")
		net:advance(1.9)
		alice:expect_nothing()
		net:advance(0.2)
		alice:expect(200) { ["X-Seen"] = "~|timeout$" }
		net:advance(11) -- the cache gives a silent server longer
	end,
}

-- ---- misuse ----

local function raises(name, text, reason, answer)
	flow(name .. " raises an error that says so") {
		script_text = handler(text),
		run = function(net)
			local alice = net:phone("alice", ALICE)
			ask(alice, "x")
			alice:expect(answer or 500)
			local line = net:expect_log "script.error"
			net:is_true(line:find("script.lua:3: ", 1, true) and line:find(reason, 1, true), reason .. " at script.lua:3 in: " .. line)
		end,
	}
end

raises("waiting in a coroutine the script made", "coroutine.wrap(function() sip.sleep(1) end)()",
	"sleep must be called from the handler itself, not from a coroutine the script made")
raises("asking DNS in a coroutine the script made", "coroutine.wrap(function() sip.dns.resolve('x.example.net', 'A') end)()",
	"dns.resolve must be called from the handler itself")
raises("waiting in a callback of gsub", "local _ = ('a'):gsub('a', function() sip.sleep(1) end)",
	"sleep cannot be called inside a callback of gsub")
raises("yielding where nobody waits", "coroutine.yield()", "coroutine.yield is for coroutines the script made")
raises("sleeping for a text", "sip.sleep 'x'", "sleep takes seconds, not a string")
raises("sleeping for less than nothing", "sip.sleep(-1)", "sleep takes 0 to 86400 seconds, not -1")
raises("sleeping for a day and a second", "sip.sleep(86401)", "sleep takes 0 to 86400 seconds, not 86401")
raises("sleeping for no number", "sip.sleep(0/0)", "sleep takes 0 to 86400 seconds, not ")
raises("resolving an unknown type", "sip.dns.resolve('x.example.net', 'MX')", "dns.resolve knows A, AAAA, SRV and NAPTR, not 'MX'")
raises("resolving without a type", "sip.dns.resolve 'x.example.net'", "dns.resolve takes a name and a type")
raises("resolving for ever",
	"sip.dns.resolve('x.example.net', 'A', 61)", "more than 0 and at most 60 seconds: not 'x.example.net' in 61")
raises("resolving no name", "sip.dns.resolve(nil, 'A')", "dns.resolve takes a name and a type")
raises("resolving too long a name", "sip.dns.resolve(('x'):rep(300), 'A')", "a name to look up has 1 to 255 bytes")
raises("a timer without a function", "sip.after(5)", "after takes seconds and a function")
raises("every no seconds", "sip.every(0, function() end)", "every takes more than 0 seconds, not 0")
raises("waiting backwards", "sip.after(-1, function() end)", "after takes 0 to 31622400 seconds (366 days), not -1")

flow "coroutines of the script's own work as ever" {
	script_text = handler [[
		local numbers = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
		local sum = 0
		for i in numbers do sum = sum + i sip.sleep(1) end
		return msg:reply(200, nil, { ["X-Sum"] = sum })]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice, "x")
		net:advance(4)
		alice:expect(200) { ["X-Sum"] = 6 }
	end,
}

flow "nothing can be waited for while the script loads" {
	script_text = handler "return msg:reply(200)",
	run = function(net)
		net:refuses(script "sip.sleep(1)\nreturn { receive = print }", 2, "nothing can be waited for while the script loads")
		net:refuses(script "\nsip.dns.resolve('x.example.net', 'A')\nreturn { receive = print }", 3,
			"nothing can be waited for while the script loads")
	end,
}

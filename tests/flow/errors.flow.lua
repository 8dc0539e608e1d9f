-- What a script's error costs: its own message, a line in the log, and nothing else.
local ALICE = "udp:198.51.100.7:5062"

local function handler(text)
	return 'local sip = require "viaduct"\nreturn { receive = function(msg, leg, from)\n' .. text .. "\nend }"
end

local function ask(alice, user, method) return alice:request(method or "MESSAGE", ("sip:%s@example.com"):format(user or "x")) end

flow "an error in a handler is a 500 to the caller and a traceback with file and line in the log" {
	script_text = [[
		local function inner(msg) return msg.nothing + 1 end
		local function outer(msg)
			local sum = inner(msg)
			return sum
		end
		return { receive = function(msg)
			local result = outer(msg)
			return result
		end }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice)
		alice:expect(500) { reason = "Server Internal Error" }
		local line = net:expect_log "script.error"
		for _, place in ipairs { "script.lua:1: a message has no field or method 'nothing'", "script.lua:3 in outer", "generation=1" } do
			net:is_true(line:find(place, 1, true), place .. " in " .. line)
		end
		net:counts { script_errors = 1, replied = 1 }
	end,
}

flow "a mistake found deep in the library is traced through the script's own functions alone" {
	script_text = [[
		local sip = require "viaduct"
		local function answer(msg)
			msg:reply(200, nil, { ["X-Bad"] = {{}} })
			return true
		end
		return { receive = sip.receive_chain { function(msg)
			local answered = answer(msg)
			return answered
		end } }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice)
		alice:expect(500)
		local traceback = net:expect_log("script.error"):match 'traceback="(.-)"'
		net:is_true(traceback:gsub("[^ ]*/", ""):find "^script.lua:3 in answer < script.lua:7 in %a+$", "in: " .. traceback)
	end,
}

flow "the same error is logged once a second, then with the count of what was left out" {
	script_text = handler "error 'always'",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:advance(0.1)
		for _ = 1, 50 do
			ask(alice)
		end
		for _ = 1, 50 do
			alice:expect(500)
		end
		net:equal(net:count_log "script.error", 1, "lines in the first second")
		net:expect_log "script.lua:3: always.*suppressed=0"
		net:advance(1)
		ask(alice)
		alice:expect(500)
		net:expect_log "script.lua:3: always.*suppressed=49"
		net:counts { script_errors = 51 }
	end,
}

flow "errors at two places are logged each" {
	script_text = handler "if msg.ruri.user == 'a' then\nerror 'one'\nelse\nerror 'two'\nend",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice, "a")
		ask(alice, "b")
		alice:expect(500)
		alice:expect(500)
		net:expect_log "script.lua:4: one"
		net:expect_log "script.lua:6: two"
	end,
}

flow "an error after the answer changes nothing for the caller" {
	script_text = handler "msg:reply(486)\nerror 'late'",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice)
		alice:expect(486)
		net:expect_log "script.lua:4: late"
	end,
}

flow "an error after a wait is a 500 like any other" {
	script_text = handler "sip.sleep(1)\nerror 'after a wait'",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice)
		net:advance(1.1)
		alice:expect(500)
		net:expect_log "script.lua:4: after a wait"
	end,
}

flow "an ACK is never answered, whatever becomes of it" {
	script_text = handler "if msg.ruri.user == 'error' then error 'x' end",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice, "error", "ACK")
		ask(alice, "undecided", "ACK")
		alice:expect_nothing()
		net:expect_log "script.lua:3: x"
		net:counts { undecided_responses = 1, replied = 0 }
	end,
}

flow "a request left without a decision is answered 500 and counted, a response dropped and counted" {
	script_text = [[
		local sip = require "viaduct"
		local proxy = sip.stateless_proxy {}
		return { receive = function(msg, leg, from)
			if msg:is_request() and msg.ruri.user == "pass" then return proxy:receive(msg, leg, from) end
		end }]],
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", "udp:198.51.100.8:5060")
		ask(alice, "nobody")
		alice:expect(500)
		net:expect_log "request.undecided method=MESSAGE"
		alice:request("MESSAGE", "sip:pass@198.51.100.8")
		bob:expect "MESSAGE"
		bob:reply(200)
		alice:expect_nothing()
		net:counts { undecided_requests = 1, undecided_responses = 1, script_errors = 0 }
	end,
}

flow "errors that are no texts are explained" {
	script_text = handler [[
		local user = msg.ruri.user
		if user == "table" then error {} elseif user == "nil" then error() end
		error(setmetatable({}, { __tostring = error }))]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _, user in ipairs { "table", "nil", "object" } do
			ask(alice, user)
			alice:expect(500)
			net:advance(1)
		end
		net:expect_log "the error is a table, not a text"
		net:expect_log "the error is a nil, not a text"
		net:expect_log "the error is a table, not a text"
	end,
}

flow "an error's text with line ends and control bytes stays one line of the log" {
	script_text = handler [[error("first\r\nerror forged=yes\0\27[2J", 0)]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice)
		alice:expect(500)
		local line = net:expect_log "script.error"
		net:is_true(not line:find "%c", "no control byte in the log")
	end,
}

flow "exactly the messages whose handler fails get 500, over thousands of them" {
	script_text = [[
		local n = 0
		return { receive = function(msg)
			n = n + 1
			if n % 10 == 0 then error "every tenth" end
			return msg:reply(200)
		end }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local before
		for round = 1, 20 do
			local failed = {}
			for i = 1, 500 do
				ask(alice)
				failed[i] = i % 10 == 0
			end
			for i, came in ipairs(alice:take_all()) do
				net:equal(came.code, failed[i] and 500 or 200, "answer " .. i)
			end
			net:advance(1)
			net:equal(net:count_log "script.error" > 0, true, "a line in the log")
			while net:count_log "script.error" > 0 do
				net:expect_log "script.error"
			end
			if round == 10 then
				before = net:status().memory
			end
		end
		net:counts { script_errors = 1000, replied = 10000 }
		net:is_true(net:status().memory < 2 * before + 1e6, "memory is flat")
	end,
}

flow "one handler's error leaves those that wait alone" {
	script_text = handler "sip.sleep(2)\nif msg.ruri.user == 'bad' then error 'bad' end\nreturn msg:reply(200)",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for i = 1, 9 do
			ask(alice, i % 3 == 0 and "bad" or "good")
		end
		net:advance(2.1)
		for i = 1, 9 do
			alice:expect(i % 3 == 0 and 500 or 200)
		end
		net:expect_log "script.lua:4: bad"
	end,
}

flow "more requests than there is room for are answered 503 with Retry-After, and the rest are served" {
	script_text = handler "sip.sleep(10)\nreturn msg:reply(200)",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local text = alice:request_text("MESSAGE", "sip:x@example.com")
		for i = 1, 16484 do -- each a transaction of its own
			alice:send_bytes((text:gsub("branch=z9hG4bK", "%0" .. i)))
		end
		local refused = alice:take_all()
		net:equal(#refused, 100, "refused at once")
		refused[1] { ["Retry-After"] = 5, code = 503 }
		net:advance(11)
		net:equal(#alice:take_all(), 16384, "answered")
		net:counts { overload = 100, script_errors = 0 }
	end,
}

-- Scripts that never end, or never have enough: each costs its own message, within its budget of CPU time and memory, and
-- the next message is served (design section 7).
local ALICE = "udp:198.51.100.7:5062"
local CPU_MAX_S = 2 -- of a whole case, under a sanitizer too
local MEMORY_MB = 32

-- `bad` runs the text, `good` answers 200, `collect` shows what is really kept.
local function script(text, setup)
	return ([[
local sip = require "viaduct"
%s
local function runaway(msg)
%s
end
return { receive = function(msg)
	if msg.ruri.user == "bad" then runaway(msg) end
	if msg.ruri.user == "collect" then collectgarbage() end
	return msg:reply(200)
end }]]):format(setup or "", text)
end

local function ask(alice, user) return alice:request("MESSAGE", ("sip:%s@example.com"):format(user)) end

-- Each collection in a message of its own: all together may take longer than a short budget.
local function kept(net, alice)
	for _ = 1, 12 do
		ask(alice, "collect")
		alice:expect(200)
	end
	return net:status().memory
end

-- What went on before left neither memory nor anything else.
local function check_after(net, alice, memory, cpu)
	local after = kept(net, alice)
	net:is_true(after < memory + 500e3, ("memory returned: %d KB before, %d KB after"):format(memory / 1000, after / 1000))
	local used = core.cpu() - cpu
	net:is_true(used < CPU_MAX_S, ("at most %d s of CPU, it took %.2f s"):format(CPU_MAX_S, used))
end

local function case(name, text, expected, setup)
	flow(name .. " costs one message") {
		script_text = script(text, setup),
		memory_mb = MEMORY_MB,
		budget_ms = (expected or "") == "" and 10 or 1000, -- what ends by itself may take its time under a sanitizer
		run = function(net)
			local alice = net:phone("alice", ALICE)
			local cpu, memory = core.cpu(), kept(net, alice)
			for _ = 1, 2 do
				ask(alice, "bad")
				ask(alice, "good")
				alice:expect(500)
				alice:expect(200)
				net:advance(1)
				net:expect_log("script%.[et].*" .. (expected or "the script ran longer than its time budget"))
			end
			net:counts { script_errors = 2 }
			check_after(net, alice, memory, cpu)
		end,
	}
end

-- ---- time, in handlers ----

case("while true", "while true do end")
case("repeat until false", "repeat until false")
case("a numeric for without end", "for i = 1, math.huge do end")
case("a goto loop", "::again:: goto again")
case("a generic for over a function that never stops", "for _ in function() return true end do end")
case("a loop that calls functions", "local function f(x) return x + 1 end local n = 0 while true do n = f(n) end")
case("endless mutual tail recursion", "local a, b\nfunction a() return b() end\nfunction b() return a() end\nreturn a()")
case("endless tail recursion with an argument", "local function f(n) return f(n + 1) end return f(1)")
case("pcall in a loop", "while true do pcall(function() while true do end end) end")
case("pcall of errors in a loop", "while true do pcall(error, 'x') end")
case("xpcall whose handler loops", "xpcall(function() error 'x' end, function() while true do end end)")
case("xpcall in a loop", "while true do xpcall(function() while true do end end, function() while true do end end) end")
case("a coroutine that loops", "coroutine.wrap(function() while true do end end)()")
case("coroutines made in a loop", "while true do coroutine.wrap(function() coroutine.yield() end)() end")
case("a coroutine resumed in a loop",
	"local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end")
case("pcall around a coroutine that swallows errors",
	"local function loop() while true do pcall(function() while true do end end) end end\n"
	.. "while true do coroutine.resume(coroutine.create(loop)) end")
case("closures made in a loop", "while true do local x = {} local f = function() return x end f() end")
case("a metatable whose index function loops",
	"local t = setmetatable({}, { __index = function() while true do end end }) return t.x")
case("index functions that ask each other",
	"local a, b = {}, {} setmetatable(a, { __index = function(_, k) return b[k] end })\n"
	.. "setmetatable(b, { __index = function(_, k) return a[k] end }) return a.x",
	"")
case("a comparator that loops", "table.sort({ 3, 2, 1 }, function() while true do end end)")
case("a comparator that is never the same",
	"local t = {} for i = 1, 99999 do t[i] = i end while true do pcall(table.sort, t, function() return math.random() < 0.5 end) end")
case("a gsub callback that loops", "('x'):gsub('x', function() while true do end end)")
case("gsub over a long text in a loop", "local s = ('x'):rep(100000) while true do s:gsub('x', function() end) end")
case("arithmetic by metamethods in a loop",
	"local n = setmetatable({}, { __add = function(a) return a end }) while true do n = n + 1 end")
case("__tostring that loops", "tostring(setmetatable({}, { __tostring = function() while true do end end }))")
case("load in a loop", "while true do load('return 1')() end")
case("a loop in text that was loaded", "load('while true do end')()")
case("a loop over the message", "while true do msg:header 'Via' msg:headers 'Via' local _ = msg.from.uri.host end")
case("edits in a loop", "while true do msg:set_header('X', 'y') msg:remove_header 'X' end", "")
case("adding headers in a loop", "while true do msg:add_header('X', 'y') end", "the message would get too large")
case("provisional replies in a loop", "while true do pcall(msg.reply, msg, 99) end")
case("a loop that was compiled when it was harmless", "for _ = 1, 3 do work(1000) end work(math.huge)", nil,
	"local function work(n) local sum = 0 for i = 1, n do sum = sum + i % 7 end return sum end for _ = 1, 200 do work(1000) end")
case("recursion that was compiled when it was harmless", "down(1e15)", nil,
	"local function down(n) if n == 0 then return 0 end return down(n - 1) end for _ = 1, 500 do down(100) end")
case("a helper of a module-like table, hot before it loops", "while true do t.step() end", nil,
	"local t = { n = 0 } function t.step() t.n = t.n + 1 end for _ = 1, 10000 do t.step() end")
case("an iterator that was hot before it never ends", "for _ in upto(math.huge) do end", nil,
	"local function upto(n) local i = 0 return function() i = i + 1 if i <= n then return i end end end\n"
	.. "for _ = 1, 100 do for _ in upto(1000) do end end")
case("string.format in a loop", "while true do local _ = ('%099d'):format(5) end")

-- ---- patterns and other work in C, which nothing can interrupt ----

case("a pattern of many wildcards", "('a'):rep(2000):find(('.-'):rep(20) .. 'b')", "could take too long")
case("a pattern that backtracks", "('a'):rep(30000):match '(a*)*b'", "")
case("nested captures over a long text", "('a'):rep(10000):gsub('.-.-.-b', '')", "could take too long")
case("gmatch of many wildcards", "for _ in ('a'):rep(3000):gmatch '.-.-.-.-b' do end", "could take too long")
case("a balanced match over open brackets", "('('):rep(60000):find '%b()%b()'", "")
case("a back reference over a long text", "('a'):rep(20000):find '(.-)%1b'", "")
case("a plain search that backtracks, in a loop",
	"local s = ('a'):rep(60000) while true do s:find(('a'):rep(30000) .. 'b', 1, true) end")
case("string.rep without end", "('x'):rep(1e15)", "not enough memory")
case("string.rep of more than the state may have", "local s = ('x'):rep(60 * 1024 * 1024)", "not enough memory")
case("sorting a huge table", "local t = {} for i = 1, 200000 do t[i] = 0 end table.sort(t)", "")
case("unpack of too much", "return unpack({}, 1, 1e7)", "too many results")
case("concat of too much", "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(100000) end return table.concat(t)",
	"not enough memory")

-- ---- memory, in handlers ----

case("a string that doubles", "local s = 'x' while true do s = s .. s end", "not enough memory")
case("a string that grows bit by bit", "local s = ('x'):rep(1e6) while true do s = s .. 'y' end", "")
case("a table that grows", "local t = {} while true do t[#t + 1] = {} end", "")
case("a table with a huge hash", "local t = {} local n = 0 while true do n = n + 1 t['k' .. n] = n end", "")
case("pcall around a memory bomb, again and again",
	"while true do pcall(function() local s = 'x' while true do s = s .. s end end) end", "")
case("endless recursion", "local function f() return 1 + f() end return f()",
	"script.lua:4: stack overflow")
case("an error handler that errs",
	"local function h() error 'again' end xpcall(function() error 'x' end, h)\n"
	.. "xpcall(error, function() xpcall(error, h) h() end) error 'seen'", "")
case("__index that recurses", "local t = setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end }) return t.x", "")
case("coroutines in coroutines", "local function f() return coroutine.wrap(f)() end f()", "more than 150 coroutines")
case("coroutines in coroutines until memory ends, each mistake caught",
	"local function f() coroutine.resume(coroutine.create(f)) return f() end f()", "")
case("gsub that calls gsub", "local function f(s) return (s:gsub('.', f)) end f 'abc'", "calls back from gsub and sort, are nested")
case("gsub that reads a table that calls gsub",
	"local t = setmetatable({}, {}) getmetatable(t).__index = function() return (('abc'):gsub('.', t)) end ('a'):gsub('.', t)",
	"calls back from gsub and sort, are nested")
case("sort that calls sort", "local list = { 3, 2, 1 } local function before(a, b) table.sort({ 2, 1 }, before) return a < b end\n"
	.. "table.sort(list, before)", "calls back from gsub and sort, are nested")
case("a coroutine that is kept for each turn",
	"local kept = {} while true do local co = coroutine.create(function() coroutine.yield() end)\n"
	.. "coroutine.resume(co) kept[#kept + 1] = co end", "")

-- ---- elsewhere than in handlers ----

flow "a script that never ends loading is refused after its time, and the running one goes on" {
	script_text = script "",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local cpu = core.cpu()
		net:refuses("local n = 0\nwhile true do n = n + 1 end", 2, "the script ran longer than its time budget")
		net:is_true(core.cpu() - cpu < 4, "it took less than 4 s")
		ask(alice, "good")
		alice:expect(200)
	end,
}

flow "a script that wants too much memory while it loads is refused" {
	script_text = script "",
	memory_mb = MEMORY_MB,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _, text in ipairs {
			"local t = {} while true do t[#t + 1] = {} end", "local s = 'x' while true do s = s .. s end",
			"local function f() return 1 + f() end return f()", "local big = ('x'):rep(40e6)",
				'local x = "' .. ("x"):rep(15e6) .. '" return {}',
		} do
			local loaded, failure = net:reload(text)
			net:is_true(not loaded and (failure.text:find "not enough memory" or failure.text:find "stack overflow"),
				"it is refused for its memory: " .. tostring(failure and failure.text))
			net:expect_log "script.refused"
		end
		ask(alice, "good")
		alice:expect(200)
	end,
}

flow "without a setting the budget is a tenth of a second" {
	script_text = script "while true do end",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local cpu = core.cpu()
		ask(alice, "bad")
		alice:expect(500)
		net:expect_log "script.timeout"
		local used = core.cpu() - cpu
		net:is_true(used > 0.08 and used < 0.3, ("it took %.3f s"):format(used))
	end,
}

flow "a timer that never ends costs its own run, each time" {
	script_text = script("", "sip.every(10, function() while true do end end)\nsip.every(1, function() sip.log 'tick' end)"),
	run = function(net)
		local alice = net:phone("alice", ALICE)
		net:advance(20.5)
		for _ = 1, 2 do
			net:expect_log "script.timeout.*script.lua:2"
		end
		net:equal(net:count_log "tick", 20, "ticks of the other timer")
		ask(alice, "good")
		alice:expect(200)
		net:counts { script_timeouts = 2 }
	end,
}

flow "a timer that fills the memory costs its own run" {
	script_text = script("", "sip.every(10, function() local t = {} while true do t[#t + 1] = {} end end)"),
	memory_mb = MEMORY_MB,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local memory = kept(net, alice)
		net:advance(20.5)
		net:expect_log "script%.[et]"
		net:expect_log "script%.[et]"
		net:is_true(kept(net, alice) < memory + 500e3, "memory returned")
	end,
}

flow "a handler that runs away after a wait costs its own message" {
	script_text = script "sip.sleep(1) while true do pcall(function() while true do end end) end",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _ = 1, 3 do
			ask(alice, "bad")
		end
		ask(alice, "good")
		alice:expect(200)
		net:advance(1.1)
		for _ = 1, 3 do
			alice:expect(500)
		end
		net:expect_log "script.timeout"
	end,
}

flow "an endless handler that answered before it ran away leaves that answer" {
	script_text = script "msg:reply(486) while true do end",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice, "bad")
		alice:expect(486)
		net:expect_log "script.timeout"
	end,
}

flow "recursion that pcall stops is no harm" {
	script_text = script "local function f() pcall(f) end f()",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		ask(alice, "bad")
		alice:expect(200)
		net:counts { script_errors = 0 }
	end,
}

flow "a script that keeps all its memory fails by itself, and a reload helps" {
	-- In large pieces: the last one that does not fit leaves room enough, so it is no matter of chance what happens next.
	script_text = script("while true do kept[#kept + 1] = ('x'):rep(300000) .. #kept end", "local kept = {}"),
	memory_mb = MEMORY_MB,
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _ = 1, 5 do
			ask(alice, "bad")
			ask(alice, "good")
			for _, answer in ipairs(alice:take_all()) do
				net:is_true(answer.code == 200 or answer.code == 500 or answer.code == 503, "an answer to each")
			end
			net:advance(1)
			while net:count_log "script%.[et]" > 0 do
				net:expect_log "script%.[et]"
			end
		end
		net:is_true(net:reload(script ""), "a better one loads")
		ask(alice, "good")
		alice:expect(200)
	end,
}

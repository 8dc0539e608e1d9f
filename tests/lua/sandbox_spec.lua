local fake = require "fake_abi"

describe("the world of a script", function()
	local env, logged, in_task
	local strings = debug.getmetatable ""
	local string_index = strings.__index

	local function compile(text, name, globals) return load(text, name, "t", globals) end

	local function run(text, ...)
		local chunk = assert(load(text, "=script", "t", env))
		return chunk(...)
	end

	local function refused(text)
		local ok, reason = pcall(run, text)
		assert.is_false(ok, text .. " is allowed")
		return reason
	end

	before_each(function()
		logged = {}
		fake.install {
			vd_log = function(_, level, text, n) logged[#logged + 1] = { level, text, n } end,
			vd_now = function() return 12.5 end,
			vd_time = function() return 1790000000.75 end,
		}
		in_task = false
		require("viaduct.wait").in_task = function() return in_task end
		env = require "viaduct.sandbox"(function(name) return "module " .. name end, compile)
	end)

	after_each(function()
		strings.__index, strings.__metatable = string_index, nil
		fake.remove()
	end)

	it("has what Lua has, as far as it harms nobody", function()
		assert.equal(6, run "return select('#', pcall(error)) + #{ unpack { 1, 2, 3, 4 } }")
		assert.equal(8, run "return bit.lshift(1, 3)")
		assert.equal("a,b", run "return table.concat({ 'a', 'b' }, ',')")
		assert.equal("ABC", run "return ('abc'):upper()")
		assert.equal(run "return _G", env)
	end)

	it("lacks what could block, leave or outlive it, and says what to use", function()
		for _, name in ipairs {
			"io", "debug", "ffi", "jit", "package", "dofile", "loadfile", "module", "setfenv", "getfenv", "newproxy",
		} do
			assert.matches("^script:1: " .. name .. " ", refused("return " .. name))
			assert.is_nil(rawget(env, name))
		end
		assert.matches("print or sip.log", refused "io.open 'x'")
		assert.is_nil(run "return os.execute or os.exit or os.getenv or os.remove or os.rename or os.tmpname")
		assert.is_nil(run "return string.dump")
	end)

	it("tells of a coroutine of no function, with the line", function()
		assert.matches("^script:2: coroutine.wrap takes a function, not a number", refused "\ncoroutine.wrap(5)")
	end)

	it("tells of a name that was never declared, with the line", function()
		assert.matches("^script:2: 'mesage' is not defined", refused "local message\nreturn mesage.uri")
	end)

	it("has no globals of a script's own", function()
		assert.matches("^script:1: 'count' would be a global: write `local count", refused "count = 1")
		assert.is_nil(rawget(env, "count"))
	end)

	it("cannot be opened by its own metatables", function()
		assert.is_false(run "return getmetatable(_G)")
		assert.is_false(run "return getmetatable ''")
		refused "setmetatable(_G, {})"
	end)

	it("does not share its tables with the library", function()
		run "string.upper = nil; table.concat = nil; math.floor = nil; bit.band = nil; coroutine.wrap = nil"
		assert.is_function(string.upper)
		assert.is_function(table.concat)
		assert.is_function(math.floor)
		assert.is_function(require("bit").band)
		assert.is_function(coroutine.wrap)
	end)

	it("guards patterns, also as methods of texts", function()
		assert.matches("could take too long", refused "return ('a'):rep(3000):find '.-.-.-b'")
		assert.matches("could take too long", refused "return string.gsub(('a'):rep(3000), '.-.-.-b', '')")
		assert.matches("not enough memory", refused "return ('x'):rep(1e9)")
	end)

	it("sorts lists", function()
		assert.same({ 1, 2, 3 }, run "local list = { 3, 1, 2 } table.sort(list) return list")
		assert.same({ 3, 2 }, run "local list = { 2, 3 } table.sort(list, function(a, b) return a > b end) return list")
	end)

	it("yields in coroutines of the script only", function()
		assert.equal(7, run "return select(2, coroutine.resume(coroutine.create(function() coroutine.yield(7) end)))")
		in_task = true
		assert.matches("to wait, call sip.sleep", refused "coroutine.yield()")
	end)

	it("tells the time of the world, not of the machine", function()
		assert.equal(1790000000, run "return os.time()")
		assert.equal(12.5, run "return os.clock()")
		assert.equal("2026", run "return os.date '!%Y'")
		assert.equal("1970", run "return os.date('!%Y', 0)")
	end)

	it("collects garbage on demand, and lets nobody stop it", function()
		assert.is_number(run "return collectgarbage 'count'")
		run "collectgarbage()"
		assert.matches("takes 'collect' or 'count'", refused "collectgarbage 'stop'")
	end)

	it("prints to the log", function()
		run "print('a', 1, nil, true)"
		assert.same({ { 2, "a\t1\tnil\ttrue", 12 } }, logged)
	end)

	it("requires what it may", function()
		assert.equal("module viaduct", run "return require 'viaduct'")
	end)

	it("loads text, never bytecode, into its own world", function()
		assert.equal(3, run "return load('return 1 + 2')()")
		assert.equal(env, run "return loadstring('return _G')()")
		assert.equal(5, run "return load('return x', 'chunk', 't', { x = 5 })()")
		assert.matches("takes the text of a chunk", refused "load(function() end)")
		local chunk, reason = run "return load('return 1', 'chunk', 'b')"
		assert.is_nil(chunk)
		assert.equal("only text can be loaded", reason)
		chunk = run("return load(...)", string.dump(function() end))
		assert.is_nil(chunk)
	end)
end)

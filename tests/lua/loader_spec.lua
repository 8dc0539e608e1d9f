local fake = require "fake_abi"
local util = require "jit.util"

describe("the loader", function()
	local loader, off, read_files, folder
	local strings = debug.getmetatable ""
	local string_index = strings.__index

	local function file(name, text)
		local path = folder .. "/" .. name
		local out = assert(io.open(path, "wb"))
		out:write(text)
		out:close()
		return path
	end

	-- The loader is made for one script a state.
	local function load_script(text)
		strings.__index, strings.__metatable = string_index, nil
		return loader.script(file("script.lua", text))
	end

	-- The lines where the functions begin that the loader keeps from being compiled; 0 is the chunk itself.
	local function interpreted(text)
		off = {}
		assert(load_script(text))
		table.sort(off)
		return off
	end

	before_each(function()
		folder = os.tmpname()
		os.remove(folder)
		assert.equal(0, os.execute("mkdir " .. folder))
		read_files = {}
		fake.install { vd_load_module = function(_, path) read_files[#read_files + 1] = path:match "[^/]*$" return 0 end }
		loader = require "viaduct.loader"
		off = {}
		loader.jit_off = function(prototype) off[#off + 1] = util.funcinfo(prototype).linedefined end
	end)

	after_each(function()
		strings.__index, strings.__metatable = string_index, nil
		fake.remove()
		os.execute("rm -r " .. folder)
	end)

	describe("keeps from being compiled", function()
		local loops = {
			["while"] = "while x do x = f(x) end",
			["while true"] = "while true do if f() then break end end",
			["while with one constant path"] = "while 1 do f() end",
			["an empty while"] = "while true do end",
			["repeat"] = "repeat x = f(x) until x",
			["numeric for"] = "for i = 1, x do f(i) end",
			["for over ipairs"] = "for _, v in ipairs(x) do f(v) end",
			["for over pairs"] = "for k in pairs(x) do f(k) end",
			["for over next"] = "for k in next, x do f(k) end",
			["for over a function"] = "for v in f do x = v end",
			["goto backward"] = "::again:: x = f(x) if x then goto again end",
			["goto backward, without condition"] = "::again:: f() goto again",
			["goto into itself"] = "::again:: goto again",
			["a loop in an else"] = "if x then f() else while f() do end end",
			["a loop in a loop"] = "for i = 1, 2 do for j = 1, 2 do f(i, j) end end",
		}
		for name, text in pairs(loops) do
			it(name, function()
				assert.same({ 2 }, interpreted("local f\nlocal function g(x) " .. text .. " end\nreturn g"))
			end)
		end

		it("a loop in the chunk itself", function()
			assert.same({ 0 }, interpreted "for i = 1, 2 do local a = i end")
		end)

		it("a loop in what a script loads", function()
			local chunk = assert(load_script "return load 'while true do end'")
			off = {}
			chunk()
			assert.same({ 0 }, off)
		end)

		it("a loop in a module it requires", function()
			file("other.lua", "local M = {}\nfunction M.f() repeat until M.done end\nreturn M")
			local chunk = assert(load_script "return require 'other'")
			off = {}
			chunk()
			assert.same({ 2 }, off)
		end)
	end)

	describe("leaves to the compiler", function()
		local straight = {
			["calls and conditions"] = "if x then return f(x) elseif f(1) then x = 2 else x = 3 end return x and f(x) or f()",
			["goto forward"] = "if x then goto out end f() ::out:: return x",
			["recursion"] = "return f(g)",
			["a block that is left at once"] = "do local y = f(x) if y then return y end end",
		}
		for name, text in pairs(straight) do
			it(name, function()
				assert.same({}, interpreted("local f, g\nfunction g(x) " .. text .. " end\nreturn g"))
			end)
		end

		it("the functions around one with a loop, and inside", function()
			assert.same({ 2 }, interpreted [[local function outer(f)
				local function loops(x)
					local function inner() return x end
					while inner() do f() end
				end
				return loops
			end
			return outer]])
		end)
	end)

	it("finds modules beside the script, by dots and by init.lua", function()
		os.execute("mkdir -p " .. folder .. "/a/b " .. folder .. "/c")
		file("a/b/d.lua", "return ...")
		file("c/init.lua", "return { name = ... }")
		local chunk = assert(load_script "return require 'a.b.d', require('c').name, require 'c' == require 'c'")
		assert.same({ "a.b.d", "c", true }, { chunk() })
		assert.same({ "d.lua", "init.lua" }, read_files)
	end)

	it("gives a module the world of the script", function()
		file("other.lua", "return io")
		local ok, reason = pcall(assert(load_script "return require 'other'"))
		assert.is_false(ok)
		assert.matches("other.lua:1: io would block", reason)
	end)

	it("gives true for a module that returns nothing", function()
		file("other.lua", "")
		assert.is_true(assert(load_script "return require 'other'")())
	end)

	it("leaves the folder of the script by no name", function()
		for _, name in ipairs { "../x", "..x", "/etc/passwd", "a..b", "", "a/../b", "ffi", "jit", "viaduct.abi", "io", "string" } do
			local ok, reason = pcall(assert(load_script(("return require %q"):format(name))))
			assert.is_false(ok, name)
			assert.matches("not found: scripts may require", reason)
		end
	end)

	it("tells a module that requires itself", function()
		file("a.lua", "return require 'b'")
		file("b.lua", "return require 'a'")
		local ok, reason = pcall(assert(load_script "return require 'a'"))
		assert.is_false(ok)
		assert.matches("module 'a' requires itself", reason)
	end)

	it("tells file and line of what does not parse, here and in a module", function()
		local chunk, reason = load_script "local a = \nreturn )"
		assert.is_nil(chunk)
		assert.matches("script%.lua:2: ", reason)
		file("broken.lua", "\n\n)")
		local ok, why = pcall(assert(load_script "require 'broken'"))
		assert.is_false(ok)
		assert.matches("broken%.lua:3: ", why)
	end)

	it("takes an empty file", function()
		assert.is_function(load_script "")
	end)

	it("tells of a file that cannot be read, or is a folder", function()
		local chunk, reason = loader.script(folder .. "/none.lua")
		assert.is_nil(chunk)
		assert.matches("none%.lua: cannot be read", reason)
		strings.__index, strings.__metatable = string_index, nil
		assert.equal(folder .. ": cannot be read", select(2, loader.script(folder)))
	end)

	it("reads on after a first line for the shell, with the same line numbers", function()
		assert.is_function(load_script "#!/usr/bin/env viaduct\nreturn 1")
		local _, reason = load_script "#!/usr/bin/env viaduct\n)"
		assert.matches("script%.lua:2: ", reason)
	end)

	it("refuses bytecode", function()
		assert.is_nil((load_script(string.dump(function() end))))
	end)
end)

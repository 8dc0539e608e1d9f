local misuse = require "viaduct.blame"
local chain = require "viaduct.chain"

local function line() return debug.getinfo(2, "l").currentline end

describe("misuse", function()
	it("names the line that called the library, however deep the mistake is found", function()
		local at
		local ok, reason = pcall(function()
			at = line() + 1
			chain { methods = 1 }
		end)
		assert.is_false(ok)
		assert.matches("blame_spec%.lua:" .. at .. ": option 'methods'", reason)
	end)

	it("names no line of the library when nobody else called", function()
		local _, reason = pcall(coroutine.wrap(function() return pcall(misuse, "text") end))
		assert.is_nil(tostring(reason):find("viaduct/", 1, true))
	end)

	it("names where a callback begins, since it has returned; for one of C, who called", function()
		local at = line() + 1
		local function callback() end
		local _, reason = pcall(misuse.callback, callback, "not %d", 7)
		assert.matches("blame_spec%.lua:" .. at .. ": in the callback that begins here: not 7$", reason)
		_, reason = pcall(misuse.callback, print, "not this")
		assert.matches("blame_spec%.lua:%d+: not this$", reason)
	end)

	it("formats its message with what follows", function()
		assert.error_matches(function() misuse("%s has %d", "it", 2) end, "it has 2$")
	end)

	it("leaves a message alone that stands for itself", function()
		assert.error_matches(function() misuse "100%d" end, "100%%d$")
	end)
end)

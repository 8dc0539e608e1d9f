-- Watches what LuaJIT compiles in the state this is loaded into. Gives a function that tells what could not be
-- compiled, one line each; nil when that is nothing.
local util, vmdef = require "jit.util", require "jit.vmdef"

-- Where a trace may go on in the interpreter: each run of a handler ends in a yield.
local YIELD = "dispatch.lua:"

local complaints = {}
local last_place -- of the trace being recorded, in Lua

local function place(func, pc) return util.funcinfo(func, pc).loc or "a built-in function" end

local function complain(text, ...)
	complaints[#complaints + 1] = text:format(...)
end

local function why(code, detail)
	if type(detail) == "function" then
		detail = place(detail)
	end
	return vmdef.traceerr[code]:format(detail)
end

jit.attach(function(_, func, pc) last_place = util.funcinfo(func, pc).loc or last_place end, "record")

jit.attach(function(what, trace, func, pc, code, detail)
	if what == "abort" then
		local reason = why(code, detail)
		-- other reasons, such as a loop that is not hot yet, are tried again from elsewhere
		if reason:find "NYI" or reason:find "blacklisted" then
			complain("%s: %s", place(func, pc), reason)
		end
	elseif what == "stop" and util.traceinfo(trace).linktype == "stitch" and not last_place:find(YIELD, 1, true) then
		complain("%s: calls what is not compiled", last_place)
	end
end, "trace")

return function() return complaints[1] and table.concat(complaints, "\n") end

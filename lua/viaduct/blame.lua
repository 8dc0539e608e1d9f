-- Errors for misuse, told with the place in the user's script, however deep in the library they are found.
local getinfo, sub, format = debug.getinfo, string.sub, string.format
local here = string.match(getinfo(1, "S").source, "^(.*[/\\])")

local M = {}
local handler -- a function of the script, for mistakes in a tail call, which leaves no trace of its line

function M.handler_is(fn) handler = fn end

local function place()
	for level = 3, 40 do
		local info = getinfo(level, "Sl")
		if not info then
			break
		end
		if info.currentline > 0 and sub(info.source, 1, #here) ~= here then
			return format("%s:%d: ", info.short_src, info.currentline)
		end
	end
	local info = handler and getinfo(handler, "S")
	return info and format("%s:%d: in the handler that begins here: ", info.short_src, info.linedefined) or ""
end

--- Raises an error that names the line of the script that called the library.
---@param message string what is wrong and what to write instead
---@param ... any for string.format
local function misuse(message, ...)
	if select("#", ...) > 0 then
		message = format(message, ...)
	end
	error(place() .. message, 0)
end

return setmetatable(M, { __call = function(_, ...) return misuse(...) end })

-- Errors for misuse, told with the place in the user's script, however deep in the library they are found.
local getinfo, sub, format = debug.getinfo, string.sub, string.format
local here = string.match(getinfo(1, "S").source, "^(.*[/\\])")

local M = {}
local receiver -- where what receives begins, for mistakes that no line of the script leads to

-- "script.lua:7: "; nil for a function of C.
local function beginning(fn, what)
	local info = getinfo(fn, "S")
	return info.what ~= "C" and format("%s:%d: in the %s that begins here: ", info.short_src, info.linedefined, what) or nil
end

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
	return receiver or ""
end

--- The receiver of the script: a function, which a tail call leaves without a line, or an element of the library.
---@param given any
---@param where string|nil "script.lua:7: ", the place that names an element; nil: here
function M.receiver_is(given, where)
	receiver = type(given) == "function" and beginning(given, "handler")
		or (where or place()) .. "in the receiver that is named here: "
end

--- Raises an error about what a callback of the script gave: it has returned, so the place told is where it begins.
---@param callback function
---@param message string what is wrong and what to write instead
---@param ... any for string.format
function M.callback(callback, message, ...)
	error((beginning(callback, "callback") or place()) .. format(message, ...), 0)
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

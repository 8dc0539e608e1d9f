-- Errors for misuse, told with the place in the user's script, however deep in the library they are found.
local running = coroutine.running
local getinfo, sub, format = debug.getinfo, string.sub, string.format
local here = string.match(getinfo(1, "S").source, "^(.*[/\\])")

local M = {}
-- For mistakes that no line of the script leads to: where what receives begins, and the callback that runs in a coroutine.
local receiver
local callbacks = setmetatable({}, { __mode = "k" })

local function is_ours(info) return sub(info.source, 1, #here) == here end

-- "script.lua:7: "; nil for a function of C or of the library.
local function beginning(fn, what)
	local info = getinfo(fn, "S")
	if info.what == "C" or is_ours(info) then
		return nil
	end
	return format("%s:%d: in the %s that begins here: ", info.short_src, info.linedefined, what)
end

local function place()
	for level = 3, 40 do
		local info = getinfo(level, "Sl")
		if not info then
			break
		end
		if info.currentline > 0 and not is_ours(info) then
			return format("%s:%d: ", info.short_src, info.currentline)
		end
	end
	local callback = callbacks[running()]
	return callback and beginning(callback, "callback") or receiver or ""
end

local function ends(thread, before, ...)
	callbacks[thread] = before
	return ...
end

--- Runs a callback of the script, to be named for mistakes in its tail calls. When it raises, its coroutine is used no more.
---@param callback function
---@param ... any its arguments
---@return any ... its results
function M.run(callback, ...)
	local thread = running()
	local before = callbacks[thread]
	callbacks[thread] = callback
	return ends(thread, before, callback(...))
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

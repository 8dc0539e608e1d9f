-- Waiting and timers: a wait looks like a call, and suspends its handler only.
local abi = require "viaduct.abi"
local misuse = require "viaduct.blame"

local C, script = abi.C, abi.script
local running, yield, yieldable = coroutine.running, coroutine.yield, coroutine.isyieldable

local M = {}

-- Coroutines the engine runs handlers in; a yield from any other would reach the script, not the engine.
local tasks = setmetatable({}, { __mode = "k" })

function M.enter() tasks[running()] = true end

-- What runs here may not wait: `what` names it. When it raises, its coroutine is used no more.
function M.without(what, run)
	local thread = running()
	tasks[thread] = what
	run()
	tasks[thread] = true
end

function M.in_task() return tasks[running()] or false end

function M.is_task(thread) return thread ~= nil and tasks[thread] or false end

-- After C has filed the wish of the running task; what follows says what is wrong with it when C does not take it.
local function suspend(what, filed, ...)
	if filed == C.VD_REFUSED then
		misuse("%s waits, and nothing can be waited for while the script loads", what)
	elseif filed == C.VD_LIMIT then
		return false
	elseif filed ~= C.VD_OK then
		misuse(...)
	end
	yield()
	return true
end

local function check_place(what)
	local place = tasks[running()]
	if not place then
		misuse("%s must be called from the handler itself, not from a coroutine the script made", what)
	elseif place ~= true then
		misuse("%s waits, and %s has to answer at once: ask before, and keep the answer where it finds it", what, place)
	elseif not yieldable() then
		misuse("%s cannot be called inside a callback of gsub, sort or the like: collect first, then wait", what)
	end
end

--- Waits; other messages go on.
---@param seconds number 0 to 86400
function M.sleep(seconds)
	if type(seconds) ~= "number" then
		misuse("sleep takes seconds, not a %s", type(seconds))
	end
	check_place "sleep"
	suspend("sleep", C.vd_wait_sleep(script, seconds), "sleep takes 0 to 86400 seconds, not %s", tostring(seconds))
end

-- True when asked; the answer is then in C.
function M.lookup(kind, name, timeout)
	check_place "dns.resolve"
	return suspend("dns.resolve", C.vd_wait_lookup(script, kind, name, #name, timeout),
		"a name to look up has 1 to 255 bytes, and the time for it is more than 0 and at most 60 seconds: not '%s' in %s",
		name:sub(1, 60), tostring(timeout))
end

-- Where a request goes whose next hop is a name.
function M.target(proxy, handle)
	check_place "receive of a stateless proxy"
	suspend("receive of a stateless proxy", C.vd_wait_target(script, proxy, handle), "this message has no next hop to look up")
end

-- Where a URI leads; the answer is then in C.
function M.resolve(uri)
	check_place "resolve_uri"
	suspend("resolve_uri", C.vd_wait_resolve(script, uri, #uri), "'%s' is no URI: write sip:bob@192.0.2.4", uri)
end

-- For what another module has filed.
M.check_place = check_place

-- ---- timers ----

local callbacks = {}

function M.fire(id)
	local entry = callbacks[id]
	if not entry then
		return
	end
	if not entry.every then
		callbacks[id] = nil
	end
	misuse.run(entry.callback, entry.timer)
end

--- A timer that was started by after or every.
---@class viaduct.Timer
local Timer = {}
local timer_mt = {
	__name = "viaduct.Timer",
	__metatable = false,
	__index = Timer,
	__newindex = function() misuse "a timer cannot be changed" end,
}

--- Stops the timer; nothing happens when it is over.
---@return boolean stopped
function Timer:cancel()
	callbacks[self.id] = nil
	return C.vd_timer_stop(script, self.id) == C.VD_OK
end

local LONGEST = 366 * 86400 -- seconds

local function start(what, seconds, every, callback)
	if type(seconds) ~= "number" or type(callback) ~= "function" then
		misuse("%s takes seconds and a function: write sip.%s(10, function() ... end)", what, what)
	end
	if what == "every" and seconds <= 0 then
		misuse("every takes more than 0 seconds, not %s", tostring(seconds))
	end
	local id = C.vd_timer_start(script, seconds, every)
	if id == C.VD_LIMIT then
		misuse("%s: too many timers are running", what)
	elseif id < 0 then
		local wrong = seconds >= 0 and seconds <= LONGEST and every or seconds
		misuse("%s takes 0 to %d seconds (366 days), not %s", what, LONGEST, tostring(wrong))
	end
	local timer = setmetatable({ id = id }, timer_mt)
	callbacks[id] = { callback = callback, every = every > 0, timer = timer }
	return timer
end

--- Calls a function once. A timer made while the script loads ends with the script's time as the running one.
---@param seconds number
---@param callback fun(timer: viaduct.Timer)
---@return viaduct.Timer
function M.after(seconds, callback) return start("after", seconds, 0, callback) end

-- For the dispatcher's add_timer: first after `seconds`, then each `every`; 0: once.
function M.timer(seconds, callback, every) return start("add_timer", seconds, every, callback) end

--- Calls a function again and again, until cancelled or another script takes over.
---@param seconds number more than 0
---@param callback fun(timer: viaduct.Timer)
---@return viaduct.Timer
function M.every(seconds, callback)
	return start("every", seconds, type(seconds) == "number" and seconds or 0, callback)
end

return M

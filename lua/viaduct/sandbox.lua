-- The world a script sees: Lua without what could block the engine, leave the sandbox or outlive the script. Names that
-- were never declared raise, so a forgotten `local` is found at its first use.
local abi = require "viaduct.abi"
local depth = require "viaduct.depth"
local misuse = require "viaduct.blame"
local pattern = require "viaduct.pattern"
local wait = require "viaduct.wait"

local C, script = abi.C, abi.script

local function copy(from)
	local to = {}
	for key, value in pairs(from) do
		to[key] = value
	end
	return to
end

local function safe_string()
	local lib = copy(string)
	lib.dump = nil
	for _, name in ipairs { "find", "match", "gmatch", "gsub", "rep" } do
		lib[name] = pattern[name]
	end
	return lib
end

local function less(a, b) return a < b end
-- Interpreted, so that the time budget can stop a sort: the one built in is C, and quadratic on lists made for it.
require("jit").off(less)

local function safe_table()
	local lib = copy(table)
	function lib.sort(list, before) return depth.call(table.sort, list, before or less) end
	return lib
end

-- A handler's own coroutine belongs to the engine: scripts neither see nor resume it.
local function safe_coroutine()
	local lib = copy(coroutine)
	local yield, resume, running = coroutine.yield, coroutine.resume, coroutine.running
	local in_task, is_task = wait.in_task, wait.is_task
	function lib.yield(...)
		if in_task() then
			error("coroutine.yield is for coroutines the script made: to wait, call sip.sleep or another waiting function", 2)
		end
		return yield(...)
	end
	function lib.running()
		if in_task() then
			return nil
		end
		return running()
	end
	function lib.resume(thread, ...)
		if is_task(thread) then
			error("coroutine.resume is for coroutines the script made", 2)
		end
		depth.enter()
		return depth.leave(resume(thread, ...))
	end
	function lib.wrap(fn)
		if type(fn) ~= "function" then
			misuse("coroutine.wrap takes a function, not a %s", type(fn))
		end
		local thread = lib.create(fn)
		return function(...) return depth.returned(lib.resume(thread, ...)) end
	end
	return lib
end

local function safe_os()
	return {
		time = function(at) return at and os.time(at) or math.floor(C.vd_time(script)) end,
		clock = function() return C.vd_now(script) end,
		date = function(format, at) return os.date(format, at or math.floor(C.vd_time(script))) end,
		difftime = os.difftime,
	}
end

local function safe_collectgarbage(what)
	if what == nil or what == "collect" or what == "count" then
		return collectgarbage(what or "collect")
	end
	error("collectgarbage takes 'collect' or 'count' here", 2)
end

local function handled(handler, ok, ...)
	if ok then
		return true, ...
	end
	local _, explained = pcall(handler, ...)
	return false, explained
end

-- A real xpcall runs its handler inside the hook that stops a script out of time, where no hook can stop the handler.
-- Without `debug`, a handler that runs after the error sees the same.
local function safe_xpcall(run, handler, ...) return handled(handler, pcall(run, ...)) end

local function print_to_log(...)
	local parts = {}
	for i = 1, select("#", ...) do
		parts[i] = tostring((select(i, ...)))
	end
	local line = table.concat(parts, "\t")
	C.vd_log(script, 2, line, #line)
end

local absent = {
	io = "io would block the engine: pass settings with -D KEY=VALUE, write with print or sip.log",
	debug = "debug is not available to scripts",
	ffi = "ffi is not available to scripts",
	jit = "jit is not available to scripts",
	package = "package is not available to scripts: use require",
	dofile = "dofile is not available to scripts: use require",
	loadfile = "loadfile is not available to scripts: use require",
	module = "module is not available: return a table from the file and require it",
	setfenv = "setfenv is not available to scripts",
	getfenv = "getfenv is not available to scripts",
	newproxy = "newproxy is not available to scripts",
}

local strict_mt = {
	__metatable = false,
	__index = function(_, name)
		misuse("%s", absent[name] or ("'%s' is not defined"):format(tostring(name)))
	end,
	__newindex = function(_, name)
		misuse("'%s' would be a global: write `local %s = ...`", tostring(name), tostring(name))
	end,
}

--- Makes the global environment of a script.
---@param require_module fun(name: string): any
---@param compile fun(text: string, name: string, env: table): function|nil, string|nil
---@return table
local function sandbox(require_module, compile)
	local env = {
		_VERSION = _VERSION,
		assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, pcall = pcall,
		rawequal = rawequal, rawget = rawget, rawset = rawset, select = select, setmetatable = setmetatable,
		getmetatable = getmetatable, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
		xpcall = safe_xpcall, bit = copy(require "bit"), math = copy(math), string = safe_string(), table = safe_table(),
		coroutine = safe_coroutine(), os = safe_os(), collectgarbage = safe_collectgarbage, print = print_to_log,
		require = require_module,
	}
	env._G = env
	local function load_text(text, name, mode, given)
		if type(text) ~= "string" then
			error("load takes the text of a chunk here, not a " .. type(text), 2)
		end
		if mode ~= nil and mode ~= "t" and mode ~= "bt" then
			return nil, "only text can be loaded"
		end
		return compile(text, name or "=(load)", given or env)
	end
	env.load, env.loadstring = load_text, load_text
	getmetatable("").__index = safe_string() -- a copy of its own: what a script changes in `string` stays there
	getmetatable("").__metatable = false
	return setmetatable(env, strict_mt)
end

return sandbox

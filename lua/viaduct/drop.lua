-- Messages not worth an answer: scanners by what they say, floods by where they come from.
local abi = require "viaduct.abi"
local misuse = require "viaduct.blame"
local options = require "viaduct.options"
local pattern = require "viaduct.pattern"

local C, script, rate = abi.C, abi.script, abi.rate
local handle_of = require("viaduct.message").handle

local VALUE_LEAST = 1024 -- bytes of a header that any pattern must be quick enough for
local ATTEMPTS_MAX, INTERVAL_MAX = 1e6, 86400

-- ---- which messages ----

-- nil: all; else requests of the methods named, and responses when one of the names is empty.
local function is_meant(wanted, message)
	if not wanted then
		return true
	end
	return message:is_request() and wanted[message.method] or (wanted[""] and message:is_response()) or false
end

-- ---- by field ----

-- A value longer than the pattern may be tried on is taken for a match: nobody gets by with a longer header.
local function pattern_test(text)
	if not pcall(string.find, "", text) then
		misuse("'%s' is no pattern", text:sub(1, 100))
	end
	local longest = pattern.limit(text)
	if longest < VALUE_LEAST then
		misuse("pattern '%s' could take too long on a header: anchor it with ^, or search a plain text", text:sub(1, 100))
	end
	return function(value) return #value > longest or value:find(text) ~= nil end
end

-- A plain text, found anywhere, letter case aside; { pattern = "..." }; or a function(value, message).
local function test_of(name, given)
	if type(given) == "function" then
		return given
	elseif type(given) == "string" and given ~= "" then
		local text = given:lower()
		return function(value) return value:lower():find(text, 1, true) ~= nil end
	elseif type(given) == "table" and type(given.pattern) == "string" then
		options.check("a pattern of by_field", given, { pattern = "string" })
		return pattern_test(given.pattern)
	end
	misuse('by_field of drop: %s needs a text, a list of texts, { pattern = "..." } or a function(value, message)', name)
end

local function tests_of(name, given)
	if type(given) ~= "table" or given.pattern ~= nil then
		return { test_of(name, given) }
	end
	local tests = {}
	for index = 1, #given do
		tests[index] = test_of(name, given[index])
	end
	if #tests == 0 then
		misuse("by_field of drop: the list of %s is empty", name)
	end
	return tests
end

local function any_value(message, name, tests)
	for _, value in ipairs(message:headers(name)) do
		for _, test in ipairs(tests) do
			if test(value, message) then
				return true
			end
		end
	end
	return false
end

local function by_field(given)
	local wanted = options.methods("drop.by_field", given.methods, true)
	local names, tests = {}, {}
	for name, value in pairs(given) do
		if name ~= "methods" then
			if type(name) ~= "string" or not name:find "^[%w%-.!%%*_+`'~]+$" then
				misuse("by_field of drop: '%s' is no header name", tostring(name))
			end
			names[#names + 1] = name
			tests[name] = tests_of(name, value)
		end
	end
	if #names == 0 then
		misuse 'by_field of drop names headers: write by_field = { ["User-Agent"] = "friendly-scanner" }'
	end
	table.sort(names)
	return function(message)
		if is_meant(wanted, message) then
			for _, name in ipairs(names) do
				if any_value(message, name, tests[name]) then
					return C.VD_DROP_FIELD, name
				end
			end
		end
		return nil
	end
end

-- ---- by source ----

local same = {} -- how many limits of these numbers the script has made: each counts for itself

-- The name of a limit is made of its numbers, so that the same script, loaded again, goes on counting.
local function name_of(given, wanted)
	local methods = {}
	for method in pairs(wanted or {}) do
		methods[#methods + 1] = method
	end
	table.sort(methods)
	local name = ("%d/%.17g/%s/%s"):format(given.attempts, given.interval, tostring(given.per_port), table.concat(methods, ","))
	same[name] = (same[name] or 0) + 1
	return ("%s#%d"):format(name, same[name])
end

local function by_source(given)
	options.check("drop.by_source", given, {
		attempts = "number", interval = "number", methods = "table", per_port = "boolean",
	})
	local attempts, interval = given.attempts, given.interval
	if not attempts or attempts ~= math.floor(attempts) or attempts < 1 or attempts > ATTEMPTS_MAX then
		misuse "by_source of drop needs attempts, a whole number: write by_source = { attempts = 10, interval = 60 }"
	elseif not interval or not (interval >= 0.001 and interval <= INTERVAL_MAX) then
		misuse "by_source of drop needs interval in seconds, at most a day: write by_source = { attempts = 10, interval = 60 }"
	end
	local wanted = options.methods("drop.by_source", given.methods, true)
	local name, per_port = name_of(given, wanted), given.per_port and 1 or 0
	return function(message)
		if not is_meant(wanted, message) then
			return nil
		end
		rate.attempts, rate.interval, rate.per_port = attempts, interval, per_port
		local allowed = C.vd_message_rate(script, handle_of(message, "drop:receive"), rate, name, #name)
		return allowed == 0 and C.VD_DROP_SOURCE or nil, "source"
	end
end

-- ---- by callback ----

local function by_callbacks(list)
	if #options.list("cbs of drop", list, "cbs = { function(message, leg, from) ... end }") == 0 then
		misuse "cbs of drop is empty: leave it out"
	end
	for index, callback in ipairs(list) do
		if type(callback) ~= "function" then
			misuse("callback %d of drop must be a function(message, leg, from)", index)
		end
	end
	return function(message, leg, from)
		for _, callback in ipairs(list) do
			if callback(message, leg, from) then
				return C.VD_DROP_SCRIPT, "callback"
			end
		end
		return nil
	end
end

-- ---- the element ----

--- Drops messages without an answer, counted by reason; others are left to the next element.
---@class viaduct.Drop
local Drop = {}
local drop_mt = {
	__name = "viaduct.Drop",
	__metatable = false,
	__index = Drop,
	__newindex = function() misuse "an element of sip.drop cannot be changed" end,
}

--- Drops the message when one of the tests says so.
---@param message viaduct.Message
---@param leg viaduct.Leg
---@param from viaduct.Source
---@return boolean dropped
function Drop:receive(message, leg, from)
	for _, test in ipairs(self.tests) do
		local why, reason = test(message, leg, from)
		if why then
			C.vd_message_drop(script, handle_of(message, "drop:receive"), why, reason, #reason)
			return true
		end
	end
	return false
end

--- Makes an element that drops messages. `by_field`: header name to a text (found anywhere, letter case aside), a list of
--- texts, { pattern = "..." } or a function(value, message). `by_source`: of each address `attempts` messages in `interval` seconds
--- pass; who goes on stays out; counts survive reloads. Both take `methods`, in which "" means responses. `per_port` tells ports apart.
---@param given table `by_field`, `by_source` { attempts, interval, methods, per_port }, `cb` function(message, leg, from), `cbs` a list of them
---@return viaduct.Drop
local function drop(given)
	given = options.check("drop", given, {
		by_field = "table", by_source = "table", cb = "function", cbs = "table", dispatcher = "dispatcher",
	})
	local tests = {}
	if given.by_field then
		tests[#tests + 1] = by_field(given.by_field)
	end
	if given.cb or given.cbs then
		tests[#tests + 1] = by_callbacks(given.cbs or { given.cb })
	end
	if given.by_source then
		tests[#tests + 1] = by_source(given.by_source)
	end
	if #tests == 0 then
		misuse "drop needs by_field, by_source, cb or cbs: write sip.drop { by_source = { attempts = 10, interval = 60 } }"
	elseif given.cb and given.cbs then
		misuse "drop takes cb or cbs, not both"
	end
	return setmetatable({ tests = tests }, drop_mt)
end

return drop

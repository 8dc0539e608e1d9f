-- Checking what a script hands over: names and types, with the mistake told where it was made.
local misuse = require "viaduct.blame"

local options = {}

local function known_names(known)
	local names = {}
	for name in pairs(known) do
		names[#names + 1] = name
	end
	table.sort(names)
	return table.concat(names, ", ")
end

local dispatcher -- the one of the script, when it has made it

function options.dispatcher_is(made) dispatcher = made end

local function check_type(what, name, value, wanted)
	if wanted == "dispatcher" and (value == nil or not rawequal(value, dispatcher)) then
		misuse("option 'dispatcher' of %s is what sip.dispatcher { ... } gave: give that, or leave it out", what)
	elseif wanted ~= "dispatcher" and wanted ~= "any" and not wanted:find(type(value), 1, true) then
		misuse("option '%s' of %s must be a %s, not a %s", name, what, wanted, type(value))
	end
end

--- Checks a table of named options: unknown names and wrong types raise.
---@param what string the constructor's name, for the error
---@param given table|nil
---@param known table<string, string> name to type; "any" allows all, "dispatcher" that of the script alone
---@return table given or an empty table
function options.check(what, given, known)
	if given == nil then
		return {}
	end
	if type(given) ~= "table" then
		misuse("%s takes a table of options: write %s { ... }", what, what)
	end
	for name, value in pairs(given) do
		local wanted = known[name]
		if not wanted then
			misuse("%s has no option '%s'; it knows: %s", what, tostring(name), known_names(known))
		end
		check_type(what, name, value, wanted)
	end
	return given
end

--- True for a table that is a list: 1, 2, 3 ... without gaps, and no names.
---@param given any
---@return boolean
function options.is_list(given)
	local count = 0
	for key in pairs(type(given) == "table" and given or {}) do
		count = type(key) == "number" and count + 1 or math.huge
	end
	return type(given) == "table" and count == #given
end
require("jit").off(options.is_list) -- compiled, a count over pairs came out wrong now and then

--- Checks that a table is a list: 1, 2, 3 ... without gaps, and no names.
---@param what string what it is called, for the error
---@param list any
---@param example string what to write instead
---@return table list
function options.list(what, list, example)
	if not options.is_list(list) then
		misuse("%s: a list without gaps and names is wanted: write %s", what, example)
	end
	return list
end

--- Checks one argument's type.
function options.argument(what, value, wanted)
	if type(value) ~= wanted then
		misuse("%s must be a %s, not %s", what, wanted, value == nil and "nil" or "a " .. type(value))
	end
	return value
end

--- Checks the name of a method (RFC 3261 7.1: letter case counts).
---@param method any
---@param where string what it stands in, for the error
---@return string method
function options.method(method, where)
	if type(method) ~= "string" or not method:find "^[%w%-.!%%*_+`'~]+$" then
		misuse("%s: '%s' is no method: write \"INVITE\", \"BYE\" and the like", where, tostring(method))
	elseif method:find "%l" then
		misuse("%s: '%s' is no method that anybody sends, for letter case counts: write %s", where, method, method:upper())
	end
	return method
end

--- Checks a list of method names.
---@param what string the constructor's name, for the error
---@param list string[]|nil { "INVITE", "REGISTER" }; "" stands for responses where `with_responses` is set
---@param with_responses boolean|nil
---@return table<string, true>|nil wanted nil for nil
function options.methods(what, list, with_responses)
	if list == nil then
		return nil
	end
	local wanted, where = {}, "methods of " .. what
	for _, method in ipairs(options.list(where, list, 'methods = { "INVITE", "BYE" }')) do
		if not (with_responses and method == "") then
			options.method(method, where)
		end
		wanted[method] = true
	end
	if not next(wanted) then
		misuse('methods of %s names none: write methods = { "INVITE" }, or leave it out for all', what)
	end
	return wanted
end

return options

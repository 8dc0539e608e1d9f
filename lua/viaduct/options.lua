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

--- Checks a table of named options: unknown names and wrong types raise.
---@param what string the constructor's name, for the error
---@param given table|nil
---@param known table<string, string> name to type; "any" allows all
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
		elseif wanted ~= "any" and not wanted:find(type(value), 1, true) then
			misuse("option '%s' of %s must be a %s, not a %s", name, what, wanted, type(value))
		end
	end
	return given
end

--- Checks one argument's type.
function options.argument(what, value, wanted)
	if type(value) ~= wanted then
		misuse("%s must be a %s, not %s", what, wanted, value == nil and "nil" or "a " .. type(value))
	end
	return value
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
	local wanted, n = {}, 0
	for key, method in pairs(list) do
		local is_method = type(method) == "string" and method:find "^[%w%-.!%%*_+`'~]+$"
		if type(key) ~= "number" or not (is_method or (with_responses and method == "")) then
			misuse('methods of %s is a list of method names: write methods = { "INVITE", "BYE" }', what)
		end
		wanted[method] = true
		n = n + 1
	end
	if n == 0 then
		misuse('methods of %s names none: write methods = { "INVITE" }, or leave it out for all', what)
	end
	return wanted
end

return options

-- ";name=value" parameters as a table; used by URIs and addresses.
local abi = require "viaduct.abi"

local C, script, name, value, index, text = abi.C, abi.script, abi.value, abi.value2, abi.index, abi.text

local function unescaped(given)
	return (given:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- Names in lower case; a parameter without value is true.
---@param params string|nil from its first ';' on
---@param of_uri boolean|nil escapes in a name count as what they stand for (RFC 3261 19.1.4)
---@return table<string, string|true>
local function parse(params, of_uri)
	local parsed = {}
	if not params then
		return parsed
	end
	index[0] = 0
	while C.vd_param_next(script, params, #params, index, name, value) == C.VD_OK do
		local key = text(name)
		key = (of_uri and unescaped(key) or key):lower()
		if parsed[key] == nil then
			parsed[key] = text(value) or true
		end
	end
	return parsed
end

return parse

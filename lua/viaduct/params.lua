-- ";name=value" parameters as a table; used by URIs and addresses.
local abi = require "viaduct.abi"

local C, script, name, value, index, text = abi.C, abi.script, abi.value, abi.value2, abi.index, abi.text

--- Names in lower case; a parameter without value is true.
---@param params string|nil from its first ';' on
---@return table<string, string|true>
local function parse(params)
	local parsed = {}
	if not params then
		return parsed
	end
	index[0] = 0
	while C.vd_param_next(script, params, #params, index, name, value) == C.VD_OK do
		local key = text(name):lower()
		if parsed[key] == nil then
			parsed[key] = text(value) or true
		end
	end
	return parsed
end

return parse

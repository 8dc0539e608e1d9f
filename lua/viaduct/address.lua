-- name-addr values: From, To, Contact, Route ...
local abi = require "viaduct.abi"
local misuse = require "viaduct.blame"
local parse_params = require "viaduct.params"
local uri = require "viaduct.uri"

local C, script, parsed, text = abi.C, abi.script, abi.address, abi.text

--- A parsed name-addr or addr-spec with header parameters.
---@class viaduct.Address
---@field text string all of it
---@field display string|nil without quotes
---@field uri viaduct.Uri|nil
---@field params table<string, string|true> names in lower case
---@field tag string|nil
local known = { display = true, uri = true, tag = true } -- may be absent
local address_mt = {
	__name = "viaduct.Address",
	__metatable = false,
	__tostring = function(self) return self.text end,
	__index = function(self, key)
		local part = self[1][key]
		if part == nil and not known[key] then
			misuse("an address has no field '%s'", tostring(key))
		end
		return part
	end,
	__newindex = function() misuse "a parsed address is read-only: use msg:set_header(name, text)" end,
}

--- Parses one value of From, To, Contact, Route and their like.
---@param source string
---@return viaduct.Address|nil
---@return string|nil message
---@return string|nil code "syntax"
local function address(source)
	if type(source) ~= "string" then
		misuse("an address must be a string, not a %s", type(source))
	end
	if C.vd_address_parse(script, source, #source, parsed) ~= C.VD_OK then
		return nil, ("'%s' is no address"):format(source:sub(1, 100)), "syntax"
	end
	local display = text(parsed.display)
	local uri_text, params = text(parsed.uri), parse_params(text(parsed.params))
	return setmetatable({ {
		text = source,
		display = display ~= "" and display or nil,
		uri = uri(uri_text),
		params = params,
		tag = params.tag,
	} }, address_mt)
end

return address

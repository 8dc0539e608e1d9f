-- URIs as values: sip.uri "sip:alice@example.com;transport=tcp".
local abi = require "viaduct.abi"
local misuse = require "viaduct.blame"
local parse_params = require "viaduct.params"

local C, parsed, text = abi.C, abi.uri, abi.text

--- A parsed URI; a value: changing a message needs msg:set_uri.
---@class viaduct.Uri
---@field text string all of it
---@field scheme string lower case
---@field user string|nil as written, escapes kept
---@field password string|nil
---@field host string lower case; IPv6 in brackets
---@field port integer|nil
---@field params table<string, string|true> names in lower case
---@field headers string|nil after '?'
local known = { user = true, password = true, port = true, headers = true } -- may be absent
local uri_mt = {
	__name = "viaduct.Uri",
	__metatable = false,
	__tostring = function(self) return self.text end,
	__eq = function(a, b) return a.text == b.text end,
	-- The parts are kept one step away, so that writing to any of them raises.
	__index = function(self, key)
		local parts = self[1]
		if key == "params" and not parts.params then
			parts.params = parse_params(parts.params_text, true)
		end
		local part = parts[key]
		if part == nil and not known[key] then
			misuse("a URI has no field '%s'", tostring(key))
		end
		return part
	end,
	__newindex = function() misuse "a parsed URI is read-only: build the text you want and use msg:set_uri(text)" end,
}

--- Parses a URI of any scheme.
---@param source string
---@return viaduct.Uri|nil
---@return string|nil message
---@return string|nil code "syntax"
local function uri(source)
	if type(source) ~= "string" then
		misuse("a URI must be a string, not a %s", type(source))
	end
	if C.vd_uri_parse(source, #source, parsed) ~= C.VD_OK then
		return nil, ("'%s' is no URI"):format(source:sub(1, 100)), "syntax"
	end
	return setmetatable({ {
		text = source,
		scheme = text(parsed.scheme):lower(),
		user = text(parsed.user),
		password = text(parsed.password),
		host = (text(parsed.host) or ""):lower(),
		port = parsed.port ~= 0 and parsed.port or nil,
		params_text = text(parsed.params) or "",
		headers = text(parsed.headers),
	} }, uri_mt)
end

return uri

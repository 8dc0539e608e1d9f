-- The registrar of RFC 3261 10.3. Bindings live in the engine: they survive reloads, and all registrars share them.
local abi = require "viaduct.abi"
local leg = require "viaduct.leg"
local misuse = require "viaduct.blame"
local options = require "viaduct.options"
local parse_params = require "viaduct.params"

local handle_of = require("viaduct.message").handle
local C, script, settings, binding, text = abi.C, abi.script, abi.registrar, abi.binding, abi.text

--- Keeps bindings and sends requests to them.
---@class viaduct.Registrar
---@field everywhere boolean it was given no domains, so every one is its own
local Registrar = {}
local registrar_mt = {
	__name = "viaduct.Registrar",
	__metatable = false,
	__index = Registrar,
	__newindex = function() misuse "a registrar cannot be changed" end,
}

--- A bound contact.
---@class viaduct.Contact
---@field uri string
---@field expires number seconds left
---@field q number 0 to 1
---@field params table<string, string|true> header parameters
---@field path string|nil "<sip:edge.example.com;lr>, ...": the proxies it is reached by (RFC 3327); req:forward sends by them
---@field leg viaduct.Leg|nil the one it registered by, which req:forward prefers; nil when that was closed
---@field call_id string of the REGISTER
---@field cseq integer of the REGISTER
local contact_mt = {
	__name = "viaduct.Contact",
	__metatable = false,
	__tostring = function(self) return self.uri end,
}

local function check(code)
	if code == C.VD_GONE then
		misuse "message is no longer available: its handler has ended"
	elseif code == C.VD_REFUSED then
		misuse "this request was answered or forwarded already"
	elseif code == C.VD_MISUSE then
		misuse "this is no registrar: its number is not one that sip.registrar gave"
	end
	return code
end

--- Answers a REGISTER for one of its domains (RFC 3261 10.3), and an OPTIONS that asks such a domain itself (11.2). Another request whose Request-URI is bound here gets the preferred
--- contact (of sips a sips contact) as Request-URI and is left to the next element.
---@param message viaduct.Message
---@return integer|false code it answered with, or false: not handled
function Registrar:receive(message)
	local handle = handle_of(message, "registrar:receive")
	local code = check(C.vd_registrar_receive(script, self.number, handle))
	if code ~= 0 then
		return code
	end
	check(C.vd_registrar_route(script, handle))
	return false
end

--- True when the request's target is in one of this registrar's domains, or an address or contact bound here, and no Route
--- or maddr sends it elsewhere.
---@param request viaduct.Message
---@return boolean
function Registrar:serves(request)
	return check(C.vd_registrar_serves(script, self.number, handle_of(request, "registrar:serves"))) == 1
end

--- True when the target is an address in one of this registrar's named domains and nothing is bound to it, or it is a sips
--- address of any of its domains and no sips contact is: a request to sips goes to nobody else (RFC 3261 26.2.2). To the domain
--- itself nothing but OPTIONS can be said.
---@param request viaduct.Message
---@return boolean
---@return integer|nil code to answer: 404, or 480 where only contacts without sips are bound (RFC 5630 5.3)
function Registrar:lacks(request)
	local code = check(C.vd_registrar_lacks(script, self.number, handle_of(request, "registrar:lacks")))
	return code ~= 0, code ~= 0 and code or nil
end

--- The contacts bound to an address of record, best first (q downwards, then newest); of a sips address the sips contacts
--- alone (RFC 5630 5.3).
---@param address string|viaduct.Uri "sip:user@domain"
---@return viaduct.Contact[] each reads as its URI; empty when there is none
function Registrar:query(address) -- luacheck: no self
	if type(address) ~= "string" and type(address) ~= "table" then
		misuse 'query takes an address of record: write registrar:query "sip:bob@example.com"'
	end
	local uri, list = tostring(address), {}
	local code = C.vd_registrar_query(script, uri, #uri)
	if code == C.VD_BAD_VALUE then
		misuse("query takes an address of record such as 'sip:bob@example.com': '%s' is no URI", uri:sub(1, 100))
	elseif code ~= C.VD_OK then
		return list
	end
	while C.vd_registrar_next(script, binding) == C.VD_OK do
		list[#list + 1] = setmetatable({
			uri = text(binding.contact),
			params = parse_params(text(binding.params)),
			call_id = text(binding.call_id),
			path = binding.path.n > 0 and text(binding.path) or nil,
			leg = binding.leg > 0 and leg.of(binding.leg) or nil,
			expires = binding.expires,
			q = binding.q,
			cseq = binding.cseq,
		}, contact_mt)
	end
	return list
end

--- Drops expired bindings from memory; they are never used, with or without this call.
---@return integer dropped
function Registrar:expire() return C.vd_registrar_expire(script) end -- luacheck: no self

local DEFAULT_MIN, DEFAULT_MAX = 30, 300 -- seconds

local function domains_of(given)
	local domains = given.domains or given.domain
	if given.domains and given.domain then
		misuse "registrar takes domain or domains, not both"
	end
	if type(domains) == "string" then
		return { domains }
	end
	return options.list("domains of registrar", domains or {}, 'domains = { "example.com" }')
end

local function seconds(what, value, default)
	value = value or default
	if value ~= math.floor(value) or value < 0 or value > 2 ^ 31 then
		misuse("%s must be whole seconds, 0 to 2^31", what)
	end
	return value
end

--- Makes a registrar.
---@param given table|nil `domains` (names, "*.name", "*"; none: all) or `domain`; `min_expires` 30, `max_expires` 300, `default_expires` max_expires (seconds); `dispatcher`
---@return viaduct.Registrar
local function registrar(given)
	given = options.check("registrar", given, {
		dispatcher = "dispatcher", domain = "string or table", domains = "string or table",
		min_expires = "number", max_expires = "number", default_expires = "number",
	})
	settings.min_expires = seconds("min_expires", given.min_expires, DEFAULT_MIN)
	settings.max_expires = seconds("max_expires", given.max_expires, DEFAULT_MAX)
	settings.default_expires = seconds("default_expires", given.default_expires, settings.max_expires)
	if settings.min_expires > settings.max_expires then
		misuse("min_expires of registrar, %d, is above max_expires, %d", settings.min_expires, settings.max_expires)
	elseif settings.default_expires < settings.min_expires then
		misuse("default_expires of registrar, %d, is below min_expires, %d: who names no time would be refused",
			settings.default_expires, settings.min_expires)
	end
	local number = C.vd_registrar_new(script, settings)
	if number < 0 then
		misuse "too many registrars"
	end
	local domains = domains_of(given)
	for _, domain in ipairs(domains) do
		options.argument("a domain", domain, "string")
		local added = C.vd_registrar_domain(script, number, domain, #domain)
		if added == C.VD_LIMIT then
			misuse "too many domains: name the one above them as \"*.example.com\", or use \"*\""
		elseif added ~= C.VD_OK then
			misuse("'%s' is no domain: write a host name or address, \"*.example.com\" or \"*\"", domain:sub(1, 100))
		end
	end
	return setmetatable({ number = number, everywhere = #domains == 0 }, registrar_mt)
end

return registrar

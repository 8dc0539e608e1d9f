-- Forwarding without memory (RFC 3261 16.11): requests by Route and Request-URI, responses by Via.
local abi = require "viaduct.abi"
local locate = require "viaduct.locate"
local misuse = require "viaduct.blame"
local options = require "viaduct.options"

local C, script, value, string_of = abi.C, abi.script, abi.value, abi.string
local OK, RESOLVE = C.VD_OK, C.VD_RESOLVE

--- Forwards messages; errors are answered as RFC 3261 16.3 to 16.6 say.
---@class viaduct.StatelessProxy
local StatelessProxy = {}
StatelessProxy.__index = StatelessProxy
StatelessProxy.__name = "viaduct.StatelessProxy"
StatelessProxy.__metatable = false

local function check(code)
	if code == C.VD_GONE then
		misuse "message is no longer available: its handler has ended"
	elseif code == C.VD_REFUSED then
		misuse "this message was answered or forwarded already"
	end
end

local function resolve_and_forward(message, host, port, transport)
	local target = locate(host, port, transport)
	if not target then
		check(C.vd_message_unresolved(script, message[1]))
		return true
	end
	local ip = target.address
	check(C.vd_message_forward_to(script, message[1], ip, #ip, target.port, target.transport))
	return true
end

--- Forwards a message; waits only when a name has to be looked up.
---@param message viaduct.Message
---@return true
function StatelessProxy:receive(message) -- luacheck: no self
	local code = C.vd_message_forward(script, message[1], value)
	if code == OK then
		return true
	elseif code == RESOLVE then
		return resolve_and_forward(message, string_of(value.p, value.n), value.number, value.extra)
	end
	check(code)
	return true
end

--- Makes a stateless proxy.
---@param given table|nil `dispatcher`
---@return viaduct.StatelessProxy
local function stateless_proxy(given)
	given = options.check("stateless_proxy", given, {
		dispatcher = "any", rewrite_contact = "function", rewrite_crypt = "function", nathelper = "table",
		force_rewrite = "boolean",
	})
	if given.rewrite_contact or given.rewrite_crypt or given.nathelper or given.force_rewrite then
		misuse "this version forwards Contact and SDP as they are: leave rewrite_contact, rewrite_crypt, nathelper and force_rewrite out"
	end
	return setmetatable({}, StatelessProxy)
end

return stateless_proxy

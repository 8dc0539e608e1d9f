-- Forwarding without memory (RFC 3261 16.11): requests by Route and Request-URI, responses by Via.
local abi = require "viaduct.abi"
local misuse = require "viaduct.blame"
local options = require "viaduct.options"
local wait = require "viaduct.wait"

local C, script = abi.C, abi.script
local handle_of = require("viaduct.message").handle
local OK, RESOLVE, STATEFUL = C.VD_OK, C.VD_RESOLVE, C.VD_STATEFUL

--- Forwards messages; errors are answered as RFC 3261 16.3 to 16.6 say.
---@class viaduct.StatelessProxy
local StatelessProxy = {}
local proxy_mt = {
	__name = "viaduct.StatelessProxy",
	__metatable = false,
	__index = StatelessProxy,
	__newindex = function() misuse "a stateless proxy cannot be changed" end,
}

local function check(code)
	if code == C.VD_GONE then
		misuse "message is no longer available: its handler has ended"
	elseif code == C.VD_REFUSED then
		misuse "this message was answered or forwarded already"
	end
end

--- Forwards a message; waits only when a name has to be looked up (RFC 3263). An INVITE whose caller was sent a 100, since
--- its handler had waited for more than 200 ms, is repeated by nobody but us: it goes the way of message:forward, and its
--- final response is waited for.
---@param message viaduct.Message
---@return true
function StatelessProxy:receive(message) -- luacheck: no self
	local handle = handle_of(message, "proxy:receive")
	local code = C.vd_message_forward(script, handle)
	if code == RESOLVE then
		wait.target(handle)
		code = C.vd_message_forward_found(script, handle)
	end
	if code == STATEFUL then
		message:forward(message.uri)
	elseif code ~= OK then
		check(code)
	end
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
	return setmetatable({}, proxy_mt)
end

return stateless_proxy

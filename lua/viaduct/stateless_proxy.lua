-- Forwarding without memory (RFC 3261 16.11): requests by Route and Request-URI, responses by Via; contacts hidden on the way
-- from one side to the other.
local abi = require "viaduct.abi"
local contacts = require "viaduct.contacts"
local misuse = require "viaduct.blame"
local legs = require "viaduct.leg"
local options = require "viaduct.options"
local wait = require "viaduct.wait"

local C, script, plan = abi.C, abi.script, abi.plan
local handle_of = require("viaduct.message").handle
local OK, NUMBER, RESOLVE, STATEFUL = C.VD_OK, C.VD_NUMBER, C.VD_RESOLVE, C.VD_STATEFUL
local leg_of = legs.of

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
	elseif code ~= OK then
		misuse "this is no stateless proxy: call proxy:receive(message, leg, from)"
	end
end

-- Where Lua has a say between the choice of the way and the sending.
local function receive_with(self, own, message, handle, leg)
	local number = self[1]
	if own.rewrite then
		contacts.restore_target(own.rewrite, handle, legs.place(leg) and leg or nil)
	end
	local code = C.vd_proxy_plan(script, number, handle, plan)
	if code == RESOLVE then
		wait.target(number, handle)
		code = C.vd_proxy_plan_found(script, number, handle, plan)
	end
	if code ~= NUMBER then
		return check(code)
	end
	local incoming, outgoing, hides, apart = plan.incoming, plan.outgoing, plan.hides ~= 0, plan.apart ~= 0
	if plan.late ~= 0 and not (apart and own.nathelper) then
		message:forward(message.uri)
		return
	end
	local status, reason
	if hides and own.rewrite then
		status = contacts.rewrite(own.rewrite, handle, leg_of(incoming), leg_of(outgoing), outgoing)
	end
	if apart and own.nathelper and not status then
		status, reason = self:do_nat(message, leg_of(incoming), leg_of(outgoing))
	end
	if status then
		reason = reason or ""
		check(C.vd_proxy_refuse(script, number, handle, status, reason, #reason))
	else
		check(C.vd_proxy_send(script, number, handle))
	end
end

--- Forwards a message; waits only when a name has to be looked up (RFC 3263). An INVITE whose caller was sent a 100, since
--- its handler had waited for more than 200 ms, is repeated by nobody but us: it goes the way of message:forward, and its
--- final response is waited for; unless a function in Lua has to rewrite it, which transactions do not call.
---@param message viaduct.Message
---@param leg viaduct.Leg|nil where it came in
---@return true
function StatelessProxy:receive(message, leg)
	local handle, number, own = handle_of(message, "proxy:receive"), self[1], self[2]
	if own then
		receive_with(self, own, message, handle, leg)
		return true
	end
	local code = C.vd_proxy_forward(script, number, handle)
	if code == RESOLVE then
		wait.target(number, handle)
		code = C.vd_proxy_forward_found(script, number, handle)
	end
	if code == STATEFUL then
		message:forward(message.uri, { proxy = self })
	elseif code ~= OK then
		check(code)
	end
	return true
end

--- Called while a message is forwarded from one side to the other, before it is sent: lets the NAT helper rewrite its SDP
--- (nathelper:do_nat, with the same arguments and results). Without a nathelper, and within one side, it does nothing.
---@param message viaduct.Message
---@param incoming_leg viaduct.Leg
---@param outgoing_leg viaduct.Leg
---@return integer|nil code of the answer when it failed; a response is dropped then
---@return string|nil text
function StatelessProxy:do_nat(message, incoming_leg, outgoing_leg)
	local helper = self[2] and self[2].nathelper
	if not helper or legs.place(incoming_leg) == legs.place(outgoing_leg) then
		return
	end
	local code, text = helper:do_nat(message, incoming_leg, outgoing_leg)
	if code ~= nil and (type(code) ~= "number" or code < 300 or code > 699) then
		misuse("do_nat of a nathelper returns nothing, or a code of 300 to 699 and a text, not %s", tostring(code))
	end
	return code, text
end

-- ---- making one ---- --

local known = {
	dispatcher = "any", rewrite_contact = "function or boolean", rewrite_crypt = "function", nathelper = "table",
	force_rewrite = "boolean", rewrite_key = "string", old_rewrite_keys = "table", quiet = "boolean",
}

-- The text itself, or what stands in the file it names.
local function secret_of(given)
	if type(given) ~= "string" then
		misuse("a rewrite_key must be a string, not a %s", type(given))
	end
	local path = given:match "^file:(.*)$"
	if not path then
		return given
	end
	local file, problem = io.open(path, "rb")
	local text = file and file:read(4096)
	if file then
		file:close()
	end
	if not text then
		misuse("rewrite_key: cannot read %s", problem or path)
	end
	return (text:gsub("[\r\n]+$", ""))
end

local function add_key(number, given)
	local secret = secret_of(given)
	local code = C.vd_proxy_key(script, number, secret, #secret)
	if code == C.VD_BAD_VALUE then
		misuse "a rewrite_key needs at least 16 characters that nobody guesses: write what `openssl rand -base64 24` prints"
	elseif code ~= OK then
		misuse "a proxy has one rewrite_key and at most four old_rewrite_keys"
	end
end

local function check_together(given)
	local rewrite = given.rewrite_contact
	if given.nathelper and type(given.nathelper.do_nat) ~= "function" then
		misuse "a nathelper needs a method do_nat(message, incoming_leg, outgoing_leg)"
	elseif type(rewrite) == "function" and given.rewrite_crypt then
		misuse "rewrite_crypt is for the rewrite_contact that is built in: leave one of the two out"
	elseif (type(rewrite) == "function" or given.rewrite_crypt) and (given.rewrite_key or given.old_rewrite_keys) then
		misuse "rewrite_key is for what is built in: your own rewrite_contact or rewrite_crypt has its own key"
	elseif given.old_rewrite_keys and not given.rewrite_key then
		misuse "old_rewrite_keys are accepted beside a rewrite_key: give that too"
	end
end

--- Makes a stateless proxy. Contacts of messages that go from one side to the other (legs with different addresses) are
--- rewritten, so that later requests come back through the proxy.
---@param given table|nil `rewrite_contact` function(contact, incoming_leg, outgoing_leg, force_rewrite) or false for none, `rewrite_crypt` function(data, dir, add2mac), `rewrite_key` text of 16 characters and more or "file:PATH" (random by default: contacts die with the process), `old_rewrite_keys` a list of keys still accepted, `force_rewrite` within one side too, `nathelper`, `quiet` answers no errors, `dispatcher`
---@return viaduct.StatelessProxy
local function stateless_proxy(given)
	given = options.check("stateless_proxy", given, known)
	check_together(given)
	local rewrite, told = given.rewrite_contact, abi.proxy
	if given.rewrite_crypt and rewrite ~= false then
		rewrite = contacts.by_crypt(given.rewrite_crypt)
	end
	local is_own = type(rewrite) == "function"
	told.rewrites = rewrite ~= false
	told.by_script = is_own
	told.force = given.force_rewrite or false
	told.quiet = given.quiet or false
	local number = C.vd_proxy_new(script, told, given.rewrite_key and 1 or 0)
	if number < 0 then
		misuse "too many proxies: make each once, at the top of the script"
	end
	if given.rewrite_key then
		add_key(number, given.rewrite_key)
		for _, old in ipairs(given.old_rewrite_keys or {}) do
			add_key(number, old)
		end
	end
	local own = (is_own or given.nathelper) and { rewrite = is_own and rewrite or nil, nathelper = given.nathelper } or nil
	return setmetatable({ number, own }, proxy_mt)
end

return stateless_proxy

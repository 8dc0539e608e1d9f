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
local leg_of, check_place = legs.of, wait.check_place

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

-- After callbacks of the script ran: it may have been answered by them.
local function check_sent(code, own)
	if code == C.VD_REFUSED then
		local name = own.nathelper and "do_nat" or own.rewriting.name
		misuse.callback(own.nathelper and own.nathelper.do_nat or own.rewriting.callback,
			"the message was answered or forwarded before %s returned: it says what to answer by what it returns", name)
	end
	check(code)
end

-- Where Lua has a say between the choice of the way and the sending.
local function receive_with(self, own, message, handle, leg)
	local number = self[1]
	if own.rewriting then
		contacts.restore_target(own.rewriting, handle, legs.place(leg) and leg or nil)
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
		check_place "receive of a stateless proxy"
		message:forward(message.uri)
		return
	end
	local status, reason
	if hides and own.rewriting then
		status = contacts.rewrite(own.rewriting, handle, leg_of(incoming), leg_of(outgoing), outgoing)
	end
	if apart and own.nathelper and not status then
		status, reason = self:do_nat(message, leg_of(incoming), leg_of(outgoing))
	end
	if status then
		reason = reason or ""
		check_sent(C.vd_proxy_refuse(script, number, handle, status, reason, #reason), own)
	else
		check_sent(C.vd_proxy_send(script, number, handle), own)
	end
end

--- Forwards a message; waits only when a name has to be looked up (RFC 3263). An INVITE whose caller was sent a 100, since
--- its handler had waited for more than 200 ms, is repeated by nobody but us: it goes the way of message:forward, and its
--- final response is waited for; unless a function in Lua has to rewrite it, which transactions do not call. So does a request
--- of more than 1300 bytes that goes by TCP for its size only: where that is refused it is sent by UDP (RFC 3261 18.1.1).
--- Each of these waits, so it is called from the handler itself, not from a coroutine the script made.
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
		check_place "receive of a stateless proxy"
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
	local is_code = type(code) == "number" and code >= 300 and code <= 699 and code % 1 == 0
	if (code ~= nil and not is_code) or (text ~= nil and type(text) ~= "string") then
		misuse.callback(helper.do_nat, "do_nat of a nathelper returns nothing, or a code of 300 to 699 and a text, not %s and %s",
			tostring(code), tostring(text))
	end
	return code, text
end

-- ---- making one ---- --

local known = {
	dispatcher = "dispatcher", rewrite_contact = "function or boolean", rewrite_crypt = "function", nathelper = "table",
	force_rewrite = "boolean", rewrite_key = "string", old_rewrite_keys = "table", quiet = "boolean",
}

local KEY_FILE_MAX = 4096 -- bytes

-- What stands in a file; a device or pipe has no size.
local function read_key(path)
	local file, problem = io.open(path, "rb")
	local size = file and file:seek "end"
	local text = size and size > 0 and size <= KEY_FILE_MAX and file:seek "set" and file:read(size)
	if file then
		file:close()
	end
	if not text then
		misuse("rewrite_key: cannot read %s", problem or ("%s: it is no file of 1 to %d bytes"):format(path, KEY_FILE_MAX))
	end
	return text
end

-- The text itself, or what stands in the file it names.
local function secret_of(given)
	if type(given) ~= "string" then
		misuse("a rewrite_key must be a string, not a %s", type(given))
	end
	local path = given:match "^file:(.*)$"
	return path and read_key(path):gsub("[\r\n]+$", "") or given
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

-- What says how contacts are rewritten, and is not read when they are not.
local function check_none(given)
	for _, name in ipairs { "rewrite_crypt", "rewrite_key", "old_rewrite_keys", "force_rewrite" } do
		if given[name] then
			misuse("rewrite_contact = false rewrites nothing, so %s does nothing: leave one of the two out", name)
		end
	end
end

local function check_together(given)
	local rewrite = given.rewrite_contact
	if rewrite == false then
		check_none(given)
	end
	if given.nathelper and type(given.nathelper.do_nat) ~= "function" then
		misuse "a nathelper needs a method do_nat(message, incoming_leg, outgoing_leg)"
	elseif type(rewrite) == "function" and given.rewrite_crypt then
		misuse "rewrite_crypt is for the rewrite_contact that is built in: leave one of the two out"
	elseif (type(rewrite) == "function" or given.rewrite_crypt) and (given.rewrite_key or given.old_rewrite_keys) then
		misuse "rewrite_key is for what is built in: your own rewrite_contact or rewrite_crypt has its own key"
	elseif given.old_rewrite_keys and not given.rewrite_key then
		misuse "old_rewrite_keys are accepted beside a rewrite_key: give that too"
	end
	options.list("old_rewrite_keys", given.old_rewrite_keys or {}, 'old_rewrite_keys = { "the key before" }')
end

local function rewriting_of(given)
	if given.rewrite_crypt then
		return contacts.by_crypt(given.rewrite_crypt)
	end
	return type(given.rewrite_contact) == "function" and contacts.by_script(given.rewrite_contact) or nil
end

--- Makes a stateless proxy. Contacts of messages that go from one side to the other (legs with different addresses) are
--- rewritten, so that later requests come back through the proxy.
---@param given table|nil `rewrite_contact` function(contact, incoming_leg, outgoing_leg, force_rewrite) or false for none, `rewrite_crypt` function(data, dir, add2mac), `rewrite_key` text of 16 characters and more or "file:PATH" (random by default: contacts die with the process), `old_rewrite_keys` a list of keys still accepted, `force_rewrite` within one side too, `nathelper`, `quiet` answers no errors, `dispatcher`
---@return viaduct.StatelessProxy
local function stateless_proxy(given)
	given = options.check("stateless_proxy", given, known)
	check_together(given)
	local rewriting, told = rewriting_of(given), abi.proxy
	told.rewrites = given.rewrite_contact ~= false
	told.by_script = rewriting ~= nil
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
	local own = (rewriting or given.nathelper) and { rewriting = rewriting, nathelper = given.nathelper } or nil
	return setmetatable({ number, own }, proxy_mt)
end

return stateless_proxy

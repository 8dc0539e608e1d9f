-- The delivery queue: what is on its way, and what became of it.
local abi = require "viaduct.abi"
local leg = require "viaduct.leg"
local message = require "viaduct.message"
local misuse = require "viaduct.blame"
local options = require "viaduct.options"
local proxies = require "viaduct.proxies"
local stateless_proxy = require "viaduct.stateless_proxy"

local C, script = abi.C, abi.script
local M = {}

--- A request in the delivery queue.
---@class viaduct.Delivery
---@field id string
---@field callid string
local Delivery = {}
local delivery_mt = {
	__name = "viaduct.Delivery",
	__metatable = false,
	__index = Delivery,
	__newindex = function() misuse "a delivery cannot be changed" end,
}

local waiting = {} -- by number: { callback, delivery }

--- Takes it out of the queue: it is not sent again, and its callback is not called.
---@return boolean cancelled false: it was delivered, had failed, or was cancelled before
function Delivery:cancel() return C.vd_delivery_cancel(script, rawget(self, 1)) > 0 end

-- What became of it, told by the engine.
function M.ended(number, err)
	local entry = waiting[number]
	waiting[number] = nil
	if entry and err ~= "" then -- else the script cancelled it
		misuse.run(entry.callback, err, entry.delivery)
	end
end

local refusals = {
	[C.VD_GONE] = "the leg it shall leave by is closed",
	[C.VD_REFUSED] = "nothing is delivered while the script loads, no leg is open: write dispatcher:add_timer(0, function() ... end)",
	[C.VD_MISUSE] = "this request was answered or forwarded already",
	[C.VD_BAD_NAME] = "this request lacks a header it needs to be delivered: From, To, Call-ID, CSeq or a Via that can be read",
	[C.VD_BAD_VALUE] = "dst_addr '%s' is no address",
	[C.VD_TOO_LONG] = "id and callid of a delivery, else its Call-ID and CSeq, have at most 4096 bytes",
}
local LONGEST = 86400 -- seconds

local proxy

-- A response that came in goes back by its Via (RFC 3261 16.7): there is nothing to repeat or to choose.
local function pass_on(response, given)
	if next(given) then
		misuse "a response goes back by its Via: deliver it without options"
	end
	proxy = proxy or stateless_proxy {}
	return proxy:receive(response)
end

local known = {
	id = "string", callid = "string", callback = "function", leg = "table", dst_addr = "string or table",
	do_retransmits = "boolean", timeout = "number",
}

--- Puts a request into the queue and sends it: repeated until a response comes (RFC 3261 17.1), at the next address when one is
--- dead or says nothing for 8 T1 (4 s), or for its even share of `timeout` (RFC 3263 4.3). Responses go to the receiver.
--- A CANCEL of an INVITE that is delivered does not come to the script: the engine has its transaction, so it answers 200, cancels the
--- INVITE where it was sent, and tries no other address (RFC 3261 9.2, 16.10); the 487 that follows goes to the receiver. With
--- `do_retransmits = false` there is no transaction over UDP: then the CANCEL comes, and what is delivered likewise meets its INVITE;
--- the callback is called by the first response, or with "ETIMEDOUT" when none came in `timeout` or 64 T1 (32 s); an ACK has arrived
--- when it has left.
--- When nobody could be reached or answered, the callback comes too late to answer whoever sent the request: the engine does, as
--- forward would. 500 for an address that cannot be reached (RFC 3261 16.7 (6)), 408 for an INVITE that nobody answered, unless it
--- was sent once, nothing for other requests nobody answered (RFC 4320 4.2), 483, 420, 416 and the like as a proxy does. Not what
--- the script cancelled.
---@param request viaduct.Message one that came in, or of sip.request; a response goes back by its Via
---@param given table|nil `id` ("Call-ID CSeq-number"), `callid` (Call-ID), `callback` function(error, delivery), called once unless it is cancelled: error nil when it arrived, else an errno name ("ETIMEDOUT", "EHOSTUNREACH", "ENOPROTOOPT", "ECONNREFUSED", "ENOBUFS" no room: its sender was answered 503, "ECANCELED" its sender gave up while names were looked up and was answered 487 ...), `timeout` seconds to wait for an answer, `leg` to leave by, `dst_addr` "ip:port", URI or { proto, addr, port }, `do_retransmits`
---@param by_default boolean
---@return viaduct.Delivery|true|nil true: a response
---@return string|nil message
---@return string|nil code "limit": of the queue, or of what one source or one host may have of it: 503 when nothing else is done about the request; "repeated", "cancelled" by its sender
function M.deliver(request, given, by_default)
	given = options.check("deliver", given, known)
	local handle = message.handle(request, "deliver", "dispatcher:deliver(message), with a colon")
	if request:is_response() then
		return pass_on(request, given)
	end
	local id, callid = given.id or "", given.callid or ""
	local to, timeout = given.dst_addr and proxies.uri_of("dst_addr", given.dst_addr) or "", given.timeout or 0
	if not (timeout >= 0 and timeout <= LONGEST) then
		misuse("the timeout of deliver is 0 to %d seconds, not %s", LONGEST, tostring(timeout))
	end
	local repeats = given.do_retransmits
	if repeats == nil then
		repeats = by_default
	end
	local number = C.vd_deliver(script, handle, id, #id, callid, #callid, to, #to, given.leg and leg.serial_of(given.leg) or 0,
		repeats and 0 or 1, timeout, given.callback and 1 or 0)
	if number == C.VD_LIMIT then
		return nil, "too many requests are being delivered", "limit"
	elseif number == C.VD_CANCELLED then
		return nil, "the caller gave up", "cancelled"
	elseif number == 0 then
		return nil, "this request is being delivered already: its sender repeats it", "repeated"
	elseif number < 0 then
		misuse(refusals[number] or "deliver failed", to)
	end
	local call_id = callid ~= "" and callid or request.call_id
	local delivery = setmetatable({
		number, id = id ~= "" and id or ("%s %d"):format(request.call_id, request.cseq), callid = call_id,
	}, delivery_mt)
	if given.callback then
		waiting[number] = { callback = given.callback, delivery = delivery }
	end
	return delivery
end

local function cancel_entry(delivery)
	if type(delivery) ~= "table" or type(rawget(delivery, 1)) ~= "number" then
		misuse 'cancel_delivery("qentry", delivery) takes what deliver returned'
	end
	return Delivery.cancel(delivery)
end

local kinds = {
	id = function(id) return C.vd_delivery_cancel_id(script, id, #id) > 0 end,
	callid = function(callid) return C.vd_delivery_cancel_call(script, callid, #callid) > 0 end,
}

--- Cancels deliveries by what they are known by.
---@param kind string "id", "callid", "qentry"; left out: an id
---@param what string|viaduct.Delivery|nil
---@return boolean cancelled
function M.cancel(kind, what)
	if what == nil then
		kind, what = "id", kind
	end
	if kind == "qentry" then
		return cancel_entry(what)
	elseif not kinds[kind] then
		misuse("cancel_delivery knows \"id\", \"callid\" and \"qentry\", not '%s'", tostring(kind))
	end
	return kinds[kind](options.argument("what cancel_delivery cancels", what, "string"))
end

--- When anything queued is due next; the engine itself repeats and expires.
---@return number|nil seconds since 1970; nil: nothing is queued
function M.next()
	local next = C.vd_delivery_next(script)
	return next > 0 and next or nil
end

return M

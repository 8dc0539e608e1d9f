-- The dispatcher of a script, as Net::SIP::Dispatcher has it: where messages go, timers, legs, and what is being delivered.
local abi = require "viaduct.abi"
local delivery = require "viaduct.delivery"
local judge = require "viaduct.judge"
local leg = require "viaduct.leg"
local misuse = require "viaduct.blame"
local options = require "viaduct.options"
local proxies = require "viaduct.proxies"
local receiver = require "viaduct.receiver"
local parse_uri = require "viaduct.uri"
local resolver = require "viaduct.resolver"
local wait = require "viaduct.wait"

local C, script, value, found, text = abi.C, abi.script, abi.value, abi.target, abi.text
local YEAR = 365 * 86400 -- seconds: what is not below is a point in time (time_t)
local transports = { "udp", "tcp", "tls" }
local numbers = { udp = 1, tcp = 2, tls = 3 }

--- The one dispatcher of a script.
---@class viaduct.Dispatcher
local Dispatcher = {}

-- ---- who receives ----

--- Whoever gets the messages from now on, instead of the `receive` the script returns.
---@param given fun(message: viaduct.Message, leg: viaduct.Leg, from: viaduct.Source)|viaduct.Element|nil nil: nobody; requests are answered 500
function Dispatcher:set_receiver(given) -- luacheck: no self
	local handler = receiver.handler_of(given)
	if given ~= nil and not handler then
		misuse("set_receiver takes a function(message, leg, from) or something with a receive method, not %s", receiver.kind_of(given))
	end
	misuse.receiver_is(given)
	receiver.set(handler)
end

--- Hands a message to the receiver, as if it had just come in.
---@param message viaduct.Message
---@param from_leg viaduct.Leg
---@param from viaduct.Source
function Dispatcher:receive(message, from_leg, from) return receiver.handle(message, from_leg, from) end -- luacheck: no self

-- ---- legs ----

local function matches(one, given)
	return (given.addr == nil or given.addr == one.ip or given.addr == one.host)
		and (given.port == nil or given.port == one.port)
		and (given.proto == nil or given.proto == one.transport)
		and (given.sub == nil or given.sub(one))
end

--- The open legs that meet all conditions given: none while the script loads, as legs are opened afterwards.
---@param given table|nil `addr` bound or shown, `port` shown, `proto` "udp" or "tcp", `sub` function(leg) with a true result
---@return viaduct.Leg[]
function Dispatcher:get_legs(given) -- luacheck: no self
	given = options.check("get_legs", given, { addr = "string", port = "number", proto = "string", sub = "function" })
	local list = {}
	for _, one in ipairs(leg.all()) do
		if matches(one, given) then
			list[#list + 1] = one
		end
	end
	return list
end

--- Opens one more leg, until a reload to a script that does not name it. While the script loads it is one of its legs.
---@param given string|table "udp:127.0.0.1:5060", or { proto, addr, port }; `can_deliver_to` = { "10.0.0.0/8" } or function(proto, addr, port) limits where it sends: a function given in a handler, for what comes in from then on
---@return viaduct.Leg|nil leg nil while the script loads: legs are opened all together afterwards
---@return string|nil message why it cannot be opened
---@return string|nil code "unavailable"
function Dispatcher:add_leg(given) -- luacheck: no self
	local spec, problem, decide = leg.spec_of(given)
	if not spec then
		misuse("the leg of add_leg %s", problem)
	end
	local serial = C.vd_leg_add(script, spec, #spec, value)
	if serial == C.VD_REFUSED then
		if C.vd_load_leg(script, spec, #spec) ~= C.VD_OK then
			misuse("the leg '%s' is too long, or there are too many legs", spec)
		end
		judge.use(spec, decide)
		return nil
	elseif serial < 0 then
		return nil, text(value), "unavailable"
	end
	judge.use(spec, decide)
	return leg.of(serial)
end

--- Closes a leg once nothing can come back on it any more (32 seconds after it was used last).
---@param one viaduct.Leg
function Dispatcher:remove_leg(one) C.vd_leg_remove(script, leg.serial_of(one)) end -- luacheck: no self

-- ---- timers ----

--- Calls a function once, or again and again.
---@param when number seconds from now, or the time as seconds since 1970; 0: at once, but not before this returns
---@param callback fun(timer: viaduct.Timer)
---@param every number|nil seconds between further calls
---@return viaduct.Timer
function Dispatcher:add_timer(when, callback, every) -- luacheck: no self
	options.argument("the time of add_timer", when, "number")
	options.argument("the callback of add_timer", callback, "function")
	if every ~= nil then
		options.argument("the interval of add_timer", every, "number")
	end
	if when >= YEAR then
		when = math.max(0, when - C.vd_time(script))
	end
	return wait.timer(when, callback, every or 0)
end

-- ---- where a URI leads ----

--- An address a request to a URI can be sent to.
---@class viaduct.Target
---@field proto string "udp" or "tcp"
---@field addr string IP address
---@field host string the same
---@field port integer
---@field family integer 4 or 6
---@field leg viaduct.Leg|nil that reaches it
---@field is_dead boolean nobody answered there lately: for half a minute, longer each time; `viaduct ctl status` shows them

local function found_targets()
	local list = {}
	while C.vd_resolve_target(script, #list, found) == C.VD_OK do
		local addr = text(found.addr)
		list[#list + 1] = {
			proto = transports[found.transport],
			addr = addr,
			host = addr,
			port = found.port,
			family = found.family,
			leg = leg.of(found.leg),
			is_dead = found.dead ~= 0,
		}
	end
	return list
end

-- On the way between naming what is wanted and the wait nothing else may run. An errno name when nothing is allowed.
local function wish(given)
	local protos, legs, is_reachable = given.allowed_proto, given.allowed_legs, not given.allowed_legs
	C.vd_resolve_begin(script)
	for _, name in ipairs(protos or {}) do
		C.vd_resolve_transport(script, numbers[name])
	end
	for _, one in ipairs(legs or {}) do
		is_reachable = C.vd_resolve_leg(script, leg.serial_of(one)) == C.VD_OK or is_reachable
	end
	return protos and #protos == 0 and "ENOPROTOOPT" or not is_reachable and "EHOSTUNREACH" or nil
end

-- Here and not where it waits, which with a callback is no line of the script any more.
local function check_wish(uri, given)
	if not parse_uri(uri) then
		misuse("'%s' is no URI: write sip:bob@192.0.2.4", uri)
	end
	for _, name in ipairs(options.list("allowed_proto", given.allowed_proto or {}, '{ "udp", "tcp" }')) do
		if not numbers[name] then
			misuse("allowed_proto holds \"udp\", \"tcp\" and \"tls\", not '%s'", tostring(name))
		end
	end
	for _, one in ipairs(options.list("allowed_legs", given.allowed_legs or {}, "dispatcher:get_legs { proto = \"udp\" }")) do
		leg.serial_of(one)
	end
end

local function resolve(uri, given)
	local problem = wish(given)
	if problem then
		return nil, ("no way leads to %s"):format(uri), problem
	end
	wait.resolve(uri)
	local list = found_targets()
	if #list > 0 then
		return list
	end
	C.vd_resolve_error(script, value)
	return nil, ("no way leads to %s"):format(uri), text(value)
end

--- Where a request to this URI goes: by domain2proxy, outgoing_proxy, or RFC 3263. Waits; with a callback it returns at once.
---@param uri string|viaduct.Uri
---@param given table|nil `allowed_proto` list of "udp", "tcp" in order of preference, `allowed_legs` list of legs; an empty list allows none
---@param callback fun(code: string|nil, targets: viaduct.Target[]|nil)|nil
---@return viaduct.Target[]|nil targets best first
---@return string|nil message
---@return string|nil code an errno name: "EHOSTUNREACH", "ENOPROTOOPT", "ETIMEDOUT" ...
function Dispatcher:resolve_uri(uri, given, callback) -- luacheck: no self
	given = options.check("resolve_uri", given, { allowed_proto = "table", allowed_legs = "table" })
	uri = tostring(uri)
	check_wish(uri, given)
	if callback == nil then
		return resolve(uri, given)
	end
	options.argument("the callback of resolve_uri", callback, "function")
	wait.after(0, function()
		local targets, _, code = resolve(uri, given)
		misuse.run(callback, code, targets)
	end)
end

-- ---- delivery ----

local repeats = true

--- Puts a request into the delivery queue, or sends a response on; see delivery.lua.
---@param request viaduct.Message
---@param given table|nil `id`, `callid`, `callback`, `timeout`, `leg`, `dst_addr`, `do_retransmits`
---@return viaduct.Delivery|true|nil true: a response, which goes back by its Via
---@return string|nil message
---@return string|nil code
function Dispatcher:deliver(request, given) return delivery.deliver(request, given, repeats) end -- luacheck: no self

--- Takes deliveries out of the queue: cancel_delivery(id), or by kind: "id", "callid", "qentry".
---@param kind string|viaduct.Delivery
---@param what string|viaduct.Delivery|nil
---@return boolean cancelled
function Dispatcher:cancel_delivery(kind, what) return delivery.cancel(kind, what) end -- luacheck: no self

--- When anything in the queue is due next. It repeats and expires by itself: nobody has to call this.
---@return number|nil seconds since 1970; nil: the queue is empty
function Dispatcher:queue_expire() return delivery.next() end -- luacheck: no self

-- ---- making it ----

local dispatcher_mt = {
	__name = "viaduct.Dispatcher",
	__metatable = false,
	__index = function(_, key) return Dispatcher[key] or misuse("a dispatcher has no method '%s'", tostring(key)) end,
	__newindex = function() misuse "a dispatcher cannot be changed: its options are given to sip.dispatcher { ... }" end,
}

local function set_times(given)
	local t1 = given.t1 or 0.5
	local t2, t4 = given.t2 or math.max(4, t1), given.t4 or 5
	local code = C.vd_dispatcher_times(script, t1, t2, t4)
	if code == C.VD_REFUSED then
		misuse "sip.dispatcher is made while the script loads, not in a handler"
	elseif code ~= C.VD_OK then
		misuse("t1, t2 and t4 are seconds, 0.001 to 16777, t2 not below t1: %g, %g and %g are not", t1, t2, t4)
	end
end

local made

--- Makes the dispatcher, while the script loads and once: what it says holds for all the script forwards.
---@param given table|nil `outgoing_proxy` "ip:port" or URI: where all goes that no domain names; `domain2proxy` domain ("example.com", "*.example.com" with the domain itself, "*") to proxy or list of proxies, tried in order; `do_retransmits` true: deliver repeats when it is not told otherwise, and answers are kept by server transactions, which repeat them and absorb repeated requests (RFC 3261 17.2) without a call of the script, a 2xx to an INVITE until its ACK comes (13.3.1.4), but for a source that leaves 64 answers to INVITEs without ACK, which hears further ones once; `dnsresolv` function(type, name, callback) that answers for DNS, with callback { { "SRV", priority, target, port, weight }, { "A", address, name }, { "AAAA", address, name } }, at once or later; `t1`, `t2`, `t4` seconds: how soon a request is repeated first, how long the pauses grow, how long a message stays in the network (0.5, 4, 5; RFC 3261 17), for all transactions that begin while the script is at work
---@return viaduct.Dispatcher
local function dispatcher(given)
	given = options.check("dispatcher", given, {
		outgoing_proxy = "string", domain2proxy = "table", do_retransmits = "boolean",
		dnsresolv = "function", t1 = "number", t2 = "number", t4 = "number",
	})
	if made then
		misuse "a script has one dispatcher: give all options to the first sip.dispatcher { ... }"
	end
	set_times(given)
	proxies.set(given)
	if given.dnsresolv then
		resolver.use(given.dnsresolv)
	end
	repeats = given.do_retransmits ~= false
	if repeats then
		C.vd_dispatcher_repeats(script)
	end
	made = setmetatable({}, dispatcher_mt)
	options.dispatcher_is(made)
	return made
end

return dispatcher

-- Stateful forwarding: a call that waits for the final response (RFC 3261 16).
local abi = require "viaduct.abi"
local leg = require "viaduct.leg"
local message = require "viaduct.message"
local misuse = require "viaduct.blame"
local options = require "viaduct.options"
local stateless_proxy = require "viaduct.stateless_proxy"
local target_list = require "viaduct.targets"
local wait = require "viaduct.wait"

local C, script, value = abi.C, abi.script, abi.value
local OK, LIMIT = C.VD_OK, C.VD_LIMIT
local kind_of, targets_of = target_list.kind_of, target_list.grouped
local yield = coroutine.yield

local M = {}

-- ---- provisional responses ----

local hooks, last_hook = {}, 0

function M.provisional(number, response)
	local hook = hooks[number]
	if hook then
		misuse.run(hook, response)
	end
end

-- ---- waiting ----

local ends = {
	[1] = { "nobody answered in time", "timeout" },
	[2] = { "no target could be reached", "unreachable" },
	[3] = { "the caller gave up", "cancelled" },
	[4] = { "the request was answered meanwhile", "answered" },
	[5] = { "too many transactions are open", "limit" },
}

local refusals = {
	[C.VD_GONE] = "message is no longer available: its handler has ended",
	[C.VD_MISUSE] = "only requests other than ACK and CANCEL are forwarded statefully: give the others to a stateless proxy",
	[C.VD_REFUSED] = "this request was answered or forwarded already, or is not the one its handler runs for",
}

-- `bad` says what is wrong with what was given.
local function check(code, bad, given)
	if code == C.VD_BAD_VALUE then
		misuse(bad, tostring(given))
	elseif code ~= OK then
		misuse(refusals[code] or "forward failed")
	end
end

-- How a contact is reached: Path and the place of its leg, as C wants them; nil when there is nothing to say.
local function way_to(contact)
	if not contact or not (contact.path or contact.leg) then
		return nil
	end
	local path, place = contact.path or "", contact.leg and leg.place(contact.leg) or 0
	if type(path) ~= "string" then
		misuse('the path of a contact is a text such as "<sip:edge.example.com;lr>", not a %s', type(path))
	elseif contact.leg and place == 0 then
		misuse("the leg of a contact is one such as get_legs gives, not %s", tostring(contact.leg))
	end
	return path, place
end

local function check_way(code, path)
	if code == C.VD_BAD_VALUE then
		misuse("a path of %d bytes fits no request", #path)
	end
	check(code)
end

local proxy

local function forward_statelessly(req, target, given)
	local path, place = way_to(target[3])
	proxy = proxy or stateless_proxy {}
	check(C.vd_message_retarget(script, req[1], target[1], #target[1]), "'%s' is no URI", target[1])
	if path then
		check_way(C.vd_registrar_way(script, req[1], path, #path, place), path)
	end
	return (given or proxy):receive(req)
end

local known = {
	timeout = "number", parallel = "boolean", stateless = "boolean", on_response = "function", proxy = "table",
}

-- Its number in C; below 0: none.
local function number_of(given, stateless)
	if given == nil then
		return -1
	elseif kind_of(given) ~= "viaduct.StatelessProxy" then
		misuse "proxy of forward is what sip.stateless_proxy made: write req:forward(targets, { proxy = proxy })"
	elseif given[2] and not stateless then
		misuse("a transaction hides contacts behind words that are built in, and calls no rewrite_contact, rewrite_crypt or"
			.. " nathelper: give that proxy with stateless = true")
	end
	return given[1]
end

-- All that C must know before the wait; and what it tells behind it. Apart from M.forward, since a function that yields is
-- interpreted, where each call of C costs what a hundred compiled ones do.
local function begin(handle, list, opts, number)
	check(C.vd_relay_begin(script, handle))
	for index = 1, #list do
		local target = list[index]
		local added = C.vd_relay_target(script, target[1], #target[1], target[2])
		if added == LIMIT then
			return LIMIT, 0, #list
		end
		if added ~= C.VD_ABSENT then -- else it was named before
			check(added, "'%s' is no URI", target[1])
			local path, place = way_to(target[3])
			if path then
				check_way(C.vd_relay_way(script, path, #path, place), path)
			end
		end
	end
	local hook = 0
	if opts.on_response then
		last_hook = last_hook + 1
		hook = last_hook
		hooks[hook] = opts.on_response
	end
	return C.vd_relay_start(script, handle, opts.timeout or 0, hook, number), hook
end

local function not_begun(code, opts, too_many)
	if too_many then
		return nil, ("%d targets are more than one forward takes"):format(too_many), "limit"
	elseif code == C.VD_ABSENT then
		return nil, ends[3][1], ends[3][2]
	elseif code == LIMIT then
		return nil, ends[5][1], ends[5][2]
	end
	check(code, "the timeout of forward is 0 to 86400 seconds, not %s", opts.timeout)
end

local function result()
	C.vd_relay_result(script, value)
	local failure = ends[value.extra]
	if failure then
		return nil, failure[1], failure[2]
	end
	return message.of(value.number)
end

local function await(hook)
	yield()
	hooks[hook] = nil
	return result()
end

--- Forwards a request and waits for the final response. A 2xx and provisional responses go upstream at once; any other
--- final response is returned, and goes upstream when the handler ends without another decision. Targets in a list are tried
--- one after the other, those of an inner list at one time; contacts, each by its `path` (RFC 3327) and `leg`, by their q as
--- soon as one of them has one (none: 1). Each URI is tried once, without header fields and method (RFC 3261 16.5, 16.6 (2)). A
--- target whose name has several addresses is tried at one after the other (RFC 3263 4.3): an address that says nothing at all
--- for 8 T1 (4 s), or for its even share of what is left of `timeout` when that is shorter, is given up while others are left;
--- a 2xx it sends later still counts.
---@param req viaduct.Message
---@param targets string|viaduct.Uri|viaduct.Address|viaduct.Contact|table
---@param opts table|nil `timeout` seconds for each target, all its addresses together (none: 32 s without an answer, 181 s of ringing), `parallel` all at one time, `on_response` function(response) for provisional ones (drop it to keep it from the caller), `stateless` send to the first and remember nothing, `proxy` the stateless proxy that hides contacts and leads to those it has hidden (none: they are left as they are; stateless: those of a proxy without options)
---@return viaduct.Message|nil final
---@return string|nil message
---@return string|nil code "timeout", "unreachable", "cancelled", "answered", "limit"
function M.forward(req, targets, opts)
	if targets == nil and type(opts) == "string" then -- of sip.uri or sip.address: nil, message, code
		misuse("forward has no target: %s", opts)
	end
	opts = options.check("forward", opts, known)
	local list = targets_of(targets, opts.parallel)
	local number = number_of(opts.proxy, opts.stateless)
	if opts.stateless then
		return forward_statelessly(req, list[1], opts.proxy)
	end
	wait.check_place "forward"
	local code, hook, too_many = begin(req[1], list, opts, number)
	if code ~= OK then
		hooks[hook] = nil
		return not_begun(code, opts, too_many)
	end
	return await(hook) -- a tail call: a phone may ring for minutes, and what C has copied need not wait with it
end

message.methods.forward = M.forward

return M

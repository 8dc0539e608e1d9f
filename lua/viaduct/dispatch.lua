-- Where the engine comes in: each pooled coroutine runs `worker`, which handles one event after the other.
local abi = require "viaduct.abi"
local delivery = require "viaduct.delivery"
local depth = require "viaduct.depth"
local forward = require "viaduct.forward"
local judge = require "viaduct.judge"
local leg = require "viaduct.leg"
local loader = require "viaduct.loader"
local message = require "viaduct.message"
local misuse = require "viaduct.blame"
local options = require "viaduct.options"
local receiver = require "viaduct.receiver"
local resolver = require "viaduct.resolver"
local wait = require "viaduct.wait"

local C, script, pointer = abi.C, abi.script, abi.pointer
local yield = coroutine.yield
-- The plain ones: a script's text may be long, and its own guards are not for us.
local find, gmatch = string.find, string.gmatch
local message_of, source_of, leg_of = message.of, message.source_of, leg.of

local LOAD, MESSAGE, TIMER, PROVISIONAL, DELIVERED, LOOKUP, JUDGE = 1, 2, 3, 4, 5, 6, 7

-- ---- loading: what a script must return ----

local known = { legs = true, receive = true }

-- The line a complaint about the returned table points to: the script's own `return`, which is not indented as those of
-- its functions are, or else the last line, where one is missing.
local function return_line(source)
	local line, last, found = 0, 1, nil
	for text in gmatch(source, "[^\n]*\n?") do
		line = line + 1
		if find(text, "^return") then
			found = line
		elseif find(text, "%S") then
			last = line
		end
	end
	return found or last
end

local function take_handler(given, where, complain)
	local handler = receiver.handler_of(given)
	if handler then
		receiver.set(handler)
		misuse.receiver_is(given, where)
	elseif given ~= nil then
		complain(("receive must be a function(message, leg, from) or something with a receive method, not %s")
			:format(receiver.kind_of(given)))
	elseif not receiver.is_set then
		complain "the script has no handler: write return { receive = function(message, leg, from) ... end }"
	end
end

local function load_legs(legs, complain)
	if legs == nil then
		return
	elseif not options.is_list(legs) then
		complain 'legs must be a list without gaps and names: write legs = { "udp:127.0.0.1:5060" }'
	end
	for index, given in ipairs(legs) do
		local spec, problem, decide = leg.spec_of(given)
		if not spec then
			complain(("leg %d %s"):format(index, problem))
		elseif C.vd_load_leg(script, spec, #spec) ~= C.VD_OK then
			complain(("leg %d is too long, or there are too many legs"):format(index))
		end
		judge.use(spec, decide)
	end
end

local function load_script(path)
	local chunk, source = loader.script(path)
	if not chunk then
		error(source, 0)
	end
	local returned = chunk()
	local where = ("%s:%d: "):format(path, return_line(source))
	local function complain(text) error(where .. text, 0) end
	if type(returned) ~= "table" then
		complain "the script must return a table: write return { receive = function(message, leg, from) ... end }"
	end
	for key in pairs(returned) do
		if not known[key] then
			complain(("the script returned an unknown field '%s'; it may have: legs, receive"):format(tostring(key)))
		end
	end
	take_handler(returned.receive, where, complain)
	load_legs(returned.legs, complain)
end

-- ---- running ----

--- The body of every pooled coroutine; `script_path` is for the LOAD event.
---@param path string
---@return fun(event: integer, a: any, b: any, c: any)
local function worker_for(path)
	return function(event, a, b, c)
		wait.enter()
		while true do
			depth.begin()
			if event == MESSAGE then
				receiver.handle(message_of(a), leg_of(b), source_of(a))
			elseif event == TIMER then
				wait.fire(a)
			elseif event == PROVISIONAL then
				forward.provisional(b, message_of(a))
			elseif event == DELIVERED then
				delivery.ended(a, b)
			elseif event == LOOKUP then
				resolver.ask(a, b, c)
			elseif event == JUDGE then
				wait.without("can_deliver_to", judge.decide)
			elseif event == LOAD then
				load_script(path)
			end
			event, a, b, c = yield(pointer)
		end
	end
end

return worker_for

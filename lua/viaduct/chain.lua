-- Elements one after the other: the first that handles the message ends the chain.
local misuse = require "viaduct.blame"
local options = require "viaduct.options"
local receiver = require "viaduct.receiver"

--- Something with receive(message, leg, from); a true result means handled.
---@class viaduct.Element
---@field receive fun(self, message: viaduct.Message, leg: viaduct.Leg, from: viaduct.Source): any

local function call_of(element, index)
	return receiver.handler_of(element)
		or misuse("element %d of receive_chain must be a function or have a receive method, not %s", index, receiver.kind_of(element))
end

-- Built from pairs rather than run by a loop, so that a straight-line chain is compiled as one piece.
local function pair(first, second)
	return function(message, leg, from)
		local handled = first(message, leg, from)
		if handled then
			return handled
		end
		return second(message, leg, from)
	end
end

local function only_methods(run, wanted)
	return function(message, leg, from)
		return wanted[message.method] and run(message, leg, from) or false
	end
end

local function only_if(run, filter)
	return function(message, leg, from)
		return filter(message, leg, from) and run(message, leg, from) or false
	end
end

--- Chains elements: { registrar, proxy, methods = { "INVITE" }, filter = function(message, leg, from) ... end }.
---@param spec table elements in order, and options `methods` (responses by the method of CSeq) and `filter`
---@return viaduct.Element
local function receive_chain(spec)
	if type(spec) ~= "table" then
		misuse "receive_chain takes a list: write sip.receive_chain { registrar, proxy }"
	end
	local named = {}
	for key, value in pairs(spec) do
		if type(key) ~= "number" then
			named[key] = value
		end
	end
	options.check("receive_chain", named, { methods = "table", filter = "function" })
	if #spec == 0 then
		misuse "receive_chain needs at least one element"
	end
	local run = call_of(spec[#spec], #spec)
	for index = #spec - 1, 1, -1 do
		run = pair(call_of(spec[index], index), run)
	end
	if spec.methods then
		run = only_methods(run, options.methods("receive_chain", spec.methods))
	end
	if spec.filter then
		run = only_if(run, spec.filter)
	end
	return { receive = function(_, message, leg, from) return run(message, leg, from) end }
end

return receive_chain

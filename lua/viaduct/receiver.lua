-- Who gets the messages: what the script returned as `receive`, or what it gave to dispatcher:set_receiver.
local blame = require "viaduct.blame"

local M = {}

local function nobody() end

--- The function that `given` stands for: itself, or a call of its receive method. nil when it is neither.
---@param given any
---@return fun(message: viaduct.Message, leg: viaduct.Leg, from: viaduct.Source)|nil
function M.handler_of(given)
	if type(given) == "function" then
		blame.handler_is(given)
		return given
	elseif type(given) == "table" and type(given.receive) == "function" then
		return function(msg, leg, from) return given:receive(msg, leg, from) end
	end
	return nil
end

-- nil: nobody, so that requests are answered 500 and counted.
function M.set(handler)
	M.is_set = true
	M.handle = handler or nobody
end

return M

-- Who gets the messages: what the script returned as `receive`, or what it gave to dispatcher:set_receiver.
local M = {}
local constructors = {} -- functions too, but they receive nothing: who forgets to call one is told so

--- The constructors there are, by name.
function M.constructors_are(public)
	for name, value in pairs(public) do
		constructors[value] = type(value) == "function" and name or nil
	end
end

local function nobody() end

--- The function that `given` stands for: itself, or a call of its receive method. nil when it is neither.
---@param given any
---@return fun(message: viaduct.Message, leg: viaduct.Leg, from: viaduct.Source)|nil
function M.handler_of(given)
	if type(given) == "function" and not constructors[given] then
		return given
	elseif type(given) == "table" and type(given.receive) == "function" then
		return function(msg, leg, from) return given:receive(msg, leg, from) end
	end
	return nil
end

--- What a thing is that cannot receive, for the error.
function M.kind_of(given)
	local name = constructors[given]
	return name and ("sip.%s itself: call it, as in sip.%s {}"):format(name, name) or "a " .. type(given)
end

-- nil: nobody, so that requests are answered 500 and counted.
function M.set(handler)
	M.is_set = true
	M.handle = handler or nobody
end

return M

-- Some callers are told no, and no subscription gets through. Try: viaduct run examples/block_caller.lua
local sip = require "viaduct"

local unwanted = { ["spam@example.net"] = true, ["sales@example.org"] = true }

local function is_unwanted(message)
	local from = message.from.uri
	return unwanted[("%s@%s"):format(from.user or "", from.host)] or from.user == "anonymous"
end

local refuse = sip.receive_chain {
	sip.block { INVITE = "603 Decline", MESSAGE = "603 Decline" },
	filter = function(message) return message:is_request() and is_unwanted(message) end,
}

return {
	legs = { "udp:127.0.0.1:5060" },
	receive = sip.receive_chain { refuse, sip.block { SUBSCRIBE = "405 Method Not Allowed" }, sip.stateless_proxy {} },
}

-- Some callers are told no, and no subscription gets through. Try: viaduct run examples/block_caller.lua
local sip = require "viaduct"

local registrar = sip.registrar { domains = { "example.com" } }
local unwanted = { ["spam@example.net"] = true, ["sales@example.org"] = true }

local function is_unwanted(message)
	local from = message.from.uri
	return unwanted[("%s@%s"):format(from.user or "", from.host)] or from.user == "anonymous"
end

local decline = sip.receive_chain {
	sip.block { INVITE = "603 Decline", MESSAGE = "603 Decline" },
	filter = function(message) return message:is_request() and is_unwanted(message) end,
}

-- Strangers reach what is served here and dialogs that began so: no open relay.
local function refuse(message, _, from)
	if not message:is_request() then return false end
	local lacks, code = registrar:lacks(message)
	if not (lacks or from.is_loopback or registrar:serves(message) or message:is_in_dialog()) then code = 403 end
	if not code then return false end
	if message.method == "ACK" then return message:drop "ACK to nobody here" end
	return message:reply(code)
end

return {
	legs = { "udp:127.0.0.1:5060" },
	receive = sip.receive_chain {
		decline, sip.block { SUBSCRIBE = "405 Method Not Allowed" }, registrar, refuse, sip.stateless_proxy {},
	},
}

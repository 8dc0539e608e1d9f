-- Sends calls to gateways by the longest prefix of the number dialled. Try: viaduct run examples/prefix_routing.lua
local sip = require "viaduct"

local proxy = sip.stateless_proxy {}
local gateways = {
	["49"] = "192.0.2.49:5060",   -- Germany
	["4930"] = "192.0.2.30:5060", -- Berlin
	["1"] = "192.0.2.1:5060",     -- North America
}

local function gateway_for(number)
	for length = #number, 1, -1 do
		local gateway = gateways[number:sub(1, length)]
		if gateway then return gateway end
	end
end

-- Forwards for everybody to these gateways, and elsewhere in dialogs that began so: put the rule of scripts/proxy.lua before it
-- where strangers can reach it.
local function receive(message, leg, from)
	if message:is_request() and not message:is_in_dialog() then
		local number = (message.ruri.user or ""):match "^%+?(%d+)$"
		local gateway = number and gateway_for(number)
		if not gateway and message.method == "ACK" then return message:drop "ACK to no number here" end
		if not gateway then return message:reply(404, "No Route To That Number") end
		message:set_uri(("sip:%s@%s"):format(number, gateway))
		message:set_header("X-Dialled", number)
	end
	return proxy:receive(message, leg, from)
end

return {
	legs = { "udp:127.0.0.1:5064" },
	receive = receive,
}

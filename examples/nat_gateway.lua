-- Phones of an inner network call and register outside; the outside sees the gateway only. Try: viaduct run examples/nat_gateway.lua
local sip = require "viaduct"

local INNER, OUTER = "udp:127.0.0.1:5060", "udp:127.0.0.2:5060"
local proxy = sip.stateless_proxy {}

-- From outside nobody gets in but by a contact that this gateway made, or in a call that is there.
local function no_strangers(message, leg)
	if leg.spec == INNER or not message:is_request() then return false end
	local at_us = message.ruri.host == leg.host and message.ruri.port == leg.port
	if (at_us and not message:header "Route") or message:is_in_dialog() then return false end
	if message.method == "ACK" then return message:drop "ACK to nobody here" end
	return message:reply(403)
end

return {
	legs = { INNER, OUTER },
	receive = sip.receive_chain { no_strangers, proxy },
}

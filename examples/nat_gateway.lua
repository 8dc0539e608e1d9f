-- Phones of an inner network call and register outside; the outside sees the gateway only. Try: viaduct run examples/nat_gateway.lua
local sip = require "viaduct"

local INNER, OUTER = "udp:127.0.0.1:5060", "udp:127.0.0.2:5060"
local proxy = sip.stateless_proxy {}

local function is_us(uri)
	for _, leg in ipairs(sip.legs()) do
		if uri.host == leg.host and (uri.port or 5060) == leg.port and not uri.params.maddr then return true end
	end
	return false
end

-- Sent to the gateway, and by no Route to anywhere behind it.
local function is_for_us(request)
	for _, route in ipairs(request:headers "Route") do
		local to = sip.address(route)
		if not to or not is_us(to.uri) then return false end
	end
	return is_us(request.ruri)
end

-- From outside nobody gets in but by a contact that this gateway made, or in a call that is there.
local function no_strangers(message, leg)
	if leg.spec == INNER or not message:is_request() then return false end
	if is_for_us(message) or message:is_in_dialog() then return false end
	if message.method == "ACK" then return message:drop "ACK to nobody here" end
	return message:reply(403)
end

return {
	legs = { INNER, OUTER },
	receive = sip.receive_chain { no_strangers, proxy },
}

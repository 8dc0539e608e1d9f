-- Tries a second gateway when the first is down or busy, then voicemail. Try: viaduct run examples/failover.lua
local sip = require "viaduct"

local proxy = sip.stateless_proxy {}
local gateways = { "192.0.2.11", "192.0.2.12" }
local voicemail = "sip:voicemail@192.0.2.20"

local function receive(req, leg, from)
	if not req:is_request() or req.method ~= "INVITE" or req.to.tag then
		return proxy:receive(req, leg, from)
	end
	for _, gateway in ipairs(gateways) do
		local final, problem = req:forward(("sip:%s@%s"):format(req.ruri.user or "", gateway), { timeout = 8 })
		if final and final.code < 500 then return end -- what it said goes to the caller
		sip.log(("%s: %s"):format(gateway, problem or final.code))
	end
	return req:forward(voicemail)
end

return {
	legs = { "udp:127.0.0.1:5060" },
	receive = receive,
}

-- Tries a second gateway when the first is silent or fails (5xx), then voicemail. Try: viaduct run examples/failover.lua
local sip = require "viaduct"

local proxy = sip.stateless_proxy {}
local gateways = { "192.0.2.11", "192.0.2.12" }
local voicemail = "sip:voicemail@192.0.2.20"

-- Forwards for everybody: put the rule of scripts/proxy.lua before it where strangers can reach it.
local function receive(req, leg, from)
	if not req:is_request() or req.method ~= "INVITE" or req.to.tag then
		return proxy:receive(req, leg, from)
	end
	local user = req.ruri.user
	for _, gateway in ipairs(gateways) do
		local final, problem, code = req:forward("sip:" .. (user and user .. "@" or "") .. gateway, { timeout = 8 })
		if code == "cancelled" then return end
		-- What it said about the callee, such as 404 or 486, goes to the caller; a 6xx holds everywhere (RFC 3261 16.7 (5)).
		if final and (final.code < 500 or final.code >= 600) then return end
		sip.log(("%s: %s"):format(gateway, problem or final.code))
	end
	return req:forward(voicemail)
end

return {
	legs = { "udp:127.0.0.1:5060" },
	receive = receive,
}

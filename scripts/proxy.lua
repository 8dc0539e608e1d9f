-- What `viaduct run` runs when you name no script: a registrar, and a proxy in front of what is registered.
--   viaduct run -l udp:192.0.2.1:5060 -D domains=example.com,example.org scripts/proxy.lua
-- Settings: domains=a,b   the domains served here (default: every domain may register)
--           relay=any     forward for everybody, anywhere; without it strangers reach what is served here only
local sip = require "viaduct"

local domains = {}
for domain in (sip.settings.domains or ""):gmatch "[^%s,]+" do
	domains[#domains + 1] = domain
end
local relay_any = sip.settings.relay == "any"

local registrar = sip.registrar { domains = domains, min_expires = 30, max_expires = 300 }
local proxy = sip.stateless_proxy {}

-- Who is not here cannot be reached, and strangers reach what is served here and dialogs that began so: no open relay.
local function refuse(message, _, from)
	if not message:is_request() then return false end
	local lacks, code = registrar:lacks(message)
	if not (lacks or relay_any or from.is_loopback or registrar:serves(message) or message:is_in_dialog()) then
		code = 403
	end
	if not code then return false end
	if message.method == "ACK" then return message:drop "ACK to nobody here" end
	return message:reply(code)
end

return {
	legs = { "udp:127.0.0.1:5060", "tcp:127.0.0.1:5060" },
	receive = sip.receive_chain { registrar, refuse, proxy },
}

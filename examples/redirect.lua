-- A registrar that tells callers where the callee is instead of forwarding. Try: viaduct run -D domains=example.com examples/redirect.lua
local sip = require "viaduct"

local registrar = sip.registrar { domain = sip.settings.domains or "example.com" }
local redirect = sip.redirect { registrar = registrar }

-- Whoever is in no domain of ours is not found by us either.
local function nobody(message)
	if message:is_response() or message.method == "ACK" then return message:drop "not for a redirect server" end
	return message:reply(404)
end

return {
	legs = { "udp:127.0.0.1:5060", "tcp:127.0.0.1:5060" },
	receive = sip.receive_chain { redirect, registrar, nobody },
}

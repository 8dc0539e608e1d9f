-- Scanners and whoever sends too often get no answer. Try: viaduct run examples/rate_limit.lua, then viaduct ctl status
local sip = require "viaduct"

local registrar = sip.registrar { domains = { "example.com" } }

-- Of one address: 20 registrations a minute, 10 calls in ten seconds. Who goes on stays out; a reload forgets nothing.
local quiet = sip.receive_chain {
	sip.drop { by_field = { ["User-Agent"] = { "friendly-scanner", "sipvicious", "sipcli" } } },
	sip.drop { by_source = { attempts = 20, interval = 60, methods = { "REGISTER" } } },
	sip.drop { by_source = { attempts = 10, interval = 10, methods = { "INVITE", "OPTIONS", "MESSAGE" } } },
	filter = function(_, _, from) return from.ip ~= "192.0.2.10" end, -- our own gateway may
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
	legs = { "udp:127.0.0.1:5060", "tcp:127.0.0.1:5060" },
	receive = sip.receive_chain { quiet, registrar, refuse, sip.stateless_proxy {} },
}

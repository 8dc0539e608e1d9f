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

return {
	legs = { "udp:127.0.0.1:5060", "tcp:127.0.0.1:5060" },
	receive = sip.receive_chain { quiet, registrar, sip.stateless_proxy {} },
}

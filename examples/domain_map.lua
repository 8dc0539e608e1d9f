-- Sends each domain to the proxy in charge of it, all others to one. Try: viaduct run examples/domain_map.lua
local sip = require "viaduct"

sip.dispatcher {
	domain2proxy = {
		["example.com"]   = "192.0.2.51:5060",                  -- this domain alone
		["*.example.org"] = { "192.0.2.52", "192.0.2.53" },     -- this one and all below; the second when the first is dead
		["example.net"]   = "sip:pbx.example.net;transport=tcp", -- by name and TCP
	},
	outgoing_proxy = "192.0.2.54",
}
local proxy = sip.stateless_proxy {}

return {
	legs = { "udp:127.0.0.1:5060", "tcp:127.0.0.1:5060" },
	receive = function(msg, leg, from)
		local is_new = msg:is_request() and msg.method ~= "ACK" and msg.method ~= "CANCEL"
		if is_new then return msg:forward(msg.uri) end
		return proxy:receive(msg, leg, from)
	end,
}

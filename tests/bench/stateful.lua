-- What tm.lua does for Kamailio: every request but ACK by a transaction, those inside a dialog too.
local sip = require "viaduct"
local proxy = sip.stateless_proxy {}

local function receive(req, leg, from)
	if not req:is_request() or req.method == "ACK" or req.method == "CANCEL" then return proxy:receive(req, leg, from) end
	return req:forward(req.uri)
end

return { receive = receive }

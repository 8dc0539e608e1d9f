-- Answers every OPTIONS with 200 and all else with 501. Try: viaduct run -l udp:127.0.0.1:5062 examples/hello.lua
local sip = require "viaduct"

local function receive(message, leg, from)
	if message:is_response() then return message:drop "nobody asked" end
	if message.method == "ACK" then return message:drop "nothing to acknowledge" end
	sip.log(("%s from %s by %s"):format(message.method, tostring(from), leg.transport))
	if message.method == "OPTIONS" then
		return message:reply(200, nil, { Allow = "OPTIONS", ["X-Greeting"] = "hello" })
	end
	return message:reply(501)
end

return {
	legs = { "udp:127.0.0.1:5062", "tcp:127.0.0.1:5062" },
	receive = receive,
}

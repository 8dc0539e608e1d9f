-- What flows about dispatcher:deliver have in common.
local M = {}

--- A script whose handler of MESSAGE does this, and which says what comes back. `told` is a callback that logs.
function M.acting(text, options)
	return ([[
local sip = require "viaduct"
local dispatcher = sip.dispatcher { %s }
local proxy = sip.stateless_proxy {}
local function told(err, delivery) sip.log(("told %%s of %%s"):format(tostring(err), delivery.id)) end
local function probe(uri, given)
	return dispatcher:deliver(sip.request { method = "OPTIONS", uri = uri, call_id = "probe", cseq = 7 }, given or { callback = told })
end
return { receive = function(msg, leg, from)
	if msg:is_response() then
		sip.log(("response %%d %%s"):format(msg.code, msg.call_id))
		return msg.call_id == "probe" and msg:drop() or proxy:receive(msg)
	elseif msg.method == "MESSAGE" then
		%s
		return msg:reply(200)
	elseif msg.method == "ACK" then
		return proxy:receive(msg)
	end
	return dispatcher:deliver(msg, { callback = told })
end }]]):format(options or "", text or "")
end

--- A MESSAGE that makes the script act.
function M.poke(net, alice)
	alice:request("MESSAGE", "sip:x@192.0.2.99")
	alice:expect(200)
	net:settle()
end

--- Of example.net: bob's address first, then carol's.
function M.two_addresses(net)
	net:dns("_sip._udp.example.net", "SRV", 1, 1, 5060, "one.example.net")
	net:dns("_sip._udp.example.net", "SRV", 2, 1, 5060, "two.example.net")
	net:dns("one.example.net", "A", "198.51.100.8")
	net:dns("two.example.net", "A", "198.51.100.9")
end

return M

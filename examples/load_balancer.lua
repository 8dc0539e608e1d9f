-- Spreads calls over gateways by weight, past those that do not answer OPTIONS. Try: viaduct run examples/load_balancer.lua
local sip = require "viaduct"

local dispatcher = sip.dispatcher {}
local proxy = sip.stateless_proxy {}
local gateways = {
	{ host = "192.0.2.41", weight = 3 },
	{ host = "192.0.2.42", weight = 1 },
}

-- The engine remembers who did not answer, whatever script runs: a reload forgets nothing.
local function probe()
	for _, gateway in ipairs(gateways) do
		dispatcher:deliver(sip.request { method = "OPTIONS", uri = "sip:" .. gateway.host }, { timeout = 4 })
	end
end
dispatcher:add_timer(0, probe, 30)

local function pick()
	local usable, total = {}, 0
	for _, gateway in ipairs(gateways) do
		local targets = dispatcher:resolve_uri("sip:" .. gateway.host)
		if targets and not targets[1].is_dead then
			total = total + gateway.weight
			usable[#usable + 1] = { upto = total, host = gateway.host }
		end
	end
	local point = math.random() * total
	for _, gateway in ipairs(usable) do
		if point < gateway.upto then return gateway.host end
	end
end

-- Forwards for everybody: put the rule of scripts/proxy.lua before it where strangers can reach it.
return { legs = { "udp:127.0.0.1:5060" }, receive = function(msg, leg, from)
	if not msg:is_request() or msg.method ~= "INVITE" or msg.to.tag then return proxy:receive(msg, leg, from) end
	local gateway = pick()
	if not gateway then return msg:reply(503, nil, { ["Retry-After"] = 30 }) end
	return msg:forward(("sip:%s@%s"):format(msg.ruri.user or "anybody", gateway))
end }

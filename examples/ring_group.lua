-- sales@... rings two phones at one time, then the manager. Try: viaduct run examples/ring_group.lua
local sip = require "viaduct"

local proxy = sip.stateless_proxy {}
local groups = {
	sales = {
		{ "sip:anna@192.0.2.31", "sip:ben@192.0.2.32" }, -- at one time
		"sip:manager@192.0.2.33",                        -- when neither answers
	},
}

-- Forwards for everybody: put the rule of scripts/proxy.lua before it where strangers can reach it.
local function receive(req, leg, from)
	local group = req:is_request() and req.method == "INVITE" and not req.to.tag and groups[req.ruri.user or ""]
	if not group then return proxy:receive(req, leg, from) end
	local final = req:forward(group, {
		timeout = 15,
		on_response = function(response) sip.log(("%s says %d"):format(response.to.uri.user or "?", response.code)) end,
	})
	if final and final.code == 486 then return req:reply(480, "Everybody Is Busy") end
end

return {
	legs = { "udp:127.0.0.1:5060" },
	receive = receive,
}

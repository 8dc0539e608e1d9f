-- Legs as scripts see them.
local abi = require "viaduct.abi"

local C, script, found, text = abi.C, abi.script, abi.leg, abi.text
local transports = { "udp", "tcp", "tls" }

--- A socket messages come from and go to.
---@class viaduct.Leg
---@field spec string as the user wrote it
---@field address string host and port shown to others
---@field host string shown to others; IPv6 in brackets
---@field port integer shown to others
---@field ip string bound
---@field transport string "udp" or "tcp"
local leg_mt = {
	__name = "viaduct.Leg",
	__metatable = false,
	__tostring = function(self) return self.spec end,
}

local known = {}
local M = {}

-- The leg of this number; the same object each time, for as long as this script runs.
function M.of(index)
	local leg = known[index]
	if leg then
		return leg
	end
	if C.vd_leg_at(script, index, found) ~= C.VD_OK then
		return nil
	end
	leg = setmetatable({
		spec = text(found.spec),
		address = text(found.address),
		host = text(found.host),
		ip = text(found.ip),
		port = found.port,
		transport = transports[found.transport],
	}, leg_mt)
	known[index] = leg
	return leg
end

--- All open legs.
---@return viaduct.Leg[]
function M.all()
	local list = {}
	for index = 0, 63 do
		local leg = M.of(index)
		if leg then
			list[#list + 1] = leg
		end
	end
	return list
end

return M

-- From a host name to one address, for stateless forwarding: SRV when no port is given, then A or AAAA (RFC 3263 4).
-- A retransmission must go where the first went (RFC 3261 16.11), so the choice follows from the answer alone, whatever
-- order its records come in.
local dns = require "viaduct.dns"
local leg = require "viaduct.leg"

local NONE, UDP, TCP = 0, 1, 2
local DEFAULT_PORT = 5060
local labels = { [UDP] = "_sip._udp.", [TCP] = "_sip._tcp." }
local names = { [UDP] = "udp", [TCP] = "tcp" }

local function has_leg(transport, family)
	for _, candidate in ipairs(leg.all()) do
		local is_v6 = candidate.ip:find(":", 1, true) ~= nil
		if (not transport or candidate.transport == names[transport]) and is_v6 == (family == "AAAA") then
			return true
		end
	end
	return false
end

local function smallest(records)
	local best
	for _, record in ipairs(records) do
		if not best or record.address < best then
			best = record.address
		end
	end
	return best
end

local function address_of(host, transport)
	for _, family in ipairs { "A", "AAAA" } do
		if has_leg(transport ~= NONE and transport or nil, family) then
			local records = dns.resolve(host, family)
			if records then
				return smallest(records)
			end
		end
	end
	return nil
end

local function before(a, b)
	if a.priority ~= b.priority then
		return a.priority < b.priority
	elseif a.weight ~= b.weight then
		return a.weight > b.weight
	end
	return a.target < b.target
end

local function by_srv(host, transport)
	local records = dns.resolve(labels[transport] .. host, "SRV")
	if not records then
		return nil
	end
	table.sort(records, before)
	for _, record in ipairs(records) do
		local address = address_of(record.target, transport)
		if address then
			return { address = address, port = record.port, transport = transport }
		end
	end
	return nil
end

--- One address to send to; waits for DNS.
---@param host string
---@param port integer 0: none was given
---@param transport integer 0: any
---@return table|nil target address, port, transport
local function locate(host, port, transport)
	if port == 0 then
		for _, candidate in ipairs { UDP, TCP } do
			local wanted = transport == NONE or transport == candidate
			if wanted and (has_leg(candidate, "A") or has_leg(candidate, "AAAA")) then
				local target = by_srv(host, candidate)
				if target then
					return target
				end
			end
		end
	end
	local address = address_of(host, transport)
	return address and { address = address, port = port ~= 0 and port or DEFAULT_PORT, transport = transport }
end

return locate

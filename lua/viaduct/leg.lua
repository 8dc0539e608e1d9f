-- Legs as scripts see them.
local abi = require "viaduct.abi"
local misuse = require "viaduct.blame"
local options = require "viaduct.options"

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
	-- The parts are kept one step away, so that writing to any of them raises: all handlers see this object.
	__index = function(self, key) return self[1][key] or misuse("a leg has no field '%s'", tostring(key)) end,
	__newindex = function() misuse "a leg cannot be changed" end,
}

local known = {} -- by serial
local places = setmetatable({}, { __mode = "k" }) -- by leg: its shown address as a number
local M = {}

-- The leg in this slot, the same object each time while it is open.
local function at(index)
	if C.vd_leg_at(script, index, found) ~= C.VD_OK then
		return nil
	end
	local serial = found.serial
	if not known[serial] then
		known[serial] = setmetatable({ {
			spec = text(found.spec),
			address = text(found.address),
			host = text(found.host),
			ip = text(found.ip),
			port = found.port,
			transport = transports[found.transport],
		} }, leg_mt)
		places[known[serial]] = found.place
	end
	return known[serial]
end

--- All open legs.
---@return viaduct.Leg[]
function M.all()
	local list = {}
	for index = 0, 63 do
		list[#list + 1] = at(index)
	end
	return list
end

local function no_networks(seen)
	return nil, ('has a can_deliver_to that is no list of networks and no function(proto, addr, port): write { "10.0.0.0/8" }, not %s')
		:format(seen)
end

-- As text; nil and what is wrong with them.
local function networks_of(given)
	local list = type(given) == "string" and { given } or given
	if type(list) ~= "table" then
		return no_networks("a " .. type(list))
	elseif not options.is_list(list) then
		return no_networks "a list with gaps or names"
	elseif #list == 0 then
		return no_networks "an empty list"
	end
	for _, network in ipairs(list) do
		if type(network) ~= "string" then
			return no_networks("a list with a " .. type(network))
		end
	end
	return table.concat(list, ",")
end

local NO_LEG = 'must be a text such as "udp:127.0.0.1:5060" or { proto = "udp", addr = "127.0.0.1", port = 5060 }, not %s'
local known_options = { [1] = true, proto = true, addr = true, port = true, can_deliver_to = true }

--- A leg as text: what is written "udp:127.0.0.1:5060" or { "udp:10.0.0.1:5060", can_deliver_to = { "10.0.0.0/8" } }, or in
--- parts { proto = "udp", addr = "10.0.0.1", port = 5060 }. `can_deliver_to` may be a function, which is
--- returned too: asked about each address a request may go to (proto "udp" or "tcp", its IP as text, port), it says with a true
--- result that this leg reaches it. It answers at once; an error in it is answered 500.
---@param given string|table
---@return string|nil spec
---@return string|nil problem what is wrong with it, to stand behind its name
---@return (fun(proto: string, addr: string, port: integer): any)|nil can_deliver_to
function M.spec_of(given)
	if type(given) == "string" then
		return given
	elseif type(given) ~= "table" then
		return nil, NO_LEG:format("a " .. type(given))
	end
	for name in pairs(given) do
		if not known_options[name] then
			return nil, ("has no option '%s'; it knows: addr, can_deliver_to, port, proto"):format(tostring(name))
		end
	end
	local spec = given[1]
	if spec ~= nil and (given.proto or given.addr or given.port) then
		return nil, 'is named by a text or in parts: write "udp:127.0.0.1:5060" or proto, addr and port, not both'
	elseif spec == nil and type(given.addr) == "string" then
		local port = tonumber(given.port or 5060)
		if not port or port % 1 ~= 0 then
			return nil, ("must have a whole number as its port, not '%s'"):format(tostring(given.port))
		elseif type(given.proto or "") ~= "string" then
			return nil, 'must have a text as its proto, "udp" or "tcp"'
		end
		local addr = given.addr:find ":" and not given.addr:find "^%[" and "[" .. given.addr .. "]" or given.addr
		spec = ("%s:%s:%d"):format(given.proto or "udp", addr, port)
	end
	if type(spec) ~= "string" then
		return nil, NO_LEG:format "a table without addr"
	end
	local reach = given.can_deliver_to
	if type(reach) == "function" then
		return spec, nil, reach
	end
	if reach == nil then
		return spec
	end
	local networks, problem = networks_of(reach)
	return networks and spec .. ";can_deliver_to=" .. networks, problem
end

-- The number C knows it by.
function M.serial_of(one)
	for serial, object in pairs(known) do
		if object == one then
			return serial
		end
	end
	misuse("a leg is wanted, such as get_legs gives them, not %s", tostring(one))
end

-- The leg a message came from.
function M.of(serial)
	if not known[serial] then
		M.all()
	end
	return known[serial]
end

M.at = at

-- The same for all legs shown by one address, and after every start; nil: that is no leg.
function M.place(leg) return places[leg] end

-- An open leg of that place.
function M.of_place(place)
	for _, leg in ipairs(M.all()) do
		if places[leg] == place then
			return leg
		end
	end
	return nil
end

return M

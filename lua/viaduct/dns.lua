-- Names to records, without blocking anything.
local abi = require "viaduct.abi"
local misuse = require "viaduct.blame"
local wait = require "viaduct.wait"

local C, script, record, text = abi.C, abi.script, abi.record, abi.text

local M = {}

local DEFAULT_TIMEOUT = 5 -- seconds
local types = { A = 0, AAAA = 1, SRV = 2, NAPTR = 3 }
local failures = {
	[1] = { "has no such record", "not_found" },
	[2] = { "was not answered in time", "timeout" },
	[3] = { "could not be asked", "failed" },
}

local function read(kind)
	local value = { type = kind, ttl = record.ttl }
	if kind == "A" or kind == "AAAA" then
		value.address = text(record.text)
		return value
	end
	value.target = text(record.text)
	if kind == "SRV" then
		value.priority, value.weight, value.port = record.priority, record.weight, record.port
	else
		value.order, value.preference = record.priority, record.weight
		value.flags, value.service = text(record.flags), text(record.service)
	end
	return value
end

--- Looks a name up and waits for the answer.
---@param name string
---@param kind string "A", "AAAA", "SRV" or "NAPTR"
---@param timeout number|nil seconds, 5 by default, at most 60
---@return table[]|nil records A, AAAA: address; SRV: target, port, priority, weight; NAPTR: target, order, preference, flags, service; all: ttl
---@return string|nil message
---@return string|nil code "not_found", "timeout", "failed"
function M.resolve(name, kind, timeout)
	if type(name) ~= "string" or kind == nil then
		misuse('dns.resolve takes a name and a type: write sip.dns.resolve("example.com", "A")')
	end
	local number = types[kind]
	if not number then
		misuse("dns.resolve knows A, AAAA, SRV and NAPTR, not '%s'", tostring(kind))
	end
	if timeout ~= nil and type(timeout) ~= "number" then
		misuse("the timeout of dns.resolve is in seconds, not a %s", type(timeout))
	end
	if not wait.lookup(number, name, timeout or DEFAULT_TIMEOUT) then
		return nil, "too many questions are open", "failed"
	end
	local failure = failures[C.vd_lookup_status(script)]
	local records = {}
	while not failure and C.vd_lookup_record(script, #records, record) == C.VD_OK do
		records[#records + 1] = read(kind)
	end
	if not failure and #records == 0 then
		failure = failures[1]
	end
	if failure then
		return nil, ("%s %s %s"):format(name, kind, failure[1]), failure[2]
	end
	return records
end

return M

-- Addresses as users write them; domain2proxy and outgoing_proxy of the dispatcher, told to C.
local abi = require "viaduct.abi"
local misuse = require "viaduct.blame"

local C, script, value, text = abi.C, abi.script, abi.value, abi.text
local M = {}

local FORM = '%s is a text such as "192.0.2.1:5060", or { proto = "udp", addr = "192.0.2.1", port = 5060 }'

-- { proto =, addr = or host =, port =, prio = } as resolve_uri gives it.
local function uri_of(what, record)
	local host = type(record) == "table" and (record.addr or record.host)
	if type(host) ~= "string" or not tonumber(record.port or 0) or type(record.proto or "") ~= "string" then
		misuse(FORM, what)
	end
	if host:find(":", 1, true) and host:sub(1, 1) ~= "[" then
		host = "[" .. host .. "]"
	end
	return ("sip:%s%s%s"):format(host, record.port and ":" .. record.port or "",
		record.proto and ";transport=" .. record.proto or "")
end

--- The URI that an address stands for: a URI, "ip:port", or { proto =, addr = or host =, port = }.
---@param what string the option it was given as
---@param given string|table
---@return string
function M.uri_of(what, given)
	if type(given) ~= "string" then
		return uri_of(what, given)
	end
	return given:find "^[sS][iI][pP][sS]?:" and given or "sip:" .. given
end

local function by_prio(a, b) return (a.prio or 0) < (b.prio or 0) end

-- A text, a record, or a list of either: as a list of texts.
local function texts_of(given)
	if type(given) == "string" then
		return { given }
	elseif type(given) ~= "table" or given.addr or given.host then
		return { uri_of("a proxy", given) }
	end
	local list, sorted = {}, {}
	for index, one in ipairs(given) do
		sorted[index] = one
	end
	if type(sorted[1]) == "table" then
		table.sort(sorted, by_prio)
	end
	for index, one in ipairs(sorted) do
		list[index] = type(one) == "string" and one or uri_of("a proxy", one)
	end
	return list
end

local function add(domain, given)
	for _, proxy in ipairs(texts_of(given)) do
		if C.vd_dispatcher_proxy(script, proxy, #proxy) ~= C.VD_OK then
			misuse("'%s' has more than 16 proxies", domain)
		end
	end
	if C.vd_dispatcher_domain(script, domain, #domain, value) ~= C.VD_OK then
		misuse("%s", text(value))
	end
end

function M.set(given)
	for domain, proxy in pairs(given.domain2proxy or {}) do
		if type(domain) ~= "string" or domain == "" then
			misuse 'domain2proxy is a table of domains: write { ["example.com"] = "192.0.2.1:5060" }'
		end
		add(domain, proxy)
	end
	if given.outgoing_proxy then
		add("", given.outgoing_proxy)
	end
end

return M

-- Targets of a forward as scripts write them, and in which order they are tried: a list of { uri, group, contact },
-- the last of those that know the way to them.
local misuse = require "viaduct.blame"
local options = require "viaduct.options"

local getmetatable = debug.getmetatable
local M = {}

local FORM = 'forward takes a URI or a list: write req:forward "sip:bob@192.0.2.4"'
local FORM_OF_LIST = '{ "sip:bob@192.0.2.4", "sip:bob@192.0.2.5" }'

-- "viaduct.Uri", "viaduct.Address", "viaduct.Contact" (also one a script wrote), the name of what is no target, or nil: a list.
function M.kind_of(target)
	local meta = type(target) == "table" and getmetatable(target)
	if meta and meta.__name then
		return meta.__name
	end
	return type(target) == "table" and target.uri ~= nil and "viaduct.Contact" or nil
end
local kind_of = M.kind_of

local uri_by_kind = {
	["viaduct.Uri"] = function(target) return target.text end,
	["viaduct.Address"] = function(target) return target.uri.text end,
	["viaduct.Contact"] = function(target)
		local uri = target.uri
		if type(uri) == "string" or kind_of(uri) == "viaduct.Uri" then
			return tostring(uri)
		end
		misuse("the uri of a target must be a text, not a %s", type(uri))
	end,
}

local LOOKAHEAD = 8 -- so far behind the end of a list what a nil has cut off is looked for

-- By index, for each message that is forwarded: see options.is_list.
local function is_list(targets)
	if type(targets) ~= "table" or targets.timeout or targets.parallel or targets.on_response or targets.stateless then
		return false
	end
	local n = #targets
	for index = 1, n + LOOKAHEAD do
		if (targets[index] == nil) ~= (index > n) then
			return false
		end
	end
	return true
end

local function list_of(targets)
	return is_list(targets) and targets or options.list("targets of forward", targets, FORM_OF_LIST)
end

-- The URI of one target; nil for a list.
local function uri_of(target)
	if type(target) == "string" then
		return target
	elseif type(target) ~= "table" then
		misuse("a target must be a URI or a contact, not a %s", type(target))
	end
	local kind = kind_of(target)
	if kind and not uri_by_kind[kind] then
		misuse("a target must be a URI or a contact, not a %s", (kind:gsub("^viaduct%.", ""):lower()))
	end
	return kind and uri_by_kind[kind](target)
end

-- nil for a list.
local function entry(target, group)
	local uri = uri_of(target)
	return uri and { uri, group, kind_of(target) == "viaduct.Contact" and target or nil }
end

local function member(target, group)
	return entry(target, group) or misuse "the members of an inner list are URIs or contacts"
end

-- ---- contacts by their q ----

-- Of a Contact header what is no qvalue counts as 1, as for the registrar: a peer wrote it.
local function q_of_address(address)
	local q = address.params.q
	return type(q) == "string" and q:find "^0%.?%d?%d?%d?$" and tonumber(q) or 1
end

local function q_of_contact(contact)
	local q = tonumber(contact.q)
	if not (q and q >= 0 and q <= 1) then
		misuse("the q of a contact is a number from 0 to 1, not '%s'", tostring(contact.q))
	end
	return q
end

-- The q of each and true when any has one; nil when they are no contacts only.
local function qs_of(targets)
	local qs, some = {}, false
	for index, target in ipairs(targets) do
		local kind = kind_of(target)
		if kind == "viaduct.Address" then
			qs[index], some = q_of_address(target), some or target.params.q ~= nil
		elseif kind == "viaduct.Contact" and target.q ~= nil then
			qs[index], some = q_of_contact(target), true
		elseif kind == "viaduct.Contact" then
			qs[index] = 1
		else
			return nil
		end
	end
	return qs, some
end

-- Better ones first, those of equal q at one time (RFC 3261 16.6).
local function by_q(targets, qs)
	local order, list, group = {}, {}, 0
	for index = 1, #qs do
		order[index] = index
	end
	table.sort(order, function(a, b) return qs[a] > qs[b] or (qs[a] == qs[b] and a < b) end)
	for at, index in ipairs(order) do
		if at > 1 and qs[index] < qs[order[at - 1]] then
			group = group + 1
		end
		list[at] = entry(targets[index], group)
	end
	return list
end

-- ---- in the order they stand in ----

local function as_written(targets, parallel)
	local list, group = {}, 0
	for _, target in ipairs(targets) do
		local one = entry(target, group)
		if one then
			list[#list + 1] = one
		else
			for _, inner in ipairs(list_of(target)) do
				list[#list + 1] = member(inner, group)
			end
		end
		if not parallel then
			group = group + 1
		end
	end
	return list
end

--- Those of one group are tried at one time, the groups one after the other.
---@param targets string|viaduct.Uri|viaduct.Address|viaduct.Contact|table
---@param parallel boolean|nil all at one time
---@return table[] list of { uri, group, contact }, groups from 0 upwards
function M.grouped(targets, parallel)
	if type(targets) ~= "string" and type(targets) ~= "table" then
		misuse(FORM)
	end
	local one = entry(targets, 0)
	if one then
		return { one }
	end
	local qs, some = qs_of(list_of(targets))
	local list = some and not parallel and by_q(targets, qs) or as_written(targets, parallel)
	return #list > 0 and list or misuse "forward needs at least one target"
end

return M

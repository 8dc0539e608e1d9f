-- What a user whose password is right may say: the `filter` of sip.authorize.
--
-- It is a function(message, leg, from, user, realm), or a table of methods: filter = { REGISTER = rule, INVITE = rule }. A rule is a
-- function, a name below, a list of them that must all agree, or a list of such lists of which one must. Other methods are free.
local misuse = require "viaduct.blame"
local options = require "viaduct.options"

local M = {}

local function decoded(user)
	return ((user or ""):gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- A user name may hold its domain: "alice" or "alice@example.com".
local function is_user(uri, user)
	if not uri then
		return false
	end
	local name = decoded(uri.user)
	return name ~= "" and (name == user or ("%s@%s"):format(name, uri.host) == user)
end

local function uri_of(party) return party and party.uri end

local rules = {}

--- The domain of From is the realm, or below it.
function rules.FromIsRealm(message, _, _, _, realm)
	local uri = uri_of(message.from)
	realm = realm:lower()
	return uri ~= nil and (uri.host == realm or uri.host:sub(-#realm - 1) == "." .. realm)
end

--- From names the user who authenticated.
function rules.FromIsAuthUser(message, _, _, user) return is_user(uri_of(message.from), user) end

--- To names the user who authenticated: nobody registers for others (RFC 3261 10.3 step 4).
function rules.ToIsAuthUser(message, _, _, user) return is_user(uri_of(message.to), user) end

--- To and From name the same user of the same domain.
function rules.ToIsFrom(message)
	local to, from = uri_of(message.to), uri_of(message.from)
	return to ~= nil and from ~= nil and to.host == from.host and decoded(to.user) == decoded(from.user)
end

local function known_rules()
	local names = {}
	for name in pairs(rules) do
		names[#names + 1] = name
	end
	table.sort(names)
	return table.concat(names, ", ")
end

local function single(rule)
	if type(rule) == "function" then
		return rule
	elseif type(rule) == "string" and rules[rule] then
		return rules[rule]
	end
	misuse("'%s' is no rule of a filter; there are %s, and functions", tostring(rule), known_rules())
end

-- A list that holds something: one without rules would let everybody pass, and so would a hole in it.
local function rules_of(given)
	if #options.list("a rule of a filter", given, '{ "FromIsAuthUser", "FromIsRealm" }') == 0 then
		misuse "a rule of a filter is empty: leave the method out to let everybody do it"
	end
	return given
end

local function all_of(list)
	local members = {}
	for index, rule in ipairs(rules_of(list)) do
		members[index] = single(rule)
	end
	return function(...)
		for _, member in ipairs(members) do
			if not member(...) then
				return false
			end
		end
		return true
	end
end

local function any_of(lists)
	local members = {}
	for index, list in ipairs(rules_of(lists)) do
		members[index] = type(list) == "table" and all_of(list) or single(list)
	end
	return function(...)
		for _, member in ipairs(members) do
			if member(...) then
				return true
			end
		end
		return false
	end
end

local function rule_of(given)
	if type(given) ~= "table" then
		return single(given)
	elseif type(given[1]) == "table" then
		return any_of(given)
	end
	return all_of(given)
end

local DEFAULT = { REGISTER = "ToIsAuthUser" }

--- Makes one function of what a script gave; nil stands for { REGISTER = "ToIsAuthUser" }.
---@param given function|table|nil
---@return fun(message: viaduct.Message, leg: viaduct.Leg, from: viaduct.Source, user: string, realm: string): any
function M.make(given)
	if type(given) == "function" then
		return given
	end
	local by_method = {}
	for method, rule in pairs(given or DEFAULT) do
		if type(method) ~= "string" then
			misuse 'a filter names methods: write filter = { REGISTER = "ToIsAuthUser" }'
		end
		by_method[options.method(method, "filter of authorize")] = rule_of(rule)
	end
	return function(message, leg, from, user, realm)
		local rule = by_method[message.method]
		return not rule or rule(message, leg, from, user, realm)
	end
end

return M

-- Who may go on: digest authentication (RFC 3261 22, RFC 7616, RFC 8760) as an element of a chain.
local abi = require "viaduct.abi"
local filters = require "viaduct.auth_filter"
local misuse = require "viaduct.blame"
local options = require "viaduct.options"

local C, script, value, settings, text = abi.C, abi.script, abi.value, abi.authorizer, abi.text
local handle_of = require("viaduct.message").handle
local rawset, type = rawset, type

--- Lets requests pass that carry the right credentials, and challenges all others.
---@class viaduct.Authorize
local Authorize = {}
local authorize_mt = {
	__name = "viaduct.Authorize",
	__metatable = false,
	__index = Authorize,
	__newindex = function() misuse "an authorize cannot be changed" end,
}

local NAMES = { [C.VD_MD5] = "MD5", [C.VD_SHA_256] = "SHA-256", [C.VD_SHA_512_256] = "SHA-512-256" }
local NUMBERS = { MD5 = C.VD_MD5, ["SHA-256"] = C.VD_SHA_256, ["SHA-512-256"] = C.VD_SHA_512_256 }
local DIGITS = { MD5 = 32, ["SHA-256"] = 64, ["SHA-512-256"] = 64 }
local NONE, STALE, WRONG_URI, FOUND, REPEATED =
	C.VD_AUTH_NONE, C.VD_AUTH_STALE, C.VD_AUTH_WRONG_URI, C.VD_AUTH_FOUND, C.VD_AUTH_REPEATED

local problems = {
	[C.VD_GONE] = "message is no longer available: its handler has ended",
	[C.VD_REFUSED] = "this request was answered or forwarded already",
	[C.VD_MISUSE] = "this is no authorize: its number is not one that sip.authorize gave",
}

local BAD_REALM = "the realm is 1 to 256 bytes without line breaks and control bytes, not '%s'"

local function check(code)
	if code < 0 then
		misuse(problems[code] or "authorize failed")
	end
	return code
end

-- ---- secrets ----

local function is_a1(a1, algorithm)
	return type(a1) == "string" and #a1 == DIGITS[algorithm] and not a1:find "%X"
end

local BAD_A1 = 'user2a1 must give %d hexadecimal digits for %s: a text, or { ["%s"] = text } when there are several algorithms'

-- What a callback gave has nobody's line: `source` is where it begins.
local function blame(source, ...)
	if type(source) == "function" then
		misuse.callback(source, ...)
	end
	misuse(...)
end

local function a1_of(source, given, algorithm)
	local a1 = given
	if type(given) == "table" then
		a1 = given[algorithm]
	end
	if a1 ~= nil and not is_a1(a1, algorithm) then
		blame(source, BAD_A1, DIGITS[algorithm], algorithm, algorithm)
	end
	return a1
end

local function look_up(source, user, realm, algorithm)
	if type(source) == "function" then
		return source(user, realm, algorithm)
	end
	return source and source[user]
end

-- What to compare with; may wait, since callbacks may.
local function secret_of(self, user, realm, algorithm)
	local a1 = a1_of(self.user2a1, look_up(self.user2a1, user, realm, algorithm), algorithm)
	if a1 then
		return C.VD_A1, a1
	end
	local password = look_up(self.user2pass, user, realm)
	if type(password) == "string" then
		return C.VD_PASSWORD, password
	elseif password ~= nil and password ~= false then
		blame(self.user2pass, "user2pass must give a password or nil, not a %s", type(password))
	end
	return C.VD_NOBODY, ""
end

-- ---- deciding ----

local REALM_MAX = 256 -- bytes

local function is_realm(given) return #given > 0 and #given <= REALM_MAX and not given:find "%c" end

local function realm_of(self, message)
	local given = self.realm
	if type(given) == "string" then
		return given
	end
	local realm = given(message)
	if type(realm) ~= "string" then
		misuse.callback(given, "the realm function must give a text, not %s", realm == nil and "nil" or "a " .. type(realm))
	elseif not is_realm(realm) then
		misuse.callback(given, BAD_REALM, realm:sub(1, 100))
	end
	return realm
end

local function challenge(self, handle, realm, stale)
	return check(C.vd_auth_challenge(script, self.number, handle, realm, #realm, stale and 1 or 0))
end

-- Its credentials were for us; the next hop has no use for them (RFC 3261 22.3).
local function let_in(self, handle, realm)
	check(C.vd_auth_strip(script, self.number, handle, realm, #realm))
	return false
end

local function verify(self, handle, realm, user, algorithm, seen)
	local kind, secret = secret_of(self, user, realm, NAMES[algorithm])
	return check(C.vd_auth_check(script, self.number, handle, realm, #realm, kind, secret, #secret, seen))
end

-- Neither can be challenged; each comes with a request that was (RFC 3261 22.1).
local function receive_ack_or_cancel(self, message, handle, realm)
	if check(C.vd_auth_was_let_in(script, self.number, handle, realm, #realm)) == 1 then
		return let_in(self, handle, realm)
	elseif message.method == "CANCEL" then
		message:reply(481)
		return 481
	elseif message:is_in_dialog() then
		return let_in(self, handle, realm)
	end
	local found = check(C.vd_auth_find(script, self.number, handle, realm, #realm, value))
	if found == FOUND and verify(self, handle, realm, text(value), value.extra, value.number) == C.VD_AUTH_RIGHT then
		return let_in(self, handle, realm)
	end
	return message:drop "ACK without credentials"
end

--- Lets a request pass when its credentials for the realm are right, and takes them out of it; then message.auth_user and
--- message.auth_realm say whose they were. Others are answered 401, or 407 where `i_am_proxy` is set; 403 where the filter says no;
--- 400 where the digest is for another URI. An ACK or CANCEL passes when it belongs to a request that passed.
---@param message viaduct.Message
---@param leg viaduct.Leg
---@param from viaduct.Source
---@return integer|boolean code it answered with; true: an ACK was absorbed; false: it may go on, or is a response
function Authorize:receive(message, leg, from)
	local handle = handle_of(message, "authorize:receive")
	if not message:is_request() then
		return false
	end
	local realm, method = realm_of(self, message), message.method
	if method == "ACK" or method == "CANCEL" then
		return receive_ack_or_cancel(self, message, handle, realm)
	end
	local found = check(C.vd_auth_find(script, self.number, handle, realm, #realm, value))
	if found == NONE or found == STALE then
		return challenge(self, handle, realm, found == STALE)
	elseif found == WRONG_URI then
		message:reply(400, "Digest URI Is Not The Request-URI")
		return 400
	end
	local user = text(value)
	if found ~= REPEATED then
		local verdict = verify(self, handle, realm, user, value.extra, value.number)
		if verdict ~= C.VD_AUTH_RIGHT then
			return challenge(self, handle, realm, verdict == C.VD_AUTH_TOO_LATE)
		end
	end
	let_in(self, handle, realm)
	if not self.filter(message, leg, from, user, realm) then
		message:reply(403)
		return 403
	end
	rawset(message, "auth_user", user)
	rawset(message, "auth_realm", realm)
	return false
end

-- ---- making one ----

local function read_algorithms(given)
	local list = given.algorithms or (given.user2a1 and { "MD5" }) or { "SHA-512-256", "SHA-256", "MD5" }
	options.list("algorithms of authorize", list, 'algorithms = { "SHA-256", "MD5" }')
	if #list < 1 or #list > 3 then
		misuse 'algorithms of authorize is a list: write algorithms = { "SHA-256", "MD5" }, the strongest first'
	end
	for index, name in ipairs(list) do
		if not NUMBERS[name] then
			misuse("authorize knows SHA-512-256, SHA-256 and MD5, not '%s'", tostring(name))
		end
		settings.algorithms[index - 1] = NUMBERS[name]
	end
	settings.n_algorithms = #list
	return list
end

local function read_qop(list)
	settings.auth, settings.auth_int = 0, 0
	if #options.list("qop of authorize", list, 'qop = { "auth" }') == 0 then
		misuse 'qop of authorize names none: write qop = { "auth" }, or leave it out'
	end
	for _, name in ipairs(list) do
		if name == "auth" then
			settings.auth = 1
		elseif name == "auth-int" then
			settings.auth_int = 1
		else
			misuse("qop of authorize is { 'auth' }, { 'auth-int' } or both, not '%s'", tostring(name))
		end
	end
end

local function check_maps(given, algorithms)
	if given.user2pass == nil and given.user2a1 == nil then
		misuse 'authorize needs user2pass or user2a1: write user2pass = { alice = "secret" }, or a function(user, realm)'
	end
	for user, password in pairs(type(given.user2pass) == "table" and given.user2pass or {}) do
		if type(user) ~= "string" or type(password) ~= "string" then
			misuse 'user2pass maps names to passwords: write { alice = "secret" }'
		end
	end
	for user, a1 in pairs(type(given.user2a1) == "table" and given.user2a1 or {}) do
		if type(user) ~= "string" then
			misuse 'user2a1 maps names to hexadecimal digits: write { alice = "0123..." }'
		end
		for _, algorithm in ipairs(algorithms) do
			a1_of(given.user2a1, a1, algorithm)
		end
	end
end

local OPAQUE_MAX, LIFE_MAX = 128, 86400 -- bytes, seconds

local function check_texts(given)
	local realm, opaque, life = given.realm, given.opaque or "", given.nonce_expires or 300
	if not realm or realm == "" then
		misuse 'authorize needs a realm: write realm = "example.com"'
	elseif type(realm) == "string" and not is_realm(realm) then
		misuse(BAD_REALM, realm:sub(1, 100))
	elseif #opaque > OPAQUE_MAX or opaque:find "%c" then
		misuse("opaque of authorize is at most %d bytes without line breaks and control bytes", OPAQUE_MAX)
	elseif not (life >= 1 and life <= LIFE_MAX) or life % 1 ~= 0 then
		misuse("nonce_expires of authorize is whole seconds, 1 to %d, not %s", LIFE_MAX, tostring(life))
	end
end

local function new_number(given)
	local opaque = given.opaque or ""
	local number = C.vd_authorizer_new(script, settings, opaque, #opaque)
	if number == C.VD_REFUSED then
		misuse "OpenSSL is set up without one of these algorithms here: name others in algorithms"
	elseif number == C.VD_LIMIT then
		misuse "too many authorize elements"
	elseif number < 0 then
		misuse "authorize failed"
	end
	return number
end

local known = {
	dispatcher = "dispatcher", realm = "string or function", opaque = "string", user2pass = "table or function",
	user2a1 = "table or function", i_am_proxy = "boolean", filter = "table or function", algorithms = "table", qop = "table",
	nonce_expires = "number", check_uri = "boolean",
}

--- Makes an element that asks for credentials. Callbacks may wait. `user2a1` gives H(user:realm:password) instead of a password and
--- is asked first; with it MD5 is the default algorithm, else SHA-512-256, SHA-256 and MD5 are offered in that order. Without a
--- `filter`, a REGISTER must be for the user who sent it. Neither -sess algorithms nor hashed user names are offered (RFC 7616
--- 3.4.2, 3.4.4): who uses them is challenged again. No Authentication-Info is sent.
---@param given table `realm` (text or function(message)), `user2pass` (map or function(user, realm)), `user2a1` (map or function(user, realm, algorithm)), `i_am_proxy`, `opaque`, `algorithms`, `qop` { "auth", "auth-int" }, `nonce_expires` 300 seconds, `check_uri` true, `filter` (see auth_filter.lua), `dispatcher`
---@return viaduct.Authorize
local function authorize(given)
	given = options.check("authorize", given, known)
	check_texts(given)
	settings.is_proxy = given.i_am_proxy and 1 or 0
	settings.any_uri = given.check_uri == false and 1 or 0
	settings.life = given.nonce_expires or 300
	read_qop(given.qop or { "auth" })
	check_maps(given, read_algorithms(given))
	return setmetatable({
		number = new_number(given), realm = given.realm, user2pass = given.user2pass, user2a1 = given.user2a1,
		filter = filters.make(given.filter),
	}, authorize_mt)
end

return authorize

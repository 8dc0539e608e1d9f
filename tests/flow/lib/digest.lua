-- Credentials as phones make them (RFC 7616 3.4), with none of the engine's code.
local fail = require "lib.fail"

local M = {}

local HASHES = { MD5 = "MD5", ["SHA-256"] = "SHA256", ["SHA-512-256"] = "SHA512-256" }

--- The parameters of a challenge: { realm = "example.com", nonce = ..., ... }.
local function parse(row)
	local params = {}
	row = row:gsub("^Digest ", ""):gsub('\\"', "\1") -- an escaped quote ends nothing
	for name, value in row:gmatch '([%w-]+)=("[^"]*")' do
		params[name] = value:sub(2, -2):gsub("\1", '"')
	end
	for name, value in row:gsub('"[^"]*"', '""'):gmatch "([%w-]+)=([%w-]+)" do
		params[name] = value
	end
	return params
end

--- The challenge a 401 or 407 holds for this algorithm (default: the first).
function M.challenge(response, algorithm)
	for _, name in ipairs { "WWW-Authenticate", "Proxy-Authenticate" } do
		for _, row in ipairs(response:rows(name)) do
			local params = parse(row)
			if not algorithm or params.algorithm == algorithm then
				params.header = name == "WWW-Authenticate" and "Authorization" or "Proxy-Authorization"
				return params
			end
		end
	end
	fail { message = response.start, expected = "a challenge for " .. (algorithm or "anybody"), seen = "none", all = response.text }
end

--- The algorithms offered, in order.
function M.offered(response)
	local names = {}
	for _, name in ipairs { "WWW-Authenticate", "Proxy-Authenticate" } do
		for _, row in ipairs(response:rows(name)) do
			names[#names + 1] = parse(row).algorithm
		end
	end
	return table.concat(names, " ")
end

function M.a1(algorithm, user, realm, password)
	return core.digest(HASHES[algorithm], ("%s:%s:%s"):format(user, realm, password))
end

--- A header line that answers a challenge. `given`: user, password, method, uri, and where they shall differ nc, cnonce, qop, body, response and any
--- other parameter; `claim` replaces parameters after the response was made.
function M.answer(challenge, given)
	local algorithm = challenge.algorithm
	local function hash(...) return core.digest(HASHES[algorithm], table.concat({ ... }, ":")) end
	local said = {
		username = given.user, realm = given.realm or challenge.realm, nonce = given.nonce or challenge.nonce, uri = given.uri,
		cnonce = given.cnonce or "0a4f113b", nc = ("%08x"):format(given.nc or 1), qop = given.qop or "auth", algorithm = algorithm,
		opaque = challenge.opaque,
	}
	local a1 = M.a1(algorithm, given.user, said.realm, given.password)
	local a2 = said.qop == "auth-int" and hash(given.method, said.uri, hash(given.body or "")) or hash(given.method, said.uri)
	said.response = hash(a1, said.nonce, said.nc, said.cnonce, said.qop, a2)
	for name, value in pairs(given.claim or {}) do
		said[name] = value or nil
	end
	local unquoted, params, names = { nc = true, qop = true, algorithm = true }, {}, {}
	for name in pairs(said) do
		names[#names + 1] = name
	end
	table.sort(names)
	for index, name in ipairs(names) do
		params[index] = (unquoted[name] and "%s=%s" or '%s="%s"'):format(name, said[name])
	end
	return ("%s: Digest %s"):format(challenge.header, table.concat(params, ", "))
end

return M

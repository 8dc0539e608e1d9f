-- Requests of a script's own, for dispatcher:deliver.
local abi = require "viaduct.abi"
local message = require "viaduct.message"
local misuse = require "viaduct.blame"
local options = require "viaduct.options"

local C, script, value, text = abi.C, abi.script, abi.value, abi.text

local function token() return ("%08x%08x"):format(C.vd_random(script) * 2 ^ 32, C.vd_random(script) * 2 ^ 32) end

local function with_tag(address)
	if address:find ";%s*tag%s*=" then
		return address
	end
	return (address:find("<", 1, true) and address or "<" .. address .. ">") .. ";tag=" .. token()
end

local function line(lines, name, given)
	given = tostring(given)
	if given:find "[\r\n%z]" then
		misuse("the value of %s has CR, LF or NUL in it", name)
	end
	lines[#lines + 1] = name .. ": " .. given
end

local function add_headers(lines, headers)
	local names = {}
	for name in pairs(headers) do
		if type(name) ~= "string" or name:find "[^%w%-.!%%*_+`'~]" then
			misuse('the headers of a request are named: write { ["X-Probe"] = "yes" }, not %s', tostring(name))
		end
		names[#names + 1] = name
	end
	table.sort(names)
	for _, name in ipairs(names) do
		local given = headers[name]
		for _, one in ipairs(type(given) == "table" and given or { given }) do
			line(lines, name, one)
		end
	end
end

local function add_body(lines, given)
	local body = given.body or ""
	if body ~= "" and not given.content_type then
		misuse 'a body needs its type: write content_type = "text/plain" (RFC 3261 7.4.1)'
	elseif body ~= "" then
		line(lines, "Content-Type", given.content_type)
	end
	lines[#lines + 1] = ("Content-Length: %d\r\n\r\n"):format(#body)
	return body
end

local known = {
	method = "string", uri = "any", from = "string", to = "string", call_id = "string", cseq = "number",
	headers = "table", body = "string", content_type = "string",
}

--- Makes a request; the leg it leaves by gives it its Via. It lasts as long as the handler that made it.
---@param given table `method`, `uri`; `from` and `to` addresses (from: anonymous, to: the URI), `call_id`, `cseq` 1, `headers` by name, `body` with `content_type`
---@return viaduct.Message
local function request(given)
	given = options.check("request", given, known)
	local method = options.argument("the method of a request", given.method, "string")
	local uri = tostring(given.uri or misuse 'a request needs a uri: write sip.request { method = "OPTIONS", uri = "sip:..." }')
	if (method .. uri):find "[%s%z]" then
		misuse("a method and a URI have no blanks in them: '%s', '%s'", method, uri)
	end
	local lines = { ("%s %s SIP/2.0"):format(method, uri) }
	line(lines, "From", with_tag(given.from or "<sip:anonymous@anonymous.invalid>"))
	line(lines, "To", given.to or "<" .. uri .. ">")
	line(lines, "Call-ID", given.call_id or token() .. token())
	line(lines, "CSeq", ("%d %s"):format(given.cseq or 1, method))
	add_headers(lines, given.headers or {})
	local body = add_body(lines, given)
	local whole = table.concat(lines, "\r\n") .. body
	local handle = C.vd_request_new(script, whole, #whole, value)
	if handle == C.VD_BAD_VALUE then
		misuse("this is no request: %s", text(value))
	elseif handle == C.VD_LIMIT then
		misuse "a handler makes at most 256 requests, of 256 KiB each"
	end
	return message.of(handle)
end

return request

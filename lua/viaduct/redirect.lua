-- A redirect server (RFC 3261 8.3): callers are told where the callee is registered, and go there themselves.
local misuse = require "viaduct.blame"
local options = require "viaduct.options"

--- Answers requests for registered addresses with the contacts bound.
---@class viaduct.Redirect
local Redirect = {}
local redirect_mt = {
	__name = "viaduct.Redirect",
	__metatable = false,
	__index = Redirect,
	__newindex = function() misuse "a redirect cannot be changed" end,
}

-- A name-addr, so that parameters of the URI stay the URI's (RFC 3261 20.10).
local function contact_header(contact)
	local q = contact.q < 1 and (";q=%.3g"):format(contact.q) or ""
	return ("<%s>%s;expires=%d"):format(contact.uri, q, math.ceil(contact.expires))
end

-- A registrar before us in the chain has put the first contact into the Request-URI already.
local function contacts_of(registrar, message)
	local contacts = registrar:query(message.uri)
	return #contacts > 0 and contacts or registrar:query(message.received_uri)
end

--- Answers a request to an address of record with its bindings, or 404 when the address is one of the registrar's and has
--- none, 480 when it is sips and has none that are (RFC 5630 5.4). REGISTER, ACK and requests to elsewhere are left to the next element; CANCEL is answered 200 (RFC 3261 8.3).
---@param message viaduct.Message
---@return integer|false code it answered with, or false: not handled
function Redirect:receive(message)
	local method = message:is_request() and message.method
	if not method or method == "REGISTER" or method == "ACK" then
		return false
	end
	local contacts = contacts_of(self.registrar, message)
	local code = self.code
	if #contacts == 0 then
		local lacks, why = self.registrar:lacks(message)
		if not (lacks or self.registrar.everywhere) then
			return false
		end
		code = why or 404
	end
	if method == "CANCEL" then
		message:reply(200)
		return 200
	end
	local rows = {}
	for index, contact in ipairs(contacts) do
		rows[index] = contact_header(contact)
	end
	message:reply(code, nil, { Contact = rows })
	return code
end

--- Makes a redirect server.
---@param given table `registrar`; `code` 300 to 380, of an answer with contacts (302); `dispatcher`
---@return viaduct.Redirect
local function redirect(given)
	given = options.check("redirect", given, { registrar = "table", code = "number", dispatcher = "dispatcher" })
	local registrar, code = given.registrar, given.code or 302
	if not registrar or type(registrar.query) ~= "function" or type(registrar.lacks) ~= "function" then
		misuse "redirect needs a registrar: write sip.redirect { registrar = registrar }"
	elseif code ~= 300 and code ~= 301 and code ~= 302 and code ~= 380 then
		misuse "the code of redirect is 300, 301, 302 or 380"
	end
	return setmetatable({ registrar = registrar, code = code }, redirect_mt)
end

return redirect

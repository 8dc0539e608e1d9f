-- Messages as scripts see them: facts are fields, work is methods, and what was written reads back at once.
local abi = require "viaduct.abi"
local address = require "viaduct.address"
local misuse = require "viaduct.blame"
local uri = require "viaduct.uri"

local C, script, value, value2, string_of = abi.C, abi.script, abi.value, abi.value2, abi.string
local OK, TEXT, NUMBER, BOOL, ABSENT, GONE =
	C.VD_OK, C.VD_TEXT, C.VD_NUMBER, C.VD_BOOL, C.VD_ABSENT, C.VD_GONE

--- A received request or response. Valid until its handler ends; used later, every field and method raises.
---@class viaduct.Message
---@field method string method of a request; of a response, the one its CSeq names
---@field uri string|nil Request-URI; nil: a response
---@field received_uri string|nil Request-URI as it came in; nil: a response
---@field code integer|nil status code; nil: a request
---@field reason string|nil reason phrase; nil: a request
---@field call_id string
---@field cseq integer number in CSeq
---@field body string "" when there is none
---@field from viaduct.Address|nil parsed From; nil: it is none
---@field to viaduct.Address|nil parsed To; nil: it is none
---@field ruri viaduct.Uri|nil parsed Request-URI; nil: a response, or it is none
---@field source viaduct.Source where it came from
---@field max_forwards integer|nil
---@field auth_user string|nil who sip.authorize let in
---@field auth_realm string|nil and for which realm
---@field forward fun(self: viaduct.Message, targets: string|viaduct.Uri|viaduct.Address|viaduct.Contact|table, opts: table|nil): viaduct.Message|nil, string|nil, string|nil see forward.lua
local Message = {}

local function gone()
	misuse "message is no longer available: its handler has ended; copy what you need while it runs"
end

local explain = {
	[C.VD_GONE] = "message is no longer available: its handler has ended; copy what you need while it runs",
	[C.VD_BAD_NAME] = "'%s' is no header name",
	[C.VD_BAD_VALUE] = "the value of %s has CR, LF or NUL in it",
	[C.VD_LIMIT] = "the message would get too large: %s",
	[C.VD_REFUSED] = "'%s' cannot be changed: the engine keeps it (Via, Call-ID, CSeq, Content-Length)",
	[C.VD_MISUSE] = "'%s' is for the other kind of message (request or response)",
}

local function check(code, subject)
	if code ~= OK then
		misuse(explain[code] or "unknown error", subject)
	end
end

local function fact(self, number)
	local kind = C.vd_message_fact(script, self[1], number, value)
	if kind == TEXT then
		return string_of(value.p, value.n)
	elseif kind == NUMBER then
		return value.number
	elseif kind == BOOL then
		return value.number ~= 0
	elseif kind == GONE then
		gone()
	end
	return nil
end

-- ---- where it came from ----

--- Where a message came from.
---@class viaduct.Source
---@field ip string
---@field port integer
---@field transport string "udp" or "tcp"
---@field addr string the same as ip
---@field proto string the same as transport
---@field is_loopback boolean
local transports = { "udp", "tcp", "tls" }
local source_facts = {
	ip = function(self) return fact(self, C.VD_SOURCE_IP) end,
	addr = function(self) return fact(self, C.VD_SOURCE_IP) end,
	port = function(self) return fact(self, C.VD_SOURCE_PORT) end,
	transport = function(self) return transports[fact(self, C.VD_SOURCE_TRANSPORT)] end,
	proto = function(self) return transports[fact(self, C.VD_SOURCE_TRANSPORT)] end,
	is_loopback = function(self) return fact(self, C.VD_SOURCE_LOOPBACK) end,
}
local source_mt = {
	__name = "viaduct.Source",
	__metatable = false,
	__index = function(self, key)
		local get = source_facts[key]
		if not get then
			misuse("a source has no field '%s'; it has ip, port, transport, is_loopback", tostring(key))
		end
		return get(self)
	end,
	__newindex = function() misuse "the source of a message cannot be changed" end,
	__tostring = function(self)
		local ip = fact(self, C.VD_SOURCE_IP)
		return (ip:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(ip, fact(self, C.VD_SOURCE_PORT))
	end,
}

-- ---- fields ----

local function parsed_address(self, name)
	local text = self:header(name)
	return text and address(text)
end

local fields = {
	method = function(self) return fact(self, C.VD_METHOD) end,
	uri = function(self) return fact(self, C.VD_URI) end,
	received_uri = function(self) return fact(self, C.VD_RECEIVED_URI) end,
	code = function(self) return fact(self, C.VD_CODE) end,
	reason = function(self) return fact(self, C.VD_REASON) end,
	call_id = function(self) return fact(self, C.VD_CALL_ID) end,
	cseq = function(self) return fact(self, C.VD_CSEQ_NUMBER) end,
	body = function(self) return fact(self, C.VD_BODY) end,
	max_forwards = function(self) return fact(self, C.VD_MAX_FORWARDS) end,
	from = function(self) return parsed_address(self, "From") end,
	to = function(self) return parsed_address(self, "To") end,
	ruri = function(self)
		local text = fact(self, C.VD_URI)
		return text and uri(text)
	end,
	auth_user = function() return nil end, -- sip.authorize sets both in the message itself
	auth_realm = function() return nil end,
	source = function(self) return setmetatable({ self[1] }, source_mt) end,
}

local message_mt = {
	__name = "viaduct.Message",
	__metatable = false,
	__index = function(self, key)
		local method = Message[key]
		if method then
			return method
		end
		local get = fields[key]
		if not get then
			misuse("a message has no field or method '%s'", tostring(key))
		end
		return get(self)
	end,
	__newindex = function(_, key)
		misuse("field '%s' of a message is read-only: use set_header, set_uri or set_body", tostring(key))
	end,
	__tostring = function(self)
		if C.vd_message_fact(script, self[1], C.VD_IS_REQUEST, value) == GONE then
			return "message (gone)"
		end
		return value.number ~= 0 and ("%s %s"):format(self.method, self.uri)
			or ("%d %s"):format(self.code, self.reason)
	end,
}

-- ---- reading ----

local function string_argument(what, text)
	if type(text) ~= "string" then
		misuse("%s must be a string, not %s", what, text == nil and "nil" or "a " .. type(text))
	end
	return text
end

local function text_argument(what, text)
	return type(text) == "number" and tostring(text) or string_argument(what, text)
end

--- True for requests.
---@return boolean
function Message:is_request() return fact(self, C.VD_IS_REQUEST) end

--- True for responses.
---@return boolean
function Message:is_response() return not fact(self, C.VD_IS_REQUEST) end

--- First value of a header, long or compact name, any letter case; list headers are cut at commas.
---@param name string
---@return string|nil
function Message:header(name)
	string_argument("the header name", name)
	local code = C.vd_message_values(script, self[1], name, #name)
	if code == OK then
		code = C.vd_message_next_value(script, self[1], value)
	end
	if code == TEXT then
		return string_of(value.p, value.n)
	elseif code ~= ABSENT then
		check(code, name)
	end
	return nil
end

--- All values of a header, in order.
---@param name string
---@return string[]
function Message:headers(name)
	string_argument("the header name", name)
	local list = {}
	check(C.vd_message_values(script, self[1], name, #name), name)
	while C.vd_message_next_value(script, self[1], value) == TEXT do
		list[#list + 1] = string_of(value.p, value.n)
	end
	return list
end

--- Every header in order, as { name, value } pairs, names as written.
---@return string[][]
function Message:all_headers()
	local list, index = {}, 0
	while true do
		local code = C.vd_message_header_at(script, self[1], index, value, value2)
		if code == ABSENT then
			return list
		end
		check(code)
		list[index + 1] = { string_of(value.p, value.n), string_of(value2.p, value2.n) }
		index = index + 1
	end
end

--- Parsed values of Contact; "*" and what cannot be parsed stay texts.
---@return (viaduct.Address|string)[]
function Message:contacts()
	local list = self:headers "Contact"
	for i = 1, #list do
		list[i] = address(list[i]) or list[i]
	end
	return list
end

--- The whole message as it would be written now.
---@return string
function Message:text()
	local code = C.vd_message_text(script, self[1], value)
	if code ~= TEXT then
		check(code)
	end
	return string_of(value.p, value.n)
end

-- ---- changing ----

--- Replaces a header in its place (further ones of that name go), or adds it.
---@param name string
---@param text string|number no CR, LF or NUL
function Message:set_header(name, text)
	string_argument("the header name", name)
	text = text_argument("the value of " .. name, text)
	check(C.vd_message_set_header(script, self[1], name, #name, text, #text), name)
end

--- Adds a header after those of the same name.
---@param name string
---@param text string|number no CR, LF or NUL
function Message:add_header(name, text)
	string_argument("the header name", name)
	text = text_argument("the value of " .. name, text)
	check(C.vd_message_add_header(script, self[1], name, #name, text, #text), name)
end

--- Removes every header of that name.
---@param name string
function Message:remove_header(name)
	string_argument("the header name", name)
	check(C.vd_message_remove_header(script, self[1], name, #name), name)
end

--- Replaces the Request-URI.
---@param text string|viaduct.Uri a valid URI
function Message:set_uri(text)
	text = tostring(text)
	local code = C.vd_message_set_uri(script, self[1], text, #text)
	if code == C.VD_BAD_VALUE then
		misuse("'%s' is no Request-URI: a URI without header fields (RFC 3261 19.1.1)", text)
	end
	check(code, text)
end

--- Replaces the body; Content-Length follows.
---@param body string
---@param content_type string|nil nil: leave Content-Type
function Message:set_body(body, content_type)
	text_argument("the body", body)
	content_type = text_argument("the content type", content_type or "")
	check(C.vd_message_set_body(script, self[1], body, #body, content_type, #content_type), "Content-Type")
end

-- ---- deciding ----

local function reply_header(name, text)
	text = text_argument("the value of " .. tostring(name), text)
	check(C.vd_reply_header(script, name, #name, text, #text), name)
end

-- The Content-Type among them, long or compact name, and the others.
local function take_content_type(headers)
	local content_type, rest = nil, {}
	for name, text in pairs(headers) do
		local lower = type(name) == "string" and name:lower()
		if lower == "content-type" or lower == "c" then
			content_type = text_argument("Content-Type", text)
		else
			rest[name] = text
		end
	end
	return content_type, rest
end

local function reply_headers(headers)
	local names = {}
	for name in pairs(headers) do
		if type(name) ~= "string" then
			misuse 'the headers of a reply are named: write { ["Retry-After"] = 5 }'
		end
		names[#names + 1] = name
	end
	table.sort(names)
	for _, name in ipairs(names) do
		local given = headers[name]
		for _, text in ipairs(type(given) == "table" and given or { given }) do
			reply_header(name, text)
		end
	end
end

--- Answers a request, statelessly, to where it came from. A 1xx leaves the final answer open. ACK cannot be answered.
---@param code integer 100 to 699
---@param reason string|nil nil: the standard phrase
---@param headers table<string, string|string[]>|nil
---@param body string|nil with Content-Type among the headers
---@return true
function Message:reply(code, reason, headers, body)
	if type(code) ~= "number" then
		misuse "reply takes a status code first: write req:reply(404)"
	elseif not (code >= 100 and code <= 699 and code % 1 == 0) then
		misuse("a status code is a whole number from 100 to 699, not %s", tostring(code))
	end
	reason = string_argument("the reason", reason or "")
	if headers ~= nil and type(headers) ~= "table" then
		misuse 'the headers of a reply are a table: write { ["Retry-After"] = 5 }'
	end
	local begun = C.vd_reply_begin(script, self[1])
	if begun == C.VD_REFUSED then
		misuse "this request already has its answer or was forwarded"
	end
	check(begun, "reply")
	local content_type
	body = text_argument("the body", body or "")
	if body ~= "" then
		content_type, headers = take_content_type(headers or {})
		if not content_type then
			misuse 'a reply with a body says what it is (RFC 3261 7.4.1): write { ["Content-Type"] = "text/plain" } before the body'
		end
	end
	if headers then
		reply_headers(headers)
	end
	if body ~= "" then
		check(C.vd_reply_body(script, body, #body, content_type, #content_type), "Content-Type")
	end
	local sent = C.vd_reply_send(script, self[1], code, reason, #reason)
	if sent == C.VD_MISUSE then
		misuse "an ACK is never answered: return without a reply, or drop it"
	elseif sent == C.VD_BAD_VALUE then
		misuse "the reason has CR, LF or NUL in it"
	end
	check(sent, "reply")
	return true
end

--- Decides that nothing is sent on for this message; counted as dropped_by_script.
---@param reason string|nil for the log, at debug
---@return true
function Message:drop(reason)
	reason = string_argument("the reason", reason or "script")
	local code = C.vd_message_drop(script, self[1], C.VD_DROP_SCRIPT, reason, #reason)
	if code == C.VD_REFUSED then
		misuse "this message was answered or forwarded already"
	end
	check(code, "drop")
	return true
end

--- True when the request was answered or forwarded, or the message dropped.
---@return boolean
function Message:is_decided() return fact(self, C.VD_DECISION) ~= 0 end

--- True when the request belongs to a dialog whose first request went through this proxy (its Route has our mark). Where it
--- goes the mark does not say: contacts change in a dialog. So a party of one can send requests with a To tag to anybody, who
--- answers them 481 (RFC 3261 12.2.2).
---@return boolean
function Message:is_in_dialog()
	local code = C.vd_message_in_dialog(script, self[1])
	if code == GONE then
		gone()
	end
	return code == 1
end

local setmetatable = setmetatable
local M = { methods = Message }

--- The handle of a message that a script handed over to `what`; `call`: how it is called.
function M.handle(message, what, call)
	local handle = type(message) == "table" and rawget(message, 1)
	if type(handle) ~= "number" then
		misuse("%s takes a message: write %s", what, call or what .. "(message, leg, from)")
	end
	return handle
end

-- The message of this handle, and its source; made per handler run.
function M.of(handle) return setmetatable({ handle }, message_mt) end
function M.source_of(handle) return setmetatable({ handle }, source_mt) end

return M

-- Refusing methods: sip.block { SUBSCRIBE = "405 Method Not Allowed" }.
local misuse = require "viaduct.blame"
local options = require "viaduct.options"

--- Answers the methods it was given, and lets all others pass.
---@class viaduct.Block
local Block = {}
local block_mt = {
	__name = "viaduct.Block",
	__metatable = false,
	__index = Block,
	__newindex = function() misuse "an element of sip.block cannot be changed" end,
}

-- What a 405 tells in Allow (RFC 3261 20.5), but for the methods blocked.
local METHODS = {
	"ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER", "REGISTER",
	"SUBSCRIBE", "UPDATE",
}

local function allow_header(answers)
	local allowed = {}
	for _, method in ipairs(METHODS) do
		local goes_with_invite = method == "ACK" or method == "CANCEL"
		if not answers[method] and not (goes_with_invite and answers.INVITE) then
			allowed[#allowed + 1] = method
		end
	end
	return { Allow = table.concat(allowed, ", ") }
end

--- Answers a request whose method is blocked. Where INVITE is, an ACK is absorbed and a CANCEL answered 481: there is no
--- call they could be about.
---@param message viaduct.Message
---@return integer|boolean code it answered with; true: absorbed; false: not handled
function Block:receive(message)
	if not message:is_request() then
		return false
	end
	local method = message.method
	local answer = self.answers[method]
	if answer then
		message:reply(answer.code, answer.reason, answer.headers)
		return answer.code
	elseif self.answers.INVITE and method == "ACK" then
		return message:drop "ACK, and INVITE is blocked"
	elseif self.answers.INVITE and method == "CANCEL" then
		message:reply(481)
		return 481
	end
	return false
end

local function answer_of(method, given)
	local code, space, reason = tostring(given):match "^(%d%d%d)( *)([^\r\n%z]*)$"
	code = (reason == "" or space ~= "") and tonumber(code)
	if not code or code < 300 or code > 699 then
		misuse('block answers %s with a code and a text, 300 to 699: write %s = "405 Method Not Allowed"', method, method)
	end
	return { code = code, reason = reason ~= "" and reason or nil }
end

--- Makes an element that refuses methods.
---@param given table<string, string|integer> method to "405 Method Not Allowed", or a code alone; also `dispatcher`
---@return viaduct.Block
local function block(given)
	if type(given) ~= "table" or next(given) == nil then
		misuse 'block takes methods and their answers: write sip.block { SUBSCRIBE = "405 Method Not Allowed" }'
	end
	local answers = {}
	for method, text in pairs(given) do
		if method == "ACK" or method == "CANCEL" then
			misuse("%s cannot be blocked: block INVITE, and it goes with it", method)
		elseif method == "dispatcher" then
			options.check("block", { dispatcher = text }, { dispatcher = "dispatcher" })
		else
			answers[options.method(method, "block")] = answer_of(method, text)
		end
	end
	local allow = allow_header(answers)
	for _, answer in pairs(answers) do
		answer.headers = answer.code == 405 and allow or nil
	end
	return setmetatable({ answers = answers }, block_mt)
end

return block

-- SIP messages as the phones of a flow write and read them: plain texts, with none of the engine's code.
local fail = require "lib.fail"

local Message = {}
Message.__index = Message

local compact = {
	v = "via", f = "from", t = "to", i = "call-id", m = "contact", l = "content-length", c = "content-type",
	k = "supported", e = "content-encoding", s = "subject", o = "event", r = "refer-to", u = "allow-events",
}

local function name_key(name)
	name = name:lower()
	return compact[name] or name
end

--- The parts of a message; `headers` are { name, value } pairs in order.
local function parse(text)
	local message = setmetatable({ text = text, headers = {} }, Message)
	local head, body = text:match "^(.-)\r\n\r\n(.*)$"
	message.body = body or ""
	local first = true
	for line in ((head or text) .. "\r\n"):gmatch "(.-)\r\n" do
		if first then
			message.start, first = line, false
		elseif line:find "^[ \t]" and #message.headers > 0 then
			local last = message.headers[#message.headers]
			last[2] = last[2] .. " " .. line:match "^%s*(.*)$"
		else
			local name, value = line:match "^([^:]-)%s*:%s*(.-)%s*$"
			message.headers[#message.headers + 1] = { name or line, value or "" }
		end
	end
	message.method, message.uri = message.start:match "^(%S+) (%S+) SIP/2%.0$"
	message.code, message.reason = message.start:match "^SIP/2%.0 (%d%d%d) (.*)$"
	message.code = tonumber(message.code)
	return message
end

--- Each header of that name, whole, in order.
function Message:rows(name)
	local rows = {}
	for _, header in ipairs(self.headers) do
		if name_key(header[1]) == name_key(name) then
			rows[#rows + 1] = header[2]
		end
	end
	return rows
end

function Message:header(name) return self:rows(name)[1] end

--- A parameter of the row of that number, "" when it has no value, nil when it is not there.
function Message:param(name, row, param)
	local value = self:rows(name)[row] or ""
	local at, last = (value .. ";"):lower():find(";%s*" .. param:lower():gsub("%-", "%%-") .. "%s*[=;>]")
	if not at then
		return nil
	end
	if (value .. ";"):sub(last, last) ~= "=" then
		return ""
	end
	return value:sub(last + 1):match "^[^;>,%s]*"
end

function Message:branch(row) return self:param("Via", row or 1, "branch") end

--- Start line, for what is seen when something else was expected.
function Message:__tostring() return self.start end

-- ---- checks ----

local function is_as_wanted(wanted, seen, message)
	if type(wanted) == "function" then
		return wanted(seen, message)
	elseif wanted == false then
		return seen == nil
	elseif wanted == true then
		return seen ~= nil
	elseif type(wanted) == "string" and wanted:sub(1, 1) == "~" then
		return type(seen) == "string" and seen:find(wanted:sub(2)) ~= nil
	end
	return tostring(wanted) == tostring(seen)
end

local function check_rows(message, name, wanted)
	local rows = message:rows(name)
	for row = 1, math.max(#rows, #wanted) do
		local as_wanted = wanted[row] ~= nil and is_as_wanted(wanted[row], rows[row], message)
		if not as_wanted then
			fail { message = message.start, header = name .. " " .. row, expected = wanted[row] or "none",
				seen = rows[row] or "none", all = message.text }
		end
	end
end

local facts = { uri = true, reason = true, body = true, text = true, from = true, method = true, code = true }

--- Checks headers (and uri, reason, body, text, from): a text is compared whole, "~pattern" is searched, a list is all
--- rows in order, false is absent, a function judges.
function Message:check(checks)
	local names = {}
	for name in pairs(checks) do
		names[#names + 1] = name
	end
	table.sort(names)
	for _, name in ipairs(names) do
		local wanted = checks[name]
		if type(wanted) == "table" then
			check_rows(self, name, wanted)
		else
			local seen
			if facts[name] then
				seen = self[name]
			else
				seen = self:header(name)
			end
			if not is_as_wanted(wanted, seen, self) then
				fail { message = self.start, header = name, expected = wanted, seen = seen == nil and "none" or seen,
					all = self.text }
			end
		end
	end
	return self
end

Message.__call = Message.check

-- ---- writing ----

--- Lines with LF, indented for the eye, as they go over the wire.
local function wire(text)
	local indent = text:match "^[\t ]*"
	if indent ~= "" then
		text = ("\n" .. text):gsub("\n" .. indent, "\n"):sub(2)
	end
	text = text:gsub("\n[\t ]*$", "\n"):gsub("\r?\n", "\r\n")
	if not text:find("\r\n\r\n", 1, true) then
		text = text:gsub("[\r\n]*$", "") .. "\r\n\r\n"
	end
	return text
end

return { parse = parse, wire = wire }

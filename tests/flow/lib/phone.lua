-- Phones: who is outside the engine. They do what the flow says and nothing by themselves, so that each message on the
-- virtual wire stands in the flow.
local fail = require "lib.fail"
local message = require "lib.message"

local Phone = {}
Phone.__index = Phone

local SIP_NAMES = { udp = "UDP", tcp = "TCP" }

--- A phone at "udp:198.51.100.7:5062".
local function phone(net, name, address, options)
	local transport, at = address:match "^(%l+):(.+)$"
	local host, port = at:match "^(.*):(%d+)$"
	local self = setmetatable({
		net = net, name = name, address = address, transport = transport, at = at, host = host, port = port,
		inbox = {}, closings = {},
	}, Phone)
	self.number = net.core:phone(address, options and options.raw or false)
	if self.number < 0 then
		fail { phone = name, what = address .. " is taken" }
	end
	return self
end

-- ---- sending ----

local function leg_for(self)
	if self.to then
		return self.to
	end
	local is_v6 = self.at:sub(1, 1) == "["
	for _, leg in ipairs(self.net:legs()) do
		if leg.state == "open" and leg.transport == self.transport and (leg.bound:sub(1, 1) == "[") == is_v6 then
			return leg.transport .. ":" .. leg.bound
		end
	end
	fail { phone = self.name, what = "no leg of the engine is in reach" }
end

--- What this phone puts into Contact.
function Phone:contact()
	return ("<sip:%s@%s%s>"):format(self.name, self.at, self.transport == "tcp" and ";transport=tcp" or "")
end

--- The Via a request of this phone begins with.
function Phone:via(branch, params)
	return ("SIP/2.0/%s %s;branch=%s%s"):format(SIP_NAMES[self.transport], self.at, branch, params or ";rport")
end

local function fill(self, text)
	local n = self.net:count()
	local body = text:match "\n[\t ]*\n(.*)$" or ""
	local values = {
		at = self.at, host = self.host, port = self.port, name = self.name, leg = (leg_for(self):gsub("^%l+:", "")),
		branch = ("z9hG4bK-%s-%d"):format(self.name, n), call = ("%s-%d"):format(self.name, n),
		length = tostring(#message.wire("x\n\n" .. body) - 5),
	}
	values.via = self:via(values.branch)
	return (text:gsub("%$(%l+)", function(name)
		return values[name] or error(("$%s stands for nothing"):format(name), 0)
	end))
end

--- Sends bytes as they are.
function Phone:send_bytes(bytes, to)
	self.net.core:inject(self.address, to or leg_for(self), bytes)
	return bytes
end

--- Sends a text: indentation goes, LF becomes CRLF, $at $via $branch $call $leg $name $length are filled in. Gives back
--- what was sent.
function Phone:send(text, to)
	local bytes = message.wire(fill(self, text))
	self:send_bytes(bytes, to)
	local sent = message.parse(bytes)
	self.sent = sent
	return sent
end

local function add_rows(lines, name, rows)
	if type(rows) == "table" then
		for _, row in ipairs(rows) do
			lines[#lines + 1] = name .. ": " .. row
		end
	elseif rows then
		lines[#lines + 1] = name .. ": " .. rows
	end
end

local function or_default(given, default)
	if given == nil then
		return default
	end
	return given
end

--- Text of a request: all of RFC 3261 8.1.1, each replaceable by name (`via`, `from`, `to`, `call_id`, `cseq`, `contact`,
--- `route`, `max_forwards`; false leaves it out), `headers` are whole lines, `body` and `type` come last.
function Phone:request_text(method, uri, given)
	given = given or {}
	local n = self.net:count()
	local branch = given.branch or ("z9hG4bK-%s-%d"):format(self.name, n)
	local lines = { ("%s %s SIP/2.0"):format(method, uri) }
	add_rows(lines, "Via", or_default(given.via, self:via(branch, given.via_params)))
	add_rows(lines, "Max-Forwards", or_default(given.max_forwards, 70))
	add_rows(lines, "Route", given.route)
	add_rows(lines, "From", or_default(given.from, ("<sip:%s@example.com>;tag=%s"):format(self.name, self.name)))
	add_rows(lines, "To", or_default(given.to, ("<%s>"):format(uri)))
	add_rows(lines, "Call-ID", or_default(given.call_id, ("call-%s-%d"):format(self.name, n)))
	add_rows(lines, "CSeq", or_default(given.cseq and given.cseq .. " " .. method, "1 " .. method))
	add_rows(lines, "Contact", or_default(given.contact, method == "INVITE" and self:contact()))
	for _, line in ipairs(given.headers or {}) do
		lines[#lines + 1] = line
	end
	add_rows(lines, "Content-Type", given.type)
	add_rows(lines, "Content-Length", or_default(given.length, #(given.body or "")))
	return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (given.body or "")
end

--- Sends a request; gives it back parsed.
function Phone:request(method, uri, given)
	self.sent = message.parse(self:request_text(method, uri, given))
	self:send_bytes(self.sent.text, given and given.leg)
	return self.sent
end

--- Sends what was sent before once more.
function Phone:resend(request) return self:send_bytes((request or self.sent).text) end

--- ACK to a failure, or CANCEL: of the same transaction as the request (RFC 3261 9.1, 17.1.1.3).
function Phone:same_transaction(method, request, given)
	given = given or {}
	local routes = request:rows "Route"
	return self:request(method, request.uri, {
		via = request:rows("Via")[1], from = request:header "From", to = given.to or request:header "To",
		call_id = request:header "Call-ID", cseq = request:header("CSeq"):match "%d+", route = #routes > 0 and routes,
		headers = given.headers, max_forwards = given.max_forwards,
	})
end

--- Text of a response to the request received last (or given.request).
function Phone:response_text(code, given)
	given = given or {}
	local request = given.request or self.last_request or fail { phone = self.name, what = "no request to answer" }
	local lines = { ("SIP/2.0 %d %s"):format(code, given.reason or "Said So") }
	add_rows(lines, "Via", given.via or request:rows "Via")
	if code > 100 and code < 300 then
		add_rows(lines, "Record-Route", request:rows "Record-Route")
	end
	add_rows(lines, "From", request:header "From")
	local to = request:header "To"
	local tagged = to:find(";tag=", 1, true) or code == 100
	add_rows(lines, "To", tagged and to or ("%s;tag=%s"):format(to, self.name))
	add_rows(lines, "Call-ID", request:header "Call-ID")
	add_rows(lines, "CSeq", request:header "CSeq")
	if code > 100 and code < 300 and request.method == "INVITE" then
		lines[#lines + 1] = "Contact: " .. self:contact()
	end
	for _, line in ipairs(given.headers or {}) do
		lines[#lines + 1] = line
	end
	add_rows(lines, "Content-Type", given.type)
	add_rows(lines, "Content-Length", #(given.body or ""))
	return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (given.body or "")
end

--- Answers the request received last, to where that came from.
function Phone:reply(code, given)
	local request = given and given.request or self.last_request
	local sent = message.parse(self:response_text(code, given))
	self:send_bytes(sent.text, given and given.leg or request.leg)
	return sent
end

--- Registers a contact and expects 200.
function Phone:register(aor, given)
	given = given or {}
	given.to = given.to or ("<%s>"):format(aor)
	given.from = given.from or ("<%s>;tag=%s"):format(aor, self.name)
	given.contact = or_default(given.contact, self:contact())
	self:request("REGISTER", "sip:" .. aor:match "@([^;>]+)", given)
	return self:expect(200)
end

function Phone:hang_up(to)
	self.net.core:hang_up(self.address, to or leg_for(self))
	self.net:settle()
end

--- Takes nothing more of what comes by its streams.
function Phone:stop_reading() self.net.core:stop_reading(self.number) end

--- Leaves the network: nobody is there any more.
function Phone:leave() self.net.core:close_phone(self.number) end

-- ---- receiving ----

local function is_expected(wanted, seen)
	if type(wanted) == "number" then
		return seen.code == wanted
	end
	return seen.method == wanted
end

--- The next message that came or comes is this: a method, or a status code. Call the result with checks:
--- bob:expect "INVITE" { ["Max-Forwards"] = 69 }.
function Phone:expect(wanted)
	if #self.inbox == 0 then
		self.net:settle()
	end
	local seen = table.remove(self.inbox, 1)
	if not seen then
		fail { phone = self.name, expected = wanted, seen = "nothing", others = self.net:waiting(), log = self.net:unread_log() }
	elseif not is_expected(wanted, seen) then
		fail { phone = self.name, expected = wanted, seen = seen.start, all = seen.text, log = self.net:unread_log() }
	end
	if seen.method then
		self.last_request = seen
	end
	self.last = seen
	return seen
end

--- Nothing came, and nothing comes.
function Phone:expect_nothing()
	self.net:settle()
	if #self.inbox > 0 then
		fail { phone = self.name, expected = "nothing", seen = self.inbox[1].start, all = self.inbox[1].text }
	end
end

--- The engine ended a stream to this phone.
function Phone:expect_closed()
	self.net:settle()
	if #self.closings == 0 then
		fail { phone = self.name, expected = "the stream is closed", seen = "nothing" }
	end
	return table.remove(self.closings, 1)
end

--- What is waiting, and is expected by nobody in particular: for flows that count.
function Phone:take_all()
	self.net:settle()
	local all = self.inbox
	self.inbox = {}
	return all
end

return phone

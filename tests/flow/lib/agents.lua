-- User agents: many calls at one time, each as RFC 3261 asks it of a caller and a callee. Unlike phones they act by
-- themselves: they repeat what is not answered, answer again what is repeated, and give up after 64*T1.
local message = require "lib.message"
local T1, T2, GIVE_UP, TICK = 0.5, 4, 32, 0.05
local PATIENCE = 3 * GIVE_UP -- of people

local M = {}

-- ---- repetition (RFC 3261 17.1.1.2, 17.1.2.2, 17.2.1, 13.3.1.4) ----

local Agent = {}
Agent.__index = Agent

local function kind_of_agent()
	local kind = setmetatable({}, Agent)
	kind.__index = kind
	return kind
end

local function agent(phone, kind)
	return setmetatable({ phone = phone, net = phone.net, calls = {}, repeats = {}, list = {} }, kind)
end

--- Sends a text, again and again until it is stopped; `gave_up` is called when it never was.
function Agent:keep_sending(key, text, cap, gave_up)
	local now = self.net:now()
	self:stop(key)
	local entry = { key = key, text = text, cap = cap, at = now + T1, interval = T1, till = now + GIVE_UP, gave_up = gave_up }
	self.repeats[key] = entry
	self.list[#self.list + 1] = entry
	self.phone:send_bytes(text)
end

function Agent:stop(key)
	local entry = self.repeats[key]
	if entry then
		entry.stopped, self.repeats[key] = true, nil
	end
end

--- Once, after that time.
function Agent:after(seconds, run)
	local now = self.net:now()
	self.list[#self.list + 1] = { at = math.huge, till = now + seconds, gave_up = run }
end

function Agent:tick()
	local now, list = self.net:now(), self.list
	self.list = {}
	for _, entry in ipairs(list) do
		if not entry.stopped and now >= entry.till then
			entry.stopped = true
			if entry.key then
				self.repeats[entry.key] = nil
			end
			entry.gave_up()
		elseif not entry.stopped and now >= entry.at then
			entry.interval = math.min(entry.interval * 2, entry.cap)
			entry.at = entry.at + entry.interval
			self.phone:send_bytes(entry.text)
		end
		if not entry.stopped then
			self.list[#self.list + 1] = entry
		end
	end
	local inbox = self.phone.inbox
	self.phone.inbox = {}
	for _, came in ipairs(inbox) do
		self:take(came, self.calls[came:header "Call-ID"])
	end
end

local function reversed(list)
	local turned = {}
	for i = #list, 1, -1 do
		turned[#turned + 1] = list[i]
	end
	return turned
end

function Agent:inside(call, method, cseq)
	return self.phone:request_text(method, call.target, { from = call.own, to = call.other, call_id = call.id, cseq = cseq,
		route = #call.route > 0 and call.route })
end

--- Ends a call that was answered; over when that is answered, or never (RFC 3261 15.1.1).
function Agent:hang_up(call)
	local function over() call.ended = true end
	self:keep_sending(call.id .. "BYE", self:inside(call, "BYE", 2), T2, over)
end

-- The other side hung up, or its answer to our BYE came.
function Agent:take_bye(came, call)
	if came.method then
		self.phone:reply(200, { request = came })
		self:stop(call.id .. "final")
	end
	self:stop(call.id .. "BYE")
	call.ended = true
end

-- ---- the caller ----

local Caller = kind_of_agent()

--- An agent that calls. Each conversation has a plan: "answer", "refuse", or "cancel" while it rings.
function M.caller(phone) return agent(phone, Caller) end

--- `conversation` = { plan, to }: `code` becomes the final response, `tries` how often was dialled.
function Caller:dial(conversation)
	conversation.tries = (conversation.tries or 0) + 1
	local id = ("%s-%d"):format(conversation.plan, self.net:count())
	local text = self.phone:request_text("INVITE", conversation.to, { call_id = id, headers = { "X-Plan: " .. conversation.plan } })
	local call = { id = id, conversation = conversation, invite = message.parse(text) }
	self.calls[id], conversation.call = call, call
	local function in_vain() self:try_again(call) end
	self:keep_sending(id .. "INVITE", text, math.huge, in_vain)
	self:after(PATIENCE, in_vain) -- something came, but nothing final
end

function Caller:try_again(call)
	if call.conversation.call == call and not call.conversation.code then
		call.ended = true
		self:dial(call.conversation)
	end
end

function Caller:cancel(call)
	local invite = call.invite
	local text = self.phone:request_text("CANCEL", invite.uri, { via = invite:rows("Via")[1], from = invite:header "From",
		to = invite:header "To", call_id = call.id, cseq = 1 })
	call.cancelled = true
	self:keep_sending(call.id .. "CANCEL", text, T2, function() end)
end

function Caller:take_provisional(call)
	self:stop(call.id .. "INVITE")
	if call.conversation.plan == "cancel" and not call.rings then
		self:after(1, function()
			if not call.final then
				self:cancel(call)
			end
		end)
	end
	call.rings = true
end

-- A 2xx may come late, after a failure too: then it is acknowledged and hung up all the same (RFC 3261 13.2.2.4).
function Caller:take_success(came, call)
	if not call.ack then
		call.ended, call.own, call.other = false, came:header "From", came:header "To"
		call.target, call.route = came:header("Contact"):match "<(.-)>", reversed(came:rows "Record-Route")
		call.ack = self:inside(call, "ACK", 1)
		self:after(2, function() self:hang_up(call) end)
	end
	self.phone:send_bytes(call.ack)
end

function Caller:take_final(came, call)
	self:stop(call.id .. "INVITE")
	if call.conversation.call == call and came.code ~= 408 then
		call.conversation.code = call.conversation.code or came.code
	end
	call.final = true
	if came.code < 300 then
		self:take_success(came, call)
	else
		self.phone:same_transaction("ACK", call.invite, { to = came:header "To" })
		call.ended = call.ended or not call.ack
		self:try_again(call)
	end
end

function Caller:take(came, call)
	local method = came.method or came:header("CSeq"):match "%u+"
	if method == "BYE" then
		self:take_bye(came, call)
		self:try_again(call)
	elseif method == "CANCEL" then
		self:stop(call.id .. "CANCEL")
	elseif came.code < 200 then
		self:take_provisional(call)
	else
		self:take_final(came, call)
	end
end

-- ---- the callee ----

local Callee = kind_of_agent()

--- An agent that answers as the caller's plan says.
function M.callee(phone) return agent(phone, Callee) end

function Callee:finish(call, code)
	call.code, call.last = code, self.phone:response_text(code, { request = call.invite })
	self:keep_sending(call.id .. "final", call.last, T2, function()
		self.unacknowledged = (self.unacknowledged or 0) + 1
		if code < 300 then
			self:hang_up(call) -- RFC 3261 13.3.1.4
		else
			call.ended = true
		end
	end)
end

function Callee:take_invite(came, call)
	if call then
		call.branches[came:branch()] = true
		return self.phone:send_bytes(call.last)
	end
	call = { id = came:header "Call-ID", invite = came, branches = { [came:branch()] = true } }
	self.calls[call.id] = call
	call.last = self.phone:response_text(180, { request = came })
	call.own, call.other = message.parse(call.last):header "To", came:header "From"
	call.target, call.route = came:header("Contact"):match "<(.-)>", came:rows "Record-Route"
	self.phone:send_bytes(call.last)
	local plan = came:header "X-Plan"
	self:after(plan == "cancel" and PATIENCE or 0.5, function()
		if not call.code then
			self:finish(call, plan == "answer" and 200 or plan == "refuse" and 486 or 480)
		end
	end)
	self:after(PATIENCE, function() -- of a call that was answered, and whose BYE never came
		if not call.ended and call.code == 200 then
			self:hang_up(call)
		end
	end)
end

function Callee:take(came, call)
	if came.method == "INVITE" then
		self:take_invite(came, call)
	elseif came.method == "ACK" then
		self:stop(call.id .. "final")
		call.acknowledged = true
		call.ended = call.ended or call.code >= 300
	elseif came.method == "CANCEL" then
		self.phone:reply(200, { request = came })
		if not call.code then
			self:finish(call, 487)
		end
	else
		self:take_bye(came, call)
	end
end

-- ---- time ----

--- Lets agents act until none has a call open, for so many seconds at most. `each` is called every tick.
function M.run(net, agents, seconds, each)
	local till = net:now() + seconds
	local is_busy = true
	while is_busy and net:now() < till do
		net:advance(TICK)
		is_busy = each()
		for _, one in ipairs(agents) do
			one:tick()
		end
		for _, one in ipairs(agents) do
			for _, call in pairs(one.calls) do
				is_busy = is_busy or not call.ended
			end
		end
	end
end

return M

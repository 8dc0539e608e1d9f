-- What flows about req:forward have in common.
local M = {}

M.ALICE, M.BOB = "udp:198.51.100.7:5062", "udp:198.51.100.8:5060"
M.CAROL, M.DAVE = "udp:198.51.100.9:5060", "udp:198.51.100.10:5060"

local SCRIPT = [[
local sip = require "viaduct"
local proxy = sip.stateless_proxy {}
local BOB, CAROL, DAVE = "sip:bob@198.51.100.8", "sip:carol@198.51.100.9", "sip:dave@198.51.100.10"
local function call(req) %s end
return { receive = function(msg, leg, from)
	if not msg:is_request() or msg.method == "ACK" or msg.method == "CANCEL" then return proxy:receive(msg, leg, from) end
	return call(msg)
end }]]

--- A script that handles each request like this; what cannot be forwarded statefully goes through statelessly.
function M.script(text)
	return (SCRIPT:gsub("%%s", function() return text end))
end

M.FORWARD = M.script "return req:forward(req.uri)"

local addresses = { alice = M.ALICE, bob = M.BOB, carol = M.CAROL, dave = M.DAVE }

--- Each message is on its way for a millisecond, no more and no less: what comes at a full one is sent at a full one.
function M.exact(net) net:link { delay = 0.001 } end

--- Phones by name: local alice, bob = parties(net, "alice", "bob").
function M.parties(net, ...)
	local phones = {}
	for i, name in ipairs { ... } do
		phones[i] = net:phone(name, addresses[name])
	end
	return unpack(phones)
end

--- ACK to a final failure, as the caller's transaction sends it.
function M.ack(phone, invite, response) return phone:same_transaction("ACK", invite, { to = response:header "To" }) end

function M.cancel(phone, invite) return phone:same_transaction("CANCEL", invite) end

--- A failure that arrives is acknowledged.
function M.expect_failure(phone, invite, code)
	local response = phone:expect(code)
	M.ack(phone, invite, response)
	return response
end

--- The next message is an ACK of the transaction of that INVITE (RFC 3261 17.1.1.3).
function M.expect_ack(phone, invite, to)
	return phone:expect "ACK" { uri = invite.uri, Via = { invite:rows("Via")[1] }, ["Call-ID"] = invite:header "Call-ID",
		From = invite:header "From", To = to or true, CSeq = invite:header("CSeq"):match "%d+" .. " ACK" }
end

--- The next message cancels that INVITE (RFC 3261 9.1), for that reason (RFC 3326; none: it does not matter); it is answered.
function M.expect_cancel(phone, invite, reason)
	local seen = phone:expect "CANCEL" { uri = invite.uri, Via = { invite:rows("Via")[1] }, ["Call-ID"] = invite:header "Call-ID",
		From = invite:header "From", To = invite:header "To", CSeq = invite:header("CSeq"):match "%d+" .. " CANCEL", Reason = reason }
	phone:reply(200)
	return seen
end

--- A cancelled phone says so, and its 487 is acknowledged.
function M.expect_cancelled(phone, invite, reason)
	M.expect_cancel(phone, invite, reason)
	phone:reply(487, { request = invite })
	M.expect_ack(phone, invite)
end

--- What a response to that request carries as Via: the row the caller wrote, alone.
function M.via_of(request)
	return { "~^" .. request:rows("Via")[1]:match("^[^;]*;branch=[^;]*"):gsub("[%p]", "%%%0") .. ";[^,]*$" }
end

--- How often a handler or a hook ran.
function M.runs(net)
	net:settle()
	return net:counters().tasks_started - net:counters().reloads
end

--- When messages came, in seconds after the first of them (or since then): "0 0.5 1.5".
function M.times(messages, since)
	local times = {}
	for i, message in ipairs(messages) do
		times[i] = ("%.10g"):format(math.floor((message.at - (since or messages[1].at)) * 1000 + 0.5) / 1000)
	end
	return table.concat(times, " ")
end

--- Which messages came: "INVITE INVITE CANCEL", or "180 200".
function M.kinds(messages)
	local kinds = {}
	for i, message in ipairs(messages) do
		kinds[i] = tostring(message.method or message.code)
	end
	return table.concat(kinds, " ")
end

--- Lets every transaction end.
function M.rest(net) net:advance(70) end

return M

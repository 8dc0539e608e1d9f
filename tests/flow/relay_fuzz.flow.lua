-- Spoilt responses, CANCELs, ACKs and repeated requests against live transactions, forked ones with hooks and timeouts among
-- them: whatever comes, all of it ends when its timers have run out, and a clean call goes through.
local relayed = require "lib.relayed"
local parties = relayed.parties

local SCRIPT = [[
local sip = require "viaduct"
local proxy = sip.stateless_proxy {}
local function hook(response)
	if response.code == 183 then sip.sleep(0.3) end
	if response.code == 181 then response:drop "not for the caller" end
	response:set_header("X-Seen", "yes")
end
local function receive(msg, leg, from)
	if not msg:is_request() or msg.method == "ACK" or msg.method == "CANCEL" or msg.to.tag then
		return proxy:receive(msg, leg, from)
	end
	local final = msg:forward({ { "sip:bob@198.51.100.8", sip.settings.carol }, sip.settings.dave },
		{ timeout = 15, on_response = hook })
	if final and final.code == 302 then return msg:forward(sip.settings.dave, { timeout = 5 }) end
	if final and final.code == 486 then return msg:reply(480) end
end
return { receive = receive }]]

-- ---- chance, the same in each run ----

local function dice(seed)
	local number = seed
	local self = {}
	function self.number(n)
		number = (number * 1103515245 + 12345) % 2147483648
		return math.floor(number / 65536) % n + 1
	end
	function self.one(list) return list[self.number(#list)] end
	return self
end

-- ---- spoiling ----

local function lines_of(text)
	local lines = {}
	for line in text:gmatch "(.-)\r\n" do
		lines[#lines + 1] = line
	end
	return lines
end

local function edit_lines(text, edit)
	local lines = lines_of(text)
	if #lines == 0 then
		return text
	end
	edit(lines)
	return table.concat(lines, "\r\n") .. "\r\n"
end

local function swap_header(name)
	return function(text, _, other)
		local theirs = other:match("\r\n(" .. name .. ":[^\r]*)")
		return theirs and text:gsub("\r\n" .. name .. ":[^\r]*", function() return "\r\n" .. theirs end, 1) or text
	end
end

local METHODS = { "INVITE", "ACK", "CANCEL", "BYE", "MESSAGE", "FOO" }

local spoilings = {
	function(text) return text end,
	swap_header "Via", swap_header "Call%-ID", swap_header "To", swap_header "From", swap_header "CSeq",
	function(text, chance) -- one byte is another
		local at = chance.number(#text)
		return text:sub(1, at - 1) .. string.char(chance.number(256) - 1) .. text:sub(at + 1)
	end,
	function(text, chance) return text:sub(1, chance.number(#text)) end,
	function(text, chance) -- a line is gone
		return edit_lines(text, function(lines) table.remove(lines, chance.number(#lines)) end)
	end,
	function(text, chance) -- a line stands twice, somewhere
		return edit_lines(text, function(lines) table.insert(lines, chance.number(#lines), chance.one(lines)) end)
	end,
	function(text, chance)
		return (text:gsub("CSeq: (%d+) %u+", function(n) return ("CSeq: %s %s"):format(n, chance.one(METHODS)) end, 1))
	end,
	function(text, chance)
		return (text:gsub("branch=([^;\r]*)", function(b) return "branch=" .. b:sub(1, chance.number(#b + 1) - 1) end, 1))
	end,
	function(text, chance) return (text:gsub("(branch=[^;\r,]*)%.%d", "%1." .. chance.number(9), 1)) end,
	function(text, chance) return (text:gsub("SIP/2.0 %d%d%d", ("SIP/2.0 %03d"):format(chance.number(999)), 1)) end,
}

local CODES = { 100, 180, 181, 183, 200, 202, 302, 401, 407, 408, 480, 486, 487, 491, 500, 503, 600, 699 }

-- ---- the flow ----

-- The latest of each kind, so that most of what is spoilt is still alive.
local function pool(size)
	return { at = 0, add = function(self, value)
		self.at = self.at % size + 1
		self[self.at] = value
	end }
end

local function throw_one(chance, alice, mine, theirs)
	local text, leg, phone
	if chance.number(3) > 1 and #theirs > 0 then
		local target = chance.one(theirs)
		phone, leg = target.phone, target.request.leg
		text = phone:response_text(chance.one(CODES), { request = target.request })
	else
		local request = chance.one(mine)
		phone = alice
		text = request.text
		if chance.number(4) > 1 then
			local method = chance.one { "CANCEL", "CANCEL", "ACK" }
			text = phone:request_text(method, request.uri, { via = request:rows("Via")[1], from = request:header "From",
				to = request:header "To", call_id = request:header "Call-ID" })
		end
	end
	for _ = 1, chance.number(3) - 1 do
		local other = #theirs > 0 and chance.one(theirs).request.text or text
		text = chance.one(spoilings)(text, chance, other)
	end
	phone:send_bytes(text, leg)
end

local SPOILT = 2500

local worlds = {
	{ "by datagrams", alice = relayed.ALICE, carol = relayed.CAROL,
		settings = { carol = "sip:carol@198.51.100.9", dave = "sip:dave@198.51.100.10" } },
	{ "by datagrams and streams, to names whose server is slow or silent", alice = "tcp:198.51.100.7:49152",
		carol = "tcp:198.51.100.9:5060",
		settings = { carol = "sip:carol@198.51.100.9;transport=tcp", dave = "sip:dave@example.net" } },
}

-- Whom they sent something to that is worth an answer.
local function collect(phones, theirs)
	for _, phone in ipairs(phones) do
		for _, came in ipairs(phone:take_all()) do
			if came.method and came:header "To" then -- a spoilt CR hides lines from phones
				theirs:add { phone = phone, request = came }
			end
		end
	end
end

-- Streams to where a spoilt Via points are refused.
local function forgive_failed_sends(net)
	while net:count_log "send.failed" > 0 do
		net:expect_log "send.failed"
	end
end

local function is_over(net, phones)
	net:advance(200) -- Timer C, and what follows it
	net:advance(100)
	collect(phones, { add = function() end })
	forgive_failed_sends(net)
	local leftovers = net.core:leftovers()
	for _, what in ipairs { "transactions", "leg_holders", "packets", "tasks" } do
		net:equal(leftovers[what], 0, what .. " that are left")
	end
end

for seed = 1, 4 do
	local world = worlds[seed % 2 + 1]
	flow(("2,500 spoilt messages %s, against live transactions, leave nothing behind (%d)"):format(world[1], seed)) {
		script_text = SCRIPT,
		settings = world.settings,
		run = function(net)
			local bob, dave = parties(net, "bob", "dave")
			local alice, carol = net:phone("alice", world.alice), net:phone("carol", world.carol)
			local phones = { alice, bob, carol, dave }
			local chance, mine, theirs = dice(seed * 7919), pool(20), pool(40)
			if seed == 1 then
				net:dns("example.net", "A", "198.51.100.10", 0.4)
			else
				net:dns("example.net", "silent")
			end
			for i = 1, SPOILT do
				if i % 10 == 1 then
					mine:add(alice:request(chance.one { "INVITE", "INVITE", "INVITE", "MESSAGE" }, "sip:bob@198.51.100.8"))
				end
				throw_one(chance, alice, mine, theirs)
				if i % 5 == 0 then
					net:advance(chance.number(400) / 1000)
					collect(phones, theirs)
				end
			end
			local counters = net:counters()
			net:is_true(counters.server_transactions > 150 and counters.client_transactions > 400, "most of it was alive")
			is_over(net, phones)
			local eve = net:phone("eve", "udp:198.51.100.11:5060")
			local message = eve:request("MESSAGE", "sip:bob@198.51.100.8")
			bob:expect "MESSAGE" { ["Call-ID"] = message:header "Call-ID" }
			bob:reply(200)
			eve:expect(200)
			is_over(net, phones)
		end,
	}
end

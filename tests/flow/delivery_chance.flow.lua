-- Requests, repetitions, CANCELs and answers by chance, against a script that delivers, waits, cancels and answers: whatever comes,
-- each delivery has one end, and nothing is left.
local relayed = require "lib.relayed"
local delivered = require "lib.delivered"
local RUNS, STEPS = 30, 150

local SCRIPT = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher { do_retransmits = true }
local proxy = sip.stateless_proxy {}
local n = 0
return { receive = function(msg)
	if msg:is_response() or msg.method == "ACK" then return proxy:receive(msg) end
	n = n + 1
	if n % 7 == 0 then sip.sleep(0.3) end
	if n % 11 == 0 then return msg:reply(486) end
	local delivery = dispatcher:deliver(msg, { timeout = n % 5 == 0 and 6 or nil, do_retransmits = n % 4 ~= 0,
		callback = function() n = n + 1 end })
	if delivery and n % 13 == 0 then
		sip.sleep(0.5)
		delivery:cancel()
	end
	if n % 17 == 0 then dispatcher:cancel_delivery("callid", msg.call_id) end
	return delivery
end }]]

local TARGETS = { "sip:x@example.net", "sip:x@example.net", "sip:x@198.51.100.8", "sip:x@nowhere.example" }
local CODES = { 100, 180, 200, 200, 302, 486, 487, 503, 503 }

-- ---- chance, the same in each run ----

local function dice(seed)
	local number = seed
	return function(list)
		number = (number * 1103515245 + 12345) % 2147483648
		return list[math.floor(number / 65536) % #list + 1]
	end
end

-- ---- what may happen ----

local happens = {}

function happens.request(world, one)
	world.sent[#world.sent + 1] = world.alice:request(one { "INVITE", "INVITE", "OPTIONS" }, one(TARGETS))
end

function happens.cancel(world, one)
	if #world.sent > 0 then
		world.alice:same_transaction("CANCEL", one(world.sent))
	end
end

function happens.repetition(world)
	if #world.sent > 0 then
		world.alice:resend()
	end
end

function happens.answer(world, one)
	local callee = one(world.callees)
	for _, message in ipairs(callee.phone:take_all()) do
		if message.method and message.method ~= "ACK" then
			callee.came[#callee.came + 1] = message
		end
	end
	if #callee.came > 0 then
		callee.phone:reply(one(CODES), { request = one(callee.came) })
	end
end

function happens.ack(world, one)
	for _, message in ipairs(world.alice:take_all()) do
		if message.code and message.code >= 300 then
			world.alice:same_transaction("ACK", one(world.sent), { to = message:header "To" })
		end
	end
end

function happens.time(world, one) world.net:advance(one { 0, 0.1, 0.4, 1, 3, 5 }) end

local names = { "request", "request", "cancel", "repetition", "answer", "answer", "answer", "ack", "time" }

for seed = 1, RUNS do
	flow(("each delivery has one end, and nothing is left (%d)"):format(seed)) {
		script_text = SCRIPT,
		clients_per_peer = seed % 3 == 0 and 5 or nil,
		delivery_share = seed % 4 == 0 and 3000 or nil,
		transactions = seed % 5 == 0 and 12 or nil,
		run = function(net)
			local one = dice(seed)
			local alice, bob, carol = relayed.parties(net, "alice", "bob", "carol")
			local world = { net = net, alice = alice, sent = {}, callees = { { phone = bob, came = {} }, { phone = carol, came = {} } } }
			delivered.two_addresses(net)
			for _ = 1, STEPS do
				happens[one(names)](world, one)
			end
			net:advance(300)
			local count = net:counters()
			net:is_true(count.deliveries > 0, "something was delivered")
			net:equal(count.deliveries_arrived + count.deliveries_sent + count.deliveries_failed + count.deliveries_cancelled,
				count.deliveries, "ends")
			for _, phone in ipairs { alice, bob, carol } do
				phone:take_all()
			end
		end,
	}
end

-- The examples of chain elements do what their first line says.
local digest = require "lib.digest"
local relayed = require "lib.relayed"
local expect_failure = relayed.expect_failure

local function phones(net, ...)
	local list = { (net:phone("alice", relayed.ALICE)) }
	for i, host in ipairs { ... } do
		list[i + 1] = net:phone("phone" .. i, "udp:192.0.2." .. host .. ":5060")
	end
	return unpack(list)
end

flow "redirect.lua: callers are sent to where the callee registered, and strangers to nobody" {
	script = "examples/redirect.lua",
	run = function(net)
		local alice, bob = phones(net, 8)
		bob:register "sip:bob@example.com"
		local invite = alice:request("INVITE", "sip:bob@example.com")
		local moved = alice:expect(302) { Contact = { "<sip:phone1@192.0.2.8:5060>;expires=300" } }
		alice:same_transaction("ACK", invite, { to = moved:header "To" })
		alice:request("OPTIONS", "sip:carol@example.com")
		alice:expect(404)
		alice:request("OPTIONS", "sip:bob@198.51.100.99")
		alice:expect(404)
	end,
}

flow "block_caller.lua: unwanted callers are declined, others get through, nobody subscribes" {
	script = "examples/block_caller.lua",
	run = function(net)
		local alice, bob = phones(net, 8)
		bob:register "sip:bob@example.com"
		for _, from in ipairs { "<sip:spam@example.net>;tag=a", "\"Win\" <sip:anonymous@anonymous.invalid>;tag=a" } do
			local invite = alice:request("INVITE", "sip:bob@example.com", { from = from })
			alice:same_transaction("ACK", invite, { to = alice:expect(603):header "To" })
		end
		alice:request("OPTIONS", "sip:bob@example.com", { from = "<sip:spam@example.net>;tag=a" })
		bob:expect "OPTIONS"
		alice:request("SUBSCRIBE", "sip:bob@example.com")
		alice:expect(405) { Allow = "~INVITE" }
		alice:request("INVITE", "sip:bob@example.com")
		bob:expect "INVITE"
	end,
}

flow "rate_limit.lua: scanners and floods get no answer, the gateway and quiet phones do" {
	script = "examples/rate_limit.lua",
	run = function(net)
		local alice, bob = phones(net, 8)
		local gateway = net:phone("gateway", "udp:192.0.2.10:5060")
		alice:request("OPTIONS", "sip:192.0.2.1", { headers = { "User-Agent: friendly-scanner" } })
		alice:expect_nothing()
		for _ = 1, 15 do
			alice:request("OPTIONS", "sip:192.0.2.1")
			gateway:request("OPTIONS", "sip:192.0.2.1")
		end
		net:equal(#alice:take_all(), 10, "answers to alice")
		net:equal(#gateway:take_all(), 15, "answers to the gateway")
		bob:register "sip:bob@example.com"
		for n = 1, 25 do
			alice:request("REGISTER", "sip:example.com", { to = "<sip:alice@example.com>", contact = alice:contact(),
				call_id = "r", cseq = n })
		end
		net:equal(#alice:take_all(), 20, "registrations of alice")
		net:counts { dropped_by_field = 1, dropped_by_source = 10 }
	end,
}

-- Sends a request that is challenged, and again with the credentials of that user.
local function send(phone, user, method, uri, given)
	local password = user == "alice" and "wonderland" or "builder"
	local first = phone:request(method, uri, given)
	local refused = phone:expect(method == "REGISTER" and 401 or 407)
	if method == "INVITE" then
		phone:same_transaction("ACK", first, { to = refused:header "To" })
	end
	local credentials = digest.answer(digest.challenge(refused), { user = user, password = password, method = method, uri = uri })
	given.headers = { credentials, unpack(given.headers or {}) }
	return phone:request(method, uri, given)
end

for _, example in ipairs { "block_caller.lua", "rate_limit.lua" } do
	flow(example .. ": strangers reach who is registered and dialogs with them, and are forwarded nowhere else") {
		script = "examples/" .. example,
		run = function(net)
			local alice, bob, other = phones(net, 8, 9)
			bob:register "sip:bob@example.com"
			alice:request("MESSAGE", "sip:you@192.0.2.9")
			alice:expect(403)
			alice:request("MESSAGE", "sip:you@192.0.2.9", { to = "<sip:you@192.0.2.9>;tag=made-up" })
			alice:expect(403)
			alice:request("MESSAGE", "sip:carol@example.com")
			alice:expect(404)
			alice:request("ACK", "sip:you@192.0.2.9")
			alice:request("ACK", "sip:carol@example.com")
			alice:expect_nothing()
			local invite = alice:request("INVITE", "sip:bob@example.com")
			local came = bob:expect "INVITE"
			bob:reply(200)
			local answer = alice:expect(200)
			alice:request("ACK", "sip:phone1@192.0.2.8:5060", { call_id = invite:header "Call-ID", to = answer:header "To",
				route = answer:rows "Record-Route" })
			bob:expect "ACK"
			bob:request("BYE", "sip:alice@198.51.100.7:5062", { call_id = invite:header "Call-ID", from = answer:header "To",
				to = invite:header "From", route = came:rows "Record-Route" })
			alice:expect "BYE"
			other:expect_nothing()
		end,
	}
end

flow "authenticated_registrar.lua: with a password one registers and calls, under no other name, and calls work both ways" {
	script = "examples/authenticated_registrar.lua",
	run = function(net)
		local alice, bob = phones(net, 8)
		local function register(phone, user, name)
			send(phone, user, "REGISTER", "sip:example.com", { contact = phone:contact(), to = ("<sip:%s@example.com>"):format(name) })
		end
		register(alice, "bob", "alice")
		alice:expect(403)
		register(alice, "alice", "alice")
		alice:expect(200)
		register(bob, "bob", "bob")
		bob:expect(200)
		local invite = send(alice, "alice", "INVITE", "sip:bob@example.com", { from = "<sip:alice@example.com>;tag=a" })
		local came = bob:expect "INVITE" { uri = "sip:phone1@192.0.2.8:5060", ["Proxy-Authorization"] = false }
		bob:reply(200)
		alice:expect(200)
		bob:request("BYE", "sip:alice@198.51.100.7:5062", { call_id = invite:header "Call-ID", from = invite:header "To" .. ";tag=phone1",
			to = invite:header "From", route = came:rows "Record-Route" })
		alice:expect "BYE"
		alice:reply(200)
		bob:expect(200)
		send(alice, "alice", "INVITE", "sip:bob@example.com", { from = "<sip:bob@example.com>;tag=a" })
		expect_failure(alice, alice.sent, 403)
		send(alice, "alice", "MESSAGE", "sip:carol@example.com", { from = "<sip:alice@example.com>;tag=a" })
		alice:expect(404)
		net:counts { registrations = 2 }
	end,
}

local OTHERS = { "NOTIFY", "REFER", "PUBLISH", "SUBSCRIBE", "OPTIONS", "INFO", "MESSAGE", "FOO" }

flow "authenticated_registrar.lua: nobody speaks as another, whatever the method is, or asserts who it is" {
	script = "examples/authenticated_registrar.lua",
	run = function(net)
		local alice, bob = phones(net, 8)
		send(bob, "bob", "REGISTER", "sip:example.com", { contact = bob:contact(), to = "<sip:bob@example.com>" })
		bob:expect(200)
		for _, method in ipairs(OTHERS) do
			for _, from in ipairs { "sip:bob@example.com", "sip:alice@example.net", "tel:+491234" } do
				send(alice, "alice", method, "sip:bob@example.com", { from = ("<%s>;tag=a"):format(from) })
				alice:expect(403)
			end
			bob:expect_nothing()
			send(alice, "alice", method, "sip:bob@example.com", { headers = { "P-Asserted-Identity: <sip:bob@example.com>" } })
			bob:expect(method) { ["P-Asserted-Identity"] = false }
			bob:reply(200, { headers = { "P-Asserted-Identity: <sip:carol@example.com>" } })
			alice:expect(200) { ["P-Asserted-Identity"] = false }
		end
	end,
}

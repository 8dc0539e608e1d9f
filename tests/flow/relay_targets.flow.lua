-- Which targets a forward has, as what they are written, and in which order they are tried (RFC 3261 16.5, 16.6).
local relayed = require "lib.relayed"
local script, parties, rest, expect_ack = relayed.script, relayed.parties, relayed.rest, relayed.expect_ack
local expect_failure = relayed.expect_failure
local TO_SALES = "sip:sales@198.51.100.8"
local CAROL, DAVE = "<sip:carol@198.51.100.9>", "<sip:dave@198.51.100.10>"

-- ---- contacts of a redirection ----

local FOLLOW = script [[
	local final = req:forward(req.uri)
	if final.code == 302 then return req:forward(final:contacts()) end]]

-- Bob answers with these contacts. The call of alice.
local function redirected(alice, bob, ...)
	local invite = alice:request("INVITE", TO_SALES)
	local came = bob:expect "INVITE"
	bob:reply(302, { headers = { "Contact: " .. table.concat({ ... }, ", ") } })
	expect_ack(bob, came)
	return invite
end

local function refuse(phone, code)
	local came = phone:expect "INVITE"
	phone:reply(code, { request = came })
	expect_ack(phone, came)
end

flow "contacts of a 302 are tried by q, whatever their order; when all fail the 302 is not told (RFC 3261 16.7 (4))" {
	script_text = FOLLOW,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local invite = redirected(alice, bob, CAROL .. ";q=0.1", DAVE .. ";q=0.9")
		carol:expect_nothing()
		refuse(dave, 486)
		refuse(carol, 480)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "contacts of equal q are tried at one time; one without q, or with none that is valid, has 1" {
	script_text = FOLLOW,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local low = net:phone("low", "udp:198.51.100.20:5060")
		local invite = redirected(alice, bob, "<sip:low@198.51.100.20>;q=0.999", CAROL .. ";q=lots", DAVE)
		local to_carol, to_dave = carol:expect "INVITE", dave:expect "INVITE"
		low:expect_nothing()
		carol:reply(486, { request = to_carol })
		expect_ack(carol, to_carol)
		low:expect_nothing()
		dave:reply(486, { request = to_dave })
		expect_ack(dave, to_dave)
		refuse(low, 486)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "contacts without any q are tried in their order" {
	script_text = FOLLOW,
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local invite = redirected(alice, bob, DAVE, CAROL)
		carol:expect_nothing()
		refuse(dave, 486)
		refuse(carol, 486)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "a contact with header fields and a method is called without them" {
	script_text = FOLLOW,
	run = function(net)
		local alice, bob, carol = parties(net, "alice", "bob", "carol")
		redirected(alice, bob, "<sip:carol@198.51.100.9;x=1;method=BYE?Subject=a>")
		carol:expect "INVITE" { uri = "sip:carol@198.51.100.9;x=1" }
		carol:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

-- ---- what a script writes ----

flow "tables with a q are sorted by it, a text that says it too, and the rest has 1" {
	script_text = script "return req:forward { { uri = BOB, q = '0.2' }, { uri = CAROL, q = 0.3 }, { uri = sip.uri(DAVE) } }",
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local invite = alice:request("INVITE", TO_SALES)
		refuse(dave, 486)
		refuse(carol, 486)
		refuse(bob, 486)
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "one URI in two spellings rings once, in a group and behind it (RFC 3261 16.5, 19.1.4)" {
	script_text = script [[return req:forward { { BOB, "sip:b%6fb@198.51.100.8", CAROL }, "SIP:bob@198.51.100.8;method=BYE", DAVE }]],
	run = function(net)
		local alice, bob, carol, dave = parties(net, "alice", "bob", "carol", "dave")
		local invite = alice:request("INVITE", TO_SALES)
		local to_bob, to_carol = bob:expect "INVITE", carol:expect "INVITE"
		bob:expect_nothing()
		bob:reply(486, { request = to_bob })
		expect_ack(bob, to_bob)
		carol:reply(486, { request = to_carol })
		expect_ack(carol, to_carol)
		refuse(dave, 486)
		bob:expect_nothing()
		expect_failure(alice, invite, 486)
		rest(net)
	end,
}

flow "forty times one URI is one target, no limit" {
	script_text = script "local list = {} for i = 1, 40 do list[i] = BOB end return req:forward(list)",
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", TO_SALES)
		bob:expect "MESSAGE"
		bob:reply(200)
		alice:expect(200)
		rest(net)
	end,
}

flow "what is forwarded statelessly goes without header fields and method too" {
	script_text = script [[return req:forward(BOB .. ";method=BYE?Subject=a", { stateless = true })]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		alice:request("MESSAGE", "sip:sales@example.com")
		bob:expect "MESSAGE" { uri = "sip:bob@198.51.100.8" }
		bob:reply(200)
		alice:expect(200)
	end,
}

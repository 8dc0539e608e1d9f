-- A proxy between two networks: contacts of one side are hidden on the other, and lead back through it.
local open = require("lib.net").open
local INSIDE, OUTSIDE = "udp:10.0.0.1:5060", "udp:192.0.2.1:5070"
local LEGS = { INSIDE, OUTSIDE }
local ALICE, BOB = "udp:10.0.0.7:5062", "udp:198.51.100.8:5060"
local BOB_URI = "sip:bob@198.51.100.8:5060"
local KEY = "a key that nobody else has guessed"

local function script(options)
	return ([[
local sip = require "viaduct"
return { receive = sip.stateless_proxy { %s } }]]):format(options or "")
end

local function sides(net)
	local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
	alice.to, bob.to = INSIDE, OUTSIDE
	return alice, bob
end

-- What a Contact looks like on the other side: its word, or nil.
local function word_of(contact, at) return (contact or ""):match("^[^<]*<sips?:(b%w+)@" .. at:gsub("%p", "%%%0") .. ">") end

local function hidden(net, contact, at)
	local word = word_of(contact, at)
	net:is_true(word, contact .. " is a word at " .. at)
	return word
end

-- One line of `name` as the other side sees it.
local function across(net, alice, bob, method, given)
	alice:request(method, BOB_URI, given)
	local seen = bob:expect(method)
	net:is_true(seen.from == "192.0.2.1:5070", method .. " came from the other leg")
	return seen
end

flow "a call between two sides: each sees the other at the proxy, and in-dialog requests reach the real contacts" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local invite = alice:request("INVITE", BOB_URI)
		local came = bob:expect "INVITE" { from = "192.0.2.1:5070" }
		net:is_true(not came.text:find("sip:alice@10.0.0.7", 1, true), "alice's contact is hidden")
		local word = hidden(net, came:header "Contact", "192.0.2.1:5070")
		net:is_true(#word <= 1.7 * #"alice@10.0.0.7:5062" + 30, "the word is short")
		bob:reply(180)
		alice:expect(180)
		bob:reply(200)
		local answer = alice:expect(200)
		hidden(net, answer:header "Contact", "10.0.0.1:5060")
		local routes = answer:rows "Record-Route"
		local calling = { routes[2], routes[1] }
		local remote, tagged = answer:header("Contact"):match "<(.*)>", answer:header "To"
		local inside = { call_id = invite:header "Call-ID", from = invite:header "From", to = tagged, route = calling }
		alice:request("ACK", remote, inside)
		bob:expect "ACK" { uri = BOB_URI, Route = {} }
		-- the callee's side, with the routes and with a peer that forgot them
		local back = { call_id = inside.call_id, from = tagged, to = inside.from, route = routes, contact = bob:contact() }
		bob:request("INVITE", came:header("Contact"):match "<(.*)>", back)
		local again = alice:expect "INVITE" { uri = "sip:alice@10.0.0.7:5062", Route = {}, from = "10.0.0.1:5060" }
		net:equal(again:header "Contact", answer:header "Contact", "bob's contact")
		alice:reply(486)
		bob:expect(486)
		back.cseq, back.route = 2, nil
		bob:request("BYE", came:header("Contact"):match "<(.*)>", back)
		alice:expect "BYE" { uri = "sip:alice@10.0.0.7:5062", from = "10.0.0.1:5060" }
		alice:reply(200)
		bob:expect(200)
		net:counts { contacts_refused = 0 }
	end,
}

flow "a retransmission is forwarded byte-identically, its contact too (RFC 3261 16.11)" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local sent = alice:request("INVITE", BOB_URI)
		local first = bob:expect "INVITE"
		net:advance(0.5)
		alice:resend(sent)
		bob:expect "INVITE" { text = first.text }
		bob:reply(200)
		local answer = alice:expect(200)
		bob:reply(200)
		alice:expect(200) { text = answer.text }
	end,
}

-- ---- what becomes of each form ----

local forms = {
	{ '"Al, ice" <sip:alice@10.0.0.7:1;transport=udp;foo=bar>;q=0.5;expires=60', '"Al, ice" <sip:WORD@P>;q=0.5;expires=60' },
	{ "<sip:10.0.0.7:5062>", "<sip:WORD@P>" },
	{ "sip:alice@10.0.0.7:1;expires=10", "<sip:WORD@P>;expires=10" },
	{ "<sip:alice:secret@10.0.0.7>", "<sip:WORD@P>" },
	{ "<sip:alice@[2001:db8::7]:5062>", "<sip:WORD@P>" },
	{ "<sips:alice@10.0.0.7>", "<sips:WORD@P>" },
	{ "<sip:al%20ice@10.0.0.7?Subject=x>", "<sip:WORD@P>" },
	{ "<tel:+493012345>", "<tel:+493012345>" },
	{ "<mailto:alice@example.com>", "<mailto:alice@example.com>" },
	{ '<sip:alice@10.0.0.7;ob>;reg-id=1;+sip.instance="<urn:uuid:1>"', '<sip:WORD@P;ob>;reg-id=1;+sip.instance="<urn:uuid:1>"' },
	{ "<sip:alice@example.com;gr=urn:uuid:1>", "<sip:alice@example.com;gr=urn:uuid:1>" },
	{ '<sip:a@10.0.0.7>;q=1 , "b" <sip:b@10.0.0.7>,<tel:+1>', '<sip:WORD@P>;q=1 , "b" <sip:WORD@P>,<tel:+1>' },
}

for _, form in ipairs(forms) do
	local given, wanted = form[1], form[2]
	flow("a Contact " .. given .. " is seen as " .. wanted) {
		legs = LEGS, script_text = script(),
		run = function(net)
			local alice, bob = sides(net)
			local seen = across(net, alice, bob, "REGISTER", { contact = given }):header "Contact"
			net:equal(seen:gsub("b%w+@192%.0%.2%.1:5070", "WORD@P"), wanted, "Contact")
			-- and comes back as it was, wherever it stood
			bob:reply(200, { headers = { "Contact: " .. seen .. ";expires=30" } })
			local bare = given:gsub("^sip:([^;]+);", "<sip:%1>;")
			alice:expect(200) { Contact = bare .. ";expires=30" }
		end,
	}
end

flow "the star of a REGISTER stays" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		net:equal(across(net, alice, bob, "REGISTER", { contact = "*", headers = { "Expires: 0" } }):header "Contact", "*", "Contact")
	end,
}

for _, code in ipairs { 180, 200, 302, 485, 600 } do
	flow(("the contacts of a %d are hidden"):format(code)) {
		legs = LEGS, script_text = script(),
		run = function(net)
			local alice, bob = sides(net)
			alice:request("INVITE", BOB_URI)
			bob:expect "INVITE"
			bob:send_bytes((bob:response_text(code):gsub("Contact: [^\r]*\r\n", "")
				:gsub("\r\n\r\n", "\r\nContact: <sip:carol@198.51.100.9>;q=0.7, <tel:+1>\r\n\r\n")))
			local seen = alice:expect(code):header "Contact"
			net:equal(seen:gsub("b%w+@10%.0%.0%.1:5060", "WORD@P"), "<sip:WORD@P>;q=0.7, <tel:+1>", "Contact")
			if code == 302 then -- whoever is asked to try there gets through
				local carol = net:phone("carol", "udp:198.51.100.9:5060")
				alice:request("INVITE", seen:match "<(sip:.-)>", { contact = false })
				carol:expect "INVITE" { uri = "sip:carol@198.51.100.9", from = "192.0.2.1:5070" }
			end
		end,
	}
end

flow "over TCP the new contact says so" {
	legs = { INSIDE, "tcp:192.0.2.1:5070" }, script_text = script(),
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", "tcp:198.51.100.8:5060")
		alice:request("INVITE", "sip:bob@198.51.100.8;transport=tcp")
		bob:expect "INVITE" { Contact = "~^<sip:b%w+@192.0.2.1:5070;transport=tcp>$" }
		bob:reply(200)
		alice:expect(200) { Contact = "~^<sip:b%w+@10.0.0.1:5060>$" }
	end,
}

flow "a REGISTER refreshed through the proxy stays one binding upstream, also after a reload with the same key" {
	legs = LEGS, script_text = script(("rewrite_key = '%s'"):format(KEY)),
	run = function(net)
		local alice, registrar = sides(net)
		local function refresh()
			alice:request("REGISTER", "sip:198.51.100.8:5060", { contact = alice:contact(), call_id = "reg", cseq = net:count() })
			local contact = registrar:expect("REGISTER"):header "Contact"
			registrar:reply(200, { headers = { "Contact: " .. contact .. ";expires=60" } })
			alice:expect(200) { Contact = alice:contact() .. ";expires=60" }
			return contact
		end
		local first = refresh()
		net:equal(refresh(), first, "contact of the refresh")
		net:is_true(net:reload(script(("rewrite_key = '%s'"):format(KEY))), "it loads again")
		net:equal(refresh(), first, "contact after a reload")
		-- what makes this more than luck: with another key it is another
		net:is_true(net:reload(script "rewrite_key = 'another key that is long enough'"), "it loads")
		net:is_true(refresh() ~= first, "another key, another word")
	end,
}

flow "with a new key words of the old one are still read, and new ones are made" {
	legs = LEGS, script_text = script(("rewrite_key = '%s'"):format(KEY)),
	run = function(net)
		local alice, bob = sides(net)
		local old = across(net, alice, bob, "INVITE"):header("Contact"):match "<(.*)>"
		local rotated = ("rewrite_key = 'the next key, just as long', old_rewrite_keys = { '%s' }"):format(KEY)
		net:is_true(net:reload(script(rotated)), "it loads")
		bob:request("MESSAGE", old)
		alice:expect "MESSAGE" { uri = "sip:alice@10.0.0.7:5062" }
		local new = across(net, alice, bob, "INVITE"):header("Contact"):match "<(.*)>"
		net:is_true(new ~= old, "a new word")
		bob:request("MESSAGE", new)
		alice:expect "MESSAGE"
		net:is_true(net:reload(script "rewrite_key = 'the next key, just as long'"), "it loads")
		bob:request("MESSAGE", old)
		bob:expect(404)
		net:counts { contacts_refused = 1 }
	end,
}

flow "without a key of its own a proxy reads its words after a reload" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local contact = across(net, alice, bob, "INVITE"):header("Contact"):match "<(.*)>"
		net:is_true(net:reload(script()), "it loads")
		bob:request("MESSAGE", contact)
		alice:expect "MESSAGE"
	end,
}

flow "after a restart with the same key contacts are the same and lead back; without a key nobody knows them" {
	legs = LEGS, script_text = script(("rewrite_key = '%s'"):format(KEY)),
	run = function(net)
		local alice, bob = sides(net)
		local contact = across(net, alice, bob, "INVITE"):header("Contact"):match "<(.*)>"
		local function restarted(options, seed)
			local other = open({ legs = { OUTSIDE, INSIDE }, script_text = script(options) }, { seed = seed, folder = net.folder })
			net:is_true(other:start(), "it loads")
			return other, sides(other)
		end
		local with_key, alice_again, bob_again = restarted(("rewrite_key = '%s'"):format(KEY), 7)
		bob_again:request("MESSAGE", contact)
		alice_again:expect "MESSAGE" { uri = "sip:alice@10.0.0.7:5062", from = "10.0.0.1:5060" }
		net:equal(across(with_key, alice_again, bob_again, "INVITE"):header "Contact", "<" .. contact .. ">", "contact")
		with_key:check_end {}
		with_key:close()
		local without, _, stranger = restarted("", 8)
		stranger:request("MESSAGE", contact)
		stranger:expect(404)
		without:counts { contacts_refused = 1 }
		without:close()
	end,
}

flow "words are bound to addresses, not to the order of legs" {
	legs = false,
	script_text = [[return { legs = { "udp:10.0.0.1:5060", "udp:192.0.2.1:5070" }, receive = require("viaduct").stateless_proxy {} }]],
	run = function(net)
		local alice, bob = sides(net)
		local contact = across(net, alice, bob, "INVITE"):header("Contact"):match "<(.*)>"
		net:is_true(net:reload [[return { legs = { "udp:203.0.113.1:5060", "tcp:192.0.2.1:5070", "udp:192.0.2.1:5070",
			"udp:10.0.0.1:5060" }, receive = require("viaduct").stateless_proxy {} }]], "it loads")
		bob:request("MESSAGE", contact)
		alice:expect "MESSAGE" { uri = "sip:alice@10.0.0.7:5062", from = "10.0.0.1:5060" }
	end,
}

flow "a handler that takes its time hides contacts all the same, and the request it kept is repeated" {
	legs = LEGS,
	script_text = [[
		local sip = require "viaduct"
		local proxy = sip.stateless_proxy {}
		return { receive = function(message, leg, from)
			if message.method == "INVITE" and message:is_request() then sip.sleep(1) end
			return proxy:receive(message, leg, from)
		end }]],
	run = function(net)
		local alice, bob = sides(net)
		alice:request("INVITE", BOB_URI)
		net:advance(1.1)
		alice:expect(100)
		local came = bob:expect "INVITE"
		hidden(net, came:header "Contact", "192.0.2.1:5070")
		net:advance(0.6) -- alice heard a 100 and repeats nothing
		net:equal(bob:expect("INVITE").text, came.text, "the INVITE that the proxy repeats")
		bob:reply(200)
		hidden(net, alice:expect(200):header "Contact", "10.0.0.1:5060")
		net:advance(40)
	end,
}

-- ---- words that are none ----

flow "a word that was lower- or upper-cased on its way still leads back" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local word = hidden(net, across(net, alice, bob, "INVITE"):header "Contact", "192.0.2.1:5070")
		for _, text in ipairs { word:lower(), word:upper() } do
			bob:request("MESSAGE", ("sip:%s@192.0.2.1:5070"):format(text))
			alice:expect "MESSAGE" { uri = "sip:alice@10.0.0.7:5062" }
		end
	end,
}

flow "a word that was changed is answered 404, counted, and sent nowhere" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local word = hidden(net, across(net, alice, bob, "INVITE"):header "Contact", "192.0.2.1:5070")
		local changed = word:sub(1, 9) .. (word:sub(10, 10) == "a" and "c" or "a") .. word:sub(11)
		bob:request("MESSAGE", ("sip:%s@192.0.2.1:5070"):format(changed))
		bob:expect(404)
		bob:request("REFER", BOB_URI, { leg = OUTSIDE, headers = { ("Refer-To: <sip:%s@192.0.2.1:5070>"):format(changed) } })
		bob:expect(404)
		bob:request("ACK", ("sip:%s@192.0.2.1:5070"):format(changed))
		alice:expect_nothing()
		net:counts { contacts_refused = 3, acks_undeliverable = 1 }
	end,
}

flow "a word is good at the leg it was shown at, and at no other" {
	legs = { INSIDE, OUTSIDE, "udp:203.0.113.1:5060" }, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local eve = net:phone("eve", "udp:203.0.113.66:5060")
		eve.to = "udp:203.0.113.1:5060"
		alice:request("INVITE", BOB_URI, { route = { "<sip:10.0.0.1:5060;lr>, <sip:192.0.2.1:5070;lr>" } })
		local word = hidden(net, bob:expect("INVITE"):header "Contact", "192.0.2.1:5070")
		for _, host in ipairs { "203.0.113.1:5060", "192.0.2.1:5070" } do
			eve:request("MESSAGE", ("sip:%s@%s"):format(word, host))
			eve:expect(404)
		end
		alice:request("MESSAGE", ("sip:%s@10.0.0.1:5060"):format(word))
		alice:expect(404)
		net:counts { contacts_refused = 3 }
		bob:request("MESSAGE", ("sip:%s@192.0.2.1:5070"):format(word))
		alice:expect "MESSAGE"
	end,
}

flow "a word at somebody else's host is not ours to read: it goes there as it is, in Contact it is hidden like any other" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local word = hidden(net, across(net, alice, bob, "INVITE"):header "Contact", "192.0.2.1:5070")
		local foreign = ("sip:%s@203.0.113.9:5060"):format(word)
		local carol = net:phone("carol", "udp:203.0.113.9:5060")
		carol.to = OUTSIDE
		alice:request("MESSAGE", foreign)
		carol:expect "MESSAGE" { uri = foreign }
		bob:request("OPTIONS", "sip:alice@10.0.0.7:5062", { contact = ("<%s>"):format(foreign) })
		local shown = alice:expect("OPTIONS"):header "Contact"
		hidden(net, shown, "10.0.0.1:5060")
		alice:request("MESSAGE", shown:match "<(.*)>")
		carol:expect "MESSAGE" { uri = foreign }
	end,
}

flow "an INVITE to a word, its repetition, its CANCEL and the ACK to its 487 have one branch" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local word = across(net, alice, bob, "INVITE"):header("Contact"):match "<(.*)>"
		local invite = bob:request("INVITE", word, { contact = bob:contact() })
		local came = alice:expect "INVITE" { uri = "sip:alice@10.0.0.7:5062" }
		bob:resend(invite)
		alice:expect "INVITE" { text = came.text }
		bob:same_transaction("CANCEL", invite)
		alice:expect "CANCEL" { uri = came.uri, Via = { came:rows("Via")[1], true, true } }
		alice:reply(487, { request = came })
		bob:same_transaction("ACK", invite, { to = bob:expect(487):header "To" })
		alice:expect "ACK" { uri = came.uri, Via = { came:rows("Via")[1], true, true } }
	end,
}

flow "a contact that comes back and goes on to a third side is shown there as a word of its own" {
	legs = { INSIDE, OUTSIDE, "udp:203.0.113.1:5060" }, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local carol = net:phone("carol", "udp:203.0.113.9:5060")
		carol.to = "udp:203.0.113.1:5060"
		alice:request("INVITE", BOB_URI, { route = { "<sip:10.0.0.1:5060;lr>, <sip:192.0.2.1:5070;lr>" } })
		local shown = bob:expect("INVITE"):header "Contact"
		bob:request("INVITE", "sip:carol@203.0.113.9:5060",
			{ contact = shown, route = { "<sip:192.0.2.1:5070;lr>, <sip:203.0.113.1:5060;lr>" } })
		local there = carol:expect("INVITE"):header "Contact"
		hidden(net, there, "203.0.113.1:5060")
		carol:request("MESSAGE", there:match "<(.*)>")
		alice:expect "MESSAGE" { uri = "sip:alice@10.0.0.7:5062", from = "10.0.0.1:5060" }
	end,
}

flow "an ordinary name at our address is answered 404, and is no word that was changed" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local _, bob = sides(net)
		bob:request("MESSAGE", "sip:bob@192.0.2.1:5070")
		bob:expect(404)
		net:counts { contacts_refused = 0 }
	end,
}

flow "a stale word in a response is hidden like any contact, so that the response still arrives" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local seen = across(net, alice, bob, "REGISTER", { contact = alice:contact() }):header "Contact"
		local stale = ("<sip:b%s@192.0.2.1:5070>"):format(("a"):rep(52))
		bob:reply(200, { headers = { "Contact: " .. stale .. ", " .. seen } })
		local answer = alice:expect(200):header "Contact"
		net:is_true(not answer:find(stale, 1, true) and answer:find(alice:contact(), 1, true), answer)
		net:counts { contacts_refused = 1 }
	end,
}

flow "a contact too long for a word is answered 513" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice = sides(net)
		alice:request("INVITE", BOB_URI, { contact = ("<sip:%s@10.0.0.7>"):format(("x"):rep(2100)) })
		alice:expect(513)
	end,
}

-- ---- other headers ----

flow "Refer-To: a word is turned back, anything else is left for whoever is asked" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local shown = across(net, alice, bob, "INVITE"):header("Contact"):match "<(.*)>"
		bob:request("REFER", shown, { headers = { ("Refer-To: <%s>;x=1"):format(shown) }, contact = bob:contact() })
		alice:expect "REFER" { ["Refer-To"] = "<sip:alice@10.0.0.7:5062>;x=1" }
		bob:request("REFER", shown, { headers = { "Refer-To: sip:carol@example.com" } })
		alice:expect "REFER" { ["Refer-To"] = "sip:carol@example.com" }
	end,
}

flow "a REGISTER that has a Path gets our part of it, since the Path goes before the contact (RFC 3327)" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, registrar = sides(net)
		local register = across(net, alice, registrar, "REGISTER",
			{ contact = alice:contact(), headers = { "Path: <sip:10.0.0.7:5062;lr>" } })
		net:equal(table.concat(register:rows "Path", " "),
			"<sip:192.0.2.1:5070;lr> <sip:10.0.0.1:5060;lr> <sip:10.0.0.7:5062;lr>", "Path")
		registrar:reply(200, { headers = { "Service-Route: <sip:198.51.100.8;lr>" } })
		alice:expect(200) { ["Service-Route"] = "<sip:198.51.100.8;lr>" } -- RFC 3608 6.2
		registrar:request("MESSAGE", register:header("Contact"):match "<(.*)>", { route = register:rows "Path" })
		alice:expect "MESSAGE" { uri = "sip:alice@10.0.0.7:5062", Route = { "<sip:10.0.0.7:5062;lr>" } }
		across(net, alice, registrar, "REGISTER", { contact = alice:contact() }) { Path = {} }
	end,
}

flow "nothing is hidden within one side, between legs of one address, or when the script says no" {
	legs = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" }, script_text = script(),
	run = function(net)
		local alice, bob = net:phone("alice", "udp:198.51.100.7:5062"), net:phone("bob", "tcp:198.51.100.8:5060")
		local carol = net:phone("carol", BOB)
		alice:request("INVITE", BOB_URI)
		carol:expect "INVITE" { Contact = alice:contact() }
		alice:request("INVITE", BOB_URI .. ";transport=tcp")
		bob:expect "INVITE" { Contact = alice:contact() }
	end,
}

flow "rewrite_contact = false leaves contacts alone" {
	legs = LEGS, script_text = script "rewrite_contact = false",
	run = function(net)
		local alice, bob = sides(net)
		net:equal(across(net, alice, bob, "INVITE"):header "Contact", alice:contact(), "Contact")
	end,
}

flow "force_rewrite hides contacts within one side too" {
	legs = { OUTSIDE }, script_text = script "force_rewrite = true",
	run = function(net)
		local alice, bob = net:phone("alice", "udp:198.51.100.7:5062"), net:phone("bob", BOB)
		alice:request("INVITE", BOB_URI)
		local shown = bob:expect("INVITE"):header "Contact"
		hidden(net, shown, "192.0.2.1:5070")
		bob:request("MESSAGE", shown:match "<(.*)>")
		alice:expect "MESSAGE" { uri = "sip:alice@198.51.100.7:5062" }
	end,
}

-- ---- which leg ----

flow "of two sides a request leaves by the other one, a response by the one its request came from" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		across(net, alice, bob, "OPTIONS")
		bob:reply(200)
		alice:expect(200) { from = "10.0.0.1:5060" }
		bob:request("OPTIONS", "sip:alice@10.0.0.7:5062")
		alice:expect "OPTIONS" { from = "10.0.0.1:5060" }
	end,
}

flow "a phone's own Route to the proxy changes nothing about that; one that names the other leg does" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		across(net, alice, bob, "OPTIONS", { route = { "<sip:10.0.0.1:5060;lr>" } })
		alice:request("OPTIONS", BOB_URI, { route = { "<sip:192.0.2.1:5070;lr>, <sip:10.0.0.1:5060;lr>" } })
		bob:expect "OPTIONS"
	end,
}

flow "a leg that names the network of the target is taken before the other side, and so is the side a binding came from" {
	legs = { "udp:10.0.0.1:5060;can_deliver_to=10.0.0.0/8", OUTSIDE },
	script_text = [[
		local sip = require "viaduct"
		return { receive = sip.receive_chain { sip.registrar { domains = { "example.com" } }, sip.stateless_proxy {} } }]],
	run = function(net)
		local alice, bob = sides(net)
		local anna = net:phone("anna", "udp:10.0.0.8:5060")
		alice:request("MESSAGE", "sip:anna@10.0.0.8:5060")
		anna:expect "MESSAGE" { from = "10.0.0.1:5060" }
		bob:register "sip:bob@example.com"
		bob:request("MESSAGE", "sip:bob@example.com")
		bob:expect "MESSAGE" { from = "192.0.2.1:5070" }
		alice:request("MESSAGE", "sip:bob@example.com")
		bob:expect "MESSAGE" { from = "192.0.2.1:5070" }
	end,
}

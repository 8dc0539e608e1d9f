-- Contacts that a script rewrites on its own: rewrite_contact, rewrite_crypt, do_nat.
local INSIDE, OUTSIDE = "udp:10.0.0.1:5060", "udp:192.0.2.1:5070"
local LEGS = { INSIDE, OUTSIDE }
local ALICE, BOB = "udp:10.0.0.7:5062", "udp:198.51.100.8:5060"
local BOB_URI = "sip:bob@198.51.100.8:5060"

local function script(options, before)
	return ([[
local sip = require "viaduct"
%s
return { receive = sip.stateless_proxy { %s } }]]):format(before or "", options or "")
end

local function sides(net)
	local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
	alice.to, bob.to = INSIDE, OUTSIDE
	return alice, bob
end

-- Words by number; tells the log what it was asked.
local NUMBERED = [[
local contacts, ways = {}, {}
local function rewrite(contact, incoming, outgoing, force)
	sip.log(("asked %s %s %s %s"):format(contact, incoming.spec, outgoing and outgoing.spec or "nowhere", tostring(force)))
	if force or contact:find("@", 1, true) then
		for number, known in ipairs(contacts) do
			if known == contact then return "c_" .. number end
		end
		contacts[#contacts + 1], ways[#ways + 1] = contact, incoming
		return "c_" .. #contacts
	end
	local number = tonumber(contact:match "^c_(%d+)$")
	return contacts[number], ways[number]
end]]

flow "rewrite_contact makes a word of a contact, and turns it back with the leg that leads to it" {
	legs = LEGS, script_text = script("rewrite_contact = rewrite", NUMBERED),
	run = function(net)
		local alice, bob = sides(net)
		alice:request("INVITE", BOB_URI, { contact = '"A" <sip:alice@10.0.0.7:5062;transport=udp>;q=0.5' })
		bob:expect "INVITE" { Contact = '"A" <sip:c_1@192.0.2.1:5070>;q=0.5' }
		net:expect_log("asked alice@10.0.0.7:5062;transport=udp udp:10.0.0.1:5060 udp:192.0.2.1:5070 true")
		bob:reply(200)
		alice:expect(200) { Contact = "<sip:c_2@10.0.0.1:5060>" }
		bob:request("MESSAGE", "sip:c_1@192.0.2.1:5070")
		alice:expect "MESSAGE" { uri = "sip:alice@10.0.0.7:5062;transport=udp", from = "10.0.0.1:5060" }
		net:expect_log("asked c_1 udp:192.0.2.1:5070 nowhere false")
		bob:request("REFER", "sip:c_1@192.0.2.1:5070",
			{ headers = { "Refer-To: <sip:c_1@192.0.2.1:5070;method=INVITE?Replaces=x%3Bto-tag%3D1>" },
			contact = "<sip:c_1@192.0.2.1:5070>;x=y, <sip:bob@198.51.100.8>" })
		alice:expect "REFER" { ["Refer-To"] = "<sip:alice@10.0.0.7:5062;transport=udp;method=INVITE?Replaces=x%3Bto-tag%3D1>",
			Contact = "<sip:alice@10.0.0.7:5062;transport=udp>;x=y, <sip:c_3@10.0.0.1:5060>" }
		net:expect_log("asked c_1 udp:192.0.2.1:5070 udp:10.0.0.1:5060 false")
	end,
}

flow "what rewrite_contact does not turn back is answered 404; what it does not rewrite stays" {
	legs = LEGS, script_text = script("rewrite_contact = function(contact) if contact:find '^b' then return 'b.' end end"),
	run = function(net)
		local alice, bob = sides(net)
		bob:request("MESSAGE", "sip:c_9@192.0.2.1:5070")
		bob:expect(404)
		alice:request("INVITE", BOB_URI)
		bob:expect "INVITE" { Contact = alice:contact() }
	end,
}

flow "rewrite_contact is asked about the Route in which a strict router has put the word; other Routes stay (RFC 3261 16.4)" {
	legs = LEGS, script_text = script("rewrite_contact = rewrite", NUMBERED),
	run = function(net)
		local alice, bob = sides(net)
		alice:request("INVITE", BOB_URI)
		bob:expect "INVITE" { Contact = "<sip:c_1@192.0.2.1:5070>" }
		bob:request("BYE", "sip:192.0.2.1:5070;lr", { route = { "<sip:c_1@192.0.2.1:5070>" } })
		alice:expect "BYE" { uri = "sip:alice@10.0.0.7:5062", Route = {}, from = "10.0.0.1:5060" }
		bob:request("BYE", "sip:192.0.2.1:5070;lr",
			{ route = { "<sip:10.0.0.1:5060;lr>, <sip:10.0.0.7:5062;lr>", "<sip:c_1@192.0.2.1:5070>" } })
		alice:expect "BYE" { uri = "sip:alice@10.0.0.7:5062", Route = { "<sip:10.0.0.7:5062;lr>" } }
	end,
}

flow "rewrite_contact is not asked within one side, unless force_rewrite says so" {
	legs = { OUTSIDE }, script_text = script("rewrite_contact = rewrite", NUMBERED),
	run = function(net)
		local alice, bob = net:phone("alice", "udp:198.51.100.7:5062"), net:phone("bob", BOB)
		alice:request("INVITE", BOB_URI)
		bob:expect "INVITE" { Contact = alice:contact() }
		net:is_true(net:reload(script("rewrite_contact = rewrite, force_rewrite = true", NUMBERED)), "it loads")
		alice:request("INVITE", BOB_URI)
		bob:expect "INVITE" { Contact = "<sip:c_1@192.0.2.1:5070>" }
		bob:request("MESSAGE", "sip:c_1@192.0.2.1:5070")
		alice:expect "MESSAGE"
	end,
}

for _, case in ipairs {
	{ "a table", "return {}", "rewrite_contact returns a text or nil, not a table" },
	{ "a word with @ in it", "return 'a@b'", "rewrite_contact returned 'a@b': a new contact is a word" },
	{ "a word with an end of line in it", "return 'a\\r\\nX: y'", "a new contact is a word" },
} do
	flow("a rewrite_contact that returns " .. case[1] .. " is told so: 500, with its line in the log") {
		legs = LEGS, script_text = script("rewrite_contact = function() " .. case[2] .. " end"),
		run = function(net)
			local alice, bob = sides(net)
			alice:request("INVITE", BOB_URI)
			alice:expect(500)
			bob:expect_nothing()
			net:expect_log(case[3])
		end,
	}
end

flow "a rewrite_contact that waits gets its answer, and others go on meanwhile" {
	legs = LEGS, script_text = script("rewrite_contact = function() sip.sleep(1) return 'w' end"),
	run = function(net)
		local alice, bob = sides(net)
		alice:request("INVITE", BOB_URI)
		alice:request("OPTIONS", BOB_URI)
		bob:expect "OPTIONS"
		net:advance(1.1)
		alice:expect(100)
		bob:expect "INVITE" { Contact = "<sip:w@192.0.2.1:5070>" }
		bob:reply(200)
		net:advance(1.1)
		alice:expect(200) { Contact = "<sip:w@10.0.0.1:5060>" }
	end,
}

flow "a name that has to be looked up holds up nothing of this" {
	legs = LEGS, script_text = script("rewrite_contact = rewrite", NUMBERED),
	run = function(net)
		local alice, bob = sides(net)
		net:dns("bob.example.com", "A", "198.51.100.8")
		alice:request("INVITE", "sip:bob@bob.example.com:5060")
		bob:expect "INVITE" { Contact = "<sip:c_1@192.0.2.1:5070>" }
	end,
}

-- ---- rewrite_crypt ----

-- No cipher, but all one has to keep to: a sum at the end, over the data and what it belongs to.
local SUMMED = [[
local function sum(text)
	local s = 0
	for i = 1, #text do s = (s * 31 + text:byte(i)) % 65536 end
	return string.char(s % 256, math.floor(s / 256))
end
local function crypt(data, dir, add2mac)
	if dir == 1 then return data:reverse() .. sum(data .. add2mac) end
	local text = data:sub(1, -3):reverse()
	return sum(text .. add2mac) == data:sub(-2) and text or nil
end]]

flow "rewrite_crypt enciphers the words that are built in, and what it refuses is nobody" {
	legs = LEGS, script_text = script("rewrite_crypt = crypt", SUMMED),
	run = function(net)
		local alice, bob = sides(net)
		alice:request("INVITE", BOB_URI)
		local word = bob:expect("INVITE"):header("Contact"):match "^<sip:(b%w+)@192.0.2.1:5070>$"
		net:is_true(word and #word <= 1.7 * #"alice@10.0.0.7:5062" + 30, "a word")
		bob:request("MESSAGE", ("sip:%s@192.0.2.1:5070"):format(word:upper()))
		alice:expect "MESSAGE" { uri = "sip:alice@10.0.0.7:5062" }
		bob:request("MESSAGE", ("sip:%s@192.0.2.1:5070"):format((word:gsub("^b.", "bx"))))
		bob:expect(404)
		alice:request("MESSAGE", ("sip:%s@10.0.0.1:5060"):format(word)) -- not shown here
		alice:expect(404)
	end,
}

flow "a rewrite_crypt that returns an empty text is told so: 500, with its line in the log" {
	legs = LEGS, script_text = script "rewrite_crypt = function() return '' end",
	run = function(net)
		local alice, bob = sides(net)
		alice:request("INVITE", BOB_URI)
		alice:expect(500)
		bob:expect_nothing()
		net:expect_log "rewrite_crypt returned '', which is no contact"
	end,
}

-- ---- do_nat ----

local HELPER = [[
local helper = {}
function helper:do_nat(message, incoming, outgoing)
	sip.log(("nat %s %s %s"):format(tostring(message), incoming.spec, outgoing.spec))
	if message.body == "no\r\n" then return 488, "Not That" end
	if message.body ~= "" then message:set_body("rewritten\r\n") end
end]]

flow "a nathelper sees what goes from one side to the other, after the contacts and before it is sent" {
	legs = LEGS, script_text = script("nathelper = helper", HELPER),
	run = function(net)
		local alice, bob = sides(net)
		alice:request("INVITE", BOB_URI, { body = "sdp\r\n", type = "application/sdp" })
		bob:expect "INVITE" { body = "rewritten\r\n", Contact = "~^<sip:b%w+@192" }
		net:expect_log "nat INVITE sip:bob@198.51.100.8:5060 udp:10.0.0.1:5060 udp:192.0.2.1:5070"
		bob:reply(183, { body = "no\r\n" })
		alice:expect_nothing()
		net:counts { responses_refused = 1 }
		bob:reply(200, { body = "sdp\r\n" })
		alice:expect(200) { body = "rewritten\r\n", Contact = "~^<sip:b%w+@10" }
		net:expect_log "nat 200 Said So udp:192.0.2.1:5070 udp:10.0.0.1:5060"
		alice:request("INVITE", BOB_URI, { body = "no\r\n", type = "application/sdp" })
		alice:expect(488) { reason = "Not That" }
	end,
}

flow "do_nat does nothing without a nathelper, and within one side" {
	legs = LEGS,
	script_text = [[
		local sip = require "viaduct"
		local plain = sip.stateless_proxy {}
		local helped = sip.stateless_proxy { nathelper = { do_nat = function() return 488, "No" end } }
		return { receive = function(message, leg, from)
			local outside = sip.legs()[2]
			sip.log(("%d %d"):format(select("#", plain:do_nat(message, leg, outside)), select("#", helped:do_nat(message, leg, leg))))
			local code, text = helped:do_nat(message, leg, outside)
			return message:reply(code, text)
		end }]],
	run = function(net)
		local alice = sides(net)
		alice:request("OPTIONS", BOB_URI)
		alice:expect(488) { reason = "No" }
		net:expect_log "0 0"
	end,
}

-- ---- quiet ----

flow "a quiet proxy keeps its errors to itself and counts them; others are answered" {
	legs = LEGS, script_text = script "quiet = true",
	run = function(net)
		local alice, bob = sides(net)
		alice:request("INVITE", BOB_URI, { max_forwards = 0 })
		alice:request("INVITE", "tel:+1")
		alice:request("INVITE", BOB_URI, { headers = { "Proxy-Require: x" } })
		alice:expect_nothing()
		net:counts { answers_withheld = 3, forwarded = 0 }
		alice:request("OPTIONS", "sip:10.0.0.1:5060")
		alice:expect(200)
		alice:request("OPTIONS", BOB_URI)
		bob:expect "OPTIONS"
	end,
}

-- ---- what a user may get wrong ----

for _, case in ipairs {
	{ "rewrite_key = 'short'", "a rewrite_key needs at least 16 characters" },
	{ "rewrite_key = 'file:/nowhere/key'", "rewrite_key: cannot read /nowhere/key: No such file" },
	{ "rewrite_key = 'long enough to be one', old_rewrite_keys = { 7 }", "a rewrite_key must be a string, not a number" },
	{ "old_rewrite_keys = { 'long enough to be one' }", "give that too" },
	{ "rewrite_contact = 7", "option 'rewrite_contact' of stateless_proxy must be a function or boolean, not a number" },
	{ "rewrite_contact = print, rewrite_crypt = print", "leave one of the two out" },
	{ "rewrite_contact = print, rewrite_key = 'long enough to be one'", "has its own key" },
	{ "rewrite_key = 'long enough to be one', old_rewrite_keys = { a = 'too long enough' }", "old_rewrite_keys: a list without gaps" },
	{ "rewrite_key = 'long enough to be one', old_rewrite_keys = { nil, 'too long enough' }", "old_rewrite_keys: a list" },
	{ "rewrite_key = 'file:/dev/zero'", "cannot read /dev/zero: it is no file of 1 to 4096 bytes" },
	{ "rewrite_key = 'file:/'", "cannot read /" },
	{ "rewrite_contact = false, force_rewrite = true", "so force_rewrite does nothing" },
	{ "rewrite_contact = false, rewrite_key = 'long enough to be one'", "so rewrite_key does nothing" },
	{ "rewrite_contact = false, rewrite_crypt = print", "so rewrite_crypt does nothing" },
	{ "dispatcher = 5", "option 'dispatcher' of stateless_proxy is what sip.dispatcher { ... } gave" },
	{ "nathelper = {}", "a nathelper needs a method do_nat" },
	{ "loud = true", "stateless_proxy has no option 'loud'" },
} do
	flow("stateless_proxy { " .. case[1] .. " } is refused with its line") {
		run = function(net) net:refuses(script(case[1]), 3, case[2]) end,
	}
end

flow "rewrite_key = \"file:PATH\" is the first line of that file" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local path = net:write("key", "a key that nobody else has guessed\n")
		local seen = {}
		for i, key in ipairs { "file:" .. path, "a key that nobody else has guessed" } do
			net:is_true(net:reload(script(("rewrite_key = %q"):format(key))), "it loads")
			alice:request("INVITE", BOB_URI)
			seen[i] = bob:expect("INVITE"):header "Contact"
		end
		net:equal(seen[1], seen[2], "contact")
	end,
}

-- What stands in and around hidden contacts: what a URI says to send, and values that cannot be read.
local INSIDE, OUTSIDE = "udp:10.0.0.1:5060", "udp:192.0.2.1:5070"
local LEGS = { INSIDE, OUTSIDE }
local ALICE, BOB = "udp:10.0.0.7:5062", "udp:198.51.100.8:5060"
local BOB_URI = "sip:bob@198.51.100.8:5060"
local REPLACES = "?Replaces=abc%3Bto-tag%3D1%3Bfrom-tag%3D2"

local function script(options)
	return ([[return { receive = require("viaduct").stateless_proxy { %s } }]]):format(options or "")
end

local function sides(net)
	local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
	alice.to, bob.to = INSIDE, OUTSIDE
	return alice, bob
end

flow "Refer-To keeps method and headers behind a word, so that an attended transfer replaces its call (RFC 3891, 5589)" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local function refers(contact, behind, wanted)
			alice:request("INVITE", BOB_URI, { contact = contact })
			local shown = bob:expect("INVITE"):header("Contact"):match "<(.*)>"
			bob:request("REFER", shown, { headers = { ("Refer-To: <%s%s>;x=1"):format(shown, behind) } })
			alice:expect "REFER" { ["Refer-To"] = ("<%s>;x=1"):format(wanted) }
		end
		refers("<sip:alice@10.0.0.7:5062>", REPLACES, "sip:alice@10.0.0.7:5062" .. REPLACES)
		refers("<sip:alice@10.0.0.7:5062;x=y>", ";method=INVITE", "sip:alice@10.0.0.7:5062;x=y;method=INVITE")
		refers("<sip:10.0.0.7:5062>", ";METHOD=INVITE" .. REPLACES .. "&a=b", "sip:10.0.0.7:5062;method=INVITE" .. REPLACES .. "&a=b")
		refers("<sip:alice@10.0.0.7:5062;method=BYE?c=d>", ";method=BYE?a=b", "sip:alice@10.0.0.7:5062;method=BYE?c=d&a=b")
		refers("<sip:alice@10.0.0.7:5062>", ";unknown=x", "sip:alice@10.0.0.7:5062")
	end,
}

-- Bob's answer of that code with that Contact, as alice gets it.
local function answered(alice, bob, code, contact)
	alice:request("INVITE", BOB_URI)
	bob:expect "INVITE"
	bob:send_bytes((bob:response_text(code):gsub("Contact: [^\r]*\r\n", "")
		:gsub("\r\n\r\n", function() return ("\r\nContact: %s\r\n\r\n"):format(contact) end)))
	return alice:expect(code)
end

-- Either way of making words: "b" and letters.
local CIPHERS = {
	["the words that are built in"] = "", ["a cipher of the script"] = "rewrite_crypt = function(data) return data end",
}

for title, options in pairs(CIPHERS) do
	flow("a redirection keeps method and headers behind its words, for the caller sends them (RFC 3261 8.1.3.4), with " .. title) {
		legs = LEGS, script_text = script(options),
		run = function(net)
			local alice, bob = sides(net)
			local carol = net:phone("carol", "udp:198.51.100.9:5060")
			local function shown(code, contact)
				local seen = answered(alice, bob, code, contact):header "Contact"
				return seen, (seen:gsub("b%w+@10%.0%.0%.1:5060", "WORD@P"))
			end
			for _, code in ipairs { 302, 485 } do
				local _, form = shown(code, ("<sip:carol@198.51.100.9;method=MESSAGE;x=y%s>;q=0.5, <tel:+1>"):format(REPLACES))
				net:equal(form, ("<sip:WORD@P;method=MESSAGE%s>;q=0.5, <tel:+1>"):format(REPLACES), "Contact")
			end
			local _, dialog = shown(200, ("<sip:carol@198.51.100.9%s>"):format(REPLACES))
			net:equal(dialog, "<sip:WORD@P>", "Contact that no request is made of")
			-- the caller tries there, or refers somebody there
			local seen = shown(302, ("<sip:carol@198.51.100.9%s>"):format(REPLACES))
			alice:request("INVITE", seen:match "<(sip:[^?]+)")
			local came = carol:expect "INVITE" { uri = "sip:carol@198.51.100.9", from = "192.0.2.1:5070" }
			alice:request("REFER", BOB_URI, { headers = { "Refer-To: " .. seen } })
			bob:expect "REFER" { ["Refer-To"] = ("<sip:carol@198.51.100.9%s>"):format(REPLACES) }
			-- a word that is turned back in a redirection
			local word = came:header("Contact"):match "<(.*)>"
			net:equal(shown(302, ("<%s%s>"):format(word, REPLACES)), ("<%s%s>"):format(alice:contact():match "<(.*)>", REPLACES), "Contact")
		end,
	}
end

-- ---- values nobody can hide ----

local LONG = ("<sip:%s@10.2.0.1>"):format(("x"):rep(2100))
local unreadable = {
	LONG, "<sip:bob@10.2.0.1", "sip: 10.2.0.1:5060", "<sip:bob@10.2.0.1 >", "<sip:bo b@10.2.0.1>", '"bob <sip:bob@10.2.0.1>',
}

local function is_without(net, response, what)
	net:is_true(not response.text:find("10.2.0.1", 1, true), what .. " does not leave")
	net:equal(response:header "Contact", nil, "Contact")
end

local WAYS = { ["by the words that are built in"] = "", ["by a script"] = "rewrite_contact = function() return 'w' end" }

for title, options in pairs(WAYS) do
	flow("a response whose Contact cannot be read or hidden goes on without it, counted and logged once a second, " .. title) {
		legs = LEGS, script_text = script(options),
		run = function(net)
			local alice, bob = sides(net)
			local n = 0
			for _, contact in ipairs(unreadable) do
				if contact ~= LONG or options == "" then
					is_without(net, answered(alice, bob, 200, contact), contact)
					n = n + 1
				end
			end
			net:counts { contacts_removed = n }
			net:equal(net:count_log "contact.removed", 1, "lines in this second")
			net:expect_log "contact.removed"
		end,
	}
end

flow "values beside one that cannot be hidden stay, with the commas between them" {
	legs = LEGS, script_text = script(),
	run = function(net)
		local alice, bob = sides(net)
		local good, bad = "<sip:carol@198.51.100.9>;q=1", "<sip:bo b@10.2.0.1>"
		for given, wanted in pairs {
			[bad .. ", GOOD"] = "GOOD", ["GOOD , " .. bad] = "GOOD", ["GOOD,  <tel:+1>, " .. bad .. " , GOOD"] = "GOOD,  <tel:+1> , GOOD",
			[bad .. ", " .. LONG .. ", GOOD"] = "GOOD", ["<tel:+1>, " .. bad] = "<tel:+1>", [bad .. "\r\nContact: GOOD"] = "GOOD",
		} do
			local seen = answered(alice, bob, 302, (given:gsub("GOOD", good))):header "Contact" or "none"
			net:equal((seen:gsub("<sip:b%w+@10%.0%.0%.1:5060>;q=1", "GOOD")), wanted, "Contact of " .. given)
		end
		net:expect_log "contact.removed"
	end,
}

-- ---- escapes ----

for title, options in pairs(CIPHERS) do
	flow("a word whose letters come escaped is the same word (RFC 3261 19.1.4), with " .. title) {
		legs = LEGS, script_text = script(options),
		run = function(net)
			local alice, bob = sides(net)
			alice:request("INVITE", BOB_URI)
			local word = bob:expect("INVITE"):header("Contact"):match "^<sip:(b%w+)@"
			local escaped = word:gsub("[ab2]", function(c) return ("%%%02x"):format(c:byte()) end)
			bob:request("REFER", ("sip:%s@192.0.2.1:5070"):format(escaped),
				{ headers = { ("Refer-To: <sip:%s@192.0.2.1:5070>"):format(escaped) } })
			alice:expect "REFER" { uri = "sip:alice@10.0.0.7:5062", ["Refer-To"] = alice:contact() }
		end,
	}
end

flow "a question mark may stand in a user: a hidden contact with one is reached" {
	legs = { "udp:10.0.0.1:5060", "udp:192.0.2.1:5070" },
	script_text = [[
local sip = require "viaduct"
return { receive = sip.stateless_proxy { rewrite_key = "a key that nobody else has guessed" } }]],
	run = function(net)
		local alice, bob = net:phone("alice", "udp:10.0.0.7:5062"), net:phone("bob", "udp:198.51.100.8:5060")
		alice.to, bob.to = "udp:10.0.0.1:5060", "udp:192.0.2.1:5070"
		for contact, uri in pairs {
			["<sip:al?ice@10.0.0.7:5062>"] = "sip:al?ice@10.0.0.7:5062",
			["<sip:al?ice@10.0.0.7:5062;x=1;method=BYE?Subject=a>"] = "sip:al?ice@10.0.0.7:5062;x=1",
		} do
			alice:request("INVITE", "sip:bob@198.51.100.8:5060", { contact = contact })
			local word = bob:expect("INVITE"):header("Contact"):match "<(.-)>"
			bob:request("MESSAGE", word)
			alice:expect "MESSAGE" { uri = uri }
		end
	end,
}

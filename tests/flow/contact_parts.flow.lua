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

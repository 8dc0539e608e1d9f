-- The registrar of scripts/proxy.lua: what REGISTER does to bindings (RFC 3261 10.3).
local HERE = { domains = "example.com,example.org" }
local AOR = "sip:bob@example.com"
local DESK, MOBILE, ALICE = "udp:198.51.100.8:5060", "udp:198.51.100.9:5060", "udp:198.51.100.7:5062"

local function phones(net)
	return net:phone("desk", DESK), net:phone("mobile", MOBILE), net:phone("alice", ALICE)
end

-- What is bound, asked without changing anything.
local function bound(phone, aor)
	return phone:register(aor or AOR, { contact = false }):rows "Contact"
end

local function same(net, seen, expected, what) net:equal(table.concat(seen, "\n"), table.concat(expected, "\n"), what) end

local function refuse(phone, code, aor, given)
	given.to = ("<%s>"):format(aor)
	phone:request("REGISTER", "sip:" .. (aor:match "@(.*)" or "example.com"), given)
	return phone:expect(code)
end

flow "a REGISTER binds its contact for the time it asks for, and the 200 lists it" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		desk:register(AOR, { headers = { "Expires: 120" } }) {
			Contact = { "<sip:desk@198.51.100.8:5060>;expires=120" }, To = "~;tag=%w+$", Date = "Mon, 21 Sep 2026 14:13:20 GMT",
		}
		net:counts { registrations = 1 }
	end,
}

flow "a second device keeps the first, and a fetch erases nothing" {
	settings = HERE,
	run = function(net)
		local desk, mobile = phones(net)
		desk:register(AOR)
		mobile:register(AOR) { Contact = { "<sip:mobile@198.51.100.9:5060>;expires=300", "<sip:desk@198.51.100.8:5060>;expires=300" } }
		same(net, bound(desk), { "<sip:mobile@198.51.100.9:5060>;expires=300", "<sip:desk@198.51.100.8:5060>;expires=300" }, "fetched")
		same(net, bound(desk), { "<sip:mobile@198.51.100.9:5060>;expires=300", "<sip:desk@198.51.100.8:5060>;expires=300" },
			"fetched again")
	end,
}

flow "a refresh keeps one binding and begins its time anew" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		desk:register(AOR, { call_id = "r", cseq = 1 })
		net:advance(200)
		same(net, bound(desk), { "<sip:desk@198.51.100.8:5060>;expires=100" }, "after 200 s")
		desk:register(AOR, { call_id = "r", cseq = 2 }) { Contact = { "<sip:desk@198.51.100.8:5060>;expires=300" } }
	end,
}

flow "a removal takes its contact away and no other" {
	settings = HERE,
	run = function(net)
		local desk, mobile = phones(net)
		desk:register(AOR)
		mobile:register(AOR)
		desk:register(AOR, { contact = "<sip:desk@198.51.100.8:5060>;expires=0" }) { Contact = { "~mobile" } }
		mobile:register(AOR, { headers = { "Expires: 0" } }) { Contact = {} }
		desk:register(AOR, { contact = "<sip:never@198.51.100.8>;expires=0" }) { Contact = {} }
	end,
}

flow "Contact * with Expires 0 removes all there is" {
	settings = HERE,
	run = function(net)
		local desk, mobile = phones(net)
		desk:register(AOR)
		mobile:register(AOR)
		desk:register("sip:other@example.com")
		desk:register(AOR, { contact = "*", headers = { "Expires: 0" } }) { Contact = {} }
		same(net, bound(desk, "sip:other@example.com"), { "<sip:desk@198.51.100.8:5060>;expires=300" }, "another address")
	end,
}

for _, case in ipairs {
	{ "without Expires", "*", {} },
	{ "with Expires 60", "*", { "Expires: 60" } },
	{ "beside another contact", { "*", "<sip:desk@198.51.100.8>" }, { "Expires: 0" } },
	{ "behind another contact", "<sip:desk@198.51.100.8>, *", { "Expires: 0" } },
} do
	flow("Contact * " .. case[1] .. " is answered 400 and changes nothing") {
		settings = HERE,
		run = function(net)
			local desk = phones(net)
			desk:register(AOR)
			refuse(desk, 400, AOR, { contact = case[2], headers = case[3] })
			same(net, bound(desk), { "<sip:desk@198.51.100.8:5060>;expires=300" }, "bound")
		end,
	}
end

flow "too brief a time is answered 423 with Min-Expires, and none of that REGISTER's contacts is bound" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		refuse(desk, 423, AOR, { contact = "<sip:desk@198.51.100.8>;expires=29" }) { ["Min-Expires"] = 30 }
		refuse(desk, 423, AOR, { contact = { "<sip:one@198.51.100.8>", "<sip:two@198.51.100.8>;expires=5" } })
		same(net, bound(desk), {}, "bound")
		desk:register(AOR, { contact = "<sip:desk@198.51.100.8>;expires=30" }) { Contact = { "<sip:desk@198.51.100.8>;expires=30" } }
		net:counts { registrations_refused = 2 }
	end,
}

flow "the parameter of a contact comes before the Expires header, and more than the most is cut" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		desk:register(AOR, { contact = { "<sip:a@198.51.100.8>;expires=60", "<sip:b@198.51.100.8>",
			"<sip:c@198.51.100.8>;expires=86400" },
			headers = { "Expires: 90" } }) {
			Contact = function(_, message)
				local text = table.concat(message:rows "Contact", " ")
				return text:find("<sip:a@198.51.100.8>;expires=60", 1, true) and text:find("<sip:b@198.51.100.8>;expires=90", 1, true)
					and text:find("<sip:c@198.51.100.8>;expires=300", 1, true)
			end,
		}
	end,
}

flow "an older CSeq of the same Call-ID is refused, and changes nothing" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		desk:register(AOR, { call_id = "r", cseq = 10, contact = "<sip:desk@198.51.100.8>;expires=60" })
		refuse(desk, 500, AOR, { call_id = "r", cseq = 9, contact = "<sip:desk@198.51.100.8>;expires=300" })
		refuse(desk, 500, AOR, { call_id = "r", cseq = 9, contact = "*", headers = { "Expires: 0" } })
		same(net, bound(desk), { "<sip:desk@198.51.100.8>;expires=60" }, "bound")
		desk:register(AOR, { call_id = "another", cseq = 1, contact = "<sip:desk@198.51.100.8>;expires=300" }) {
			Contact = { "<sip:desk@198.51.100.8>;expires=300" } }
	end,
}

flow "a retransmitted REGISTER is answered identically and refreshes nothing" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		local first = desk:register(AOR)
		net:advance(0.5)
		desk:resend()
		desk:expect(200) { text = first.text }
		net:advance(100)
		desk:resend()
		desk:expect(200) { Contact = { "<sip:desk@198.51.100.8:5060>;expires=200" } }
	end,
}

flow "a removal repeated after it was done is answered 200" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		desk:register(AOR, { call_id = "r", cseq = 1 })
		desk:register(AOR, { call_id = "r", cseq = 2, headers = { "Expires: 0" } })
		desk:resend()
		desk:expect(200) { Contact = {} }
	end,
}

flow "calls go to the contact with the highest q, then to the newest" {
	settings = HERE,
	run = function(net)
		local desk, mobile, alice = phones(net)
		desk:register(AOR, { contact = "<sip:desk@198.51.100.8>;q=0.7" })
		mobile:register(AOR, { contact = "<sip:mobile@198.51.100.9>;q=0.2" }) { Contact = { "~desk.*q=0.7", "~mobile.*q=0.2" } }
		alice:request("INVITE", AOR)
		desk:expect "INVITE"
		mobile:register(AOR, { contact = "<sip:mobile@198.51.100.9>;q=0.7" })
		alice:request("INVITE", AOR)
		mobile:expect "INVITE"
		desk:register(AOR, { contact = "<sip:desk@198.51.100.8>" })
		alice:request("INVITE", AOR)
		desk:expect "INVITE"
	end,
}

flow "a binding ends when its time is over, to the second" {
	settings = HERE,
	run = function(net)
		local desk, mobile, alice = phones(net)
		desk:register(AOR, { headers = { "Expires: 60" } })
		mobile:register(AOR, { contact = "<sip:mobile@198.51.100.9>;q=0.1" })
		net:advance(59)
		alice:request("INVITE", AOR)
		desk:expect "INVITE"
		net:advance(1)
		alice:request("INVITE", AOR)
		mobile:expect "INVITE"
		same(net, bound(mobile), { "<sip:mobile@198.51.100.9>;q=0.1;expires=240" }, "left")
		net:advance(240)
		alice:request("INVITE", AOR)
		alice:expect(404)
	end,
}

flow "two hundred devices that go are forgotten, and the sweep stops" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		for i = 1, 200 do
			desk:register(("sip:user%d@example.com"):format(i), { headers = { "Expires: 30" } })
		end
		net:advance(130)
		net:equal(net.core:leftovers().timers, 0, "timers")
	end,
}

flow "a domain is the whole domain: badexample.com, sub.example.com and example.com.evil are not ours" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		for _, domain in ipairs { "badexample.com", "sub.example.com", "example.com.evil", "xample.com", "example.co" } do
			refuse(desk, 403, "sip:bob@" .. domain, { contact = desk:contact() })
		end
		desk:register "sip:bob@example.org"
		net:counts { registrations = 1 }
	end,
}

flow "hosts are compared without case, users with it" {
	settings = HERE,
	run = function(net)
		local desk, _, alice = phones(net)
		desk:register "sip:bob@EXAMPLE.com"
		alice:request("INVITE", "sip:bob@Example.COM")
		desk:expect "INVITE" { uri = "sip:desk@198.51.100.8:5060" }
		alice:request("INVITE", "sip:BOB@example.com")
		alice:expect(404)
	end,
}

flow "an address is the same with escapes, parameters and as sips" {
	settings = HERE,
	run = function(net)
		local desk, _, alice = phones(net)
		desk:register "sip:%62ob@example.com;user=phone"
		alice:request("INVITE", "sip:bob@example.com;x=y")
		desk:expect "INVITE"
		same(net, bound(desk, "sips:bob@example.com"), { "<sip:desk@198.51.100.8:5060>;expires=300" }, "as sips")
	end,
}

flow "contacts are compared as URIs, not as texts (RFC 3261 19.1.4)" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		desk:register(AOR, { contact = "<sip:d%65sk@HOST.example.net;Transport=udp>", call_id = "r", cseq = 1 })
		desk:register(AOR, { contact = "<sip:desk@host.example.net;transport=UDP>", call_id = "r", cseq = 2 }) {
			Contact = { "<sip:desk@host.example.net;transport=UDP>;expires=300" } }
		desk:register(AOR, { contact = "<sip:desk@host.example.net:5060;transport=udp>", call_id = "r", cseq = 3 }) {
			Contact = { true, true } }
	end,
}

flow "parameters of a contact come back as they were given" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		local contact = [["Desk" <sip:desk@198.51.100.8;ob>;+sip.instance="<urn:uuid:1>";expires=60;Methods="INVITE,BYE";q=0.5]]
		desk:register(AOR, { contact = contact }) {
			Contact = { [[<sip:desk@198.51.100.8;ob>;+sip.instance="<urn:uuid:1>";Methods="INVITE,BYE";q=0.5;expires=60]] } }
	end,
}

flow "Path is kept, told in the 200, and is the way to the contact (RFC 3327)" {
	settings = HERE,
	run = function(net)
		local desk, _, alice = phones(net)
		local edge = net:phone("edge", "udp:198.51.100.20:5060")
		desk:register(AOR, { headers = { "Supported: path", "Require: path",
			"Path: <sip:198.51.100.20;lr>,<sip:inner.example.net;lr>" } }) {
			Path = "~^<sip:198.51.100.20;lr>, ?<sip:inner.example.net;lr>$" }
		alice:request("INVITE", AOR)
		edge:expect "INVITE" { uri = "sip:desk@198.51.100.8:5060", Route = { "~^<sip:198.51.100.20;lr>, ?<sip:inner.example.net;lr>$" } }
	end,
}

flow "what is required and unknown is answered 420 with Unsupported, and nothing is bound" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		refuse(desk, 420, AOR, { contact = desk:contact(), headers = { "Require: path, gruu", "Require: outbound" } }) {
			Unsupported = "gruu, outbound" }
		same(net, bound(desk), {}, "bound")
	end,
}

flow "ten contacts in one REGISTER are bound, eleven are refused whole" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		local contacts = {}
		for i = 1, 11 do
			contacts[i] = ("<sip:d%d@198.51.100.8>"):format(i)
		end
		refuse(desk, 403, AOR, { contact = contacts })
		same(net, bound(desk), {}, "bound")
		contacts[11] = nil
		net:equal(#desk:register(AOR, { contact = contacts }):rows "Contact", 10, "bound at once")
	end,
}

flow "an address has room for ten bindings; an eleventh is refused until one goes" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		for i = 1, 10 do
			desk:register(AOR, { contact = ("<sip:d%d@198.51.100.8>"):format(i) })
		end
		refuse(desk, 403, AOR, { contact = "<sip:d11@198.51.100.8>" })
		desk:register(AOR, { contact = "<sip:d3@198.51.100.8>;expires=0" })
		desk:register(AOR, { contact = "<sip:d11@198.51.100.8>" })
	end,
}

flow "overlong contacts and a To that is no SIP address are refused" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		refuse(desk, 403, AOR, { contact = "<sip:d@198.51.100.8;x=" .. ("a"):rep(1100) .. ">" })
		refuse(desk, 400, "tel:+15550100", { contact = desk:contact() })
	end,
}

flow "a contact that is no SIP URI is kept, but no call is sent there" {
	settings = HERE,
	run = function(net)
		local desk, _, alice = phones(net)
		desk:register(AOR, { contact = { "<mailto:bob@example.com>", "<sip:desk@198.51.100.8>;q=0.1" } })
		alice:request("INVITE", AOR)
		desk:expect "INVITE"
	end,
}

flow "bindings survive a reload and a rollback" {
	settings = HERE,
	run = function(net)
		local desk, _, alice = phones(net)
		desk:register(AOR)
		net:is_true(net:reload(), "the script is loaded once more")
		alice:request("INVITE", AOR)
		desk:expect "INVITE"
		net:is_true(net:rollback(), "the first generation runs again")
		alice:request("INVITE", AOR)
		desk:expect "INVITE"
	end,
}

flow "a phone that registered by TCP is called there" {
	settings = HERE,
	run = function(net)
		local soft, alice = net:phone("soft", "tcp:198.51.100.40:49152"), net:phone("alice", ALICE)
		soft:register(AOR)
		alice:request("INVITE", AOR)
		soft:expect "INVITE" { uri = "sip:soft@198.51.100.40:49152;transport=tcp" }
		soft:reply(486)
		alice:expect(486)
		net:equal(net:connections(), 1, "streams")
	end,
}

flow "a REGISTER to another domain is not for us, whatever its To says; to our address it is" {
	script_text = [[
local sip = require "viaduct"
local registrar = sip.registrar { domains = { "example.com" } }
return { receive = sip.receive_chain { registrar, function(message) return message:reply(501) end } }]],
	run = function(net)
		local desk = phones(net)
		desk:request("REGISTER", "sip:other.org", { to = "<sip:bob@example.com>", contact = desk:contact() })
		desk:expect(501)
		same(net, bound(desk), {}, "bound")
		desk:request("REGISTER", "sip:192.0.2.1", { to = "<sip:bob@example.com>", contact = desk:contact() })
		desk:expect(200)
		desk:request("REGISTER", "sip:192.0.2.1", { to = "<sip:bob@other.org>", contact = desk:contact() })
		desk:expect(501)
	end,
}

flow "a q that is none is answered 400, and nothing is bound" {
	settings = HERE,
	run = function(net)
		local desk = phones(net)
		for _, q in ipairs { "=NaN", "=", "", "=1.5", "=1.001", "=0.1234", "=.5", "=-1", "=2", "=0,5", "=\"1\"" } do
			refuse(desk, 400, AOR, { contact = "<sip:desk@198.51.100.8>;q" .. q })
		end
		same(net, bound(desk), {}, "bound")
		for _, q in ipairs { "0", "1", "0.", "1.000", "0.123" } do
			desk:register(AOR, { contact = "<sip:desk@198.51.100.8>;q=" .. q })
		end
	end,
}

local WITH_HEADERS = "<sip:desk@198.51.100.8:5060;ob;method=REFER?Subject=hi>"
for script, headers in pairs { ["scripts/proxy.lua"] = "a request", ["scripts/router.lua"] = "a forward" } do
	flow("headers and method of a contact are not for the Request-URI of " .. headers) {
		script = script,
		settings = HERE,
		run = function(net)
			local desk, _, alice = phones(net)
			desk:register(AOR, { contact = WITH_HEADERS }) { Contact = { WITH_HEADERS .. ";expires=300" } }
			alice:request("MESSAGE", AOR)
			desk:expect "MESSAGE" { uri = "sip:desk@198.51.100.8:5060;ob" }
			desk:reply(200)
			alice:expect(200)
			if script == "scripts/router.lua" then
				net:advance(32)
			end
		end,
	}
end

for _, script in ipairs { "scripts/proxy.lua", "scripts/router.lua" } do
	flow(script .. ": to a domain that is served OPTIONS is answered 200 as to our own address, all else 404") {
		script = script,
		settings = HERE,
		run = function(net)
			local desk, mobile, alice = phones(net)
			alice:request("OPTIONS", "sip:example.com")
			alice:expect(200) { Accept = "application/sdp" }
			alice:request("OPTIONS", "sip:Example.ORG", { max_forwards = 0 })
			alice:expect(200)
			alice:request("MESSAGE", "sip:example.com")
			alice:expect(404)
			alice:request("ACK", "sip:example.com")
			alice:request("OPTIONS", "sip:example.com", { route = "<sip:198.51.100.9;lr>" })
			alice:expect(403)
			alice:request("OPTIONS", "sip:example.com;maddr=198.51.100.9")
			alice:expect(403)
			mobile:expect_nothing()
			net:counts { forwarded = 0, lookups = 0 }
			desk:request("REGISTER", "sip:example.com", { to = "<sip:example.com>", contact = desk:contact() })
			desk:expect(200)
			alice:request("OPTIONS", "sip:example.com")
			desk:expect "OPTIONS"
			desk:reply(200)
			alice:expect(200)
			net:advance(32)
		end,
	}
end

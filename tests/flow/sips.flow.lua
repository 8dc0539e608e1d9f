-- Requests to sips: nobody passes them on without TLS (RFC 3261 26.2.2), and there is none yet.
local relayed = require "lib.relayed"
local parties, rest = relayed.parties, relayed.rest

local AOR, HERE = "sips:bob@example.com", { domains = "example.com" }

-- Neither bob's sip nor his sips contact hears of it.
local function refused(net, alice, code, given)
	local invite = alice:request("INVITE", AOR, given)
	relayed.expect_failure(alice, invite, code)
	net.phones[1]:expect_nothing()
	rest(net)
end

for _, name in ipairs { "proxy", "router" } do
	for _, domains in ipairs { "example.com", "" } do
		local here = domains == "" and "any domain" or "a domain named here"
		flow(("a sips request to who is bound with sip contacts only is answered 480, in %s (%s)"):format(here, name)) {
			script = "scripts/" .. name .. ".lua",
			settings = { domains = domains, relay = "any" },
			run = function(net)
				local alice, bob = parties(net, "alice", "bob")
				bob:register(AOR)
				refused(net, alice, 480)
				alice:request("INVITE", "sip:bob@example.com")
				bob:expect "INVITE"
				bob:reply(200)
				alice:expect(200)
				rest(net)
			end,
		}
	end

	flow("a sips request to who is not bound is answered 404 (" .. name .. ")") {
		script = "scripts/" .. name .. ".lua",
		settings = HERE,
		run = function(net)
			local alice = parties(net, "alice", "bob")
			refused(net, alice, 404)
		end,
	}
end

flow "a sips request goes to the sips contact, whatever its q and letter case, for which there is no way yet" {
	settings = HERE,
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		bob:register(AOR, { contact = "<sip:bob@198.51.100.8:5060>, <SIPS:bob@198.51.100.8:5060>;q=0.1" })
		refused(net, alice, 416)
	end,
}

flow "a Route of sip does not make it go without TLS" {
	script_text = [[return { receive = require "viaduct".stateless_proxy {} }]],
	run = function(net)
		local alice = parties(net, "alice", "bob")
		refused(net, alice, 416, { route = "<sip:198.51.100.8;lr>" })
	end,
}

flow "query and lacks of a sips address know its sips contacts alone" {
	script_text = [[
		local sip = require "viaduct"
		local registrar = sip.registrar { domain = "example.com" }
		local function show(uri)
			local list = registrar:query(uri)
			for index, contact in ipairs(list) do list[index] = contact.uri end
			sip.log(("%s: [%s]"):format(uri, table.concat(list, " ")))
		end
		return { receive = function(req)
			if registrar:receive(req) then return end
			show "sip:bob@example.com"
			show "sips:bob@example.com"
			sip.log(("lacks %s %s"):format(registrar:lacks(req)))
			return req:reply(200)
		end }]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		bob:register(AOR, { contact = "<sip:a@198.51.100.8>, <sips:b@198.51.100.8>;q=0.5, <mailto:bob@example.com>;q=0.1" })
		alice:request("OPTIONS", "sips:carol@example.com")
		alice:expect(200)
		net:expect_log "sip:bob@example.com: [sip:a@198.51.100.8 sips:b@198.51.100.8 mailto:bob@example.com]"
		net:expect_log "sips:bob@example.com: [sips:b@198.51.100.8]"
		net:expect_log "lacks true 404"
		alice:request("OPTIONS", AOR)
		alice:expect(200)
		net:expect_log "lacks false nil"
		bob:register(AOR, { contact = "<sips:b@198.51.100.8>;expires=0", cseq = 2 })
		alice:request("OPTIONS", AOR)
		alice:expect(200)
		net:expect_log "lacks true 480"
	end,
}

flow "a redirect tells of sips contacts alone" {
	script_text = [[
		local sip = require "viaduct"
		local registrar = sip.registrar { domain = "example.com" }
		return { receive = sip.receive_chain { sip.redirect { registrar = registrar }, registrar } }]],
	run = function(net)
		local alice, bob = parties(net, "alice", "bob")
		bob:register(AOR, { contact = "<sip:a@198.51.100.8>, <sips:b@198.51.100.8>" })
		alice:request("OPTIONS", AOR)
		alice:expect(302) { Contact = { "<sips:b@198.51.100.8>;expires=300" } }
		bob:register(AOR, { contact = "<sips:b@198.51.100.8>;expires=0" })
		alice:request("OPTIONS", AOR)
		alice:expect(480) { Contact = false }
	end,
}

-- What a user gets wrong in a script is told with its line and what to write, also in a tail call.
local function mistake(name, line, told)
	flow(name) {
		script_text = "local sip = require 'viaduct'\nlocal proxy = sip.stateless_proxy {}\n"
			.. "return { receive = function(req, leg, from)\n" .. line .. "\nend, }\n",
		run = function(net)
			local alice = net:phone("alice", "udp:198.51.100.7:5062")
			alice:request("MESSAGE", "sip:x@example.com")
			alice:expect(500)
			local seen = net:expect_log "script.error"
			if not seen:find(told, 1, true) or not seen:find "script%.lua:[34]: " then
				error(("told: %s\nwanted: %s"):format(seen, told), 0)
			end
		end,
	}
end

mistake("a code that is a text, in a tail call", 'return req:reply("404")', "req:reply(404)")
mistake("a reason that is a table", "return req:reply(404, {})", "the reason must be a string")
mistake("headers that are a list", 'return req:reply(404, nil, { "X: y" })', "headers of a reply are named")
mistake("a header without a name", "return req:header()", "the header name must be a string")
mistake("a method called with a dot", "return proxy.receive(req, leg)", "proxy:receive(message, leg, from)")
mistake("a typo in a parsed address", "return req.from.tga", "an address has no field 'tga'")
mistake("a typo in a parsed URI", "return req.ruri.usr", "a URI has no field 'usr'")
mistake("a typo in a leg", "return leg.adress", "a leg has no field 'adress'")
mistake("a header the engine keeps", 'req:remove_header "Via"', "the engine keeps it")

flow "a script of a hundred kilobytes loads like any other" {
	script_text = ("-- words and words and words\n"):rep(4000) .. "return { receive = function(req) return req:reply(200) end }",
	run = function(net)
		local alice = net:phone("alice", "udp:198.51.100.7:5062")
		alice:request("MESSAGE", "sip:x@example.com")
		alice:expect(200)
	end,
}

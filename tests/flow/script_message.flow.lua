-- Messages as scripts see them: facts, views, edits that read back at once, decisions.
local ALICE, BOB = "udp:198.51.100.7:5062", "udp:198.51.100.8:5060"

-- A script whose handler is this text; `seen(...)` answers 200 with the values in X-Seen.
local function handler(text)
	return [[
local sip = require "viaduct"
local proxy = sip.stateless_proxy {}
local function receive(msg, leg, from)
	local function seen(...)
		local texts = {}
		for i = 1, select("#", ...) do texts[i] = tostring((select(i, ...))) end
		return msg:reply(200, "Seen", { ["X-Seen"] = table.concat(texts, "|") })
	end
	]] .. text .. [[

end
return { receive = receive }]]
end

-- One request, and what the handler saw.
local function sees(name, text, given, expected)
	flow(name) {
		script_text = handler(text),
		run = function(net)
			local alice = net:phone("alice", ALICE)
			alice:request(given.method or "INVITE", given.uri or "sip:bob@example.com", given)
			alice:expect(200) { ["X-Seen"] = expected }
		end,
	}
end

-- ---- facts ----

sees("facts of a request are fields",
	"return seen(msg.method, msg.uri, msg.call_id, msg.cseq, msg.max_forwards, #msg.body, msg:is_request(), msg:is_response())",
	{ call_id = "c1", cseq = 7, max_forwards = 12 }, "INVITE|sip:bob@example.com|c1|7|12|0|true|false")
sees("what a message lacks is nil", "return seen(msg.max_forwards, msg.code, msg.reason, msg:header 'X-No', #msg:headers 'X-No')",
	{ max_forwards = false }, "nil|nil|nil|nil|0")
sees("From and To are views of their own",
	"return seen(msg.from.uri.user, msg.from.display, msg.from.tag, msg.to.tag, msg.to.uri.host, msg.from.params.x)",
	{ from = '"Al \\"x\\" ice" <sip:alice@A.example.COM>;tag=9;x=1', to = "sip:bob@Example.com;tag=t" },
		'alice|Al "x" ice|9|t|example.com|1')
sees("the Request-URI is a view of its own",
	"local u = msg.ruri return seen(u.scheme, u.user, u.host, u.port, u.params.transport, u.params.lr, u.params.no, u)",
	{ uri = "sip:b%6fb@[2001:DB8::1]:5070;transport=tcp;lr" },
		"sip|b%6fb|[2001:db8::1]|5070|tcp|true|nil|sip:b%6fb@[2001:DB8::1]:5070;transport=tcp;lr")
sees("the source and the leg say where it came from",
	"return seen(msg.source.ip, from.port, from.transport, from.is_loopback, from, leg.spec, leg.address, leg.transport, leg)",
	{}, "198.51.100.7|5062|udp|false|198.51.100.7:5062|udp:192.0.2.1:5060|192.0.2.1:5060|udp|udp:192.0.2.1:5060")
sees("list headers are cut at their commas, compact names and letter case do not matter",
	"return seen(table.concat(msg:headers 'CONTACT', '!'), msg:header 'm', #msg:headers 'supported')",
	{ contact = { '<sip:a@h>;q="1,2", "x, y" <sip:b@h>', "<sip:c@h>" }, headers = { "k: a, b", "Supported: c" } },
	'<sip:a@h>;q="1,2"!"x, y" <sip:b@h>!<sip:c@h>|<sip:a@h>;q="1,2"|3')
sees("headers nobody knows are whole, comma or not", "return seen(msg:header 'x-list', #msg:headers 'X-LIST')",
	{ headers = { "X-List: a, b", "x-list: c" } }, "a, b|2")
sees("contacts() gives views, and the star as it is",
	"local c = msg:contacts() return seen(#c, c[1].uri.user, c[1].params.q, c[2])",
	{ contact = { "<sip:a@h>;q=0.5", "*" } }, "2|a|0.5|*")
sees("all_headers keeps order and spelling", "local h = msg:all_headers() return seen(#h, h[1][1], h[#h][1], h[#h][2])",
	{ headers = { "x-ODD:   y" } }, "9|Via|Content-Length|0")
sees("a URI and an address can be parsed by themselves",
	[[local u, e, c = sip.uri "not a uri"
	return seen(sip.uri("tel:+1").scheme, sip.address("<sip:x@h>").uri.user, u, c, (sip.uri "sip:a@h" == sip.uri "sip:a@h"))]],
	{}, "tel|x|nil|syntax|true")

-- ---- edits ----

sees("what was set reads back at once, under all names of the header",
	[[msg:set_header("Subject", "one") msg:add_header("Subject", "two") msg:add_header("X", 5)
	local before = msg:header "s" .. #msg:headers "subject" .. msg:header "x"
	msg:set_header("subject", "three") msg:remove_header "X"
	return seen(before, #msg:headers "Subject", msg:header "Subject", msg:header "X")]], {}, "one25|1|three|nil")
sees("set_uri changes uri and ruri at once",
	"msg:set_uri 'sip:carol@h:9;x=1' return seen(msg.uri, msg.ruri.user, msg.ruri.port)", {},
	"sip:carol@h:9;x=1|carol|9")
sees("set_header of From changes the view",
	"msg:set_header('From', '<sip:z@h>;tag=n') return seen(msg.from.uri.user, msg.from.tag)", {}, "z|n")
sees("text() is the message as it would leave now", [[msg:set_uri "sip:z@h" msg:set_body("hello", "text/plain")
	return seen(msg:text():match "^%S+ %S+", msg:text():match "\r\n\r\n(.*)$", msg:text():match "Content%-Length: (%d+)")]], {},
		"INVITE sip:z@h|hello|5")
sees("a body that was set reads back",
	"msg:set_body('a\\0b\\r\\nc', 'application/x') return seen(#msg.body, msg:header 'Content-Type', msg:header 'Content-Length')",
	{}, "6|application/x|6")

flow "edits go out with the forwarded request, each in its place, and Content-Length follows the body" {
	script_text = handler [[
	if msg:is_request() then
		msg:set_header("Subject", "new")
		msg:add_header("X-Added", "yes")
		msg:remove_header "X-Gone"
		msg:set_body("hello world", "text/plain")
		msg:set_uri "sip:carol@198.51.100.8:5060"
	else
		msg:set_header("X-From-Script", "response")
	end
	return proxy:receive(msg, leg, from)]],
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		alice:request("MESSAGE", "sip:bob@203.0.113.1", { headers = { "Subject: old", "X-Gone: 1", "X-Gone: 2" }, body = "x",
			type = "text/html" })
		bob:expect "MESSAGE" { uri = "sip:carol@198.51.100.8:5060", Subject = { "new" }, ["X-Added"] = { "yes" }, ["X-Gone"] = {},
			body = "hello world", ["Content-Length"] = { 11 }, ["Content-Type"] = { "text/plain" } }
		bob:reply(200)
		alice:expect(200) { ["X-From-Script"] = "response" }
	end,
}

-- ---- replies ----

flow "a reply has the reason, headers and body that were given" {
	script_text = handler [[
	return msg:reply(302, "Over There", { Contact = { "<sip:a@h>;q=1", "<sip:b@h>" }, ["Content-Type"] = "text/plain",
		["X-N"] = 5 }, "moved")]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		alice:request("INVITE", "sip:bob@example.com")
		alice:expect(302) { reason = "Over There", Contact = { "<sip:a@h>;q=1", "<sip:b@h>" }, body = "moved",
			["Content-Type"] = "text/plain",
			["X-N"] = 5, ["Content-Length"] = 5 }
	end,
}

flow "a reply's content type is found by any of its names" {
	script_text = handler "return msg:reply(200, nil, { [msg:header 'Subject'] = 'text/plain' }, 'hello')",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _, name in ipairs { "Content-Type", "content-type", "c" } do
			alice:request("MESSAGE", "sip:bob@example.com", { headers = { "Subject: " .. name } })
			alice:expect(200) { body = "hello", ["Content-Type"] = { "text/plain" } }
		end
	end,
}

flow "a reply without a reason has the standard one" {
	script_text = handler "return msg:reply(486)",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		alice:request("INVITE", "sip:bob@example.com")
		alice:expect(486) { reason = "Busy Here" }
	end,
}

flow "a provisional reply leaves the final one open" {
	script_text = handler "msg:reply(100) msg:reply(180) assert(not msg:is_decided()) msg:reply(200) assert(msg:is_decided())",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		alice:request("INVITE", "sip:bob@example.com")
		alice:expect(100) { To = function(to) return not to:find "tag" end }
		local tag = alice:expect(180):param("To", 1, "tag")
		net:equal(alice:expect(200):param("To", 1, "tag"), tag, "tag of the final answer")
	end,
}

flow "a dropped request is answered by nothing, and counted" {
	script_text = handler "return msg:drop 'for a test'",
	run = function(net)
		local alice = net:phone("alice", ALICE)
		alice:request("INVITE", "sip:bob@example.com")
		alice:expect_nothing()
		net:counts { dropped_by_script = 1, undecided_requests = 0 }
	end,
}

-- ---- misuse: an error at the line of the script, and 500 to the caller ----

local function raises(name, text, reason, given)
	given = given or {}
	flow(name .. " raises an error that says so") {
		script_text = handler(text),
		run = function(net)
			local alice = net:phone("alice", ALICE)
			alice:request(given.method or "INVITE", "sip:bob@example.com", given)
			if given.answer ~= false then
				alice:expect(given.answer or 500)
			end
			local line = net:expect_log("script.error")
			net:is_true(line:find("script.lua:9: ", 1, true) and line:find(reason, 1, true), reason .. " at script.lua:9 in: " .. line)
			net:counts { script_errors = 1 }
		end,
	}
end

raises("an unknown field", "return msg.no_such_field", "a message has no field or method 'no_such_field'")
raises("an unknown field of the source", "return from.host", "a source has no field 'host'")
raises("writing a field", "msg.uri = 'sip:x@h'", "field 'uri' of a message is read-only")
raises("an unknown name of the module", "return sip.no_such_thing", "viaduct has no 'no_such_thing'")
raises("changing the module", "sip.sleep = nil", "the viaduct module cannot be changed")
raises("a second reply", "msg:reply(404) msg:reply(405)", "this request already has its answer or was forwarded", { answer = 404 })
raises("forwarding what was answered", "msg:reply(404) proxy:receive(msg, leg, from)", "answered or forwarded already",
	{ answer = 404 })
raises("dropping what was answered", "msg:reply(404) msg:drop()", "answered or forwarded already", { answer = 404 })
raises("an answer to an ACK", "msg:reply(200)", "an ACK is never answered", { method = "ACK", answer = false })
raises("a reply without a code", "msg:reply 'x'", "reply takes a status code first")
raises("a reply code out of range", "msg:reply(99)", "a status code is a whole number from 100 to 699, not 99")
raises("a reply code above all", "msg:reply(700)", "a status code is a whole number from 100 to 699, not 700")
raises("half a reply code", "msg:reply(200.5)", "a status code is a whole number from 100 to 699, not 200.5")
raises("a reason that is a number", "msg:reply(200, 5)", "the reason must be a string, not a number")
raises("setting a header named by a number", "msg:set_header(5, 'z')", "the header name must be a string, not a number")
raises("adding a header named by a number", "msg:add_header(5, 'z')", "the header name must be a string, not a number")
raises("removing a header named by a number", "msg:remove_header(5)", "the header name must be a string, not a number")
raises("asking for the header of a number", "msg:header(5)", "the header name must be a string, not a number")
raises("asking for the headers of a number", "msg:headers(5)", "the header name must be a string, not a number")
raises("CR LF in a header value", "msg:set_header('Subject', 'x\\r\\nVia: y')",
	"the value of Subject has CR, LF or NUL in it")
raises("LF in an added header", "msg:add_header('X', 'a\\nb')", "CR, LF or NUL")
raises("NUL in a header value", "msg:add_header('X', 'a\\0b')", "CR, LF or NUL")
raises("a header name with a colon", "msg:add_header('X: y', 'z')", "'X: y' is no header name")
raises("CR LF in a reply's header", "msg:reply(200, nil, { X = 'a\\r\\nb' })", "CR, LF or NUL")
raises("CR LF in a reply's reason", "msg:reply(200, 'a\\r\\nb')", "the reason has CR, LF or NUL in it")
raises("CR LF in a Content-Type", "msg:reply(200, nil, { ['Content-Type'] = 'a\\r\\nb' }, 'body')", "CR, LF or NUL")
raises("a reply whose body is untyped", "msg:reply(200, nil, nil, 'body')", "says what it is (RFC 3261 7.4.1): write {")
raises("a body beside another header", "msg:reply(200, nil, { X = 1 }, 'body')", "says what it is (RFC 3261 7.4.1): write {")
raises("a reply's body that is a table", "msg:reply(200, nil, { c = 'text/plain' }, {})", "the body must be a string, not a table")
raises("Content-Length in a reply", "msg:reply(200, nil, { ['Content-Length'] = '7' })", "the engine keeps it")
raises("setting Content-Length", "msg:set_header('Content-Length', '7')", "the engine keeps it")
raises("a URI that is none", "msg:set_uri 'sip:a b@h'", "'sip:a b@h' is no Request-URI")
raises("a URI with header fields", "msg:set_uri 'sip:a@h?Subject=x'", "is no Request-URI: a URI without header fields")
raises("a URI with CR LF", "msg:set_uri 'sip:a@h\\r\\nVia: x'", "is no Request-URI")
raises("a header value that is a table", "msg:set_header('X', {})", "the value of X must be a string, not a table")
raises("too large a body", "msg:set_body(('x'):rep(1e6), 'text/plain')", "the message would get too large")
raises("a source that is changed", "from.ip = 'x'", "the source of a message cannot be changed")
raises("a URI that is changed", "msg.ruri.user = 'x'", "a parsed URI is read-only")

flow "a message used after its handler ended raises, and never touches freed memory" {
	script_text = [[
local kept = {}
local function receive(msg, leg, from)
	local old = kept[1]
	kept = { { msg = msg, from = from } }
	if not old then return msg:reply(200) end
	local uses = {
		function() return old.msg.uri end, function() return old.msg:header "Via" end, function() return old.msg:headers "Via" end,
		function() return old.msg:set_header("X", "y") end, function() return old.msg:reply(200) end,
			function() return old.msg:drop() end,
		function() return old.from.ip end, function() return old.msg:text() end, function() return old.msg:is_in_dialog() end,
		function() return old.msg.from end, function() return old.msg:all_headers() end, function() return old.msg:is_decided() end,
		function() return old.msg:contacts() end, function() return old.msg:set_uri "sip:x@h" end,
			function() return old.msg:set_body "x" end,
	}
	local raised = 0
	for _, use in ipairs(uses) do
		local ok, err = pcall(use)
		raised = raised + ((not ok and err:find "message is no longer available") and 1 or 0)
	end
	return msg:reply(200, nil, { ["X-Seen"] = raised .. " of " .. #uses .. " " .. tostring(old.msg) })
end
return { receive = receive }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		alice:request("INVITE", "sip:bob@example.com")
		alice:expect(200)
		for _ = 1, 3 do
			alice:request("INVITE", "sip:bob@example.com")
			alice:expect(200) { ["X-Seen"] = "15 of 15 message (gone)" }
		end
	end,
}

-- The torture messages of RFC 4475 and RFC 5118 through the whole engine: each is passed on as it came, answered or dropped.
-- What a proxy may do with which is in tests/data/torture/expected.tsv, what the parser makes of them in torture_test.c.
local message = require "lib.message"
local FOLDER = core.root .. "/tests/data/torture/"

-- By file; all others are passed on. "dropped": responses to nothing we sent, and what is not even a request.
local treated = {
	badinv01 = 400, clerr = 400, ncl = 400, scalar02 = 400, quotbal = 400, ltgtruri = 400, lwsruri = 400, lwsstart = 400,
	trws = 400, escruri = 400, regbadct = 400, badaspec = 400, baddn = 400, ["baddn-terminated"] = 400, badvers = 505,
	mismatch01 = 400, mismatch02 = 400, insuf = 400, unkscm = 416, novelsc = 416, bext01 = 420, multi01 = 400, mcl01 = 400,
	zeromf = 483, ["ipv6-bad"] = 400, badcseq = 400,
	unreason = "dropped", noreason = "dropped", scalarlg = "dropped", bigcode = "dropped", bcast = "dropped", test = "dropped",
}

local TO_BOB = [[
local sip = require "viaduct"
sip.dispatcher { outgoing_proxy = "198.51.100.8:5060", do_retransmits = false }
return { receive = sip.stateless_proxy {} }]]

local function read(path)
	local file = assert(io.open(path, "rb"))
	local text = file:read "*a"
	file:close()
	return text
end

-- The headers that stay as they were: not the first `vias` and `records`, hops left, the breadth of what goes statefully for
-- its size, and what a strict next hop changes.
local function lasting(headers, vias, records)
	local lines = {}
	local passed_over = { via = vias, ["record-route"] = records, ["max-forwards"] = 1, ["max-breadth"] = 1, route = math.huge }
	for _, header in ipairs(headers) do
		local name = header[1]:lower():gsub("^v$", "via")
		local left = passed_over[name] or 0
		if left > 0 then
			passed_over[name] = left - 1
		else
			lines[#lines + 1] = header[1] .. ": " .. header[2]
		end
	end
	return table.concat(lines, "\n")
end

local function expect_passed_on(net, phone, sent)
	local came = phone:expect(sent.method)
	local own_vias, own_records = #came:rows "Via" - #sent:rows "Via", #came:rows "Record-Route" - #sent:rows "Record-Route"
	local route = sent:header "Route"
	net:equal(came.uri, route and route:match "^<([^;]*)>" or sent.uri, "Request-URI, or the strict router's own (16.6 (6))")
	-- The sender's Via tells now where it came from.
	net:equal(lasting(came.headers, own_vias + 1, own_records), lasting(sent.headers, 1, 0), "headers")
	local length = tonumber(sent:header "Content-Length")
	net:equal(came.body, length and sent.body:sub(1, length) or sent.body, "body")
	net:counts { forwarded = phone.transport == "udp" and 1 or 0, replied = 0 } -- statefully: once it is answered
end

local function case(corpus, file, section, title)
	local treatment = treated[file] or "passed on"
	local is_code = type(treatment) == "number"
	local number = corpus:match "%d+"
	local place = section == "-" and "beside RFC " .. number or ("RFC %s %s"):format(number, section)
	flow(("%s, %s, is %s"):format(place, title, is_code and "answered " .. treatment or treatment)) {
		script_text = TO_BOB,
		run = function(net)
			local text = read(("%s%s/%s.dat"):format(FOLDER, corpus, file))
			local sent = message.parse(text)
			local port = (sent:header "Via" or ""):gsub("%b[]", ""):match "^[^;]*:(%d+)" or "5060"
			local alice = net:phone("alice", "udp:198.51.100.7:" .. port)
			local bob, bob_tcp = net:phone("bob", "udp:198.51.100.8:5060"), net:phone("bob", "tcp:198.51.100.8:5060")
			alice:send_bytes(text)
			if is_code then
				alice:expect(treatment)
			elseif treatment == "passed on" then -- what is large by TCP (RFC 3261 18.1.1)
				local phone = #text > 1200 and bob_tcp or bob
				expect_passed_on(net, phone, sent)
				phone:reply(200)
				net:equal(#alice:expect(200):rows "Via", #sent:rows "Via", "Vias of the answer")
			end
			bob:expect_nothing()
			bob_tcp:expect_nothing()
			alice:expect_nothing()
			net:advance(70)
		end,
	}
end

for line in io.lines(FOLDER .. "expected.tsv") do
	local corpus, file, section, title = line:match "^([^\t#]*)\t([^\t]*)%.dat\t([^\t]*)\t([^\t]*)"
	if corpus then
		case(corpus, file, section, title)
	end
end

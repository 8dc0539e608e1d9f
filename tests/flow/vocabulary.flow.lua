-- lua/README.md, "Coming from Net::SIP": what its tables name is there, and what they call "not yet" is not. A name is written as a
-- script writes it: sip.registrar{ min_expires }, proxy:receive(message, leg), leg.port, message:forward(targets, { timeout }).
local PAGE = core.root .. "/lua/README.md"

local function read(path)
	local file = io.open(path)
	local text = file and file:read "*a"
	return text, file and file:close()
end

-- ---- the page ----

-- The sections that have tables: { title, files, names = { { text, is_there } } }.
local function read_sections()
	local sections, section = {}, nil
	for line in io.lines(PAGE) do
		local title = line:match "^## (.*)"
		local cell = section and line:match "^| [^|]*| ([^|]*)|"
		if title then
			section = { title = title, files = {}, names = {} }
			sections[#sections + 1] = section
		elseif cell and not line:find "^| Net::SIP" then
			for name in cell:gmatch "`([^`]+)`" do
				section.names[#section.names + 1] = { name, not cell:find("not yet", 1, true) }
			end
		elseif section then
			for file in line:gmatch "%]%((viaduct/[%w_]+%.lua)%)" do
				section.files[#section.files + 1] = core.root .. "/lua/" .. file
			end
		end
	end
	return sections
end

-- The options a name has between braces, each alone with its braces: "{ by_source = { VALUE } }".
local function each_option(braces)
	local list, count = {}, select(2, braces:gsub("[%a_][%w_]*%s*[,}]", ""))
	for number = 1, count do
		local at = 0
		list[number] = braces:gsub("([%a_][%w_]*)(%s*[,}])", function(option, behind)
			at = at + 1
			return (at == number and option .. " = of_no_type" or "nil") .. behind
		end)
	end
	return list
end

-- What to try, as Lua: calls with one option each, or the name alone.
local function trials(name)
	local before, braces, behind = name:match "^(.-)(%b{})(.*)$"
	if not braces then
		local plain = name:match "^[%w_.:]+"
		return { { is_field = plain:find "%." ~= nil, text = plain } }
	end
	local list = {}
	before = before:gsub("%([^{]*", function(arguments) return arguments:gsub("[%a_][%w_]*", "nil") end)
	for index, option in ipairs(each_option(braces)) do
		list[index] = { text = before .. option .. (behind ~= "" and ")" or "") }
	end
	list[1] = list[1] or { is_field = true, text = name:match "^[%w_.]+" }
	return list
end

-- What is told of: the options, or else the last part of the name.
local function words_of(name)
	local options = name:match "%b{}"
	return options and options:find "%a" and options or name:gsub("%b()", ""):gsub("%b{}", ""):match "[%w_]+$"
end

-- ---- the script ----

-- Made of everything the page speaks of; answers with what was not as it says, line by line.
local SCRIPT = [[
local sip = require "viaduct"
local dispatcher = sip.dispatcher { do_retransmits = false }
local registrar = sip.registrar {}
local auth = sip.authorize { realm = "r", user2pass = {} }
local things = {
	sip = sip, dispatcher = dispatcher, registrar = registrar, auth = auth, proxy = sip.stateless_proxy {},
	redirect = sip.redirect { registrar = registrar }, block = sip.block { INFO = 405 },
	drop = sip.drop { cb = function() end }, chain = sip.receive_chain { auth },
	of_no_type = coroutine.create(function() end),
}
local unknown = { "has no option", "has no '", "no field", "no method", "attempt to call method" }

local function run(text) return pcall(load("return " .. text, "=page", "t", things), auth) end

-- An option of no type at all is refused for its type when it is known, and for its name when it is not.
local function knows(trial)
	local method = trial.text:find "^[%w_]+:[%w_]+$"
	local text = method and trial.text:gsub(":", ".") or trial.text
	local ok, result = run(text)
	if method then
		return ok and type(result) == "function"
	elseif trial.is_field then
		return ok and (result ~= nil or text:find "^message" ~= nil)
	end
	for _, problem in ipairs(unknown) do
		if not ok and result:find(problem, 1, true) then
			return false
		end
	end
	return true
end

local function check(message, leg, from)
	things.message, things.leg, things.from, things.timer = message, leg, from, sip.after(0, function() end)
	things.delivery = dispatcher:deliver(sip.request { method = "OPTIONS", uri = "sip:198.51.100.8" }, { do_retransmits = false })
	local wrong = {}
	for _, trial in ipairs(TRIALS) do
		if knows(trial) ~= trial.is_there then
			wrong[#wrong + 1] = trial.text .. (trial.is_there and " is not there" or " is there: it is no longer \"not yet\"")
		end
	end
	return message:reply(200, nil, { ["Content-Type"] = "text/plain" }, table.concat(wrong, "\n") .. "\n")
end
return { receive = check }]]

local function script_of(names)
	local lines = {}
	for _, name in ipairs(names) do
		for _, trial in ipairs(trials(name[1])) do
			lines[#lines + 1] = ("{ text = %q, is_field = %s, is_there = %s },"):format(trial.text, tostring(trial.is_field or false),
				tostring(name[2]))
		end
	end
	local list = "{ " .. table.concat(lines, " ") .. " }"
	return (SCRIPT:gsub("TRIALS", function() return list end))
end

local function wrong_in(net)
	local alice = net:phone("alice", "udp:198.51.100.7:5062")
	alice:request("OPTIONS", "sip:192.0.2.1")
	return alice:expect(200).body
end

-- ---- the flows ----

for _, section in ipairs(read_sections()) do
	flow("Coming from Net::SIP: each name of " .. section.title .. " is there, in the files it names") {
		script_text = script_of(section.names),
		run = function(net)
			net:is_true(#section.names > 0, "names in the table")
			net:equal(wrong_in(net), "\n", "what is not as the page says")
			local source = {}
			for index, file in ipairs(section.files) do
				source[index] = read(file)
				net:is_true(source[index], file .. " is a file")
			end
			source = table.concat(source)
			for _, name in ipairs(section.names) do
				for word in words_of(name[1]):gmatch "[%w_]+" do
					net:is_true(not name[2] or source == "" or source:find(word, 1, true), word .. " stands in one of those files")
				end
			end
		end,
	}
end

flow "a name that is not there is noticed: option, nested option, method, field" {
	script_text = script_of {
		{ "sip.registrar{ min_expires, max_expire }", true }, { "sip.drop{ by_source = { attempts, intervals } }", true },
		{ "proxy:recieve(message)", true }, { "leg.prot", true }, { "dispatcher:deliver(request, { calback })", true },
		{ "sip.registrars{ domain }", true }, { "sip.log", false }, { "sip.registrar{ domain }", false }, { "leg.port", true },
	},
	run = function(net)
		net:equal(select(2, wrong_in(net):gsub("is not there\n", "")), 6, "names that are not there")
	end,
}

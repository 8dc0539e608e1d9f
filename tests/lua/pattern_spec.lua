local pattern = require "viaduct.pattern"

-- What headers and bodies look like, in sizes that happen.
local header = '"Bob \\"the builder\\" B." <sip:bob%20b@biloxi.example.com:5070;transport=tcp?Subject=x>;tag=a6c85cf;q=0.7'
local long_header = header .. (";parameter=value"):rep(200)
local sdp = "v=0\r\no=- 20518 0 IN IP4 203.0.113.1\r\ns= \r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\nm=audio 54400 RTP/SAVPF 0 96\r\n"
	.. ("a=candidate:1 1 UDP 2130706431 203.0.113.1 54400 typ host\r\n"):rep(40)

describe("a pattern", function()
	local common = {
		header = {
			"^sip:([^@]+)@([^;:?]+)", "^<?sips?:(.-)@", "<([^>]*)>", "tag=([^;]+)", ";tag=([%w%-%.!%%*_+`'~]+)", "^%s*(.-)%s*$",
			"^(.-)%s*;", "([%w]+)=([^;]*)", "%d+%.%d+%.%d+%.%d+", "^[Ss][Ii][Pp][Ss]?:", "transport=(%a+)", "%%(%x%x)", "[^;]+",
			"%b<>", "^(%+?%d+)$", "sip:%d%d%d@", '^"(.-)"',
		},
		sdp = {
			"m=audio (%d+) ([%w/]+)", "c=IN IP4 ([%d%.]+)", "a=rtpmap:(%d+) ([^/]+)/(%d+)", "([^\r\n]+)", "(.-)\r?\n",
			"o=%S+ %S+ %S+ IN IP4 (%S+)",
			"\r\na=candidate:[^\r\n]*", "a=(%w+):?([^\r\n]*)", "%f[%w]typ%f[%W]", "^v=0", "m=(%a+)",
		},
	}

	it("as scripts write them is allowed on headers, long ones too", function()
		for _, text in ipairs { header, long_header } do
			for _, it in ipairs(common.header) do
				assert.same({ text:find(it) }, { pattern.find(text, it) })
			end
		end
	end)

	it("as scripts write them is allowed on session descriptions", function()
		for _, it in ipairs(common.sdp) do
			local count = select(2, sdp:gsub(it, "%0"))
			assert.same({ sdp, count }, { pattern.gsub(sdp, it, "%0") })
		end
	end)

	it("gives what Lua's own functions give", function()
		assert.same({ header:match '"(.-)" <(.-)>' }, { pattern.match(header, '"(.-)" <(.-)>') })
		assert.same({ ("a.b"):find(".", 2, true) }, { pattern.find("a.b", ".", 2, true) })
		assert.same({ ("abc"):gsub("%w", "%0%0", 2) }, { pattern.gsub("abc", "%w", "%0%0", 2) })
		local words = {}
		for word in pattern.gmatch("one two", "%a+") do
			words[#words + 1] = word
		end
		assert.same({ "one", "two" }, words)
	end)

	it("that is malformed gets Lua's own error", function()
		for _, it in ipairs { "[a", "%", "a%", "(a", "a)", "%f", "%b", "%bx", "[a%", "%1", "[^" } do
			local ok, wanted = pcall(string.find, "aaa", it)
			local ok_too, given = pcall(pattern.find, "aaa", it)
			assert.equal(ok, ok_too)
			assert.equal(wanted, given)
		end
	end)

	it("longer than a limit is refused", function()
		assert.error_matches(function() pattern.find("a", ("a"):rep(1025)) end, "has 1025 bytes; at most 1024")
	end)
end)

describe("a bomb", function()
	local a = ("a"):rep(400)
	local bombs = {
		{ ".-.-.-.-b", "repetitions that share text" },
		{ "a*a*a*a*b", "the same, greedy" },
		{ "(a*)(a*)(a*)(a*)b", "captures between them" },
		{ ".-a*.-y", "one inside others" },
		{ "^.-.-.-.-b", "anchored" },
		{ ".-.-.-.-b%", "malformed only behind the work" },
		{ ".-.-.-.-b[a", "the same with a set" },
		{ "a*b?a*b?a*b?a*c", "optional items between them" },
		{ ("a?"):rep(40) .. ("a"):rep(40), "optional items alone: exponential" },
		{ "(.-)(.-)(.-)%1%2%3b", "back references" },
		{ "%b()%b()" .. (".-%b()"):rep(3) .. "x", "balances" },
		{ (".-%f[ab]"):rep(4) .. "c", "frontiers" },
		{ "[^b]-[%w]-%l-.-b", "sets and classes" },
	}

	it("is refused with what to do instead", function()
		for _, bomb in ipairs(bombs) do
			local ok, reason = pcall(pattern.find, a, bomb[1])
			assert.is_false(ok, bomb[2] .. ": " .. bomb[1])
			assert.matches("could take too long on 400 bytes %(at most %d+%)", reason)
			assert.matches("^tests/lua/pattern_spec.lua:%d+: ", "tests/lua/" .. reason:match "[^/]*$")
		end
	end)

	it("is refused by each function", function()
		for _, name in ipairs { "find", "match", "gmatch", "gsub" } do
			assert.error_matches(function() pattern[name](a, ".-.-.-.-b", "") end, "could take too long")
		end
	end)

	it("is refused however long its literals are", function()
		local text = ("a"):rep(7000)
		assert.error_matches(function() pattern.find(text, "a*" .. ("a"):rep(60) .. "b") end, "too long")
		assert.error_matches(function() pattern.find(("a"):rep(5e6), ("a"):rep(60) .. ".b") end, "too long")
	end)

	it("is not disarmed by ^, which is no anchor to gmatch", function()
		assert.error_matches(function() pattern.gmatch(("^"):rep(1000), "^.-.-b") end, "too long")
		assert.equal(pattern.limit "%^.-.-b", pattern.limit "x.-.-b")
	end)

	it("is not taken for the trimming that cannot fail", function()
		local blank = (" "):rep(3000)
		assert.equal("", pattern.match(blank, "^%s*(.-)%s*$"))
		assert.error_matches(function() pattern.match(blank, "^%s*(.-)%s*x") end, "too long")
		assert.error_matches(function() pattern.match(blank, "^%s*([^x]-)%s*$") end, "too long")
	end)

	it("may be tried on text short enough", function()
		for _, bomb in ipairs(bombs) do
			if not bomb[2]:find "exponential" then
				local text = ("a"):rep(math.min(5, pattern.limit(bomb[1])))
				local before = os.clock()
				pcall(pattern.find, text, bomb[1])
				assert.is_true(os.clock() - before < 0.5)
			end
		end
	end)

	it("of plain text is refused when both are huge", function()
		assert.error_matches(function() pattern.find(("a"):rep(1e6), ("a"):rep(1e4) .. "b", 1, true) end, "too long")
	end)

	it("by repetition is refused before it is built", function()
		assert.error_matches(function() pattern.rep("x", 1e9) end, "not enough memory")
		assert.error_matches(function() pattern.rep("", 1e9, "x") end, "not enough memory")
		assert.equal("a-a", pattern.rep("a", 2, "-"))
	end)
end)

describe("the limit", function()
	it("falls with each repetition that shares text with what follows", function()
		local limits = {}
		for n = 1, 5 do
			limits[n] = pattern.limit((".-"):rep(n) .. "b")
			assert.is_true(n == 1 or limits[n] < limits[n - 1])
		end
	end)

	it("does not fall with repetitions that share nothing", function()
		assert.equal(2 ^ 31, pattern.limit "^%d+")
		assert.is_true(pattern.limit "^%a+%d+%a+%d+%a+%d+$" > 1e6)
		assert.is_true(pattern.limit "%a+%d+%a+%d+" > 2000)
		assert.is_true(pattern.limit "^[^@]+@[^;]+;x" > 1e6)
	end)

	it("is far away where nothing has to be tried again", function()
		assert.is_true(pattern.limit "tag=[^;]*" > 1e6)
	end)

	it("keeps every call short, whatever pattern and subject", function()
		local seed = 20261
		math.randomseed(seed)
		local singles = { "a", "b", ".", "%a", "%w", "[ab]", "[^c]", "%S", "c" }
		local function any(list) return list[math.random(#list)] end
		local function random_pattern()
			local parts = { math.random(3) == 1 and "^" or "" }
			for _ = 1, math.random(6) do
				local kind = math.random(12)
				if kind == 1 then
					parts[#parts + 1] = "%b" .. any { "ab", "aa", "bc" }
				elseif kind == 2 then
					parts[#parts + 1] = "%f[" .. any { "ab", "%a", "b" } .. "]"
				elseif kind == 3 then
					parts[#parts + 1] = ("a"):rep(math.random(12))
				else
					parts[#parts + 1] = any(singles) .. any { "", "*", "+", "-", "-", "?" }
				end
			end
			return table.concat(parts) .. any { "", "$", "d", "%", "[", "b" }
		end
		for _ = 1, 40 do
			local it = random_pattern()
			local n = math.min(pattern.limit(it), 300000)
			for _, unit in ipairs { "a", "ab", "aab", "abc" } do
				local text = unit:rep(math.floor(n / #unit))
				local before = os.clock()
				pcall(pattern.find, text, it)
				assert.is_true(os.clock() - before < 1, ("%q on %d bytes of %q"):format(it, #text, unit))
			end
		end
	end)
end)

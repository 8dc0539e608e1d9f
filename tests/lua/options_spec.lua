local options = require "viaduct.options"

describe("options.check", function()
	local known = { name = "string", list = "string or table", seconds = "number", dispatcher = "any" }

	it("gives back what it was given", function()
		local given = { name = "a", list = {}, seconds = 1, dispatcher = print }
		assert.equal(given, options.check("thing", given, known))
	end)

	it("gives an empty table for none", function()
		assert.same({}, options.check("thing", nil, known))
	end)

	local wrong = {
		{ "text", "thing takes a table of options: write thing { ... }" },
		{ { nmae = "a" }, "thing has no option 'nmae'; it knows: dispatcher, list, name, seconds" },
		{ { 1 }, "thing has no option '1'" },
		{ { name = 1 }, "option 'name' of thing must be a string, not a number" },
		{ { list = true }, "option 'list' of thing must be a string or table, not a boolean" },
		{ { seconds = "1" }, "option 'seconds' of thing must be a number, not a string" },
	}

	it("says what is wrong and what would be right, at the caller's line", function()
		for _, case in ipairs(wrong) do
			local ok, reason = pcall(options.check, "thing", case[1], known)
			assert.is_false(ok)
			assert.is_truthy(reason:find(case[2], 1, true), reason)
			assert.matches("options_spec%.lua:%d+: ", reason)
		end
	end)
end)

describe("options.list", function()
	it("gives back a list, also an empty one", function()
		for _, list in ipairs { {}, { 1 }, { "a", "b" } } do
			assert.equal(list, options.list("things", list, "x"))
		end
	end)

	it("refuses names, gaps and what is no table", function()
		for _, given in ipairs { { a = 1 }, { 1, a = 1 }, { nil, 1 }, { [0] = 1 }, { 1, [3] = 1 }, "a", { [1.5] = 1 } } do
			assert.error_matches(function() options.list("things", given, "{ 1 }") end,
				"things: a list without gaps and names is wanted: write { 1 }$")
		end
	end)
end)

describe("options.argument", function()
	it("gives back an argument of the type wanted", function()
		assert.equal("a", options.argument("the name", "a", "string"))
	end)

	it("refuses any other", function()
		assert.error_matches(function() options.argument("the name", 1, "string") end, "the name must be a string, not a number")
		assert.error_matches(function() options.argument("the name", nil, "string") end, "the name must be a string, not nil")
	end)
end)

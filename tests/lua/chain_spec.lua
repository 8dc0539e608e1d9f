local chain = require "viaduct.chain"

-- An element that notes that it was asked, and with what.
local function element(answer, notes)
	return { receive = function(self, ...)
		notes[#notes + 1] = { self = self, ... }
		return answer
	end }
end

describe("receive_chain", function()
	local invite = { method = "INVITE" }

	it("asks one after the other until one has handled the message", function()
		local first, second, third = {}, {}, {}
		local it = chain { element(false, first), element(200, second), element(true, third) }
		assert.equal(200, it:receive(invite, "leg", "from"))
		assert.same({ 1, 1, 0 }, { #first, #second, #third })
	end)

	it("gives each element the message, the leg and the source", function()
		local notes = {}
		local one = element(false, notes)
		chain({ one, one }):receive(invite, "leg", "from")
		for n = 1, 2 do
			assert.equal(one, notes[n].self)
			assert.same({ invite, "leg", "from" }, { unpack(notes[n]) })
		end
	end)

	it("takes functions as elements", function()
		local seen
		local it = chain { function(...) seen = { ... } end, function() return "done" end }
		assert.equal("done", it:receive(invite, "leg", "from"))
		assert.same({ invite, "leg", "from" }, seen)
	end)

	it("is an element itself", function()
		local inner = chain { function() return "inner" end }
		assert.equal("inner", chain({ inner }):receive(invite))
	end)

	it("leaves what nobody handles", function()
		assert.is_falsy(chain({ function() return nil end }):receive(invite))
	end)

	it("looks at the methods named only", function()
		local notes = {}
		local it = chain { element(true, notes), methods = { "INVITE", "ACK" } }
		assert.is_false(it:receive { method = "BYE" })
		assert.equal(0, #notes)
		assert.is_true(it:receive { method = "ACK" })
	end)

	it("asks its filter first", function()
		local it = chain { function() return true end, filter = function(message, leg) return message.ok and leg == "leg" end }
		assert.is_false(it:receive({ ok = false }, "leg"))
		assert.is_false(it:receive({ ok = true }, "other"))
		assert.is_true(it:receive({ ok = true }, "leg"))
	end)

	it("wants methods and filter both", function()
		local it = chain { function() return true end, methods = { "BYE" }, filter = function(message) return message.ok end }
		assert.is_false(it:receive { method = "BYE" })
		assert.is_false(it:receive { method = "ACK", ok = true })
		assert.is_true(it:receive { method = "BYE", ok = true })
	end)

	it("lets an element's method be replaced while it runs", function()
		local one = { receive = function() return 1 end }
		local it = chain { one }
		one.receive = function() return 2 end
		assert.equal(2, it:receive(invite))
	end)

	it("says what is wrong with what it was given", function()
		local wrong = {
			{ nil, "takes a list" },
			{ {}, "at least one element" },
			{ { 7 }, "element 1 of receive_chain must be a function" },
			{ { print, {} }, "element 2 of receive_chain must" },
			{ { print, filters = print }, "has no option 'filters'" },
			{ { print, methods = "INVITE" }, "option 'methods' of receive_chain must be a table" },
			{ { print, methods = { "INVITE", 5 } }, "methods of receive_chain: '5' is no method" },
			{ { print, methods = { "INVITE, BYE" } }, [['INVITE, BYE' is no method: write "INVITE", "BYE"]] },
			{ { print, methods = { "" } }, "'' is no method" },
			{ { print, methods = { "Invite" } }, "letter case counts: write INVITE" },
			{ { print, methods = { INVITE = true } }, 'write methods = { "INVITE", "BYE" }' },
			{ { print, methods = {} }, "or leave it out for all" },
		}
		for _, case in ipairs(wrong) do
			local ok, reason = pcall(chain, case[1])
			assert.is_false(ok)
			assert.is_truthy(reason:find(case[2], 1, true), reason)
		end
	end)
end)

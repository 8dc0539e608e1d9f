local block = require "viaduct.block"

-- A request that notes what is done with it.
local function request(method, is_response)
	local done = {}
	return {
		method = method,
		is_request = function() return not is_response end,
		reply = function(_, ...) done[#done + 1] = { "reply", ... } return true end,
		drop = function() done[#done + 1] = { "drop" } return true end,
	}, done
end

describe("block", function()
	it("answers what it blocks with the code and the text given", function()
		local message, done = request "INVITE"
		assert.equal(603, block({ INVITE = "603 Not Today" }):receive(message))
		assert.same({ { "reply", 603, "Not Today" } }, done)
	end)

	it("takes a code alone", function()
		local message, done = request "MESSAGE"
		assert.equal(488, block({ MESSAGE = 488 }):receive(message))
		assert.same({ { "reply", 488 } }, done)
	end)

	it("names in a 405 what is not blocked", function()
		local message, done = request "INVITE"
		block({ INVITE = "405 Method Not Allowed", PRACK = "405" }):receive(message)
		assert.equal("BYE, INFO, MESSAGE, NOTIFY, OPTIONS, PUBLISH, REFER, REGISTER, SUBSCRIBE, UPDATE", done[1][4].Allow)
	end)

	it("lets other methods and all responses pass", function()
		local it = block { INVITE = "405" }
		for _, message in ipairs { (request "BYE"), (request("INVITE", true)) } do
			assert.is_false(it:receive(message))
		end
	end)

	it("absorbs ACK and answers CANCEL where INVITE is blocked, and only there", function()
		local ack, acked = request "ACK"
		local cancel, cancelled = request "CANCEL"
		local it = block { INVITE = "405" }
		assert.is_true(it:receive(ack))
		assert.equal(481, it:receive(cancel))
		assert.same({ "drop", "reply", 481 }, { acked[1][1], cancelled[1][1], cancelled[1][2] })
		assert.is_false(block({ BYE = "405" }):receive((request "ACK")))
	end)

	it("says what is wrong with what it was given", function()
		local wrong = {
			{ nil, "takes methods and their answers" },
			{ {}, "takes methods and their answers" },
			{ { INVITE = "busy" }, "with a code and a text" },
			{ { INVITE = "200 OK" }, "300 to 699" },
			{ { INVITE = "405 a\r\nb" }, "with a code and a text" },
			{ { ACK = "405" }, "ACK cannot be blocked" },
			{ { invite = "405" }, "'invite' is no method" },
			{ { "INVITE" }, "'1' is no method" },
		}
		for _, case in ipairs(wrong) do
			local ok, reason = pcall(block, case[1])
			assert.is_false(ok)
			assert.is_truthy(reason:find(case[2], 1, true), reason)
		end
	end)
end)

-- A rewrite_contact in Lua on one leg, for jit_test.c.
local sip = require "viaduct"

local words, contacts, count = {}, {}, 0

local function rewrite_contact(contact, _, _, force)
	if not force and not contact:find("@", 1, true) then return contacts[contact] end
	if not words[contact] then
		count = count + 1
		words[contact] = "w" .. count
		contacts["w" .. count] = contact
	end
	return words[contact]
end

return { receive = sip.stateless_proxy { rewrite_contact = rewrite_contact, force_rewrite = true } }

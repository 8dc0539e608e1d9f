-- A stateless proxy and nothing else, for the bench: -D contacts=kept or hidden.
local sip = require "viaduct"

local hidden = sip.settings.contacts == "hidden"
return { receive = sip.stateless_proxy { rewrite_contact = hidden, rewrite_key = hidden and "the key of the bench" or nil } }

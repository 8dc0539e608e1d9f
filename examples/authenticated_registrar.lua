-- Phones register and call with a password, each under its own name. Try: viaduct run examples/authenticated_registrar.lua
local sip = require "viaduct"

local domain = sip.settings.domain or "example.com"
local passwords = { alice = "wonderland", bob = "builder" } -- or a function(user, realm), which may wait for a database

local registrar = sip.registrar { domain = domain }

-- 401: whoever registers proves who it is, and only for its own address.
local register = sip.receive_chain {
	sip.authorize { realm = domain, user2pass = passwords, filter = { REGISTER = "ToIsAuthUser" } },
	registrar,
	methods = { "REGISTER" },
}

-- Whatever the method is, nobody speaks as another.
local function is_own_name(message, _, _, user)
	local from = message.from and message.from.uri
	return from and from.user == user and from.host == domain:lower()
end

-- 407: whoever sends anything else, too. What belongs to a dialog that began so may pass in both directions.
local admit = sip.receive_chain {
	sip.authorize { realm = domain, user2pass = passwords, i_am_proxy = true, filter = is_own_name },
	filter = function(message) return message:is_request() and not message:is_in_dialog() end,
}

-- A phone's word for who it is counts for nothing, in answers and in dialogs neither (RFC 3325 5).
local function remove_asserted(message) message:remove_header "P-Asserted-Identity" end

local function not_here(message)
	local lacks, code = registrar:lacks(message)
	return lacks and message.method ~= "ACK" and message:reply(code)
end

return {
	legs = { "udp:127.0.0.1:5060", "tcp:127.0.0.1:5060" },
	receive = sip.receive_chain { register, remove_asserted, admit, registrar, not_here, sip.stateless_proxy {} },
}

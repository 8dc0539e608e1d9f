-- A registrar and a stateful router: calls ring every contact of the callee at one time, by q.
--   viaduct run -l udp:192.0.2.1:5060 -l tcp:192.0.2.1:5060 -D domains=example.com scripts/router.lua
-- Settings: domains=a,b   the domains served here (default: every domain may register)
--           relay=any     forward for everybody, anywhere
--           ring=SECONDS  how long one group of contacts rings (default 60)
local sip = require "viaduct"

local domains = {}
for domain in (sip.settings.domains or ""):gmatch "[^%s,]+" do
	domains[#domains + 1] = domain
end
local relay_any = sip.settings.relay == "any"
local ring = tonumber(sip.settings.ring or 60)

local registrar = sip.registrar { domains = domains, min_expires = 30, max_expires = 300 }
local proxy = sip.stateless_proxy {}

-- Strangers reach what is served here only: no open relay.
local function is_welcome(req, from) return relay_any or from.is_loopback or registrar:serves(req) end

-- An ACK or CANCEL that belongs to nothing known, and a question to the router itself: nothing to fork.
local function is_ping(req) return req.method == "OPTIONS" and not req.ruri.user end
local function is_plain(req) return req.method == "ACK" or req.method == "CANCEL" or is_ping(req) end

local function refuse(req, code)
	if req.method == "ACK" then return req:drop "ACK to nobody here" end
	return req:reply(req.method == "CANCEL" and 481 or code)
end

local function route(req, leg, from)
	-- What belongs to a dialog follows its Route; so do responses to what was forgotten.
	if not req:is_request() or req:is_in_dialog() then return proxy:receive(req, leg, from) end
	local lacks, code = registrar:lacks(req)
	if lacks then return refuse(req, code) end
	if not is_welcome(req, from) then return refuse(req, 403) end
	if is_plain(req) then return proxy:receive(req, leg, from) end
	local contacts = registrar:query(req.uri)
	if #contacts == 0 then return req:forward(req.uri) end
	return req:forward(contacts, { timeout = ring })
end

-- To the domain itself nobody is forwarded: the registrar answers its OPTIONS.
local function register(req)
	return req:is_request() and (req.method == "REGISTER" or is_ping(req)) and registrar:receive(req)
end

return {
	legs = { "udp:127.0.0.1:5060", "tcp:127.0.0.1:5060" },
	receive = sip.receive_chain { register, route },
}

-- Between two carriers: hides contacts and headers that tell of the inside. Try: viaduct run examples/topology_hiding.lua
-- Via and Record-Route still show who is behind: answers and dialogs need them.
local sip = require "viaduct"

-- With a key of their own contacts outlive a restart, and several machines read each other's: -D key=file:/etc/viaduct/key
local key = sip.settings.key or "change me: openssl rand -base64 24"
local proxy = sip.stateless_proxy { rewrite_key = key }

-- What tells of the inside and is of no use outside.
local private = { "User-Agent", "Server", "Organization", "P-Asserted-Identity", "X-Trunk" }

local function receive(message, leg, from)
	for _, name in ipairs(private) do message:remove_header(name) end
	return proxy:receive(message, leg, from)
end

return {
	legs = { "udp:127.0.0.1:5060", "udp:127.0.0.2:5060" },
	receive = receive,
}

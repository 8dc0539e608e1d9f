-- Hides contacts by a rewrite_contact of its own: hex digits. Try: viaduct run examples/custom_rewrite.lua
local sip = require "viaduct"

-- Anybody can read and make such words: where that matters, leave rewrite_contact out and take what is built in.
local function to_hex(text)
	return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function from_hex(word)
	return (word:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- The contact, and the leg that leads to it.
local function restore(word, outgoing_leg)
	local address, contact = from_hex(word:match "^x(%x+)$" or ""):match "^(%S+) (.+)$"
	for _, leg in ipairs(sip.legs()) do
		local is_home = leg.address == address and (outgoing_leg == nil or leg == outgoing_leg)
		if is_home and sip.uri("sip:" .. contact) then return contact, leg end
	end
end

local words, count = {}, 0 -- a call has many messages with the same contact

local function rewrite_contact(contact, incoming_leg, outgoing_leg, force_rewrite)
	if not force_rewrite and not contact:find("@", 1, true) then return restore(contact, outgoing_leg) end
	local known = incoming_leg.address .. " " .. contact
	if words[known] then return words[known] end
	if count == 10000 then words, count = {}, 0 end
	words[known], count = "x" .. to_hex(known), count + 1
	return words[known]
end

return {
	legs = { "udp:127.0.0.1:5060", "udp:127.0.0.2:5060" },
	receive = sip.stateless_proxy { rewrite_contact = rewrite_contact },
}

-- Legs that decide by a function which addresses they reach: `can_deliver_to` of a leg's table.
local abi = require "viaduct.abi"
local misuse = require "viaduct.blame"

local C, script, found, text = abi.C, abi.script, abi.target, abi.text
local transports = { "udp", "tcp", "tls" }
local M = {}

local deciders = {} -- list of { spec, decide }

-- The leg at the address of that text decides by this from now on, however -l spells it; nil: by its text alone.
function M.use(spec, decide)
	for index, known in ipairs(deciders) do
		if known[1] == spec then
			table.remove(deciders, index)
			break
		end
	end
	if decide then
		deciders[#deciders + 1] = { spec, decide }
		C.vd_judge_use(script)
	end
end

-- False behind the last target.
local function ask(index, spec, decide)
	local code = C.vd_judge_target(script, index, spec, #spec, found)
	if code == C.VD_OK then
		local reaches = misuse.run(decide, transports[found.transport], text(found.addr), found.port)
		C.vd_judge_says(script, index, spec, #spec, reaches and 1 or 0)
	end
	return code ~= C.VD_ABSENT
end

-- Addresses were found, and legs are about to be chosen for them.
function M.decide()
	for _, known in ipairs(deciders) do
		local index = 0
		while ask(index, known[1], known[2]) do
			index = index + 1
		end
	end
end

return M

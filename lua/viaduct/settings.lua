-- -D KEY=VALUE of the command line, as sip.settings.KEY.
local misuse = require "viaduct.blame"

local M = { values = {} }
local given = {}

setmetatable(M.values, {
	__metatable = false,
	__index = given,
	__newindex = function() misuse "settings are given on the command line (-D KEY=VALUE) and cannot be changed" end,
})

function M.set(settings)
	for key, value in pairs(settings) do
		given[key] = value
	end
end

return M

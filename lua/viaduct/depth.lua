-- How deep a script nests what goes through C: coroutines, and calls back from gsub and sort. Each level takes of the C stack,
-- which unlike Lua's has an end that nobody checks.
local misuse = require "viaduct.blame"

local DEEPEST = 150
local depth = 0
local M = {}

-- An event begins: at no depth, also when the one before was stopped between `enter` and `leave`.
function M.begin() depth = 0 end

function M.enter()
	if depth >= DEEPEST then
		misuse("more than %d coroutines, or calls back from gsub and sort, are nested in each other", DEEPEST)
	end
	depth = depth + 1
end

function M.leave(...)
	depth = depth - 1
	return ...
end

local function returned(ok, ...)
	if not ok then
		error((...), 0)
	end
	return ...
end

M.returned = returned

--- Calls a C function that calls back.
function M.call(fn, ...)
	M.enter()
	return returned(M.leave(pcall(fn, ...)))
end

return M

-- Errors for misuse, told with the place in the user's script, however deep in the library they are found.
local getinfo = debug.getinfo
local here = getinfo(1, "S").source:match "^(.*[/\\])"

local function place()
	for level = 3, 40 do
		local info = getinfo(level, "Sl")
		if not info then
			return ""
		end
		if info.currentline > 0 and info.source:sub(1, #here) ~= here then
			return ("%s:%d: "):format(info.short_src, info.currentline)
		end
	end
	return ""
end

--- Raises an error that names the line of the script that called the library.
---@param message string what is wrong and what to write instead
---@param ... any for string.format
local function misuse(message, ...)
	if select("#", ...) > 0 then
		message = message:format(...)
	end
	error(place() .. message, 0)
end

return misuse

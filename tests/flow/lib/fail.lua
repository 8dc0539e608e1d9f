-- How a flow fails: with its place and with what was expected and seen, one under the other.
local order = { "phone", "message", "header", "what", "expected", "seen", "others", "log", "all" }

local function place()
	for level = 3, 30 do
		local info = debug.getinfo(level, "Sl")
		if not info then
			break
		end
		if info.source:find "%.flow%.lua$" then
			return info.source:match "([^/]*)$" .. ":" .. info.currentline
		end
	end
	return nil
end

local function shown(value)
	local text = tostring(value):gsub("\r", ""):gsub("\n+$", "")
	return text == "" and "(empty)" or text
end

--- Ends the running flow.
local function fail(facts)
	local lines = {}
	local at = place()
	if at then
		lines[1] = "at        " .. at
	end
	for _, name in ipairs(order) do
		if facts[name] ~= nil then
			lines[#lines + 1] = ("%-9s %s"):format(name, (shown(facts[name]):gsub("\n", "\n          ")))
		end
	end
	error({ flow = table.concat(lines, "\n") }, 0)
end

return fail

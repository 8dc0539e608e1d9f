-- Editors complete and check scripts by LuaLS annotations: each function a script can call has them.
local function lines_of(path)
	local lines = {}
	for line in io.lines(path) do
		lines[#lines + 1] = line
	end
	return lines
end

-- The names under which init.lua and message.lua hand out functions of other modules: "wait.sleep".
local function handed_out()
	local names = {}
	for _, path in ipairs { "lua/viaduct/init.lua", "lua/viaduct/forward.lua" } do
		for _, line in ipairs(lines_of(path)) do
			for module, name in line:gmatch "= (%l+)%.(%l+)%f[%s,]" do
				names[module .. "." .. name] = true
			end
			if line:find "message%.methods%.%l+ = M%." then
				names["forward." .. line:match "= M%.(%l+)"] = true
			end
		end
	end
	return names
end

-- Name and parameters of a function a script can call: a method, one of `sip`, one handed out, or the constructor a module returns.
local function public_function(line, module, returned, handed)
	local name, parameters = line:match "^function ([%w_.:]+)(%b())"
	if not name then
		name, parameters = line:match "^local function ([%w_]+)(%b())"
		return name and name == returned and name, parameters
	end
	local is_public = name:find "^%u%l%w*:" or name:find "^sip%." or handed[name:gsub("^M%.", module .. ".")]
	return is_public and name, parameters
end

-- What the comment right above a line lacks, or nil.
local function lacking(lines, at, parameters)
	local first = at
	while (lines[first - 1] or ""):find "^%-%-%-" do
		first = first - 1
	end
	local comment = table.concat(lines, "\n", first, at - 1)
	if not comment:find "^%-%-%- %u" then
		return "a sentence"
	end
	for parameter in parameters:gmatch "[%a_][%w_]*" do
		if not comment:find("%-%-%-@param " .. parameter .. "%f[^%w_]") then
			return "@param " .. parameter
		end
	end
end

describe("the functions of the library that scripts call", function()
	local handed, count = handed_out(), 0
	local paths = io.popen "ls lua/viaduct/*.lua"
	for path in paths:lines() do
		local lines, module = lines_of(path), path:match "([%w_]+)%.lua$"
		local returned = lines[#lines]:match "^return ([%w_]+)$"
		for at, line in ipairs(lines) do
			local name, parameters = public_function(line, module, returned, handed)
			if name and module ~= "sandbox" and module ~= "abi" then
				count = count + 1
				it(("have annotations: %s %s"):format(module, name), function() assert.is_nil(lacking(lines, at, parameters)) end)
			end
		end
	end
	paths:close()

	it("are found", function() assert.is_true(count > 50, count .. " functions") end)
end)

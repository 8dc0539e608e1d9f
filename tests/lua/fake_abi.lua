-- Stands in for viaduct.abi where a module needs a few of its functions and no engine. Modules that were loaded with it
-- are forgotten again, so that each spec has its own.
local modules = { "abi", "wait", "sandbox", "loader", "leg", "dns", "init" }

local fake = {}

---@param functions table<string, function> what C would offer; anything else is an error
function fake.install(functions)
	for _, name in ipairs(modules) do
		package.loaded["viaduct." .. name] = nil
	end
	local C = setmetatable({ VD_OK = 0, VD_LIMIT = -4, VD_REFUSED = -5 }, {
		__index = function(_, name) error("the spec offers no " .. name, 2) end,
	})
	for name, value in pairs(functions or {}) do
		C[name] = value
	end
	package.loaded["viaduct.abi"] = { C = C, script = "script" }
end

function fake.remove()
	for _, name in ipairs(modules) do
		package.loaded["viaduct." .. name] = nil
	end
end

return fake

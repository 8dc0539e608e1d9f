-- From a file to a function: scripts and the modules beside them.
--
-- A hook can interrupt interpreted code only. So every function of a script that holds a loop is kept from being compiled,
-- found by walking the bytecode of each function prototype; straight-line functions, and this library, are compiled.
local abi = require "viaduct.abi"
local bit = require "bit"
local misuse = require "viaduct.blame"
local sandbox = require "viaduct.sandbox"
local util = require "jit.util"
local vmdef = require "jit.vmdef"

local C, script = abi.C, abi.script
local find, gsub, match = string.find, string.gsub, string.match -- not the guarded ones of scripts
local SOURCE_MAX = 16 * 1024 * 1024 -- bytes of one file

local loader = {}

-- ---- loops ----

local is_loop, jump = {}, nil
for op = 0, #vmdef.bcnames / 6 - 1 do
	local name = vmdef.bcnames:sub(op * 6 + 1, op * 6 + 6):gsub(" ", "")
	if name:find "LOOP" or name:find "^J?I?FORL" or name:find "^J?I?ITERL" or name:find "^ITER[CN]$" then
		is_loop[op] = true
	elseif name == "JMP" then
		jump = op
	end
end

local function has_loop(prototype)
	local pc = 1
	while true do
		local instruction = util.funcbc(prototype, pc)
		if not instruction then
			return false
		end
		local op = bit.band(instruction, 0xff)
		if is_loop[op] or (op == jump and bit.rshift(instruction, 16) < 0x8000) then
			return true
		end
		pc = pc + 1
	end
end

local function keep_interruptible(prototype)
	if has_loop(prototype) then
		loader.jit_off(prototype)
	end
	local index = -1
	while true do
		local constant = util.funck(prototype, index)
		if constant == nil then
			return
		elseif type(constant) == "proto" then
			keep_interruptible(constant)
		end
		index = index - 1
	end
end

--- Compiles text that a script supplied; binary chunks are refused.
---@return function|nil
---@return string|nil error
local function compile(text, name, env)
	local chunk, err = load(text, name, "t", env)
	if chunk then
		keep_interruptible(chunk)
	end
	return chunk, err
end

-- ---- files ----

-- nil for what is no file, or none that anybody wrote by hand.
local function read_file(path)
	local file = io.open(path, "rb")
	if not file then
		return nil
	end
	local size, text = file:seek "end", nil
	if size and size <= SOURCE_MAX and file:seek "set" then
		text = size == 0 and "" or file:read(size)
	end
	file:close()
	return text
end

local function folder_of(path) return match(path, "^(.*)/[^/]*$") or "." end

local env
local loaded, folder = {}, "."

local function module_path(name)
	local stem = folder .. "/" .. gsub(name, "%.", "/")
	for _, path in ipairs { stem .. ".lua", stem .. "/init.lua" } do
		local text = read_file(path)
		if text then
			return path, text
		end
	end
	return nil
end

local LOADING = {}

local function require_module(name)
	if type(name) ~= "string" then
		misuse "require takes a module's name"
	end
	if name == "viaduct" then
		return require "viaduct"
	elseif name == "bit" then
		return env.bit
	elseif loaded[name] == LOADING then
		misuse("module '%s' requires itself", name)
	elseif loaded[name] ~= nil then
		return loaded[name]
	end
	local path, text
	if find(name, "^[%w_][%w_.-]*$") and not find(name, "..", 1, true) then
		path, text = module_path(name)
	end
	if not path then
		misuse("module '%s' not found: scripts may require \"viaduct\", \"bit\" and the files beside them (%s/%s.lua)",
			name, folder, (gsub(name, "%.", "/")))
	end
	C.vd_load_module(script, path, #path)
	local chunk, err = compile(text, "@" .. path, env)
	if not chunk then
		error(err, 0)
	end
	loaded[name] = LOADING
	local result = chunk(name)
	loaded[name] = result == nil and true or result
	return loaded[name]
end

--- Compiles the script itself.
---@return function|nil
---@return string|nil error or source text
function loader.script(path)
	folder = folder_of(path)
	env = sandbox(require_module, compile)
	local text = read_file(path)
	if not text then
		return nil, path .. ": cannot be read"
	end
	local chunk, err = compile((gsub(text, "^#[^\n]*", "")), "@" .. path, env)
	if not chunk then
		return nil, err
	end
	return chunk, text
end

return loader

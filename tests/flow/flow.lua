-- Flow tests: the whole engine, Lua included, in a simulated world and in virtual time.
--
-- A flow file holds flows that read like calls:
--
--   flow "an INVITE to a registered address reaches its contact" {
--       script = "scripts/proxy.lua",              -- the default; or script_text = [[...]], modules = { name = [[...]] }
--       settings = { domains = "example.com" },    -- as -D would give
--       legs = { "udp:192.0.2.1:5060" },           -- as -l would give; false: those of the script
--       run = function(net)
--           local alice, bob = net:phone("alice", "udp:198.51.100.7:5062"), net:phone("bob", "udp:198.51.100.8:5060")
--           bob:register "sip:bob@example.com"
--           alice:request("INVITE", "sip:bob@example.com")
--           bob:expect "INVITE" { ["Max-Forwards"] = 69 }
--           bob:reply(486)
--           alice:expect(486)
--       end,
--   }
--
-- Further fields: budget_ms, memory_mb (of scripts), transactions, clients_per_peer, delivery_share (limits of the engine), lingers (legs may
-- still drain at the end), unloaded (`run` loads the script itself). lib/net.lua and lib/phone.lua are what `run` has to work with.
--
-- Every flow fails on a message nobody expected, on an error in the log that was not announced (net:expect_log), and on
-- anything left in the engine: packets, tasks, transactions, timers, questions to DNS. Each is run twice, and the same seed must give the
-- same bytes.
local USAGE = "usage: runner [--seed N] [--trace] [--only TEXT] FILE.flow.lua..."

package.path = core.root .. "/tests/flow/?.lua;" .. package.path
local open = require("lib.net").open

local options = { seed = 1, files = {} }

local function read_arguments(arguments)
	local at = 1
	while arguments[at] do
		local word = arguments[at]
		if word == "--trace" then
			options.trace = true
		elseif word == "--seed" then
			at = at + 1
			options.seed = assert(tonumber(arguments[at]), USAGE)
		elseif word == "--only" then
			at = at + 1
			options.only = assert(arguments[at], USAGE)
		elseif word:sub(1, 1) == "-" then
			error(USAGE, 0)
		else
			options.files[#options.files + 1] = word
		end
		at = at + 1
	end
	if #options.files == 0 then
		error(USAGE, 0)
	end
end

-- ---- one flow ----

local known = {
	script = "string", script_text = "string", modules = "table", settings = "table", legs = "table or boolean",
	run = "function", budget_ms = "number", memory_mb = "number", transactions = "number",
	clients_per_peer = "number", delivery_share = "number", lingers = "boolean", unloaded = "boolean",
}

local function check_spec(name, spec)
	for key, value in pairs(spec) do
		if not known[key] or not known[key]:find(type(value), 1, true) then
			error(("flow '%s' has a field '%s' of type %s"):format(name, tostring(key), type(value)), 3)
		end
	end
	if not spec.run then
		error(("flow '%s' has nothing to run"):format(name), 3)
	end
end

local function explain(err)
	if type(err) == "table" and err.flow then
		return err.flow
	end
	return debug.traceback(tostring(err), 2)
end

-- The trace's hash, or nil and what is wrong.
local function run_once(spec, trace)
	local net = open(spec, { seed = options.seed, trace = trace, folder = options.folder })
	local hash
	local ok, err = xpcall(function()
		if not spec.unloaded and not net:start() then
			local status = net:status()
			error({ flow = ("the script is refused\n%s:%d: %s"):format(status.failed_file, status.failed_line,
				status.failure) }, 0)
		end
		spec.run(net)
		net:check_end(spec)
		hash = net.core:hash()
	end, explain)
	net:close()
	return ok and hash or nil, err
end

-- The first lines in which two more runs differ.
local function first_difference(spec)
	local paths = { options.folder .. "/first", options.folder .. "/second" }
	run_once(spec, paths[1])
	run_once(spec, paths[2])
	local first, second = io.lines(paths[1]), io.lines(paths[2])
	local was
	for line in first do
		local other = second()
		if other ~= line then
			return ("after     %s\nfirst     %s\nsecond    %s"):format(was or "", line, other or "")
		end
		was = line
	end
	return "once in a while: two more runs gave the same"
end

local function run_flow(spec)
	local first, err = run_once(spec, options.trace and "-")
	if not first then
		return err
	end
	local second
	second, err = run_once(spec)
	if not second then
		return "the second run with the same seed failed\n" .. err
	elseif second ~= first then
		return "the same seed gave other bytes\n" .. first_difference(spec)
	end
	return nil
end

-- ---- files ----

local passed, failed = 0, 0

local function report(name, err)
	if not err then
		passed = passed + 1
		print("ok - " .. name)
		return
	end
	failed = failed + 1
	print("not ok - " .. name)
	print("    " .. err:gsub("\n", "\n    "))
end

local function run_file(path)
	local count = 0
	local env = setmetatable({
		flow = function(name)
			return function(spec)
				count = count + 1
				check_spec(name, spec)
				if options.only and not name:find(options.only, 1, true) then
					return
				end
				report(name, run_flow(spec))
			end
		end,
	}, { __index = _G })
	local chunk, err = loadfile(path)
	if not chunk then
		error(err, 0)
	end
	print("# " .. path)
	setfenv(chunk, env)()
	if count == 0 then
		report(path .. " holds flows", "there are none")
	end
end

read_arguments { ... }
io.stdout:setvbuf "line"
options.folder = ("/tmp/viaduct-flow-%d"):format(core.pid)
os.execute("mkdir -p " .. options.folder)
local ok, err = xpcall(function()
	for _, path in ipairs(options.files) do
		run_file(path)
	end
end, explain)
os.execute("rm -rf " .. options.folder)
if not ok then
	print(err)
	failed = failed + 1
end
print(("%d passed, %d failed"):format(passed, failed))
return failed == 0 and passed > 0 and 0 or 1

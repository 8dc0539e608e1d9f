-- The world of one flow: the engine with its script in the middle, phones and DNS around it, and a clock that stands still
-- between what the flow does.
local fail = require "lib.fail"
local message = require "lib.message"
local new_phone = require "lib.phone"

local Net = {}
Net.__index = Net

local SETTLE_S = 0.05 -- of virtual time: many hops and DNS answers, no wait anybody would notice

-- ---- files ----

function Net:path(name) return self.folder .. "/" .. name end

--- Writes a file beside the script.
function Net:write(name, text)
	local file = assert(io.open(self:path(name), "w"))
	file:write(text)
	file:close()
	return self:path(name)
end

function Net:remove(name) os.remove(self:path(name)) end

-- ---- life ----

local DEFAULT_LEGS = { "udp:192.0.2.1:5060", "tcp:192.0.2.1:5060" }

--- Opens the world that a flow describes and loads its script.
local function open(spec, options)
	local legs = spec.legs
	if legs == nil then
		legs = DEFAULT_LEGS
	end
	local self = setmetatable({
		core = core.net(options.seed, core.root .. "/lua",
			{ legs = legs or nil, settings = spec.settings, budget_ms = spec.budget_ms, memory_mb = spec.memory_mb,
				transactions = spec.transactions, clients_per_peer = spec.clients_per_peer, delivery_share = spec.delivery_share },
			options.trace),
		phones = {}, lines = {}, counted = 0, folder = options.folder,
	}, Net)
	for name, text in pairs(spec.modules or {}) do
		self:write(name .. ".lua", text)
	end
	if spec.script_text then
		self.script = self:write("script.lua", spec.script_text)
	else
		self.script = core.root .. "/" .. (spec.script or "scripts/proxy.lua")
	end
	return self
end

--- Loads the first script; false when that is refused.
function Net:start() return self.core:load(self.script) end

function Net:close() self.core:close() end

--- Replaces the script, as an edited file would. True, or false and the failure: { file, line, text }.
function Net:reload(text)
	if text then
		self.script = self:write("script.lua", text)
	end
	if self.core:load(self.script) then
		return true
	end
	local status = self.core:status()
	return false, { file = status.failed_file, line = status.failed_line, text = status.failure }
end

--- A reload that has to be refused: with this line of this file, and this in its reason.
function Net:refuses(text, line, reason, file)
	local generation = self.core:status().generation
	local loaded, failure = self:reload(text)
	if loaded then
		fail { expected = "the script is refused", seen = "it was loaded" }
	end
	local at = ("%s:%d"):format(file or "script.lua", line)
	local seen = ("%s:%d"):format(failure.file:match "[^/]*$", failure.line)
	if seen ~= at or not failure.text:find(reason, 1, true) then
		fail { expected = at .. ": ..." .. reason, seen = seen .. ": " .. failure.text }
	end
	self:equal(self.core:status().generation, generation, "generation")
	self:expect_log "script.refused"
end

function Net:rollback() return self.core:rollback() end
function Net:check(path) return self.core:check(path or self.script) end
function Net:status() return self.core:status() end
function Net:watched() return self.core:watched() end
function Net:counters() return self.core:counters() end
function Net:legs() return self.core:legs() end
function Net:connections() return self.core:connections() end
--- Why each address counts as dead: { ["192.0.2.9:5060"] = "ETIMEDOUT" }.
function Net:dead() return self.core:dead() end

-- ---- the network ----

function Net:phone(name, address, options)
	local phone = new_phone(self, name, address, options)
	self.phones[phone.number] = phone
	return phone
end

--- Both directions: { loss = 0.3, delay = 0.01, jitter, duplicate, reorder, reorder_by, cut }.
function Net:link(link)
	link.delay = link.delay or 0.0005
	self.core:link(false, link)
	self.core:link(true, link)
end

function Net:loss(chance) self:link { loss = chance } end
function Net:occupy(address) self.core:occupy(address) end
--- There is no way to this IP: datagrams to it cannot be sent.
function Net:unreachable(ip) self.core:unreachable(ip) end
function Net:dns(...) self.core:dns(...) end

--- What phones received that nobody asked for yet; nil when there is none.
function Net:waiting()
	local texts = {}
	for number = 0, #self.phones do
		for _, came in ipairs(self.phones[number] and self.phones[number].inbox or {}) do
			texts[#texts + 1] = self.phones[number].name .. ": " .. came.start
		end
	end
	return #texts > 0 and table.concat(texts, "\n") or nil
end

-- ---- time ----

local function deliver(self)
	while true do
		local number, bytes, from, at, closed = self.core:take()
		if not number then
			return
		end
		local phone = self.phones[number]
		if closed then
			phone.closings[#phone.closings + 1] = closed
		elseif phone then
			local came = message.parse(bytes)
			came.from, came.leg, came.at = from, phone.transport .. ":" .. from, at
			phone.inbox[#phone.inbox + 1] = came
		end
	end
end

--- Lets happen what happens at once.
function Net:settle()
	self.core:run_idle(SETTLE_S)
	deliver(self)
end

--- Lets time pass.
function Net:advance(seconds)
	self.core:advance(seconds)
	deliver(self)
end

--- Seconds since the flow began.
function Net:now() return self.core:now() end

function Net:shift_wall(seconds) self.core:shift_wall(seconds) end

--- Numbers that make names of this run unique, and the same in the next.
function Net:count()
	self.counted = self.counted + 1
	return self.counted
end

-- ---- the log ----

local function read_log(self)
	while true do
		local level, text = self.core:take_line()
		if not level then
			return
		end
		self.lines[#self.lines + 1] = { level = level, text = text }
	end
end

local function has(line, what) return line.text:find(what, 1, true) or line.text:find(what) end

--- Announces a log line that is there: a plain text or a pattern that it holds. Gives it back.
function Net:expect_log(what)
	self:settle()
	read_log(self)
	for _, line in ipairs(self.lines) do
		if not line.claimed and has(line, what) then
			line.claimed = true
			return line.text
		end
	end
	fail { expected = "in the log: " .. what, seen = self:unread_log() or "nothing" }
end

--- How many lines not announced yet hold this.
function Net:count_log(what)
	self:settle()
	read_log(self)
	local n = 0
	for _, line in ipairs(self.lines) do
		n = n + ((not line.claimed and has(line, what)) and 1 or 0)
	end
	return n
end

--- Warnings and errors nobody announced; nil when there are none.
function Net:unread_log()
	read_log(self)
	local texts = {}
	for _, line in ipairs(self.lines) do
		if not line.claimed and (line.level == "error" or line.level == "warn") then
			texts[#texts + 1] = line.text
		end
	end
	return #texts > 0 and table.concat(texts, "\n") or nil
end

function Net:log_level(level) self.core:log_level(level) end

-- ---- checks ----

function Net:equal(seen, expected, what) -- luacheck: no self
	if seen ~= expected then
		fail { what = what, expected = expected, seen = seen == nil and "nil" or seen }
	end
end

function Net:is_true(condition, what) -- luacheck: no self
	if not condition then
		fail { expected = what, seen = "it is not so" }
	end
end

--- Values of counters: net:counts { loops = 1, replied = 2 }.
function Net:counts(wanted)
	self:settle()
	local seen, names = self:counters(), {}
	for name in pairs(wanted) do
		names[#names + 1] = name
	end
	table.sort(names)
	for _, name in ipairs(names) do
		self:equal(seen[name], wanted[name], "counter " .. name)
	end
end

--- What must be true at the end of every flow.
function Net:check_end(spec)
	self:settle()
	for number = 0, #self.phones do
		local phone = self.phones[number]
		if phone and #phone.inbox > 0 then
			fail { phone = phone.name, expected = "nothing more", seen = phone.inbox[1].start, all = phone.inbox[1].text }
		end
	end
	local unread = self:unread_log()
	if unread then
		fail { expected = "no errors in the log but those announced", seen = unread }
	end
	local leftovers = self.core:leftovers()
	for _, what in ipairs { "packets", "tasks", "transactions", "leg_holders", "timers", "lingering", "events" } do
		if leftovers[what] > 0 and not (what == "lingering" and spec.lingers) then
			fail { what = what .. " left at the end", expected = 0, seen = leftovers[what] }
		end
	end
end

return { open = open }

-- What `require "viaduct"` gives a script: the public names, nothing else.
local abi = require "viaduct.abi"
local dns = require "viaduct.dns"
local leg = require "viaduct.leg"
local misuse = require "viaduct.blame"
local receiver = require "viaduct.receiver"
local wait = require "viaduct.wait"

local C, script = abi.C, abi.script

---@class viaduct
local sip = {
	uri = require "viaduct.uri",
	address = require "viaduct.address",
	dispatcher = require "viaduct.dispatcher",
	request = require "viaduct.request",
	registrar = require "viaduct.registrar",
	stateless_proxy = require "viaduct.stateless_proxy",
	receive_chain = require "viaduct.chain",
	authorize = require "viaduct.authorize",
	block = require "viaduct.block",
	drop = require "viaduct.drop",
	redirect = require "viaduct.redirect",
	settings = require("viaduct.settings").values,
	dns = setmetatable({}, {
		__metatable = false,
		__index = { resolve = dns.resolve },
		__newindex = function() misuse "sip.dns cannot be changed" end,
	}),
	legs = leg.all,
	sleep = wait.sleep,
	after = wait.after,
	every = wait.every,
}

--- Seconds of a clock that only goes forward.
---@return number
function sip.now() return C.vd_now(script) end

--- Seconds since 1970.
---@return number
function sip.time() return C.vd_time(script) end

local levels = { error = 0, warn = 1, info = 2, debug = 3 }

--- Writes a log line: sip.log("text"), or sip.log("debug", "text").
---@param level string "error", "warn", "info", "debug"; may be left out: info
---@param text string|nil
function sip.log(level, text)
	if text == nil then
		level, text = "info", level
	end
	if not levels[level] then
		misuse("sip.log knows error, warn, info and debug, not '%s'", tostring(level))
	end
	text = tostring(text)
	C.vd_log(script, levels[level], text, #text)
end

receiver.constructors_are(sip)

-- Empty itself, so that writing to any name raises.
---@type viaduct
return setmetatable({}, {
	__metatable = false,
	__index = function(_, name)
		local found = sip[name]
		if found == nil then
			misuse("viaduct has no '%s'", tostring(name))
		end
		return found
	end,
	__newindex = function() misuse "the viaduct module cannot be changed" end,
})

-- A script's own answers to DNS questions: `dnsresolv` of the dispatcher.
local abi = require "viaduct.abi"
local misuse = require "viaduct.blame"

local C, script = abi.C, abi.script
local types = { A = 0, AAAA = 1, SRV = 2 }
local M = {}
local resolve

local FORM = 'dnsresolv answers with records: { "SRV", priority, target, port }, { "A", address } or { "AAAA", address }'

local function give(question, record)
	local kind = type(record) == "table" and types[record[1]]
	if not kind then
		misuse(FORM)
	end
	local srv = kind == types.SRV
	local text, port, weight = srv and record[3] or record[2], srv and record[4] or 0, srv and record[5] or 0
	local priority = srv and record[2] or 0
	if type(text) ~= "string" or type(port) ~= "number" or type(weight) ~= "number" or type(priority) ~= "number" then
		misuse(FORM)
	end
	local code = C.vd_resolver_record(script, question, kind, priority, weight, port, text, #text)
	if code == C.VD_BAD_VALUE then
		misuse("'%s' is no %s for a record of type %s", text, srv and "name" or "address", record[1])
	end
end

local function give_all(question, records)
	if type(records) ~= "table" then
		misuse("%s; not with a %s", FORM, type(records))
	end
	for _, record in ipairs(records) do
		give(question, record)
	end
end

-- A question of the engine: the script may answer at once, or keep the callback for later. After a mistake nobody need wait for more.
function M.ask(question, kind, name)
	misuse.run(resolve, kind, name, function(records)
		local ok, mistake = pcall(give_all, question, records or {})
		C.vd_resolver_done(script, question)
		if not ok then
			error(mistake, 0)
		end
	end)
end

-- While the script loads.
function M.use(fn)
	resolve = fn
	C.vd_resolver_use(script)
end

return M

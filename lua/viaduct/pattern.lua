-- Guards for Lua's pattern functions: they are C, so no time budget can interrupt them, and a pattern such as ".-.-.-b"
-- takes time polynomial in its subject. Each pattern gets an exponent by how many of its repetitions can share text with
-- what follows; a call whose subject would make that too many steps raises instead of hanging.
local misuse = require "viaduct.blame"

local byte, sub, floor = string.byte, string.sub, math.floor
local find, match, gmatch, gsub, rep = string.find, string.match, string.gmatch, string.gsub, string.rep

local STEPS_MAX = 5e7         -- about a tenth of a second
local PATTERN_MAX = 1024      -- bytes
local PLAIN_MAX = 2e9         -- subject times needle, for a plain search
local KNOWN_MAX = 512         -- patterns remembered

-- The set of byte values that one single-character item matches, as a table indexed by byte.
local function members(item)
	local set = {}
	for code = 0, 255 do
		set[code] = find(string.char(code), item) ~= nil
	end
	return set
end

local function overlap(a, b)
	for code = 0, 255 do
		if a[code] and b[code] then
			return true
		end
	end
	return false
end

-- End of the [set] that starts at `at`.
local function set_end(pattern, at)
	local i = at + 1
	if sub(pattern, i, i) == "^" then
		i = i + 1
	end
	repeat
		local c = sub(pattern, i, i)
		if c == "" then
			return nil
		end
		i = i + (c == "%" and 2 or 1)
	until sub(pattern, i, i) == "]"
	return i
end

-- Cuts a pattern into items { text, repetition, special }; nil when it is malformed (the real function will say so).
local function items_of(pattern)
	local items, i, n = {}, 1, #pattern
	while i <= n do
		local c, last = sub(pattern, i, i), i
		local special
		if c == "(" or c == ")" then
			special = "capture"
		elseif c == "$" and i == n then
			special = "end"
		elseif c == "%" then
			local kind = sub(pattern, i + 1, i + 1)
			last = i + 1
			if kind == "" then
				return nil
			elseif kind == "b" then
				last, special = i + 3, "balance"
			elseif kind == "f" then
				last = set_end(pattern, i + 2)
				special = "frontier"
			elseif find(kind, "%d") then
				special = "back"
			end
		elseif c == "[" then
			last = set_end(pattern, i)
		end
		if not last then
			return nil
		end
		local item = { text = sub(pattern, i, last), special = special }
		local after = sub(pattern, last + 1, last + 1)
		if not special and after ~= "" and find(after, "[*+?-]") then
			item.repetition = after
			last = last + 1
		end
		if special ~= "capture" then
			items[#items + 1] = item
		end
		i = last + 1
	end
	return items
end

-- Can what follows repetition `k` begin with text the repetition itself matches?
local function is_ambiguous(items, k)
	local own = members(items[k].text)
	for j = k + 1, #items do
		local item = items[j]
		if item.special == "end" or item.special == "frontier" then
			return false
		elseif item.special then
			return true
		elseif overlap(own, members(item.text)) then
			return true
		elseif not item.repetition or item.repetition == "+" then
			return false
		end
	end
	return false
end

-- The work of matching grows at most with the subject's length to this power.
local function exponent_of(pattern)
	local anchored = sub(pattern, 1, 1) == "^"
	local items = items_of(anchored and sub(pattern, 2) or pattern)
	local ambiguous, scans = 0, 0
	for k, item in ipairs(items or {}) do
		if item.special == "balance" then
			scans = 1
		elseif item.special == "back" then
			ambiguous = ambiguous + 1
		elseif item.repetition and item.repetition ~= "?" then
			scans = 1
			if is_ambiguous(items, k) then
				ambiguous = ambiguous + 1
			end
		end
	end
	return (anchored and 0 or 1) + math.max(scans, ambiguous)
end

local known, n_known = {}, 0

local function exponent(pattern)
	local power = known[pattern]
	if not power then
		if #pattern > PATTERN_MAX then
			misuse("the pattern has %d bytes; at most %d are allowed", #pattern, PATTERN_MAX)
		end
		if n_known == KNOWN_MAX then
			known, n_known = {}, 0
		end
		power = exponent_of(pattern)
		known[pattern], n_known = power, n_known + 1
	end
	return power
end

local function check(subject, pattern)
	local n = #subject
	local power = exponent(pattern)
	if n ^ power > STEPS_MAX then
		misuse("pattern '%s' could take too long on %d bytes (at most %d): anchor it with ^ or cut the text first",
			sub(pattern, 1, 60), n, floor(STEPS_MAX ^ (1 / power)))
	end
end

local M = {}

function M.find(subject, pattern, at, plain)
	if type(subject) == "string" and type(pattern) == "string" then
		if not plain then
			check(subject, pattern)
		elseif #subject * #pattern > PLAIN_MAX then
			misuse "the text searched and the text looked for are too long"
		end
	end
	return find(subject, pattern, at, plain)
end

function M.match(subject, pattern, at)
	if type(subject) == "string" and type(pattern) == "string" then
		check(subject, pattern)
	end
	return match(subject, pattern, at)
end

function M.gmatch(subject, pattern)
	if type(subject) == "string" and type(pattern) == "string" then
		check(subject, pattern)
	end
	return gmatch(subject, pattern)
end

function M.gsub(subject, pattern, replacement, most)
	if type(subject) == "string" and type(pattern) == "string" then
		check(subject, pattern)
	end
	return gsub(subject, pattern, replacement, most)
end

-- Of the same kind: C that no budget interrupts. Beyond this a text is of no use in a SIP message.
local REP_MAX = 64 * 1024 * 1024

function M.rep(text, n, separator)
	if type(text) == "string" and type(n) == "number" and #text * n > REP_MAX then
		error("not enough memory: string.rep of more than 64 MB", 2)
	end
	return rep(text, n, separator)
end

M.byte, M.exponent = byte, exponent

return M

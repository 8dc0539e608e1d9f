-- Guards for Lua's pattern functions: they are C, so no time budget can interrupt them, and a pattern such as ".-.-.-b"
-- takes time polynomial in its subject, "a?a?a?...b" even exponential. Each pattern is given the longest subject that it
-- can deal with in reasonable time, whatever the subject; a longer one raises instead of hanging.
local depth = require "viaduct.depth"
local misuse = require "viaduct.blame"

local byte, char, sub = string.byte, string.char, string.sub
local find, match, gmatch, gsub, rep = string.find, string.match, string.gmatch, string.gsub, string.rep

local STEPS_MAX = 2.5e7       -- of matching, in one call: a tenth of a second, a third at worst
local PATTERN_MAX = 1024      -- bytes
local PLAIN_MAX = 2e9         -- subject times needle, for a plain search
local KNOWN_MAX = 512         -- patterns remembered

-- The set of byte values that one single-character item matches, as a table indexed by byte.
local function members(item)
	local set = {}
	if #item == 1 and find(item, "%p") and item ~= "." then
		item = "%" .. item
	end
	for code = 0, 255 do
		set[code] = find(char(code), item) ~= nil
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

local function has_others(a, b)
	for code = 0, 255 do
		if a[code] and not b[code] then
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

-- Cuts a pattern into items { text, repetition, special }. Of a malformed one: those before the place where the real
-- function will complain, if it comes that far.
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
				return items
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
			return items
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

-- Can what follows item `k` begin with text that the item itself matches? Then each of its repetitions is a way to go on;
-- else only the last one is, and all others fail at once.
local function is_ambiguous(items, k)
	local own = members(items[k].text)
	for j = k + 1, #items do
		local item = items[j]
		if item.special == "end" then
			return false
		elseif item.special == "frontier" then
			local set = members(sub(item.text, 3))
			return overlap(own, set) and has_others(own, set)
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

-- From item k on nothing can fail: all may match nothing, and `.` goes on up to an end that is asked for.
local function is_sure(items, k)
	local last = #items
	if items[last].special == "end" then
		if items[k].text ~= "." or not items[k].repetition or find(items[k].repetition, "[+?]") then
			return false
		end
		last = last - 1
	end
	for j = k, last do
		local repetition = items[j].repetition
		if not repetition or repetition == "+" then
			return false
		end
	end
	return true
end

-- What matching costs at most on n bytes: the sum of factor * (n over power), as a list indexed by power. It is, for each
-- item, the ways to come to it - one for each start, times one for each repetition of an ambiguous item before it; all
-- of these go forward in the subject - and at each way its own work: one step, or as many as it repeats.
local function terms_of(pattern)
	local anchored = sub(pattern, 1, 1) == "^"
	local items = items_of(anchored and sub(pattern, 2) or pattern)
	local power, factor = anchored and 0 or 1, 1
	local terms, sure = { [power] = 1 }, false
	for k, item in ipairs(items) do
		if k == #items and item.repetition then
			break -- what it takes is not looked at again
		elseif not sure and is_sure(items, k) then
			sure, power, factor = true, 0, 1 -- whoever comes here comes once
		end
		local many = item.repetition and item.repetition ~= "?"
		local own = (many or item.special == "balance" or item.special == "back") and 1 or 0
		terms[power + own] = (terms[power + own] or 0) + factor
		if item.repetition and is_ambiguous(items, k) then
			if many then
				power = power + 1
			else
				factor = factor * 2
			end
		end
	end
	return terms
end

local function steps(terms, n)
	local sum = 0
	for power, factor in pairs(terms) do
		for i = 1, power do
			factor = factor * (n + i) / i
			if factor > STEPS_MAX then
				return factor
			end
		end
		sum = sum + factor
	end
	return sum
end

-- The longest subject this pattern may be tried on.
local function longest(pattern)
	local terms = terms_of(pattern)
	local least, most = 0, 2 ^ 31
	while least < most do
		local n = math.ceil((least + most) / 2)
		if steps(terms, n) > STEPS_MAX then
			most = n - 1
		else
			least = n
		end
	end
	return least
end

local known, n_known = {}, 0

local function limit_of(pattern)
	local limit = known[pattern]
	if not limit then
		if #pattern > PATTERN_MAX then
			misuse("the pattern has %d bytes; at most %d are allowed", #pattern, PATTERN_MAX)
		end
		if n_known == KNOWN_MAX then
			known, n_known = {}, 0
		end
		limit = longest(pattern)
		known[pattern], n_known = limit, n_known + 1
	end
	return limit
end

local function check(subject, pattern)
	local limit = limit_of(pattern)
	if #subject > limit then
		misuse("pattern '%s' could take too long on %d bytes (at most %d): anchor it with ^ or cut the text first",
			sub(pattern, 1, 60), #subject, limit)
	end
end

local M = { limit = limit_of }

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
		check(subject, byte(pattern) == 94 and "%" .. pattern or pattern) -- ^ is no anchor here
	end
	return gmatch(subject, pattern)
end

function M.gsub(subject, pattern, replacement, most)
	if type(subject) == "string" and type(pattern) == "string" then
		check(subject, pattern)
	end
	if type(replacement) == "function" or type(replacement) == "table" then
		return depth.call(gsub, subject, pattern, replacement, most)
	end
	return gsub(subject, pattern, replacement, most)
end

-- Of the same kind: C that no budget interrupts. Beyond this a text is of no use in a SIP message.
local REP_MAX = 64 * 1024 * 1024

-- Numbers are texts too (Lua 5.1 manual 2.2.1).
local function length_of(text)
	local kind = type(text)
	return (kind == "string" or kind == "number") and #tostring(text) or 0
end

function M.rep(text, n, separator)
	local times = tonumber(n)
	if times and (length_of(text) + length_of(separator)) * times > REP_MAX then
		error("not enough memory: string.rep of more than 64 MB", 2)
	end
	return rep(text, n, separator)
end

return M

-- Contacts rewritten by a script: its callback is asked while a message is on its way from one leg to another.
local abi = require "viaduct.abi"
local misuse = require "viaduct.blame"
local legs = require "viaduct.leg"

local C, script, value, contact, string_of = abi.C, abi.script, abi.value, abi.contact, abi.string
local OK, ABSENT, LIMIT, TEXT = C.VD_OK, C.VD_ABSENT, C.VD_LIMIT, C.VD_TEXT
local find, lower, sub, byte, char = string.find, string.lower, string.sub, string.byte, string.char

local M = {}

--- How contacts are rewritten.
---@class viaduct.Rewriting
---@field call fun(contact: string, incoming: viaduct.Leg, outgoing: viaduct.Leg|nil, force: boolean): string|nil, viaduct.Leg|nil
---@field name string the option of the script that says how
---@field callback function what it gave there

local forms = {
	rewrite_contact = "a new contact is a word of letters, digits, '-', '.' and '_', a restored one what stood behind 'sip:'",
	rewrite_crypt = "deciphered is what was enciphered, and nil what fails the check",
}

local function answer_of(rewriting, answer)
	if answer ~= nil and type(answer) ~= "string" then
		misuse.callback(rewriting.callback, "%s returns a text or nil, not a %s", rewriting.name, type(answer))
	end
	return answer ~= "" and answer or nil
end

local function check(rewriting, code, made)
	local name = rewriting.name
	if code == C.VD_BAD_VALUE then
		misuse.callback(rewriting.callback, "%s returned '%s': %s", name, sub(made, 1, 100), forms[name])
	elseif code ~= OK then
		misuse.callback(rewriting.callback, "%s returned '%s', for which there is no room", name, sub(made, 1, 100))
	end
end

-- The Request-URI, when it is a word at one of our legs: back to the contact, and the leg that leads there.
function M.restore_target(rewriting, handle, leg)
	if C.vd_contact_of_uri(script, handle, contact) ~= OK or contact.word.n == 0 then
		return
	end
	local word = string_of(contact.word.p, contact.word.n)
	if not leg then
		C.vd_message_fact(script, handle, C.VD_LEG, value)
		leg = legs.at(value.number)
	end
	local restored, home = rewriting.call(word, leg, nil, false)
	restored = answer_of(rewriting, restored)
	if not restored then
		return
	elseif home ~= nil and not legs.place(home) then
		misuse.callback(rewriting.callback, "%s returns the contact and the leg that leads to it, not a %s", rewriting.name, type(home))
	end
	local spec = home and home.spec or ""
	check(rewriting, C.vd_contact_set_uri(script, handle, restored, #restored, spec, #spec), restored)
end

-- The one vd_contact_at has found.
local function rewrite_one(rewriting, handle, incoming, outgoing, serial, number)
	local whole, only_back = string_of(contact.contact.p, contact.contact.n), contact.is_refer_to ~= 0
	local word = contact.word.n > 0 and string_of(contact.word.p, contact.word.n)
	local restored = word and answer_of(rewriting, (rewriting.call(word, incoming, outgoing, false)))
	if restored then
		check(rewriting, C.vd_contact_restore(script, handle, number, restored, #restored), restored)
	elseif not only_back then
		local made = answer_of(rewriting, (rewriting.call(whole, incoming, outgoing, true)))
		if made then
			check(rewriting, C.vd_contact_show(script, handle, number, made, #made, serial), made)
		end
	end
end

local function rewrite_rest(rewriting, handle, incoming, outgoing, serial)
	local number, code = 1, OK
	while code == OK do
		rewrite_one(rewriting, handle, incoming, outgoing, serial, number)
		number = number + 1
		code = C.vd_contact_at(script, handle, number, contact)
	end
	return code
end

-- Every Contact, and words in Refer-To. The code to answer when that cannot be. Nearly always there is one: a loop would not
-- be compiled into the way of the message.
function M.rewrite(rewriting, handle, incoming, outgoing, serial)
	local code = C.vd_contact_at(script, handle, 0, contact)
	if code == OK then
		local is_last = contact.is_last ~= 0
		rewrite_one(rewriting, handle, incoming, outgoing, serial, 0)
		code = is_last and ABSENT or C.vd_contact_at(script, handle, 1, contact)
	end
	if code == OK then
		code = rewrite_rest(rewriting, handle, incoming, outgoing, serial)
	end
	if code == LIMIT then
		return 513
	elseif code ~= ABSENT then
		misuse "message is no longer available: its handler has ended"
	end
	return nil
end

-- ---- the words that are built in, with a cipher of the script ----

local function bytes_of(place)
	return char(place % 256, math.floor(place / 256) % 256, math.floor(place / 65536) % 256, math.floor(place / 16777216))
end

local function place_of(bytes)
	local a, b, c, d = byte(bytes, 1, 4)
	return a + 256 * b + 65536 * c + 16777216 * d
end

local function crypted(crypt, data, dir, add2mac)
	local result = crypt(data, dir, add2mac)
	if result ~= nil and type(result) ~= "string" then
		misuse.callback(crypt, "rewrite_crypt returns a text or nil, not a %s", type(result))
	elseif result == "" then
		misuse.callback(crypt, "rewrite_crypt returned '', which is no contact: it returns nil for what it cannot %s",
			dir == 1 and "encipher" or "decipher")
	end
	return result
end

local function make(crypt, whole, incoming, outgoing)
	local data = crypted(crypt, bytes_of(legs.place(incoming)) .. whole, 1, lower(outgoing.address))
	if data and C.vd_letters(script, data, #data, value) == TEXT then
		return "b" .. string_of(value.p, value.n)
	end
	return nil
end

local function read(crypt, word, incoming, outgoing)
	local letters = sub(word, 2)
	if lower(sub(word, 1, 1)) ~= "b" or C.vd_letters_undo(script, letters, #letters, value) ~= TEXT then
		return nil
	end
	local data = crypted(crypt, string_of(value.p, value.n), -1, lower(incoming.address))
	if not data or #data < 5 then
		return nil
	end
	local place = place_of(data)
	local home = legs.of_place(place)
	if not home or (outgoing and legs.place(outgoing) ~= place) then
		return nil
	end
	return sub(data, 5), home
end

--- By the script's own rewrite_contact.
---@return viaduct.Rewriting
function M.by_script(rewrite) return { call = rewrite, name = "rewrite_contact", callback = rewrite } end

--- By words that are enciphered by crypt(data, dir, add2mac): dir 1 enciphers, -1 deciphers and gives nil when the check
--- fails; add2mac is the address of the leg the word is shown at.
---@return viaduct.Rewriting
function M.by_crypt(crypt)
	local function call(text, incoming, outgoing, force)
		if force or find(text, "@", 1, true) then
			return make(crypt, text, incoming, outgoing)
		end
		return read(crypt, text, incoming, outgoing)
	end
	return { call = call, name = "rewrite_crypt", callback = crypt }
end

return M

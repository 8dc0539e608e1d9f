-- sip.authorize: who may go on, who is asked, and what is a replay.
local digest = require "lib.digest"
local ALICE, BOB, MALLORY = "udp:198.51.100.7:5062", "udp:198.51.100.8:5060", "udp:198.51.100.66:5060"
local HERE, AOR = "sip:example.com", "sip:alice@example.com"

local function script(options, rest)
	return ([[
local sip = require "viaduct"
local registrar = sip.registrar { domains = { "example.com" } }
local auth = sip.authorize { realm = "example.com", %s }
return { receive = sip.receive_chain { auth, registrar, %s } }]]):format(
		options or 'user2pass = { alice = "secret", bob = "hush" }', rest or "sip.stateless_proxy {}")
end

local function register(phone, given)
	given = given or {}
	given.to, given.contact = given.to or ("<%s>"):format(AOR), given.contact or phone:contact()
	given.from = given.from or ("<%s>;tag=%s"):format(AOR, phone.name)
	return phone:request("REGISTER", HERE, given)
end

local function asked(phone, algorithm)
	register(phone)
	return digest.challenge(phone:expect(401), algorithm)
end

-- Credentials of alice for a REGISTER, but for what is given.
local function credentials(challenge, given)
	given = given or {}
	given.user, given.password = given.user or "alice", given.password or "secret"
	given.method, given.uri = given.method or "REGISTER", given.uri or HERE
	return { digest.answer(challenge, given) }
end

local function is_refused(phone, challenge, given, stale)
	register(phone, { headers = credentials(challenge, given) })
	local again = digest.challenge(phone:expect(401))
	phone.net:equal(again.stale, stale and "true" or nil, "stale")
	phone.net:is_true(again.nonce ~= challenge.nonce, "the new challenge has a nonce of its own")
	return again
end

-- ---- the way it goes ----

flow "a REGISTER without credentials is challenged, the strongest algorithm first, and with them it is registered" {
	script_text = script 'opaque = "5c\\"c", user2pass = { alice = "secret" }',
	run = function(net)
		local alice = net:phone("alice", ALICE)
		register(alice)
		local response = alice:expect(401) { Contact = false, ["Proxy-Authenticate"] = false, To = "~;tag=" }
		net:equal(digest.offered(response), "SHA-512-256 SHA-256 MD5", "offered")
		local challenge = digest.challenge(response)
		net:equal(challenge.opaque, '5c"c', "opaque")
		net:equal(challenge.realm, "example.com", "realm")
		net:equal(challenge.qop, "auth", "qop")
		net:equal(challenge.stale, nil, "stale")
		net:equal(challenge.userhash, nil, "userhash")
		challenge.opaque = nil
		register(alice, { headers = credentials(challenge) })
		alice:expect(200) { Contact = { "<sip:alice@198.51.100.7:5062>;expires=300" } }
		net:counts { auth_challenged = 1, auth_passed = 1, auth_failed = 0, registrations = 1 }
	end,
}

for _, algorithm in ipairs { "MD5", "SHA-256", "SHA-512-256" } do
	for _, qop in ipairs { "auth", "auth-int" } do
		flow(("%s with qop=%s is understood, and a changed body is noticed with auth-int alone"):format(algorithm, qop)) {
			script_text = script([[qop = { "auth", "auth-int" }, user2pass = { alice = "secret" }]],
				[[function(message)
					return message:reply(200, nil, { ["X-User"] = message.auth_user .. "@" .. message.auth_realm })
				end]]),
			run = function(net)
				local alice = net:phone("alice", ALICE)
				alice:request("MESSAGE", AOR, { body = "hello", type = "text/plain" })
				local challenge = digest.challenge(alice:expect(401), algorithm)
				net:equal(challenge.qop, "auth,auth-int", "qop")
				local function send(nc, body)
					alice:request("MESSAGE", AOR, { body = body, type = "text/plain", headers = credentials(challenge,
						{ method = "MESSAGE", uri = AOR, qop = qop, body = "hello", nc = nc }) })
				end
				send(1, "hello")
				alice:expect(200) { ["X-User"] = "alice@example.com" }
				send(2, "jello")
				alice:expect(qop == "auth" and 200 or 401)
			end,
		}
	end
end

flow "a proxy asks with 407, keeps what is for others, and takes out what was for it" {
	script_text = script 'i_am_proxy = true, user2pass = { alice = "secret" }',
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		local uri = "sip:bob@198.51.100.8"
		local first = alice:request("INVITE", uri)
		local refused = alice:expect(407) { ["WWW-Authenticate"] = false }
		alice:same_transaction("ACK", first, { to = refused:header "To" })
		local challenge = digest.challenge(refused, "MD5")
		local own = digest.answer(challenge, { user = "alice", password = "secret", method = "INVITE", uri = uri })
		local others = 'Proxy-Authorization: Digest username="a", realm="elsewhere", nonce="n", uri="sip:x", response="r"'
		local mine = 'Authorization: Digest username="a", realm="example.com", nonce="n", uri="sip:x", response="r"'
		local invite = alice:request("INVITE", uri, { headers = { others, own, mine } })
		bob:expect "INVITE" { ["Proxy-Authorization"] = { others:match ": (.*)" }, Authorization = { mine:match ": (.*)" } }
		bob:reply(486)
		alice:same_transaction("ACK", invite, { to = alice:expect(486):header "To" })
		bob:expect "ACK"
	end,
}

flow "a stored H(A1) does as well as a password, for users of both kinds" {
	script_text = script(([[user2a1 = { alice = "%s" },
		user2pass = function(user, realm) return user == "bob" and realm == "example.com" and "hush" or nil end]])
		:format(digest.a1("MD5", "alice", "example.com", "secret"))),
	run = function(net)
		local alice = net:phone("alice", ALICE)
		register(alice)
		local response = alice:expect(401)
		net:equal(digest.offered(response), "MD5", "offered")
		local challenge = digest.challenge(response)
		register(alice, { headers = credentials(challenge) })
		alice:expect(200)
		register(alice, { to = "<sip:bob@example.com>", headers = credentials(challenge, { user = "bob", password = "hush", nc = 2 }) })
		alice:expect(200)
		is_refused(alice, challenge, { user = "bob", password = "secret", nc = 3 })
	end,
}

flow "the realm may depend on the request, and each realm has its own nonces" {
	script_text = [[
local sip = require "viaduct"
local auth = sip.authorize {
	realm = function(message) return message.to.uri.host end,
	user2pass = function(user, realm) return user .. " of " .. realm end,
}
return { receive = sip.receive_chain { auth, sip.registrar {} } }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local function try(domain, challenge)
			alice:request("REGISTER", "sip:" .. domain, { to = ("<sip:alice@%s>"):format(domain), headers = challenge and
				credentials(challenge, { uri = "sip:" .. domain, realm = domain, password = "alice of " .. domain }) })
		end
		try "example.com"
		local challenge = digest.challenge(alice:expect(401))
		net:equal(challenge.realm, "example.com", "realm")
		try("example.net", challenge)
		local other = digest.challenge(alice:expect(401))
		net:equal(other.realm .. other.stale, "example.nettrue", "realm and stale")
		try("example.net", other)
		alice:expect(200)
		try("example.com", challenge)
		alice:expect(200)
	end,
}

flow "callbacks may wait, and meanwhile others are served" {
	script_text = script [[user2pass = function(user) if user == "alice" then sip.sleep(3) end return "secret" end, filter = {}]],
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		local challenge, other = asked(alice), asked(bob)
		local slow = register(alice, { headers = credentials(challenge) })
		register(bob, { headers = credentials(other, { user = "bob" }) })
		bob:expect(200)
		alice:resend(slow)
		alice:expect_nothing()
		net:advance(3)
		alice:expect(200)
		alice:resend(slow)
		alice:expect(200)
		net:counts { auth_passed = 2 }
		net:advance(40)
	end,
}

flow "a call whose password takes a while goes through the proxy once, and can be cancelled" {
	script_text = script [[i_am_proxy = true, user2pass = function() sip.sleep(1) return "secret" end]],
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		local uri = "sip:bob@198.51.100.8"
		local first = alice:request("INVITE", uri)
		local refused = alice:expect(407)
		alice:same_transaction("ACK", first, { to = refused:header "To" })
		local line = digest.answer(digest.challenge(refused), { user = "alice", password = "secret", method = "INVITE", uri = uri })
		local invite = alice:request("INVITE", uri, { headers = { line } })
		net:advance(0.5)
		alice:resend(invite)
		alice:expect(100)
		alice:take_all()
		net:advance(0.6)
		local came = bob:expect "INVITE" { ["Proxy-Authorization"] = false }
		bob:reply(180)
		alice:expect(180)
		alice:same_transaction("CANCEL", invite)
		alice:expect(200)
		bob:expect "CANCEL"
		bob:reply(200)
		bob:reply(487, { request = came })
		bob:expect "ACK"
		alice:same_transaction("ACK", invite, { to = alice:expect(487):header "To" })
		bob:expect_nothing()
		net:advance(40)
	end,
}

flow "a callback that fails is answered 500 and lets nobody in" {
	script_text = script [[user2pass = function() error "the database is down" end]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local challenge = asked(alice)
		register(alice, { headers = credentials(challenge) })
		alice:expect(500)
		net:expect_log "the database is down"
		net:counts { registrations = 0 }
	end,
}

-- ---- what is refused ----

flow "a wrong password and an unknown user get the same answer" {
	script_text = script(),
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local challenge = asked(alice)
		local function answer(given)
			register(alice, { headers = credentials(challenge, given), call_id = "same", branch = "z9hG4bK-same" })
			return (alice:expect(401).text:gsub('nonce="%x+"', "")), net
		end
		local wrong, unknown = answer { password = "guess" }, answer { user = "nobody", password = "guess" }
		net:equal(unknown, wrong, "the answer to an unknown user")
		net:expect_log "auth.failed"
		net:counts { auth_failed = 2, auth_passed = 0, registrations = 0 }
	end,
}

flow "the same credentials a second time are a replay, in another request or with another count before" {
	script_text = script(),
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local challenge = asked(alice)
		register(alice, { headers = credentials(challenge) })
		alice:expect(200)
		is_refused(alice, challenge, {}, true)
		register(alice, { headers = credentials(challenge, { nc = 9 }) })
		alice:expect(200)
		for _, nc in ipairs { 1, 9 } do
			is_refused(alice, challenge, { nc = nc }, true)
		end
		register(alice, { headers = credentials(challenge, { nc = 8 }) }) -- overtaken on the way
		alice:expect(200)
		is_refused(alice, challenge, { nc = 8 }, true)
		register(alice, { headers = credentials(challenge, { nc = 50 }) })
		alice:expect(200)
		is_refused(alice, challenge, { nc = 18 }, true) -- too far behind to tell
		register(alice, { headers = credentials(challenge, { nc = 19 }) })
		alice:expect(200)
		net:counts { auth_failed = 0 }
	end,
}

flow "a retransmission is no replay while its transaction may last, and is one later" {
	script_text = script(),
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local challenge = asked(alice)
		local sent = register(alice, { headers = credentials(challenge) })
		local answer = alice:expect(200)
		net:advance(31)
		alice:resend(sent)
		alice:expect(200) { To = answer:header "To" }
		net:advance(1.1)
		alice:resend(sent)
		alice:expect(401)
		net:counts { auth_passed = 1 }
	end,
}

flow "a retransmission with a byte changed is a replay, and so is one from another address" {
	script_text = script(),
	run = function(net)
		local alice, mallory = net:phone("alice", ALICE), net:phone("mallory", MALLORY)
		local challenge = asked(alice)
		local sent = register(alice, { headers = credentials(challenge) })
		alice:expect(200)
		alice:send_bytes((sent.text:gsub("Contact: <sip:alice@198.51.100.7:5062>", "Contact: <sip:alice@198.51.100.9:5062>")))
		alice:expect(401)
		mallory:send_bytes(sent.text)
		mallory:expect(401)
	end,
}

flow "a second header for the same realm is not looked at: nobody is let in under another name" {
	script_text = script("filter = {}, user2pass = { alice = 'secret', bob = 'hush' }",
		"function(message) return message:reply(200, nil, { ['X-User'] = message.auth_user }) end"),
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local first, second = asked(alice), asked(alice)
		local given = { user = "bob", password = "guess", method = "OPTIONS", uri = AOR }
		local own = credentials(first, { method = "OPTIONS", uri = AOR })[1]
		local sent = alice:request("OPTIONS", AOR, { headers = { own, (digest.answer(second, given)) } })
		alice:expect(200) { ["X-User"] = "alice" }
		alice:resend(sent)
		alice:expect(200) { ["X-User"] = "alice" }
	end,
}

flow "an invented nonce, one of another address, and one that is too old are refused" {
	script_text = script 'nonce_expires = 60, user2pass = { alice = "secret" }',
	run = function(net)
		local alice, mallory = net:phone("alice", ALICE), net:phone("mallory", MALLORY)
		local challenge = asked(alice)
		is_refused(alice, challenge, { nonce = "abc" })
		is_refused(alice, challenge, { nonce = ("0123456789abcdef"):rep(2) }, true)
		is_refused(alice, challenge, { nonce = challenge.nonce:sub(1, 31) .. (challenge.nonce:sub(32) == "0" and "1" or "0") }, true)
		is_refused(mallory, challenge, {}, true)
		net:advance(61)
		local fresh = is_refused(alice, challenge, {}, true)
		register(alice, { headers = credentials(fresh) })
		alice:expect(200)
	end,
}

flow "a digest for another URI is answered 400, for the same one written otherwise it is right" {
	script_text = script(),
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local challenge = asked(alice)
		for _, uri in ipairs { "sip:example.net", "sip:alice@example.com", "sips:example.com", "/" } do
			register(alice, { headers = credentials(challenge, { uri = uri }) })
			alice:expect(400) { reason = "Digest URI Is Not The Request-URI" }
		end
		is_refused(alice, challenge, { uri = HERE, claim = { uri = "sip:EXAMPLE.com" } }) -- not what was digested
		register(alice, { headers = credentials(challenge, { uri = "sip:Example.com;transport=udp" }) })
		alice:expect(200)
	end,
}

flow "a script may take the digest for another URI, as proxies in between make it" {
	script_text = script 'check_uri = false, user2pass = { alice = "secret" }',
	run = function(net)
		local alice = net:phone("alice", ALICE)
		register(alice, { headers = credentials(asked(alice), { uri = "sip:example.net" }) })
		alice:expect(200)
	end,
}

local wrong = {
	{ "no qop", { claim = { qop = false, nc = false, cnonce = false } } },
	{ "an unknown qop", { claim = { qop = "auth-conf" } } },
	{ "no nc", { claim = { nc = false } } },
	{ "nc of 0", { nc = 0 } },
	{ "nc of seven digits", { claim = { nc = "0000001" } } },
	{ "nc that is no number", { claim = { nc = "0000000g" } } },
	{ "another nc than was digested", { claim = { nc = "00000002" } } },
	{ "no cnonce", { claim = { cnonce = false } } },
	{ "another cnonce than was digested", { claim = { cnonce = "0" } } },
	{ "no user", { claim = { username = false } } },
	{ "an empty user", { user = "" } },
	{ "a user of 300 bytes", { user = ("a"):rep(300) } },
	{ "no nonce", { claim = { nonce = false } } },
	{ "no uri", { claim = { uri = false } } },
	{ "no response", { claim = { response = false } } },
	{ "an empty response", { claim = { response = "" } } },
	{ "a response that is too long", { claim = { response = ("0"):rep(65) } } },
	{ "a response for another method", { method = "INVITE" } },
	{ "another realm", { realm = "example.net" } },
	{ "no realm", { claim = { realm = false } } },
	{ "an algorithm that was not offered", { claim = { algorithm = "MD5-sess" } } },
	{ "a hashed user name", { claim = { userhash = "true", -- SHA-256 of alice:example.com
		username = "182821e63518db2dd774c82f8142291d0376025311d4a5988d61e5a5dfafbbde" } } },
	{ "another algorithm than was digested", { claim = { algorithm = "SHA-512-256" } } },
	{ "an escaped user that is another", { claim = { username = "al\\ice2" } } },
}
for _, case in ipairs(wrong) do
	flow("credentials with " .. case[1] .. " are refused") {
		script_text = script 'algorithms = { "SHA-256", "MD5", "SHA-512-256" }, user2pass = { alice = "secret" }',
		run = function(net)
			local alice = net:phone("alice", ALICE)
			is_refused(alice, asked(alice), case[2])
			net:counts { registrations = 0, auth_passed = 0 }
		end,
	}
end

for _, header in ipairs {
	"Basic YWxpY2U6c2VjcmV0", "Digest", 'Digest nonce="', "Bearer x", 'Digest realm="example.com", realm="example.com"',
	"Digest " .. ("x=1, "):rep(40) .. 'realm="example.com"',
} do
	flow("what is no digest is refused: " .. header:sub(1, 40)) {
		script_text = script(),
		run = function(net)
			local alice = net:phone("alice", ALICE)
			register(alice, { headers = { "Authorization: " .. header } })
			alice:expect(401)
		end,
	}
end

flow "capitals in the response are the same number, an escape in the user is undone" {
	script_text = script(),
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local challenge = asked(alice)
		local line = credentials(challenge)[1]
		line = line:gsub('response="(%x+)"', function(hex) return ('response="%s"'):format(hex:upper()) end)
		register(alice, { headers = { (line:gsub('username="alice"', 'username="al\\ice"')) } })
		alice:expect(200)
	end,
}

-- ---- reloads ----

flow "a reload forgets neither nonces nor which were used" {
	script_text = script(),
	run = function(net)
		local alice = net:phone("alice", ALICE)
		local challenge, unused = asked(alice), asked(alice)
		register(alice, { headers = credentials(challenge) })
		alice:expect(200)
		net:reload(script 'opaque = "new", user2pass = { alice = "secret" }')
		is_refused(alice, challenge, {}, true)
		register(alice, { headers = credentials(unused) })
		alice:expect(200)
	end,
}

-- ---- who may say what ----

flow "without a filter nobody registers for others, and all else is free" {
	script_text = script(),
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		local challenge = asked(alice)
		register(alice, { to = "<sip:bob@example.com>", headers = credentials(challenge) })
		alice:expect(403)
		register(alice, { to = "<sip:%61lice@example.com>", headers = credentials(challenge, { nc = 2 }) })
		alice:expect(200)
		local uri = "sip:x@198.51.100.8"
		alice:request("OPTIONS", uri, { from = "<sip:bob@example.com>;tag=1",
			headers = credentials(challenge, { nc = 3, method = "OPTIONS", uri = uri }) })
		bob:expect "OPTIONS"
		net:counts { registrations = 1 }
	end,
}

local FILTERS = [[filter = {
	REGISTER = { { "ToIsFrom", "FromIsRealm", "FromIsAuthUser" },
		{ function(message, leg, from, user, realm)
			sip.sleep(1)
			return user == "boss" and realm == "example.com" and from.port == 5062
		end } },
	OPTIONS = "FromIsRealm",
}, user2pass = { alice = "secret", ["alice@example.com"] = "secret", boss = "secret" }]]

for _, case in ipairs {
	{ "all rules of a list agree", "REGISTER", AOR, AOR, "alice", true },
	{ "To is another", "REGISTER", AOR, "sip:bob@example.com", "alice", false },
	{ "To is of another domain", "REGISTER", AOR, "sip:alice@example.net", "alice", false },
	{ "the user is another", "REGISTER", "sip:bob@example.com", "sip:bob@example.com", "alice", false },
	{ "the other list agrees, later", "REGISTER", "sip:bob@example.com", "sip:bob@example.com", "boss", true },
	{ "the user's name holds the domain", "REGISTER", AOR, AOR, "alice@example.com", true },
	{ "From is below the realm", "OPTIONS", "sip:x@a.b.EXAMPLE.com", "sip:y@z", "alice", true },
	{ "From is elsewhere", "OPTIONS", "sip:x@badexample.com", "sip:y@z", "alice", false },
} do
	local name, method, from, to, user, welcome = unpack(case)
	flow("filter: " .. name) {
		script_text = script(FILTERS, "function(message) return message:reply(200) end"),
		run = function(net)
			local alice = net:phone("alice", ALICE)
			alice:request(method, HERE, { from = ("<%s>;tag=1"):format(from), to = ("<%s>"):format(to),
				headers = credentials(asked(alice), { user = user, method = method }) })
			net:advance(1.1)
			alice:expect(welcome and 200 or 403)
			net:advance(40)
		end,
	}
end

-- ---- ACK, CANCEL, dialogs ----

local PROXY = script 'i_am_proxy = true, user2pass = { alice = "secret" }'

local function called(net, alice, bob)
	local uri = "sip:bob@198.51.100.8"
	local first = alice:request("INVITE", uri)
	local refused = alice:expect(407)
	alice:same_transaction("ACK", first, { to = refused:header "To" })
	local line = digest.answer(digest.challenge(refused), { user = "alice", password = "secret", method = "INVITE", uri = uri })
	local invite = alice:request("INVITE", uri, { headers = { line } })
	return invite, bob:expect "INVITE" { ["Proxy-Authorization"] = false }, line, net
end

flow "a CANCEL and the ACK to a failure pass with the transaction that passed, without credentials" {
	script_text = PROXY,
	run = function(net)
		local alice, bob, mallory = net:phone("alice", ALICE), net:phone("bob", BOB), net:phone("mallory", MALLORY)
		local invite, came = called(net, alice, bob)
		mallory:send_bytes((alice:same_transaction("CANCEL", invite).text))
		bob:expect "CANCEL"
		bob:reply(200)
		alice:expect(200)
		mallory:expect(481)
		bob:reply(487, { request = came })
		alice:same_transaction("ACK", invite, { to = alice:expect(487):header "To" })
		bob:expect "ACK"
		bob:expect_nothing()
	end,
}

flow "the ACK to a 2xx passes in its dialog or with the credentials of its INVITE, and no other does" {
	script_text = PROXY,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		local invite, _, line = called(net, alice, bob)
		bob:reply(200)
		local answer = alice:expect(200)
		local inside = { call_id = invite:header "Call-ID", from = invite:header "From", to = answer:header "To" }
		local remote = "sip:bob@198.51.100.8:5060"
		alice:request("ACK", remote, { call_id = inside.call_id, from = inside.from, to = inside.to,
			route = answer:rows "Record-Route", headers = { line } })
		bob:expect "ACK" { ["Proxy-Authorization"] = false }
		alice:request("ACK", remote, { call_id = inside.call_id, from = inside.from, to = inside.to, headers = { line } })
		bob:expect "ACK" { ["Proxy-Authorization"] = false }
		alice:request("ACK", remote, { call_id = inside.call_id, from = inside.from, to = inside.to })
		alice:request("ACK", remote, { headers = { (line:gsub("response=\"..", 'response="00')) } })
		bob:expect_nothing()
		net:counts { dropped_by_script = 2 }
	end,
}

flow "the ACK to a challenge inside a dialog is absorbed, and the ACK to what was then accepted passes" {
	script_text = PROXY,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		called(net, alice, bob)
		bob:reply(200)
		local answer, remote = alice:expect(200), "sip:bob@198.51.100.8:5060"
		local function inside(method, given)
			given.call_id, given.from, given.to = answer:header "Call-ID", answer:header "From", answer:header "To"
			given.route = answer:rows "Record-Route"
			return alice:request(method, remote, given)
		end
		local again = inside("INVITE", { cseq = 77 })
		local refused = alice:expect(407) { To = answer:header "To" }
		alice:same_transaction("ACK", again, { to = refused:header "To" })
		alice:same_transaction("ACK", again, { to = refused:header "To" })
		bob:expect_nothing()
		net:counts { acks_absorbed = 3 }
		local line = digest.answer(digest.challenge(refused),
			{ user = "alice", password = "secret", method = "INVITE", uri = remote })
		inside("INVITE", { cseq = 78, via = again:rows("Via")[1], headers = { line } })
		bob:expect "INVITE"
		bob:reply(200)
		alice:expect(200)
		inside("ACK", { cseq = 78, via = again:rows("Via")[1] })
		bob:expect "ACK"
		net:advance(33)
		alice:same_transaction("ACK", again, { to = refused:header "To" })
		bob:expect "ACK"
		bob:expect_nothing()
	end,
}

flow "an INVITE that is repeated passes again, unchanged" {
	script_text = PROXY,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		local invite, came = called(net, alice, bob)
		net:advance(0.5)
		alice:resend(invite)
		net:equal(bob:expect("INVITE").text, came.text, "the INVITE that was forwarded again")
	end,
}

flow "responses are nobody's to authorize" {
	script_text = PROXY,
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		called(net, alice, bob)
		bob:reply(180)
		alice:expect(180)
	end,
}

flow "in a dialog nobody is asked again where the chain's filter says so" {
	script_text = [[
local sip = require "viaduct"
local auth = sip.authorize { realm = "example.com", i_am_proxy = true, user2pass = { alice = "secret" } }
local outside = sip.receive_chain { auth, filter = function(message) return not message:is_in_dialog() end }
return { receive = sip.receive_chain { outside, sip.stateless_proxy {} } }]],
	run = function(net)
		local alice, bob = net:phone("alice", ALICE), net:phone("bob", BOB)
		local invite, came = called(net, alice, bob)
		bob:reply(200)
		alice:expect(200)
		bob:request("BYE", "sip:alice@198.51.100.7:5062", { call_id = invite:header "Call-ID", from = invite:header "To" .. ";tag=bob",
			to = invite:header "From", route = came:rows "Record-Route" })
		alice:expect "BYE"
		alice:reply(200)
		bob:expect(200)
		bob:request("BYE", "sip:alice@198.51.100.7:5062", { from = "<sip:bob@example.com>;tag=x", to = "<sip:alice@example.com>;tag=y" })
		bob:expect(407)
	end,
}

-- ---- mistakes ----

flow "a mistake in the options of authorize is told with its line" {
	script_text = script(),
	run = function(net)
		for _, case in ipairs {
			{ "", "authorize needs user2pass or user2a1" },
			{ "user2pass = { 'secret' }", "user2pass maps names to passwords" },
			{ "user2pass = 'secret'", "option 'user2pass' of authorize must be a table or function" },
			{ "user2a1 = { alice = 'secret' }", "user2a1 must give 32 hexadecimal digits for MD5" },
			{ ("user2a1 = { alice = '%s' }, algorithms = { 'SHA-256' }"):format(("0"):rep(32)), "64 hexadecimal digits for SHA-256" },
			{ "user2pass = {}, algorithms = { 'SHA-1' }", "not 'SHA-1'" },
			{ "user2pass = {}, algorithms = {}", "algorithms of authorize is a list" },
			{ "user2pass = {}, qop = {}", "qop of authorize names none" },
			{ "user2pass = {}, qop = { 'none' }", "not 'none'" },
			{ "user2pass = {}, nonce_expires = 0", "nonce_expires of authorize is whole seconds, 1 to 86400, not 0" },
			{ "user2pass = {}, nonce_expires = 1.5", "whole seconds, 1 to 86400, not 1.5" },
			{ "user2pass = {}, opaque = 'a\\nb'", "opaque of authorize is at most 128 bytes without line breaks" },
			{ "user2pass = {}, opaque = ('a'):rep(129)", "opaque of authorize is at most 128 bytes" },
			{ ("user2a1 = { '%s' }"):format(("0"):rep(32)), "user2a1 maps names" },
			{ "user2pass = {}, algorithms = { nil, 'MD5' }", "algorithms of authorize: a list without gaps" },
			{ "user2pass = {}, qop = { int = 'auth' }", "qop of authorize: a list without gaps" },
			{ "user2pass = {}, dispatcher = 5", "option 'dispatcher' of authorize is what sip.dispatcher { ... } gave" },
			{ "user2pass = {}, filter = { REGISTER = { {} } }", "a rule of a filter is empty" },
			{ "user2pass = {}, filter = { REGISTER = { { 'ToIsFrom' }, {} } }", "a rule of a filter is empty" },
			{ "user2pass = {}, filter = { REGISTER = { { nil, 'ToIsFrom' } } }", "a rule of a filter: a list without gaps" },
			{ "user2pass = {}, filter = { Register = 'ToIsFrom' }", "letter case counts: write REGISTER" },
			{ "user2pass = {}, filter = { REGISTER = 'ToIsMe' }",
				"'ToIsMe' is no rule of a filter; there are FromIsAuthUser, FromIsRealm, ToIsAuthUser, ToIsFrom" },
			{ "user2pass = {}, filter = { 'ToIsFrom' }", "a filter names methods" },
			{ "user2pass = {}, filter = { REGISTER = {} }", "a rule of a filter is empty" },
			{ "user2pass = {}, realms = 'x'", "has no option 'realms'" },
		} do
			net:refuses(script(case[1]), 3, case[2])
		end
		net:refuses([[local sip = require "viaduct"
return { receive = sip.authorize { user2pass = {} } }]], 2, "authorize needs a realm")
		net:refuses([[local sip = require "viaduct"
return { receive = sip.authorize { realm = "a\r\nb", user2pass = {} } }]], 2, "the realm is 1 to 256 bytes without line breaks")
	end,
}

flow "a realm that no header may hold raises, and lets nobody in" {
	script_text = [[
local sip = require "viaduct"
return { receive = sip.receive_chain { sip.authorize {
	realm = function(message) return message:header "Subject" and "a\r\nX: b" or nil end, user2pass = {},
}, sip.registrar {} } }]],
	run = function(net)
		local alice = net:phone("alice", ALICE)
		register(alice)
		alice:expect(500)
		net:expect_log "the realm function must give a text, not nil"
		register(alice, { headers = { "Subject: x" } })
		alice:expect(500)
		net:expect_log "in the callback that begins here: the realm is 1 to 256 bytes"
	end,
}

for option, told in pairs {
	["user2pass = function() return 7 end"] = "user2pass must give a password or nil, not a number",
	["user2a1 = function() return 'x' end"] = "user2a1 must give 32 hexadecimal digits for MD5",
} do
	flow("what " .. option:match "%w+" .. " gives and must not is told with the line where that begins") {
		script_text = script(option),
		run = function(net)
			local alice = net:phone("alice", ALICE)
			register(alice, { headers = credentials(asked(alice, "MD5")) })
			alice:expect(500)
			net:expect_log("script.lua:3: in the callback that begins here: " .. told)
		end,
	}
end

flow "auth-int is no way in where auth alone was offered, nor the other way round" {
	script_text = script(),
	run = function(net)
		local alice = net:phone("alice", ALICE)
		for _, qop in ipairs { { "auth", "auth-int" }, { "auth-int", "auth" } } do
			local offered, other = unpack(qop)
			net:is_true(net:reload(script(("qop = { '%s' }, user2pass = { alice = 'secret' }"):format(offered))), "it loads")
			local challenge = asked(alice)
			register(alice, { headers = credentials(challenge, { qop = other }) })
			challenge = digest.challenge(alice:expect(401))
			register(alice, { headers = credentials(challenge, { qop = offered }) })
			alice:expect(200)
		end
	end,
}

/* Digest authentication, for Lua (abi.h). */
#include <math.h>

#include "base/check.h"
#include "script/script.h"
#include "sip/line.h"

_Static_assert((int)VD_MD5 == DIGEST_MD5 && (int)VD_SHA_256 == DIGEST_SHA_256 &&
		       (int)VD_SHA_512_256 == DIGEST_SHA_512_256 &&
		       (int)VD_ALGORITHMS == DIGEST_ALGORITHMS,
	"algorithms");
_Static_assert((int)VD_AUTH_NONE == AUTH_NONE && (int)VD_AUTH_STALE == AUTH_STALE &&
		       (int)VD_AUTH_WRONG_URI == AUTH_WRONG_URI &&
		       (int)VD_AUTH_FOUND == AUTH_FOUND && (int)VD_AUTH_REPEATED == AUTH_REPEATED,
	"findings");
_Static_assert((int)VD_PASSWORD == SECRET_PASSWORD && (int)VD_A1 == SECRET_A1 &&
		       (int)VD_NOBODY == SECRET_NONE,
	"secrets");
_Static_assert((int)VD_AUTH_RIGHT == AUTH_RIGHT && (int)VD_AUTH_WRONG == AUTH_WRONG &&
		       (int)VD_AUTH_TOO_LATE == AUTH_TOO_LATE,
	"verdicts");

static bool read_algorithms(const vd_authorizer *options, struct authorizer *authorizer)
{
	if (options->n_algorithms < 1 || options->n_algorithms > DIGEST_ALGORITHMS)
		return false;
	for (int i = 0; i < options->n_algorithms; i++) {
		if (options->algorithms[i] < 0 || options->algorithms[i] >= DIGEST_ALGORITHMS)
			return false;
		authorizer->algorithms[i] = (enum digest_algorithm)options->algorithms[i];
	}
	authorizer->n_algorithms = (uint32_t)options->n_algorithms;
	return true;
}

static bool read_options(
	const vd_authorizer *options, struct span opaque, struct authorizer *authorizer)
{
	enum { LONGEST_S = 86400 };
	static const char *const qops[2][2] = {{NULL, "auth-int"}, {"auth", "auth,auth-int"}};
	authorizer->is_proxy = options->is_proxy != 0;
	authorizer->any_uri = options->any_uri != 0;
	authorizer->qop = qops[options->auth != 0][options->auth_int != 0];
	if (!authorizer->qop || !read_algorithms(options, authorizer) ||
		!(options->life >= 1 && options->life <= LONGEST_S) || opaque.n > AUTH_OPAQUE_MAX ||
		!text_is_writable(opaque))
		return false;
	authorizer->life_ms = llround(options->life * 1000);
	if (opaque.n) {
		memcpy(authorizer->opaque_text, opaque.p, opaque.n);
		authorizer->opaque = span_of(authorizer->opaque_text, opaque.n);
	}
	return true;
}

int vd_authorizer_new(
	struct vd_script *script, const vd_authorizer *options, const char *opaque, uint32_t n)
{
	struct authorizer authorizer = {0};
	if (script->n_authorizers == SCRIPT_AUTHORIZERS_MAX)
		return VD_LIMIT;
	if (!read_options(options, span_of(opaque, n), &authorizer))
		return VD_BAD_VALUE;
	for (uint32_t i = 0; i < authorizer.n_algorithms; i++)
		if (!auth_knows(script->engine, authorizer.algorithms[i]))
			return VD_REFUSED;
	struct authorizer *kept = must_alloc(sizeof *kept);
	*kept = authorizer;
	if (n)
		kept->opaque.p = kept->opaque_text;
	script->authorizers[script->n_authorizers] = kept;
	return (int)script->n_authorizers++;
}

/* What each call is about; VD_OK when all of it is in order. */
struct asked {
	struct packet *packet;
	const struct authorizer *authorizer;
	struct span realm;
};

static int ask(struct vd_script *script, int number, double handle, const char *realm, uint32_t n,
	struct asked *asked)
{
	asked->packet = packet_of(script->engine, handle);
	asked->realm = span_of(realm, n);
	if (!asked->packet)
		return VD_GONE;
	if (number < 0 || (uint32_t)number >= script->n_authorizers ||
		!asked->packet->msg.is_request)
		return VD_MISUSE;
	asked->authorizer = script->authorizers[number];
	return n && n <= NONCE_REALM_MAX && text_is_writable(asked->realm) ? VD_OK : VD_BAD_VALUE;
}

int vd_auth_find(struct vd_script *script, int number, double handle, const char *realm, uint32_t n,
	vd_value *user)
{
	struct asked asked;
	struct auth_found found;
	int rc = ask(script, number, handle, realm, n, &asked);
	if (rc)
		return rc;
	enum auth_finding finding = auth_find(asked.packet, asked.authorizer, asked.realm, &found);
	user->p = found.credentials.username.p;
	user->n = found.credentials.username.n;
	user->extra = (int)found.algorithm;
	user->number = (double)found.bytes;
	return (int)finding;
}

int vd_auth_check(struct vd_script *script, int number, double handle, const char *realm,
	uint32_t n, int kind, const char *secret, uint32_t secret_n, double seen)
{
	struct asked asked;
	int rc = ask(script, number, handle, realm, n, &asked);
	if (rc)
		return rc;
	if (kind < VD_PASSWORD || kind > VD_NOBODY || !(seen >= 0 && seen < 0x1p53))
		return VD_BAD_VALUE;
	return (int)auth_check(asked.packet, asked.authorizer, asked.realm, (enum auth_secret)kind,
		span_of(secret, secret_n), (uint64_t)seen);
}

int vd_auth_was_let_in(
	struct vd_script *script, int number, double handle, const char *realm, uint32_t n)
{
	struct asked asked;
	int rc = ask(script, number, handle, realm, n, &asked);
	return rc ? rc : auth_was_let_in(asked.packet, asked.authorizer, asked.realm);
}

int vd_auth_strip(
	struct vd_script *script, int number, double handle, const char *realm, uint32_t n)
{
	struct asked asked;
	int rc = ask(script, number, handle, realm, n, &asked);
	if (!rc)
		auth_strip(asked.packet, asked.authorizer, asked.realm);
	return rc;
}

int vd_auth_challenge(struct vd_script *script, int number, double handle, const char *realm,
	uint32_t n, int stale)
{
	struct asked asked;
	int rc = ask(script, number, handle, realm, n, &asked);
	if (rc)
		return rc;
	if (asked.packet->decision != DECISION_NONE)
		return VD_REFUSED;
	return (int)auth_challenge(asked.packet, asked.authorizer, asked.realm, stale != 0);
}

#include "sip/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/check.h"

struct digests {
	EVP_MD *md[DIGEST_ALGORITHMS]; /* NULL: not to be had */
	EVP_MD_CTX *ctx;
};

static const struct {
	struct span name;
	const char *fetched;
	uint32_t length;
} algorithms[DIGEST_ALGORITHMS] = {
	[DIGEST_MD5] = {{"MD5", 3}, "MD5", 32},
	[DIGEST_SHA_256] = {{"SHA-256", 7}, "SHA2-256", 64},
	[DIGEST_SHA_512_256] = {{"SHA-512-256", 11}, "SHA2-512/256", 64},
};

struct digests *digests_new(void)
{
	struct digests *digests = must_zalloc(sizeof *digests);
	for (int i = 0; i < DIGEST_ALGORITHMS; i++)
		digests->md[i] = EVP_MD_fetch(NULL, algorithms[i].fetched, NULL);
	digests->ctx = EVP_MD_CTX_new();
	BUG(!digests->ctx);
	return digests;
}

void digests_free(struct digests *digests)
{
	if (!digests)
		return;
	for (int i = 0; i < DIGEST_ALGORITHMS; i++)
		EVP_MD_free(digests->md[i]);
	EVP_MD_CTX_free(digests->ctx);
	free(digests);
}

bool digests_know(const struct digests *digests, enum digest_algorithm algorithm)
{
	return digests->md[algorithm] != NULL;
}

struct span digest_algorithm_name(enum digest_algorithm algorithm)
{
	return algorithms[algorithm].name;
}

bool digest_algorithm_of(struct span name, enum digest_algorithm *algorithm)
{
	*algorithm = DIGEST_MD5;
	if (!name.p)
		return true;
	for (int i = 0; i < DIGEST_ALGORITHMS; i++)
		if (span_ieq(name, algorithms[i].name)) {
			*algorithm = (enum digest_algorithm)i;
			return true;
		}
	return false;
}

uint32_t digest_length(enum digest_algorithm algorithm)
{
	return algorithms[algorithm].length;
}

/* ---- hashing ---- */

/* The pieces with a colon between each two, as digits. */
static struct span hash(struct digests *digests, enum digest_algorithm algorithm,
	const struct span *pieces, int n, char out[DIGEST_HEX_MAX])
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	EVP_MD_CTX *ctx = digests->ctx;
	int fine = EVP_DigestInit_ex2(ctx, digests->md[algorithm], NULL);
	for (int i = 0; i < n; i++) {
		if (i)
			fine &= EVP_DigestUpdate(ctx, ":", 1);
		if (pieces[i].n)
			fine &= EVP_DigestUpdate(ctx, pieces[i].p, pieces[i].n);
	}
	fine &= EVP_DigestFinal_ex(ctx, bytes, &length);
	BUG(!fine || 2 * length != algorithms[algorithm].length);
	for (unsigned i = 0; i < length; i++) {
		out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	return span_of(out, 2 * length);
}

void digest_a1(struct digests *digests, enum digest_algorithm algorithm, struct span username,
	struct span realm, struct span password, char a1[DIGEST_HEX_MAX])
{
	hash(digests, algorithm, (struct span[]){username, realm, password}, 3, a1);
}

static struct span lower(struct span text, char out[DIGEST_HEX_MAX])
{
	for (uint32_t i = 0; i < text.n; i++)
		out[i] = ascii_lower(text.p[i]);
	return span_of(out, text.n);
}

bool digest_response(struct digests *digests, const struct digest_request *request,
	const struct credentials *credentials, char response[DIGEST_HEX_MAX])
{
	enum digest_algorithm algorithm = request->algorithm;
	char a1_room[DIGEST_HEX_MAX], a2_room[DIGEST_HEX_MAX], body_room[DIGEST_HEX_MAX];
	bool with_body = span_ieq(credentials->qop, SPAN("auth-int"));
	if (!with_body && !span_ieq(credentials->qop, SPAN("auth")))
		return false;
	if (!credentials->nonce.p || !credentials->uri.p || !credentials->nc.p ||
		!credentials->cnonce.p || request->a1.n != digest_length(algorithm))
		return false;
	struct span pieces[3] = {request->method, credentials->uri};
	if (with_body)
		pieces[2] = hash(digests, algorithm, &request->body, 1, body_room);
	struct span a2 = hash(digests, algorithm, pieces, with_body ? 3 : 2, a2_room);
	hash(digests, algorithm,
		(struct span[]){lower(request->a1, a1_room), credentials->nonce, credentials->nc,
			credentials->cnonce, credentials->qop, a2},
		6, response);
	return true;
}

bool digest_is_right(struct digests *digests, const struct digest_request *request,
	const struct credentials *credentials)
{
	char expected[DIGEST_HEX_MAX], said[DIGEST_HEX_MAX];
	uint32_t n = digest_length(request->algorithm);
	if (!digest_response(digests, request, credentials, expected) ||
		credentials->response.n != n)
		return false;
	lower(credentials->response, said);
	return CRYPTO_memcmp(expected, said, n) == 0;
}

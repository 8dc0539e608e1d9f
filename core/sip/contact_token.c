#include "sip/contact_token.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "base/check.h"

enum { BLOCK = 16, KEY = 16, TEXT_MAX = CONTACT_PLACE + CONTACT_MAX };
enum { MAC_MAX = BLOCK + (TEXT_MAX + BLOCK - 1) / BLOCK * BLOCK };

struct contact_key {
	EVP_CIPHER_CTX *mac, *cipher;
};

/* ---- keys ---- */

static bool derive(struct span secret, unsigned char out[2 * KEY])
{
	static char info[] = "viaduct contact 1", digest[] = "SHA256";
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret.p, secret.n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof info - 1),
		OSSL_PARAM_construct_end(),
	};
	bool ok = context && EVP_KDF_derive(context, out, 2 * KEY, params) > 0;
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return ok;
}

static EVP_CIPHER_CTX *context_new(const char *name, const unsigned char key[KEY])
{
	static const unsigned char iv[BLOCK];
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *context = cipher ? EVP_CIPHER_CTX_new() : NULL;
	bool ok = context && EVP_EncryptInit_ex2(context, cipher, key, iv, NULL) > 0 &&
		  EVP_CIPHER_CTX_set_padding(context, 0) > 0;
	if (!ok) {
		EVP_CIPHER_CTX_free(context);
		context = NULL;
	}
	EVP_CIPHER_free(cipher); /* the context holds it */
	return context;
}

struct contact_key *contact_key_new(struct span secret)
{
	unsigned char keys[2 * KEY];
	struct contact_key *key = must_zalloc(sizeof *key);
	if (derive(secret, keys)) {
		key->mac = context_new("AES-128-CBC", keys);
		key->cipher = context_new("AES-128-CTR", keys + KEY);
	}
	OPENSSL_cleanse(keys, sizeof keys);
	if (key->mac && key->cipher)
		return key;
	contact_key_free(key);
	return NULL;
}

void contact_key_free(struct contact_key *key)
{
	if (!key)
		return;
	EVP_CIPHER_CTX_free(key->mac);
	EVP_CIPHER_CTX_free(key->cipher);
	free(key);
}

/* ---- the cipher ---- */

/* Whole blocks if `context` wants them; in place is fine. */
static bool run(EVP_CIPHER_CTX *context, const unsigned char iv[BLOCK], const unsigned char *in,
	uint32_t n, unsigned char *out)
{
	int written;
	return EVP_EncryptInit_ex2(context, NULL, NULL, iv, NULL) > 0 &&
	       EVP_EncryptUpdate(context, out, &written, in, (int)n) > 0 && written == (int)n;
}

/* The bytes of a word: IV, then place and contact, enciphered. */
static bool find_iv(struct contact_key *key, uint64_t shown_at, const unsigned char *text,
	uint32_t n, unsigned char iv[BLOCK])
{
	static const unsigned char zero[BLOCK];
	unsigned char in[MAC_MAX], out[MAC_MAX];
	uint32_t padded = (n + BLOCK - 1) / BLOCK * BLOCK;
	memset(in, 0, BLOCK);
	for (int i = 0; i < 4; i++)
		in[i] = (unsigned char)(n >> (8 * i));
	for (int i = 0; i < 8; i++)
		in[8 + i] = (unsigned char)(shown_at >> (8 * i));
	memcpy(in + BLOCK, text, n);
	memset(in + BLOCK + n, 0, padded - n);
	if (!run(key->mac, zero, in, BLOCK + padded, out))
		return false;
	memcpy(iv, out + padded, CONTACT_IV); /* of the last block */
	memset(iv + CONTACT_IV, 0, BLOCK - CONTACT_IV);
	return true;
}

/* ---- letters ---- */

static const char alphabet[32] = "abcdefghijklmnopqrstuvwxyz234567";

uint32_t contact_letters(struct span bytes, char *out)
{
	const unsigned char *in = (const unsigned char *)bytes.p;
	char *begin = out;
	uint32_t held = 0, bits = 0;
	for (uint32_t i = 0; i < bytes.n; i++) {
		held = held << 8 | in[i];
		for (bits += 8; bits >= 5;)
			*out++ = alphabet[held >> (bits -= 5) & 31];
	}
	if (bits)
		*out++ = alphabet[held << (5 - bits) & 31];
	return (uint32_t)(out - begin);
}

/* 0 to 31; 32 and more: no letter of ours. */
static inline unsigned value_of(char c)
{
	unsigned letter = (unsigned)(unsigned char)(c | 0x20) - 'a';
	unsigned digit = (unsigned)(unsigned char)c - '2';
	return letter < 26 ? letter : digit < 6 ? digit + 26 : 32;
}

int64_t contact_bytes(struct span letters, char *out)
{
	const char *begin = out;
	uint32_t held = 0, bits = 0;
	for (uint32_t i = 0; i < letters.n; i++) {
		unsigned value = value_of(letters.p[i]);
		if (value > 31)
			return -1;
		held = held << 5 | value;
		bits += 5;
		if (bits >= 8)
			*out++ = (char)(held >> (bits -= 8));
	}
	/* What is left over is less than a letter, and zero, or two words would mean the same. */
	if (bits >= 5 || held & ((1u << bits) - 1))
		return -1;
	return out - begin;
}

/* ---- words ---- */

uint32_t contact_word_make(struct contact_key *key, const struct contact_places *places,
	struct span contact, char *out)
{
	unsigned char bytes[CONTACT_IV + TEXT_MAX], iv[BLOCK], *text = bytes + CONTACT_IV;
	uint32_t n = CONTACT_PLACE + contact.n;
	if (!contact.n || contact.n > CONTACT_MAX)
		return 0;
	for (int i = 0; i < CONTACT_PLACE; i++)
		text[i] = (unsigned char)(places->leads_to >> (8 * i));
	memcpy(text + CONTACT_PLACE, contact.p, contact.n);
	if (!find_iv(key, places->shown_at, text, n, iv) || !run(key->cipher, iv, text, n, text))
		return 0;
	memcpy(bytes, iv, CONTACT_IV);
	*out = 'b'; /* a letter first: nobody takes it for a telephone number */
	return 1 + contact_letters(span_of((const char *)bytes, CONTACT_IV + n), out + 1);
}

bool contact_word_is_like(struct span word)
{
	if (word.n < CONTACT_WORD_LENGTH(1) || word.n > CONTACT_WORD_MAX ||
		ascii_lower(word.p[0]) != 'b')
		return false;
	for (uint32_t i = 1; i < word.n; i++)
		if (value_of(word.p[i]) > 31)
			return false;
	return true;
}

uint32_t contact_word_read(
	struct contact_key *key, struct contact_places *places, struct span word, char *out)
{
	unsigned char bytes[CONTACT_IV + TEXT_MAX + 1], iv[BLOCK] = {0}, expected[BLOCK];
	if (!contact_word_is_like(word))
		return 0;
	int64_t length = contact_bytes(span_from(word, 1), (char *)bytes);
	if (length <= CONTACT_FIXED)
		return 0;
	unsigned char *text = bytes + CONTACT_IV;
	uint32_t n = (uint32_t)length - CONTACT_IV;
	memcpy(iv, bytes, CONTACT_IV);
	if (!run(key->cipher, iv, text, n, text) ||
		!find_iv(key, places->shown_at, text, n, expected) ||
		CRYPTO_memcmp(iv, expected, CONTACT_IV))
		return 0;
	places->leads_to = 0;
	for (int i = 0; i < CONTACT_PLACE; i++)
		places->leads_to |= (uint32_t)text[i] << (8 * i);
	memcpy(out, text + CONTACT_PLACE, n - CONTACT_PLACE);
	return n - CONTACT_PLACE;
}

#include "sip/contact_token.h"

#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "base/check.h"

enum { BLOCK = 16, KEY = 16, TEXT_MAX = CONTACT_PLACE + CONTACT_MAX };
enum { TEXT_BLOCKS_MAX = (TEXT_MAX + BLOCK - 1) / BLOCK * BLOCK };

struct contact_key {
	EVP_CIPHER_CTX *mac;	   /* AES-128-CBC, which goes on from what it did last */
	unsigned char last[BLOCK]; /* that block */
	EVP_CIPHER_CTX *cipher;	   /* AES-128, block by block */
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

/* No IV is ever set again: for each one OpenSSL looks up parameters by name, which takes longer
 * than all else about a word. */
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
		key->cipher = context_new("AES-128-ECB", keys + KEY);
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

/* Whole blocks; in place is fine. */
static bool encrypt(EVP_CIPHER_CTX *aes, const unsigned char *in, uint32_t n, unsigned char *out)
{
	int written;
	return EVP_EncryptUpdate(aes, out, &written, in, (int)n) > 0 && written == (int)n;
}

/* Eight bytes at a time, and then what is left. */
static void add_to(unsigned char *to, const unsigned char *from, uint32_t n)
{
	for (; n >= 8; to += 8, from += 8, n -= 8) {
		uint64_t sum = load_u64((const char *)to) ^ load_u64((const char *)from);
		memcpy(to, &sum, 8);
	}
	for (uint32_t i = 0; i < n; i++)
		to[i] ^= from[i];
}

/* CBC-MAC of length, place and text. The context begins with what it ended with, and so do we: the
 * two cancel out. `iv` has zeros behind its CONTACT_IV bytes. */
static bool find_iv(struct contact_key *key, uint64_t shown_at, const unsigned char *text,
	uint32_t n, unsigned char iv[BLOCK])
{
	unsigned char blocks[BLOCK + TEXT_BLOCKS_MAX];
	uint32_t all = BLOCK + (n + BLOCK - 1) / BLOCK * BLOCK;
	memset(blocks + all - BLOCK, 0, BLOCK); /* the last one ends with zeros */
	const uint64_t first[] = {htole64(n), htole64(shown_at)};
	memcpy(blocks, first, BLOCK);
	add_to(blocks, key->last, BLOCK);
	memcpy(blocks + BLOCK, text, n);
	if (!encrypt(key->mac, blocks, all, blocks))
		return false;
	memcpy(key->last, blocks + all - BLOCK, BLOCK);
	memcpy(iv, key->last, CONTACT_IV);
	memset(iv + CONTACT_IV, 0, BLOCK - CONTACT_IV);
	return true;
}

/* CTR, both ways: the last four bytes of `iv` count the blocks. */
static bool run(
	struct contact_key *key, const unsigned char iv[BLOCK], unsigned char *text, uint32_t n)
{
	unsigned char stream[TEXT_BLOCKS_MAX];
	uint32_t blocks = (n + BLOCK - 1) / BLOCK;
	for (uint32_t i = 0; i < blocks; i++) {
		unsigned char *block = stream + i * BLOCK;
		memcpy(block, iv, BLOCK);
		block[BLOCK - 2] = (unsigned char)(i >> 8);
		block[BLOCK - 1] = (unsigned char)i;
	}
	if (!encrypt(key->cipher, stream, blocks * BLOCK, stream))
		return false;
	add_to(text, stream, n);
	return true;
}

/* ---- letters ---- */

/* a to z, 2 to 7 (RFC 4648 6): of eight bytes the first five become eight letters, without a
 * branch.
 */
static inline void put_letters(char *out, uint64_t bytes)
{
	uint64_t x = bytes >> 24;
	x = (x & 0xfffff00000) << 12 | (x & 0xfffff); /* 5 bits in each byte, by halves */
	x = (x & 0x000ffc00000ffc00) << 6 | (x & 0x000003ff000003ff);
	x = (x & 0x03e003e003e003e0) << 3 | (x & 0x001f001f001f001f);
	uint64_t digits = (x + 0x6666666666666666) >> 7 & 0x0101010101010101; /* 26 and more */
	x += 0x6161616161616161 - digits * ('a' + 26 - '2');
	x = htobe64(x);
	memcpy(out, &x, 8);
}

/* The last `rest` (0 to 7) bytes before `end`, on top of a word; at least eight are there. */
static inline uint64_t load_last(const char *end, uint32_t rest)
{
	return rest ? be64toh(load_u64(end - 8)) << 8 * (8 - rest) : 0;
}

uint32_t contact_letters(struct span bytes, char *out)
{
	uint32_t at = 0, n = (bytes.n * 8 + 4) / 5;
	char few[8] = {0};
	for (; at + 8 <= bytes.n; at += 5, out += 8)
		put_letters(out, be64toh(load_u64(bytes.p + at)));
	const char *end = span_end(bytes);
	if (bytes.n < 8)
		end = (char *)memcpy(few + 8 - bytes.n, bytes.p, bytes.n) + bytes.n;
	uint64_t rest = load_last(end, bytes.n - at);
	put_letters(out, rest);
	put_letters(out + 8, rest << 40);
	return n;
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

/* ---- words: IV, then place and contact, enciphered ---- */

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
	if (!find_iv(key, places->shown_at, text, n, iv) || !run(key, iv, text, n))
		return 0;
	memcpy(bytes, iv, CONTACT_IV);
	*out = 'b'; /* a letter first: nobody takes it for a telephone number */
	return 1 + contact_letters(span_of((const char *)bytes, CONTACT_IV + n), out + 1);
}

static bool has_form(struct span word)
{
	return word.n >= CONTACT_WORD_LENGTH(1) && word.n <= CONTACT_WORD_MAX &&
	       ascii_lower(word.p[0]) == 'b';
}

bool contact_word_is_like(struct span word)
{
	if (!has_form(word))
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
	if (!has_form(word))
		return 0;
	int64_t length = contact_bytes(span_from(word, 1), (char *)bytes);
	if (length <= CONTACT_FIXED)
		return 0;
	unsigned char *text = bytes + CONTACT_IV;
	uint32_t n = (uint32_t)length - CONTACT_IV;
	memcpy(iv, bytes, CONTACT_IV);
	if (!run(key, iv, text, n) || !find_iv(key, places->shown_at, text, n, expected) ||
		CRYPTO_memcmp(iv, expected, CONTACT_IV))
		return 0;
	places->leads_to = 0;
	for (int i = 0; i < CONTACT_PLACE; i++)
		places->leads_to |= (uint32_t)text[i] << (8 * i);
	memcpy(out, text + CONTACT_PLACE, n - CONTACT_PLACE);
	return n - CONTACT_PLACE;
}

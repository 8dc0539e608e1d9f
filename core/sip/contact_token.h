/* Contacts as opaque words: what a proxy between two networks puts in the place of a Contact, so
 * that the address behind it is hidden and later requests come back to the proxy.
 *
 * A word is deterministic: the same contact, places and key give the same word, so that a repeated
 * request stays the same bytes and a refreshed REGISTER the same binding (RFC 3261 16.11, 10.3). It
 * is authenticated: a word that was changed, made with another key or comes back at another place
 * reads as nothing. It holds no secret of its own: whoever has the word can reach the contact.
 *
 * Synthetic IV (the idea of RFC 5297): IV = AES-128-CBC-MAC over length, the place it is shown at,
 * the place it leads to and the contact; then AES-128-CTR from that IV. The length comes first,
 * which makes the CBC-MAC one for messages of any length; the MAC and the cipher have keys of their
 * own, derived by HKDF-SHA256. The contexts are made once for a key: a word costs about a quarter
 * of a microsecond. Letters and digits only, read in any letter case: some peers lower-case what
 * they store. */
#pragma once

#include "base/span.h"

enum {
	CONTACT_MAX = 2048,	 /* bytes of a contact: what stands behind "sip:" */
	CONTACT_SECRET_MIN = 16, /* bytes of text a key is made of */
	CONTACT_IV = 12,
	CONTACT_PLACE = 4,
	CONTACT_FIXED = CONTACT_IV + CONTACT_PLACE,
};
/* Characters of the word for a contact of `n` bytes: 1.6 n and at most 27. */
#define CONTACT_WORD_LENGTH(n) (1 + ((CONTACT_FIXED + (n)) * 8 + 4) / 5)
/* Letters are written in eights: so many bytes behind them are lost too. */
enum { CONTACT_LETTERS_SLACK = 16 };
enum { CONTACT_WORD_MAX = CONTACT_WORD_LENGTH(CONTACT_MAX) };
enum { CONTACT_WORD_ROOM = CONTACT_WORD_MAX + CONTACT_LETTERS_SLACK };

/* One key with its contexts: for one thread. */
struct contact_key;
/* Of any bytes; NULL: OpenSSL is out of memory, or lacks AES. The secret is not kept. */
struct contact_key *contact_key_new(struct span secret);
void contact_key_free(struct contact_key *key); /* NULL is fine */

/* Where a word is shown, and where requests to it leave: any two numbers that are the same wherever
 * and whenever the word is to be read. */
struct contact_places {
	uint64_t shown_at;
	uint32_t leads_to;
};

/* Writes the word into `out` (CONTACT_WORD_LENGTH and CONTACT_LETTERS_SLACK); its length, or 0: the
 * contact is empty or longer than CONTACT_MAX. */
uint32_t contact_word_make(struct contact_key *key, const struct contact_places *places,
	struct span contact, char *out);
/* It may be a word of ours: right letters, long enough. Cheap. */
bool contact_word_is_like(struct span word);
/* The contact into `out` (CONTACT_MAX) and where it leads to; its length, or 0: it is not ours, or
 * not for `places->shown_at`. */
uint32_t contact_word_read(
	struct contact_key *key, struct contact_places *places, struct span word, char *out);

/* The letters alone, for those who encrypt on their own: (n * 8 + 4) / 5 of them, and
 * CONTACT_LETTERS_SLACK. */
uint32_t contact_letters(struct span bytes, char *out);
/* Back; the number of bytes, or -1: other letters, or bits that no bytes have. */
int64_t contact_bytes(struct span letters, char *out);

/* Contacts on their way from one place to another (legs.h), as a proxy hides them.
 *
 * A contact that came in at place A and leaves by place B becomes a word at B that leads to A
 * (sip/contact_token.h); coming in at B it is read, and becomes the contact again when it leaves by
 * A, or a word at C that leads to A when it leaves by C. So it is for Contact of requests and of
 * responses of every class, and for the Request-URI. Refer-To is only turned back: any other URI
 * there is for the one who is asked to look up; method and headers behind the word stay, as they
 * do, to be read, in the contacts of a redirection (RFC 3261 19.1.5). Route, Record-Route and
 * Service-Route are not touched (RFC 3608 6.2); a REGISTER that has a Path gets our part of it (RFC
 * 3327 5.2), for the Path goes before the contact.
 *
 * Left as they are: what is not sip or sips, `*`, and contacts with `gr`, which is reachable from
 * anywhere by definition and may not be changed (RFC 5627). */
#pragma once

#include "engine/proxy.h"

enum contact_kind {
	CONTACT_PLAIN, /* not made here */
	CONTACT_OURS,
	CONTACT_BAD, /* looks as if, and is not: changed, another key's, or of another place */
};

struct contact_found {
	struct span contact; /* behind "sip:"; in the arena of the message */
	uint64_t leads_to;   /* a place there is a leg at */
};

/* What a URI is that came in with this message. */
enum contact_kind contact_read(
	struct packet *packet, const struct uri *uri, struct contact_found *found);
/* The URI as the side of `out` may see it, in the arena: the contact itself at its own place, else
 * a word. p NULL: it is too long. */
struct span contact_shown(struct packet *packet, const struct uri *uri,
	const struct contact_found *found, const struct leg *out);
/* All headers of a message that is about to leave by `out`. 0, or the code to answer: 404 a word
 * that is none, 513 too long. A response is always 0: values of its Contact that cannot be hidden
 * are removed and counted. */
uint32_t contacts_rewrite(struct packet *packet, const struct leg *out);
/* The same for a response whose contacts a script has rewritten, as far as one can read them. */
void contacts_remove_unreadable(struct packet *packet);

/* For scripts that rewrite on their own: the sip or sips URI of that number in Contact, then
 * Refer-To; false: there are no more. */
struct contact_at {
	int header; /* index in the message */
	bool is_refer_to;
	bool is_last;	     /* there are surely no more */
	struct span all;     /* value of the header */
	struct span contact; /* what is to be hidden: behind "sip:" */
	struct nameaddr value;
};
bool contact_at(struct packet *packet, uint32_t number, struct contact_at *at);
/* Puts a URI there, which uri_parse takes; 0 or a negative enum edit_error. */
int contact_put(struct packet *packet, const struct contact_at *at, struct span uri);
/* The URI that shows `word`, of CHAR_HOST, as user at `out`; p NULL: it is too long. */
struct span contact_word_uri(
	struct packet *packet, const struct uri *like, struct span word, const struct leg *out);
/* The user part as a word is to be read: letters may come escaped (RFC 3261 19.1.4). In the arena
 * then. */
struct span contact_word(struct packet *packet, const struct uri *uri);
/* The parts of a URI that name us: some host and port of our legs. */
bool contact_is_at_us(struct packet *packet, const struct uri *uri);

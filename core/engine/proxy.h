/* What a stateless proxy of a script was told to do. */
#pragma once

#include "engine/engine.h"
#include "sip/contact_token.h"

enum { PROXY_KEYS_MAX = 5 }; /* one makes words, the others are accepted too */

struct proxy {
	uint32_t holds;
	bool rewrites;	/* hides contacts behind words when a message goes from one place to another
			 */
	bool by_script; /* how is the script's business */
	bool force;	/* within one place too */
	bool quiet;	/* keeps its error answers to itself */
	struct contact_key *keys[PROXY_KEYS_MAX]; /* owned */
	uint32_t n_keys;			  /* 0: the engine's own key, made at random */
};

/* The owner has the first hold; a transaction may outlive its script. NULL is fine. */
struct proxy *proxy_new(void);
struct proxy *proxy_hold(struct proxy *proxy);
void proxy_release(struct proxy *proxy);
/* 0; -1: PROXY_KEYS_MAX are there, or OpenSSL cannot. */
int proxy_add_key(struct proxy *proxy, struct span secret);

/* Contacts of this message are rewritten on their way from one leg to the other. */
static inline bool proxy_hides(
	const struct proxy *proxy, const struct leg *in, const struct leg *out)
{
	return proxy && proxy->rewrites && (proxy->force || in->place != out->place);
}

/* The hunt for an address that answers (RFC 3263 4.3): the addresses of one target in the order to
 * try them, the one being tried, and those left for the next.
 *
 * It makes no request and decides no end: its owner makes a client transaction for each address and
 * says when to leave it. What an address turned out to be worth is remembered for everybody
 * (engine/targets.h). It owns the list, and the client of the address being tried; those of
 * addresses that were left end by themselves. */
#pragma once

#include "engine/client.h"
#include "sip/locate.h"

enum {
	/* An address that has said nothing at all in so many T1 is left while there are others. By
	 * T2, 4 s, the request was sent four times, and who needs longer has said 100 (RFC 4320
	 * 4.1). */
	HUNT_SILENCE_T1 = 8,
};

struct hunt {
	struct locate_target *targets; /* owned; NULL once none is left */
	uint32_t n, tried;
	uint32_t abandoned;    /* clients that were given up and may yet answer */
	struct client *client; /* of the address being tried; NULL: none */
	struct timer silence;  /* of that address, while others are left */
};

/* `targets` are copied. */
void hunt_begin(struct hunt *hunt, const struct locate_target *targets, uint32_t n);
/* Frees what it owns; nobody is told. */
void hunt_end(struct hunt *hunt, struct engine *engine);

static inline bool hunt_has_next(const struct hunt *hunt)
{
	return hunt->tried < hunt->n;
}
/* No answer can come any more from anywhere it was sent. */
static inline bool hunt_is_over(const struct hunt *hunt)
{
	return !hunt->client && !hunt->abandoned;
}

/* No other address is tried. */
static inline void hunt_stop(struct hunt *hunt)
{
	hunt->n = hunt->tried;
}

/* The next address that a leg leads to, by the leg wished for; those without one are passed over.
 * NULL: none is left. */
struct leg *hunt_next(
	struct hunt *hunt, struct engine *engine, const struct leg_wish *wish, struct flow *to);
/* `over` is called when the address being tried has said nothing in its time: HUNT_SILENCE_T1, or
 * an even share of what is left until `deadline`, if that is armed. The last one has all of it. */
void hunt_listen(struct hunt *hunt, const struct timer *deadline, void (*over)(struct timer *));
/* It said something: it lives, or is dead for a while, if that is 503. */
void hunt_heard(struct hunt *hunt, const struct packet *response);
/* It is dead for a while; `reason` is the name of an errno. */
void hunt_mark_dead(const struct hunt *hunt, const char *reason);
/* For the next one, if any: its client has come to its end, and nobody hears of it. */
void hunt_leave(struct hunt *hunt);
/* For the next one, because it is silent: it is dead, its INVITE is cancelled, other requests are
 * repeated no more; what it says all the same goes to hunt_late. */
void hunt_abandon(struct hunt *hunt);
/* News of a client that was given up. Its 2xx counts all the same: true, and whom we tried instead
 * is given up too. After anything else it may be over. */
bool hunt_late(struct hunt *hunt, const struct client *client, enum client_news news,
	const struct packet *response);

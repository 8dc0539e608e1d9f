/* What the files of the delivery queue share. */
#pragma once

#include "engine/delivery.h"
#include "engine/hunt.h"

struct delivery {
	struct table_link by_number, by_id, by_call, by_key;
	struct delivery *next, **at; /* in deliveries.first */
	struct engine *engine;
	char *bytes; /* of the request, owned; NULL once nobody has to send or answer it */
	uint32_t n;
	bool is_own; /* as struct packet has it, and the following */
	struct flow from;
	const struct routing *routing;
	uint64_t number;
	delivery_fn done; /* NULL: called */
	void *arg;
	enum delivery_end end;
	const char *error;
	struct timer tell; /* when `done` is called */
	struct timer
		patience; /* the timeout asked for; then, for the final response to an INVITE */
	struct resolve *resolve;
	struct hunt hunt; /* its addresses */
	struct flow sent_to;
	uint32_t leg_serial; /* 0: any */
	/* Of the request that came in, all zero: made here; once it awaits an answer, of that. */
	struct txn_key key;
	int64_t since_ms;
	bool once, wants_end, is_queued;
	bool awaits_answer; /* without a transaction */
	bool is_starting;   /* within deliver */
	bool no_room;	    /* a limit stood against it */
	bool is_cancelled;  /* by who sent it */
	bool rings;	    /* an INVITE that came in, out of the queue and not answered */
	uint8_t n_parties;
	uint16_t party[2]; /* whose share of the queue it takes */
	uint32_t id_n, callid_n;
	char text[]; /* id, Call-ID */
};

/* delivery.c */
/* It is known what became of it; `error` of DELIVERY_FAILED. */
void delivery_finish(struct delivery *delivery, enum delivery_end end, const char *error);
/* Nobody will send or answer it any more; until then it takes its share of the queue. */
void delivery_forget_request(struct delivery *delivery);
/* It was sent once, with that branch, and is in the queue until an answer comes. */
void delivery_await(struct delivery *delivery, struct span branch, struct span method);
/* Counts it for that party while it is in the queue. False: the party has its share already. */
bool delivery_take_share(struct delivery *delivery, uint16_t party);
/* Frees it when nobody is to be told, and no response can come any more. */
void delivery_let_go(struct delivery *delivery);

/* The request as a message again, for this turn, held once. */
struct packet *delivery_packet(struct delivery *delivery);

/* delivery_send.c */
/* It arrived: from now on an INVITE has DELIVERY_PATIENCE_MS for its final response. */
void delivery_be_patient(struct delivery *delivery);
/* Its sender gave up, for this Reason or none. */
void delivery_give_up(struct delivery *delivery, struct span reason);
void delivery_begin(struct delivery *delivery, const struct delivery_options *options);

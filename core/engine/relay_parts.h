/* What the files of the relay share. */
#pragma once

#include "engine/relay.h"

/* relay.c */
/* Whatever ended, somebody may have been the last to need it. */
void relay_let_go(struct relay *relay);
/* The caller gave up, for this Reason or none. */
void relay_cancel(struct relay *relay, struct span reason);
void branch_start(struct branch *branch);
void branch_cancel(struct branch *branch, struct span reason);
void branch_free(struct branch *branch);
/* A branch has its final response, or with `response` NULL a code that stands for none. */
void relay_branch_final(struct branch *branch, uint16_t code, struct packet *response);
void relay_provisional(struct branch *branch, struct packet *response);

/* Its server transaction has sent no final response. */
static inline bool relay_awaits_final(const struct relay *relay)
{
	return relay->server.state == TXN_TRYING || relay->server.state == TXN_PROCEEDING;
}

/* relay_server.c */
/* NULL when a limit stands against it, or there is one for this request. */
struct relay *relay_new(struct packet *request);
void relay_arm(struct relay *relay);
/* A 100 is due soon, unless something else goes upstream first (RFC 3261 17.2.1). */
void relay_arm_trying(struct relay *relay);
void relay_leave_table(struct relay *relay);
void relay_send(struct relay *relay, uint32_t code, const struct iovec *iov, uint32_t n);
void relay_upstream(struct relay *relay, struct packet *response);

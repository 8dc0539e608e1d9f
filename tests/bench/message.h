/* message.h - the SIP messages the load generator sends, and the little it reads of what comes
 * back. It trusts what it reads: it is a measuring tool, not a user agent. */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MESSAGE_MAX = 2048 };

/* "127.0.0.1:7060" of the two ends, and a number that tells this run's messages from
 * stragglers of an earlier one. */
struct ends {
	const char *uac, *uas;
	uint32_t run;
};

/* An INVITE with SDP, built once. Per message only hex digits are patched in place. */
struct invite {
	char text[MESSAGE_MAX];
	size_t len, branch, tag, call_id;
};
void invite_build(struct invite *v, const struct ends *ends);
void invite_patch(const struct invite *v, const struct ends *ends, char *text, uint32_t number);

/* The number patched into a message's Call-ID, or -1 when it is not one of this run's. */
int64_t message_number(const char *msg, size_t len, const struct ends *ends);

/* Both write to out[MESSAGE_MAX] and return the length. `status` is "180 Ringing" or the like. */
size_t message_answer(
	char *out, const char *status, const char *request, size_t len, const struct ends *ends);
size_t message_in_dialog(char *out, const char *method, int cseq, const char *answer, size_t len,
	const struct ends *ends, uint32_t number);

#endif

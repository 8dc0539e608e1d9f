#include "sip/fork.h"

static bool is_challenge(uint16_t code)
{
	return code == 401 || code == 407;
}

/* Lower is better; of equals the first one stays. 16.7 step 6: a 6xx, else the lowest class; in the
 * 4xx one that tells the caller how to try again. 503 is the last of its class, being of use to
 * nobody upstream; 408 and 487 are the last of theirs, saying only that a branch had no answer. */
static uint32_t rank(uint16_t code)
{
	uint32_t class = code >= 600 ? 0 : code / 100;
	switch (code) {
	case 401:
	case 407:
		return class * 10 + 1;
	case 415:
	case 420:
	case 484:
		return class * 10 + 2;
	case 487:
		return class * 10 + 4;
	case 408:
	case 503:
		return class * 10 + 5;
	}
	return class * 10 + 3;
}

static uint32_t close_context(struct fork *fork)
{
	bool told = fork->closed;
	fork->closed = true;
	return told || !fork->is_invite ? 0 : FORK_CANCEL;
}

uint32_t fork_response(struct fork *fork, uint16_t code)
{
	/* Step 5: provisional ones but 100 at once, until there was a final one. */
	if (code < 200)
		return code > 100 && !fork->answered ? FORK_FORWARD : 0;
	/* Step 5: a 2xx at once; to an INVITE even after another final response. */
	if (code < 300) {
		if (fork->answered && !fork->is_invite)
			return 0;
		fork->answered = true;
		return FORK_FORWARD | close_context(fork);
	}
	/* RFC 4320 4: 408 does not exist for other methods: whoever asked has given up by himself.
	 */
	if (fork->answered || (code == 408 && !fork->is_invite))
		return 0;
	/* Step 5: a 6xx waits for what is pending to end, for a 2xx might still come. */
	uint32_t actions = code >= 600 ? close_context(fork) : 0;
	if (!fork->best || rank(code) < rank(fork->best)) {
		fork->best = code;
		return actions | FORK_KEEP;
	}
	/* Step 7: a challenge that is the best is sent with those of all the others. */
	if (is_challenge(code) && is_challenge(fork->best))
		return actions | FORK_CHALLENGE;
	return actions;
}

uint16_t fork_end(struct fork *fork)
{
	if (fork->answered)
		return 0;
	fork->answered = true;
	/* Step 6: a 503 would say that this server is out of service, for all requests. */
	if (fork->best == 503)
		return 500;
	/* Step 6: 408 when there is none at all, but see RFC 4320 4. */
	if (!fork->best)
		return fork->is_invite ? 408 : 0;
	return fork->best;
}

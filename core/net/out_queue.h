/* What waits to be sent on a stream: bytes in order, and which messages they are.
 *
 * It keeps a message until the last byte of it has left, so that one of which something is left can
 * be told whole. It looks for messages only once the socket has taken a part of what there was, and
 * at the end. */
#pragma once

#include "base/world.h"

struct out_queue {
	char *bytes;	      /* NULL while nothing waits */
	uint32_t begun;	      /* where the first message begins of which something is left */
	uint32_t at, n, size; /* to be sent: [at, n) */
};

static inline uint32_t out_queue_left(const struct out_queue *queue)
{
	return queue->n - queue->at;
}

static inline struct span out_queue_rest(const struct out_queue *queue)
{
	return span_of(queue->bytes + queue->at, out_queue_left(queue));
}

/* So that as many bytes are added without another copy. */
void out_queue_reserve(struct out_queue *queue, uint32_t n);
void out_queue_add(struct out_queue *queue, const void *bytes, uint32_t n);
/* The first `n` of what was left have gone. `frame` may be NULL. */
void out_queue_sent(struct out_queue *queue, uint32_t n, frame_fn frame);
/* The next message of which something is left; the queue goes on behind it. False: there is none.
 */
bool out_queue_take(struct out_queue *queue, frame_fn frame, struct span *message);
void out_queue_clear(struct out_queue *queue);

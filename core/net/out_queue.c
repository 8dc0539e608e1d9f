#include "net/out_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { OUT_QUEUE_SIZE = 2048 }; /* at first */

void out_queue_reserve(struct out_queue *queue, uint32_t n)
{
	if (queue->size - queue->n >= n)
		return;
	if (queue->begun) {
		queue->n -= queue->begun;
		queue->at -= queue->begun;
		memmove(queue->bytes, queue->bytes + queue->begun, queue->n);
		queue->begun = 0;
	}
	uint32_t size = queue->size ? queue->size : OUT_QUEUE_SIZE;
	while (size - queue->n < n)
		size *= 2;
	queue->bytes = must_realloc(queue->bytes, size);
	queue->size = size;
}

void out_queue_add(struct out_queue *queue, const void *bytes, uint32_t n)
{
	if (!n)
		return;
	out_queue_reserve(queue, n);
	memcpy(queue->bytes + queue->n, bytes, n);
	queue->n += n;
}

/* The message at `begun`, with the keep-alives before it. False: what stands there is none, which
 * is so of the last keep-alive. */
static bool first(const struct out_queue *queue, frame_fn frame, uint32_t *skip, uint32_t *length)
{
	uint32_t pongs;
	struct span rest = span_of(queue->bytes + queue->begun, queue->n - queue->begun);
	int64_t n = frame && rest.n ? frame(rest, skip, &pongs) : 0;
	*length = (uint32_t)n;
	return n > 0 && n <= rest.n - *skip;
}

void out_queue_sent(struct out_queue *queue, uint32_t n, frame_fn frame)
{
	uint32_t skip, length;
	queue->at += n;
	if (queue->at == queue->n) {
		out_queue_clear(queue);
		return;
	}
	while (queue->begun < queue->at) {
		if (!first(queue, frame, &skip, &length))
			queue->begun = queue->at;
		else if (queue->begun + skip + length <= queue->at)
			queue->begun += skip + length;
		else
			break;
	}
}

bool out_queue_take(struct out_queue *queue, frame_fn frame, struct span *message)
{
	uint32_t skip, length;
	if (!first(queue, frame, &skip, &length))
		return false;
	*message = span_of(queue->bytes + queue->begun + skip, length);
	queue->begun += skip + length;
	return true;
}

void out_queue_clear(struct out_queue *queue)
{
	free(queue->bytes);
	*queue = (struct out_queue){0};
}

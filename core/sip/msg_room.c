/* Where a message lives: in a room while it is worked on, small when it is kept. */
#include <stdlib.h>

#include "base/check.h"
#include "sip/msg.h"

/* msg_find reads so many ids at once. */
enum { IDS_MIN = 16 };

void msg_init(struct msg *msg)
{
	msg->room = NULL;
	msg->rooms = NULL;
	msg->unfolded = NULL;
	msg->kept = NULL;
	msg->n_headers = 0;
	arena_init(&msg->arena, NULL, 0);
}

/* Its edits are forgotten, but for how much they took. */
static void leave_room(struct msg *msg)
{
	struct msg_room *room = msg->room;
	uint32_t used = msg->arena.used;
	msg->unfolded = NULL;
	arena_reset(&msg->arena);
	arena_init(&msg->arena, NULL, 0);
	msg->arena.used = used;
	msg->room = NULL;
	if (!room)
		return;
	if (!msg->rooms) {
		free(room);
		return;
	}
	room->next = msg->rooms->free;
	msg->rooms->free = room;
}

void msg_fini(struct msg *msg)
{
	leave_room(msg);
	free(msg->kept);
	msg->arena.used = 0;
	msg->kept = NULL;
	msg->n_headers = 0;
}

void msg_rooms_fini(struct msg_rooms *rooms)
{
	while (rooms->free) {
		struct msg_room *room = rooms->free;
		rooms->free = room->next;
		free(room);
	}
}

void msg_take_room(struct msg *msg)
{
	struct msg_room *room = msg->rooms ? msg->rooms->free : NULL;
	if (room)
		msg->rooms->free = room->next;
	else
		room = must_alloc(sizeof *room);
	if (msg->n_headers) {
		memcpy(room->id, msg->id, msg->n_headers);
		memcpy(room->headers, msg->headers, msg->n_headers * sizeof msg->headers[0]);
	}
	msg->room = room;
	msg->id = room->id;
	msg->headers = room->headers;
	if (!msg->arena.at) { /* nothing was edited yet */
		uint32_t used = msg->arena.used;
		arena_init(&msg->arena, room->arena_first, sizeof room->arena_first);
		msg->arena.used = used;
	}
}

static char *move(char *to, struct span *span)
{
	if (span->n)
		memcpy(to, span->p, span->n);
	span->p = to;
	return to + span->n;
}

/* A part of `old`, which has moved to `to`. */
static void follow(struct span *part, const char *old, const char *to)
{
	part->p = part->n ? to + (part->p - old) : to;
}

/* All that the message says now, in one piece: index, ids, text. */
void msg_keep(struct msg *msg)
{
	if (msg->kept && !msg->room && !msg->arena.chunks)
		return;
	uint32_t n = msg->n_headers, ids = n > IDS_MIN ? n : IDS_MIN;
	bool has_other_uri = msg->received_uri.p != msg->uri.p;
	struct span start_line = msg->start_line;
	char *kept = must_alloc(n * sizeof(struct hdr) + ids + (size_t)msg->head_n + msg->body.n +
				(has_other_uri ? msg->received_uri.n : 0));
	struct hdr *headers = (struct hdr *)kept;
	uint8_t *id = (uint8_t *)(headers + n);
	char *text = (char *)id + ids, *to = move(text, &msg->start_line);
	follow(&msg->method, start_line.p, text);
	follow(&msg->uri, start_line.p, text);
	follow(&msg->reason, start_line.p, text);
	memcpy(id, msg->id, n);
	for (uint32_t i = 0; i < n; i++) {
		headers[i] = msg->headers[i];
		headers[i].line = to;
		memcpy(to, msg->headers[i].line, headers[i].line_n);
		to += headers[i].line_n;
	}
	to = move(to, &msg->blank);
	to = move(to, &msg->body);
	msg->raw = span_between(text, to);
	if (has_other_uri)
		move(to, &msg->received_uri);
	else
		msg->received_uri = msg->uri;
	msg->edited = false;
	msg_views_forget(msg);
	leave_room(msg);
	free(msg->kept);
	msg->kept = kept;
	msg->headers = headers;
	msg->id = id;
}

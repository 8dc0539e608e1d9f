/* A SIP message as an index over the bytes that came in (RFC 3261 7).
 *
 * msg_parse copies nothing: every header is a span of the received bytes, unless lines of the head
 * end in a bare LF. Then the index is over a copy that has CRLF there. Typed views are parsed on
 * first use and kept. Edits (sip/edit.h) replace spans by bytes of the message's arena, so a read
 * after an edit sees the edit, and a message nobody edited is written byte for byte as it came
 * (sip/write.h), those line ends aside.
 *
 * A message that is worked on has a room: place for the largest index, the views and the first
 * edits, of which few are needed because few messages are worked on at one time. msg_keep gives the
 * room back and leaves what the message says in one piece of memory of just that size; the next
 * view or edit takes a room again.
 *
 * Ownership: the message borrows `raw`, or has it in its arena, until msg_keep copies it. It owns
 * its arena; msg_fini frees it. Spans taken from a message are valid until msg_fini; msg_keep moves
 * them, so do not hold any across it. */
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/arena.h"
#include "sip/hdr.h"
#include "sip/nameaddr.h"
#include "sip/via.h"

enum {
	MSG_SIZE_MAX = 256 * 1024, /* STREAM_MESSAGE_MAX; datagrams end at 64 KiB anyway */
	MSG_HEADERS_MAX = 256,	   /* header lines */
	MSG_HEADER_SECTION_MAX = 64 * 1024,
	MSG_HEADER_LENGTH_MAX = 16 * 1024, /* one header with its folds */
	MSG_METHOD_MAX = 64,
	MSG_NAME_MAX = 256,	    /* a header name */
	MSG_EDITS_MAX = 512 * 1024, /* arena bytes that edits of one message may use */
};

/* No length is beyond MSG_HEADER_LENGTH_MAX. */
struct hdr {
	const char *line; /* whole header: name, colon, value, folds, line end */
	uint16_t line_n;
	uint16_t value_n;  /* of the trimmed value; folds inside it are kept */
	uint16_t value_at; /* relative to line */
	uint16_t name_n : 15;
	uint16_t folded : 1;
};

struct unfolded; /* the value of a folded header without folds; in the arena */

struct cseq {
	uint32_t number;
	struct span method;
	enum method_id method_id;
};

/* What a view field may be. */
enum view { VIEW_UNKNOWN, VIEW_OK, VIEW_ABSENT, VIEW_BAD };

struct msg_views {
	struct uri ruri;
	struct via via;
	struct nameaddr from, to;
	struct cseq cseq;
};

struct msg_room {
	struct msg_room *next; /* in the pool */
	uint8_t id[MSG_HEADERS_MAX];
	struct hdr headers[MSG_HEADERS_MAX];
	struct msg_views views;
	char arena_first[2048];
};

/* Rooms that nobody uses at the moment; all zero to begin with. */
struct msg_rooms {
	struct msg_room *free;
};

struct msg {
	struct span raw; /* without leading CRLFs */
	bool is_request;
	bool edited;
	bool has_bare_lf; /* a header line ended without CR: not so any more once msg_parse gave 0
			   */
	uint8_t ruri_view, via_view, from_view, to_view, cseq_view; /* enum view */
	uint16_t n_headers;
	enum method_id method_id; /* of the request, or of CSeq in a response (after msg_check) */
	uint32_t code;		  /* status line */
	uint32_t head_n;	  /* length of all that stands before the body, edits included */
	struct span method, uri;  /* request line; `uri` is replaced by edit_uri */
	struct span received_uri; /* as it came */
	struct span reason;
	struct span start_line; /* with its line end */
	struct span blank;	/* the line end that closes the header section */
	struct span body;
	uint8_t *id;	     /* enum hdr_id of headers[i] */
	struct hdr *headers; /* in the room, or in `kept` */

	struct msg_room *room;	 /* NULL: kept, and not worked on since */
	struct msg_rooms *rooms; /* where rooms come from; NULL: malloc */
	struct unfolded *unfolded;
	struct arena arena;
	char *kept; /* what msg_keep made; owned */
};

/* Why a message was refused: what to answer and the text that says so. code 0: no answer possible.
 */
struct msg_error {
	uint32_t code;
	const char *reason;
};

/* Prepares a message for msg_parse; once per struct, msg_fini makes it ready again. `rooms` may be
 * set in between. */
void msg_init(struct msg *msg);
void msg_fini(struct msg *msg);
/* Frees them; no message has one then. */
void msg_rooms_fini(struct msg_rooms *rooms);

/* Indexes `bytes`: one message, at most MSG_SIZE_MAX. Leading CRLFs are skipped. Content-Length: a
 * shorter one cuts the body, a longer one is an error; absent, the body is the rest (datagrams).
 * Returns 0, or -1 with `*error`. After -1 the headers indexed so far can still be used to build a
 * reply when error->code is not 0. */
int msg_parse(struct msg *msg, struct span bytes, struct msg_error *error)
	__attribute__((warn_unused_result));

/* The grammar and presence rules that a proxy or registrar must hold every message to (RFC
 * 3261 8.1.1, 16.3(1)): mandatory headers once, CSeq in range and of the same method, Via / From /
 * To / Call-ID / Contact / Route well-formed, numeric headers numeric, single-valued headers not
 * contradicting. 0, or -1 with `*error`. */
int msg_check(struct msg *msg, struct msg_error *error) __attribute__((warn_unused_result));
/* The same for a request that has yet to get its first Via. */
int msg_check_unsent(struct msg *msg, struct msg_error *error) __attribute__((warn_unused_result));

/* Makes the message independent of the receive buffer and as small as it can be; it goes on as
 * before, its limits too. All spans taken before are invalid. */
void msg_keep(struct msg *msg);
void msg_take_room(struct msg *msg);
/* Takes a room unless it has one: edits and views do. No span becomes invalid. */
static inline void msg_wake(struct msg *msg)
{
	if (!msg->room)
		msg_take_room(msg);
}

/* Index of the first header of that id at or after `from`; -1 when there is none. */
static inline int msg_find(const struct msg *msg, enum hdr_id id, int from)
{
#ifdef __SSE2__ /* most messages have no more; what lies behind the last header is masked out */
	if (msg->n_headers <= 16) {
		__m128i ids = _mm_loadu_si128((const __m128i *)msg->id);
		ids = _mm_cmpeq_epi8(ids, _mm_set1_epi8((char)id));
		unsigned found = (unsigned)_mm_movemask_epi8(ids) & ~(~0u << msg->n_headers);
		found = from < 16 ? found >> from << from : 0;
		return found ? __builtin_ctz(found) : -1;
	}
#endif
	const uint8_t *at = from < msg->n_headers ? memchr(msg->id + from, (int)id,
							    (size_t)(msg->n_headers - from))
						  : NULL;
	return at ? (int)(at - msg->id) : -1;
}
/* The same by name, for headers without an id too (any letter case, compact forms known). */
int msg_find_name(const struct msg *msg, struct span name, int from);

static inline struct span hdr_name_text(const struct hdr *hdr)
{
	return span_of(hdr->line, hdr->name_n);
}
/* The trimmed value; a folded one contains its line breaks (msg_unfold makes one line of it). */
static inline struct span hdr_value(const struct hdr *hdr)
{
	return span_of(hdr->line + hdr->value_at, hdr->value_n);
}
/* Value of header `i` with each fold as one space (RFC 3261 7.3.1); uses the arena only when
 * folded. */
struct span msg_unfold(struct msg *msg, int i);
static inline struct span msg_unfolded(struct msg *msg, int i)
{
	return msg->headers[i].folded ? msg_unfold(msg, i) : hdr_value(&msg->headers[i]);
}
/* Value of the first header of that id (unfolded), p NULL when absent. */
static inline struct span msg_value(struct msg *msg, enum hdr_id id)
{
	int i = msg_find(msg, id, 0);
	return i < 0 ? span_of(NULL, 0) : msg_unfolded(msg, i);
}

/* Walks the values of all headers of one id as one list (comma lists included). */
struct msg_values {
	struct msg *msg;
	enum hdr_id id;
	int next;   /* header index to look from */
	int header; /* index of the header the current value stands in */
	struct span rest;
};
static inline struct msg_values msg_values(struct msg *msg, enum hdr_id id)
{
	return (struct msg_values){.msg = msg, .id = id, .header = -1};
}
bool msg_values_next(struct msg_values *values, struct span *value);

/* Make the views below, unless they are known not to be there. */
const struct uri *msg_view_ruri(struct msg *msg);
const struct via *msg_view_via(struct msg *msg);
const struct nameaddr *msg_view_from(struct msg *msg);
const struct nameaddr *msg_view_to(struct msg *msg);
const struct cseq *msg_view_cseq(struct msg *msg);

static inline void msg_views_forget(struct msg *msg)
{
	msg->ruri_view = msg->via_view = msg->from_view = msg->to_view = msg->cseq_view =
		VIEW_UNKNOWN;
}

/* Views: NULL when absent or malformed. Valid until the header is edited or msg_keep. */
static inline const struct uri *msg_ruri(struct msg *msg)
{
	return msg->ruri_view == VIEW_OK ? &msg->room->views.ruri : msg_view_ruri(msg);
}
static inline const struct via *msg_top_via(struct msg *msg)
{
	return msg->via_view == VIEW_OK ? &msg->room->views.via : msg_view_via(msg);
}
static inline const struct nameaddr *msg_from(struct msg *msg)
{
	return msg->from_view == VIEW_OK ? &msg->room->views.from : msg_view_from(msg);
}
static inline const struct nameaddr *msg_to(struct msg *msg)
{
	return msg->to_view == VIEW_OK ? &msg->room->views.to : msg_view_to(msg);
}
static inline const struct cseq *msg_cseq(struct msg *msg)
{
	return msg->cseq_view == VIEW_OK ? &msg->room->views.cseq : msg_view_cseq(msg);
}
/* Max-Forwards; -1 absent, -2 not a number of 0..255 ... 2^31. */
int64_t msg_max_forwards(struct msg *msg);

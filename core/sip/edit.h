/* Changes to a message: each takes effect at once and is seen by the next read.
 *
 * Names must be tokens and values must hold no CR, LF or NUL, or the edit is refused (nothing a
 * script or a peer supplies can start a new header line); nor other control bytes, which msg_parse
 * would refuse at the next hop. New text lives in the message's arena; MSG_EDITS_MAX and
 * MSG_HEADERS_MAX bound it. All return 0 or a negative enum edit_error and change nothing then. */
#pragma once

#include "sip/msg.h"

enum edit_error {
	EDIT_BAD_NAME = -1,  /* no header name */
	EDIT_BAD_VALUE = -2, /* CR, LF or NUL; or a value of the wrong form */
	EDIT_TOO_MANY = -3,  /* a limit of sip/msg.h */
	EDIT_REFUSED = -4,   /* Content-Length: follows the body */
};

/* Replaces the first header of that name in its place and removes the others; appends when absent.
 * The header's own spelling of its name is kept. */
int edit_set(struct msg *msg, struct span name, struct span value);
/* Appends after the last header of that name, or at the end. */
int edit_add(struct msg *msg, struct span name, struct span value);
/* Removes every header of that name; 0 also when there was none. */
int edit_remove(struct msg *msg, struct span name);
/* Before header index `at` (0: first). */
int edit_insert(struct msg *msg, int at, enum hdr_id id, struct span value);
/* The value of header `i`. */
int edit_value(struct msg *msg, int i, struct span value);
/* The same from parts known to be clean: of headers that came in, and URIs that were parsed. */
int edit_clean_value(struct msg *msg, int i, struct span value);
void edit_remove_at(struct msg *msg, int i);
/* Removes the first value of the list `id` forms: the whole header, or its part before the first
 * comma. */
int edit_pop_value(struct msg *msg, enum hdr_id id);
/* Request-URI: what uri_parse takes, and no headers in a sip one (RFC 3261 19.1.1). */
int edit_uri(struct msg *msg, struct span uri);
/* Body, with Content-Length following; `type` is the new Content-Type, empty: leave it. */
int edit_body(struct msg *msg, struct span body, struct span type);
/* Header lines that we made ourselves, for messages that pass by the thousand. A line is "Name:
 * value" with its CRLF, from parts known to be clean. */
struct edit_line {
	struct span text;
	enum hdr_id id;
};
/* A place in the arena for so many lines of together at most `n` bytes, one behind the other;
 * nothing else may be edited before edit_lines_written says where they end. NULL when a limit
 * stands against it. */
char *edit_lines_room(struct msg *msg, uint32_t lines, uint32_t n);
void edit_lines_written(struct msg *msg, char *end);
/* Puts them before header `at`. */
void edit_insert_lines(struct msg *msg, int at, const struct edit_line *lines, uint32_t n);
/* What edits change, so that several different messages can be made of one. Texts in the arena
 * stay. */
struct edit_state {
	bool edited;
	uint16_t n_headers;
	uint32_t head_n;
	struct span method, uri, start_line, body;
	uint8_t id[MSG_HEADERS_MAX];
	struct hdr headers[MSG_HEADERS_MAX];
};
void edit_save(const struct msg *msg, struct edit_state *state);
/* Of the same message, not kept (msg_keep) in between. */
void edit_restore(struct msg *msg, const struct edit_state *state);
/* received and rport of the top Via (RFC 3261 18.2.1, RFC 3581 4): rport without value gets both;
 * otherwise received only when sent-by is not that address. Values a peer wrote there itself are
 * replaced. */
int edit_received(struct msg *msg, const struct addr *source);

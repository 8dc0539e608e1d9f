/* A control socket: clients connect to a path, send a line, read a line, as often as they like.
 *
 * Only the owner of the process may connect (mode 0600). */
#pragma once

#include "net/live.h"

struct control;
struct control_reply;

enum {
	CONTROL_CLIENTS_MAX = 16,
	CONTROL_LINE_MAX = 64 * 1024,	      /* a request; a longer one ends the connection */
	CONTROL_REPLY_MAX = 64 * 1024 * 1024, /* of replies not read yet */
	CONTROL_IDLE_S = 30,
};

/* One request without its line end. Runs in the loop, in a turn of its own. */
typedef void (*control_fn)(void *arg, struct span line, struct control_reply *reply);

/* Returns new; NULL with a reason in `error`. A socket file nobody answers on is replaced. */
struct control *control_open(
	struct live *live, const char *path, control_fn fn, void *arg, char error[256]);
/* Before live_free. Removes the file, unless somebody else has taken its place. NULL is fine. */
void control_close(struct control *control);

/* One line without its end; call it once, before the callback returns. Line ends inside are the
 * caller's fault. */
void control_write(struct control_reply *reply, struct span line);

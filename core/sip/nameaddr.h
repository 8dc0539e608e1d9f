/* name-addr / addr-spec with parameters: From, To, Contact, Route, Record-Route, Refer-To, Path ...
 */
#pragma once

#include "sip/uri.h"

struct nameaddr {
	struct span text;
	struct span display;  /* as written, quotes included; empty when absent */
	struct span uri_text; /* without <> */
	struct uri uri;
	bool has_brackets;
	struct span params; /* header parameters, from the first ';' on */
	struct span tag; /* of the first parameter of that name; p NULL without one or its value */
};

/* One value (no comma list). Without <>, everything from ';' on is header parameters and ',' or '?'
 * in the URI is an error (RFC 3261 20). 0 or -1. */
int nameaddr_parse(struct span value, struct nameaddr *nameaddr);
/* The tag parameter; p NULL when absent. */
static inline struct span nameaddr_tag(const struct nameaddr *nameaddr)
{
	return nameaddr->tag;
}

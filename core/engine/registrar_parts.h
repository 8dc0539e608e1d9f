/* What the files of the registrar share. */
#pragma once

#include "engine/registrar.h"

/* "host:port", lower case: what bindings_has_contact looks for; empty when the URI has none. */
struct span registrar_contact_key(struct arena *arena, const struct uri *uri);
/* One of the domains given; false when none were. */
bool registrar_in_domains(const struct registrar *registrar, struct span host);
/* The Request-URI is one of the domains given, and nobody in it: whoever serves the domain is meant
 * (RFC 3261 11.2, 16.5), unless somebody registered under the name of the domain. */
bool registrar_is_asked_itself(struct packet *packet, const struct registrar *registrar);

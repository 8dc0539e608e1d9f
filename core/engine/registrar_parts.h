/* What the files of the registrar share. */
#pragma once

#include "engine/registrar.h"

/* "host:port", lower case: what bindings_has_contact looks for; empty when the URI has none. */
struct span registrar_contact_key(struct arena *arena, const struct uri *uri);
/* One of the domains given; false when none were. */
bool registrar_in_domains(const struct registrar *registrar, struct span host);

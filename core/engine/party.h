/* Parties: whom something is counted for, so that one of them cannot take all there is. Each is a
 * number below PARTIES by keyed hash. Those of one number share a count; with whom, nobody chooses.
 */
#pragma once

#include "engine/engine.h"

/* An address that is sent to. */
uint16_t party_of_address(
	const struct engine *engine, enum transport transport, const struct addr *addr);
/* Who sends: all ports of an address; of IPv6 the /64 network. */
uint16_t party_of_source(const struct engine *engine, const struct addr *source);
/* The host of a URI, whatever its letter case. */
uint16_t party_of_host(const struct engine *engine, struct span host);

/* Connections that lead to where their peer says it listens (RFC 5923): a request on a stream whose
 * top Via has `alias` asks that requests to its sent-by come back on that stream.
 *
 * The RFC does so with TLS alone, whose certificates tell who may claim an address. Here the
 * address itself has to: only an IP that is the stream's own source can be claimed, so that nobody
 * draws on himself what is meant for another machine. Never ours. */
#pragma once

#include "engine/engine.h"

/* A request that came by a stream. */
void alias_take(struct packet *request);

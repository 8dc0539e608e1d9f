#include "engine/alias.h"

/* What the top Via claims; false when it claims nothing, or not an IP address. */
static bool claimed(const struct via *via, struct addr *addr)
{
	struct param alias;
	uint16_t port = via->port ? via->port : 5060;
	return param_find(via->params, SPAN("alias"), &alias) &&
	       addr_parse_ip(via->host, port, addr);
}

void alias_take(struct packet *request)
{
	struct engine *engine = request->engine;
	const struct flow *from = &request->from;
	enum transport transport = packet_leg(request)->address.transport;
	const struct via *via = msg_top_via(&request->msg);
	struct addr addr;
	if (!via || via->transport != transport || !claimed(via, &addr))
		return;
	if (addr_same_ip(&addr, &from->peer) && !legs_is_own_address(engine, transport, &addr))
		engine->world->stream_alias(engine->world, from->connection, &addr);
	else
		engine->count[COUNT_aliases_refused]++;
}

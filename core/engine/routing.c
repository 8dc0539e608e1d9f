#include "engine/routing.h"

const struct domain_route *routing_find(const struct routing *routing, const struct uri *uri)
{
	const struct domain_route *found = NULL;
	struct span maddr;
	if (!routing || (!routing->domains && !routing->outgoing) ||
		(uri_param(uri, SPAN("maddr"), &maddr) && maddr.n))
		return NULL;
	if (routing->domains)
		found = domain_map_find(routing->domains, uri->host);
	if (!found && routing->outgoing)
		found = domain_map_find(routing->outgoing, uri->host);
	return found;
}

void routing_fini(struct routing *routing)
{
	domain_map_free(routing->domains);
	domain_map_free(routing->outgoing);
	*routing = (struct routing){0};
}

#include "engine/proxy.h"

#include <stdlib.h>

#include "base/check.h"

struct proxy *proxy_new(void)
{
	return proxy_hold(must_zalloc(sizeof(struct proxy)));
}

struct proxy *proxy_hold(struct proxy *proxy)
{
	if (proxy)
		proxy->holds++;
	return proxy;
}

void proxy_release(struct proxy *proxy)
{
	if (!proxy || --proxy->holds)
		return;
	for (uint32_t i = 0; i < proxy->n_keys; i++)
		contact_key_free(proxy->keys[i]);
	free(proxy);
}

int proxy_add_key(struct proxy *proxy, struct span secret)
{
	struct contact_key *key = proxy->n_keys < PROXY_KEYS_MAX ? contact_key_new(secret) : NULL;
	if (!key)
		return -1;
	proxy->keys[proxy->n_keys++] = key;
	return 0;
}

#include "engine/domain_map.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/siphash.h"
#include "base/table.h"

enum { DOMAIN_MAX_N = 255, PROXY_TEXT_MAX = URI_LENGTH_MAX + sizeof "sip:[]" };

/* "*.example.com" and "*" are known by what follows the "*". */
struct entry {
	struct table_link link;
	struct domain_route route;
	bool is_wild;
	uint32_t key_at; /* in the pattern */
};

struct domain_map {
	struct table table;
	uint32_t wild_n_max; /* longest domain behind "*." */
};

/* Only the administrator's domains are put in: nobody else can make them collide. */
static uint64_t hash_of(struct span key, bool is_wild)
{
	static const struct siphash_key none = {0, 0};
	return siphash(&none, key.p, key.n) + is_wild;
}

static struct entry *find(const struct domain_map *map, struct span key, bool is_wild)
{
	struct table_link *link = table_first(&map->table, hash_of(key, is_wild));
	for (; link; link = table_next(link)) {
		struct entry *entry = (struct entry *)((char *)link - offsetof(struct entry, link));
		if (entry->is_wild == is_wild &&
			span_eq(span_from(entry->route.pattern, entry->key_at), key))
			return entry;
	}
	return NULL;
}

static bool is_naked_ipv6(struct span text)
{
	struct addr addr;
	return span_find(text, ':') && text.p[0] != '[' && addr_parse_ip(text, 0, &addr);
}

/* Lower case, without the last dot, IPv6 in brackets. Empty when it is longer than any domain. */
static struct span normal(struct span text, char out[DOMAIN_MAX_N + 2])
{
	uint32_t n = 0;
	if (text.n > 1 && text.p[text.n - 1] == '.')
		text.n--;
	if (!text.n || text.n > DOMAIN_MAX_N)
		return span_of(out, 0);
	bool is_naked = is_naked_ipv6(text);
	if (is_naked)
		out[n++] = '[';
	for (uint32_t i = 0; i < text.n; i++)
		out[n++] = ascii_lower(text.p[i]);
	if (is_naked)
		out[n++] = ']';
	return span_of(out, n);
}

/* --- adding --- */

static int refuse(char error[256], const char *what, struct span text, const char *advice)
{
	snprintf(error, 256, "\"%.*s\" %s: %s", (int)(text.n < 100 ? text.n : 100),
		text.p ? text.p : "", what, advice);
	return -1;
}

/* Whether the rest of "*..." or a plain pattern is a host that can be matched. */
static int check_pattern(struct span pattern, struct entry *entry, char error[256])
{
	struct addr addr;
	struct span host = pattern;
	entry->is_wild = pattern.n && pattern.p[0] == '*';
	entry->key_at = 0;
	if (entry->is_wild) {
		bool is_dotted = pattern.n > 1 && pattern.p[1] == '.';
		entry->key_at = is_dotted ? 2 : 1;
		host = span_from(pattern, entry->key_at);
		if (!is_dotted && !host.n)
			return 0;
		if (!is_dotted)
			host.n = 0; /* "*example.com" */
	}
	if (!host_is_valid(host))
		return refuse(error, "is no domain", pattern,
			"write \"example.com\", \"*.example.com\" or \"*\"");
	if (entry->is_wild && addr_parse_ip(host, 0, &addr))
		return refuse(error, "is no domain", pattern, "an IP address has nothing below it");
	return 0;
}

static bool has_scheme(struct span text)
{
	return span_ieq(span_of(text.p, text.n < 4 ? text.n : 4), SPAN("sip:")) ||
	       span_ieq(span_of(text.p, text.n < 5 ? text.n : 5), SPAN("sips:"));
}

/* The URI that `text` stands for into `out`, without NUL; its length, 0 when it is none. */
static uint32_t proxy_uri(struct span text, char out[PROXY_TEXT_MAX], struct uri *uri)
{
	uint32_t n = 0;
	if (!text.n || text.n > URI_LENGTH_MAX)
		return 0;
	bool is_naked = is_naked_ipv6(text);
	if (!has_scheme(text)) {
		memcpy(out, "sip:[", 5);
		n = is_naked ? 5 : 4;
	}
	memcpy(out + n, text.p, text.n);
	n += text.n;
	if (is_naked)
		out[n++] = ']';
	return uri_parse(span_of(out, n), uri) == 0 ? n : 0;
}

/* The entry, its URIs and all text in one piece. */
static struct entry *build(
	const struct entry *model, struct span pattern, const struct span *proxies, uint32_t n)
{
	size_t room = sizeof(struct entry) + n * sizeof(struct uri) + pattern.n;
	for (uint32_t i = 0; i < n; i++)
		room += proxies[i].n + sizeof "sip:[]";
	struct entry *entry = must_alloc(room);
	struct uri *uris = (struct uri *)(entry + 1);
	char *text = (char *)(uris + n);
	*entry = *model;
	memcpy(text, pattern.p, pattern.n);
	entry->route =
		(struct domain_route){.pattern = span_of(text, pattern.n), .proxies = uris, .n = n};
	text += pattern.n;
	for (uint32_t i = 0; i < n; i++) {
		char uri[PROXY_TEXT_MAX];
		uint32_t length = proxy_uri(proxies[i], uri, &uris[i]);
		memcpy(text, uri, length);
		BUG(uri_parse(span_of(text, length), &uris[i]) != 0);
		text += length;
	}
	return entry;
}

int domain_map_add(struct domain_map *map, struct span text, const struct span *proxies, uint32_t n,
	char error[256])
{
	char lower[DOMAIN_MAX_N + 2];
	struct span pattern = normal(text, lower);
	struct entry model = {0};
	if (check_pattern(pattern, &model, error))
		return -1;
	struct span key = span_from(pattern, model.key_at);
	if (find(map, key, model.is_wild))
		return refuse(error, "is there already", text, "give each domain once");
	if (map->table.n == DOMAIN_MAP_ROUTES_MAX)
		return refuse(error, "is one too many", text, "at most 65536 domains");
	if (!n || n > DOMAIN_MAP_PROXIES_MAX)
		return refuse(error, "has no proxies or too many", text, "give 1 to 16");
	for (uint32_t i = 0; i < n; i++) {
		char out[PROXY_TEXT_MAX];
		struct uri uri;
		if (!proxy_uri(proxies[i], out, &uri))
			return refuse(error, "is no proxy", proxies[i],
				"write \"192.0.2.1:5060\" or \"sip:proxy.example.com\"");
	}
	struct entry *entry = build(&model, pattern, proxies, n);
	table_insert(&map->table, &entry->link, hash_of(key, model.is_wild));
	if (model.is_wild && key.n > map->wild_n_max)
		map->wild_n_max = key.n;
	return 0;
}

/* --- finding --- */

/* What stands behind "*." longest first. */
static struct entry *find_wild(const struct domain_map *map, struct span domain)
{
	while (domain.n) {
		struct entry *entry = domain.n <= map->wild_n_max ? find(map, domain, true) : NULL;
		if (entry)
			return entry;
		const char *dot = span_find(domain, '.');
		domain = dot ? span_between(dot + 1, span_end(domain)) : span_of(NULL, 0);
	}
	return NULL;
}

const struct domain_route *domain_map_find(const struct domain_map *map, struct span host)
{
	char lower[DOMAIN_MAX_N + 2];
	struct addr addr;
	struct span domain = normal(host, lower);
	struct entry *entry = domain.n ? find(map, domain, false) : NULL;
	if (!entry && !addr_parse_ip(domain, 0, &addr))
		entry = find_wild(map, domain);
	if (!entry)
		entry = find(map, SPAN(""), true);
	return entry ? &entry->route : NULL;
}

/* --- the whole --- */

struct domain_map *domain_map_new(void)
{
	return must_zalloc(sizeof(struct domain_map));
}

void domain_map_free(struct domain_map *map)
{
	if (!map)
		return;
	uint32_t bucket = 0;
	for (struct table_link *link; (link = table_walk(&map->table, &bucket, NULL));) {
		table_remove(&map->table, link);
		free((char *)link - offsetof(struct entry, link));
	}
	table_fini(&map->table);
	free(map);
}

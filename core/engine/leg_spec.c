/* Legs as users write them. */
#include <stdio.h>

#include "engine/legs.h"

static bool advertise(struct span text, struct leg_spec *spec, char error[256])
{
	const char *colon = text.n && text.p[0] == '[' ? NULL : memrchr(text.p, ':', text.n);
	const char *close = text.n && text.p[0] == '[' ? memchr(text.p, ']', text.n) : NULL;
	if (close && close + 1 < span_end(text) && close[1] == ':')
		colon = close + 1;
	spec->host = colon ? span_between(text.p, colon) : text;
	uint32_t port = 0;
	bool port_ok = !colon || (span_u32(span_between(colon + 1, span_end(text)), &port) &&
					 port > 0 && port <= UINT16_MAX);
	spec->port = (uint16_t)port;
	if (port_ok && host_is_valid(spec->host))
		return true;
	snprintf(error, 256, "advertise=%.*s is no host: write advertise=198.51.100.1:5060",
		(int)text.n, text.p);
	return false;
}

static bool can_deliver_to(struct span list, struct leg_spec *spec, char error[256])
{
	struct span one;
	while (list_next(&list, &one)) {
		if (spec->n_networks < LEG_NETWORKS_MAX &&
			network_parse(one, &spec->networks[spec->n_networks])) {
			spec->n_networks++;
			continue;
		}
		snprintf(error, 256,
			"can_deliver_to: '%.*s' is no network, or one too many: write 10.0.0.0/8, "
			"at "
			"most %d",
			(int)one.n, one.p, LEG_NETWORKS_MAX);
		return false;
	}
	return spec->n_networks > 0;
}

static bool take_option(struct span option, struct leg_spec *spec, char error[256])
{
	static const struct {
		const char *name;
		bool (*take)(struct span value, struct leg_spec *spec, char error[256]);
	} known[] = {{"advertise=", advertise}, {"can_deliver_to=", can_deliver_to}};
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		struct span name = span_str(known[i].name);
		if (span_starts(option, name))
			return known[i].take(span_from(option, name.n), spec, error);
	}
	snprintf(error, 256,
		"unknown leg option '%.*s': only ;advertise=HOST[:PORT] and "
		";can_deliver_to=NETWORK,...",
		(int)option.n, option.p);
	return false;
}

/* What follows the address: ";option=value" any number of times. */
static bool take_options(struct span rest, struct leg_spec *spec, char error[256])
{
	while (rest.n) {
		rest = span_from(rest, 1);
		const char *end = span_find(rest, ';');
		struct span option = end ? span_between(rest.p, end) : rest;
		if (!take_option(option, spec, error))
			return false;
		rest = span_from(rest, option.n);
	}
	return true;
}

bool leg_spec_parse(struct span whole, struct leg_spec *spec, char error[256])
{
	*spec = (struct leg_spec){0};
	const char *semicolon = span_find(whole, ';');
	struct span text = semicolon ? span_between(whole.p, semicolon) : whole;
	const char *colon = span_find(text, ':');
	if (whole.n < LEG_SPEC_MAX && colon)
		spec->address.transport = transport_of(span_between(text.p, colon));
	if (!spec->address.transport || spec->address.transport == TRANSPORT_TLS ||
		!addr_parse(span_between(colon + 1, span_end(text)), 5060, &spec->address.bind)) {
		snprintf(error, 256, "'%.*s' is no leg: write udp:127.0.0.1:5060 or tcp:[::1]:5060",
			(int)(whole.n > 100 ? 100 : whole.n), whole.p);
		return false;
	}
	if (!take_options(span_from(whole, text.n), spec, error))
		return false;
	if (!spec->host.n && addr_is_any(&spec->address.bind)) {
		snprintf(error, 256,
			"%.*s listens on every address: add ;advertise=IP, the address others "
			"reach it by",
			(int)whole.n, whole.p);
		return false;
	}
	return true;
}

#include "sip/via.h"

/* sent-protocol = protocol-name SLASH protocol-version SLASH transport, LWS around each SLASH.
 * Behind it, or NULL. */
static const char *take_protocol(const char *p, const char *end, struct via *via)
{
	const char *part = p;
	if (end - p > 8 && memcmp(p, "SIP/2.0/", 8) == 0) {
		part = p + 8;
	} else {
		for (int slashes = 0; slashes < 2; slashes++) {
			p = class_skip(part, end, CHAR_TOKEN);
			if (p == part)
				return NULL;
			p = space_skip(p, end);
			if (p == end || *p != '/')
				return NULL;
			part = space_skip(p + 1, end);
		}
	}
	if (end - part > 3 && part[3] == ' ') { /* as nearly all have it */
		via->transport_text = span_of(part, 3);
		via->transport = transport_of(via->transport_text);
		if (via->transport != TRANSPORT_NONE)
			return part + 3;
	}
	part = space_skip(part, end);
	p = class_skip(part, end, CHAR_TOKEN);
	via->transport_text = span_between(part, p);
	via->transport = transport_of(via->transport_text);
	return p > part ? p : NULL;
}

/* sent-by = host [ COLON port ], with LWS around COLON. Behind it, or NULL. */
static const char *take_sent_by(const char *p, const char *end, struct via *via)
{
	const char *behind = host_skip(p, end);
	if (!behind)
		return NULL;
	via->host = span_between(p, behind);
	p = space_skip(behind, end);
	if (p == end || *p != ':')
		return p;
	p = port_skip(space_skip(p + 1, end), end, &via->port);
	return p ? space_skip(p, end) : NULL;
}

/* A parameter given twice could be read differently by whoever comes next (RFC 3261 7.3.1 forbids
 * it). */
static inline bool take_once(struct span *field, const struct param *param)
{
	if (field->p)
		return false;
	*field = param->value.p ? param->value : span_of(span_end(param->name), 0);
	return true;
}

/* Almost everyone writes these in lower case; `lower` has the length of `name`. */
static inline bool is_name(struct span name, struct span lower)
{
	return memcmp(name.p, lower.p, lower.n) == 0 || span_ieq(name, lower);
}

static inline bool take_rport(struct via *via, const struct param *param)
{
	if (via->has_rport)
		return false;
	via->has_rport = true;
	via->rport = param->value;
	return true;
}

static inline bool take_param(struct via *via, const struct param *param)
{
	struct span name = param->name;
	if (name.n == 6 && is_name(name, SPAN("branch")))
		return take_once(&via->branch, param);
	if (name.n == 5 && is_name(name, SPAN("rport")))
		return take_rport(via, param);
	if (name.n == 8 && is_name(name, SPAN("received")))
		return take_once(&via->received, param);
	if (name.n == 5 && is_name(name, SPAN("maddr")))
		return take_once(&via->maddr, param);
	return true;
}

/* All that via_parse does not set in any case. One memset would be a loop. */
static inline void via_clear(struct via *via)
{
	const struct span none = {NULL, 0};
	via->port = 0;
	via->params = via->branch = via->received = via->maddr = via->rport = none;
	via->has_rport = false;
	via->bare_rport = NULL;
}

/* ";branch=token" and ";rport" as nearly all write them: behind one of them, or NULL. */
static inline const char *take_usual_param(const char *p, const char *end, struct via *via)
{
	if (end - p > 8 && memcmp(p, ";branch=", 8) == 0 && !via->branch.p) {
		const char *value = p + 8;
		p = text_skip(value, end, CHAR_VALUE);
		if (p == value || (p < end && *p != ';'))
			return NULL;
		via->branch = span_between(value, p);
		return p;
	}
	if (end - p >= 6 && memcmp(p, ";rport", 6) == 0 && (end - p == 6 || p[6] == ';') &&
		!via->has_rport) {
		via->has_rport = true;
		via->bare_rport = p + 6;
		return p + 6;
	}
	return NULL;
}

static int take_params(const char *p, const char *end, struct via *via)
{
	struct param param;
	via->params = span_between(p, end);
	while (p < end) {
		const char *behind = take_usual_param(p, end, via);
		if (!behind) {
			behind = *p == ';' ? param_skip(p, end, &param) : NULL;
			if (!behind || !take_param(via, &param))
				return -1;
		}
		p = behind;
	}
	return 0;
}

int via_parse(struct span value, struct via *via)
{
	struct span text = span_trim(value);
	if (!text.n)
		return -1;
	via_clear(via);
	via->text = text;
	const char *end = span_end(text), *p = take_protocol(text.p, end, via);
	if (!p || p == end || !char_is_space(*p))
		return -1;
	p = take_sent_by(space_skip(p + 1, end), end, via);
	if (!p)
		return -1;
	return p == end ? 0 : take_params(p, end, via);
}

bool via_response_target(const struct via *via, struct addr *addr, struct span *name)
{
	*name = (struct span){NULL, 0};
	memset(addr, 0, sizeof *addr);
	bool reliable = transport_is_reliable(via->transport);
	uint16_t port = via->port ? via->port : via->transport == TRANSPORT_TLS ? 5061 : 5060;
	struct span host = via->host;
	/* maddr and rport speak of datagrams: behind a closed connection is the sent-by port (RFC
	 * 3261 18.2.2). */
	if (via->maddr.p && !reliable) {
		host = via->maddr;
	} else if (via->received.p) {
		host = via->received;
		if (via->rport.n && !reliable &&
			port_skip(via->rport.p, span_end(via->rport), &port) !=
				span_end(via->rport))
			return false;
	}
	if (addr_parse_ip(host, port, addr))
		return !addr_is_unroutable(addr);
	memset(addr, 0, sizeof *addr);
	if (host.p != via->received.p && host.n && host_length(host) == host.n)
		*name = host;
	return false;
}

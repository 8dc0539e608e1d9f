/* One Via header, cut at its commas: each value written again without its blanks reads the same,
 * and no response is ever sent to an address that is none. */
#include <stdio.h>

#include "sip/via.h"
#include "spans.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spans(const struct via *via, struct span value)
{
	must_be_inside(via->text, value);
	must_be_inside(via->transport_text, via->text);
	must_be_inside(via->host, via->text);
	must_be_inside(via->params, via->text);
	must_be_inside(via->branch, via->params);
	must_be_inside(via->received, via->params);
	must_be_inside(via->maddr, via->params);
	must_be_inside(via->rport, via->params);
	BUG(!via->host.n || !via->transport_text.n || (via->rport.p && !via->has_rport));
}

static void check_written(const struct via *via)
{
	static struct pieces out;
	out.n = 0;
	put(&out, SPAN("SIP/2.0/"));
	put(&out, via->transport_text);
	put(&out, SPAN(" "));
	put(&out, via->host);
	if (via->port) {
		char port[8];
		put(&out, span_of(port, (size_t)snprintf(port, sizeof port, ":%u", via->port)));
	}
	put(&out, via->params);
	struct via again;
	BUG(via_parse(whole_of(&out), &again) < 0);
	BUG(again.transport != via->transport || again.port != via->port ||
		again.has_rport != via->has_rport);
	must_agree(again.host, via->host);
	must_agree(again.params, via->params);
	must_agree(again.branch, via->branch);
	must_agree(again.received, via->received);
	must_agree(again.maddr, via->maddr);
	must_agree(again.rport, via->rport);
}

static void check_value(struct span value)
{
	struct via via;
	if (via_parse(value, &via) < 0)
		return;
	check_spans(&via, value);
	check_written(&via);
	struct addr addr;
	struct span name;
	if (via_response_target(&via, &addr, &name))
		BUG(addr_is_unroutable(&addr) || name.p);
	else
		BUG(addr_is_set(&addr) && !addr_is_unroutable(&addr));
	must_be_inside(name, via.text);
	BUG(name.p && host_length(name) != name.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of((const char *)data, size), rest = text, value;
	if (size > 16 * 1024)
		return 0;
	check_value(text);
	while (list_next(&rest, &value)) {
		must_be_inside(value, text);
		check_value(value);
	}
	return 0;
}

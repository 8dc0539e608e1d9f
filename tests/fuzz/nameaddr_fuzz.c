/* One header value, cut at its commas: each address written again with brackets and one blank reads
 * the same. */
#include "sip/nameaddr.h"
#include "spans.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_params(struct span params)
{
	struct span rest = params;
	struct param param, found;
	const char *at = params.p;
	int result;
	while ((result = param_next(&rest, &param)) > 0) {
		BUG(param.whole.p != at || param.name.n == 0);
		must_be_inside(param.name, param.whole);
		must_be_inside(param.value, param.whole);
		at = span_end(param.whole);
		BUG(!param_find(params, param.name, &found) || found.name.p > param.name.p);
	}
	BUG(result < 0 || (params.n && at != span_end(params)));
}

static void check_written(const struct nameaddr *nameaddr)
{
	static struct pieces out;
	out.n = 0;
	put(&out, SPAN("\t\r\n "));
	put(&out, nameaddr->display);
	put(&out, SPAN(" <"));
	put(&out, nameaddr->uri_text);
	put(&out, SPAN(">\r\n "));
	put(&out, nameaddr->params);
	put(&out, SPAN(" "));
	struct nameaddr again;
	BUG(nameaddr_parse(whole_of(&out), &again) < 0);
	must_agree(again.display, nameaddr->display);
	must_agree(again.uri_text, nameaddr->uri_text);
	must_agree(again.params, nameaddr->params);
	must_agree(nameaddr_tag(&again), nameaddr_tag(nameaddr));
	BUG(!again.has_brackets || !uri_eq(&again.uri, &nameaddr->uri));
}

static void check_value(struct span value)
{
	struct nameaddr nameaddr;
	if (nameaddr_parse(value, &nameaddr) < 0)
		return;
	must_be_inside(nameaddr.text, value);
	must_be_inside(nameaddr.display, nameaddr.text);
	must_be_inside(nameaddr.uri_text, nameaddr.text);
	must_be_inside(nameaddr.params, nameaddr.text);
	must_be_inside(nameaddr.uri.host, nameaddr.uri_text);
	must_agree(nameaddr.uri.text, nameaddr.uri_text);
	check_params(nameaddr.params);
	check_written(&nameaddr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of((const char *)data, size), rest = text, value;
	if (size > 16 * 1024)
		return 0;
	check_value(text);
	const char *last = text.p;
	for (size_t n = 0; list_next(&rest, &value); n++) {
		BUG(n > size);
		must_be_inside(value, text);
		must_be_inside(rest, text);
		BUG(value.p < last || span_end(value) > rest.p);
		last = span_end(value);
		BUG(!span_eq(span_trim(value), value));
		check_value(value);
	}
	return 0;
}

/* parse MESSAGE STEP COUNT - reads a message COUNT times, up to and with the step of that number,
 * for callgrind to count: tests/bench/parse-instr takes the difference of two steps. Without
 * arguments it lists messages and steps. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "sip/msg.h"

struct sample {
	const char *name, *text;
};

/* What this engine sees most: a call from a phone, the same behind another proxy, its answer, a
 * request inside a dialog, and a phone that spells names its own way. */
static const struct sample samples[] = {
	{"invite", "INVITE sip:bob@127.0.0.1:7060 SIP/2.0\r\n"
		   "Via: SIP/2.0/UDP 127.0.0.1:7070;branch=z9hG4bK9e3779b97f4a7c15;rport\r\n"
		   "Max-Forwards: 70\r\n"
		   "From: \"Alice Example\" <sip:alice@example.com>;tag=c2b2ae3d27d4eb4f\r\n"
		   "To: \"Bob Example\" <sip:bob@example.org>\r\n"
		   "Call-ID: 0000000100000001-bench@127.0.0.1\r\n"
		   "CSeq: 1 INVITE\r\n"
		   "Contact: <sip:alice@127.0.0.1:7070;transport=udp>\r\n"
		   "User-Agent: viaduct-bench/1.0 (load)\r\n"
		   "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, UPDATE, PRACK, INFO, "
		   "MESSAGE\r\n"
		   "Supported: replaces, timer, 100rel, path\r\n"
		   "Session-Expires: 1800;refresher=uac\r\n"
		   "Content-Type: application/sdp\r\n"
		   "Content-Length: 4\r\n\r\nv=0\n"},
	{"invite-2", "INVITE sip:bob@gateway.example.net;transport=tcp;user=phone SIP/2.0\r\n"
		     "Record-Route: <sip:198.51.100.7;lr;ftag=as3c1f>\r\n"
		     "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK4a81.6e2d5f31.0\r\n"
		     "Via: SIP/2.0/UDP 192.168.1.20:5062;received=203.0.113.99;"
		     "branch=z9hG4bK-524287-1---7d13a8;rport=34512\r\n"
		     "Route: <sip:edge.example.net;lr>, <sip:core.example.net:5070;lr>\r\n"
		     "Max-Forwards: 69\r\n"
		     "Contact: <sip:alice@192.168.1.20:5062;ob>\r\n"
		     "To: <sip:bob@example.net>\r\n"
		     "From: Alice <sip:alice@example.net;user=phone>;tag=as3c1f88\r\n"
		     "Call-ID: 6f1a2cbb-44d1-4c6f-9f3e-0f9d1f2f7c11\r\n"
		     "CSeq: 31862 INVITE\r\n"
		     "Allow: OPTIONS, SUBSCRIBE, NOTIFY, INVITE, ACK, CANCEL, BYE, REFER, INFO\r\n"
		     "Content-Type: application/sdp\r\n"
		     "Supported: replaces, 100rel, timer, norefersub\r\n"
		     "User-Agent: Z 5.6.1 v2.10.19.9\r\n"
		     "P-Asserted-Identity: \"Alice\" <sip:+15551234567@example.net>\r\n"
		     "Content-Length: 0\r\n\r\n"},
	{"200", "SIP/2.0 200 OK\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK77aa3c9d0042ff10;i=7\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:7070;branch=z9hG4bK9e3779b97f4a7c15;rport=7070\r\n"
		"Record-Route: <sip:127.0.0.1:5060;lr;d=29c81d4fa6c07ee1>\r\n"
		"From: \"Alice Example\" <sip:alice@example.com>;tag=c2b2ae3d27d4eb4f\r\n"
		"To: \"Bob Example\" <sip:bob@example.org>;tag=uas1\r\n"
		"Call-ID: 0000000100000001-bench@127.0.0.1\r\n"
		"CSeq: 1 INVITE\r\n"
		"Contact: <sip:bob@127.0.0.1:7060>\r\n"
		"Content-Type: application/sdp\r\n"
		"Content-Length: 0\r\n\r\n"},
	{"bye", "BYE sip:bob@127.0.0.1:7060 SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:7070;branch=z9hG4bK0000000100000001B;rport\r\n"
		"Max-Forwards: 70\r\n"
		"Route: <sip:127.0.0.1:5060;lr;d=29c81d4fa6c07ee1>\r\n"
		"From: \"Alice Example\" <sip:alice@example.com>;tag=c2b2ae3d27d4eb4f\r\n"
		"To: \"Bob Example\" <sip:bob@example.org>;tag=uas1\r\n"
		"Call-ID: 0000000100000001-bench@127.0.0.1\r\n"
		"CSeq: 2 BYE\r\n"
		"Content-Length: 0\r\n\r\n"},
	{"odd", "OPTIONS sips:carol@[2001:db8::7]:5061 SIP/2.0\n"
		"v: SIP / 2.0 / TLS [2001:db8::9] : 5061 ; BRANCH = z9hG4bKx ; received=[::1],\n"
		" SIP/2.0/TCP a.example.com;branch=z9hG4bKy\n"
		"max-forwards: 10\n"
		"f: \"Quoted \\\" name\" <sips:carol%20x@example.com> ; tag = a1\n"
		"t: tel:+1-555-123;phone-context=x\n"
		"i: a@b\n"
		"cseq: 2147483647 OPTIONS\n"
		"m: *\n"
		"accept: a/b\n"
		"l: 0\n\n"},
};

/* Each reads what the ones before it did not, as forwarding does. */
static int step_parse(struct msg *msg, struct span text)
{
	struct msg_error error;
	return msg_parse(msg, text, &error);
}

static int step_check(struct msg *msg, struct span text)
{
	struct msg_error error;
	(void)text;
	return msg_check(msg, &error);
}

static int step_views(struct msg *msg, struct span text)
{
	(void)text;
	bool all = msg_top_via(msg) && msg_from(msg) && msg_to(msg) && msg_cseq(msg) &&
		   !msg_ruri(msg) == !msg->is_request && msg_max_forwards(msg) >= -1 &&
		   msg_value(msg, HDR_CALL_ID).n;
	return all ? 0 : -1;
}

static int step_tags(struct msg *msg, struct span text)
{
	(void)text;
	return nameaddr_tag(msg_from(msg)).n + nameaddr_tag(msg_to(msg)).n ? 0 : -1;
}

static int step_routes(struct msg *msg, struct span text)
{
	(void)text;
	struct msg_values routes = msg_values(msg, HDR_ROUTE);
	struct nameaddr route;
	for (struct span value; msg_values_next(&routes, &value);)
		if (nameaddr_parse(value, &route))
			return -1;
	return 0;
}

static int step_vias(struct msg *msg, struct span text)
{
	(void)text;
	struct msg_values vias = msg_values(msg, HDR_VIA);
	struct via via;
	for (struct span value; msg_values_next(&vias, &value);)
		if (via_parse(value, &via))
			return -1;
	return 0;
}

static const struct step {
	const char *name;
	int (*run)(struct msg *msg, struct span text);
} steps[] = {
	{"msg_parse", step_parse},
	{"msg_check", step_check},
	{"the views", step_views},
	{"both tags", step_tags},
	{"all Routes", step_routes},
	{"all Vias", step_vias},
};

enum { N_SAMPLES = sizeof samples / sizeof *samples, N_STEPS = sizeof steps / sizeof *steps };

static void list(void)
{
	for (int i = 0; i < N_SAMPLES; i++)
		printf("message %s\n", samples[i].name);
	for (int i = 0; i < N_STEPS; i++)
		printf("step %d %s\n", i + 1, steps[i].name);
}

static int read_often(struct span text, int n_steps, long count)
{
	static struct msg msg;
	msg_init(&msg);
	for (; count > 0; count--) {
		for (int i = 0; i < n_steps; i++)
			if (steps[i].run(&msg, text) != 0)
				return i + 1;
		msg_fini(&msg);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		list();
		return argc != 1;
	}
	int n_steps = atoi(argv[2]);
	if (n_steps < 0 || n_steps > N_STEPS)
		return 2;
	for (int i = 0; i < N_SAMPLES; i++) {
		if (strcmp(samples[i].name, argv[1]) != 0)
			continue;
		int failed = read_often(span_str(samples[i].text), n_steps, atol(argv[3]));
		if (failed)
			fprintf(stderr, "%s: fails in step %d\n", argv[1], failed);
		return failed;
	}
	return 2;
}

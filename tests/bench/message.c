/* message.c - see message.h. */
#include "message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char offer[] =
	"v=0\r\no=alice 2890844526 2890844526 IN IP4 127.0.0.1\r\ns=-\r\n"
	"c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8 9 101\r\n"
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n"
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n"
	"a=sendrecv\r\na=rtcp:49171\r\n";

static const char answer_sdp[] = "v=0\r\no=bob 2890844730 2890844730 IN IP4 127.0.0.1\r\ns=-\r\n"
				 "c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 49180 RTP/AVP 0 101\r\n"
				 "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
				 "a=fmtp:101 0-16\r\na=sendrecv\r\n";

static void put_hex(char *at, uint64_t value)
{
	for (int i = 15; i >= 0; i--, value >>= 4)
		at[i] = "0123456789abcdef"[value & 15];
}

void invite_build(struct invite *v, const struct ends *ends)
{
	v->len = (size_t)snprintf(v->text, sizeof v->text,
		"INVITE sip:bob@%s SIP/2.0\r\n"
		"Via: SIP/2.0/UDP %s;branch=z9hG4bKBBBBBBBBBBBBBBBB;rport\r\n"
		"Max-Forwards: 70\r\n"
		"From: \"Alice Example\" <sip:alice@example.com>;tag=TTTTTTTTTTTTTTTT\r\n"
		"To: \"Bob Example\" <sip:bob@example.org>\r\n"
		"Call-ID: IIIIIIIIIIIIIIII-bench@127.0.0.1\r\n"
		"CSeq: 1 INVITE\r\n"
		"Contact: <sip:alice@%s;transport=udp>\r\n"
		"User-Agent: viaduct-bench/1.0 (load)\r\n"
		"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, UPDATE, PRACK, INFO, "
		"MESSAGE\r\n"
		"Supported: replaces, timer, 100rel, path\r\n"
		"Session-Expires: 1800;refresher=uac\r\n"
		"Content-Type: application/sdp\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		ends->uas, ends->uac, ends->uac, sizeof offer - 1, offer);
	v->branch = (size_t)(strstr(v->text, "BBBBBBBB") - v->text);
	v->tag = (size_t)(strstr(v->text, "TTTTTTTT") - v->text);
	v->call_id = (size_t)(strstr(v->text, "IIIIIIII") - v->text);
}

void invite_patch(const struct invite *v, const struct ends *ends, char *text, uint32_t number)
{
	uint64_t id = (uint64_t)ends->run << 32 | number;
	/* odd multipliers: as different as a random branch would be, and free */
	put_hex(text + v->branch, id * 0x9e3779b97f4a7c15u);
	put_hex(text + v->tag, id * 0xc2b2ae3d27d4eb4fu);
	put_hex(text + v->call_id, id);
}

struct line {
	const char *start, *end; /* without its CRLF */
};

/* The next header line; false at the empty line that ends them. */
static bool next_line(const char **at, const char *end, struct line *line)
{
	const char *nl = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;
	if (!nl)
		return false;
	*line = (struct line){*at, nl > *at && nl[-1] == '\r' ? nl - 1 : nl};
	*at = nl + 1;
	return line->end > line->start;
}

static bool named(const struct line *line, const char *name, char compact)
{
	size_t n = strlen(name), have = (size_t)(line->end - line->start);
	if (have > n && line->start[n] == ':' && !strncasecmp(line->start, name, n))
		return true;
	return compact && have > 1 && (line->start[0] | 32) == compact && line->start[1] == ':';
}

int64_t message_number(const char *msg, size_t len, const struct ends *ends)
{
	struct line line;
	const char *at = msg, *end = msg + len;
	while (next_line(&at, end, &line)) {
		if (!named(&line, "call-id", 'i'))
			continue;
		const char *v = memchr(line.start, ':', (size_t)(line.end - line.start)) + 1;
		uint64_t id = 0;
		while (v < line.end && *v == ' ')
			v++;
		if (line.end - v < 16)
			return -1;
		for (int i = 0; i < 16; i++) {
			unsigned digit =
				(unsigned)(v[i] <= '9' ? v[i] - '0' : (v[i] | 32) - 'a' + 10);
			if (digit > 15)
				return -1;
			id = id << 4 | digit;
		}
		return id >> 32 == ends->run ? (int64_t)(uint32_t)id : -1;
	}
	return -1;
}

/* Appends, and stays inside out[MESSAGE_MAX] whatever the proxy sent. */
__attribute__((format(printf, 3, 4))) static void append(
	char *out, size_t *len, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(out + *len, MESSAGE_MAX - *len, format, args);
	va_end(args);
	*len += (size_t)n < MESSAGE_MAX - *len ? (size_t)n : MESSAGE_MAX - *len - 1;
}

static void append_line(char *out, size_t *len, const struct line *line)
{
	append(out, len, "%.*s\r\n", (int)(line->end - line->start), line->start);
}

size_t message_answer(char *out, const char *status, const char *request, size_t request_len,
	const struct ends *ends)
{
	size_t len = 0;
	struct line line;
	const char *at = request, *end = request + request_len;
	bool invite = request[0] == 'I', final = status[0] != '1';

	append(out, &len, "SIP/2.0 %s\r\n", status);
	next_line(&at, end, &line);
	while (next_line(&at, end, &line)) {
		if (named(&line, "to", 't') &&
			!memmem(line.start, (size_t)(line.end - line.start), ";tag=", 5))
			append(out, &len, "%.*s;tag=uas1\r\n", (int)(line.end - line.start),
				line.start);
		else if (named(&line, "via", 'v') || named(&line, "from", 'f') ||
			 named(&line, "to", 't') || named(&line, "call-id", 'i') ||
			 named(&line, "cseq", 0) || (invite && named(&line, "record-route", 0)))
			append_line(out, &len, &line);
	}
	if (invite)
		append(out, &len, "Contact: <sip:bob@%s>\r\n", ends->uas);
	if (invite && final)
		append(out, &len, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
			sizeof answer_sdp - 1, answer_sdp);
	else
		append(out, &len, "Content-Length: 0\r\n\r\n");
	return len;
}

size_t message_in_dialog(char *out, const char *method, int cseq, const char *answer,
	size_t answer_len, const struct ends *ends, uint32_t number)
{
	enum { MAX_ROUTES = 8 };
	struct line line, from = {0}, to = {0}, call_id = {0}, route[MAX_ROUTES];
	const char *at = answer, *end = answer + answer_len;
	int routes = 0;
	size_t len = 0;

	next_line(&at, end, &line);
	while (next_line(&at, end, &line)) {
		if (named(&line, "from", 'f'))
			from = line;
		else if (named(&line, "to", 't'))
			to = line;
		else if (named(&line, "call-id", 'i'))
			call_id = line;
		else if (named(&line, "record-route", 0) && routes < MAX_ROUTES)
			route[routes++] = line;
	}
	/* the UAS is ours, so its Contact is known without reading it */
	append(out, &len,
		"%s sip:bob@%s SIP/2.0\r\n"
		"Via: SIP/2.0/UDP %s;branch=z9hG4bK%08x%08x%c;rport\r\nMax-Forwards: 70\r\n",
		method, ends->uas, ends->uac, ends->run, number, method[0]);
	while (routes--) {
		const char *value = memchr(route[routes].start, ':',
			(size_t)(route[routes].end - route[routes].start));
		append(out, &len, "Route%.*s\r\n", (int)(route[routes].end - value), value);
	}
	append_line(out, &len, &from);
	append_line(out, &len, &to);
	append_line(out, &len, &call_id);
	append(out, &len, "CSeq: %d %s\r\nContent-Length: 0\r\n\r\n", cseq, method);
	return len;
}

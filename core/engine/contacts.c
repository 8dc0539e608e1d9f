#include "engine/contacts.h"

#include "base/check.h"
#include "base/put.h"
#include "sip/edit.h"

enum { LOGGED_MAX = 200 }; /* bytes of a Contact, in a line of the log */

static bool is_sip(const struct uri *uri)
{
	return uri->scheme == URI_SIP || uri->scheme == URI_SIPS;
}

bool contact_is_at_us(struct packet *packet, const struct uri *uri)
{
	return legs_have(packet->engine, uri->host, uri_port_or_default(uri));
}

struct span contact_word(struct packet *packet, const struct uri *uri)
{
	struct span user = uri->user;
	if (!span_find(user, '%'))
		return user;
	char *text = arena_alloc(&packet->msg.arena, user.n);
	uint32_t n = uri_plain_user(user, text);
	arena_shrink(&packet->msg.arena, text + n);
	return span_of(text, n);
}

/* Its contacts are for whoever it goes to, who makes requests of them (RFC 3261 8.1.3.4, 21.4.23):
 * what they say to send there has to be readable. */
static bool is_redirect(const struct msg *msg)
{
	return !msg->is_request && (msg->code / 100 == 3 || msg->code == 485);
}

/* What a word stands for: all behind the scheme, but for headers that stay readable. */
static struct span contact_of(const struct uri *uri, bool headers_stay)
{
	struct span contact = span_from(uri->text, uri->scheme_name.n + 1);
	if (headers_stay && uri->headers.n)
		contact.n -= 1 + uri->headers.n;
	return contact;
}

/* ---- words ---- */

static struct contact_key *own_key(struct engine *engine)
{
	if (!engine->contact_key) {
		char secret[32];
		engine->world->random(engine->world, secret, sizeof secret);
		engine->contact_key = contact_key_new(span_of(secret, sizeof secret));
		BUG(!engine->contact_key); /* no AES, or no memory */
	}
	return engine->contact_key;
}

static struct contact_key *key_of(struct packet *packet, uint32_t i)
{
	const struct proxy *proxy = packet->proxy;
	return i < proxy->n_keys ? proxy->keys[i] : i == 0 ? own_key(packet->engine) : NULL;
}

enum contact_kind contact_read(
	struct packet *packet, const struct uri *uri, struct contact_found *found)
{
	if (!is_sip(uri))
		return CONTACT_PLAIN;
	struct span word = contact_word(packet, uri);
	if (!contact_word_is_like(word) || !contact_is_at_us(packet, uri))
		return CONTACT_PLAIN;
	struct arena *arena = &packet->msg.arena;
	struct contact_places places = {.shown_at = packet_leg(packet)->place};
	char *out = arena_alloc(arena, CONTACT_MAX);
	struct contact_key *key;
	uint32_t n = 0;
	for (uint32_t i = 0; !n && (key = key_of(packet, i)) != NULL; i++)
		n = contact_word_read(key, &places, word, out);
	arena_shrink(arena, out + n);
	found->contact = span_of(out, n);
	found->leads_to = n ? legs_place(packet->engine, places.leads_to) : 0;
	return found->leads_to ? CONTACT_OURS : CONTACT_BAD;
}

/* `gr` or `ob` may be among the parameters: nearly never. */
static bool may_have_marks(const struct uri *uri)
{
	const char *p = uri->params.p, *end = span_end(uri->params);
	while (end - p > 2) {
		char first = ascii_lower(p[1]);
		if (first == 'g' || first == 'o' || first == '%')
			return true;
		p = memchr(p + 1, ';', (size_t)(end - p - 1));
		if (!p)
			break;
	}
	return false;
}

/* Says that the one who put the Contact there can be reached by the flow it came by (RFC 5626 5.4):
 * a word about him, and not about the way. */
static char *put_kept_params(char *out, const struct uri *uri)
{
	bool kept = may_have_marks(uri) && uri_has_param(uri, SPAN("ob"));
	return kept ? put_text(out, ";ob") : out;
}

enum { PARAMS_MAX = sizeof ";transport=tcp;ob" };

static char *put_at_leg(char *out, const struct leg *leg)
{
	*out++ = '@';
	out = put_span(out, leg_sent_by(leg));
	return leg->address.transport == TRANSPORT_TCP ? put_text(out, ";transport=tcp") : out;
}

static struct span shown_as_word(struct packet *packet, const struct uri *uri, struct span contact,
	uint64_t leads_to, const struct leg *out)
{
	struct arena *arena = &packet->msg.arena;
	struct contact_places places = {.shown_at = out->place, .leads_to = (uint32_t)leads_to};
	if (contact.n > CONTACT_MAX)
		return span_of(NULL, 0);
	uint32_t room = uri->scheme_name.n + 2 + CONTACT_WORD_LENGTH(contact.n) + out->shown.n +
			PARAMS_MAX + CONTACT_LETTERS_SLACK;
	char *text = arena_alloc(arena, room), *at = put_span(text, uri->scheme_name);
	*at++ = ':';
	uint32_t n = contact_word_make(key_of(packet, 0), &places, contact, at);
	if (!n)
		return span_of(NULL, 0);
	at = put_at_leg(at + n, out);
	at = put_kept_params(at, uri);
	arena_shrink(arena, at);
	return span_between(text, at);
}

struct span contact_shown(struct packet *packet, const struct uri *uri,
	const struct contact_found *found, const struct leg *out)
{
	if (found->leads_to != out->place)
		return shown_as_word(packet, uri, found->contact, found->leads_to, out);
	char *text = arena_alloc(&packet->msg.arena, uri->scheme_name.n + 1 + found->contact.n);
	char *at = put_span(text, uri->scheme_name);
	*at++ = ':';
	return span_between(text, put_span(at, found->contact));
}

struct span contact_word_uri(
	struct packet *packet, const struct uri *like, struct span word, const struct leg *out)
{
	uint64_t room = (uint64_t)like->scheme_name.n + 2 + word.n + out->shown.n + PARAMS_MAX;
	if (room > URI_LENGTH_MAX)
		return span_of(NULL, 0);
	char *text = arena_alloc(&packet->msg.arena, (uint32_t)room);
	char *at = put_span(text, like->scheme_name);
	*at++ = ':';
	at = put_at_leg(put_span(at, word), out);
	at = put_kept_params(at, like);
	arena_shrink(&packet->msg.arena, at);
	return span_between(text, at);
}

/* A URI may say what to send there too: method and headers (RFC 3261 19.1.5), such as the Replaces
 * of an attended transfer (RFC 3891). Whoever wrote them behind the URI that was `sent` meant them
 * for what `text` stands for now. p NULL: it is too long. */
static struct span with_what_to_send(
	struct packet *packet, struct span text, const struct uri *sent)
{
	struct span method = {NULL, 0}, headers = sent->headers;
	struct uri made;
	bool has_method = uri_param(sent, SPAN("method"), &method) && method.n;
	if (!headers.n && !has_method)
		return text;
	uint64_t room = (uint64_t)text.n + sizeof ";method=?&" + method.n + headers.n;
	if (!text.p || room > URI_LENGTH_MAX || uri_parse(text, &made))
		return span_of(NULL, 0);
	char *begin = arena_alloc(&packet->msg.arena, (uint32_t)room), *out = begin;
	out = put_span(out, made.headers.p ? span_between(text.p, made.headers.p - 1) : text);
	if (has_method && !uri_has_param(&made, SPAN("method")))
		out = put_span(put_text(out, ";method="), method);
	struct span parts[] = {made.headers, headers};
	char separator = '?';
	for (int i = 0; i < 2; i++)
		if (parts[i].n) {
			*out++ = separator;
			out = put_span(out, parts[i]);
			separator = '&';
		}
	arena_shrink(&packet->msg.arena, out);
	return span_between(begin, out);
}

/* ---- one URI ---- */

struct rewriting {
	struct packet *packet;
	const struct leg *in, *out; /* out NULL: a script has rewritten what can be read */
	uint32_t code;		    /* why the request cannot go on */
};

/* What stands for the URI on the other side into `*text`; p NULL: leave it. 0, or the code that
 * says why nothing can. */
static uint32_t replacement(
	struct rewriting *rewriting, const struct uri *uri, bool is_refer_to, struct span *text)
{
	struct packet *packet = rewriting->packet;
	struct contact_found found;
	bool redirects = is_redirect(&packet->msg);
	if (!is_sip(uri) || !rewriting->out)
		return 0;
	switch (contact_read(packet, uri, &found)) {
	case CONTACT_OURS:
		*text = contact_shown(packet, uri, &found, rewriting->out);
		break;
	case CONTACT_BAD:
		packet->engine->count[COUNT_contacts_refused]++;
		if (packet->msg.is_request)
			return 404;
		/* A response has to reach its end: the word is hidden like any contact. */
		/* fall through */
	case CONTACT_PLAIN:
		if (is_refer_to || (may_have_marks(uri) && uri_has_param(uri, SPAN("gr"))))
			return 0;
		*text = shown_as_word(packet, uri, contact_of(uri, redirects), rewriting->in->place,
			rewriting->out);
		break;
	}
	if (is_refer_to || redirects)
		*text = with_what_to_send(packet, *text, uri);
	return text->p ? 0 : 513;
}

/* ---- headers ---- */

/* `value` with `uri` in the place of its own; URIs that stood without <> get them, for what is
 * behind a ';' in the new one belongs to it. */
static char *put_value(char *out, const struct nameaddr *value, struct span uri)
{
	struct span text = value->text;
	out = put_span(out, span_between(text.p, value->uri_text.p));
	if (!value->has_brackets)
		*out++ = '<';
	out = put_span(out, uri);
	if (!value->has_brackets)
		*out++ = '>';
	return put_span(out, span_between(span_end(value->uri_text), span_end(text)));
}

/* Contact is a list, Refer-To one value. */
static bool next_value(bool is_list, struct span *rest, struct span *value)
{
	if (is_list)
		return list_next(rest, value);
	*value = *rest;
	*rest = span_from(*rest, rest->n);
	return value->n > 0;
}

enum fate { VALUE_STAYS, VALUE_REPLACED, VALUE_REMOVED };

/* Nobody tells a peer that the Contact of its response is wrong, and the other side must not see it
 * as it is: the response goes on without. */
static enum fate fate_of(struct rewriting *rewriting, struct span value, bool is_refer_to,
	struct nameaddr *nameaddr, struct span *uri)
{
	bool may_remove = !rewriting->packet->msg.is_request && !is_refer_to;
	if (nameaddr_parse(value, nameaddr) < 0)
		return may_remove && value.n && !span_eq(value, SPAN("*")) ? VALUE_REMOVED
									   : VALUE_STAYS;
	uint32_t code = replacement(rewriting, &nameaddr->uri, is_refer_to, uri);
	if (code && may_remove)
		return VALUE_REMOVED;
	if (code)
		rewriting->code = code;
	return !code && uri->p ? VALUE_REPLACED : VALUE_STAYS;
}

/* Logged once a second at most: a peer decides how often this happens. */
static void tell_removed(struct engine *engine, struct span value)
{
	int64_t second = engine_now_ms(engine) / 1000;
	engine->count[COUNT_contacts_removed]++;
	if (engine->contact_removed_second == second)
		return;
	engine->contact_removed_second = second;
	value.n = value.n < LOGGED_MAX ? value.n : LOGGED_MAX;
	log_event(engine->log, LOG_WARN, "contact.removed", LOG_TEXT("contact", value));
}

/* A header value that is written anew. */
struct copy {
	char text[MSG_HEADER_LENGTH_MAX], *out;
	const char *from;     /* what of the old value is before this is in `text`, or gone */
	const char *kept_end; /* of the last value that stays; NULL: none so far */
	bool changed;
};

/* False when there is no room, for that and `more` bytes. */
static bool copy_until(struct copy *copy, const char *end, uint64_t more)
{
	struct span part = span_between(copy->from, end);
	if (part.n + more > (uint64_t)(copy->text + sizeof copy->text - copy->out))
		return false;
	copy->out = put_span(copy->out, part);
	copy->from = end;
	return true;
}

/* With the comma before it, and when none stays before it, with the one behind it. */
static bool copy_without(struct copy *copy, struct span value, struct span rest)
{
	copy->changed = true;
	if (!copy->kept_end) {
		copy->from = rest.p;
		return true;
	}
	if (copy->from < copy->kept_end && !copy_until(copy, copy->kept_end, 0))
		return false;
	copy->from = span_end(value);
	return true;
}

static bool copy_with(struct copy *copy, const struct nameaddr *value, struct span uri)
{
	copy->changed = true;
	if (!copy_until(copy, value->text.p, (uint64_t)value->text.n + uri.n + 2))
		return false;
	copy->out = put_value(copy->out, value, uri);
	copy->from = span_end(value->text);
	return true;
}

/* What stands between the values stays as it is. False: it does not fit. */
static bool copy_values(
	struct rewriting *rewriting, struct copy *copy, struct span all, bool is_refer_to)
{
	struct span rest = all, value;
	while (next_value(!is_refer_to, &rest, &value)) {
		struct nameaddr nameaddr;
		struct span uri = {NULL, 0};
		enum fate fate = fate_of(rewriting, value, is_refer_to, &nameaddr, &uri);
		if (fate == VALUE_REMOVED) {
			tell_removed(rewriting->packet->engine, value);
			if (!copy_without(copy, value, rest))
				return false;
			continue;
		}
		if (fate == VALUE_REPLACED && !copy_with(copy, &nameaddr, uri))
			return false;
		if (value.n)
			copy->kept_end = span_end(value);
	}
	return !copy->changed || copy_until(copy, span_end(all), 0);
}

/* False: the header is gone. */
static bool rewrite_header(struct rewriting *rewriting, int i)
{
	struct msg *msg = &rewriting->packet->msg;
	bool is_refer_to = msg->id[i] == HDR_REFER_TO;
	struct span all = msg_unfolded(msg, i);
	struct copy copy;
	copy.out = copy.text;
	copy.from = all.p;
	copy.kept_end = NULL;
	copy.changed = false;
	bool fits = copy_values(rewriting, &copy, all, is_refer_to);
	if (fits && !copy.changed)
		return true;
	if (fits && copy.kept_end &&
		edit_clean_value(msg, i, span_between(copy.text, copy.out)) == 0)
		return true;
	if (msg->is_request || is_refer_to) {
		rewriting->code = 513;
		return true;
	}
	if (copy.kept_end)
		tell_removed(rewriting->packet->engine, all);
	edit_remove_at(msg, i);
	return false;
}

static void rewrite_headers(struct rewriting *rewriting, enum hdr_id id)
{
	struct msg *msg = &rewriting->packet->msg;
	for (int i = msg_find(msg, id, 0); i >= 0 && rewriting->code != 513;) {
		bool stays = rewrite_header(rewriting, i);
		i = msg_find(msg, id, stays ? i + 1 : i);
	}
}

/* RFC 3327 5.2: the registrar sends by Path before it looks at the contact, so that has to lead
 * through us too; twice, for we are two hops in one (RFC 5658). */
static uint32_t add_path(struct packet *packet, const struct leg *in, const struct leg *out)
{
	struct msg *msg = &packet->msg;
	const struct leg *legs[] = {in, out};
	char text[LEG_SPEC_MAX + 64];
	for (int i = 0; i < 2; i++) {
		char *at = put_text(text, "<sip:");
		at = put_span(at, leg_sent_by(legs[i]));
		if (legs[i]->address.transport == TRANSPORT_TCP)
			at = put_text(at, ";transport=tcp");
		at = put_text(at, ";lr>");
		if (edit_insert(msg, msg_find(msg, HDR_PATH, 0), HDR_PATH, span_between(text, at)) <
			0)
			return 513;
	}
	return 0;
}

uint32_t contacts_rewrite(struct packet *packet, const struct leg *out)
{
	struct msg *msg = &packet->msg;
	struct rewriting rewriting = {.packet = packet, .in = packet_leg(packet), .out = out};
	rewrite_headers(&rewriting, HDR_CONTACT);
	rewrite_headers(&rewriting, HDR_REFER_TO);
	if (!msg->is_request)
		return 0;
	if (!rewriting.code && msg->method_id == METHOD_REGISTER && rewriting.in != out &&
		msg_find(msg, HDR_PATH, 0) >= 0)
		rewriting.code = add_path(packet, rewriting.in, out);
	return rewriting.code;
}

void contacts_remove_unreadable(struct packet *packet)
{
	struct rewriting rewriting = {.packet = packet};
	rewrite_headers(&rewriting, HDR_CONTACT);
}

/* ---- one by one, for scripts ---- */

bool contact_at(struct packet *packet, uint32_t number, struct contact_at *at)
{
	static const enum hdr_id ids[] = {HDR_CONTACT, HDR_REFER_TO};
	struct msg *msg = &packet->msg;
	for (int k = 0; k < 2; k++)
		for (int i = msg_find(msg, ids[k], 0); i >= 0; i = msg_find(msg, ids[k], i + 1)) {
			struct span rest = msg_unfolded(msg, i), value;
			*at = (struct contact_at){.header = i, .is_refer_to = k == 1, .all = rest};
			while (next_value(k == 0, &rest, &value))
				if (nameaddr_parse(value, &at->value) == 0 &&
					is_sip(&at->value.uri) && number-- == 0) {
					at->contact = contact_of(&at->value.uri, is_redirect(msg));
					at->is_last =
						!rest.n && msg_find(msg, ids[k], i + 1) < 0 &&
						(k == 1 || msg_find(msg, HDR_REFER_TO, 0) < 0);
					return true;
				}
		}
	return false;
}

int contact_put(struct packet *packet, const struct contact_at *at, struct span uri)
{
	struct msg *msg = &packet->msg;
	if (at->is_refer_to || is_redirect(msg))
		uri = with_what_to_send(packet, uri, &at->value.uri);
	if (!uri.p || at->all.n + (uint64_t)uri.n + 2 > MSG_HEADER_LENGTH_MAX)
		return EDIT_TOO_MANY;
	char text[MSG_HEADER_LENGTH_MAX];
	char *out = put_span(text, span_between(at->all.p, at->value.text.p));
	out = put_value(out, &at->value, uri);
	out = put_span(out, span_between(span_end(at->value.text), span_end(at->all)));
	return edit_clean_value(msg, at->header, span_between(text, out));
}

/* The stateless proxy, for Lua (abi.h). */
#include <stdlib.h>

#include "base/check.h"
#include "engine/contacts.h"
#include "engine/forward.h"
#include "engine/outgoing.h"
#include "script/task.h"
#include "sip/edit.h"

enum { CONTACTS_MAX = 64 }; /* of one message, that a script is asked about */

/* ---- making one ---- */

/* NULL: a script made the number up. */
static struct proxy *proxy_of(struct vd_script *script, int number)
{
	return number >= 0 && (uint32_t)number < script->n_stateless ? script->stateless[number]
								     : NULL;
}

static bool is_told_the_same(const struct proxy *proxy, const vd_proxy *options)
{
	return !proxy->n_keys && proxy->rewrites == !!options->rewrites &&
	       proxy->by_script == !!options->by_script && proxy->force == !!options->force &&
	       proxy->quiet == !!options->quiet;
}

int vd_proxy_new(struct vd_script *script, const vd_proxy *options, int has_keys)
{
	for (uint32_t i = 0; !has_keys && i < script->n_stateless; i++)
		if (is_told_the_same(script->stateless[i], options))
			return (int)i;
	if (script->n_stateless == SCRIPT_PROXIES_MAX)
		return VD_LIMIT;
	struct proxy *proxy = proxy_new();
	proxy->rewrites = options->rewrites;
	proxy->by_script = options->by_script;
	proxy->force = options->force;
	proxy->quiet = options->quiet;
	script->stateless[script->n_stateless] = proxy;
	return (int)script->n_stateless++;
}

int vd_proxy_key(struct vd_script *script, int number, const char *secret, uint32_t n)
{
	struct proxy *proxy = proxy_of(script, number);
	if (!proxy)
		return VD_MISUSE;
	if (n < CONTACT_SECRET_MIN)
		return VD_BAD_VALUE;
	return proxy_add_key(proxy, span_of(secret, n)) < 0 ? VD_LIMIT : VD_OK;
}

/* ---- forwarding ---- */

static int may_forward(struct vd_script *script, int number, double handle, struct proxy **proxy,
	struct packet **packet)
{
	*proxy = proxy_of(script, number);
	*packet = packet_of(script->engine, handle);
	if (!*packet)
		return VD_GONE;
	if (!*proxy)
		return VD_MISUSE;
	return (*packet)->decision == DECISION_NONE ? VD_OK : VD_REFUSED;
}

static bool may_be_stateful(const struct vd_script *script, const struct packet *packet)
{
	enum method_id method = packet->msg.method_id;
	return packet->msg.is_request && method != METHOD_ACK && method != METHOD_CANCEL &&
	       script->running && script->running->packet == packet;
}

/* Its caller repeats it no more. */
static bool is_late(const struct vd_script *script, const struct packet *packet)
{
	const struct relay *relay = packet->relay;
	return relay && relay_has_spoken(relay) && !relay_is_stateful(relay) &&
	       may_be_stateful(script, packet);
}

/* Or, as just planned, it may have to be sent once more. */
static bool must_be_stateful(const struct vd_script *script, const struct packet *packet)
{
	return (packet->is_by_size && may_be_stateful(script, packet)) || is_late(script, packet);
}

static int forward_planned(const struct vd_script *script, struct packet *packet,
	const struct proxy *proxy, enum forward_result result)
{
	if (result != FORWARD_PLANNED)
		return result == FORWARD_RESOLVE ? VD_RESOLVE : VD_OK;
	if (must_be_stateful(script, packet))
		return VD_STATEFUL;
	forward_go(packet, proxy);
	return VD_OK;
}

int vd_proxy_forward(struct vd_script *script, int number, double handle)
{
	struct proxy *proxy;
	struct packet *packet;
	int rc = may_forward(script, number, handle, &proxy, &packet);
	if (rc)
		return rc;
	if (is_late(script, packet))
		return VD_STATEFUL;
	if (forward_is_too_big(packet) && may_be_stateful(script, packet))
		return forward_planned(script, packet, proxy, forward_plan(packet, proxy));
	return forward(packet, proxy) == FORWARD_DONE ? VD_OK : VD_RESOLVE;
}

/* The request the running task waited for. */
static int found(struct vd_script *script, int number, double handle, struct proxy **proxy,
	struct packet **packet)
{
	int rc = may_forward(script, number, handle, proxy, packet);
	if (rc)
		return rc;
	return script->running && (*packet)->msg.is_request ? VD_OK : VD_MISUSE;
}

static enum forward_result plan_found(
	const struct task *task, struct packet *packet, const struct proxy *proxy)
{
	return forward_plan_to(packet, proxy, task->located, task->targets, task->n_targets);
}

int vd_proxy_forward_found(struct vd_script *script, int number, double handle)
{
	struct proxy *proxy;
	struct packet *packet;
	int rc = found(script, number, handle, &proxy, &packet);
	if (rc)
		return rc;
	if (is_late(script, packet))
		return VD_STATEFUL;
	return forward_planned(script, packet, proxy, plan_found(script->running, packet, proxy));
}

static int planned(struct vd_script *script, struct packet *packet, const struct proxy *proxy,
	enum forward_result result, vd_plan *plan)
{
	if (result != FORWARD_PLANNED)
		return result == FORWARD_RESOLVE ? VD_RESOLVE : VD_OK;
	const struct leg *in = packet_leg(packet), *out = &packet->engine->legs.leg[packet->to.leg];
	*plan = (vd_plan){
		.incoming = in->serial,
		.outgoing = out->serial,
		.hides = proxy_hides(proxy, in, out),
		.apart = in->place != out->place,
	};
	plan->late = !plan->hides && must_be_stateful(script, packet);
	return VD_NUMBER;
}

int vd_proxy_plan(struct vd_script *script, int number, double handle, vd_plan *plan)
{
	struct proxy *proxy;
	struct packet *packet;
	int rc = may_forward(script, number, handle, &proxy, &packet);
	return rc ? rc : planned(script, packet, proxy, forward_plan(packet, proxy), plan);
}

int vd_proxy_plan_found(struct vd_script *script, int number, double handle, vd_plan *plan)
{
	struct proxy *proxy;
	struct packet *packet;
	int rc = found(script, number, handle, &proxy, &packet);
	return rc ? rc
		  : planned(script, packet, proxy, plan_found(script->running, packet, proxy),
			    plan);
}

int vd_proxy_send(struct vd_script *script, int number, double handle)
{
	struct proxy *proxy;
	struct packet *packet;
	int rc = may_forward(script, number, handle, &proxy, &packet);
	if (!rc)
		forward_go(packet, proxy);
	return rc;
}

int vd_proxy_refuse(struct vd_script *script, int number, double handle, uint32_t code,
	const char *reason, uint32_t reason_n)
{
	struct proxy *proxy;
	struct packet *packet;
	int rc = may_forward(script, number, handle, &proxy, &packet);
	if (!rc)
		forward_refuse(packet, proxy, code, span_of(reason, reason_n));
	return rc;
}

/* ---- contacts that a script rewrites ---- */

static void give(vd_value *out, struct span s)
{
	out->p = s.p;
	out->n = s.n;
}

/* What scripts may make of a contact: nothing that others escape, or read as more than a name. */
static bool is_word(struct span s)
{
	return span_is(s, CHAR_HOST);
}

static void give_word(struct packet *packet, const struct uri *uri, vd_contact *out)
{
	struct span word = contact_word(packet, uri);
	bool ours = is_word(word) && contact_is_at_us(packet, uri);
	give(&out->word, ours ? word : span_of("", 0));
}

/* The one that is meant, also behind a strict router; false: it is none. */
static bool sip_request_uri(struct packet *packet, struct uri *uri, bool *is_strict)
{
	const struct uri *parsed = packet->msg.is_request ? msg_ruri(&packet->msg) : NULL;
	if (!parsed)
		return false;
	*uri = *parsed;
	*is_strict = route_is_strict(packet, uri);
	return uri->scheme == URI_SIP || uri->scheme == URI_SIPS;
}

int vd_contact_of_uri(struct vd_script *script, double handle, vd_contact *out)
{
	struct packet *packet = packet_of(script->engine, handle);
	if (!packet)
		return VD_GONE;
	struct uri uri;
	bool is_strict;
	if (!sip_request_uri(packet, &uri, &is_strict))
		return VD_ABSENT;
	give_word(packet, &uri, out);
	return VD_OK;
}

/* "sip:" or "sips:" and what belongs behind it, in the arena. */
static struct span with_scheme(struct packet *packet, const struct uri *like, struct span contact)
{
	uint32_t n = like->scheme_name.n + 1;
	char *text = arena_alloc(&packet->msg.arena, n + contact.n);
	memcpy(text, like->text.p, n);
	memcpy(text + n, contact.p, contact.n);
	return span_of(text, n + contact.n);
}

/* Made of a text of the script, so it may be anything. */
static bool is_uri(struct span text)
{
	struct uri uri;
	return uri_parse(text, &uri) == 0;
}

int vd_contact_set_uri(struct vd_script *script, double handle, const char *contact, uint32_t n,
	const char *spec, uint32_t spec_n)
{
	struct packet *packet = packet_of(script->engine, handle);
	if (!packet)
		return VD_GONE;
	struct uri uri;
	bool is_strict;
	if (!sip_request_uri(packet, &uri, &is_strict))
		return VD_MISUSE;
	if (n > URI_LENGTH_MAX)
		return VD_LIMIT;
	struct span text = with_scheme(packet, &uri, span_of(contact, n));
	if (!is_uri(text) || edit_uri(&packet->msg, text) < 0)
		return VD_BAD_VALUE;
	if (is_strict && outgoing_remove_last_route(&packet->msg) < 0)
		return VD_LIMIT;
	const struct legs *legs = &script->engine->legs;
	for (uint32_t i = 0; spec_n && i < legs->n; i++)
		if (legs->leg[i].state != LEG_CLOSED &&
			span_eq(span_str(legs->leg[i].spec), span_of(spec, spec_n))) {
			packet->home = legs->leg[i].place;
			packet->home_only = true;
		}
	return VD_OK;
}

int vd_contact_at(struct vd_script *script, double handle, uint32_t number, vd_contact *out)
{
	struct packet *packet = packet_of(script->engine, handle);
	struct contact_at at;
	if (!packet)
		return VD_GONE;
	if (!contact_at(packet, number, &at))
		return VD_ABSENT;
	if (number >= CONTACTS_MAX)
		return VD_LIMIT;
	give(&out->contact, at.contact);
	give_word(packet, &at.value.uri, out);
	out->is_refer_to = at.is_refer_to;
	out->is_last = at.is_last;
	return VD_OK;
}

int vd_contact_restore(
	struct vd_script *script, double handle, uint32_t number, const char *contact, uint32_t n)
{
	struct packet *packet = packet_of(script->engine, handle);
	struct contact_at at;
	if (!packet)
		return VD_GONE;
	if (n > URI_LENGTH_MAX || !contact_at(packet, number, &at))
		return VD_LIMIT;
	struct span text = with_scheme(packet, &at.value.uri, span_of(contact, n));
	if (!is_uri(text))
		return VD_BAD_VALUE;
	return contact_put(packet, &at, text) < 0 ? VD_LIMIT : VD_OK;
}

int vd_contact_show(struct vd_script *script, double handle, uint32_t number, const char *word,
	uint32_t n, uint32_t outgoing)
{
	struct packet *packet = packet_of(script->engine, handle);
	struct contact_at at;
	if (!packet)
		return VD_GONE;
	const struct legs *legs = &script->engine->legs;
	uint32_t leg = 0;
	while (leg < legs->n && legs->leg[leg].serial != outgoing)
		leg++;
	if (leg == legs->n || !contact_at(packet, number, &at))
		return VD_MISUSE;
	if (!is_word(span_of(word, n)))
		return VD_BAD_VALUE;
	struct span text =
		contact_word_uri(packet, &at.value.uri, span_of(word, n), &legs->leg[leg]);
	return !text.p || contact_put(packet, &at, text) < 0 ? VD_LIMIT : VD_OK;
}

/* ---- letters ---- */

int vd_letters(struct vd_script *script, const char *bytes, uint32_t n, vd_value *out)
{
	if (n > URI_LENGTH_MAX)
		return VD_LIMIT;
	free(script->scratch);
	script->scratch = must_alloc(2 * (size_t)n + CONTACT_LETTERS_SLACK);
	give(out, span_of(script->scratch, contact_letters(span_of(bytes, n), script->scratch)));
	return VD_TEXT;
}

int vd_letters_undo(struct vd_script *script, const char *letters, uint32_t n, vd_value *out)
{
	if (n > URI_LENGTH_MAX)
		return VD_LIMIT;
	free(script->scratch);
	script->scratch = must_alloc((size_t)n + 1);
	int64_t bytes = contact_bytes(span_of(letters, n), script->scratch);
	if (bytes < 0)
		return VD_ABSENT;
	give(out, span_of(script->scratch, (size_t)bytes));
	return VD_TEXT;
}

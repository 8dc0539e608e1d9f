/* Reading and changing messages, for Lua (abi.h). */
#include <stdlib.h>

#include "base/check.h"
#include "script/script.h"
#include "sip/edit.h"

static int text(vd_value *out, struct span s)
{
	if (!s.p)
		return VD_ABSENT;
	out->p = s.p;
	out->n = s.n;
	return VD_TEXT;
}

static int number(vd_value *out, double value)
{
	out->number = value;
	return VD_NUMBER;
}

static int boolean(vd_value *out, bool value)
{
	out->number = value;
	return VD_BOOL;
}

static int tag_of(vd_value *out, const struct nameaddr *party)
{
	return party ? text(out, nameaddr_tag(party)) : VD_ABSENT;
}

static int source_fact(struct vd_script *script, struct packet *packet, int fact, vd_value *out)
{
	const struct flow *from = &packet->from;
	switch (fact) {
	case VD_SOURCE_IP:
		return text(out, span_of(script->name, addr_print_ip(&from->peer, script->name)));
	case VD_SOURCE_PORT:
		return number(out, addr_port(&from->peer));
	case VD_SOURCE_TRANSPORT:
		return number(out, packet_leg(packet)->address.transport);
	default:
		return boolean(out, addr_is_loopback(&from->peer));
	}
}

static int cseq_fact(struct msg *msg, int fact, vd_value *out)
{
	const struct cseq *cseq = msg_cseq(msg);
	if (!cseq)
		return VD_ABSENT;
	return fact == VD_CSEQ_NUMBER ? number(out, cseq->number) : text(out, cseq->method);
}

int vd_message_fact(struct vd_script *script, double handle, int fact, vd_value *out)
{
	struct packet *packet = packet_of(script->engine, handle);
	if (!packet)
		return VD_GONE;
	struct msg *msg = &packet->msg;
	switch ((enum vd_fact)fact) {
	case VD_METHOD:
		return msg->is_request ? text(out, msg->method)
				       : cseq_fact(msg, VD_CSEQ_METHOD, out);
	case VD_METHOD_ID:
		return number(out, msg->method_id);
	case VD_URI:
		return msg->is_request ? text(out, msg->uri) : VD_ABSENT;
	case VD_RECEIVED_URI:
		return msg->is_request ? text(out, msg->received_uri) : VD_ABSENT;
	case VD_CODE:
		return msg->is_request ? VD_ABSENT : number(out, msg->code);
	case VD_REASON:
		return msg->is_request ? VD_ABSENT : text(out, msg->reason);
	case VD_CALL_ID:
		return text(out, msg_value(msg, HDR_CALL_ID));
	case VD_CSEQ_NUMBER:
	case VD_CSEQ_METHOD:
		return cseq_fact(msg, fact, out);
	case VD_BODY:
		return text(out, msg->body.n ? msg->body : span_of("", 0));
	case VD_IS_REQUEST:
		return boolean(out, msg->is_request);
	case VD_FROM_TAG:
		return tag_of(out, msg_from(msg));
	case VD_TO_TAG:
		return tag_of(out, msg_to(msg));
	case VD_MAX_FORWARDS: {
		int64_t hops = msg_max_forwards(msg);
		return hops < 0 ? VD_ABSENT : number(out, (double)hops);
	}
	case VD_SOURCE_IP:
	case VD_SOURCE_PORT:
	case VD_SOURCE_TRANSPORT:
	case VD_SOURCE_LOOPBACK:
		return source_fact(script, packet, fact, out);
	case VD_LEG:
		return number(out, packet->from.leg);
	case VD_DECISION:
		return number(out, packet->decision);
	}
	return VD_MISUSE;
}

/* ---- headers ---- */

int vd_message_values(struct vd_script *script, double handle, const char *name, uint32_t n)
{
	struct packet *packet = packet_of(script->engine, handle);
	if (!packet)
		return VD_GONE;
	enum hdr_id id = n <= MSG_NAME_MAX ? hdr_id_of(span_of(name, n)) : HDR_OTHER;
	script->values = msg_values(&packet->msg, id);
	script->values_of = handle;
	script->unlisted_at = 0;
	script->unlisted_name = span_of(NULL, 0);
	if (n > MSG_NAME_MAX)
		return VD_ABSENT;
	if (id == HDR_OTHER) {
		memcpy(script->name, name, n);
		script->unlisted_name = span_of(script->name, n);
	}
	return VD_OK;
}

/* Headers that are no list: each value whole. */
static int next_whole(struct vd_script *script, struct msg *msg, vd_value *out)
{
	int at = script->unlisted_name.p
			 ? msg_find_name(msg, script->unlisted_name, script->unlisted_at)
			 : msg_find(msg, script->values.id, script->unlisted_at);
	if (at < 0)
		return VD_ABSENT;
	script->unlisted_at = at + 1;
	return text(out, msg_unfolded(msg, at));
}

int vd_message_next_value(struct vd_script *script, double handle, vd_value *out)
{
	struct packet *packet = packet_of(script->engine, handle);
	struct span value;
	if (!packet)
		return VD_GONE;
	if (handle != script->values_of)
		return VD_MISUSE;
	if (script->unlisted_name.p || hdr_kind_of(script->values.id) != HDR_KIND_LIST)
		return next_whole(script, &packet->msg, out);
	return msg_values_next(&script->values, &value) ? text(out, value) : VD_ABSENT;
}

int vd_message_header_at(
	struct vd_script *script, double handle, uint32_t index, vd_value *name, vd_value *value)
{
	struct packet *packet = packet_of(script->engine, handle);
	if (!packet)
		return VD_GONE;
	if (index >= packet->msg.n_headers)
		return VD_ABSENT;
	text(name, hdr_name_text(&packet->msg.headers[index]));
	text(value, msg_unfolded(&packet->msg, (int)index));
	return VD_OK;
}

int vd_message_text(struct vd_script *script, double handle, vd_value *out)
{
	struct packet *packet = packet_of(script->engine, handle);
	uint32_t n;
	if (!packet)
		return VD_GONE;
	free(script->scratch);
	script->scratch = write_copy(&packet->msg, false, &n);
	return text(out, span_of(script->scratch, n));
}

/* ---- changes ---- */

static int edited(int rc)
{
	switch (rc) {
	case EDIT_BAD_NAME:
		return VD_BAD_NAME;
	case EDIT_BAD_VALUE:
		return VD_BAD_VALUE;
	case EDIT_TOO_MANY:
		return VD_LIMIT;
	case EDIT_REFUSED:
		return VD_REFUSED;
	}
	return VD_OK;
}

/* What identifies the message and its way back is not for scripts to change. */
static bool is_fixed(const char *name, uint32_t n)
{
	enum hdr_id id = hdr_id_of(span_of(name, n));
	return id == HDR_VIA || id == HDR_CALL_ID || id == HDR_CSEQ;
}

int vd_message_set_header(struct vd_script *script, double handle, const char *name,
	uint32_t name_n, const char *value, uint32_t value_n)
{
	if (is_fixed(name, name_n))
		return VD_REFUSED;
	struct packet *packet = packet_of(script->engine, handle);
	return packet ? edited(edit_set(
				&packet->msg, span_of(name, name_n), span_of(value, value_n)))
		      : VD_GONE;
}

int vd_message_add_header(struct vd_script *script, double handle, const char *name,
	uint32_t name_n, const char *value, uint32_t value_n)
{
	if (is_fixed(name, name_n))
		return VD_REFUSED;
	struct packet *packet = packet_of(script->engine, handle);
	return packet ? edited(edit_add(
				&packet->msg, span_of(name, name_n), span_of(value, value_n)))
		      : VD_GONE;
}

int vd_message_remove_header(
	struct vd_script *script, double handle, const char *name, uint32_t name_n)
{
	if (is_fixed(name, name_n))
		return VD_REFUSED;
	struct packet *packet = packet_of(script->engine, handle);
	return packet ? edited(edit_remove(&packet->msg, span_of(name, name_n))) : VD_GONE;
}

int vd_message_set_uri(struct vd_script *script, double handle, const char *uri, uint32_t n)
{
	struct packet *packet = packet_of(script->engine, handle);
	if (!packet)
		return VD_GONE;
	if (!packet->msg.is_request)
		return VD_MISUSE;
	return edited(edit_uri(&packet->msg, span_of(uri, n)));
}

int vd_message_retarget(struct vd_script *script, double handle, const char *text, uint32_t n)
{
	struct packet *packet = packet_of(script->engine, handle);
	struct uri uri;
	if (!packet)
		return VD_GONE;
	if (uri_parse(span_of(text, n), &uri))
		return VD_BAD_VALUE;
	char *target = arena_alloc(&packet->msg.arena, n);
	return vd_message_set_uri(script, handle, target, uri_as_target(&uri, target));
}

int vd_message_set_body(struct vd_script *script, double handle, const char *body, uint32_t body_n,
	const char *type, uint32_t type_n)
{
	struct packet *packet = packet_of(script->engine, handle);
	return packet ? edited(edit_body(
				&packet->msg, span_of(body, body_n), span_of(type, type_n)))
		      : VD_GONE;
}

/* Deciding about messages, for Lua: answer, forward, drop (abi.h). */
#include "base/put.h"
#include "engine/forward.h"
#include "engine/rate.h"
#include "script/task.h"
#include "sip/edit.h"

/* ---- replies ---- */

static int may_reply(struct vd_script *script, double handle, struct packet **packet)
{
	*packet = packet_of(script->engine, handle);
	if (!*packet)
		return VD_GONE;
	if (!(*packet)->msg.is_request)
		return VD_MISUSE;
	return (*packet)->decision == DECISION_NONE ? VD_OK : VD_REFUSED;
}

int vd_reply_begin(struct vd_script *script, double handle)
{
	struct packet *packet;
	script->headers_n = 0;
	script->body = script->body_type = span_of(NULL, 0);
	return may_reply(script, handle, &packet);
}

static bool is_one_line(struct span s)
{
	for (uint32_t i = 0; i < s.n; i++)
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
			return false;
	return true;
}

int vd_reply_header(struct vd_script *script, const char *name, uint32_t name_n, const char *value,
	uint32_t value_n)
{
	struct span key = span_of(name, name_n), text = span_of(value, value_n);
	if (!span_is_token(key))
		return VD_BAD_NAME;
	if (!is_one_line(text))
		return VD_BAD_VALUE;
	if (hdr_id_of(key) == HDR_CONTENT_LENGTH)
		return VD_REFUSED;
	if (script->headers_n + (uint64_t)name_n + value_n + 4 > sizeof script->headers)
		return VD_LIMIT;
	char *begin = script->headers + script->headers_n, *out = put_span(begin, key);
	out = put_text(out, ": ");
	out = put_span(out, text);
	out = put_text(out, "\r\n");
	script->headers_n += (uint32_t)(out - begin);
	return VD_OK;
}

int vd_reply_body(
	struct vd_script *script, const char *body, uint32_t n, const char *type, uint32_t type_n)
{
	if (!is_one_line(span_of(type, type_n)))
		return VD_BAD_VALUE;
	script->body = span_of(body, n);
	script->body_type = span_of(type, type_n);
	return VD_OK;
}

int vd_reply_send(struct vd_script *script, double handle, uint32_t code, const char *reason,
	uint32_t reason_n)
{
	struct packet *packet;
	int rc = may_reply(script, handle, &packet);
	if (rc)
		return rc;
	if (code < 100 || code > 699 || !is_one_line(span_of(reason, reason_n)))
		return VD_BAD_VALUE;
	if (packet->msg.method_id == METHOD_ACK)
		return VD_MISUSE;
	int sent = packet_reply_full(
		packet, &(struct reply){
				.code = code,
				.reason = span_of(reason, reason_n),
				.headers = span_of(script->headers, script->headers_n),
				.body = script->body,
				.body_type = script->body_type,
			});
	if (sent < 0)
		return VD_LIMIT;
	if (code < 200) /* provisional: the decision is still to come */
		packet->decision = DECISION_NONE;
	return VD_OK;
}

int vd_message_drop(
	struct vd_script *script, double handle, int why, const char *reason, uint32_t n)
{
	static const enum counter counters[] = {[VD_DROP_SCRIPT] = COUNT_dropped_by_script,
		[VD_DROP_FIELD] = COUNT_dropped_by_field,
		[VD_DROP_SOURCE] = COUNT_dropped_by_source};
	if (why < VD_DROP_SCRIPT || why > VD_DROP_SOURCE)
		return VD_BAD_VALUE;
	struct packet *packet = packet_of(script->engine, handle);
	if (!packet)
		return VD_GONE;
	if (packet->decision != DECISION_NONE)
		return VD_REFUSED;
	packet_drop(packet, counters[why]);
	log_event(script->engine->log, LOG_DEBUG, "dropped", LOG_TEXT("reason", span_of(reason, n)),
		LOG_TEXT("call_id", msg_value(&packet->msg, HDR_CALL_ID)));
	return VD_OK;
}

int vd_message_rate(
	struct vd_script *script, double handle, const vd_rate *limit, const char *name, uint32_t n)
{
	enum { LONGEST_S = 86400 };
	struct packet *packet = packet_of(script->engine, handle);
	if (!packet)
		return VD_GONE;
	if (!limit->attempts || !(limit->interval >= 0.001 && limit->interval <= LONGEST_S))
		return VD_BAD_VALUE;
	struct rate_limit rate = {.name = span_of(name, n),
		.attempts = limit->attempts,
		.interval_ms = (int64_t)(limit->interval * 1000 + 0.5),
		.per_port = limit->per_port != 0};
	return rate_allows(script->engine, &rate, &packet->from.peer);
}

int vd_message_in_dialog(struct vd_script *script, double handle)
{
	struct packet *packet = packet_of(script->engine, handle);
	return packet ? forward_is_in_dialog(packet) : VD_GONE;
}

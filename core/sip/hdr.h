/* Header and method names: text to id and back. Ids are dense and fit a byte. */
#pragma once

#include "base/span.h"

enum hdr_id {
	HDR_OTHER,
#define HDR(id, name, compact, kind) HDR_##id,
#include "sip/hdr.def"
#undef HDR
	HDR_COUNT
};

enum hdr_kind { HDR_KIND_TEXT, HDR_KIND_ONE, HDR_KIND_LIST };

/* Long or compact form, any letter case; HDR_OTHER when unknown. */
enum hdr_id hdr_id_of(struct span name);
/* Canonical name; empty for HDR_OTHER. */
struct span hdr_name(enum hdr_id id);
enum hdr_kind hdr_kind_of(enum hdr_id id);

enum method_id {
	METHOD_OTHER,
#define METHOD(id, text) METHOD_##id,
#include "sip/method.def"
#undef METHOD
	METHOD_COUNT
};

/* Case matters (RFC 3261 7.1): "invite" is METHOD_OTHER. */
enum method_id method_id_of(struct span method);
struct span method_name(enum method_id id);

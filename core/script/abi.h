// What Lua may call: this file is compiled as C and given to ffi.cdef byte for byte, so it holds
// declarations and comments only, no preprocessor.
//
// Rules. No function here enters Lua, blocks, or throws. Each takes the script (one Lua state) it is called from, checks the
// numeric handle it is given (a message that is gone gives VD_GONE, never freed memory), acts,
// and returns a code. Text goes in as pointer and length, borrowed for the call. Text comes out in a vd_value
// and is valid until the next call; Lua copies it at once.

typedef struct vd_script vd_script;

enum vd_code {
	VD_OK = 0,
	VD_ABSENT = 1,      // there is no such thing; no mistake
	VD_NUMBER = 2,      // vd_value.number is the answer
	VD_TEXT = 3,        // vd_value.p, .n is the answer
	VD_BOOL = 4,        // vd_value.number is 0 or 1
	VD_RESOLVE = 5,     // a name has to be looked up first
	VD_STATEFUL = 6,    // it has to be forwarded statefully
	VD_GONE = -1,       // the message is no longer available
	VD_BAD_NAME = -2,   // no header name
	VD_BAD_VALUE = -3,  // CR, LF, NUL, or of the wrong form
	VD_LIMIT = -4,      // a named limit was reached
	VD_REFUSED = -5,    // not allowed here
	VD_MISUSE = -6,     // not for this kind of message
	VD_CANCELLED = -7,  // its sender has given it up
	VD_TOO_LONG = -8,   // a text is longer than its named limit
};

typedef struct vd_value {
	double number;
	const char *p;
	uint32_t n;
	int extra;
} vd_value;

// ---- facts of a message ----

enum vd_fact {
	VD_METHOD, VD_METHOD_ID, VD_URI, VD_RECEIVED_URI, VD_CODE, VD_REASON, VD_CALL_ID, VD_CSEQ_NUMBER, VD_CSEQ_METHOD, VD_BODY, VD_IS_REQUEST,
	VD_FROM_TAG, VD_TO_TAG, VD_MAX_FORWARDS,
	VD_SOURCE_IP, VD_SOURCE_PORT, VD_SOURCE_TRANSPORT, VD_SOURCE_LOOPBACK, VD_LEG, VD_DECISION,
};
int vd_message_fact(vd_script *script, double message, int fact, vd_value *out);

// The values of all headers of that name, one by one; list headers are cut at their commas.
int vd_message_values(vd_script *script, double message, const char *name, uint32_t n);
int vd_message_next_value(vd_script *script, double message, vd_value *out);
// Names and values of header `index` (0 first), as written: name in p, n; value length in number, right behind extra bytes.
int vd_message_header_at(vd_script *script, double message, uint32_t index, vd_value *name, vd_value *value);
// The whole message as it would be sent now.
int vd_message_text(vd_script *script, double message, vd_value *out);

// ---- changes to a message ----

int vd_message_set_header(vd_script *script, double message, const char *name, uint32_t name_n, const char *value, uint32_t value_n);
int vd_message_add_header(vd_script *script, double message, const char *name, uint32_t name_n, const char *value, uint32_t value_n);
int vd_message_remove_header(vd_script *script, double message, const char *name, uint32_t name_n);
int vd_message_set_uri(vd_script *script, double message, const char *uri, uint32_t n);
// The same with what is cut off that a Request-URI may not have: headers, method.
int vd_message_retarget(vd_script *script, double message, const char *uri, uint32_t n);
int vd_message_set_body(vd_script *script, double message, const char *body, uint32_t body_n, const char *type, uint32_t type_n);

// ---- decisions ----

// A reply is begun, given further headers, and sent; a failed header leaves it unsent.
int vd_reply_begin(vd_script *script, double message);
int vd_reply_header(vd_script *script, const char *name, uint32_t name_n, const char *value, uint32_t value_n);
int vd_reply_body(vd_script *script, const char *body, uint32_t n, const char *type, uint32_t type_n);
int vd_reply_send(vd_script *script, double message, uint32_t code, const char *reason, uint32_t reason_n);
enum vd_drop { VD_DROP_SCRIPT, VD_DROP_FIELD, VD_DROP_SOURCE };
int vd_message_drop(vd_script *script, double message, int why, const char *reason, uint32_t n);
// Counts the message's source against a limit: 1 when it may go on, 0 when it sends too often.
typedef struct vd_rate {
	uint32_t attempts;
	int per_port;
	double interval; // seconds
} vd_rate;
int vd_message_rate(vd_script *script, double message, const vd_rate *limit, const char *name, uint32_t n);
// 1 when the request belongs to a dialog whose first request was forwarded here.
int vd_message_in_dialog(vd_script *script, double message);

// Statefully: begin, name the targets (those of one group are tried at one time, groups from 0 upwards), start and yield.
int vd_relay_begin(vd_script *script, double message);
// Headers and method are cut off, and what is among the targets already is not added again: VD_ABSENT (RFC 3261 16.5, 16.6).
int vd_relay_target(vd_script *script, const char *uri, uint32_t n, int group);
// The way to the target named last: the Path of its binding, may be empty, and the place of the leg it came by, 0: none.
int vd_relay_way(vd_script *script, const char *path, uint32_t n, uint32_t place);
// VD_ABSENT: the caller has given up, nothing to wait for. `timeout` in seconds, 0: none of its own; `hook`: number that provisional responses are announced with, 0: not at all; `proxy`: number
// of the stateless proxy whose words hide contacts, below 0: none does.
int vd_relay_start(vd_script *script, double message, double timeout, int hook, int proxy);
// After the wait: how it ended (0 final, 1 timeout, 2 unreachable, 3 cancelled, 4 answered meanwhile, 5 a limit) in extra, and the handle of the final response in
// number, below 0 when there is none.
int vd_relay_result(vd_script *script, vd_value *out);

// ---- stateless proxy ----

typedef struct vd_proxy {
	int rewrites, by_script, force, quiet; // booleans; by_script: contacts are rewritten by Lua
} vd_proxy;
// Returns the number of the proxy, or a negative code. Proxies without keys that are told the same are one.
int vd_proxy_new(vd_script *script, const vd_proxy *options, int has_keys);
// The first makes words, the others are accepted. VD_BAD_VALUE: too short.
int vd_proxy_key(vd_script *script, int proxy, const char *secret, uint32_t n);
// By Route and Request-URI or by Via. VD_RESOLVE: nothing done yet, vd_wait_target comes first. VD_STATEFUL: nothing done; a
// transaction has to, for its caller had a 100 while the handler waited and repeats it no more, or it may have to be sent by UDP too.
int vd_proxy_forward(vd_script *script, int proxy, double message);
// After vd_wait_target: to the address found, or answered when there is none.
int vd_proxy_forward_found(vd_script *script, int proxy, double message);

// The same in two steps. VD_OK: it was answered or dropped; VD_NUMBER: the plan is there, vd_proxy_send carries it out.
typedef struct vd_plan {
	uint32_t incoming, outgoing; // serials of legs
	int hides;                   // contacts are to be rewritten
	int apart;                   // the legs are at different places
	int late;                    // nothing is hidden, and a transaction has to, as above
} vd_plan;
int vd_proxy_plan(vd_script *script, int proxy, double message, vd_plan *plan);
int vd_proxy_plan_found(vd_script *script, int proxy, double message, vd_plan *plan);
int vd_proxy_send(vd_script *script, int proxy, double message);
// An error answer of the proxy; a response is dropped.
int vd_proxy_refuse(vd_script *script, int proxy, double message, uint32_t code, const char *reason, uint32_t reason_n);

// Contacts that a script rewrites: what is to be hidden, behind "sip:" (not of the Request-URI), and the user part when it is a word (letters, digits, - . _) at one of our legs, else nothing.
typedef struct vd_contact {
	vd_value contact, word;
	int is_refer_to;
	int is_last; // there are surely no more
} vd_contact;
int vd_contact_of_uri(vd_script *script, double message, vd_contact *out);
// Request-URI of the scheme it has; the leg is one of that spec (n 0: any).
int vd_contact_set_uri(vd_script *script, double message, const char *contact, uint32_t n, const char *spec, uint32_t spec_n);
// By number, 0 first. VD_ABSENT: there are no more; VD_LIMIT: too many.
int vd_contact_at(vd_script *script, double message, uint32_t number, vd_contact *out);
int vd_contact_restore(vd_script *script, double message, uint32_t number, const char *contact, uint32_t n);
int vd_contact_show(vd_script *script, double message, uint32_t number, const char *word, uint32_t n, uint32_t outgoing);
// Bytes as letters that survive any letter case, and back.
int vd_letters(vd_script *script, const char *bytes, uint32_t n, vd_value *out);
int vd_letters_undo(vd_script *script, const char *letters, uint32_t n, vd_value *out);

// ---- values ----

typedef struct vd_uri {
	vd_value scheme, user, password, host, params, headers;
	uint16_t port; // 0: none
} vd_uri;
int vd_uri_parse(const char *text, uint32_t n, vd_uri *out);

typedef struct vd_address {
	vd_value display, uri, params; // display without quotes and escapes
} vd_address;
int vd_address_parse(vd_script *script, const char *text, uint32_t n, vd_address *out);
// ";a=b;c" step by step: `at` is where to go on (0 first). Name in name, value (quotes undone) in value.
int vd_param_next(vd_script *script, const char *params, uint32_t n, uint32_t *at, vd_value *name, vd_value *value);

// ---- registrar ----

typedef struct vd_registrar {
	uint32_t min_expires, max_expires, default_expires; // seconds
} vd_registrar;
// Returns the number of the registrar, or a negative code. A number that is none gives VD_MISUSE.
int vd_registrar_new(vd_script *script, const vd_registrar *options);
int vd_registrar_domain(vd_script *script, int registrar, const char *domain, uint32_t n);
// The code it answered; 0 not its business; VD_GONE.
int vd_registrar_receive(vd_script *script, int registrar, double message);
// 1 when the Request-URI was an address of record and is now its contact; 0, VD_GONE.
int vd_registrar_route(vd_script *script, double message);
// The Request-URI is a contact that is reached that way, as vd_relay_way has it.
int vd_registrar_way(vd_script *script, double message, const char *path, uint32_t n, uint32_t place);
int vd_registrar_serves(vd_script *script, int registrar, double message);
// The code to answer when the Request-URI is an address of record of one of its domains that nothing leads to, 404 or 480; else 0.
int vd_registrar_lacks(vd_script *script, int registrar, double message);
typedef struct vd_binding {
	vd_value contact, params, call_id, path;
	uint32_t leg;   // serial of the one it came by; 0: that has gone
	double expires; // seconds left
	double q;
	uint32_t cseq;
} vd_binding;
// VD_BAD_VALUE: no URI; VD_ABSENT: one that is no address of record.
int vd_registrar_query(vd_script *script, const char *aor, uint32_t n);
int vd_registrar_next(vd_script *script, vd_binding *out);
double vd_registrar_expire(vd_script *script);

// ---- authorization ----

enum vd_algorithm { VD_MD5, VD_SHA_256, VD_SHA_512_256, VD_ALGORITHMS };
enum vd_auth { VD_AUTH_NONE, VD_AUTH_STALE, VD_AUTH_WRONG_URI, VD_AUTH_FOUND, VD_AUTH_REPEATED };
enum vd_secret { VD_PASSWORD, VD_A1, VD_NOBODY };
enum vd_verdict { VD_AUTH_RIGHT, VD_AUTH_WRONG, VD_AUTH_TOO_LATE };
typedef struct vd_authorizer {
	int is_proxy, any_uri;
	int auth, auth_int;                     // offered as qop
	int algorithms[3], n_algorithms;        // enum vd_algorithm, strongest first
	double life;                            // of nonces, in seconds
} vd_authorizer;
// The number of the authorizer, or a negative code; VD_REFUSED: OpenSSL lacks one of the algorithms. `n` 0: no opaque.
int vd_authorizer_new(vd_script *script, const vd_authorizer *options, const char *opaque, uint32_t n);
// Each of these: VD_MISUSE for a number that is none, VD_BAD_VALUE for a realm too long or not to be written into a header.
// enum vd_auth; the user in p and n, the algorithm in extra, in number what vd_auth_check wants as `seen`.
int vd_auth_find(vd_script *script, int authorizer, double message, const char *realm, uint32_t n, vd_value *user);
// enum vd_verdict.
int vd_auth_check(vd_script *script, int authorizer, double message, const char *realm, uint32_t n, int kind, const char *secret, uint32_t secret_n, double seen);
// 1 for an ACK or CANCEL of a request that was let in.
int vd_auth_was_let_in(vd_script *script, int authorizer, double message, const char *realm, uint32_t n);
int vd_auth_strip(vd_script *script, int authorizer, double message, const char *realm, uint32_t n);
// Answers, and gives the code.
int vd_auth_challenge(vd_script *script, int authorizer, double message, const char *realm, uint32_t n, int stale);

// ---- waiting ----
// Each files the one wish of the running task; Lua then yields to the host. VD_REFUSED: not in a task that may wait.

int vd_wait_sleep(vd_script *script, double seconds);
// Where the request goes that this proxy said VD_RESOLVE about.
int vd_wait_target(vd_script *script, int proxy, double message);
int vd_wait_lookup(vd_script *script, int type, const char *name, uint32_t n, double timeout);
typedef struct vd_record {
	int type;
	uint32_t ttl;
	uint16_t priority, weight, port;
	vd_value text, flags, service; // A, AAAA: the address; SRV, NAPTR: the target
} vd_record;
// What the look-up of the running task brought: its status (0 found, 1 not found, 2 timeout, 3 failed), and records.
int vd_lookup_status(vd_script *script);
int vd_lookup_record(vd_script *script, uint32_t index, vd_record *out);

// ---- dispatcher ----

// While the script loads: proxies are named one by one, then the domain they are in charge of; "": all that no domain names. VD_BAD_VALUE:
// `error` says what to write instead.
int vd_dispatcher_proxy(vd_script *script, const char *proxy, uint32_t n);
int vd_dispatcher_domain(vd_script *script, const char *domain, uint32_t n, vd_value *error);

// While the script loads: answers are kept and repeated by their server transactions.
int vd_dispatcher_repeats(vd_script *script);
// Timers of RFC 3261 17 in seconds. VD_BAD_VALUE: one is not 0.001 to 16777, or t2 is below t1.
int vd_dispatcher_times(vd_script *script, double t1, double t2, double t4);
// While the script loads: DNS questions of what it forwards are its own to answer.
int vd_resolver_use(vd_script *script);
// The answer to one of them, record by record, then its end. A, AAAA: `text` is the address; SRV: the target. VD_GONE: nobody waits for it any more.
int vd_resolver_record(vd_script *script, double question, int type, uint32_t priority, uint32_t weight, uint32_t port, const char *text, uint32_t n);
int vd_resolver_done(vd_script *script, double question);

// A request of our own from its text without Via; held while the running task runs. Below 0: VD_BAD_VALUE, why in `error`; VD_REFUSED outside of
// a task; VD_LIMIT.
double vd_request_new(vd_script *script, const char *text, uint32_t n, vd_value *error);
// Puts a request into the delivery queue: its number, 0 when this very request is in it already, or a negative code. id, callid, `to` (a URI) may be empty; `leg` a serial, 0: any; `timeout` in seconds, 0: none of its own. When it is known what
// became of it a task is told, if `wants_end`. VD_REFUSED: the script still loads; VD_MISUSE: the request has its decision; VD_BAD_NAME: it lacks a
// header; VD_BAD_VALUE: `to` is no URI; VD_GONE: the leg, or the request; VD_TOO_LONG: id or callid.
double vd_deliver(vd_script *script, double message, const char *id, uint32_t id_n, const char *callid, uint32_t callid_n, const char *to, uint32_t to_n,
	uint32_t leg, int once, double timeout, int wants_end);
// How many were cancelled: of that number, that id, that Call-ID.
uint32_t vd_delivery_cancel(vd_script *script, double number);
uint32_t vd_delivery_cancel_id(vd_script *script, const char *id, uint32_t n);
uint32_t vd_delivery_cancel_call(vd_script *script, const char *callid, uint32_t n);
// Seconds since 1970 of the next thing due while anything is queued; 0: nothing is.
double vd_delivery_next(vd_script *script);

// Where a URI leads: begin, name transports (1 UDP, 2 TCP, 3 TLS) in order and legs by serial if not all are wanted, then wait and yield.
int vd_resolve_begin(vd_script *script);
int vd_resolve_transport(vd_script *script, int transport);
int vd_resolve_leg(vd_script *script, uint32_t leg);
int vd_wait_resolve(vd_script *script, const char *uri, uint32_t n);
typedef struct vd_target {
	vd_value addr;
	uint32_t leg; // serial
	int transport, family; // family 4 or 6
	int dead; // 1: nobody answered there lately
	uint16_t port;
} vd_target;
// What it brought, best first; VD_ABSENT: no more.
int vd_resolve_target(vd_script *script, uint32_t index, vd_target *out);
// Why there is none: an errno name.
int vd_resolve_error(vd_script *script, vd_value *out);

// From now on the script is asked which of its legs reach the addresses that requests go to.
int vd_judge_use(vd_script *script);
// While it is asked. VD_REFUSED: a leg of that spec cannot reach it anyway; VD_ABSENT: there are no more. Of the target: addr, port and transport.
int vd_judge_target(vd_script *script, uint32_t index, const char *spec, uint32_t n, vd_target *out);
int vd_judge_says(vd_script *script, uint32_t index, const char *spec, uint32_t n, int reaches);

// ---- timers ----
// The number of the timer, or a negative code; `every` 0: once.
double vd_timer_start(vd_script *script, double seconds, double every);
int vd_timer_stop(vd_script *script, double timer);

// ---- the rest ----

double vd_now(vd_script *script);       // seconds, monotonic
double vd_time(vd_script *script);      // seconds since 1970
double vd_random(vd_script *script);    // 0 <= x < 1, from the world's random source
int vd_log(vd_script *script, int level, const char *text, uint32_t n);
typedef struct vd_leg {
	vd_value spec, address, host, ip;
	uint32_t serial; // what a task is told; never used again
	uint32_t place;  // the address shown to others as a number
	uint16_t port;
	int transport;
} vd_leg;
int vd_leg_at(vd_script *script, uint32_t leg, vd_leg *out);
// While it runs: the serial of a leg that was opened, or a negative code with `error` in words; removing: VD_GONE when there is none.
double vd_leg_add(vd_script *script, const char *spec, uint32_t n, vd_value *error);
int vd_leg_remove(vd_script *script, uint32_t leg);
// What the script returned, told while it loads.
int vd_load_leg(vd_script *script, const char *spec, uint32_t n);
int vd_load_module(vd_script *script, const char *path, uint32_t n);

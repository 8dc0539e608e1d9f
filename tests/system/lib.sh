# lib.sh - sourced by every test: starts and stops the engine and its peers, counts outcomes.
#
# A test is an executable NAME_test that sources this file, prints `ok - sentence` or
# `not ok - sentence` through check, and ends; what it started is stopped for it. Waits poll a
# condition and are bounded: no test is right because it slept long enough.
# shellcheck shell=bash disable=SC2034 # tests use the variables
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${BUILD:-build}
case $build in /*) ;; *) build=$top/$build ;; esac
tools=$build/system
engine=${VIADUCT:-$build/viaduct}
proxy_script=$top/scripts/proxy.lua
work=$(mktemp -d)
started=()
failed=0 checked=0
port=0 control=$work/control # of the engine, once started
last_port=$((20000 + (RANDOM % 5000) * 2))

trap leave EXIT
trap 'exit 130' INT TERM

ok() {
	checked=$((checked + 1))
	echo "ok - $*"
}

not_ok() {
	checked=$((checked + 1)) failed=$((failed + 1))
	echo "not ok - $*"
}

note() {
	echo "# $*"
}

check() { # SENTENCE COMMAND...
	local sentence=$1
	shift
	if "$@"; then ok "$sentence"; else not_ok "$sentence"; fi
}

same() { # EXPECTED ACTUAL
	[ "$1" = "$2" ] && return
	note "expected '$1', got '$2'"
	return 1
}

at_most() { # LIMIT ACTUAL
	[ "$2" -le "$1" ] && return
	note "expected at most $1, got '$2'"
	return 1
}

quoted() { # standard input, as lines of a note
	head -n 20 | cut -c1-300 | sed 's/^/#   /'
}

has() { # TEXT PATTERN: an extended regular expression matches a line, letter case aside
	grep -Eiq -- "$2" <<<"$1" && return
	note "no line matches '$2' in:"
	quoted <<<"$1"
	return 1
}

lacks() { # TEXT PATTERN
	! has "$@" >/dev/null && return
	note "a line matches '$2' in:"
	quoted <<<"$1"
	return 1
}

# For what was started and prints `ok - ...`, `not ok - ...` and notes itself: makes them those of this test.
take_over() { # NAME PID
	local line failures=0 ended
	wait "$2"
	ended=$?
	while IFS= read -r line; do
		case $line in
		"ok - "*) ok "${line#ok - }" ;;
		"not ok - "*) not_ok "${line#not ok - }" && failures=$((failures + 1)) ;;
		*) note "${line#\# }" ;;
		esac
	done <"$work/$1.log"
	[ $ended -eq 0 ] || [ $failures -gt 0 ] || not_ok "$1 comes to its end"
}

skip() { # REASON: ends the test
	echo "skip - $*"
	trap - EXIT
	stop_all
	[ -n "${KEEP:-}" ] || rm -rf "$work"
	exit 0
}

need() { # TOOL PACKAGE
	command -v "$1" >/dev/null || skip "$1 is not installed (Debian package $2)"
}

need_net_sip() {
	need perl perl
	perl -MNet::SIP -e 1 2>/dev/null || skip "Net::SIP is not installed (Debian package libnet-sip-perl)"
}

has_ipv6() {
	grep -qs '^0*1 ' /proc/net/if_inet6
}

await() { # SECONDS COMMAND...: polls until the command succeeds
	local deadline=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		[ $SECONDS -ge $deadline ] && return 1
		sleep 0.02
	done
}

running() { # PID
	kill -0 "$1" 2>/dev/null
}

port_is_bound() { # PORT [udp|tcp]; without a protocol, either
	local tables=(/proc/net/"${2:-}"*)
	[ -n "${2:-}" ] || tables=(/proc/net/udp* /proc/net/tcp*)
	cat "${tables[@]}" |
		grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") [0-9A-F]*:0000 "
}

free_port() { # sets $REPLY
	until last_port=$((last_port + 2)) && ! port_is_bound $last_port; do :; done
	REPLY=$last_port
}

start() { # NAME COMMAND...: in the background, output to $work/NAME.log; sets $started_pid
	local name=$1
	shift
	"$@" >>"$work/$name.log" 2>&1 </dev/null &
	started_pid=$!
	started+=("$started_pid")
}

stop() { # PID [SIGNAL]: its exit status
	kill -"${2:-TERM}" "$1" 2>/dev/null
	if ! await 10 eval '! running '"$1"; then
		note "process $1 did not end on SIG${2:-TERM}"
		kill -KILL "$1"
	fi
	wait "$1" 2>/dev/null
}

stop_all() {
	local pid
	for pid in "${started[@]}"; do
		running "$pid" && stop "$pid"
	done
	started=()
}

leave() {
	local status=$?
	trap - EXIT
	[ $BASHPID = $$ ] || exit $status # a subshell that fails takes nothing with it
	if [ -n "${engine_pid:-}" ] && ! running "$engine_pid" && [ -z "${engine_stopped:-}" ]; then
		not_ok "the engine is still running at the end"
	fi
	stop_all
	[ $checked -gt 0 ] || [ $status -eq 130 ] || not_ok "$(basename "$0") checked something"
	if [ $failed -gt 0 ]; then
		[ -f "$work/engine.log" ] && note "the engine's last words:" &&
			tail -n 8 "$work/engine.log" | quoted
		exit 1
	fi
	[ -n "${KEEP:-}" ] || rm -rf "$work"
	exit $status
}

ctl() { # what `viaduct ctl` prints
	"$engine" ctl -s "$control" "$@"
}

engine_serves() {
	ctl status --json >/dev/null 2>&1
}

engine_settled() { # serves, or has ended
	engine_serves || ! running "$engine_pid"
}

engine_start() { # [--on-its-own-legs] [ARGUMENT...] [SCRIPT]: else on a free $port, UDP and TCP
	local legs=()
	if [ "${1:-}" = --on-its-own-legs ]; then
		shift
	else
		free_port
		port=$REPLY legs=(-l "udp:127.0.0.1:$port" -l "tcp:127.0.0.1:$port")
	fi
	start engine "$engine" run "${legs[@]}" -s "$control" "$@"
	engine_pid=$started_pid engine_stopped=
	await 20 engine_settled
	engine_serves && return
	engine_stopped=yes
	not_ok "the engine starts with: ${*:-no arguments}"
	exit
}

engine_stop() { # [SIGNAL]: its exit status
	engine_stopped=yes
	stop "$engine_pid" "${1:-TERM}"
}

rss_kb() { # PID
	awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

ask() { # [OPTION...]: sends the request on standard input, prints the answer
	"$tools/ask" "$@" "127.0.0.1:$port" | tr -d '\r'
	return "${PIPESTATUS[0]}"
}

# The Lua heap swings between two collections, and tables fill; a leak grows beyond that. A
# sanitizer keeps what is freed for a while, up to 256 MB.
stays_flat() { # KIB_BEFORE KIB_AFTER
	local growth=16384
	grep -q __asan_init "$engine" && growth=300000
	note "RSS $1 KiB before, $2 KiB after"
	at_most $growth $(($2 - $1))
}

json() { # NAME: that field's number, string or word, from JSON on standard input
	tr -d '\n' | sed -n 's/.*"'"$1"'": *"\{0,1\}\([^",}]*\).*/\1/p'
}

# --- SIPp

sipp_callee() { # udp|tcp [ARGUMENT...]: a UAS; sets $REPLY to its port
	local transport=$1 uas
	shift
	free_port
	uas=$REPLY
	start callee sipp -sn uas -i 127.0.0.1 -mi 127.0.0.1 -p "$uas" -t "${transport:0:1}1" -nostdin \
		-trace_stat -stf "$work/callee.csv" -fd 1 "$@"
	callee_pid=$started_pid
	await 10 port_is_bound "$uas" "$transport" || not_ok "SIPp's UAS starts"
	REPLY=$uas
}

# One caller, through the engine ($port) to a callee: built-in uac unless -sf says otherwise.
sipp_caller() { # NAME udp|tcp CALLEE_PORT CALLS RATE [ARGUMENT...]
	local name=$1 transport=$2 callee=$3 calls=$4 rate=$5 scenario=(-sn uac)
	shift 5
	[ "${1:-}" = -sf ] && scenario=()
	free_port
	start "$name" sipp "${scenario[@]}" "$@" -i 127.0.0.1 -mi 127.0.0.1 -p "$REPLY" -t "${transport:0:1}1" \
		-rsa "127.0.0.1:$port" "127.0.0.1:$callee" -m "$calls" -r "$rate" -l 5000 \
		-timeout $((calls / rate + 40))s -nostdin -trace_stat -stf "$work/$name.csv" -fd 1
	caller_pid=$started_pid
}

sipp_figure() { # NAME COLUMN: e.g. "FailedCall(C)", from the last line of its statistics
	awk -F';' -v want="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == want) at = i }
		END { print at ? $at : "none" }' "$work/$1.csv"
}

calls_succeed() { # NAME CALLS: waits for the end of the caller started last
	local status
	wait "$caller_pid"
	status=$?
	same "exit 0, successful $2, failed 0" "exit $status, successful $(sipp_figure "$1" \
		'SuccessfulCall(C)'), failed $(sipp_figure "$1" 'FailedCall(C)')"
}

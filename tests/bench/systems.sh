# systems.sh - sourced by run and instr: starts and stops the systems that are compared, each
# on 127.0.0.1:25060/udp (some on 25061 too) and CPU 1, one at a time. Needs $build (the build directory).
# shellcheck shell=bash

port=25060
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
case $build in /*) ;; *) build=$top/$build ;; esac
PATH=$PATH:/usr/sbin # where Debian puts kamailio
work=$(mktemp -d)
system_pid=
trap 'stop_system; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

die() {
	echo "bench: $*" >&2
	exit 1
}

two_sides=(-l "udp:127.0.0.1:$port" -l "udp:127.0.0.1:$((port + 1))")

port_taken() {
	grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf %04X $port) " /proc/net/udp
}

# Pinning keeps the generator and the system off each other's core; with one core, neither.
on_cpu_1=
load_cpu=()
if [ "$(nproc)" -gt 1 ] && command -v taskset >/dev/null; then
	on_cpu_1="taskset -c 1"
	load_cpu=(-c 0)
fi

# What is measured of a system: only those that keep transactions get whole calls.
works_of() { # SYSTEM: sets $works
	case $1 in
	bare) works=(invite invite+200 call) ;;
	*-router | *-stateful | *-tm-*) works=(call) ;;
	*) works=(invite invite+200) ;;
	esac
}

kamailio_runs() { # CONFIG: is it installed, with the module this configuration wants?
	command -v kamailio >/dev/null &&
		kamailio -c -E -w "$here/kamailio" -f "$here/kamailio/$1.cfg" >/dev/null 2>&1
}

command_of() { # SYSTEM: sets $command
	case $1 in
	bare) command=("$build/bench/bare" "127.0.0.1:$port" 127.0.0.1:7060 127.0.0.1:7070) ;;
	viaduct)
		command=("$build/viaduct" run -l "udp:127.0.0.1:$port" -s "$work/control"
			"$top/scripts/proxy.lua")
		;;
	viaduct-router) # as it ships: by transactions, but inside a dialog statelessly
		command=("$build/viaduct" run -l "udp:127.0.0.1:$port" -s "$work/control"
			"$top/scripts/router.lua")
		;;
	viaduct-stateful) # every request by a transaction, as Kamailio's configurations do
		command=("$build/viaduct" run -l "udp:127.0.0.1:$port" -s "$work/control"
			"$here/stateful.lua")
		;;
	viaduct-contacts) # as it ships, with a second side: each message leaves by the other, contacts are words
		command=("$build/viaduct" run "${two_sides[@]}" -s "$work/control" "$top/scripts/proxy.lua")
		;;
	viaduct-contacts-lua) # the words are a script's
		command=("$build/viaduct" run "${two_sides[@]}" -s "$work/control"
			"$top/examples/custom_rewrite.lua")
		;;
	kamailio-native | kamailio-lua | kamailio-tm-native | kamailio-tm-lua | kamailio-topoh)
		command=(kamailio -DD -E -x tlsf -X fm -m 1024 -M 64 -Y "$work" -P "$work/pid"
			-w "$here/kamailio" -f "$here/kamailio/${1#kamailio-}.cfg")
		;;
	*) die "no such system: $1" ;;
	esac
}

start_system() { # SYSTEM [WRAPPER...]: sets $system_pid once the port is bound
	local system=$1 tries=0 command
	shift
	port_taken && die "port $port/udp is taken"
	command_of "$system"
	# shellcheck disable=SC2086 # $on_cpu_1 is words
	(ulimit -c 0 && exec $on_cpu_1 "$@" "${command[@]}") >"$work/$system.log" 2>&1 </dev/null &
	system_pid=$!
	until port_taken; do
		if ! kill -0 "$system_pid" 2>/dev/null || [ $((tries += 1)) -gt 1200 ]; then
			tail -n 5 "$work/$system.log" >&2
			die "$system did not start"
		fi
		sleep 0.05
	done
}

stop_system() {
	[ -n "$system_pid" ] || return 0
	local tries=0
	kill "$system_pid" 2>/dev/null
	while kill -0 "$system_pid" 2>/dev/null; do
		[ $((tries += 1)) -gt 600 ] && kill -9 "$system_pid"
		sleep 0.05
	done
	wait "$system_pid" 2>/dev/null
	system_pid=
	for _ in $(seq 100); do # children of Kamailio may outlive it for a moment
		port_taken || return 0
		sleep 0.05
	done
}

load() { # arguments of the generator; leaves its line of JSON in $work/one
	"$build/bench/load" -x "127.0.0.1:$port" -P "$system_pid" "${load_cpu[@]}" "$@" \
		>"$work/one" || exit 1
	[ "$(field messages)" -gt 0 ] && return
	tail -n 5 "$work"/*.log >&2
	die "no message came through"
}

field() { # NAME of a number, from the last run of the generator
	sed -n "s/.*\"$1\":\([-0-9.]*\).*/\1/p" "$work/one"
}

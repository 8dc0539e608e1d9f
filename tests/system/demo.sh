#!/bin/bash
# demo.sh - starts the engine, registers two SIPp user agents, makes one call through it, and
# draws the call with what the script decided about each message.
. "$(dirname "$0")/lib.sh"
command -v sipp >/dev/null || {
	echo "the demo needs sipp: make deps, or Debian's package sip-tester" >&2
	exit 1
}

agent() { # SCENARIO USER PORT: in the background
	start "$1" sipp -sf "$here/sipp/$1.xml" -s "$2" -i 127.0.0.1 -mi 127.0.0.1 -p "$3" -m 1 -nostdin \
		-timeout 10s "127.0.0.1:$port"
}

step() { # SENTENCE PID: waits for its end
	wait "$2" && return
	not_ok "$1"
	exit 1
}

engine_start -D domains=example.com "$proxy_script"
ctl loglevel debug >/dev/null
free_port
alice=$REPLY
free_port
bob=$REPLY

agent register alice "$alice"
step "alice registers" "$started_pid"
agent register bob "$bob"
step "bob registers" "$started_pid"
agent callee bob "$bob"
callee=$started_pid
await 10 port_is_bound "$bob" udp
agent caller bob "$alice"
step "alice calls bob" "$started_pid"
step "bob takes the call" "$callee"
engine_stop || not_ok "the engine ends cleanly"

echo "viaduct run -l udp:127.0.0.1:$port -D domains=example.com scripts/proxy.lua"
echo "alice and bob register, alice calls sip:bob@example.com and hangs up:"
echo
awk -v caller="127.0.0.1:$alice" -v engine="127.0.0.1:$port" -v callee="127.0.0.1:$bob" \
	-f "$here/ladder.awk" "$work/engine.log"
echo
echo "To change what is decided, edit scripts/proxy.lua while the engine runs: it reloads itself."
checked=1

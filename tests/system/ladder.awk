# ladder.awk - the engine's log of one call, drawn: caller | viaduct | callee.
#
# Reads the lines the engine logs at level debug for every message (event "decision", then
# key=value pairs) and draws each as an arrow, with what was decided about it at the right.
# Needs -v caller=IP:PORT -v engine=IP:PORT -v callee=IP:PORT.

function value(key,    at) {
	if (!match($0, " " key "=(\"[^\"]*\"|[^ ]*)"))
		return ""
	at = substr($0, RSTART + length(key) + 2, RLENGTH - length(key) - 2)
	gsub(/"/, "", at)
	return at
}

function dashes(n) {
	return substr("----------------------------------------", 1, n)
}

function spaces(n) {
	return substr("                                        ", 1, n)
}

# One stretch of WIDTH between two columns: an arrow to the right, to the left, or nothing.
function stretch(way, text) {
	if (way == ">")
		return "-- " text " " dashes(WIDTH - length(text) - 5) ">"
	if (way == "<")
		return "<" dashes(WIDTH - length(text) - 5) " " text " --"
	return spaces(WIDTH)
}

function row(left, left_text, right, right_text, decided) {
	print "  |" stretch(left, left_text) "|" stretch(right, right_text) "|" (decided ? "  " decided : "")
}

function columns(a, b, c) {
	print "  " a spaces(WIDTH + 1 - length(a)) b spaces(WIDTH + 1 - length(b)) c
}

BEGIN {
	WIDTH = 24
	phrase[180] = "Ringing"
	phrase[200] = "OK"
	columns("alice", "viaduct", "bob                       the script decided:")
	columns(caller, engine, callee)
	row("", "", "", "", "")
}

/ decision / {
	from_caller = index(value("from"), caller)
	text = value("status") + 0 ? value("status") " " phrase[value("status")] : value("method")
	decided = value("decision")
	if (decided == "forwarded") {
		way = from_caller ? ">" : "<"
		where = value("to")
		row(way, text, way, text, "forwarded to " where)
	} else if (from_caller) {
		row(">", text, "", "", "answered " value("code"))
		row("<", value("code") " " phrase[value("code")], "", "", "")
	} else {
		row("", "", "<", text, "answered " value("code"))
		row("", "", ">", value("code") " " phrase[value("code")], "")
	}
	messages++
}

END {
	if (!messages)
		print "  (the engine logged no decisions)"
}

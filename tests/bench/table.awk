# table.awk - the generator's lines of JSON to one table of medians. Portable awk: no arrays
# of arrays, no sorting function.

function value(name,    at) {
	at = index($0, "\"" name "\":")
	if (!at)
		return ""
	at = substr($0, at + length(name) + 3)
	sub(/^"/, "", at)
	sub(/[",}].*/, "", at)
	return at
}

function keep(what, number) {
	samples[what, ++count[what]] = number
}

function sorted(what,    i, j, t) {
	for (i = 2; i <= count[what]; i++)
		for (j = i; j > 1 && samples[what, j] + 0 < samples[what, j - 1] + 0; j--) {
			t = samples[what, j]
			samples[what, j] = samples[what, j - 1]
			samples[what, j - 1] = t
		}
}

function median(what) {
	sorted(what)
	return samples[what, int((count[what] + 1) / 2)]
}

{
	system_name = value("system")
	if (!(system_name in seen)) {
		seen[system_name] = 1
		order[++systems] = system_name
	}
	row = system_name " " value("mode")
	if (value("load") == "rate") {
		keep(row " p50", value("latency_p50_us"))
		keep(row " p99", value("latency_p99_us"))
	} else {
		keep(row " cpu", value("cpu_us_per_message"))
		keep(row " rate", value("messages_per_s"))
		keep(row " user", value("user_share"))
		keep(row " rss", value("rss_after_kb"))
	}
	lost[row] += value("lost") + value("failed")
}

# Round by round, for what is compared ran one right after the other.
function keep_ratios(system_name, plain, work,    i, row, base) {
	row = system_name " " work
	base = plain " " work " cpu"
	for (i = 1; i <= count[row " cpu"] && i <= count[base]; i++)
		keep(row " plain", samples[row " cpu", i] / samples[base, i])
}

END {
	# The forward that hides no contacts, for those that do.
	plain_of["viaduct-contacts"] = plain_of["viaduct-contacts-lua"] = "viaduct"
	plain_of["kamailio-topoh"] = "kamailio-native"
	modes = split("invite invite+200 call", mode)
	for (name in plain_of)
		for (m = 1; m <= modes; m++)
			keep_ratios(name, plain_of[name], mode[m])
	print "CPU microseconds per SIP message (user+sys of the proxy), closed loop, medians"
	printf "latency: INVITE, one way, at %d/s\n\n", rate
	form = "%-20s %-11s %8s %15s %7s %8s %10s %6s %9s %15s %6s\n"
	printf form, "system", "work", "CPU us", "(min-max)", "x bare", "x plain", "messages/s", \
		"user", "RSS KB", "p50/p99 us", "lost"
	for (s = 1; s <= systems; s++)
		for (m = 1; m <= modes; m++) {
			row = order[s] " " mode[m]
			if (!count[row " cpu"])
				continue
			cpu = median(row " cpu")
			n = count[row " cpu"]
			bare = count["bare " mode[m] " cpu"] ? median("bare " mode[m] " cpu") : 0
			plain = count[row " plain"] ? median(row " plain") : 0
			latency = ""
			if (count[row " p99"])
				latency = sprintf("%.0f/%.0f", median(row " p50"), median(row " p99"))
			printf form, order[s], mode[m], sprintf("%.2f", cpu), \
				sprintf("(%.2f-%.2f)", samples[row " cpu", 1], samples[row " cpu", n]), \
				bare ? sprintf("%.2f", cpu / bare) : "", \
				plain ? sprintf("%.2f", plain) : "", \
				sprintf("%.0f", median(row " rate")), \
				sprintf("%.0f%%", median(row " user") * 100), \
				median(row " rss"), latency, lost[row] + 0
		}
}

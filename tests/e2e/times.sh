#!/bin/bash
# times.sh - when flows were, and not when they were told, decides what is an alert.
# SPDX-License-Identifier: ISC
# timeout: 90
#
# Nine exporters, each with a way of its own of telling a minute of 20 Mbit/s, or something
# that is no such minute, to a rule of 16 Mbit/s over a minute. Exactly those that were
# that busy raise an alert, once, for the time it was; and the history has every octet
# of the long ones, spread over their hours.
. "$(dirname "$0")/lib/lib.sh"

sink hook http_sink.py
conf <<END
rule busy {
	measure = "bits/s"
	by = "exporter"
	window = "1m"
	above = "16M"
	notify = {"hook"}
}
notify hook { webhook = "http://127.0.0.1:$hook_port/ok" }
END
start_daemon
"$python" tests/e2e/lib/times.py send "$udp" >"$dir/sent.json"

alerts() { get "/api/v1/alerts?limit=100" >"$dir/alerts.json"; }
six() {
	alerts
	[ "$(jq '[.alerts[] | select(.rule == "busy")] | length' "$dir/alerts.json")" -ge 6 ]
}
wait_until 20 "six alerts" six
"$python" tests/e2e/lib/times.py judge "$dir"

# --- the long flows are in the history, each octet in its hour ---

spread() { # ADDRESS HOURS: octets and bins that have some
	get "/api/v1/history?from=-$2h&series=any%7Cexporter%3D127.0.0.$1" |
		jq -c '[([.bins[].bytes] | add // 0), ([.bins[] | select(.bytes > 0)] | length)]'
}
is_spread() { [ "$(spread "$1" "$2" | jq ".[0] == $3 and .[1] >= $4")" = true ]; }
wait_until 40 "22 hours in 264 bins" is_spread 61 23 4200000000 264
wait_until 40 "30 minutes in 6 bins" is_spread 62 1 2250000000 6
alerts
"$python" tests/e2e/lib/times.py judge "$dir" # and no others came
nothing_lost
stop_daemon

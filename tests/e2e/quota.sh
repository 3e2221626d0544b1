#!/bin/bash
# quota.sh - a quota that comes in the midst of its month counts all of the month.
# SPDX-License-Identifier: ISC
# timeout: 60
#
# Flows come before there is a rule, while it comes and after it; the limit is crossed by the
# last of them, to the octet, and told once, whatever is restarted.
. "$(dirname "$0")/lib/lib.sh"

sink hook http_sink.py
told="notify hook { webhook = \"http://127.0.0.1:$hook_port/ok\" }"
rules='rule volume { measure = "bytes" by = "src" window = "month" above = 41999 warn = 100%
	filter = "proto tcp" notify = {"hook"} }
rule all { measure = "flows" window = "month" above = 1M }'
send() { # NUMBER: so many flows of 1000 octets
	"$python" - "$udp" "$1" <<-'END'
		import sys, nf
		e = nf.Exporter(10, int(sys.argv[1]), source="127.0.0.61")
		e.send_template()
		for _ in range(int(sys.argv[2])):
		    e.send_flows([nf.flow(src="10.0.0.1"), nf.flow(src="10.0.0.2", bytes=1),
		                  nf.flow(src="10.0.0.1", proto=17)])
	END
}
value() { # RULE SERIES
	get "/api/v1/series?rule=$1" | jq -r "[.series[] | select(.series == \"$2\") | .value] | add // 0"
}
is() { [ "$(value "$1" "$2")" = "$3" ]; }

conf <<<"$told"
start_daemon
send 20
wait_until 10 "flows from before" at_least 60 culprit_flows_total
conf <<<"$told
$rules"
kill -HUP "$daemon"
send 21
wait_until 20 "all flows are counted for the month" is all "all traffic" 123
expect "messages below the limit" 0 "$(grep -c '"path"' "$dir/hook.jsonl" || :)"
send 1
wait_until 20 "a message" has "$dir/hook.jsonl" '"path"'
expect "what it says" "volume 10.0.0.1 42000" "$(grep '"path"' "$dir/hook.jsonl" |
	jq -r '.body | fromjson | "\(.rule) \(.series.name) \(.value)"')"
stop_daemon
start_daemon
send 1
wait_until 20 "it counts on" is volume 10.0.0.1 43000
wait_until 20 "the other one too" is all "all traffic" 129
expect "messages" 1 "$(grep -c '"path"' "$dir/hook.jsonl")"
nothing_lost
stop_daemon

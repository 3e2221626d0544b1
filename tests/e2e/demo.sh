#!/bin/bash
# demo.sh - `culpritd --demo`: within a minute the culprit stands on the terminal.
# SPDX-License-Identifier: ISC
# timeout: 120
. "$(dirname "$0")/lib/lib.sh"

# Beside it `culprit demo --json`, on ports and in a directory of its own.
read -r udp2 http2 < <(free_ports 2)
udp=$udp2 http=$http2 conf </dev/null
mv "$dir/culprit.conf" "$dir/json.conf"
"$BUILD/culprit" -c "$dir/json.conf" demo --json >"$dir/alerts.json" 2>"$dir/json.log" &
json=$!
started+=("$json")

conf </dev/null
start_daemon --demo
began=$(now_ms)
wait_until 60 "an alert with 10.20.0.66 on the terminal" has "$dir/culpritd.log" \
	'10\.20\.0\.66'
took=$(($(now_ms) - began))
has "$dir/culpritd.log" '4 exporters, .* flows so far' || fail "nobody says what was counted"
wait_until 10 "the whole alert" has "$dir/culpritd.log" 'Everything that is known'
has "$dir/culpritd.log" '^ [89][0-9] % .* 198.51.100.10  *10.20.0.66 ' || fail "no table of flows"
! has "$dir/culpritd.log" 'one packet in' || fail "a router that does not sample is said to"
! has "$dir/culpritd.log" $'\033' || fail "colours in what is no terminal"
scrape
expect "protocols in the demo" 4 \
	"$(grep '^culprit_flows_total' "$dir/metrics" | grep -o 'protocol="[^"]*"' | sort -u |
		grep -c '')"
has "$dir/culpritd.log" 'point your exporters at' || fail "no word on where to point exporters"
stop_daemon

wait_until 60 "an alert as JSON" has "$dir/alerts.json" '"firing"'
expect "who it was" "firing 198.51.100.10 10.20.0.66" \
	"$(head -n 1 "$dir/alerts.json" | jq -r '"\(.status) \(.top_flows[0].src) \(.top_flows[0].dst)"')"
kill -TERM "$(pgrep -P "$json")" # as the terminal does: its daemon
rc=0
wait "$json" || rc=$?
expect "exit code of culprit demo" 0 "$rc"
say "the culprit was named after $((took / 1000)) s"
sed -n '/─ FIRING ─/,$p' "$dir/culpritd.log" | head -n 30

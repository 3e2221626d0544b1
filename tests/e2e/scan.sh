#!/bin/bash
# scan.sh - a scanner is found without a configuration, told, and found again in the past.
# SPDX-License-Identifier: ISC
. "$(dirname "$0")/lib/lib.sh"

sink people http_sink.py
echo '10.20.0.66 reception-pc' >"$dir/hosts"
conf <<END
exporter edge { address = "127.0.0.1" }
names { hosts = "$dir/hosts" }
rule interface-traffic { enabled = no }
rule exporter-flows { enabled = no }
notify people { webhook = "http://127.0.0.1:$people_port/ok/people" }
END
culprit() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }
scan_is() { [ "$(culprit alerts --rule scan --json 2>/dev/null | jq -r '.alerts[0].status')" = "$1" ]; }

start_daemon
get /api/v1/rules | jq -e '.rules[] | select(.name == "scan" and .detector == "scan")' >/dev/null ||
	fail "the API does not list the built-in rule"

# --- 10.20.0.66 tries 300 addresses for ssh; 10.20.0.7 asks 200 servers and is answered ---
"$python" - "$udp" <<-'END'
	import sys, nf
	e = nf.Exporter(10, int(sys.argv[1]), source="127.0.0.1")
	e.send_template()
	for part in range(20):
	    e.send_flows([nf.flow(src="10.20.0.66", dst=f"10.30.{part // 10}.{15 * part % 250 + i}",
	                          sport=40000 + i, dport=22, flags=2, packets=1, bytes=60)
	                  for i in range(15)])
	    for i in range(10):
	        far = f"198.51.100.{10 * part + i}"
	        e.send_flows([nf.flow(src="10.20.0.7", dst=far, sport=50000 + i, dport=443),
	                      nf.flow(src=far, dst="10.20.0.7", sport=443, dport=50000 + i)])
END
wait_until 30 "the scan is told" has "$dir/people.jsonl" 'horizontal scan'
wait_until 10 "the scan is on the board" scan_is firing
culprit alerts --rule scan --json >"$dir/alerts"
expect "alerts" 1 "$(jq '.alerts | length' "$dir/alerts")"
id=$(jq -r '.alerts[0].id' "$dir/alerts")
culprit show "$id" --json >"$dir/shown"
jq -e '.kind == "horizontal scan" and .detector == "scan" and .series.id == "src=10.20.0.66"
	and (.why | startswith("10.20.0.66 (reception-pc) tried about"))' "$dir/shown" >/dev/null ||
	fail "$(cat "$dir/shown")"
jq -e '.top_flows | length == 10 and all(.src == "10.20.0.66" and .dst_port == 22)' \
	"$dir/shown" >/dev/null || fail "top flows: $(jq -c .top_flows "$dir/shown")"

# --- the past: the archive once more through the same detector ---
# (up to the last whole second, which may be the one before the scan's)
past_has_it() {
	culprit backtest scan --from -10m >"$dir/backtest" || fail "$(cat "$dir/backtest")"
	grep -q '10.20.0.66' "$dir/backtest"
}
wait_until 20 "the backtest tells the scan" past_has_it
! grep -q '10.20.0.7 ' "$dir/backtest" || fail "$(cat "$dir/backtest")"

# --- over a restart it goes on; set off, it ends ---
stop_daemon
start_daemon
wait_until 10 "the scan is still there" scan_is firing
expect "the same alert" "$id" "$(culprit alerts --rule scan --json | jq -r '.alerts[0].id')"
echo 'rule scan { enabled = no }' >>"$dir/culprit.conf"
kill -HUP "$daemon"
wait_until 10 "the scan is over" scan_is resolved
stop_daemon
say "a scan was told, judged again and ended: $(jq -r .why "$dir/shown")"

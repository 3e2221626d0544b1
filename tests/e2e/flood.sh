#!/bin/bash
# flood.sh - a victim of a flood is named without a configuration; a busy server is not.
# SPDX-License-Identifier: ISC
. "$(dirname "$0")/lib/lib.sh"

sink people http_sink.py
conf <<END
exporter edge { address = "127.0.0.1" }
rule exporter-flows { enabled = no }
notify people { webhook = "http://127.0.0.1:$people_port/ok/people" }
END
culprit() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }
flood_is() { [ "$(culprit alerts --rule flood --json 2>/dev/null | jq -r '.alerts[0].status')" = "$1" ]; }

start_daemon
# 4,000 addresses try 10.20.0.5 and get no answer; as many visit 10.20.0.80 and do.
began=$(now_ms)
"$python" - "$udp" <<-'END'
	import sys, nf
	e = nf.Exporter(10, int(sys.argv[1]), source="127.0.0.1")
	e.send_template()
	for part in range(400):
	    e.send_flows([nf.flow(src=f"198.{18 + part % 2}.{part // 2}.{i}", dst="10.20.0.5",
	                          sport=1024 + part, dport=443, flags=2, packets=1, bytes=60)
	                  for i in range(10)])
	    both = []
	    for i in range(10):
	        far = f"203.0.{part % 200}.{10 * (part // 200) + i}"
	        both += [nf.flow(src=far, dst="10.20.0.80", sport=2000 + i, dport=443, flags=27),
	                 nf.flow(src="10.20.0.80", dst=far, sport=443, dport=2000 + i, flags=27)]
	    e.send_flows(both)
END
wait_until 30 "the flood is told" has "$dir/people.jsonl" 'SYN flood'
say "webhook after $(($(now_ms) - began)) ms"
wait_until 10 "the flood is on the board" flood_is firing
culprit status >"$dir/status"
has "$dir/status" 'flood: armed, 1 firing, 1 alert since the start' || fail "$(cat "$dir/status")"
has "$dir/status" 'new-talker: still learns, armed in ' || fail "$(cat "$dir/status")"
culprit alerts --rule flood --json >"$dir/alerts"
expect "alerts" 1 "$(jq '.alerts | length' "$dir/alerts")"
culprit show "$(jq -r '.alerts[0].id' "$dir/alerts")" --json >"$dir/shown"
jq -e '.kind == "SYN flood" and .severity == "critical" and .series.id == "dst=10.20.0.5"
	and (.top_flows | length > 0 and all(.dst == "10.20.0.5"))' "$dir/shown" >/dev/null ||
	fail "$(cat "$dir/shown")"
nothing_lost

echo 'rule flood { enabled = no }' >>"$dir/culprit.conf"
kill -HUP "$daemon"
wait_until 10 "the flood is over" flood_is resolved
stop_daemon
say "$(jq -r .why "$dir/shown")"

#!/bin/bash
# storm.sh - many alerts at once: all in history, few messages, memory stays.
# SPDX-License-Identifier: ISC
#
# A thousand hosts cross a limit within a second; ALERTS and SECONDS_OF make it more
# (tests/torture/storm.sh). Prints how long after the last datagram the last alert was in
# history and what memory it took.
. "$(dirname "$0")/lib/lib.sh"

alerts=${ALERTS:-1000} seconds=${SECONDS_OF:-1}

sink people http_sink.py
sink machine http_sink.py
conf <<END
exporter edge { address = "127.0.0.1" }
rule interface-traffic { enabled = no }
rule exporter-flows { enabled = no }
rule hosts {
	measure = "bytes"  by = "dst"  window = "10s"  above = "1M"
	notify = {"people", "machine"}
}
alerts { name_hosts = no }
notify people { webhook = "http://127.0.0.1:$people_port/ok"  format = "slack" }
notify machine { webhook = "http://127.0.0.1:$machine_port/ok"  format = "json" }
END
start_daemon
rss() { awk -v f="$1:" '$1 == f { print $2 }' "/proc/$daemon/status"; } # KiB
before=$(rss VmRSS)

"$python" - "$udp" "$alerts" "$seconds" <<-'END'
	import sys, time, nf
	port, n, seconds = map(int, sys.argv[1:])
	e = nf.Exporter(10, port, source="127.0.0.1")
	e.send_template()
	began = time.monotonic()
	for i in range(0, n, 10):
	    e.send_flows([nf.flow(src="203.0.113.99", dst=f"10.1.{k // 250}.{1 + k % 250}",
	                          # over the limit also where a slice ends in its middle
	                          bytes=2_200_000, packets=1500) for k in range(i, i + 10)])
	    early = began + seconds * i / n - time.monotonic()
	    if early > 0:
	        time.sleep(early)
END
sent=$(now_ms)

kept() {
	"$python" - "$dir/state/history.db" <<-'END'
		import sqlite3, sys
		db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=10)
		# not those that are kept bare until their evidence is there
		print(db.execute("SELECT count(*) FROM alert WHERE "
		                 "NOT instr(body, CAST('\"why\":null' AS BLOB))").fetchone()[0])
	END
}
all_kept() { [ "$(kept)" = "$alerts" ]; }
wait_until 60 "$alerts alerts in history" all_kept
took=$(($(now_ms) - sent))
nothing_lost

# Each with its own flows, also those that were asked for together.
"$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" alerts --json \
	>"$dir/alerts.json"
expect "alerts whose first flow is not their host's" 0 "$(jq '[.alerts[] |
	select(.top_flows[0].dst != (.series.id | ltrimstr("dst=")))] | length' \
	"$dir/alerts.json")"

# One that had no time for all of its evidence says so, and how to get the rest.
unasked=$(jq '[.alerts[] | select(.why | contains("culprit changed --as-of"))] | length' \
	"$dir/alerts.json")
[ "$unasked" -gt 0 ] || fail "no alert of a storm says what was not looked for"

# Who reads gets ten messages and then digests (P9); the machine sees every alert.
said() { jq -r 'select(.body) | .body' "$dir/people.jsonl"; }
machine_saw() { grep -c '\\"fingerprint\\"' "$dir/machine.jsonl" || :; }
saw_all() { [ "$(machine_saw)" -ge "$alerts" ]; }
wait_until 60 "the machine's channel saw every alert" saw_all
messages=$(said | grep -c . || :)
[ "$messages" -ge 1 ] && [ "$messages" -le 12 ] ||
	fail "$messages messages to people about $alerts alerts"

grown=$(($(rss VmHWM) - before))
[ "$patience" -gt 1 ] || [ "$grown" -le $((64 * 1024)) ] ||
	fail "memory grew by $grown KiB"
say "$alerts alerts in $seconds s: all in history $took ms after the last datagram," \
	"$messages messages to people, $unasked without a look at what changed, memory grew by $((grown / 1024)) MiB to" \
	"$(($(rss VmHWM) / 1024)) MiB"

#!/bin/bash
# builtin.sh - built-in rules: there without a configuration, changed and set off by name.
# SPDX-License-Identifier: ISC
#
# An exporter loses a third of its datagrams for minutes and then falls silent, on a clock
# that runs thirty times as fast: lossy-export and exporter-silent tell it, the second
# sooner than it would by itself. Switched off by name, both end.
. "$(dirname "$0")/lib/lib.sh"

sink people http_sink.py
conf <<END
exporter edge { address = "127.0.0.1" }
notify people { webhook = "http://127.0.0.1:$people_port/ok/people" }
END
culprit() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }
alert_is() { [ "$(culprit alerts --rule "$1" --json 2>/dev/null | jq -r '.alerts[0].status')" = "$2" ]; }
all="exporter-flows exporter-silent flood interface-drop interface-spike lossy-export new-talker scan"
names() { get /api/v1/rules | jq -r '.rules[].name' | sort | paste -sd' '; }
runs() { [[ " $(names) " = *" $1 "* ]]; }

# --- an empty configuration has them; each goes by its name ---
start_daemon
for rule in $all; do
	runs "$rule" || fail "$rule is not built in: $(names)"
done
culprit status >"$dir/status"
has "$dir/status" 'built in: interface-spike, interface-drop' || fail "$(cat "$dir/status")"
cp "$dir/culprit.conf" "$dir/empty.conf"
for rule in $all; do
	echo "rule $rule { enabled = no }" >>"$dir/culprit.conf"
done
kill -HUP "$daemon"

only_counters() { [ "$(names)" = interface-counters ]; }
wait_until 10 "all are off" only_counters
culprit status >"$dir/status"
has "$dir/status" 'built in: none; off: interface-spike' || fail "$(cat "$dir/status")"
stop_daemon

# --- changed by name: sooner, worse ---
cp "$dir/empty.conf" "$dir/culprit.conf"
cat >>"$dir/culprit.conf" <<END
rule exporter-silent { patience = 2m severity = "critical" }
rule lossy-export { over = 2m share = 20% }
END
start_daemon --clock "$(date +%s)*30"
"$python" - "$udp" <<-'END' &
	import sys, time, nf
	e = nf.Exporter(5, int(sys.argv[1]), source="127.0.0.1")
	for i in range(600):
	    if i % 3 == 2:
	        e.sequence += 25 # one datagram that never arrives
	    e.send_flows([nf.flow() for _ in range(25)])
	    time.sleep(0.02)
END
load=$!
started+=("$load")
wait_until 30 "the loss is told" has "$dir/people.jsonl" lossy-export
kill "$load" 2>/dev/null || :
wait_until 30 "the silence is told" has "$dir/people.jsonl" exporter-silent
culprit alerts --rule exporter-silent --json >"$dir/silent"
jq -e '.alerts[0].severity == "critical"' "$dir/silent" >/dev/null || fail "$(cat "$dir/silent")"
has "$dir/people.jsonl" 'of the flows of exporter edge were lost within' ||
	fail "the loss is told in other words"
wait_until 30 "the loss is over" alert_is lossy-export resolved
echo 'rule exporter-silent { enabled = no }' >"$dir/off.conf"
{ grep -v exporter-silent "$dir/culprit.conf" || :; cat "$dir/off.conf"; } >"$dir/new.conf"
cp "$dir/new.conf" "$dir/culprit.conf"
kill -HUP "$daemon"
wait_until 20 "the silence is ended with its rule" alert_is exporter-silent resolved
stop_daemon
say "the built-in rules were there, changed, and set off by name"

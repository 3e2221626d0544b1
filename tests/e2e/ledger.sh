#!/bin/bash
# ledger.sh - what was lost is told everywhere: metrics, status, alerts, history.
# SPDX-License-Identifier: ISC
# timeout: 120
#
# An exporter loses 50 of 250 flows on the way, sends three datagrams that nobody can read
# and one whose template never comes. Then a rule fires on what did arrive.
. "$(dirname "$0")/lib/lib.sh"

sink people http_sink.py
conf <<END
exporter edge { address = "127.0.0.9" }
rule big { filter = "dst host 10.0.0.77" above = "1M" for = "0s" notify = "people" }
notify people { webhook = "http://127.0.0.1:$people_port/ok/people" }
END
culprit() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }
start_daemon
"$python" - "$udp" <<'END'
import sys, nf
x = nf.Exporter(5, int(sys.argv[1]), source="127.0.0.9")
for i in range(20):
    if i % 4 == 3:
        x.sequence += 10 # a datagram that never arrives
    x.send_flows([nf.flow() for _ in range(10)])
for octets in (b"\0\5", b"\0\5\0\1" + bytes(10), b"\0\77" + bytes(40)):
    x.send(octets)
n = nf.Exporter(9, int(sys.argv[1]), source="127.0.0.9")
n.send_flows([nf.flow()])
# An sFlow agent's interface 7 counts 1,000,000 octets in and 200 out, falls back to 5 (its
# restart is no traffic), and counts 40 more.
import struct, time
s = nf.Exporter(5, int(sys.argv[1]), source="127.0.0.10")
for i, (octets, out) in enumerate(((500, 100), (1000500, 300), (5, 0), (45, 0))):
    counted = struct.pack("!IIQIIQ6IQ6II", 7, 6, 10**9, 1, 3, octets, octets // 100, 0, 0, 0, 0,
                          0, out, out // 100, 0, 0, 0, 0, 0, 0)
    sample = struct.pack("!IIIII", i, 7, 1, 1, len(counted)) + counted
    s.send(struct.pack("!IIIIIIIII", 5, 1, 0x7f00000a, 0, i, 1000 * i, 1, 2, len(sample)) +
           sample)
    time.sleep(0.05)
END
wait_until 20 "the loss is counted" at_least 50 culprit_sequence_lost_total 'unit="flows"'

# --- /metrics, to the unit ---
ledger_holds
expect "lost flows" 50 "$(metric culprit_sequence_lost_total)"
expect "datagrams" 24 "$(metric culprit_datagrams_received_total 'exporter="edge"')"
expect "datagrams that nobody could read" 3 "$(metric culprit_malformed_datagrams_total)"
expect "of an unknown version" 1 \
	"$(metric culprit_malformed_datagrams_total 'reason="bad_version"')"
expect "sets that wait" 1 "$(metric culprit_sets_total 'outcome="held"')"
expect "all sets" 1 "$(metric culprit_sets_total 'exporter="edge"')"
expect "flows" 200 "$(metric culprit_flows_total)"

# --- an alert on what did arrive says that there was more ---
burst 127.0.0.9 10.0.0.77
wait_until 20 "the alert is told" has "$dir/people.jsonl" '"rule\\*": *\\*"big'
culprit alerts --rule big --json >"$dir/alert"
expect "flows that the alert's window lost" 50 "$(jq '.alerts[0].quality.lost_flows' "$dir/alert")"
id=$(jq -r '.alerts[0].id' "$dir/alert")
culprit show "$id" >"$dir/shown"
has "$dir/shown" '50 flows' || fail "show says nothing of the loss: $(cat "$dir/shown")"
has "$dir/people.jsonl" '50 flows\|lost_flows\\*": *50' || fail "the message says nothing of the loss"

# --- status: one line, and what to do ---
culprit status >"$dir/status"
expect "lines of the exporter" 1 "$(grep -c '^edge ' "$dir/status")"
grep '^edge ' "$dir/status" | grep -q '50 flows lost' || fail "$(cat "$dir/status")"
has "$dir/status" 'Its sequence numbers say that 50 flows were lost' || fail "$(cat "$dir/status")"

# --- history, also after the daemon is gone ---
stop_daemon
kept() { culprit history --json --from -2h "ledger $1|exporter=127.0.0.9" | jq '[.bins[].flows] | add'; }
expect "received, in history" 26 "$(kept received)"
expect "lost, in history" 50 "$(kept lost)"
expect "refused, in history" 3 "$(kept refused)"
counted() { culprit history --json --from -2h "counters|interface=127.0.0.10/#7/$1" |
	jq -c '[[.bins[].bytes], [.bins[].packets]] | map(add)'; }
expect "octets and packets in by interface 7, as it counted" '[1000040,10000]' "$(counted in)"
expect "octets and packets out" '[200,2]' "$(counted out)"
start_daemon
expect "lost, by the API" '{"bytes":0,"flows":50}' \
	"$(history 'ledger lost|exporter=127.0.0.9' | jq -c 'del(.seen_s)')"
stop_daemon
say "50 lost flows were told by metrics, alert, status and history"

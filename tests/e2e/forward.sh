#!/bin/bash
# forward.sh - the datagrams go on, octet by octet, beside an old collector.
# SPDX-License-Identifier: ISC
# timeout: 60
#
# A second collector must see what the exporters sent; started as root, it must even see
# their addresses.
. "$(dirname "$0")/lib/lib.sh"

read -r other < <(free_ports 1)
conf <<<"forward = {\"127.0.0.1:$other\"}"
"$python" - "$other" "$dir" >"$dir/sink.jsonl" 2>"$dir/sink.log" <<'END' &
import json, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
print(json.dumps({"port": int(sys.argv[1])}), flush=True)
while True:
    octets, who = s.recvfrom(65536)
    print(json.dumps({"from": who[0], "octets": octets.hex()}), flush=True)
END
started+=($!)
wait_until 10 "the second collector listens" has "$dir/sink.jsonl" port
start_daemon

# NetFlow, an empty datagram's neighbour, garbage and a large one: whatever arrives.
"$python" - "$udp" >"$dir/sent.jsonl" <<'END'
import json, os, sys, time
import nf
class Told(nf.Exporter):
    def send(self, octets):
        super().send(octets)
        print(json.dumps({"from": self.socket.getsockname()[0], "octets": octets.hex()}))
        time.sleep(0.001)
for i, version in enumerate((5, 9, 10)):
    e = Told(version, int(sys.argv[1]), source=f"127.0.0.{i + 11}")
    if version != 5:
        e.send_template()
    for n in range(1, 31):
        e.send_flows([nf.flow(bytes=n * 100 + k) for k in range(n)])
for size in (1, 2, 100, 1472, 9000):
    e.send(b"\x00\x63" + os.urandom(size))
END
count=$(grep -c '' "$dir/sent.jsonl")
wait_until 10 "$count datagrams at the second collector" lines "$dir/sink.jsonl" $((count + 1))
"$python" - "$dir" "$(id -u)" <<'END'
import json, sys
rows = lambda name: [json.loads(x) for x in open(f"{sys.argv[1]}/{name}")]
sent, seen = rows("sent.jsonl"), rows("sink.jsonl")[1:]
if [r["octets"] for r in sent] != [r["octets"] for r in seen]:
    sys.exit("FAILED: the second collector saw other octets, or another order")
if sys.argv[2] == "0" and [r["from"] for r in sent] != [r["from"] for r in seen]:
    sys.exit(f"FAILED: source addresses: sent {sent[0]['from']}, seen {seen[0]['from']}")
END
flows=$((3 * 30 * 31 / 2))
wait_until 10 "$flows flows are counted here too" at_least "$flows" culprit_flows_total
expect "flows" "$flows" "$(metric culprit_flows_total)"
expect "datagrams that it says went on" "$count 0" \
	"$(metric culprit_forwarded_datagrams_total "target=\"127.0.0.1:$other\"") $(metric \
		culprit_forward_dropped_datagrams_total)"
"$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" status |
	grep "^forwards *127.0.0.1:$other, $count datagrams, from " >/dev/null ||
	fail "culprit status does not show what is forwarded"
expect "malformed datagrams" 5 "$(metric culprit_malformed_datagrams_total)"
stop_daemon
say "$count datagrams forwarded byte by byte"

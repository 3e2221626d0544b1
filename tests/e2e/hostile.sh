#!/bin/bash
# hostile.sh - garbage is counted under a name and disturbs nobody.
# SPDX-License-Identifier: ISC
# timeout: 120
#
# Broken datagrams from their own addresses, and canaries beside them from others: every
# broken one has its reason, every canary's flow is counted to the octet, also after a
# flood of noise from the canaries' own addresses.
. "$(dirname "$0")/lib/lib.sh"

conf </dev/null
start_daemon
"$python" - "$udp" >"$dir/sent.json" <<'END'
import json, random, struct, sys, time
import nf
port = int(sys.argv[1])
draw = random.Random(7)
bad = nf.Exporter(5, port, source="127.0.0.66")
other = nf.Exporter(9, port, source="127.0.0.67")
ipfix = nf.Exporter(10, port, source="127.0.0.68")
canaries = [nf.Exporter(v, port, source=f"127.0.0.{v}") for v in (5, 9, 10)]
for c in canaries[1:]:
    c.send_template()

def canary():
    for c in canaries:
        c.send_flows([nf.flow(bytes=draw.randint(60, 10**6), packets=3) for _ in range(5)])
    time.sleep(0.002)

v5 = bad.datagram([nf.flow()] * 3)
good9 = other.datagram([nf.flow()] * 3)
good10 = ipfix.datagram([nf.flow()] * 3)
reasons = {"too_short": [v5[:n] for n in (0, 1, 3, 12, 23)],
           "bad_version": [struct.pack("!H", v) + v5[2:] for v in (0, 2, 4, 11, 255, 65535)] +
                          [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 1400, bytes(100)]}
for lot in reasons.values():
    for octets in lot:
        bad.send(octets)
        canary()
# lengths that lie: in the header, in the set, in the count
for octets in [v5[:30], v5[:2] + b"\x00\x1f" + v5[4:], v5[:2] + b"\xff\xff" + v5[4:],
               v5[:2] + b"\x00\x00" + v5[4:], v5 + b"xx", v5[:-1]]:
    bad.send(octets)
    canary()
for octets in [good9[:19], good9[:20] + b"\x01\x2c\xff\xff" + good9[24:],
               good9[:20] + b"\x01\x2c\x00\x00" + good9[24:],
               good9[:20] + b"\x01\x2c\x00\x03" + good9[24:], good9[:2] + b"\xff\xff" + good9[4:]]:
    other.send(octets)
    canary()
for length in (0, 15, len(good10) - 1, len(good10) + 1, 9591, 65535):
    ipfix.send(good10[:2] + struct.pack("!H", length) + good10[4:])
    canary()
# templates that ask for too much, then data for them
for count, size in ((65535, 4), (400, 65535), (3, 65535), (1, 0), (0, 0)):
    body = struct.pack("!HH", 400 + count % 100, count)
    body += b"".join(struct.pack("!HH", 1 + i % 60, size) for i in range(min(count, 300)))
    other.send(struct.pack("!HHIIII", 9, 1, nf.UPTIME, nf.now_ms() // 1000, 1, 9) +
               other._set(0, body))
    other.send(struct.pack("!HHIIII", 9, 1, nf.UPTIME, nf.now_ms() // 1000, 2, 9) +
               other._set(400 + count % 100, draw.randbytes(1200)))
    canary()
# noise: 2000 datagrams whose first two octets are those of real protocols
noise = nf.Exporter(5, port, source="127.0.0.69")
for i in range(2000):
    head = (b"\x00\x05", b"\x00\x09", b"\x00\x0a", b"\x00\x00\x00\x05", b"")[i % 5]
    noise.send(head + draw.randbytes(draw.randint(0, 1400)))
    if i % 20 == 0:
        canary()
# and noise of no version from the canaries' own addresses
for i in range(300):
    c = canaries[i % 3]
    c.send(b"\x00\x63" + draw.randbytes(200))
    if i % 10 == 0:
        canary()
print(json.dumps({
    "reasons": {k: len(v) for k, v in reasons.items()},
    "exporters": {e.socket.getsockname()[0]: e.datagrams
                  for e in [bad, other, ipfix, noise] + canaries},
    "canaries": {c.socket.getsockname()[0]: {"flows": c.flows, "bytes": c.bytes,
                                              "packets": c.packets} for c in canaries}}))
END
jq -c . "$dir/sent.json"
sent() { jq "$1" <"$dir/sent.json"; }

wait_until 15 "all datagrams are counted" at_least "$(sent '[.exporters[]] | add')" \
	culprit_datagrams_received_total
expect "dropped by the kernel" 0 "$(metric culprit_kernel_dropped_datagrams_total)"
for e in $(sent '.exporters | keys[]' | tr -d '"'); do
	expect "datagrams of $e" "$(sent ".exporters[\"$e\"]")" \
		"$(metric culprit_datagrams_received_total "exporter=\"$e\"")"
done
for reason in too_short bad_version; do
	seen=$(metric culprit_malformed_datagrams_total 'exporter="127.0.0.66"' \
		"reason=\"$reason\"")
	[ "$seen" -ge "$(sent ".reasons.$reason")" ] ||
		fail "$reason: expected $(sent ".reasons.$reason") at least, seen $seen"
done
refused() { # ADDRESS REASON AT_LEAST
	local seen

	seen=$(metric culprit_malformed_datagrams_total "exporter=\"$1\"" "reason=\"$2\"")
	[ "$seen" -ge "$3" ] || fail "$2 of $1: expected $3 at least, seen $seen"
}
refused 127.0.0.66 bad_count 2 # no record, or none that is whole
refused 127.0.0.67 too_short 1
refused 127.0.0.67 bad_length 2
refused 127.0.0.68 bad_length 5
[ "$(metric culprit_sets_total 'exporter="127.0.0.67"' 'outcome="malformed"')" -ge 2 ] ||
	fail "no malformed set of 127.0.0.67 was counted"
for e in $(sent '.canaries | keys[]' | tr -d '"'); do
	for what in flows bytes packets; do
		expect "$what of canary $e" "$(sent ".canaries[\"$e\"].$what")" \
			"$(metric "culprit_${what}_total" "exporter=\"$e\"")"
	done
	expect "malformed datagrams at $e's address" 100 \
		"$(metric culprit_malformed_datagrams_total "exporter=\"$e\"")"
	expect "sequence gaps of $e" 0 "$(metric culprit_sequence_lost_total "exporter=\"$e\"")"
done
ledger_holds
ready || fail "the daemon is not ready any more"
stop_daemon

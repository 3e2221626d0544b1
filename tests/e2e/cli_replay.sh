#!/bin/bash
# cli_replay.sh - `culprit replay` decodes what a file holds and says what it could not.
# SPDX-License-Identifier: ISC
# timeout: 120
. "$(dirname "$0")/lib/lib.sh"
export LC_ALL=C.UTF-8 TZ=UTC0
replay() { "$BUILD/culprit" replay "$@" 2>"$dir/err.log"; }

# Five datagrams, each after its length: a template with three flows, data without a
# template, one of an unknown version, one cut short, and v5.
"$python" - "$dir" <<'END'
import struct, sys
from nf import Exporter, flow
t = 1_795_430_100_000
class File(Exporter):
    def __init__(self, version, **kw):
        super().__init__(version, 9, **kw)
        self.out = []
    def send(self, octets):
        self.out.append(octets)
fresh = lambda **kw: flow(end=t - 500, start=t - 1500, **kw)
import nf
nf.now_ms = lambda: t
x = File(10)
x.send_template()
x.send_flows([fresh(dst=f"10.0.0.{i}", bytes=1000 * i) for i in (1, 2, 3)])
y = File(10, domain=8, template=999)
y.send_flows([fresh()])
z = File(5)
z.send_flows([fresh(bytes=77)])
all = x.out + y.out + [b"\x00\x63" + bytes(40), b"\x00\x05\x00"] + z.out
def write(name, datagrams):
    with open(f"{sys.argv[1]}/{name}", "wb") as f:
        for d in datagrams:
            f.write(struct.pack("!I", len(d)) + d)
write("good.bin", x.out + z.out)
write("mixed.bin", all)
# The same as a capture, a second between datagrams.
def pcap(name, datagrams):
    with open(f"{sys.argv[1]}/{name}", "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
        for i, d in enumerate(datagrams):
            ip = struct.pack("!BBHHHBBHII", 0x45, 0, 28 + len(d), i, 0, 64, 17, 0, 0xc0000201,
                             0x7f000001) + struct.pack("!HHHH", 5000, 2055, 8 + len(d), 0) + d
            f.write(struct.pack("<IIII", t // 1000 + i, 0, len(ip), len(ip)) + ip)
pcap("good.pcap", x.out + z.out)
# With a snap length that cuts the last datagram, and with the first half of a fragmented one.
with open(f"{sys.argv[1]}/good.pcap", "rb") as f:
    whole = f.read()
last = 28 + len(z.out[-1])
with open(f"{sys.argv[1]}/snap.pcap", "wb") as f:
    f.write(whole[:-last - 8] + struct.pack("<II", last - 30, last) + whole[-last:-30])
with open(f"{sys.argv[1]}/half.pcap", "wb") as f:
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 68, 9, 0x2000, 64, 17, 0, 0xc0000201, 1)
    f.write(whole[:24] + struct.pack("<IIII", t // 1000, 0, 68, 68) + ip + bytes(48))
with open(f"{sys.argv[1]}/one.dat", "wb") as f:
    f.write(z.out[-1])
# As pcapng, cooked, with a resolution of nanoseconds and an option.
def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
with open(f"{sys.argv[1]}/good.pcapng", "wb") as f:
    f.write(block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)))
    f.write(block(1, struct.pack("<HHI", 113, 0, 0) + struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)))
    for i, d in enumerate(x.out + z.out):
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, 28 + len(d), i, 0, 64, 17, 0, 0xc0000201,
                         0x7f000001) + struct.pack("!HHHH", 5000, 2055, 8 + len(d), 0) + d
        ip = struct.pack("!HHH8sH", 0, 1, 6, bytes(8), 0x0800) + ip
        at = (t + i) * 1_000_000
        f.write(block(6, struct.pack("<IIIII", 0, at >> 32, at & 0xffffffff, len(ip), len(ip)) + ip))
# An IPFIX file (RFC 5655): messages one after the other.
with open(f"{sys.argv[1]}/good.ipfix", "wb") as f:
    f.write(b"".join(x.out))
END

expect "flows as text" 4 "$(replay --fast "$dir/good.bin" | grep -c ' tcp 198.51.100.1:443 -> ')"
has "$dir/err.log" '3 datagrams of 1 exporter, 4 flows, 6.08 kB; all of it was decoded' ||
	fail "$(cat "$dir/err.log")"
expect "bytes, as JSON" '[1000,2000,3000,77]' \
	"$(replay --fast --json "$dir/good.bin" | jq -sc 'map(.bytes)')"
replay --fast --csv "$dir/good.bin" | tr -d '\r' >"$dir/good.csv"
expect "CSV lines" 5 "$(grep -c '' "$dir/good.csv")"
expect "CSV columns in each line" 1 "$(awk -F, '{ print NF }' "$dir/good.csv" | sort -u | grep -c '')"
expect "what standard input tells" "$(replay --fast --json "$dir/good.bin")" \
	"$(replay --fast --json - <"$dir/good.bin")"

expect "the good of the mixed ones" '[1000,2000,3000,77]' \
	"$(replay --fast --json "$dir/mixed.bin" | jq -sc 'map(.bytes)')"
for why in '1 set not decoded: the file does not hold the template' \
	'1 datagram not decoded: bad_version' '1 datagram not decoded: too_short'; do
	has "$dir/err.log" "$why" || fail "\"$why\" is not said: $(cat "$dir/err.log")"
done

# At its own pace: three datagrams, a second from each to the next.
began=$(now_ms)
expect "flows of a capture" '[1000,2000,3000,77]' \
	"$(replay --json "$dir/good.pcap" | jq -sc 'map(.bytes)')"
[ $(($(now_ms) - began)) -ge 1900 ] || fail "a capture of two seconds took no two seconds"
began=$(now_ms)
expect "its exporter" '["192.0.2.1"]' \
	"$(replay --fast --json "$dir/good.pcap" | jq -sc 'map(.exporter) | unique')"
[ $(($(now_ms) - began)) -lt $((1500 * patience)) ] || fail "--fast is not fast"

expect "flows of a pcapng file" '[1000,2000,3000,77]' \
	"$(replay --fast --json "$dir/good.pcapng" | jq -sc 'map(.bytes)')"
expect "flows of an IPFIX file" '[1000,2000,3000]' \
	"$(replay --fast --json "$dir/good.ipfix" | jq -sc 'map(.bytes)')"

expect "flows of one datagram alone" '[77]' \
	"$(replay --fast --json "$dir/one.dat" | jq -sc 'map(.bytes)')"

# What the capture did not hold whole.
expect "flows before the cut one" '[1000,2000,3000]' \
	"$(replay --fast --json "$dir/snap.pcap" | jq -sc 'map(.bytes)')"
has "$dir/err.log" '1 datagram cut short by the snap length' || fail "$(cat "$dir/err.log")"
expect "flows of half a datagram" 0 "$(replay --fast --json "$dir/half.pcap" | jq -s length)"
has "$dir/err.log" '1 IP fragment of datagrams that it does not hold whole' ||
	fail "$(cat "$dir/err.log")"

# Wrong files.
rc=0
printf 'no capture at all' >"$dir/text"
replay "$dir/text" >/dev/null || rc=$?
expect "exit code for a file that is none" 1 "$rc"
rc=0
replay "$dir/nowhere" >/dev/null || rc=$?
expect "exit code for no file" 1 "$rc"
rc=0
head -c $(($(stat -c %s "$dir/good.bin") - 5)) "$dir/good.bin" >"$dir/cut.bin"
replay --fast --json "$dir/cut.bin" >"$dir/cut.json" || rc=$?
expect "exit code for a file that is cut" 1 "$rc"
expect "what came before the cut" '[1000,2000,3000]' "$(jq -sc 'map(.bytes)' "$dir/cut.json")"

# The demo: the daemon itself, in a directory that is gone afterwards.
mkdir "$dir/tmp"
chmod 1777 "$dir/tmp"
conf </dev/null
TMPDIR=$dir/tmp "$BUILD/culprit" -c "$dir/culprit.conf" demo >"$dir/demo.log" 2>&1 &
demo=$!
started+=("$demo")
wait_until 20 "the demo watches" has "$dir/demo.log" 'is watching'
ls -d "$dir"/tmp/culprit-demo-* >/dev/null
child=$(pgrep -P "$demo")
kill -TERM "$child"
wait_until 20 "the demo ends" gone_or_reaped "$demo"
rc=0
wait "$demo" || rc=$?
expect "exit code of the demo" 0 "$rc"
expect "what the demo leaves" "" "$(ls "$dir/tmp")"
say "replay decodes, says what it could not, keeps the pace; the demo leaves nothing"

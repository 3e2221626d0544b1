#!/bin/bash
# import.sh - what nfcapd has written comes in with nfdump's own totals, and once only.
# SPDX-License-Identifier: ISC
# timeout: 240
#
# Four nfcapd write the same flows, each in its compression; each file is imported into an
# archive of its own and held against `nfdump -I`. Then both programs answer
# two dozen filters, an import is killed at many moments and repeated, and a bad file among good
# ones is named.
. "$(dirname "$0")/lib/lib.sh"
export LC_ALL=C.UTF-8 TZ=UTC0
culprit() { "$BUILD/culprit" "$@" 2>>"$dir/err.log"; }
nfd() { nfdump "$@" 2>>"$dir/err.log"; }

packing=(none lzo bz2 lz4)
option=('' -z -j -y)
bound() { [ "$(ss -Hlun "sport = :$1" | grep -c .)" -ge 1 ]; }
bound_or_gone() { gone_or_reaped "${nf[$1]}" || bound "${ports[$1]}"; }
# A port that was free may be somebody's source port by now: then another one.
start_nfcapd() {
	ports[$1]=$(free_ports 1)
	# shellcheck disable=SC2086
	nfcapd -w "$dir/nf$1" -p "${ports[$1]}" -t 3600 -b 127.0.0.1 ${option[$1]} \
		>>"$dir/nfcapd$1.log" 2>&1 &
	started+=($!)
	nf[$1]=$!
	wait_until 10 "nfcapd listens" bound_or_gone "$1"
	! gone_or_reaped "${nf[$1]}"
}
for i in 0 1 2 3; do
	mkdir "$dir/nf$i"
	start_nfcapd "$i" || start_nfcapd "$i" || start_nfcapd "$i" || fail "nfcapd does not start"
done

"$python" - "${ports[@]}" <<'END'
import random, sys, time
from nf import Exporter, flow, now_ms
r = random.Random(7)
t = now_ms()
def one(i):
    proto = r.choice([6, 6, 6, 17, 17, 1])
    return flow(src=f"10.{r.randrange(3)}.{r.randrange(4)}.{r.randrange(1, 60)}",
                dst=f"192.0.2.{r.randrange(1, 200)}", proto=proto,
                sport=r.choice([53, 80, 443, r.randrange(1024, 65535)]) if proto != 1 else 0,
                dport=r.choice([53, 443, 8080, r.randrange(1024, 65535)]) if proto != 1 else 0x0800,
                flags=r.choice([2, 0x12, 0x1b, 0x14]) if proto == 6 else 0,
                bytes=r.randrange(40, 200000), packets=r.randrange(1, 200),
                in_if=r.choice([1, 2, 3]), out_if=r.choice([1, 2, 3]),
                end=t - r.randrange(1000, 60000))
flows = [one(i) for i in range(6000)]
for port in map(int, sys.argv[1:]):
    x = [Exporter(9, port), Exporter(10, port, domain=8), Exporter(5, port)]
    for e in x[:2]:
        e.send_template()
    for i in range(0, len(flows), 20):
        x[i // 20 % 3].send_flows(flows[i:i + 20])
        time.sleep(0.002)  # nfcapd asks for no larger buffer, and it is its test, not ours
END

# nfcapd has no way to say that all has been written but its end.
received() { [ "$(ss -Hlun "sport = :$1" | awk '{ print $2 }')" = 0 ]; }
for i in 0 1 2 3; do
	wait_until 10 "nfcapd has read all" received "${ports[i]}"
	kill -TERM "${nf[i]}"
done
for i in 0 1 2 3; do
	wait "${nf[i]}" 2>/dev/null || :
	file[i]=$(echo "$dir"/nf"$i"/nfcapd.20*)
	[ -s "${file[i]}" ] || fail "nfcapd wrote no file"
done

totals_of() { # of nfdump's file, as it says itself
	nfdump -I -r "$1" 2>/dev/null |
		awk '/^Flows:/ { f = $2 } /^Packets:/ { p = $2 } /^Bytes:/ { b = $2 }
			END { print f, p, b }'
}
totals_in() { # of an archive
	culprit --state "$1" top --from 2000-01-01 --to 2037-01-01 --whole --by none --json |
		jq -r '.total | "\(.flows) \(.packets) \(.bytes)"'
}
for i in 0 1 2 3; do
	expect "flows that nfcapd has" 6000 "$(totals_of "${file[i]}" | cut -d' ' -f1)"
	expect "files imported (${packing[i]})" '1 0' \
		"$(culprit --state "$dir/s$i" import --json "${file[i]}" |
			jq -r '"\(.imported) \(.bad)"')"
	expect "totals (${packing[i]})" "$(totals_of "${file[i]}")" "$(totals_in "$dir/s$i")"
done

# The same again: nothing more, under whatever name.
cp "${file[3]}" "$dir/renamed"
expect "imported again" '0 2' \
	"$(culprit --state "$dir/s3" import --json "${file[3]}" "$dir/renamed" |
		jq -r '"\(.imported) \(.known)"')"
expect "totals after it" "$(totals_of "${file[3]}")" "$(totals_in "$dir/s3")"

# Questions to both.
n=0
while read -r filter; do
	n=$((n + 1))
	want=$(nfdump -r "${file[3]}" -s proto/bytes -n 0 -o raw "$filter" 2>/dev/null |
		sed -n 's/^Summary: total flows: \([0-9]*\), total bytes: \([0-9]*\), total packets: \([0-9]*\),.*/\1 \3 \2/p')
	[ -n "$want" ] || want=$(nfdump -N -r "${file[3]}" -s proto/bytes "$filter" 2>/dev/null |
		sed -n 's/^Summary: total flows: \([0-9]*\), total bytes: \([0-9]*\), total packets: \([0-9]*\),.*/\1 \3 \2/p')
	got=$(culprit --state "$dir/s3" top --from 2000-01-01 --to 2037-01-01 --whole --by none \
		--json "$filter" | jq -r '.total | "\(.flows) \(.packets) \(.bytes)"')
	expect "what passes \"$filter\"" "$want" "$got"
	got=$(culprit --state "$dir/s3" flows --from 2000-01-01 --to 2037-01-01 --whole -n 10000 \
		--json "$filter" | jq -r '.flows |
			[length, (map(.packets) | add // 0), (map(.bytes) | add // 0)] |
			map(tostring) | join(" ")')
	expect "flows that pass \"$filter\"" "$want" "$got"
done <<'END'
proto tcp
proto udp
proto icmp
src port 53
dst port 443
port 80
src net 10.1.0.0/16
dst host 192.0.2.7
host 10.0.0.5
net 10.2.0.0/15
in if 2
out if 3
bytes > 100000
packets < 10
proto tcp and dst port 8080
duration > 50
src tos 0 and router ip 127.0.0.1
src net 10.0.0.0/16 and not proto udp
flags S and not flags AFRPU
flags 0x12
(src port 53 or dst port 53) and proto udp
not host 10.1.1.1 and bytes > 150000
proto tcp and (src net 10.1.0.0/16 or dst net 192.0.2.0/25) and packets > 100
END
expect "filters asked" 23 "$n"

# Killed at any moment and repeated: all of it, once. Forty files, so that there are many
# moments.
day=$(date -u -d '3 days ago' +%F)
mkdir "$dir/many"
for i in $(seq 40); do # a table each, with flows in three times of five minutes
	{
		echo start,duration,src,dst,proto,bytes,packets
		for m in 00 05 10; do
			echo "${day}T$((10 + i % 10)):$m:07Z,1.5,10.0.$i.1,10.0.0.2,tcp,$((i * 10)),1"
		done
	} >"$dir/many/$i.csv"
done
want="120 120 $((820 * 30))"
for round in 1 2 3; do
	rm -rf "$dir/k"
	for delay in 0.005 0.01 0.02 0.03 0.05; do
		"$BUILD/culprit" --state "$dir/k" import "$dir/many" >/dev/null 2>&1 &
		pid=$!
		sleep "$delay"
		kill -KILL $pid 2>/dev/null || :
		wait $pid 2>/dev/null || :
	done
	culprit --state "$dir/k" import "$dir/many" >/dev/null
	expect "totals after five kills (round $round)" "$want" "$(totals_in "$dir/k")"
done
# History has been told, exactly once.
expect "flows and bytes of history" '[120,24600]' \
	"$(culprit --state "$dir/k" history exporter=0.0.0.0 --from -5d --json |
		jq -c '[.bins[]] | [(map(.flows) | add), (map(.bytes) | add)]')"
culprit --state "$dir/k" verify >/dev/null || fail "the archive is not whole"
expect "what an import leaves behind" 0 \
	"$(find "$dir/k/flows" -name '*.new' -o -name '*.pending' -o -name '*.part' | grep -c . || :)"

# A bad file is named, the others come in.
mkdir "$dir/mixed"
cp "${file[1]}" "$dir/mixed/a"
head -c 5000 "${file[2]}" >"$dir/mixed/b"
echo "no table" >"$dir/mixed/c"
cp "$dir/many/1.csv" "$dir/mixed/d"
rc=0
"$BUILD/culprit" --state "$dir/m" import "$dir/mixed" >"$dir/out" 2>"$dir/said" || rc=$?
expect "exit code" 1 $rc
for name in b c; do
	grep -q "/mixed/$name: .*nothing of it was imported" "$dir/said" ||
		fail "$name is not named: $(cat "$dir/said")"
done
expect "what came in" "6003" "$(totals_in "$dir/m" | cut -d' ' -f1)"

# Beside a daemon, which sees it at once and goes on.


conf <<<""
start_daemon
[ "$(id -u)" != 0 ] || chown "$owner" "$dir/mixed/d"
culprit -c "$dir/culprit.conf" --state "$dir/state" import "${file[0]}" >/dev/null
expect "totals beside a daemon" "$(totals_of "${file[0]}")" "$(totals_in "$dir/state")"
stop_daemon
start_daemon
expect "totals after its restart" "$(totals_of "${file[0]}")" "$(totals_in "$dir/state")"
stop_daemon
no_reports

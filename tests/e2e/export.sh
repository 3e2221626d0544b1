#!/bin/bash
# export.sh - what leaves the archive arrives whole: as text, at nfcapd, at culpritd.
# SPDX-License-Identifier: ISC
# timeout: 120
. "$(dirname "$0")/lib/lib.sh"
export LC_ALL=C.UTF-8 TZ=UTC0
culprit() { "$BUILD/culprit" "$@" 2>>"$dir/err.log"; }
all=(--from -2d)

"$python" - >"$dir/flows.csv" <<'END'
import random, time
r = random.Random(3)
now = int(time.time() * 1000) - 600_000
print("start,end,src,dst,src_port,dst_port,proto,tcp_flags,tos,bytes,packets,in_if,out_if,"
      "src_as,dst_as,src_mask,dst_mask,next_hop,vlan,exporter,icmp,direction")
for i in range(5000):
    six, proto = i % 5 == 0, r.choice([1, 6, 17])
    a = lambda: f"2001:db8::{r.randrange(1, 9999):x}" if six else f"10.1.{r.randrange(9)}.{r.randrange(1, 250)}"
    end = now - r.randrange(3_000_000)
    print(end - r.randrange(60_000), end, a(), a(), r.randrange(65536) if proto != 1 else 0,
          r.randrange(65536) if proto != 1 else 0, proto, r.choice(["AS", "S", "APF"]) if proto == 6 else 0,
          r.randrange(256), r.randrange(40, 10**7), r.randrange(1, 9999), r.randrange(1, 9),
          r.randrange(1, 9), r.randrange(1, 70000), r.randrange(1, 70000), r.randrange(1, 33),
          r.randrange(1, 33), "2001:db8::1" if six else "10.9.9.9", r.randrange(1, 4095),
          f"192.0.2.{1 + i % 3}", "8/0" if proto == 1 else "", "ingress",
          sep=",")
END
expect "flows imported" 5000 "$(culprit --state "$dir/a" import --json "$dir/flows.csv" | jq .flows)"
totals_in() {
	culprit --state "$1" top "${all[@]}" --whole --by none --json |
		jq -r '.total | "\(.flows) \(.packets) \(.bytes)"'
}
want=$(totals_in "$dir/a")

# As text and back again.
list() {
	culprit --state "$1" export "${all[@]}" --format json |
		jq -cS 'del(.via, .received)' | sort
}
list "$dir/a" >"$dir/list.a"
expect "lines of JSON" 5000 "$(grep -c '' "$dir/list.a")"
culprit --state "$dir/a" export "${all[@]}" >"$dir/out.csv"
culprit --state "$dir/b" import "$dir/out.csv" >/dev/null
list "$dir/b" >"$dir/list.b"
cmp "$dir/list.a" "$dir/list.b" || fail "flows changed on their way through CSV"
culprit --state "$dir/a" export "${all[@]}" --format nfdump >"$dir/nf.csv"
culprit --state "$dir/c" import "$dir/nf.csv" >/dev/null
expect "totals through nfdump's columns" "$want" "$(totals_in "$dir/c")"
expect "a filter's flows" \
	"$(culprit --state "$dir/a" top "${all[@]}" --whole --by none --json 'proto udp' | jq .total.flows)" \
	"$(culprit --state "$dir/a" export "${all[@]}" --format json 'proto udp' | grep -c '')"

# To nfcapd, both ways.
for version in netflow9 ipfix; do
	port=$(free_ports 1)
	mkdir "$dir/$version"
	nfcapd -w "$dir/$version" -p "$port" -t 3600 -b 127.0.0.1 >>"$dir/nfcapd.log" 2>&1 &
	nf=$!
	started+=($nf)
	wait_until 10 "nfcapd listens" test -n "$(sleep 0.3; ss -Hlun "sport = :$port")"
	culprit --state "$dir/a" export "${all[@]}" --format $version --send "127.0.0.1:$port" --rate 5000
	idle() { [ "$(ss -Hlun "sport = :$port" | awk '{ print $2 }')" = 0 ]; }
	wait_until 10 "nfcapd has read all" idle
	kill -TERM $nf
	wait $nf 2>/dev/null || :
	expect "totals of nfcapd ($version)" "$want" "$(nfdump -I -r "$dir/$version"/nfcapd.20* 2>/dev/null |
		awk '/^Flows:/ { f = $2 } /^Packets:/ { p = $2 } /^Bytes:/ { b = $2 }
			END { print f, p, b }')"
	# ... and back from there.
	culprit --state "$dir/$version.in" import "$dir/$version" >/dev/null
	expect "totals back from nfcapd" "$want" "$(totals_in "$dir/$version.in")"
done

# To culpritd, both ways.
for version in netflow9 ipfix; do
	conf <<<""
	start_daemon
	culprit --state "$dir/a" export "${all[@]}" --format $version --send "127.0.0.1:$udp"
	wait_until 10 "all flows have come" at_least 5000 culprit_flows_total
	nothing_lost
	stop_daemon
	expect "totals of culpritd ($version)" "$want" "$(totals_in "$dir/state")"
	expect "the times of $version" "$(jq -r .end "$dir/list.a" | sort | md5sum)" \
		"$(culprit --state "$dir/state" export "${all[@]}" --format json | jq -r .end | sort | md5sum)"
	rm -rf "$dir/state"
done

rc=0
culprit --state "$dir/a" export --format ipfix || rc=$?
expect "exit code without an address" 64 $rc
no_reports

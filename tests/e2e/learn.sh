#!/bin/bash
# learn.sh - a daemon on an archive of weeks is armed at once, and asking again is harmless.
# SPDX-License-Identifier: ISC
# timeout: 240
#
# Five weeks of a link come in as a table of flows. The tool learns from them where no
# daemon runs; a daemon that was never told of anything learns from them by itself; and
# once armed, nothing is learnt again.
# Ten thousand files of five minutes are waited for one by one on a disk; not in memory.
[ -w /dev/shm ] && export TMPDIR=/dev/shm
. "$(dirname "$0")/lib/lib.sh"
export LC_ALL=C.UTF-8 TZ=UTC0
culprit() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }

read -r udp http <<<"$(free_ports 2 | tr '\n' ' ')"
cat >"$dir/culprit.conf" <<END
listen netflow { address = "127.0.0.1"  port = $udp }
http { address = "127.0.0.1"  port = $http }
timezone = "UTC"
END
"$python" - >"$dir/flows.csv" <<'END'
import math, random, time
r = random.Random(3)
end = int(time.time()) // 300 * 300 - 600
iso = lambda t: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))
print("received,start,end,src,dst,src_port,dst_port,proto,packets,bytes,in_if,out_if,exporter")
for i in range(35 * 288):
    t = end - 35 * 86400 + i * 300
    v = 2e7 * (0.2 + math.exp(-0.5 * ((t % 86400 / 3600 - 13) / 3) ** 2)) * math.exp(r.gauss(0, .1))
    print(f"{iso(t + 299)},{iso(t)},{iso(t + 299)},198.51.100.7,10.20.0.7,443,50000,6,"
          f"{int(v / 20)},{int(v * 300 / 8)},2,1,192.0.2.1")
END
culprit import "$dir/flows.csv" >"$dir/import.txt" || fail "import: $(cat "$dir/import.txt")"
cp -r "$dir/state" "$dir/fresh"

culprit learn >"$dir/learn.txt" || fail "learn: $(cat "$dir/learn.txt")"
has "$dir/learn.txt" '3 of 3 series were learnt' || fail "$(cat "$dir/learn.txt")"
culprit learn >"$dir/learn.txt"
has "$dir/learn.txt" 'All 3 series .* armed already' || fail "again: $(cat "$dir/learn.txt")"
culprit learn nosuch 2>"$dir/nosuch.txt" && fail "learnt a rule that is not there"
has "$dir/nosuch.txt" 'no rule "nosuch"' || fail "$(cat "$dir/nosuch.txt")"
culprit baseline in >"$dir/week.txt" 2>&1 || culprit baseline 2/in >"$dir/week.txt"
has "$dir/week.txt" '^Mon .*Mbit/s to .*Mbit/s$' || fail "no picture: $(cat "$dir/week.txt")"
has "$dir/week.txt" 'ordinary from .*armed\|armed' || fail "not armed: $(cat "$dir/week.txt")"
expect "slots of the week" 2016 "$(culprit baseline 2/in --csv | tail -n +2 | grep -c ,)"

rm -r "$dir/state"
mv "$dir/fresh" "$dir/state"
"$BUILD/culpritd" -c "$dir/culprit.conf" --state "$dir/state" -f >"$dir/daemon.log" 2>&1 &
started+=($!)
wait_until 60 "the daemon has learnt" has "$dir/daemon.log" '3 baselines learnt from history'
known() { # once history has been told, which takes a second
	culprit learn >"$dir/learn.txt" && has "$dir/learn.txt" 'All 3 series .* armed already'
}
wait_until 30 "nothing is left to learn" known
armed() { culprit status | grep -q 'rules .*3 armed, 0 still learning'; }
wait_until 30 "three series are armed" armed
echo "three series were learnt by the tool, and by the daemon alone"

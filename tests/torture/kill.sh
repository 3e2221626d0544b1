#!/bin/bash
# kill.sh - kill -9 at random moments under load: what was archived is whole, and at most
# the last ten seconds are missing.
# SPDX-License-Identifier: ISC
# timeout: 3600
# alone
#
# KILLS times (200): the daemon starts on the same state, flows arrive at RATE a second,
# and after a random while of up to LOAD_MS it is killed. Then `culprit verify` must find
# the archive whole, and the archive must hold every flow that had been counted ten
# seconds (LOST_MS) before the kill. Clocks run SPEED times as fast, each run begins
# where the one before ended, so that files are closed, begun and gone on with as well.
# A last start must still answer with all that was there.
. "$(dirname "$0")/../e2e/lib/lib.sh"

KILLS=${KILLS:-200} RATE=${RATE:-20000} SPEED=${SPEED:-2} LOAD_MS=${LOAD_MS:-12000}
LOST_MS=${LOST_MS:-10000}
began_ms=1780000160000 # forty seconds before a five-minute boundary
fake_ms=$began_ms kept=0 short=0

conf <<END
late = 1m
END

# The flows that the archive holds, of all time.
archived() {
	"$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" top --json --whole \
		--from "2026-01-01" --to "2026-12-31" --by none 2>>"$dir/culprit.log" |
		jq .total.flows
}

whole() {
	"$BUILD/culprit" verify "$dir/state/flows" >"$dir/verify.log" 2>&1 ||
		fail "not whole after kill $1: $(cat "$dir/verify.log")"
}

# Reads the counter until the time is over; leaves pairs of a time and a count.
watch_until() { # MILLISECONDS
	: >"$dir/counted"
	while [ "$(now_ms)" -lt "$1" ]; do
		n=$(figure culprit_flows_total 2>/dev/null || :)
		# The time after the answer: what it counts had been counted by then, while
		# an earlier time would claim what came in while it was being asked.
		[ -z "$n" ] || echo "$(now_ms) $n" >>"$dir/counted"
		sleep 0.02
	done
}

# What had been counted LOST_MS of the daemon's time before the kill.
counted_before() { # KILLED AT
	awk -v at=$(($1 - LOST_MS / SPEED)) '$1 <= at { n = $2 } END { print n + 0 }' \
		"$dir/counted"
}

for i in $(seq "$KILLS"); do
	real_ms=$(now_ms)
	start_daemon --clock "$((fake_ms / 1000)).$(printf %03d $((fake_ms % 1000)))*$SPEED"
	"$blast" -p ipfix -d "127.0.0.1:$udp" -n 100000000 -r "$RATE" -s "$i" \
		>/dev/null 2>"$dir/blast.log" &
	load=$!
	started+=("$load")
	watch_until $(($(now_ms) + RANDOM * LOAD_MS / 32768))
	killed_ms=$(now_ms)
	stop_daemon KILL
	fake_ms=$((fake_ms + (killed_ms - real_ms) * SPEED + 20000))
	kill "$load"
	wait "$load" 2>/dev/null || :
	whole "$i"
	must=$(counted_before "$killed_ms") now=$(archived)
	[ "$now" -ge $((kept + must)) ] ||
		fail "kill $i: $kept flows before, $must counted in time, only $now kept"
	[ "$must" -gt 0 ] || short=$((short + 1))
	kept=$now
done
say "$KILLS kills ($short of them within the first ten seconds), $kept flows kept," \
	"$(find "$dir/state/flows" -name '*.cul' | wc -l) files"
[ "$kept" -gt 0 ] || fail "no flow was ever kept"
start_daemon --clock "$((fake_ms / 1000)).000*$SPEED"
wait_until 10 "the archive's flows are still there" test "$(archived)" = "$kept"
stop_daemon
whole "and a clean end"

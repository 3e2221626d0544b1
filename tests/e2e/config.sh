#!/bin/bash
# config.sh - bad configurations, taken ports, closed directories; reloads under load.
# SPDX-License-Identifier: ISC
# timeout: 150
. "$(dirname "$0")/lib/lib.sh"

# refused CODE PATTERN OPTION...: culpritd must not start, and say why.
refused() {
	local code=$1 pattern=$2 rc=0

	shift 2
	timeout $((20 * patience)) "$BUILD/culpritd" "$@" >"$dir/refused.log" 2>&1 || rc=$?
	expect "exit code of culpritd $*" "$code" "$rc"
	grep -qE -- "$pattern" "$dir/refused.log" ||
		fail "culpritd $*: expected a line like \"$pattern\""
}

# --- every error, each with file and line ---

cat >"$dir/bad.conf" <<'END'
memory = "12 parsecs"
lissten netflow { port = 2055 }
listen netflow { address = "not an address"  port = 99999 }

rule busy {
	filter = "in iff 2"
	mesure = "bits/s"
	window = "7s"
	above = "10 bananas"
}
rule told {
	measure = "bits/s"
	above = 10M
	notify = {"nobody-there"}
}
END
refused 78 'bad\.conf:1: ' -c "$dir/bad.conf" --state "$dir/state" -f
for line in 1 2 3 6 7 8 9 14; do
	grep -q "bad\.conf:$line: " "$dir/refused.log" || fail "no error for line $line of bad.conf"
done
grep 'bad\.conf:2: ' "$dir/refused.log" | grep -q 'listen' || fail "lissten: no suggestion"
grep 'bad\.conf:7: ' "$dir/refused.log" | grep -q 'measure' || fail "mesure: no suggestion"
[ ! -e "$dir/state" ] || fail "a bad configuration left a state directory behind"
refused 78 'bad\.conf:1: ' -c "$dir/bad.conf" --state "$dir/state" -t
refused 78 'none\.conf' -c "$dir/none.conf" --state "$dir/state" -t
refused 64 'usage:' --no-such-option

# Secrets that others may read are refused, and what is right is said to be right.
conf <<<'notify noc { email = {"a@example.org"} from = "b@example.org"
	smtp = "smtp://127.0.0.1:1" user = "u" password_file = "'"$dir"'/open" }'
echo hunter2 >"$dir/open"
chmod 644 "$dir/open"
refused 78 "open" -c "$dir/culprit.conf" --state "$dir/state" -t
! grep -q hunter2 "$dir/refused.log" || fail "a password was printed"
conf </dev/null
refused 0 'right' -c "$dir/culprit.conf" --state "$dir/state" -t
refused 0 'listen "netflow"' -c "$dir/culprit.conf" --state "$dir/state" -T
cp "$dir/refused.log" "$dir/printed.conf"
sed -i '/^culpritd: /d' "$dir/printed.conf"
refused 0 'right' -c "$dir/printed.conf" --state "$dir/state" -t # it reads what it prints

# --- what else keeps it from starting: one sentence, and what to do ---

"$python" - "$udp" "$http" >"$dir/holder.jsonl" <<'END' &
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
print("held", flush=True)
time.sleep(600)
END
holder=$!
started+=("$holder")
wait_until 10 "the port is taken" has "$dir/holder.jsonl" held
refused 69 "another program has that port.*ss -lunp" -c "$dir/culprit.conf" \
	--state "$dir/state" -f
kill "$holder"
wait_until 5 "the port is free again" gone_or_reaped "$holder"

mkdir "$dir/closed"
chmod 555 "$dir/closed"
sed '/^user/d' "$dir/culprit.conf" >"$dir/plain.conf"
as_nobody=()
[ "$(id -u)" != 0 ] || as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
cp "$BUILD/culpritd" "$dir/culpritd" # a checkout may be closed to others
rc=0
timeout $((20 * patience)) "${as_nobody[@]}" "$dir/culpritd" -c "$dir/plain.conf" \
	--state "$dir/closed/state" -f >"$dir/refused.log" 2>&1 || rc=$?
expect "exit code with a directory that is not writable" 69 "$rc"
grep -q 'closed/state.*--state DIR' "$dir/refused.log" || fail "no word on what to do"

start_daemon
read -r other_udp other_http < <(free_ports 2)
sed "s/port = $udp/port = $other_udp/; s/port = $http/port = $other_http/" \
	"$dir/culprit.conf" >"$dir/second.conf"
refused 69 "another culpritd \(pid $daemon\) uses $dir/state" -c "$dir/second.conf" \
	--state "$dir/state" -f

# --- reloads, good and bad, while flows arrive ---

extra() { # N: a good configuration, another one each time
	conf <<-END
		exporter edge { address = "127.0.0.1" interface 2 { name = "WAN$1" } }
		rule busy$1 { filter = "in if 2" measure = "bits/s" above = "$((900 + $1))G" }
	END
}
spoil() { echo 'rule broken { measure = "furlongs" above = "1" }' >>"$dir/culprit.conf"; }
said() { [ "$(grep -c "$1" "$dir/culpritd.log" || :)" -ge "$2" ]; }

"$blast" -p v9 -d "127.0.0.1:$udp" -n 60000 -r 12000 -e 3 >"$dir/blast.json" &
load=$!
started+=("$load")
for ((n = 1; n <= 25; n++)); do
	extra "$n"
	kill -HUP "$daemon"
	wait_until 10 "reload $n took place" said 'the new configuration is in force' "$n"
	spoil
	kill -HUP "$daemon"
	wait_until 10 "bad reload $n was refused" said 'the old one goes on' "$n"
done
wait "$load" || fail "blast ended with $?"
say "$(cat "$dir/blast.json")"
flows=$(field .flows <"$dir/blast.json")
wait_until 10 "$flows flows are counted" at_least "$flows" culprit_flows_total
expect "flows" "$flows" "$(metric culprit_flows_total)"
for what in bytes packets; do
	expect "$what" "$(field ".$what" <"$dir/blast.json")" "$(metric "culprit_${what}_total")"
done
nothing_lost
has "$dir/culpritd.log" 'culprit.conf:[0-9]*: .*furlongs' || fail "bad reloads: no line named"
get /api/v1/rules >"$dir/rules.json"
has "$dir/rules.json" '"busy25"' || fail "the last good configuration is not in force"
! has "$dir/rules.json" '"broken"' || fail "a part of a bad configuration is in force"
! has "$dir/rules.json" '"busy24"' || fail "a rule that is gone is still in force"
expect "starts of culpritd" 1 "$(grep -c 'culpritd is watching' "$dir/culpritd.log")"
wait_until 10 "all is archived" at_least "$flows" culprit_archive_flows_total
stop_daemon

#!/bin/bash
# daemon.sh - in the background, under systemd's protocols, and without privileges.
# SPDX-License-Identifier: ISC
# timeout: 120
. "$(dirname "$0")/lib/lib.sh"

flows_counted() { # NUMBER
	wait_until 10 "$1 flows are counted" at_least "$1" culprit_flows_total
}
send() { # TO [SOURCE]: ten flows of NetFlow v5
	"$python" - "$udp" "$1" "${2:-127.0.0.1}" <<-'END'
		import sys, nf
		e = nf.Exporter(5, int(sys.argv[1]), to=sys.argv[2], source=sys.argv[3])
		e.send_flows([nf.flow() for _ in range(10)])
	END
}

# --- in the background: the parent tells how it went ---

listen=:: conf </dev/null
rc=0
timeout $((20 * patience)) "$BUILD/culpritd" -c "$dir/culprit.conf" --state "$dir/state" \
	--pidfile "$dir/pid" >"$dir/culpritd.log" 2>&1 </dev/null || rc=$?
expect "exit code of the parent" 0 "$rc"
daemon=$(cat "$dir/pid")
started+=("$daemon")
running "$daemon" || fail "the daemon of the pid file does not run"
wait_until 10 "it is ready" ready
expect "its parent's name is not the script's" 1 "$(("$(ps -o ppid= -p "$daemon")" != $$))"

# --- privileges are gone before the first datagram counts ---

if [ "$(id -u)" = 0 ]; then
	status=$(cat "/proc/$daemon/status")
	uid=$(id -u "$owner")
	expect "user ids" "Uid: $uid $uid $uid $uid" "$(grep ^Uid: <<<"$status" | tr -s '\t' ' ')"
	for set in CapInh CapPrm CapEff CapAmb; do
		expect "$set" 0000000000000000 "$(sed -n "s/^$set:\t//p" <<<"$status")"
	done
	expect "no_new_privs" 1 "$(sed -n 's/^NoNewPrivs:\t//p' <<<"$status")"
	for task in /proc/"$daemon"/task/*; do
		expect "Uid of thread $(cat "$task/comm")" "$uid" \
			"$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "$task/status")"
	done
fi
scrape
expect "flows before the first datagram" 0 "$(metric culprit_flows_total)"

# --- IPv6 transport, and IPv4 on the same socket ---

send ::1 ::1
flows_counted 10
expect "flows over IPv6" 10 "$(metric culprit_flows_total 'exporter="::1"')"
send 127.0.0.1
flows_counted 20
expect "flows over IPv4" 10 "$(metric culprit_flows_total 'exporter="127.0.0.1"')"

# --- a second one fails, and its parent says so ---

rc=0
timeout $((20 * patience)) "$BUILD/culpritd" -c "$dir/culprit.conf" --state "$dir/state" \
	--pidfile "$dir/pid2" >"$dir/second.log" 2>&1 </dev/null || rc=$?
expect "exit code of a second daemon's parent" 69 "$rc"
has "$dir/second.log" 'another culpritd' || fail "no word about the other daemon"
running "$daemon" || fail "the first daemon did not survive the second"

kill -TERM "$daemon"
wait_until 20 "it ended after SIGTERM" gone "$daemon"
[ "$(id -u)" = 0 ] || [ ! -e "$dir/pid" ] || fail "the pid file is still there"
no_reports

# --- systemd: notifications, watchdog, a socket that was opened before ---

conf </dev/null
"$python" tests/e2e/lib/systemd.py "$dir" "$udp" "$BUILD/culpritd" -c "$dir/culprit.conf" \
	--state "$dir/state" >"$dir/systemd.jsonl" 2>"$dir/culpritd-2.log" &
manager=$!
started+=("$manager")
wait_until 20 "READY=1" has "$dir/systemd.jsonl" 'READY=1'
daemon=$(sed -n 's/.*"pid": \([0-9]*\).*/\1/p' "$dir/systemd.jsonl")
started+=("$daemon")
wait_until 10 "it is ready" ready
send 127.0.0.1
flows_counted 10
expect "flows through the socket that was passed" 10 "$(metric culprit_flows_total)"
wait_until 10 "WATCHDOG=1" has "$dir/systemd.jsonl" 'WATCHDOG=1'
kill -HUP "$daemon"
wait_until 10 "RELOADING=1" has "$dir/systemd.jsonl" 'RELOADING=1'
kill -TERM "$daemon"
wait_until 20 "STOPPING=1" has "$dir/systemd.jsonl" 'STOPPING=1'
wait_until 20 "the end" has "$dir/systemd.jsonl" 'exit_code'
expect "what the daemon said, in order" "READY=1 WATCHDOG=1 RELOADING=1 READY=1 STOPPING=1" \
	"$(sed -n 's/.*"said": "\([^"]*\)".*/\1/p' "$dir/systemd.jsonl" | grep -o '[A-Z]*=1' |
		uniq | tr '\n' ' ' | sed 's/ $//; s/WATCHDOG=1 STOP/STOP/;
			s/READY=1 WATCHDOG=1 STOP/READY=1 STOP/')"
expect "exit code" 0 "$(sed -n 's/.*"exit_code": \([0-9]*\).*/\1/p' "$dir/systemd.jsonl")"
no_reports

# --- what it says when it starts: each port once, and an address that can be pasted ---

{
	echo "listen netflow { address = {\"127.0.0.1\", \"::1\"} port = $udp }"
	echo "http { address = \"::1\" port = $http }"
	[ "$(id -u)" != 0 ] || echo "user = \"$owner\""
} >"$dir/culprit.conf"
"$BUILD/culpritd" -c "$dir/culprit.conf" --state "$dir/state" -f >"$dir/culpritd-3.log" 2>&1 &
daemon=$!
started+=("$daemon")
wait_until 10 "it says how to ask it" has "$dir/culpritd-3.log" 'ask it'
has "$dir/culpritd-3.log" "at UDP port $udp (netflow)$" || fail "ports are not as they were given"
has "$dir/culpritd-3.log" "http://\[::1\]:$http/" || fail "the address of the page is no URL"
stop_daemon

# --- the SysV script: LSB's words and exit codes ---

if [ "$(id -u)" = 0 ]; then
	mkdir "$dir/sysv"
	conf </dev/null
	sed "s|^DAEMON=.*|DAEMON=$BUILD/culpritd|; s|^CONFIG=.*|CONFIG=$dir/culprit.conf|
		s|^STATE=.*|STATE=$dir/sysv/state|; s|^RUN=.*|RUN=$dir/sysv/run|
		s|^ACCOUNT=.*|ACCOUNT=$owner|; s|/etc/default/culpritd|$dir/default|" \
		contrib/init.d/culpritd >"$dir/sysv/init"
	chmod +x "$dir/sysv/init"
	init() { # CODE WORD
		local rc=0

		timeout $((40 * patience)) "$dir/sysv/init" "$2" >>"$dir/init.log" 2>&1 </dev/null ||
			rc=$?
		expect "exit code of init.d/culpritd $2" "$1" "$rc"
		daemon=$(cat "$dir/sysv/run/culpritd.pid" 2>/dev/null || :)
		[ -z "$daemon" ] || started+=("$daemon")
	}

	chmod 640 "$dir/culprit.conf"
	init 3 status
	init 7 reload
	init 0 start
	first=$daemon
	wait_until 10 "it is ready" ready
	init 0 status
	init 0 start
	expect "the daemon after a second start" "$first" "$daemon"
	reloaded() { [ "$(get /api/v1/rules | jq '[.rules[] | select(.name == "more")] | length')" = 1 ]; }
	echo 'rule more { above = 1G }' >>"$dir/culprit.conf"
	init 0 reload
	wait_until 10 "a file that only root and the daemon's group may read is read again" reloaded
	echo 'memory = "much"' >>"$dir/culprit.conf"
	init 6 reload
	init 6 restart
	running "$first" || fail "a bad configuration ended the daemon"
	conf </dev/null
	init 0 restart
	[ "$first" != "$daemon" ] || fail "restart started nothing"
	wait_until 10 "it is ready again" ready
	kill -KILL "$daemon"
	wait_until 10 "it is gone" gone "$daemon"
	init 1 status
	init 0 start
	init 0 stop
	gone "$daemon" || fail "the daemon did not stop"
	init 3 status
	init 2 dance
fi

#!/bin/bash
# act.sh - who is slowed, by a rule or by hand, until when; helpers of Squid and nftables.
# SPDX-License-Identifier: ISC
# timeout: 90
. "$(dirname "$0")/lib/lib.sh"

# Squid's helper runs as somebody else: anybody. The daemon's user writes the socket.
mkdir -m 777 "$dir/run"
configure() { # DRY_RUN
	conf <<-END
		exporter edge { address = "127.0.0.1" }
		names { dns = no  hosts = "$dir/hosts" }
		network lan { prefixes = {"10.20.0.0/24"} }
		act {
			enabled = yes
			dry_run = $1
			for = 10m
			max = 2h
			never = {"10.20.0.5"}
			socket = "$dir/run/act.sock"
		}
		rule busy {
			filter = "network lan"
			measure = "bits/s"
			by = "host"
			window = "10s"
			above = "50M"
			act = "slow"
		}
	END
}
slow() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" slow "$@"; }
acl() { printf '%s\n' "$@" | "$BUILD/culprit-acl" "$dir/run/act.sock"; }
is_slow() { [ "$(acl "$1")" = "OK slow=yes" ]; }
not_slow() { [ "$(acl "$1")" = ERR ]; }

echo '10.20.0.66 reception-pc' >"$dir/hosts"
configure no
start_daemon

say "-- a rule slows whom its alert names, and nobody else"
burst 127.0.0.1 10.20.0.66
wait_until 15 "10.20.0.66 is slowed" is_slow 10.20.0.66
alerts() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" alerts --json; }
named() { alerts | jq -e '[.. | .dst_name? // empty] | index("reception-pc")' >/dev/null; }
wait_until 5 "the alert calls it by its name" named
expect "another client" ERR "$(acl 10.20.0.67)"
burst 127.0.0.1 10.20.0.5
logged() { grep -q "$1" "$dir/culpritd.log"; }
wait_until 15 "the rule leaves 10.20.0.5 alone" logged "acts on nobody: 10.20.0.5 is never"
expect "who is never slowed" ERR "$(acl 10.20.0.5)"
slow --list
expect "who wanted it" "rule busy" "$(slow --list --json | jq -r '.[0].by')"

say "-- by hand: tried, refused, ended; bounded"
slow 10.20.0.70 --for 1h --dry-run | grep -q 'nothing was done' || fail "--dry-run"
expect "after --dry-run" ERR "$(acl 10.20.0.70)"
slow 10.20.0.70 --for 1h --refuse --why 'a reason'
expect "a refused client" "OK refuse=yes" "$(acl 10.20.0.70)"
! slow 10.20.0.71 --for 3h 2>"$dir/said" || fail "three hours are more than max"
grep -q 'at most 2 hours' "$dir/said" || fail "$(cat "$dir/said")"
! slow 10.20.0.5 2>"$dir/said" || fail "never"
grep -q 'never' "$dir/said" || fail "$(cat "$dir/said")"
for bad in 10.20.0 300.1.1.1 '10.20.0.66;reboot'; do
	! slow "$bad" 2>/dev/null || fail "$bad was taken for an address"
done

say "-- with channels, as Squid asks with concurrency"
expect "answers with their channels" "0 OK slow=yes 17 ERR 3 OK refuse=yes 4 ERR" \
	"$(acl '0 10.20.0.66 -' '17 10.20.0.67' '3 10.20.0.70 -' '4 -' | tr '\n' ' ' | sed 's/ $//')"

say "-- only root and the daemon's own user may act"
if [ "$(id -u)" = 0 ]; then
	if setpriv --reuid=proxy --clear-groups true 2>/dev/null; then
		as_proxy() { setpriv --reuid=proxy --regid=proxy --clear-groups "$@"; }
		said=$(as_proxy "$python" - "$dir/run/act.sock" <<-'END'
			import socket, sys
			s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
			f = s.makefile("rw")
			for q in ("lookup 10.20.0.66", "end 10.20.0.66", "list"):
			    print(q, file=f, flush=True)
			    print(f.readline().split()[0], end=" ")
		END
		)
		expect "what another user is told" "slow no no " "$said"
	fi
fi

say "-- nftables"
"$BUILD/culprit-nft" --socket "$dir/run/act.sock" --once --print >"$dir/nft"
grep -q 'add element inet culprit refuse4 { 10.20.0.70 timeout 3[0-9]*s }' "$dir/nft" ||
	fail "culprit-nft says $(cat "$dir/nft")"
if [ "$(id -u)" = 0 ] && command -v nft >/dev/null && unshare --net nft list ruleset; then
	cat >"$dir/in_net" <<-END
		nft -f contrib/nftables/culprit.nft
		"$BUILD/culprit-nft" --socket "$dir/run/act.sock" --once
		nft list ruleset
	END
	unshare --net sh -e "$dir/in_net" >"$dir/ruleset"
	grep -A3 'set slow4' "$dir/ruleset" | grep -q . || fail "no set"
	grep -q 'elements = { 10.20.0.66 timeout' "$dir/ruleset" &&
		grep -q 'elements = { 10.20.0.70 timeout' "$dir/ruleset" ||
		fail "$(cat "$dir/ruleset")"
	say "  the kernel has both, with their ends"
else
	say "  only as text: nft needs root and a network namespace"
fi

say "-- over a restart, and ended"
stop_daemon KILL
expect "while the daemon is away" ERR "$(acl 10.20.0.66)"
start_daemon
expect "after a restart" "OK slow=yes" "$(acl 10.20.0.66)"
slow --end 10.20.0.66
expect "after --end" ERR "$(acl 10.20.0.66)"
slow 10.20.0.72 --for 2s
wait_until 5 "it ends by itself" not_slow 10.20.0.72
wait_until 5 "and that is logged" has "$dir/state/acts.log" '"over","act":"slow","address":"10.20.0.72"'
expect "lines of acts.log that are no JSON" "" "$(jq -e . "$dir/state/acts.log" 2>&1 >/dev/null)"

say "-- a dry run only says so; off is off"
configure yes
stop_daemon
start_daemon
slow 10.20.0.73 --for 1h
expect "with dry_run" ERR "$(acl 10.20.0.73)"
stop_daemon
conf </dev/null
! slow --list 2>"$dir/said" || fail "acting is off"
grep -q 'switched off' "$dir/said" || fail "$(cat "$dir/said")"
start_daemon
expect "without act { }" ERR "$(acl 10.20.0.70)"
stop_daemon

say "-- Squid takes the pieces of contrib/squid"
if command -v squid >/dev/null && [ "$(id -u)" = 0 ]; then
	{
		echo "http_port 127.0.0.1:3128"
		sed "s|/usr/lib/culprit/culprit-acl|$BUILD/culprit-acl|" contrib/squid/culprit-*.conf
		echo "http_access deny all"
	} >"$dir/squid.conf"
	squid -k parse -f "$dir/squid.conf" >"$dir/squid.log" 2>&1 || fail "squid.conf"
	! grep -E 'FATAL|ERROR|WARNING' "$dir/squid.log" || fail "Squid complains"
fi

#!/bin/bash
# run.sh - what a flow costs, beside nfcapd in the same run.
# SPDX-License-Identifier: ISC
#
# Called by `make bench`. Prints a table: measured, the budget, and whether it holds.
# A missed budget is no failure; only what could not be measured at all is.
#
# Machines differ and are shared, so times are told as ratios to nfcapd -z (nfdump
# 1.7), and the three of them, culpritd without its archive, culpritd with it and nfcapd,
# take turns: in each round each gets the same flows, and the median of the rounds is
# told. CPU is what the kernel counted for all threads (schedstat, in nanoseconds) from
# the first datagram to SETTLE seconds after the last, so bins, baselines and judging
# are in it; starting is not. A turn lasts ten seconds, so that a slice ends in each.
#
# Settings (environment): FLOWS a round, RATE in flows/s, ROUNDS, PROTOCOLS, EXPORTERS,
# FAST (the rate at which nothing may be lost), DELAYS (alerts that are timed),
# ARCHIVE_FLOWS and DAY_FLOWS for tests/bench/bench_archive, BACKTEST_SERIES and NAMED (0: none);
# BUILD is where the programs are.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
FLOWS=${FLOWS:-2000000} RATE=${RATE:-200000} ROUNDS=${ROUNDS:-3}
PROTOCOLS=${PROTOCOLS:-v5 v9 ipfix sflow} EXPORTERS=${EXPORTERS:-1}
BACKTEST_SERIES=${BACKTEST_SERIES:-100} NAMED=${NAMED:-1}
FAST=${FAST:-1000000} DELAYS=${DELAYS:-5} ARCHIVE_FLOWS=${ARCHIVE_FLOWS:-3000000}
DAY_FLOWS=${DAY_FLOWS:-30000000}
SETTLE=1
port=$((20000 + RANDOM % 10000))
http=$((port + 1))
tmp=$(mktemp -d "$BUILD/bench.XXXXXX") || exit 1
children=()

clean() {
	for p in "${children[@]}"; do kill "$p" 2>/dev/null; done
	wait 2>/dev/null
	rm -rf "$tmp"
}
trap clean EXIT
trap 'exit 1' INT TERM

die() {
	echo "bench: $*" >&2
	exit 1
}

# --- reading ---

cpu_ns() { cat "/proc/$1"/task/*/schedstat | awk '{ n += $1 } END { printf "%d\n", n }'; }
peak_kb() { awk '/^VmHWM/ { print $2 }' "/proc/$1/status"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "" }'; }
json() { sed -n "s/.*\"$2\":\([0-9.]*\).*/\1/p" <<<"$1"; }

metrics() {
	exec 3<>"/dev/tcp/127.0.0.1/$http" || return 1
	printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
	cat <&3
	exec 3>&-
} 2>/dev/null

metric() { metrics | awk -v name="$1" 'index($1, name) == 1 { n += $NF } END { print n + 0 }'; }

# --- the daemons ---

configure() { # without|with
	cat <<-END
		listen netflow { address = "::"  port = $port }
		http { address = "127.0.0.1"  port = $http }
		archive { enabled = $([ "$1" = with ] && echo true || echo false) }
	END
}

start_culpritd() { # configuration
	rm -rf "$tmp/state"
	"$BUILD/culpritd" -c "$1" --state "$tmp/state" -f >"$tmp/culpritd.log" 2>&1 &
	pid=$!
	children=("${children[@]}" "$pid")
	for _ in {1..100}; do
		kill -0 "$pid" 2>/dev/null || break
		[ -n "$(metrics)" ] && sleep 0.5 && return
		sleep 0.1
	done
	cat "$tmp/culpritd.log" >&2
	die "culpritd did not start"
}

start_nfcapd() {
	rm -rf "$tmp/nfcapd"
	mkdir "$tmp/nfcapd"
	nfcapd -z -l "$tmp/nfcapd" -p "$port" -B 16000000 >"$tmp/nfcapd.log" 2>&1 &
	pid=$!
	children=("${children[@]}" "$pid")
	sleep 1
	kill -0 "$pid" || die "nfcapd did not start: $(tail -1 "$tmp/nfcapd.log")"
}

stop() {
	kill "$pid"
	wait "$pid" 2>/dev/null
	children=()
}

blast() { "$BUILD/tests/tools/blast" -d "127.0.0.1:$port" "$@" | tail -1; }

# One turn of one program: a line "microseconds a flow, flows lost, peak RSS in KiB".
turn() { # without|with|nfcapd protocol
	local from to out sent seen peak

	if [ "$1" = nfcapd ]; then
		start_nfcapd
	else
		configure "$1" >"$tmp/culprit.conf"
		start_culpritd "$tmp/culprit.conf"
	fi
	from=$(cpu_ns "$pid")
	out=$(blast -p "$2" -n "$FLOWS" -r "$RATE" -e "$EXPORTERS")
	sleep "$SETTLE"
	to=$(cpu_ns "$pid")
	peak=$(peak_kb "$pid")
	sent=$(json "$out" flows)
	if [ "$1" = nfcapd ]; then
		stop
		seen=$(sed -n "s/.*Flows: \([0-9]*\).*/\1/p" "$tmp/nfcapd.log" |
			awk '{ n += $1 } END { print n + 0 }')
	else
		seen=$(metric culprit_flows_total)
		stop
	fi
	echo "$sent $seen $((to - from)) $peak" |
		awk '{ printf "%.4f %d %d\n", $3 / 1000 / $1, $1 - $2, $4 }'
}

# --- the table ---

line() { printf '%-38s %18s   %-26s %s\n' "$1" "$2" "$3" "$4"; }
holds() { # value at-most
	awk -v v="$1" -v most="$2" 'BEGIN { print v != "" && v + 0 <= most + 0 ? "holds" : "MISSED" }'
}

column() { awk -v c="$2" '{ print $c }' "$tmp/$1"; }

ratio() { # file: the median of the ratios round by round
	paste "$tmp/$1" "$tmp/$2" | awk '{ printf "%.3f\n", $1 / $4 }' | median
}

limit() { # without|with protocol: of the ratio to nfcapd -z
	case $1-$2 in
	without-v5) echo 0.80 ;;
	without-*) echo 0.50 ;;
	with-v5) echo 1.20 ;;
	with-*) echo 0.70 ;;
	esac
}

cost_of() { # protocol
	local p=$1 us mode r nf=

	if [ "$p" != sflow ] && command -v nfcapd >/dev/null; then
		nf=yes
		line "$p nfcapd -z, CPU a flow" "$(column "$p.nfcapd" 1 | median) us" "" ""
	fi
	for mode in without with; do
		us=$(column "$p.$mode" 1 | median)
		if [ "$nf" ]; then
			r=$(ratio "$p.$mode" "$p.nfcapd")
			line "$p $mode archive, CPU a flow" "$us us = $r" \
				"<= $(limit $mode "$p") of nfcapd -z" \
				"$(holds "$r" "$(limit $mode "$p")")"
		elif [ "$p" = sflow ]; then
			line "$p $mode archive, CPU a sample" "$us us" "<= 1 us" \
				"$(holds "$us" 1)"
		else
			line "$p $mode archive, CPU a flow" "$us us" "(no nfcapd here)" ""
		fi
	done
	for mode in without with ${nf:+nfcapd}; do
		r=$(column "$p.$mode" 2 | awk '{ n += $1 } END { print n + 0 }')
		us=$(column "$p.$mode" 3 | sort -n | tail -1)
		if [ $mode = nfcapd ]; then
			line "$p nfcapd, lost; peak RSS" "$r; $((us / 1024)) MiB" "" ""
		else
			line "$p $mode archive, lost; peak RSS" "$r; $((us / 1024)) MiB" \
				"0; <= 320 MiB" "$(holds $((r + (us > 327680))) 0)"
		fi
	done
}

costs() {
	local round p mode modes='without with'

	command -v nfcapd >/dev/null && modes='without with nfcapd'
	for round in $(seq "$ROUNDS"); do
		for p in $PROTOCOLS; do
			for mode in $modes; do
				[ "$p-$mode" = sflow-nfcapd ] && continue
				echo "  round $round of $ROUNDS: $p, $mode" >&2
				turn "$mode" "$p" >>"$tmp/$p.$mode" || exit 1
			done
		done
	done
	for p in $PROTOCOLS; do cost_of "$p"; done
}

# --- as fast as it goes ---

fast() {
	local p out sent seen

	configure with >"$tmp/culprit.conf"
	for p in $PROTOCOLS; do
		[ "$p" = sflow ] && continue
		echo "  $FAST flows/s: $p" >&2
		start_culpritd "$tmp/culprit.conf"
		out=$(blast -p "$p" -n $((FAST * 5)) -r "$FAST" -e "$EXPORTERS")
		sleep 2
		seen=$(metric culprit_flows_total)
		sent=$(json "$out" flows)
		line "$p at $(awk -v s="$(json "$out" seconds)" -v n="$sent" \
			'BEGIN { printf "%.0f", n / s / 1000 }') k flows/s, lost" \
			"$((sent - seen))" 0 "$(holds $((sent - seen)) 0)"
		stop
	done
}

# --- from the datagram that crosses to the webhook ---

# The rule asks for a kilobyte of the culprit's in ten seconds, and the culprit's first
# datagram brings a megabyte: it is the one that crosses. It leaves some seconds into
# the flood. The delay ends when the receiver has the whole body; 999999 ms is never.
delay_once() {
	local out sent came

	{
		configure with
		cat <<-END
			rule bench { filter = "src host 203.0.113.99"  measure = "bytes"
				by = "none"  window = "10s"  above = "1k"  for = "0s"
				severity = "critical"  notify = {"bench"} }
			notify bench { webhook = "http://127.0.0.1:$1/ok"  format = "json" }
		END
	} >"$tmp/culprit.conf"
	: >"$tmp/came"
	start_culpritd "$tmp/culprit.conf"
	out=$(blast -p v9 -n $((RATE * 6)) -r "$RATE" -e "$EXPORTERS" -c 80000000 \
		-w "$((2 + RANDOM % 2)).$((RANDOM % 10))")
	stop
	sent=$(json "$out" culprit_ms)
	came=$(grep -m1 'rule\\": *\\"bench' "$tmp/came" | cut -d' ' -f1)
	[ "$came" ] || return 1
	echo $((came - sent))
}

delays() {
	local sink ms first i

	command -v python3 >/dev/null || { line "delay" "no python3" "" ""; return; }
	: >"$tmp/came"
	python3 tests/e2e/lib/http_sink.py 2>/dev/null > >(while read -r text; do
		echo "$((${EPOCHREALTIME/./} / 1000)) $text" >>"$tmp/came"
	done) &
	sink=$!
	children=("$sink")
	for _ in {1..50}; do
		first=$(sed -n 's/.*"port": *\([0-9]*\).*/\1/p' "$tmp/came")
		[ "$first" ] && break
		sleep 0.1
	done
	[ "$first" ] || die "tests/e2e/lib/http_sink.py did not start"
	for i in $(seq "$DELAYS"); do
		echo "  delay $i of $DELAYS" >&2
		delay_once "$first" >>"$tmp/delays" || echo 999999 >>"$tmp/delays"
		children=("$sink")
	done
	kill $sink
	ms=$(median <"$tmp/delays")
	line "crossing datagram to webhook, median" "$ms ms" "<= 1500 ms at $((RATE / 1000)) k/s" \
		"$(holds "$ms" 1500)"
	ms=$(sort -n "$tmp/delays" | tail -1)
	line "crossing datagram to webhook, longest" "$ms ms" "<= 1500 ms" "$(holds "$ms" 1500)"
}

# --- the archive ---

# milliseconds of the best of three runs, or of one that takes long
best_ms() { # COMMAND...
	local s e

	for _ in 1 2 3; do
		s=${EPOCHREALTIME/[.,]/}
		"$@" >"$tmp/nfdump.out" 2>&1
		e=${EPOCHREALTIME/[.,]/}
		echo $(((e - s) / 1000))
		[ $((e - s)) -lt 10000000 ] || break
	done | sort -n | head -1
}

wall_of() { sed -n "s/^$1 .*wall *\([0-9.]*\) ms.*/\1/p" "$tmp/$2"; }

# Ours beside theirs: how many times nfdump's wall time ours goes into.
times() { # what ours theirs at-least
	local n

	n=$(awk -v a="$2" -v b="$3" 'BEGIN { printf "%.1f", a ? b / a : 0 }')
	line "$1" "$2 ms = 1/$n" "<= 1/$4 of nfdump: $3 ms" "$(holds "$4" "$n")"
}

# Small: octets and CPU for a flow.
archive_size() {
	local n

	echo "  archive: $ARCHIVE_FLOWS flows" >&2
	"$BUILD/tests/bench/bench_archive" -n "$ARCHIVE_FLOWS" -d "$tmp/flows" \
		>"$tmp/archive" || return
	rm -rf "$tmp/flows"
	n=$(sed -n 's/^write .*: \([0-9.]*\) octets.*/\1/p' "$tmp/archive")
	line "archive, octets a flow" "$n" "<= 13" "$(holds "$n" 13)"
	n=$(sed -n 's/^write .*CPU \([0-9.]*\) ns.*/\1/p' "$tmp/archive")
	line "archive, CPU to write a flow" "$n ns" "<= 150 ns" "$(holds "$n" 150)"
	n=$(sed -n 's/^sum up .*CPU \([0-9.]*\) ns.*/\1/p' "$tmp/archive")
	line "archive, CPU to sum a flow up, later" "$n ns" "" ""
}

# DAY_FLOWS at a million a minute, then within a day, in 288 files and blocks of eight
# seconds each; and the same flows in nfcapd's files.
archive_day() {
	local theirs

	echo "  archive: $DAY_FLOWS flows" >&2
	"$BUILD/tests/bench/bench_archive" -n "$DAY_FLOWS" -d "$tmp/day" \
		>"$tmp/fast.out" || return
	rm -rf "$tmp/day"

	echo "  archive: a day of $DAY_FLOWS flows" >&2
	"$BUILD/tests/bench/bench_archive" -n "$DAY_FLOWS" -s 24 -d "$tmp/day" \
		>"$tmp/day.out" || return
	line "a day of $DAY_FLOWS, octets a flow" "$(sed -n \
		's/^write .*: \([0-9.]*\) octets.*/\1/p' "$tmp/day.out") + $(sed -n \
		's/^sum up .*: \([0-9.]*\) octets.*/\1/p' "$tmp/day.out")" "" ""
	rm -rf "$tmp/day"
	if ! command -v nfdump >/dev/null; then
		line "top 10 addresses of it" "$(wall_of 'top 10 hosts by bytes' day.out) ms" \
			"(no nfdump here)" ""
		return
	fi
	start_nfcapd
	"$BUILD/tests/bench/bench_archive" -n "$DAY_FLOWS" -u "$port"
	sleep 1
	stop
	theirs=$(best_ms nfdump -R "$tmp/nfcapd" -s ip/bytes -n 10)
	times "$DAY_FLOWS flows: top 10 addresses" \
		"$(wall_of 'top 10 hosts by bytes' fast.out)" "$theirs" 10
	times "the day's top 10 addresses, from flows" \
		"$(wall_of 'top 10 hosts by bytes' day.out)" "$theirs" 10
	times "the day's top 10 addresses, summaries" \
		"$(wall_of 'summed: top 10 hosts by bytes' day.out)" "$theirs" 100
	theirs=$(best_ms nfdump -R "$tmp/nfcapd" -s record/bytes -n 10)
	times "the day's top 10 flows, from summaries" \
		"$(wall_of 'summed: top 10 flows' day.out)" "$theirs" 10
	theirs=$(best_ms nfdump -R "$tmp/nfcapd" -o csv 'src host 10.0.3.10')
	times "one address's flows (964 of them)" \
		"$(wall_of 'src host 10.0.3.10' day.out)" "$theirs" 10
	theirs=$(best_ms nfdump -R "$tmp/nfcapd" -o csv 'src host 10.0.0.10')
	times "the busiest address's flows, one in 21" \
		"$(wall_of 'src host 10.0.0.10' day.out)" "$theirs" 10
	theirs=$(best_ms nfdump -R "$tmp/nfcapd" -A srcip,dstip -O bytes -n 10)
	times "the day's conversations, from flows" \
		"$(wall_of 'top 10 conversations' day.out)" "$theirs" 10
	theirs=$(best_ms nfdump -R "$tmp/nfcapd" -s dstport/bytes -n 10)
	times "the day's ports, from flows" \
		"$(wall_of 'top 10 destination ports' day.out)" "$theirs" 10
}

# --- the past, judged again ---

backtests() {
	local found rule s

	echo "  backtest: 30 days of $BACKTEST_SERIES series" >&2
	"$BUILD/tests/bench/bench_backtest" "$BACKTEST_SERIES" 30 >"$tmp/backtest" || return
	while read -r found; do
		rule=$(sed -n 's/.*"rule":"\([a-z]*\)".*/\1/p' <<<"$found")
		s=$(json "$found" seconds)
		line "backtest, 30 days of $BACKTEST_SERIES series, $rule" "$s s" "<= 5 s" \
			"$(holds "$s" 5)"
	done <"$tmp/backtest"
}

# --- names and AS numbers ---

# The same flows with and without a file of AS numbers and a resolver, v9, in turns. The rule
# makes alerts of hosts, since names are asked for alerts alone, never for flows.
named() {
	local from to sent asked r round dns

	command -v python3 >/dev/null || { line "names" "no python3" "" ""; return; }
	python3 tests/bench/mmdb.py "$tmp/as.mmdb" || return
	python3 tests/bench/stub_dns.py "$tmp/dns" &
	dns=$!
	children=("$dns")
	for _ in {1..50}; do
		grep -q port "$tmp/dns" 2>/dev/null && break
		sleep 0.1
	done
	for round in $(seq "$ROUNDS"); do
		for mode in unnamed named; do
			echo "  round $round of $ROUNDS: $mode" >&2
			{
				configure with
				echo 'rule bench { by = "src" measure = "bytes" window = "10s" above = "2M" }'
				[ $mode = named ] && echo "names { as = \"$tmp/as.mmdb\"
					nameserver = \"127.0.0.1:$(sed -n 's/^port //p' "$tmp/dns")\" }" ||
					echo 'names { dns = no }'
			} >"$tmp/culprit.conf"
			start_culpritd "$tmp/culprit.conf"
			from=$(cpu_ns "$pid")
			sent=$(json "$(blast -p v9 -n "$FLOWS" -r "$RATE" -e "$EXPORTERS")" flows)
			sleep "$SETTLE"
			to=$(cpu_ns "$pid")
			echo "$sent $(metric culprit_flows_total) $((to - from))" |
				awk '{ printf "%.4f %d 0\n", $3 / 1000 / $1, $1 - $2 }' >>"$tmp/$mode"
			stop
			children=("$dns")
		done
	done
	kill "$dns"
	wait "$dns" 2>/dev/null
	r=$(paste "$tmp/named" "$tmp/unnamed" | awk '{ printf "%.3f\n", $1 / $4 }' | median)
	line "a flow with AS and DNS, to one without" \
		"$(column named 1 | median) us = $r" "<= 1.2" "$(holds "$r" 1.2)"
	line "flows lost with AS and DNS" "$(column named 2 | awk '{ n += $1 } END { print n + 0 }')" \
		0 "$(holds "$(column named 2 | awk '{ n += $1 } END { print n + 0 }')" 0)"
	asked=$(sed -n 's/^questions //p' "$tmp/dns")
	r=$(sed -n 's/^most_in_a_second //p' "$tmp/dns")
	line "questions to the resolver, most in 1 s" "$asked; $r" "<= 21" "$(holds "$r" 21)"
}

# --- the proxy's log ---

proxies() {
	local said lines joined

	echo "  the proxy's log" >&2
	mkdir -p "$tmp/requests"
	said=$("$BUILD/tests/bench/bench_squid" "$tmp/requests") || return
	value() { sed -n "s/^$1 //p" <<<"$said"; }
	lines=$(value parsed_and_kept_lines_per_s)
	line "Squid's log: lines a second of CPU" "$(value parsed_lines_per_s)" ">= 100000" \
		"$(holds 100000 "$(value parsed_lines_per_s)")"
	line "the same, and kept on disk" "$lines" "" ""
	line "kept requests, octets each" "$(value octets_a_request)" "" ""
	joined=$(value join_seconds)
	line "join, 1 million requests, 100,000 flows" "$joined s of CPU" "< 2 s" \
		"$(holds "$joined" 2)"
}

echo "$(nproc) processors, load $(cut -d' ' -f1-3 /proc/loadavg), $RATE flows/s," \
	"$FLOWS flows a turn, median of $ROUNDS rounds" |
	tee "$tmp/head"
line "what" "measured" "budget" ""
[ "$ROUNDS" -gt 0 ] && costs
[ "$FAST" -gt 0 ] && fast
[ "$DELAYS" -gt 0 ] && delays
[ "$ARCHIVE_FLOWS" -gt 0 ] && archive_size
[ "$DAY_FLOWS" -gt 0 ] && archive_day
[ "$BACKTEST_SERIES" -gt 0 ] && backtests
[ "$NAMED" -gt 0 ] && named
proxies
exit 0

# lib.sh - what end-to-end scripts share: a daemon, its figures, patience.
# SPDX-License-Identifier: ISC
#
# A script sources this file first. It gets a directory of its own ($dir), free ports
# ($udp, $http), and every process that it starts with the functions below is ended by
# its id when the script ends, however it ends. A command that fails unexpectedly ends
# the script and is named; `fail` and `expect` say what was expected and what was seen.
# Nothing sleeps blindly: wait_until looks every 50 ms and gives up after a deadline that
# is five times as long for a daemon with sanitizers.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
case $BUILD in */san) patience=5 ;; *) patience=1 ;; esac
python=/usr/bin/python3 # the system's: distributions install modules for that one
export PYTHONPATH=$PWD/tests/e2e/lib PYTHONDONTWRITEBYTECODE=1
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY
dir=$(mktemp -d "${TMPDIR:-/tmp}/culprit-e2e.XXXXXX")
chmod 711 "$dir" # the daemon may not be root
blast=$BUILD/tests/tools/blast
started=() daemon=
owner=$(id -un)
[ "$owner" != root ] || owner=nobody

say() { printf '%s\n' "$*"; }

# What may explain a failure.
tell() {
	local f

	for f in "$dir"/*.log; do
		[ -s "$f" ] || continue
		echo "--- ${f##*/} (last lines)" >&2
		tail -n 40 "$f" >&2
	done
}

fail() {
	trap - ERR
	tell
	echo "FAILED: $*" >&2
	exit 1
}

expect() { # WHAT EXPECTED SEEN
	[ "$2" = "$3" ] || fail "$1: expected $2, seen $3"
}

finish() {
	local rc=$? pid

	trap - EXIT ERR
	for pid in "${started[@]}"; do
		kill -CONT "$pid" 2>/dev/null || :
		kill -KILL "$pid" 2>/dev/null || :
	done
	wait 2>/dev/null
	[ -n "${KEEP:-}" ] && echo "kept: $dir" || rm -rf "$dir"
	exit "$rc"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
trap 'fail "${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND"' ERR

# wait_until SECONDS WHAT COMMAND...: until COMMAND succeeds.
wait_until() {
	local limit=$(($1 * patience)) what=$2 end

	shift 2
	end=$((${EPOCHREALTIME/[.,]/} + limit * 1000000))
	until "$@"; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || fail "not within $limit s: $what"
		sleep 0.05
	done
}

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
running() { kill -0 "$1" 2>/dev/null; }
gone() { ! running "$1"; }
has() { [ -s "$1" ] && grep -q -- "$2" "$1"; }             # FILE PATTERN
lines() { [ "$(grep -c '' "$1" || :)" -ge "$2" ]; }         # FILE NUMBER

# free_ports N: as many ports that neither UDP nor TCP uses now.
free_ports() {
	"$python" - "$1" <<-'END'
		import socket, sys
		held, ports = [], []
		while len(ports) < int(sys.argv[1]):
		    t, u = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		    held += [t, u]
		    t.bind(("127.0.0.1", 0))
		    try:
		        u.bind(t.getsockname())
		        ports.append(t.getsockname()[1])
		    except OSError:
		        pass
		print(*ports)
	END
}
read -r udp http < <(free_ports 2)

# --- the daemon ---

# conf: writes the configuration: ports and user, then what is on standard input.
conf() {
	{
		echo "listen netflow { address = \"${listen:-127.0.0.1}\" port = $udp }"
		echo "http { port = $http }"
		[ "$(id -u)" != 0 ] || echo "user = \"$owner\""
		cat
	} >"$dir/culprit.conf"
}

# secret NAME TEXT: a file that only the daemon may read.
secret() {
	(umask 077 && printf '%s\n' "$2" >"$dir/$1")
	[ "$(id -u)" != 0 ] || chown "$owner" "$dir/$1"
}

get() { curl -sS --max-time $((10 * patience)) "http://127.0.0.1:$http$1"; }
ready() { [ "$(get /readyz 2>/dev/null)" = ready ]; }
ready_or_gone() { gone "$daemon" || ready; }

# start_daemon [OPTION...]: returns when it is ready.
start_daemon() {
	"$BUILD/culpritd" -c "$dir/culprit.conf" --state "$dir/state" -f "$@" \
		>>"$dir/culpritd.log" 2>&1 &
	daemon=$!
	started+=("$daemon")
	wait_until 10 "culpritd is ready" ready_or_gone
	running "$daemon" || fail "culpritd ended instead of starting"
}

# stop_daemon [SIGNAL]: it must end by itself, and with 0, except after KILL.
stop_daemon() {
	local signal=${1:-TERM} rc=0

	kill -"$signal" "$daemon" || fail "culpritd was not there any more"
	wait_until 20 "culpritd ended after SIG$signal" gone_or_reaped "$daemon"
	wait "$daemon" 2>/dev/null || rc=$?
	[ "$signal" = KILL ] || expect "exit code of culpritd after SIG$signal" 0 "$rc"
	no_reports
	daemon=
}

# A child that nobody waited for yet still has its number: bash reaps it by itself, but
# a defunct one counts as gone too.
gone_or_reaped() {
	gone "$1" || grep -q '^State:.*[ZX]' "/proc/$1/status" 2>/dev/null
}

no_reports() {
	! grep -hE 'ERROR: (Address|Leak)Sanitizer|runtime error:|Assertion' \
		"$dir"/culpritd*.log || fail "a sanitizer or an assertion spoke"
}

# --- what it says ---

scrape() { get /metrics >"$dir/metrics"; }

# metric NAME [LABEL="VALUE"...]: the sum of the rows of $dir/metrics that have them all.
metric() {
	awk -v want="$(printf '%s\n' "$@")" '
		BEGIN { n = split(want, w, "\n") }
		/^#/ { next }
		{
			name = $0
			sub(/[{ ].*/, "", name)
			if (name != w[1])
				next
			for (i = 2; i <= n; i++)
				if (!index($0, w[i]))
					next
			sum += $NF
		}
		END { printf "%.0f\n", sum }' "$dir/metrics"
}

figure() { scrape && metric "$@"; } # the same, asked anew

at_least() { # NUMBER NAME [LABEL...]
	local want=$1

	shift
	[ "$(figure "$@" 2>/dev/null)" -ge "$want" ]
}

# Every exporter's datagrams and sets add up (D3).
ledger_holds() {
	local e part all

	scrape
	while read -r e; do
		e="exporter=\"$e\""
		all=$(metric culprit_datagrams_received_total "$e")
		part=$(($(metric culprit_malformed_datagrams_total "$e") +
			$(metric culprit_shed_datagrams_total "$e")))
		expect "$e: datagrams" "$all" \
			$((part + $(metric culprit_accepted_datagrams_total "$e")))
		expect "$e: sets" "$(metric culprit_sets_seen_total "$e")" \
			"$(metric culprit_sets_total "$e")"
		say "  $e: $all datagrams, $part refused, sets $(sets "$e")"
	done < <(sed -n 's/^culprit_bytes_total{exporter="\([^"]*\)"}.*/\1/p' "$dir/metrics")
}

sets() {
	local outcome

	for outcome in decoded malformed held no_template; do
		printf '%s %s ' "$outcome" \
			"$(metric culprit_sets_total "$1" "outcome=\"$outcome\"")"
	done
}

nothing_lost() {
	scrape
	expect "datagrams that the kernel dropped" 0 \
		"$(metric culprit_kernel_dropped_datagrams_total)"
	expect "lost by sequence numbers" 0 "$(metric culprit_sequence_lost_total)"
	expect "malformed datagrams" 0 "$(metric culprit_malformed_datagrams_total)"
	expect "shed datagrams" 0 "$(metric culprit_shed_datagrams_total)"
	expect "flows that were not archived" 0 "$(metric culprit_archive_dropped_flows_total)"
}

# history SERIES: bytes, flows and seconds seen, summed over the bins of the last two hours.
history() {
	get "/api/v1/history?from=-2h&series=$(jq -rn --arg s "$1" '$s | @uri')" |
		jq -c '[.bins[]] | {bytes: (map(.bytes) | add // 0),
			flows: (map(.flows) | add // 0), seen_s: (map(.seen_s) | add // 0)}'
}

# --- senders and sinks ---

# burst EXPORTER DST: one datagram of IPFIX that crosses any limit of these scripts.
burst() {
	"$python" - "$udp" "$1" "$2" <<-'END'
		import sys, nf
		e = nf.Exporter(10, int(sys.argv[1]), source=sys.argv[2])
		e.send_template()
		e.send_flows([nf.flow(src="203.0.113.99", dst=sys.argv[3], bytes=2_000_000_000,
		                      packets=1_400_000)])
	END
}

field() { jq -r "$1"; } # of the JSON on standard input

# sink NAME SCRIPT [OPTION...]: starts a sink that writes JSON lines to $dir/NAME.jsonl,
# and sets the variable NAME_port.
sink() {
	local name=$1 script=$2

	shift 2
	"$python" "tests/e2e/lib/$script" "$@" >"$dir/$name.jsonl" 2>"$dir/$name.log" &
	started+=($!)
	wait_until 10 "$script listens" has "$dir/$name.jsonl" '"port"'
	printf -v "${name}_port" %s "$(head -n 1 "$dir/$name.jsonl" | jq .port)"
}

# slow_evidence: a configuration whose alerts wait half a second for names that never come,
# with a rule for what gets a gigabyte and a webhook (hook.jsonl) that is told.
slow_evidence() {
	sink names silent_dns.py
	sink hook http_sink.py
	conf <<-END
		names { nameserver = "127.0.0.1:$names_port"  hosts = "" }
		rule interface-traffic { enabled = no }
		rule exporter-flows { enabled = no }
		rule busy { measure = "bytes"  by = "dst"  window = "10s"  above = "1G"  notify = "hook" }
		notify hook { webhook = "http://127.0.0.1:$hook_port/ok" }
	END
}

# certificate: $dir/ca.pem, $dir/cert.pem, $dir/key.pem for localhost and 127.0.0.1
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
		-keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
	cp "$dir/cert.pem" "$dir/ca.pem"
	chmod 644 "$dir/ca.pem"
}

#!/bin/bash
# restart.sh - SIGTERM, kill -9: what was known stays known, what was not seen is a gap.
# SPDX-License-Identifier: ISC
# timeout: 200
#
# The bin goes on, templates need not be repeated, an open alert is not told twice, and
# what the outbox held goes out. Clocks run ten times as fast, and a minute is missing
# between the first run and the second.
. "$(dirname "$0")/lib/lib.sh"

SPEED=10
series='any|exporter=127.0.0.50'
read -r late_port < <(free_ports 1)
sink hook http_sink.py
conf <<END
rule busy {
	measure = "bits/s"
	by = "exporter"
	window = "10s"
	above = "500M"
	notify = {"hook", "late"}
}
notify hook { webhook = "http://127.0.0.1:$hook_port/ok" }
notify late { webhook = "http://127.0.0.1:$late_port/ok" }
END

from_ms=$(now_ms) real_ms=$(now_ms)
fake_ms() { echo $((from_ms + ($(now_ms) - real_ms) * SPEED)); }

start_at() { # MILLISECONDS
	from_ms=$1 real_ms=$(now_ms)
	export CULPRIT_CLOCK="$from_ms $real_ms $SPEED"
	start_daemon --clock "$((from_ms / 1000)).$(printf %03d $((from_ms % 1000)))*$SPEED"
}

# A busy exporter: 800 Mbit/s by this clock, in flows of 100 MB.
each=100000000
beat() { # BYTES [template]
	: >"$dir/beats.jsonl"
	"$python" tests/e2e/lib/beats.py "$udp" 127.0.0.50 "$@" >"$dir/beats.jsonl" \
		2>"$dir/beats.log" &
	beats=$!
	started+=("$beats")
}
sent() { tail -n 1 "$dir/beats.jsonl" | jq ".$1"; }
rest() {
	kill "$beats"
	wait "$beats"
}
counted() { # NUMBER: so many flows, and none had to wait for a template
	wait_until 10 "$1 flows are counted" at_least "$1" culprit_flows_total
	expect "sets without template" 0 \
		"$(($(metric culprit_sets_total 'outcome="held"') + \
		$(metric culprit_sets_total 'outcome="no_template"')))"
}
kept() { history "$series" | jq .flows; }
kept_more_than() { [ "$(kept)" -gt "$1" ]; }
late_in_slice() { # a start now leaves little of the first slice
	local ms=$(($(fake_ms) % 10000))

	[ "$ms" -ge 5000 ] && [ "$ms" -le 7000 ]
}
told() { # CHANNEL JQ
	jq -r "select(.body) | .body | fromjson | select(.rule == \"busy\") | $2" \
		"$dir/$1.jsonl" | xargs
}

# --- the first run: an alert fires; one of its two channels cannot be reached ---

began_ms=$(now_ms)
start_at "$began_ms"
beat "$each" template
wait_until 20 "the alert's webhook" has "$dir/hook.jsonl" firing
alert=$(told hook .id)
queued() { [ "$(figure culprit_notification_queue 'channel="late"')" = 1 ]; }
wait_until 10 "a message waits for the other channel" queued
wait_until 20 "half a minute of flows" lines "$dir/beats.jsonl" 35
rest
first=$(sent flows)
counted "$first"
stop_daemon TERM

# --- the second run: a minute later, no template; then kill -9 ---

sink late http_sink.py --port "$late_port"
wait_until 20 "late in a slice" late_in_slice
start_at $(($(fake_ms) + 60000))
expect "flows of the first run, after SIGTERM" "$first" "$(kept)"
beat "$each"
wait_until 20 "what the outbox held" has "$dir/late.jsonl" firing
expect "its alert" "$alert" "$(told late .id)"
wait_until 20 "half a minute of flows" lines "$dir/beats.jsonl" 35
wait_until 20 "the bin goes on" kept_more_than $((first + 10))
counted 35
second=$(metric culprit_flows_total)
stop_daemon KILL

# --- the third run: the last ten seconds may be missing, and one more to write them ---

wait_until 20 "late in a slice" late_in_slice
missed=$(sent flows)
start_at "$(fake_ms)"
before=$(kept)
[ "$before" -ge $((first + second - 20 - 10 * patience)) ] ||
	fail "flows kept over kill -9: expected $((first + second)) but for 20, seen $before"
[ "$before" -le $((first + missed)) ] ||
	fail "flows kept over kill -9: sent $((first + missed)), seen $before"
wait_until 20 "half a minute of flows" at_least 35 culprit_flows_total
rest
third=$(($(sent flows) - missed))
stop_daemon TERM
ended_ms=$(fake_ms)
start_at "$ended_ms"
after=$(history "$series")
say "counted $first flows, $second until kill -9, about $third; history: $after"
expect "bytes in the history" "$(jq ".flows * $each" <<<"$after")" "$(jq .bytes <<<"$after")"
[ "$(jq .flows <<<"$after")" -ge $((before + 35)) ] ||
	fail "flows in the history: expected $((before + 35)) at least, seen $after"

# --- the gap is a gap: a minute, and a slice at both ends of each run ---

whole=$(((ended_ms - began_ms) / 1000 - 60))
seen=$(jq .seen_s <<<"$after")
{ [ "$seen" -le "$whole" ] && [ "$seen" -ge $((whole - 90 * patience)) ]; } ||
	fail "seconds seen: expected $whole, or somewhat less, seen $seen"

# --- the alert was told once, and ends once ---

expect "messages about the alert so far" firing "$(told hook .status)"
beat 1000
wait_until 60 "the alert ends" has "$dir/hook.jsonl" resolved
wait_until 20 "the other channel hears it too" has "$dir/late.jsonl" resolved
rest
stop_daemon
for channel in hook late; do
	expect "messages on $channel" "firing resolved" "$(told $channel .status)"
	expect "alerts on $channel" "$alert $alert" "$(told $channel .id)"
done

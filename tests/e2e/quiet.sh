#!/bin/bash
# quiet.sh - ends are told of what was told, through acknowledgement and silence; nothing else.
# SPDX-License-Identifier: ISC
#
# One alert is announced, acknowledged and then silenced: people and PagerDuty hear of its
# end all the same, and PagerDuty of the acknowledgement, under one key. Another fires in
# a silence and ends there: nobody hears of it. A channel that does not exist any more
# shows what was given up wherever somebody may look, and sends it again. Clocks run five times as fast.
. "$(dirname "$0")/lib/lib.sh"

sink hook http_sink.py
secret routing R0123456789abcdef0123456789abcde
conf <<END
rule interface-traffic { enabled = no }
rule exporter-flows { enabled = no }
rule told {
	filter = "dst host 10.30.0.1"
	measure = "bytes"  window = "10s"  above = "1M"  severity = "critical"
	notify = {"people", "pager", "gone"}
}
rule inside {
	filter = "dst host 10.30.0.2"
	measure = "bytes"  window = "10s"  above = "1M"
	notify = {"people", "pager"}
}
notify people { webhook = "http://127.0.0.1:$hook_port/ok/people"  format = "slack" }
notify gone { webhook = "http://127.0.0.1:$hook_port/status/410"  resolved = no }
notify pager {
	webhook = "http://127.0.0.1:$hook_port/ok/pager"
	format = "pagerduty"
	token_file = "$dir/routing"
}
END
culprit() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }
real_ms=$(now_ms)
export CULPRIT_CLOCK="$real_ms $real_ms 5"
start_daemon --clock "$((real_ms / 1000)).$(printf %03d $((real_ms % 1000)))*5"

sent() { jq -r "select(.body and (.path | test(\"/$1\"))) | .body | fromjson | $2" "$dir/hook.jsonl"; }
pager() { sent pager '[.event_action, .dedup_key] | @tsv'; } # in the order of their coming
paged() { pager | grep "^$1" >/dev/null; }
people() { sent people .text | grep -c "^\[$1\] $2" || :; }
said() { [ "$(people "$1" "$2")" -ge 1 ]; }
status_is() { [ "$(culprit alerts --rule "$1" --json | jq -r '.alerts[0].status')" = "$2" ]; }

culprit silence rule=inside 3h --comment "known" --author ann >"$dir/said.log"
burst 127.0.0.1 10.30.0.1
burst 127.0.0.1 10.30.0.2
wait_until 15 "people are told" said FIRING told
wait_until 15 "PagerDuty is told" paged trigger
wait_until 15 "the silenced one fires too" status_is inside firing
culprit alerts --rule inside | grep ' quiet: silenced ' >/dev/null || fail "$(culprit alerts)"
culprit alerts --rule told | grep ' passed on ' >/dev/null || fail "$(culprit alerts)"

culprit ack "$(culprit alerts --rule told --json | jq -r '.alerts[0].id')" on my way >>"$dir/said.log"
wait_until 15 "PagerDuty hears of the acknowledgement" paged acknowledge
culprit silence rule=told 3h --author ann >>"$dir/said.log"

gave_up() { [ "$(figure culprit_notifications_dead 'channel="gone"')" = 1 ]; }
wait_until 15 "a message is given up" gave_up
culprit status | grep -A 1 'gone: .*some given up' | grep 'answered 410' >/dev/null ||
	fail "culprit status does not show what was given up"
culprit notify | grep '^gone .*told: .*answered 410' >/dev/null || fail "$(culprit notify)"
expect "what the page shows of it" 1 \
	"$(get /api/v1/status | jq '.channels[] | select(.name == "gone").given_up')"
tried() { [ "$(jq -r 'select(.path == "/status/410") | .headers."webhook-id"' \
	"$dir/hook.jsonl" | uniq -c | awk '{ print $1 }')" = "$1" ]; }
culprit notify retry gone | grep -x '1 message is tried again.' >/dev/null || fail "nothing is retried"
wait_until 15 "it is sent again under its key" tried 2
! culprit notify retry nobody 2>"$dir/said.log" || fail "a channel nobody has is retried"
grep -q 'no channel nobody' "$dir/said.log" || fail "$(cat "$dir/said.log")"

# Other traffic goes on: an exporter that is silent would end nothing.
"$python" tests/e2e/lib/beats.py "$udp" 127.0.0.1 1000 template >"$dir/beats.jsonl" \
	2>"$dir/beats.log" &
started+=($!)
wait_until 30 "the first is over" status_is told resolved
wait_until 30 "the other is over" status_is inside resolved
wait_until 15 "people are told of the end" said RESOLVED told
wait_until 15 "PagerDuty is told of the end" paged resolve
expect "what PagerDuty was told" "trigger acknowledge resolve" "$(pager | cut -f1 | xargs)"
expect "keys of it" 1 "$(pager | cut -f2 | sort -u | wc -l)"
expect "messages about what fired in a silence" 0 \
	"$(grep -v '"port"' "$dir/hook.jsonl" | grep -c '10\.30\.0\.2\|inside' || :)"
expect "messages to people" "1 1" "$(people FIRING told) $(people RESOLVED told)"
culprit alerts --rule inside --json | jq -r '.alerts[0].quiet' | grep 'Silenced by ann' >/dev/null ||
	fail "history does not say why nobody was told"
stop_daemon

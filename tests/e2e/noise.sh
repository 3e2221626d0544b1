#!/bin/bash
# noise.sh - who is told of what: silence, acknowledgement, groups, maintenance, dead man.
# SPDX-License-Identifier: ISC
. "$(dirname "$0")/lib/lib.sh"

sink people http_sink.py
conf <<END
exporter edge { address = "127.0.0.1" }
network lan { prefixes = {"10.20.0.0/24"} }
rule interface-traffic { enabled = no }
rule exporter-flows { enabled = no }
rule busy {
	filter = "dst host 10.30.0.1"
	measure = "bytes"  window = "10s"  above = "1M"
	notify = {"people"}
}
rule hosts {
	filter = "dst net 10.20.0.0/24"
	measure = "bytes"  by = "dst"  window = "10s"  above = "1M"
	notify = {"people"}
}
rule backup {
	filter = "dst host 10.30.0.2"
	measure = "bytes"  window = "10s"  above = "1M"
	notify = {"people"}
}
rule known {
	filter = "dst host 10.30.0.3"
	measure = "bytes"  window = "10s"  above = "1M"
	notify = {"people"}
}
alerts { repeat = 4s  link = 1h  name_hosts = no }
route { filter = "rule = busy"  after = 2500ms  notify = {"boss"} }
maintenance weekend { when = "daily"  filter = "rule = backup" }
deadman { every = 1h  notify = {"alive"} }
notify people { webhook = "http://127.0.0.1:$people_port/ok/people"  format = "slack" }
notify boss { webhook = "http://127.0.0.1:$people_port/ok/boss"  format = "slack" }
notify alive { webhook = "http://127.0.0.1:$people_port/ok/alive" }
END
culprit() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }
# told CHANNEL TEXT: how many messages a channel got that have the text.
told() { grep "/ok/$1\"" "$dir/people.jsonl" | grep -c -- "$2" || :; }
told_at_least() { [ "$(told "$1" "$2")" -ge "$3" ]; }
alert_of() { culprit alerts --rule "$1" --json | jq -r '.alerts[0].'"$2"; }
fires() { [ "$(alert_of "$1" status 2>/dev/null)" = firing ]; }

start_daemon

# --- that it is alive is said at once, then every hour ---
wait_until 5 "the dead man's message" told_at_least alive '\\"notice\\":true' 1

# --- a silence by the tool: no message, but history with the reason ---
culprit silence rule=known 1h --comment "moving house" --author ann >"$dir/silence"
grep -q '^Silence 0' "$dir/silence" || fail "$(cat "$dir/silence")"
burst 127.0.0.1 10.30.0.3
wait_until 8 "the silenced alert" fires known
alert_of known quiet | grep -q 'Silenced by ann until .*: moving house' ||
	fail "$(alert_of known quiet)"
culprit silence list | grep -q 'moving house' || fail "$(culprit silence list)"

# --- maintenance ---
burst 127.0.0.1 10.30.0.2
wait_until 8 "the alert in maintenance" fires backup
alert_of backup quiet | grep -q 'Maintenance "weekend"' || fail "$(alert_of backup quiet)"

# --- thirty hosts of one network are one message ---
"$python" - "$udp" <<-'END'
	import sys, nf
	e = nf.Exporter(10, int(sys.argv[1]), source="127.0.0.1")
	e.send_template()
	for part in range(3):
	    e.send_flows([nf.flow(src="203.0.113.99", dst=f"10.20.0.{10 * part + i + 1}",
	                          bytes=2_200_000, packets=1500) for i in range(10)])
END
wait_until 8 "a message about all hosts" told_at_least people '30 destinations of lan' 1
# On a busy machine they may come one by one, and the group is told again when it doubled.
hosts_told=$(told people 'destinations of lan')
[ "$hosts_told" -le 3 ] || fail "$hosts_told messages about one group of hosts"
expect "alerts of hosts in history" 30 \
	"$(culprit alerts --rule hosts --json | jq '.alerts | length')"
culprit alerts --rule hosts --json | jq -r '.alerts[].quiet' | grep -c 'Told together' |
	grep -qx 29 || fail "the others do not say where they were told"

# --- reminders and escalation, until somebody acknowledges ---
burst 127.0.0.1 10.30.0.1
wait_until 8 "a message" told_at_least people 'busy: dst host' 1
wait_until 8 "a reminder" told_at_least people 'A reminder: still so' 1
wait_until 8 "the escalation" told_at_least boss 'Nobody has acknowledged it' 1
busy=$(alert_of busy id)
culprit ack "$busy" on my way >"$dir/ack"
grep -q "^$busy is acknowledged" "$dir/ack" || fail "$(cat "$dir/ack")"
wait_until 5 "who knows is shown" eval '[ "$(alert_of busy ack.comment)" = "on my way" ]'
culprit show "$busy" | grep -q 'known .*: on my way' || fail "$(culprit show "$busy")"

# --- a signed address: opening it shows, pressing the button does ---
hosts=$(grep -o 'http://127.0.0.1:[0-9]*/act/silence/[^\\"]*' "$dir/people.jsonl" | head -n 1)
page=$(curl -sS -i "$hosts")
grep -q "form-action 'self'" <<<"$page" || fail "$page"
grep -q '<button>Silence</button>' <<<"$page" || fail "$page"
expect "silences by looking at it" 1 "$(culprit silence list --json | jq '.silences | length')"
expect "status of a forged address" 403 \
	"$(curl -sS -o /dev/null -w '%{http_code}' "${hosts%?}x")"
expect "status from another site" 403 "$(curl -sS -o /dev/null -w '%{http_code}' \
	-H 'Origin: https://evil.example' -d 'author=bob' "$hosts")"
curl -sS -d 'author=bob&for_s=3600&comment=fine+%3Cb%3E' "$hosts" | grep -q '<h1>Silenced</h1>' ||
	fail "the button did nothing"
culprit silence list --json | jq -r '.silences[].comment' | grep -qx 'fine <b>' ||
	fail "$(culprit silence list)"

# --- nobody else may ---
expect "status without a token" 403 "$(curl -sS -o /dev/null -w '%{http_code}' \
	-H 'Content-Type: application/json' -d "{\"alert\":\"$busy\"}" \
	"http://127.0.0.1:$http/api/v1/alerts/ack")"

# --- all of it outlives kill -9 ---
seen=$(told people 'destinations of lan')
stop_daemon KILL
start_daemon
expect "silences after kill -9" 2 "$(culprit silence list --json | jq '.silences | length')"
burst 127.0.0.1 10.30.0.3
wait_until 5 "who knew is known" eval '[ "$(alert_of busy ack.comment)" = "on my way" ]'
[ "$(told people 'known: dst host')" = 0 ] || fail "a silenced alert was told"
[ "$(told people 'backup: dst host')" = 0 ] || fail "an alert in maintenance was told"
expect "dead man's messages" 1 "$(told alive '\\"notice\\":true')"
culprit notify | grep -q people || fail "$(culprit notify)"
silence=$(culprit silence list --json | jq -r '.silences[] | select(.author == "ann").id')
culprit silence end "$silence" | grep -q 'has ended' || fail "the silence did not end"
say "$seen messages about 30 hosts"
stop_daemon

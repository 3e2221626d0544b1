#!/bin/bash
# main_job.sh - a limit is crossed: one mail, one webhook, the right culprit, at once.
# SPDX-License-Identifier: ISC
# timeout: 150
#
# Under load from two exporters, a third tells of a download in one datagram that
# crosses the rule's limit. Exactly one firing message must reach each channel, its first
# top flow with the octets that fall into the window; what arrives afterwards changes
# nothing. When it is over, each channel hears that, the mail in the same thread.
. "$(dirname "$0")/lib/lib.sh"

certificate
sink mail smtp_sink.py --cert "$dir/cert.pem" --key "$dir/key.pem" --auth culprit:sesame
sink hook http_sink.py
secret password sesame
secret signing whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
conf <<END
exporter edge { address = "127.0.0.50" interface 2 { name = "WAN" speed = 1G } }
rule wan-busy {
	filter = "in if 2"
	measure = "bits/s"
	by = "exporter"
	window = "10s"
	above = "200M"
	clear = "100M"
	for = "0s"
	severity = "critical"
	notify = {"noc", "hook"}
}
notify noc {
	email = {"noc@example.org"}
	from = "culprit@example.org"
	smtp = "smtp://localhost:$mail_port"
	user = "culprit"
	password_file = "$dir/password"
	ca_file = "$dir/ca.pem"
}
notify hook {
	webhook = "http://127.0.0.1:$hook_port/ok?token=opensesame"
	secret_file = "$dir/signing"
}
END
start_daemon

"$blast" -p v9 -d "127.0.0.1:$udp" -n 80000 -r 20000 -e 2 >"$dir/blast.json" &
load=$!
started+=("$load")
wait_until 10 "load arrives" at_least 10000 culprit_flows_total

# Calm flows, then one datagram that crosses; $dir/sent.json says what it was.
"$python" - "$udp" "$dir" <<'END'
import json, sys
import nf
edge = nf.Exporter(10, int(sys.argv[1]), source="127.0.0.50")
edge.send_template()
edge.send_flows([nf.flow(dst=f"10.0.0.{i}", bytes=1000 * i) for i in range(1, 21)])
crossing = [nf.flow(src="203.0.113.99", dst="10.66.66.66", bytes=2_000_000_011 + i,
                    packets=1_400_000, dport=50000) for i in range(2)]
at_ms = nf.now_ms()
edge.send_flows(crossing)
json.dump({"at_ms": at_ms, "flows": crossing, "sequence": edge.sequence},
          open(sys.argv[2] + "/sent.json", "w"))
END
wait_until 15 "a webhook" lines "$dir/hook.jsonl" 2
wait_until 15 "a mail" lines "$dir/mail.jsonl" 2

# The download goes on for a moment, then calm: no second message, and the evidence stays.
# It must go on sending, for silence is not calm.
"$python" - "$udp" "$dir" <<'END' 2>"$dir/edge.log" &
import json, sys, time
import nf
sent = json.load(open(sys.argv[2] + "/sent.json"))
edge = nf.Exporter(10, int(sys.argv[1]), source="127.0.0.50", sequence=sent["sequence"])
for i in range(5):
    edge.send_flows([nf.flow(src="203.0.113.99", dst="10.66.66.66", bytes=100_000_000,
                             packets=70_000, dport=50000, end=sent["flows"][0]["end"])])
for i in range(600):
    edge.send_flows([nf.flow()])
    time.sleep(0.2)
END
started+=($!)
wait "$load" || fail "blast ended with $?"
sed -n 2p "$dir/hook.jsonl" >"$dir/firing.json"
alert=$(jq -r '.body | fromjson | .id' "$dir/firing.json")
wait_until 10 "all is archived" at_least "$(($(field .flows <"$dir/blast.json") + 27))" \
	culprit_archive_flows_total
get "/api/v1/top?as_of=$alert" >"$dir/as_of.json"
nothing_lost

wait_until 60 "a webhook that says it is over" has "$dir/hook.jsonl" resolved
wait_until 15 "a mail that says it is over" has "$dir/mail.jsonl" RESOLVED
# What each message said can be asked for ever, the first one's also now that it is over.
get "/api/v1/top?as_of=$alert" >"$dir/as_of_later.json"
get "/api/v1/top?as_of=$alert/end" >"$dir/as_of_end.json"
"$python" tests/e2e/lib/main_job.py "$dir"

# Whatever can be asked tells no secret, nor does anything that was written.
mkdir "$dir/told"
for path in metrics api/v1/status api/v1/alerts api/v1/rules; do
	get "/$path" >"$dir/told/${path##*/}"
done
ask() { # culprit's words
	"$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@" >"$dir/told/$*" 2>&1 ||
		fail "culprit $*: $?"
}
ask status
ask notify
ask alerts
ask show "$alert"
stop_daemon
"$python" tests/e2e/lib/main_job.py "$dir" >/dev/null # nothing more came at the end
ask test-notify hook
ask test-notify noc
"$BUILD/culpritd" -c "$dir/culprit.conf" --state "$dir/state" -T >"$dir/told/printed" 2>&1
has "$dir/told/printed" "http://127.0.0.1:$hook_port" || fail "-T does not tell the host of a webhook"
! grep -rlaF -e sesame -e MfKQ9r8GKYq -e "$(printf '\0culprit\0sesame' | base64)" \
	"$dir/told" "$dir/state" "$dir/culpritd.log" || fail "these files have a secret in them"

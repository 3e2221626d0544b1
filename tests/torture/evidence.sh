#!/bin/bash
# evidence.sh - kill -9 of the whole daemon at random moments: what history had is told.
# SPDX-License-Identifier: ISC
# timeout: 3600
# alone
#
# KILLS times (200) a host crosses a limit and the daemon is killed up to WITHIN_MS later:
# while evidence is looked for (a silent resolver makes that half a second), while people's
# alerts are gathered, while a message is on its way. An alert that history had when the
# daemon died must have been told at the end, and each kill may cost one message twice,
# with the same key.
. "$(dirname "$0")/../e2e/lib/lib.sh"

KILLS=${KILLS:-200} WITHIN_MS=${WITHIN_MS:-1500}
slow_evidence
kept() { # hosts whose alerts history has
	"$python" - "$dir/state/history.db" <<-'END'
		import json, sqlite3, sys
		db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=10)
		for (text,) in db.execute("SELECT body FROM alert"):
		    a = json.loads(text)
		    if a["rule"] == "busy":
		        print(a["series"]["id"])
	END
}
told() { # hosts whose alerts were told as firing (or as over, when they were over already)
	jq -r 'select(.body) | .body | fromjson | select(.rule == "busy" and
		(.status == "firing" or .was)) | .series.id' "$dir/hook.jsonl"
}
missing() { comm -23 <(sort -u "$dir/kept") <(told | sort -u); }
none_missing() { [ -z "$(missing)" ]; }

for i in $(seq "$KILLS"); do
	start_daemon
	burst 127.0.0.1 "10.66.$((i / 250)).$((i % 250 + 1))"
	ms=$((RANDOM * WITHIN_MS / 32768))
	sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
	stop_daemon KILL
	kept >>"$dir/kept" 2>/dev/null || : # it may have died before there was any
done
start_daemon
wait_until 60 "all that history had is told" none_missing
stop_daemon
twice=$(jq -r 'select(.headers) | .headers."webhook-id"' "$dir/hook.jsonl" | sort | uniq -d | wc -l)
again=$(jq -r 'select(.body) | [(.body | fromjson | select(.rule == "busy" and
	(.status == "firing" or .was)) | .series.id), .headers."webhook-id"] | @tsv' \
	"$dir/hook.jsonl" | sort -u | cut -f 1 | uniq -d | wc -l)
expect "alerts that were told under two keys" 0 "$again"
[ "$twice" -le "$KILLS" ] || fail "$twice messages came twice"
say "$KILLS kills, $(sort -u "$dir/kept" | wc -l) alerts in history, all told;" \
	"$twice messages came twice, under the same key"

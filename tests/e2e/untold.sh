#!/bin/bash
# untold.sh - kill -9 while evidence is looked for: the alert is told after the next start.
# SPDX-License-Identifier: ISC
#
# A resolver that never answers holds evidence up for half a second. History has the alert
# before, and that is when the daemon is killed: with one that fires, and one that was over
# when its flow came. After the next start each is told once, with its flows.
. "$(dirname "$0")/lib/lib.sh"

slow_evidence

# flow DST SECONDS_AGO: crosses the limit, then.
flow() {
	"$python" - "$udp" "$1" "$2" <<-'END'
		import sys, nf
		e = nf.Exporter(10, int(sys.argv[1]))
		e.send_template()
		end = nf.now_ms() - 1000 * int(sys.argv[3]) - 20
		e.send_flows([nf.flow(src="203.0.113.99", dst=sys.argv[2], end=end,
		                      bytes=2_000_000_000, packets=1_400_000)])
	END
}
kept() { # DST: how history has its alert
	"$python" - "$dir/state/history.db" "$1" <<-'END'
		import json, sqlite3, sys
		db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=10)
		for (text,) in db.execute("SELECT body FROM alert"):
		    a = json.loads(text)
		    if a["series"]["id"] == "dst=" + sys.argv[2]:
		        print(a["status"], len(a["top_flows"]))
	END
}
is_kept() { [ -n "$(kept "$1")" ]; }
told() { # DST: whom messages name that begin its alert
	jq -r 'select(.body) | .body | fromjson |
		select(.series.id == "dst='"$1"'" and (.status == "firing" or .was)) |
		.top_flows[0].dst' "$dir/hook.jsonl"
}
is_told() { [ -n "$(told "$1")" ]; }

for case in "10.66.66.1 0" "10.66.66.2 120"; do
	read -r dst ago <<<"$case"
	start_daemon
	flow "$dst" "$ago"
	wait_until 10 "history has the alert of $dst" is_kept "$dst"
	stop_daemon KILL
	before=$(kept "$dst") early=$(told "$dst" | wc -l)
	start_daemon
	wait_until 10 "the alert of $dst is told" is_told "$dst"
	stop_daemon
	expect "who is named in messages about $dst" "$dst" "$(told "$dst" | sort -u)"
	[ "$(told "$dst" | wc -l)" -le $((1 + early)) ] || fail "$dst is told twice: $(told "$dst")"
	say "$dst, $ago s ago: killed with \"$before\" in history and $early told"
done

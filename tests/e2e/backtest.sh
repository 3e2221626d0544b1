#!/bin/bash
# backtest.sh - the past, asked again from the command line: backtest, changed.
# SPDX-License-Identifier: ISC
#
# A real daemon raises an alert on flows that came through its socket. When it has stopped,
# the same rule over the archive must give the same alert; a limit that was never
# crossed none; a file with a mistake its line. What changed must name who did it.
. "$(dirname "$0")/lib/lib.sh"

culprit() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }

conf <<END
exporter edge { address = "127.0.0.50"  interface 2 { name = "WAN" } }
rule busy { filter = "in if WAN"  by = "exporter"  window = 10s  above = 100M  clear = 50M }
END
start_daemon
"$python" - "$udp" <<'END'
import sys
import nf
edge = nf.Exporter(10, int(sys.argv[1]), source="127.0.0.50")
edge.send_template()
edge.send_flows([nf.flow(dst=f"10.0.0.{i}", bytes=1000 * i) for i in range(1, 21)])
edge.send_flows([nf.flow(src="203.0.113.99", dst="10.66.66.66", bytes=400_000_000,
                         packets=300_000, dport=50000)])
END
wait_until 10 "the alert is raised" at_least 1 culprit_alerts_firing 'rule="busy"'
culprit show "$(culprit alerts --csv | sed -n '2s/,.*//p')" >"$dir/shown"
stop_daemon

cat >"$dir/tried.conf" <<END
rule busier { filter = "in if WAN"  by = "exporter"  window = 10s  above = 10G }
rule hosts { by = "host"  window = 10s  above = 100M }
END
culprit alerts --all --json >"$dir/alerts.json"
culprit backtest busy --from -1h --json >"$dir/busy.json"
culprit backtest "$dir/tried.conf" --from -1h --json --suggest --budget 20000/week \
	>"$dir/tried.json"
cat >"$dir/keys.conf" <<END
rule partners { measure = "peers"  by = "host"  window = 1m  above = 3 }
rule sources { measure = "peers"  by = "dst"  window = 5m  above = 1 }
rule services { by = "port"  window = 1m  above = 1M }
rule pairs { by = "src,dst"  window = 1m  above = 1M }
rule most { by = "host"  detector = "record" }
END
culprit backtest "$dir/keys.conf" --from -1h --json --suggest --budget 1/week \
	>"$dir/keys.json"
culprit backtest "$dir/keys.conf" --from -10d --to -9d --suggest >"$dir/none.txt"
culprit backtest busy --from -1h --csv >"$dir/busy.csv"
culprit backtest --from -1h >"$dir/all.txt"
culprit changed --at -1m/3m --json >"$dir/changed.json"
"$python" - "$dir" <<'END'
import json
import sys


def load(name):
    return json.load(open(f"{sys.argv[1]}/{name}.json"))


alerts = load("alerts")
alert = [a for a in alerts.get("alerts", alerts) if a["rule"] == "busy"][0]
busy = load("busy")["rules"][0]
assert busy["source"] == "archive" and len(busy["alerts"]) == 1, busy
again = busy["alerts"][0]
assert again["started"] == alert["started_at"], (again, alert["started_at"])
assert again["series"] == alert["series"]["name"] == "edge"
assert abs(again["value"] - alert["peak"]) < 1, (again, alert["peak"])
limits = {row["limit"]: row["alerts"] for row in busy["limits"]}
assert limits[100e6] == 1 and limits[400e6] == 0 and len(limits) >= 8, limits
tried = {r["rule"]: r for r in load("tried")["rules"]}
assert sorted(tried) == ["busier", "hosts"] and not tried["busier"]["alerts"]
assert {a["series"] for a in tried["hosts"]["alerts"]} == {"203.0.113.99", "10.66.66.66"}
assert 0 < tried["busier"]["suggestion"]["limit"] < 10e9, tried["busier"]["suggestion"]
keys = {r["rule"]: r for r in load("keys")["rules"]}
assert "no limit and no budget" in keys.pop("most")["no_suggestion"]
assert len(keys) == 4
for r in keys.values():
    assert r["source"] == "archive" and r["suggestion"]["limit"] > 0, r
assert 3 < keys["partners"]["suggestion"]["limit"] <= 25, keys["partners"]["suggestion"]
END
has "$dir/busy.csv" '^busy,.*,edge,' || fail "no row of busy: $(cat "$dir/busy.csv")"
has "$dir/none.txt" 'No limit can be suggested: .*the archive has no flows of that time' ||
	fail "no reason: $(cat "$dir/none.txt")"
has "$dir/all.txt" 'would have fired 1 time' || fail "$(cat "$dir/all.txt")"
has "$dir/shown" '10.66.66.66' || fail "$(cat "$dir/shown")"
has "$dir/changed.json" '"compared_with"' || fail "$(cat "$dir/changed.json")"

echo 'rule x { filtre = "any"  above = 1M }' >"$dir/bad.conf"
rc=0
culprit backtest "$dir/bad.conf" 2>"$dir/errors" || rc=$?
expect "exit code of a file with mistakes" 78 "$rc"
has "$dir/errors" 'bad.conf:1: .*did you mean "filter"' || fail "$(cat "$dir/errors")"
rc=0
culprit backtest nosuch 2>"$dir/errors" || rc=$?
expect "exit code of a rule that is not there" 64 "$rc"
has "$dir/errors" 'the configuration has busy' || fail "$(cat "$dir/errors")"
cat "$dir/all.txt"

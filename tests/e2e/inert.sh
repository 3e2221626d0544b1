#!/bin/bash
# inert.sh - hostile texts from outside are inert at every sink, one by one (P17).
# SPDX-License-Identifier: ISC
# timeout: 120
#
# The texts of tests/texts come as interface and application names, in URLs of a proxy's
# log and as answers of a resolver; each makes an alert that goes to every kind of channel.
# inert.py then goes through the sinks: mail (headers, text, HTML, CSV, chart), thirteen
# webhook formats, a program's standard input, terminal, CSV and JSON of the tool, log,
# metrics, SQLite, Redis, the page in a browser. Squid's helper is asked with them too.
. "$(dirname "$0")/lib/lib.sh"

formats="json slack mattermost teams discord googlechat telegram ntfy pagerduty
	alertmanager alertmanager-webhook cloudevents template"
sink hook http_sink.py
sink mail smtp_sink.py
sink ptr inert_ptr.py
mkdir -m 777 "$dir/exec" "$dir/run" "$dir/squid"
touch "$dir/squid/access.log"
chmod 644 "$dir/squid/access.log"
secret token 0123456789abcdef0123456789abcdef
echo '{"t": "{title}", "w": "{why}", "s": "{series}", "all": "{json}"}' >"$dir/template.json"
cat >"$dir/program" <<'END2'
#!/bin/bash
cd "$(dirname "$0")/exec" || exit 1
cat >$$.json
{ env; printf 'argument %s\n' "$@"; } >$$.env
END2
chmod 755 "$dir/program"
chmod 644 "$dir/template.json"

# configure HISTORY FILTER FILTER FILTER: a third of the texts go to each of three channels of a kind, since people get
# ten messages a minute at most.
configure() {
	local url=$1 part format names

	shift
	conf < <(
		cat <<-END
			history { url = "$url" }
			exporter edge { address = "127.0.0.1" }
			names { nameserver = "127.0.0.1:$ptr_port"  hosts = "" }
			squid {
				log = "$dir/squid/access.log"
				address = "10.20.0.1"
				queries = yes
			}
			act { enabled = yes  socket = "$dir/run/act.sock" }
			alerts { group = no }
			rule interface-traffic { enabled = no }
			rule exporter-flows { enabled = no }
		END
		for part in 0 1 2; do
			names=
			for format in $formats; do
				cat <<-END
					notify $format$part {
						webhook = "http://127.0.0.1:$hook_port/ok/$format"
						format = "$format"
						token_file = "$dir/token"
						target = "1001"
						template_file = "$dir/template.json"
					}
				END
				names+="\"$format$part\", "
			done
			cat <<-END
				notify mail$part {
					email = "noc@example.org"
					from = "culprit@example.org"
					smtp = "smtp://127.0.0.1:$mail_port"
				}
				notify exec$part { exec = {"$dir/program", "fixed"} }
				rule loud$part {
					filter = "$1"
					measure = "bytes"  by = "interface"  window = "10s"  above = "1M"
					notify = {$names "mail$part", "exec$part"}
				}
			END
			shift
		done
	)
}

# interfaces FROM TO: a filter of those, by index.
interfaces() { seq "$1" "$2" | sed 's/^/in if /' | paste -sd '|' | sed 's/|/ or /g'; }
texts=$(find tests/texts -type f | wc -l)
third=$(((texts + 2) / 3))
culprit() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }
alerts() { culprit alerts --json 2>/dev/null | jq '.alerts | length'; }
alerts_are() { [ "$(alerts)" = "$1" ]; }
delivered() {
	scrape && [ "$(metric culprit_notification_queue)" = 0 ] &&
		[ "$(metric culprit_notifications_total 'result="sent"')" -ge $((texts * 15)) ]
}
# Flows and requests are asked for when their blocks are written, not when they come.
kept() {
	local by

	for by in app_name interface url; do
		culprit top --by "$by" -n 100 2>/dev/null | grep -q jndi:ldap || return 1
	done
}

say "-- the daemon with SQLite and every channel"
configure "sqlite:$dir/state/history.db" "$(interfaces 1 $third)" \
	"$(interfaces $((third + 1)) $((2 * third)))" \
	"$(interfaces $((2 * third + 1)) "$texts")"
start_daemon
"$python" tests/e2e/lib/inert_send.py "$udp" "$dir/squid/access.log"
wait_until 20 "$texts alerts" alerts_are "$texts"
wait_until 30 "every message is delivered" delivered
wait_until 30 "flows and requests are kept" kept
culprit slow 10.20.0.66 --why "$(cat tests/texts/shell)" >"$dir/slow.log"
"$python" tests/e2e/lib/inert.py "$dir" "$BUILD/culprit" "http://127.0.0.1:$http" \
	"$BUILD/culprit-acl"
stop_daemon

say "-- the daemon with Redis"
socket=$dir/redis.sock
redis-server --port 0 --unixsocket "$socket" --unixsocketperm 777 --dir "$dir" --save '' \
	>"$dir/redis.log" 2>&1 &
started+=($!)
redis() { redis-cli -s "$socket" "$@"; }
answers() { [ "$(redis ping 2>/dev/null)" = PONG ]; }
wait_until 10 "redis-server answers" answers
redis set witness here >/dev/null
sed -i "s|^history.*|history { url = \"redis+unix://$socket\" }|; s|notify = {.*|notify = {}|" \
	"$dir/culprit.conf"
mv "$dir/state" "$dir/state.sqlite"
start_daemon
"$python" tests/e2e/lib/inert_send.py "$udp" "$dir/squid/access.log"
wait_until 20 "$texts alerts" alerts_are "$texts"
"$python" tests/e2e/lib/inert_redis.py "$socket"
stop_daemon

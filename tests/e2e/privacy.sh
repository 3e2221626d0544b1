#!/bin/bash
# privacy.sh - no sink tells more of persons than was allowed, and who looked is known.
# SPDX-License-Identifier: ISC
# timeout: 90
#
# Three daemons, one after the other, with urls = "host", "off" and "full": the same log,
# in which paths, query strings and passwords are marked, and the same flow, which a rule
# sees. Afterwards no mail, webhook, answer of the API or of culprit, metric or file of the
# state directory may have a mark that was not to be kept. The parser's own table is in
# test_squid_line.c.
. "$(dirname "$0")/lib/lib.sh"

sink mail smtp_sink.py
sink hook http_sink.py
mkdir -m 755 "$dir/book"
[ "$(id -u)" != 0 ] || chown "$owner" "$dir/book"

start() { # WORD
	conf <<-END2
		exporter edge { address = "127.0.0.1" }
		privacy { looked = "$dir/book/looked"  keep = "1d"  ${2:-} }
		network lan { prefixes = {"10.20.0.0/24"} }
		squid { log = "$dir/access-$1.log"  address = "192.0.2.2"  urls = "${1#veiled-}" }
		rule busy {
			filter = "host 192.0.2.2"
			measure = "bytes"
			by = "exporter"
			window = "1m"
			above = "100k"
			for = "0s"
			notify = {"noc", "hook"}
		}
		notify noc {
			email = {"noc@example.org"}
			from = "culprit@example.org"
			smtp = "smtp://127.0.0.1:$mail_port"
			starttls = "no"
		}
		notify hook { webhook = "http://127.0.0.1:$hook_port/ok" }
	END2
	rm -rf "$dir/state"
	for f in hook mail; do : >"$dir/$f.jsonl"; done # its writer has it open
	: >"$dir/access-$1.log"
	chmod 644 "$dir/access-$1.log"
	start_daemon
}

ask() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }

# One download, in the log and as a flow.
story() { # WORD
	local end called=${2:-10.20.0.66}

	end=$(now_ms)
	printf '%d.%03d %6d 10.20.0.66 TCP_MISS/200 900000 GET %s - HIER_DIRECT/198.51.100.10 a/b\n' \
		$((end / 1000)) $((end % 1000)) 4000 \
		'http://nobody:MARKpassword@cdn-7.example.net/MARKpath/a.mp3?k=MARKquery' \
		>>"$dir/access-$1.log"
	"$python" - "$udp" <<-END2
		import sys, nf
		e = nf.Exporter(10, int(sys.argv[1]), source="127.0.0.1")
		e.send_template()
		e.send_flows([nf.flow(src="198.51.100.10", dst="192.0.2.2", bytes=930_000,
		                      packets=700, sport=80, dport=40000,
		                      start=nf.now_ms() - 4000),
		              nf.flow(src="192.0.2.2", dst="10.20.0.66", bytes=935_000,
		                      packets=700, sport=3128, dport=50000,
		                      start=nf.now_ms() - 4000)])
	END2
	wait_until 20 "a webhook" has "$dir/hook.jsonl" busy
	wait_until 20 "a mail" has "$dir/mail.jsonl" busy
	known() { ask top --from -5m --by client --json 2>>"$dir/said.log" >"$dir/known" && grep -q "$called" "$dir/known"; } 2>>"$dir/said.log"
	wait_until 20 "the request is kept" known
}

# All that anybody is told, and all that is kept.
sinks() {
	ask alerts --json
	ask show "$(ask alerts --json | jq -r '.alerts[0].id')"
	ask top --from -5m --by url,client,site --json
	ask flows --from -5m --urls --json
	ask flows --from -5m --urls
	for path in metrics 'api/v1/alerts?state=all' 'api/v1/proxy?by=url,client' \
		'api/v1/flows?urls=1' api/v1/status api/v1/series api/v1/history; do
		get "/$path"
	done
	cat "$dir/hook.jsonl" "$dir/mail.jsonl" "$dir/culpritd.log"
}

for word in host off full; do
	start $word
	story $word
	sinks >"$dir/sinks" 2>"$dir/said.log"
	stop_daemon
	find "$dir/state" -type f -exec cat {} + >>"$dir/sinks"
	grep -aq 10.20.0.66 "$dir/sinks" || fail "$word: the client is not told"
	case $word in
	host) marks='MARK' wanted='cdn-7.example.net' ;;
	off) marks='MARK\|cdn-7' wanted='through the proxy' ;;
	full) marks='MARKpass\|MARKquery' wanted='cdn-7.example.net/MARKpath/a.mp3' ;;
	esac
	if grep -aoh ".\{0,60\}\($marks\).\{0,60\}" "$dir/sinks" >"$dir/marks.log"; then
		fail "urls = $word, and yet something is told or kept"
	fi
	for f in hook mail; do has "$dir/$f.jsonl" "$wanted" || fail "$word: $f lacks $wanted"; done
done

# --- pseudonyms ---
# Lists of plain flows and hosts have addresses, of course; all that names URLs has none.
start veiled-full "pseudonyms = yes"
story veiled-full client-
for path in 'api/v1/alerts?state=all' 'api/v1/proxy?by=url,client' 'api/v1/flows?urls=1'; do get "/$path"; done >"$dir/sinks"
{
	ask show "$(ask alerts --json | jq -r '.alerts[0].id')"
	ask top --from -5m --by url,client,site --json
	ask flows --from -5m --urls --json
	ask flows --from -5m --urls
} >>"$dir/sinks"
cat "$dir/hook.jsonl" "$dir/mail.jsonl" >>"$dir/sinks"
if grep -aoh '.\{0,80\}10\.20\.0\.66.\{0,60\}' "$dir/sinks" >"$dir/marks.log"; then
	fail "a client is told by address"
fi
for f in hook mail; do
	grep -q 'client-[0-9a-f]\{12\}.*MARKpath' "$dir/$f.jsonl" || fail "$f lacks the pseudonym"
done
jq -e '.explained > 0.9 * .bytes' "$dir/known" >"$dir/answer" || fail "$(cat "$dir/known")"
name=$(jq -r '.rows[0].client' "$dir/known")
expect "what the API tells of its flow" "$name cdn-7.example.net/MARKpath/a.mp3 $name" \
	"$(get '/api/v1/flows?urls=1&filter=src+port+3128' |
		jq -r '.flows[0] | .dst + " " + .urls[0].url + " " + .urls[0].client')"
expect "who $name is" 10.20.0.66 "$(ask who "$name")"
expect "flows of $name" 1 "$(ask flows --from -5m --urls | grep -c "$name:50000")"
expect "the key's mode" 600 "$(stat -c %a "$dir/state/pseudonyms.key")"
stop_daemon

# --- who looked ---
"$python" - "$dir/book/looked" "$(id -un)" <<'END2'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
api = [r for r in rows if r["via"] == "api"]
tool = [r for r in rows if r["via"] == "culprit"]
assert any(r["question"] == "/api/v1/proxy?by=url,client" and r["from"] == "127.0.0.1"
           for r in api), api[:5]
assert any(r["question"].startswith("flows --from -5m --urls") for r in tool), tool[:5]
assert all(r["user"].startswith(sys.argv[2]) and r["from"] for r in tool), tool[:5]
assert not any("/metrics" in r["question"] for r in rows)
print(f"  {len(rows)} questions are written down")
END2

# What cannot be written down is not answered.
start full
rm -rf "$dir/book"
expect "status of a question that cannot be written down" 503 \
	"$(curl -s -o "$dir/why" -w '%{http_code}' "http://127.0.0.1:$http/api/v1/proxy?by=url")"
grep -q 'is not answered' "$dir/why" || fail "$(cat "$dir/why")"
rc=0
ask top --by client >"$dir/known" 2>>"$dir/said.log" || rc=$?
expect "culprit's exit code then" 69 "$rc"
expect "other questions" 200 \
	"$(curl -s -o "$dir/why" -w '%{http_code}' "http://127.0.0.1:$http/api/v1/status")"
stop_daemon

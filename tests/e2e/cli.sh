#!/bin/bash
# cli.sh - what `culprit` says is what was sent, what the API says and what the mail said.
# SPDX-License-Identifier: ISC
# timeout: 240
. "$(dirname "$0")/lib/lib.sh"
export LC_ALL=C.UTF-8 TZ=UTC0
unset NO_COLOR
cli() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }

# code EXPECTED ARGUMENT...: runs culprit with its own options, keeps what it says.
code() {
	local want=$1 rc=0

	shift
	"$BUILD/culprit" "$@" >"$dir/out.log" 2>"$dir/err.log" || rc=$?
	expect "exit code of culprit $*" "$want" "$rc"
}
here=(-c "$dir/culprit.conf" --state "$dir/state")

# inert FILE: no control character but line ends, no bidi mark.
inert() {
	! LC_ALL=C grep -qP '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xe2\x80\xae' "$1" ||
		fail "$1 has octets that a terminal would obey: $(cat -v "$1")"
}

# --- without anything ---

code 0 --help
cp "$dir/out.log" "$dir/help.txt"
for verb in status top flows alerts show ack silence notify history test-notify verify replay score demo; do
	grep -q "^  $verb " "$dir/help.txt" || fail "culprit --help forgets $verb"
	code 0 "$verb" --help
done
code 64
code 64 nonsense
code 64 top --nonsense
code 64 --json
echo 'rule x { measure = "nonsense" }' >"$dir/bad.conf"
code 78 -c "$dir/bad.conf" --state "$dir/nowhere" top
code 69 --state "$dir/nowhere" top
code 69 --state "$dir/nowhere" --url http://127.0.0.1:1 alerts

# --- a daemon, and flows that are known to the octet ---

sink chat http_sink.py
conf <<END
exporter edge { address = "127.0.0.1" interface 2 { name = "WAN" speed = "20M" } }
names { dns = no hosts = "$dir/hosts" }
rule wan-busy {
	filter = "in if WAN" measure = "bytes" by = "exporter" window = "1m" above = "5M"
	for = "0s" severity = "critical" notify = {"chat"}
}
notify chat { webhook = "http://127.0.0.1:$chat_port/x" }
END
start_daemon
send() { # BYTES-OF-THE-CULPRIT HOW-LONG-AGO-IN-MS
	"$python" - "$udp" "$1" "$2" <<-'END'
		import struct, sys
		from nf import Exporter, flow, now_ms
		port, big, ago = map(int, sys.argv[1:])
		end = now_ms() - ago
		x = Exporter(10, port)
		x.send_template()
		x.send_flows([flow(dst="10.0.0.66", bytes=big, packets=1000, end=end)] +
		             [flow(src=f"198.51.100.{i}", dst=f"10.0.0.{i}", bytes=1000 * i,
		                   packets=i, end=end) for i in range(1, 21)])
		# An application's name with all that a terminal, a spreadsheet or a page obeys.
		fields = [(8, 4), (12, 4), (1, 4), (2, 4), (152, 8), (153, 8), (96, 65535)]
		body = struct.pack("!HH", 400, len(fields))
		body += b"".join(struct.pack("!HH", *f) for f in fields)
		name = "=\x1b[31m\x1b]0;owned\x07\u202egpj,\"<b>\n".encode()
		data = struct.pack("!IIIIQQB", 1, 2, 77, 1, end - 100, end, len(name)) + name
		x.send(x._message(x._set(2, body) + x._set(400, data), 2, 1, now_ms()))
	END
}
send 9000000 20
wait_until 10 "22 flows are archived" at_least 22 culprit_archive_flows_total
wait_until 10 "the alert is told" lines "$dir/chat.jsonl" 2
from=$((EPOCHSECONDS - 60)) to=$((EPOCHSECONDS + 60))
range=(--from "$from" --to "$to")

# --- top: as sent, as the API says, in three forms ---

cli top "${range[@]}" --json --whole --by flow -n 50 >"$dir/top.json"
expect "bytes of all" 9210077 "$(jq .total.bytes "$dir/top.json")"
expect "flows of all" 22 "$(jq .total.flows "$dir/top.json")"
expect "the first row" '["198.51.100.1","10.0.0.66",443,40000,"tcp",9000000]' \
	"$(jq -c '.rows[0] | [.src, .dst, ."src-port", ."dst-port", .proto, .bytes]' "$dir/top.json")"
get "/api/v1/top?from=${from}000&to=${to}000&whole=1&by=flow&n=50" >"$dir/api.json"
pick='[.from, .to, .by, .total, .distinct, [.rows[] | [.values, .bytes, .packets, .flows]]]'
expect "the API's answer" "$(jq -c "$pick" "$dir/api.json")" "$(jq -c "$pick" "$dir/top.json")"
cli top "${range[@]}" --csv --whole --by flow -n 50 | tr -d '\r' >"$dir/top.csv"
expect "CSV header" "src,dst,src-port,dst-port,proto,bytes,packets,flows,bits_per_s,share" \
	"$(head -n 1 "$dir/top.csv")"
expect "CSV rows" "$(jq -r '.rows[] | [.src, .dst, ."src-port", ."dst-port", .proto, .bytes,
	.packets, .flows] | map(tostring) | join(",")' "$dir/top.json")" \
	"$(tail -n +2 "$dir/top.csv" | cut -d, -f1-8)"
cli top "${range[@]}" --whole >"$dir/top.txt"
has "$dir/top.txt" '^10.0.0.66 .*9.00 MB' || fail "no 10.0.0.66: $(cat "$dir/top.txt")"
has "$dir/top.txt" '^198.51.100.1 .* 10.0.0.66 .* tcp .*9.00 MB' || fail "$(cat "$dir/top.txt")"
expect "with a filter" 20000 "$(cli top "${range[@]}" --whole --by host --json dst host \
	10.0.0.20 and src net 198.51.100.0/24 | jq .total.bytes)"
expect "both directions" '["10.0.0.66","198.51.100.1"]' "$(cli top "${range[@]}" --json \
	--bidirectional -n 1 | jq -c '.rows[0] | [.src, .dst]')"

# --- flows ---

cli flows "${range[@]}" --json --sort bytes -n 2 >"$dir/flows.json"
expect "largest flows" '[9000000,20000]' "$(jq -c '[.flows[].bytes]' "$dir/flows.json")"
expect "there are more" true "$(jq .more "$dir/flows.json")"
expect "all flows" 22 "$(cli flows "${range[@]}" --json | jq '.flows | length')"
cli flows "${range[@]}" dst host 10.0.0.66 >"$dir/flows.txt"
has "$dir/flows.txt" 'tcp 198.51.100.1:443 *-> 10.0.0.66:40000 * 9.00 MB' || fail "$(cat "$dir/flows.txt")"

# --- hostile text is inert in every form ---

cli top "${range[@]}" --by app-name --whole >"$dir/hostile.txt"
cli flows "${range[@]}" >>"$dir/hostile.txt"
cli flows "${range[@]}" --json >"$dir/hostile.json"
cli top "${range[@]}" --by app-name --csv | tr -d '\r' >"$dir/hostile.csv"
grep -q 'gpj' "$dir/hostile.txt" || fail "the hostile name is not shown at all"
inert "$dir/hostile.txt"
inert "$dir/hostile.json"
jq -e '[.flows[].app_name] | map(select(. != null)) | length == 1' "$dir/hostile.json" \
	>/dev/null || fail "the hostile name is lost in JSON"
! grep -q '^"\?=' "$dir/hostile.csv" || fail "a spreadsheet would run this: $(cat "$dir/hostile.csv")"

# --- alerts, and the same evidence for ever ---

id=$(cli alerts --json | jq -r '.alerts[] | select(.rule == "wan-busy") | .id')
expect "alerts as CSV" "$id" "$(cli alerts --csv | tail -n +2 | grep wan-busy | cut -d, -f1)"
cli show "${id:0:20}" >"$dir/show.txt"
has "$dir/show.txt" '10.0.0.66:40000' || fail "$(cat "$dir/show.txt")"
inert "$dir/show.txt"

# --- a name that came late: the alert went out without it ---

! has "$dir/show.txt" reception-pc || fail "a name before there was one"
printf '10.0.0.66 reception-pc\n198.51.100.1 cdn.example.net\n' >"$dir/hosts"
chmod 644 "$dir/hosts"
shown() { cli show "$id" >"$dir/show.txt" && has "$dir/show.txt" '10.0.0.66:40000 (reception-pc)'; }
wait_until 20 "show has the late name" shown
told() { [ "$(get "/api/v1/alerts?id=$id" | jq -c '.alerts[0].top_flows[0] |
	[.dst_name, .src_name]')" = '["reception-pc","cdn.example.net"]' ]; }
wait_until 20 "the API has it" told # which looks at its files every two seconds
expect "the API's list has it" reception-pc "$(get "/api/v1/alerts?from=-1h" |
	jq -r --arg id "$id" '.alerts[] | select(.id == $id).top_flows[0].dst_name')"
cli flows "${range[@]}" --json --sort bytes -n 1 >"$dir/flows.json"
expect "flows have names" '["cdn.example.net","reception-pc"]' \
	"$(jq -c '.flows[0] | [.src_name, .dst_name]' "$dir/flows.json")"
expect "flows of the API too" '["cdn.example.net","reception-pc"]' \
	"$(get "/api/v1/flows?from=${from}000&to=${to}000&filter=bytes%20%3E%201M" |
	jq -c '.flows[0] | [.src_name, .dst_name]')"
cli flows "${range[@]}" dst host 10.0.0.66 >"$dir/flows.txt"
has "$dir/flows.txt" ' from cdn.example.net to reception-pc$' || fail "$(cat "$dir/flows.txt")"
cli flows --as-of "$id" --json >"$dir/flows.json"
expect "what an alert saw has no names of today" '[]' \
	"$(jq -c '[.flows[].dst_name | select(. != null)]' "$dir/flows.json")"
told() { # what the message said of its flows
	tail -n +2 "$dir/chat.jsonl" | head -n 1 | jq -c '(.body | fromjson? // .) |
		[.top_flows[] | [.src, .dst, .src_port, .dst_port, .bytes, .packets, .flows]]'
}
asked() {
	cli top --as-of "$id" --json | jq -c '[.rows[] |
		[.src, .dst, ."src-port", ."dst-port", .bytes, .packets, .flows]]'
}
expect "what the message said" "$(told)" "$(asked)"
send 8000000 1000 # into the same window, but later
wait_until 10 "44 flows are archived" at_least 44 culprit_archive_flows_total
expect "what the message said, with late flows" "$(told)" "$(asked)"
expect "now, with all flows" 17420154 \
	"$(cli top "${range[@]}" --json --whole --by host | jq .total.bytes)"

# --- status, history, test-notify ---

cli status >"$dir/status.txt"
has "$dir/status.txt" '^edge .*IPFIX' || fail "$(cat "$dir/status.txt")"
for word in rules listens archive history channels; do
	has "$dir/status.txt" "^$word " || fail "status lacks $word: $(cat "$dir/status.txt")"
done
expect "exporters as CSV" edge "$(cli status --csv | tail -n +2 | cut -d, -f1)"
has_series() { cli history list 2>/dev/null | grep -q exporter=; }
wait_until 30 "history has a series" has_series
cli history list >"$dir/list.txt"
series=$(tail -n +2 "$dir/list.txt" | head -n 1)
expect "a series by its name" "$series" "$(cli history "$series" --json | jq -r .series)"
expect "from the daemon, the same" "$(cli history "$series" --json "${range[@]}" | jq -c .bins)" \
	"$("$BUILD/culprit" --url "http://127.0.0.1:$http" history "$series" --json "${range[@]}" |
		jq -c .bins)"
code 64 "${here[@]}" history ""
code 0 "${here[@]}" test-notify chat
code 1 "${here[@]}" test-notify nobody
has "$dir/err.log" 'chat' || fail "test-notify does not say which channels there are"

# --- without the daemon ---

stop_daemon
code 69 "${here[@]}" status
has "$dir/out.log" 'not running' || fail "$(cat "$dir/out.log")"
expect "the alert, from history" "$id" \
	"$(cli alerts --json 2>/dev/null | jq -r '.alerts[] | select(.rule == "wan-busy") | .id')"
expect "its flows, without a daemon" "$(told)" "$(asked)"
code 0 "${here[@]}" verify -v
file=$(find "$dir/state/flows" -name '*.cul' | sort | head -n 1)
size=$(stat -c %s "$file")
printf '\xff\xfe\xfd' | dd of="$file" bs=1 seek=$((size / 2)) conv=notrunc status=none
code 1 "${here[@]}" verify
has "$dir/out.log" "$(basename "$file")" || fail "verify does not name the file"

say "the tool says what was sent, in every form, with and without the daemon"

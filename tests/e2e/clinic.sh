#!/bin/bash
# clinic.sh - the story of the clinic with real parts: the person is named, not the proxy.
# SPDX-License-Identifier: ISC
# timeout: 150
#
# A small site behind a slow link, made of network namespaces: Squid as the web proxy on
# the gateway (this script's own namespace), nginx as the web server "on the internet",
# softflowd on both sides of the gateway. Ordinary browsing raises nothing; then
# 10.20.0.66 fetches tracks through the proxy: mail and webhook name that address and the
# URLs, and Squid's octets explain the flow to 90 %. A download that is still running has
# no line in the log yet; it is named all the same. `culprit slow` slows the next request
# of that client, nobody else's, and ends by itself. Afterwards, with the proxy's log
# rotated away and deleted, the archive says the same, and so do NetFlow v5, v9 and IPFIX,
# each from both sides of the gateway.
#
# It needs root and namespaces. Without, it says why; for root, and under CI, that is a
# failure.
if [ -z "${CLINIC_INSIDE:-}" ]; then
	if [ "$(id -u)" != 0 ]; then
		why="it is not root"
	elif ! why=$(unshare --net --mount true 2>&1); then
		why="this root may not make namespaces (${why#unshare: }); in a container:
	--privileged, or --cap-add SYS_ADMIN --cap-add NET_ADMIN"
	else
		export CLINIC_INSIDE=1
		exec unshare --net --mount --propagation private "$0"
	fi
	echo "NOT TESTED: the clinic needs root and network namespaces, and $why." >&2
	[ "$(id -u)" != 0 ] && [ "${CI:-}" != true ] || exit 1
	exit 0
fi
. "$(dirname "$0")/lib/lib.sh"

# --- the site; all of it goes with this script's namespaces ---
mkdir -p /run/netns
mount -t tmpfs clinic /run/netns
mount -t tmpfs clinic /dev/shm
mkdir -p "$dir"/{squid,web/music,nginx}
lan() { ip netns exec clients "$@"; }
internet() { ip netns exec internet "$@"; }
ip netns add clients
ip netns add internet
ip link set lo up
ip link add lan type veth peer name eth0 netns clients
ip link add wan type veth peer name eth0 netns internet
ip addr add 10.20.0.1/24 dev lan
ip addr add 192.0.2.2/24 dev wan
ip link set lan up
ip link set wan up
lan ip link set eth0 up
# Six probes that look at two links are six exporters: each has an address of its own.
for probe in 5 6 10 11; do ip addr add 10.20.9.$probe/32 dev lo; done
for host in 11 12 13 14 17 66; do lan ip addr add 10.20.0.$host/24 dev eth0; done
internet ip link set lo up
internet ip addr add 192.0.2.1/24 dev eth0
internet ip addr add 198.51.100.10/32 dev lo
internet ip link set eth0 up
ip route add default via 192.0.2.1
# The slow link: 20 Mbit/s each way.
internet tc qdisc add dev eth0 root tbf rate 20mbit burst 64kbit latency 200ms
tc qdisc add dev wan root tbf rate 20mbit burst 64kbit latency 200ms

for n in $(seq -w 1 12); do head -c 2000000 /dev/urandom >"$dir/web/music/track$n.mp3"; done
head -c 20000 /dev/urandom | base64 >"$dir/web/index.html"
truncate -s 400M "$dir/web/film.iso"
head -c 800000 /dev/urandom >"$dir/web/part.bin"
cat >"$dir/nginx.conf" <<END
daemon off;
master_process off;
pid $dir/nginx/pid;
error_log $dir/nginx.log;
user root;
events {}
http {
	access_log off;
	client_body_temp_path $dir/nginx/b;
	proxy_temp_path $dir/nginx/p;
	fastcgi_temp_path $dir/nginx/f;
	uwsgi_temp_path $dir/nginx/u;
	scgi_temp_path $dir/nginx/s;
	server { listen 198.51.100.10:80; root $dir/web; }
}
END
printf '127.0.0.1 localhost\n198.51.100.10 cdn-7.example.net www.example.org\n' >"$dir/hosts"
# As a person includes it, but for places, and quicker: 100 kB/s, asked every second.
install -m 755 "$BUILD/culprit-acl" "$dir/culprit-acl"
mkdir -m 777 "$dir/run"
sed "s|/usr/lib/culprit/culprit-acl|$dir/culprit-acl $dir/run/act.sock|
	s|ttl=5 negative_ttl=5|ttl=1 negative_ttl=1|
	s|65536/65536|100000/100000|" contrib/squid/culprit-slow.conf >"$dir/slow.conf"
cat >"$dir/squid.conf" <<END
http_port 10.20.0.1:3128
acl clients src 10.20.0.0/24
include $dir/slow.conf
http_access allow clients
http_access deny all
hosts_file $dir/hosts
access_log stdio:$dir/squid/access.log squid
cache_log $dir/squid/cache.log
pid_filename $dir/squid/pid
cache deny all
cache_mem 8 MB
coredump_dir $dir/squid
pinger_enable off
buffered_logs off
umask 022
visible_hostname proxy.clinic.example
END
chown -R proxy:proxy "$dir/squid"

# Not by internet(): a function in the background is a shell with a child, and only the
# shell would be ended.
ip netns exec internet nginx -c "$dir/nginx.conf" 2>"$dir/nginx.out" &
started+=($!)
squid -f "$dir/squid.conf" -N >"$dir/squid.log" 2>&1 &
started+=($!)

sink mail smtp_sink.py
sink hook http_sink.py
listen=0.0.0.0
conf <<END
exporter inside { address = "10.20.0.1" }
exporter edge { address = "192.0.2.2" }
exporter inside5 { address = "10.20.9.5" }
exporter edge5 { address = "10.20.9.6" }
exporter inside10 { address = "10.20.9.10" }
exporter edge10 { address = "10.20.9.11" }
act { enabled = yes  socket = "$dir/run/act.sock" }
network lan { prefixes = {"10.20.0.0/24"} }
squid {
	log = "$dir/squid/access.log"
	address = {"10.20.0.1", "192.0.2.2"}
	manager = "http://10.20.0.1:3128"
}
rule wan-busy {
	filter = "exporter edge and dst host 192.0.2.2"
	measure = "bits/s"
	by = "exporter"
	window = "30s"
	above = "5M"
	for = "0s"
	severity = "critical"
	notify = {"noc", "hook"}
}
rule film {
	filter = "exporter inside and dst host 10.20.0.17"
	measure = "bits/s"
	by = "exporter"
	window = "20s"
	above = "5M"
	for = "0s"
	notify = {"hook"}
	act = "slow"
}
notify noc {
	email = {"noc@example.org"}
	from = "culprit@example.org"
	smtp = "smtp://127.0.0.1:$mail_port"
	starttls = "no"
}
notify hook { webhook = "http://127.0.0.1:$hook_port/ok" }
END
start_daemon
for side in "lan 1 10.20.0.1 9" "wan 2 192.0.2.2 9" "lan 1 10.20.9.5 5" "wan 2 10.20.9.6 5" \
	"lan 1 10.20.9.10 10" "wan 2 10.20.9.11 10"; do
	read -r name index address version <<<"$side"
	softflowd -d -i "$index:$name" -n "$address:$udp" -v "$version" -t maxlife=12 \
		-t tcp=10 -t general=10 -t expint=1 -p "$dir/$name$version.pid" \
		-c "$dir/$name$version.ctl" >"$dir/softflowd-$name$version.log" 2>&1 &
	started+=($!)
done

fetch() { # CLIENT URL
	lan curl -sf -m 60 -o /dev/null --interface "10.20.0.$1" -x 10.20.0.1:3128 "$2"
}
wait_until 20 "the proxy answers" fetch 11 http://www.example.org/

# --- ordinary browsing ---
# Probes tell now what they know.
tell_all() {
	for ctl in "$dir"/*.ctl; do softflowctl -c "$ctl" expire-all; done >>"$dir/softflowctl.log"
}
all_tell() { tell_all && scrape && [ "$(grep -c '^culprit_flows_total' "$dir/metrics")" = 6 ]; }
until=$((SECONDS + 6))
while [ $SECONDS -lt $until ]; do
	fetch $((11 + RANDOM % 4)) "http://www.example.org/?session=$RANDOM" ||
		say "  one page was not had, as happens"
	sleep 0.3
done
wait_until 30 "all exporters tell of the browsing" all_tell
expect "messages after ordinary browsing" 1 "$(grep -c '' "$dir/hook.jsonl")"

# --- the incident ---
for n in $(seq -w 1 12); do
	fetch 66 "http://nobody:secret@cdn-7.example.net/music/track$n.mp3?key=secret"
done &
tracks=$!
started+=($tracks)
wait_until 45 "a webhook" has "$dir/hook.jsonl" wan-busy
wait_until 15 "a mail" has "$dir/mail.jsonl" wan-busy

wait $tracks

# --- a download that is still running ---
ask() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }
ip netns exec clients curl -s -o /dev/null --interface 10.20.0.17 -x 10.20.0.1:3128 \
	http://cdn-7.example.net/film.iso & # itself, to be ended by its number
film=$!
started+=($film)
wait_until 45 "a webhook about the film" has "$dir/hook.jsonl" film.iso
running $film || fail "the download was over"
ask top --from -1m --by url,client --json exporter inside >"$dir/running.json"
kill $film
aborted() { grep -q film.iso "$dir/squid/access.log"; }
wait_until 10 "the proxy notices that nobody wants the film" aborted
"$python" tests/e2e/lib/clinic.py "$dir"

# --- slowed, until a time ---
speed() { # CLIENT: bytes a second of its next request
	lan curl -sf -m 60 -o /dev/null -w '%{speed_download}' --interface "10.20.0.$1" \
		-x 10.20.0.1:3128 http://cdn-7.example.net/part.bin
}
expect "whom the rule slows" "10.20.0.17 rule film" \
	"$(ask slow --list --json | jq -r '.[] | .address + " " + .by')"
ask slow 10.20.0.66 --for 12s --why 'twelve tracks'
sleep 1.1 # Squid believes an answer for a second
speed 66 >"$dir/slowed" &
slowed=$!
others=$(speed 13)
wait $slowed
slowed=$(cat "$dir/slowed")
say "  slowed to $slowed bytes/s (100000 are configured); another client has $others"
[ "$slowed" -gt 60000 ] && [ "$slowed" -lt 130000 ] || fail "10.20.0.66 has $slowed bytes/s"
[ "$others" -gt 300000 ] || fail "10.20.0.13 has $others bytes/s"
over() { ! ask slow --list | grep -q '^10.20.0.66 '; }
wait_until 15 "it ends by itself" over
sleep 1.1
afterwards=$(speed 66)
[ "$afterwards" -gt 300000 ] || fail "afterwards 10.20.0.66 has $afterwards bytes/s"

# --- afterwards, also when the log is gone ---
# The kernel keeps a probe's last packets back until there are more.
for n in 1 2; do speed 12 >"$dir/speed"; done
logged() { [ "$(grep -c part.bin "$dir/squid/access.log")" = 5 ]; }
wait_until 5 "the last request is logged" logged
cp "$dir/squid/access.log" "$dir/logged"
mv "$dir/squid/access.log" "$dir/squid/access.log.1"
squid -k rotate -f "$dir/squid.conf"
rm "$dir/squid/access.log.1"
answers() {
	local e by

	tell_all
	for e in edge edge5 edge10 inside inside5 inside10; do
		ask top --from -5m --by client --json "exporter $e" >"$dir/client-$e.json"
	done
	for by in client url site; do
		ask top --from -5m --by $by -n 40 --json >"$dir/by-$by.json"
	done
	ask flows --from -5m --urls --sort bytes -n 3 --json exporter edge >"$dir/flows.json"
	"$python" tests/e2e/lib/clinic_after.py "$dir"
} >"$dir/answers.log" 2>&1
wait_until 40 "all exporters have told all, and the answers are right" answers
cat "$dir/answers.log"
ask top --from -5m --by client
stop_daemon
say "the story took $SECONDS s"

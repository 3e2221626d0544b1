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
# no line in the log yet; it is named all the same.
#
# It needs root and namespaces. Without, it says so; under CI that is a failure.
if [ -z "${CLINIC_INSIDE:-}" ]; then
	if unshare --net --mount true 2>/dev/null && [ "$(id -u)" = 0 ]; then
		export CLINIC_INSIDE=1
		exec unshare --net --mount --propagation private "$0"
	fi
	echo "NOT TESTED: the clinic needs root and network namespaces, which this user or" \
		"machine does not have; run it as root." >&2
	[ "${CI:-}" != true ] || exit 1
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
for host in 11 12 13 14 17 66; do lan ip addr add 10.20.0.$host/24 dev eth0; done
internet ip link set lo up
internet ip addr add 192.0.2.1/24 dev eth0
internet ip addr add 198.51.100.10/32 dev lo
internet ip link set eth0 up
ip route add default via 192.0.2.1
# The slow link: 20 Mbit/s each way.
internet tc qdisc add dev eth0 root tbf rate 20mbit burst 64kbit latency 200ms
tc qdisc add dev wan root tbf rate 20mbit burst 64kbit latency 200ms

for n in $(seq -w 1 16); do head -c 2000000 /dev/urandom >"$dir/web/music/track$n.mp3"; done
head -c 20000 /dev/urandom | base64 >"$dir/web/index.html"
truncate -s 400M "$dir/web/film.iso"
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
cat >"$dir/squid.conf" <<END
http_port 10.20.0.1:3128
acl clients src 10.20.0.0/24
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
for side in "lan 1 10.20.0.1" "wan 2 192.0.2.2"; do
	read -r name index address <<<"$side"
	softflowd -d -i "$index:$name" -n "$address:$udp" -v 9 -t maxlife=15 -t tcp=10 \
		-t general=10 -t expint=5 -p "$dir/$name.pid" -c "$dir/$name.ctl" \
		>"$dir/softflowd-$name.log" 2>&1 &
	started+=($!)
done

fetch() { # CLIENT URL
	lan curl -sf -m 60 -o /dev/null --interface "10.20.0.$1" -x 10.20.0.1:3128 "$2"
}
wait_until 20 "the proxy answers" fetch 11 http://www.example.org/

# --- ordinary browsing ---
until=$((SECONDS + 12))
while [ $SECONDS -lt $until ]; do
	fetch $((11 + RANDOM % 4)) "http://www.example.org/?session=$RANDOM"
	sleep 0.3
done
wait_until 30 "the browsing is archived" at_least 10 culprit_archive_flows_total
expect "messages after ordinary browsing" 1 "$(grep -c '' "$dir/hook.jsonl")"

# --- the incident ---
for n in $(seq -w 1 16); do
	fetch 66 "http://nobody:secret@cdn-7.example.net/music/track$n.mp3?key=secret"
done &
started+=($!)
wait_until 45 "a webhook" has "$dir/hook.jsonl" wan-busy
wait_until 15 "a mail" has "$dir/mail.jsonl" wan-busy

# --- a download that is still running ---
fetch 17 http://cdn-7.example.net/film.iso &
started+=($!)
wait_until 45 "a webhook about the film" has "$dir/hook.jsonl" film.iso
running $! || fail "the download was over"
"$python" tests/e2e/lib/clinic.py "$dir"

# --- afterwards, also when the log is gone ---
ask() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }
tracks_known() {
	ask top --from -5m --by url -n 30 --json >"$dir/urls.json" &&
		[ "$(jq '[.rows[] | select(.url | test("/music/"))] | length' "$dir/urls.json")" = 16 ]
}
wait_until 15 "all tracks are kept" tracks_known
cp "$dir/squid/access.log" "$dir/logged"
rm "$dir"/squid/access.log
for by in client url site; do
	ask top --from -5m --by $by -n 30 --json exporter edge >"$dir/by-$by.json"
done
ask top --from -5m --by client
ask flows --from -5m --urls --sort bytes -n 3 --json exporter edge >"$dir/flows.json"
"$python" tests/e2e/lib/clinic_after.py "$dir"
stop_daemon

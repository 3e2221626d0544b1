#!/bin/bash
# squid_sent.sh - Squid sends its log over TCP and UDP; who asked for what is known.
# SPDX-License-Identifier: ISC
# timeout: 60
. "$(dirname "$0")/lib/lib.sh"

read -r proxy tcp_port udp_port from_66 from_67 < <(free_ports 5)
conf <<END
exporter inside { address = "127.0.0.1" }
squid { log = "tcp://127.0.0.1:$tcp_port"  address = "127.0.0.9" }
squid { log = "udp://127.0.0.1:$udp_port"  address = "127.0.0.10" }
END
start_daemon

# A proxy that knows nobody: its error pages are logged like any answer.
mkdir -m 777 "$dir/squid"
cat >"$dir/squid.conf" <<END
http_port 127.0.0.9:$proxy
http_access allow all
never_direct deny all
$(sed -n '/^logformat/p' contrib/squid/culprit-log.conf)
acl by_tcp url_regex /by-tcp/
access_log tcp://127.0.0.1:$tcp_port logformat=culprit on-error=drop by_tcp
access_log udp://127.0.0.1:$udp_port buffer-size=0KB logformat=culprit !by_tcp
cache_log $dir/squid/cache.log
pid_filename $dir/squid/pid
cache deny all
cache_mem 8 MB
coredump_dir $dir/squid
pinger_enable off
buffered_logs off
visible_hostname proxy.example
END
[ "$(id -u)" != 0 ] || chown -R proxy "$dir/squid"
squid -f "$dir/squid.conf" -N >"$dir/squid.log" 2>&1 &
started+=($!)
fetch() { # CLIENT PORT URL
	curl -s -o /dev/null -m 10 --local-port "$2" --interface "127.0.0.$1" \
		-x "127.0.0.9:$proxy" "$3"
}
wait_until 15 "the proxy answers" curl -s -o "$dir/answer" -m 5 -x "127.0.0.9:$proxy" \
	http://127.0.0.1:1/
fetch 66 "$from_66" 'http://user:secret@127.0.0.1:1/by-tcp/track.mp3?secret'
fetch 67 "$from_67" 'http://127.0.0.1:1/by-udp/<script>alert(1)</script>'

# What the LAN's exporter saw of both, and of the second proxy's name for the same.
"$python" - "$udp" "$from_66" "$from_67" <<'END'
import sys, nf
e = nf.Exporter(10, int(sys.argv[1]), source="127.0.0.1")
e.send_template()
e.send_flows([nf.flow(src=proxy, dst=client, bytes=9_000, packets=10,
                      dport=port, start=nf.now_ms() - 9000)
              for proxy, client, port in (("127.0.0.9", "127.0.0.66", int(sys.argv[2])),
                                          ("127.0.0.10", "127.0.0.67", int(sys.argv[3])))])
END
known() {
	"$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" top --from -1m --by client,url \
		"$@" >"$dir/known" 2>"$dir/said" && grep -q by-tcp "$dir/known" &&
		grep -q by-udp "$dir/known"
}
wait_until 20 "both are kept" known --csv
cat "$dir/known"
grep -q '^127.0.0.66,127.0.0.1:1/by-tcp/track.mp3,' "$dir/known" || fail "by TCP"
grep -q '^127.0.0.67,' "$dir/known" || fail "by UDP"
! grep -q secret "$dir/known" || fail "a secret was kept"
stop_daemon

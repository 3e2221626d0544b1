#!/bin/bash
# redis.sh - history on a Redis that is stopped, hangs, is full: nothing is lost.
# SPDX-License-Identifier: ISC
# timeout: 200
#
# In each state flows are counted to the unit and an alert goes out within seconds; what
# belongs into history waits on disk, also over the daemon's own restart, and follows.
# Redis writes its log through: what it took it has. (One that comes back with less gets
# again what the spool still keeps: tests/store/writer.c. What it took and lost of a bin
# that had ended is gone, which a run over the end of a bin would show here.)
. "$(dirname "$0")/lib/lib.sh"

redis=
socket=$dir/redis.sock
start_redis() {
	redis-server --port 0 --unixsocket "$socket" --unixsocketperm 777 --dir "$dir" \
		--save '' --appendonly yes --appendfsync always >>"$dir/redis.log" 2>&1 &
	redis=$!
	started+=("$redis")
	wait_until 10 "redis-server answers" answers
}
answers() { [ "$(redis-cli -s "$socket" ping 2>/dev/null)" = PONG ]; }
stop_redis() {
	kill -KILL "$redis"
	wait "$redis" 2>/dev/null || :
}
history_is() { [ "$(figure culprit_history_up)" = "$1" ]; }
spooled() { [ "$(figure culprit_history_spool_bins)" -gt 0 ]; }
backfilled() { history_is 1 && [ "$(metric culprit_history_spool_bins)" = 0 ]; }

sink hook http_sink.py
conf <<END
history { url = "redis+unix://$socket" }
rule busy {
	measure = "bits/s"
	by = "exporter"
	window = "10s"
	above = "500M"
	notify = {"hook"}
}
notify hook { webhook = "http://127.0.0.1:$hook_port/ok" }
END
flows=0 bytes=0 alerts=0

# traffic WORD: flows, and an alert of a new exporter; both must be there in seconds.
traffic() {
	local sent began

	sent=$("$blast" -p v9 -d "127.0.0.1:$udp" -n 8000 -r 16000)
	flows=$((flows + $(field .flows <<<"$sent")))
	bytes=$((bytes + $(field .bytes <<<"$sent")))
	alerts=$((alerts + 1))
	began=$(now_ms)
	burst "127.0.1.$alerts" "10.66.66.$alerts"
	wait_until 10 "a webhook with Redis $1" has "$dir/hook.jsonl" "10\\.66\\.66\\.$alerts"
	say "Redis $1: webhook after $(($(now_ms) - began)) ms"
	wait_until 10 "$flows flows are counted with Redis $1" at_least $((flows + alerts)) \
		culprit_flows_total
	expect "flows with Redis $1" $((flows + alerts)) "$(metric culprit_flows_total)"
	expect "bytes with Redis $1" $((bytes + alerts * 2000000000)) \
		"$(metric culprit_bytes_total)"
}

start_redis
start_daemon
traffic "up"
wait_until 10 "history is up" history_is 1

stop_redis
traffic "stopped"
wait_until 20 "the daemon sees that Redis is away" history_is 0
wait_until 20 "bins wait on disk" spooled
start_redis
wait_until 40 "all is backfilled after the stop" backfilled

kill -STOP "$redis"
traffic "hanging"
wait_until 30 "the daemon sees that Redis hangs" history_is 0
kill -CONT "$redis"
wait_until 40 "all is backfilled after SIGSTOP" backfilled

expect "maxmemory" OK "$(redis-cli -s "$socket" config set maxmemory 1)"
expect "noeviction" OK "$(redis-cli -s "$socket" config set maxmemory-policy noeviction)"
traffic "full"
wait_until 30 "the daemon sees that Redis is full" history_is 0
expect "maxmemory" OK "$(redis-cli -s "$socket" config set maxmemory 0)"
wait_until 40 "all is backfilled after it was full" backfilled

# The daemon ends while Redis is away; the next one brings what was left.
stop_redis
traffic "away at the end"
stop_daemon
start_redis
start_daemon
wait_until 40 "all is backfilled after the restart" backfilled

# A flow counts in the bin of its end, its bytes in all that it lasted: they come apart.
in_history() { history 'any|exporter=127.0.0.1' | jq -r '"\(.flows) \(.bytes)"'; }
caught_up() { [ "$(in_history)" = "$flows $bytes" ]; }
wait_until 20 "the history has all $flows flows, $bytes bytes" caught_up
expect "alerts in the history" "$alerts" \
	"$(redis-cli -s "$socket" zcard 'culprit:{alerts}:by-time')"
expect "bins given up" 0 "$(figure culprit_history_dropped_bins_total)"
redis-cli -s "$socket" --scan >"$dir/keys"
while read -r key; do
	[ "$(redis-cli -s "$socket" ttl "$key")" -gt 0 ] || fail "$key has no time to live"
done <"$dir/keys"
nothing_lost
stop_daemon

#!/bin/bash
# counts.sh - what was sent is what is counted: datagrams, flows, octets, packets.
# SPDX-License-Identifier: ISC
# timeout: 120
# alone
. "$(dirname "$0")/lib/lib.sh"

conf </dev/null
start_daemon

# Nothing sent yet, all four protocols one after another: the sums must be these.
datagrams=0 flows=0 bytes=0 packets=0

one() { # PROTOCOL LABEL EXPORTERS
	local sent n

	sent=$("$blast" -p "$1" -d "127.0.0.1:$udp" -n 20000 -r 20000 -e "$3")
	say "$sent"
	n=$(field .flows <<<"$sent")
	expect "$1: datagrams refused by the kernel" 0 "$(field .refused <<<"$sent")"
	wait_until 10 "$n flows of $1 are counted" at_least "$n" culprit_flows_total \
		"protocol=\"$2\""
	datagrams=$((datagrams + $(field .datagrams <<<"$sent")))
	flows=$((flows + n))
	bytes=$((bytes + $(field .bytes <<<"$sent")))
	packets=$((packets + $(field .packets <<<"$sent")))
	expect "flows of $1" "$n" "$(metric culprit_flows_total "protocol=\"$2\"")"
	expect "datagrams of $1" "$(field .datagrams <<<"$sent")" \
		"$(metric culprit_datagrams_received_total "protocol=\"$2\"")"
	expect "bytes so far" "$bytes" "$(metric culprit_bytes_total)"
	expect "packets so far" "$packets" "$(metric culprit_packets_total)"
}

one v5 netflow5 3
one v9 netflow9 4
one ipfix ipfix 2
one sflow sflow5 3
nothing_lost
ledger_holds
expect "exporters seen" 4 "$(grep -c '^culprit_bytes_total{' "$dir/metrics")"
expect "malformed or waiting sets" 0 "$(($(metric culprit_sets_total) - \
	$(metric culprit_sets_total 'outcome="decoded"')))"

wait_until 10 "all $flows flows are analysed" at_least "$flows" culprit_window_flows_total
expect "flows analysed" "$flows" "$(metric culprit_window_flows_total)"
promtool check metrics <"$dir/metrics" 2>"$dir/promtool.log" ||
	fail "promtool check metrics: $(cat "$dir/promtool.log")"

# The archive tells the same as the counters did; its last rows go there at the end.
stop_daemon
total=$("$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" top --from -10m --whole \
	-n 1 --json 2>"$dir/top.log" | jq -c .total)
expect "whole flows in the archive" \
	"{\"bytes\":$bytes,\"packets\":$packets,\"flows\":$flows}" "$total"
say "counted to the unit: $datagrams datagrams, $flows flows, $bytes bytes, $packets packets"

# --- what the kernel had to drop is known too: the buffer is small, and nobody reads it ---

conf <<<'receive_buffer = "64k"'
start_daemon
granted=$(figure culprit_socket_receive_buffer_bytes)
{ [ "$granted" -gt 0 ] && [ "$granted" -lt 1000000 ]; } || fail "a buffer of $granted was granted"
kill -STOP "$daemon"
sent=$("$blast" -p v5 -d "127.0.0.1:$udp" -n 30000)
kill -CONT "$daemon"
n=$(field .datagrams <<<"$sent")
all_known() {
	scrape
	[ $(($(metric culprit_datagrams_received_total) +
		$(metric culprit_kernel_dropped_datagrams_total))) = "$n" ]
}
wait_until 10 "each of $n datagrams is received or dropped" all_known
[ "$(metric culprit_kernel_dropped_datagrams_total)" -gt 0 ] || fail "nothing was dropped"
stop_daemon
say "of $n datagrams $(metric culprit_kernel_dropped_datagrams_total) were dropped by the kernel"

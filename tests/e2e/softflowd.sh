#!/bin/bash
# softflowd.sh - a real exporter: what softflowd says it sent is what arrived.
# SPDX-License-Identifier: ISC
# timeout: 120
#
# It reads one capture three times, as NetFlow v5 (IPv4 only), v9 and IPFIX. Its own
# statistics name flow records and datagrams; the capture's IP lengths name the octets.
. "$(dirname "$0")/lib/lib.sh"

conf </dev/null
start_daemon
"$python" tests/e2e/lib/capture.py "$dir/capture.pcap" >"$dir/capture.json"
say "capture: $(cat "$dir/capture.json")"
captured() { jq "$1" <"$dir/capture.json"; }

bytes=0 packets=0

one() { # VERSION LABEL EXPECTED_FLOWS EXPECTED_PACKETS EXPECTED_BYTES
	local out=$dir/softflowd-$1.log records datagrams line label="protocol=\"$2\""

	timeout 60 softflowd -r "$dir/capture.pcap" -n "127.0.0.1:$udp" -v "$1" -d \
		-p "$dir/softflowd.pid" -c none >"$out" 2>&1 || fail "softflowd ended with $?"
	line=$(grep '^Flows exported:' "$out")
	records=$(sed 's/.*(\([0-9]*\) records).*/\1/' <<<"$line")
	datagrams=$(sed 's/.* in \([0-9]*\) packets.*/\1/' <<<"$line")
	expect "v$1: failures of softflowd" "(0 failures)" "${line#* packets }"
	expect "v$1: records that softflowd sent of the capture's flows" "$3" "$records"
	wait_until 10 "$records flows of $2" at_least "$records" culprit_flows_total "$label"
	expect "v$1: flows" "$records" "$(metric culprit_flows_total "$label")"
	expect "v$1: datagrams" "$datagrams" \
		"$(metric culprit_datagrams_received_total "$label")"
	packets=$((packets + $4)) bytes=$((bytes + $5))
	expect "v$1: packets so far" "$packets" "$(metric culprit_packets_total)"
	expect "v$1: bytes so far" "$bytes" "$(metric culprit_bytes_total)"
	say "v$1: $records records in $datagrams datagrams, $5 bytes, all counted"
}

one 5 netflow5 "$(captured .v4.flows)" "$(captured .v4.packets)" "$(captured .v4.bytes)"
for v in "9 netflow9" "10 ipfix"; do
	one $v "$(captured .v4.flows+.v6.flows)" "$(captured .v4.packets+.v6.packets)" \
		"$(captured .v4.bytes+.v6.bytes)"
done
nothing_lost
ledger_holds
expect "sets without template" 0 "$(metric culprit_sets_total 'outcome="no_template"')"
all=$(metric culprit_flows_total)
wait_until 10 "all is archived" at_least "$all" culprit_archive_flows_total
wait_until 1 "both IP versions are in the archive" test 2 -le \
	"$(get "/api/v1/top?from=-10m&by=src&n=1000" |
		jq '[.rows[].values[0] | contains(":")] | unique | length')"
stop_daemon

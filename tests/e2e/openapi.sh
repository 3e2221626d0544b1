#!/bin/bash
# openapi.sh - every answer of the API is as contrib/openapi.yaml describes it.
# SPDX-License-Identifier: ISC
# timeout: 120
. "$(dirname "$0")/lib/lib.sh"

conf <<END
exporter edge { address = "127.0.0.1" interface 2 { name = "WAN" } }
squid { address = "10.20.0.1" manager = "http://127.0.0.1:1" }
rule anything { measure = "bits/s" by = "exporter" window = "10s" above = "1k" for = "0s" }
END
start_daemon
"$blast" -p v9 -d "127.0.0.1:$udp" -n 5000 -r 5000 -e 3 >"$dir/blast.json"
wait_until 10 "flows are archived" at_least 5000 culprit_archive_flows_total
fired() { get /api/v1/alerts | jq -e '.alerts | length > 0' >/dev/null; }
wait_until 15 "an alert fires" fired
"$python" tests/e2e/lib/openapi.py "http://127.0.0.1:$http" contrib/openapi.yaml \
	contrib/alert.schema.json daemon/http/routes.c "$dir/state/write.token"
stop_daemon

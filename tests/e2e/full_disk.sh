#!/bin/bash
# full_disk.sh - no room for the archive: it pauses, says so once, and goes on by itself.
# SPDX-License-Identifier: ISC
# timeout: 120
#
# The archive lies on a file system of 4 MiB (tmpfs), which something else fills up.
# Nothing but the archive may notice: counting, answers and alerts go on. Whoever is not
# root mounts it in a namespace, and is himself again in another one within.
if [ "$(id -u)" != 0 ] && [ "${1:-}" != at ]; then
	exec unshare --user --map-root-user --mount "$0" as "$(id -u)" "$(id -g)"
fi
if [ "${1:-}" = as ]; then
	mount -t tmpfs -o size=4m none /mnt || exit 1 # nobody else sees it
	exec unshare --user --map-user="$2" --map-group="$3" "$0" at /mnt
fi
. "$(dirname "$0")/lib/lib.sh"

flows=$dir/flows
if [ "${1:-}" = at ]; then
	flows=$2/flows
	mkdir "$flows"
else
	mkdir "$flows"
	mount -t tmpfs -o "size=4m,uid=$owner" none "$flows"
	trap 'umount -l "$flows" 2>/dev/null; finish' EXIT
fi
sink hook http_sink.py
conf <<END
archive { directory = "$flows" }
rule busy { measure = "bytes"  by = "none"  window = "10s"  above = "1G"  for = "0s"
	notify = {"hook"} }
notify hook { webhook = "http://127.0.0.1:$hook_port/ok" }
END
start_daemon --clock "$(date +%s)*4" # it writes every ten seconds, and tries every five

send() { # FLOWS SEED
	"$blast" -p ipfix -d "127.0.0.1:$udp" -n "$1" -r 50000 -s "$2" >/dev/null
}
paused() { [ "$(figure culprit_archive_paused)" = "$1" ]; }
written() { figure culprit_archive_flows_total; }
lost() { figure culprit_archive_dropped_flows_total; }
wrote_more_than() { [ "$(written)" -gt "$1" ]; }
said() { grep -c -- "$1" "$dir/culpritd.log" || :; }

# --- there is room ---

send 20000 1
wait_until 20 "flows are kept" wrote_more_than 0
paused 0 || fail "paused although there is room"

# --- there is none ---

dd if=/dev/zero of="$flows/filler" bs=4k 2>"$dir/dd.log" || :
send 50000 2
wait_until 30 "the archive pauses" paused 1
for i in 3 4; do send 50000 $i; done
burst 127.0.0.1 198.51.100.7
wait_until 20 "an alert is raised all the same" has "$dir/hook.jsonl" firing
wait_until 10 "flows go on being counted" at_least 170000 culprit_flows_total
wait_until 30 "what cannot be kept is counted" at_least 1 culprit_archive_dropped_flows_total
expect "how often it was said that the archive pauses" 1 "$(said 'archive pauses')"
expect "readiness" ready "$(get /readyz)"

# --- there is room again ---

rm "$flows/filler"
before=$(written)
send 1000 5
wait_until 10 "the archive goes on" paused 0
send 20000 6
wait_until 20 "flows are kept again" wrote_more_than "$before"
expect "how often it was said that it goes on" 1 "$(said 'archive goes on')"
say "kept $(written) flows, left out $(lost)"
stop_daemon
"$BUILD/culprit" verify "$flows" >"$dir/verify.log" 2>&1 ||
	fail "not whole: $(cat "$dir/verify.log")"

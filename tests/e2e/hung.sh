#!/bin/bash
# hung.sh - a file system that does not answer holds neither flows, alerts nor the end.
# SPDX-License-Identifier: ISC
#
# The proxy's log, leases, hosts and AS lie on a "network file system": a library stands
# between the daemon and the C library and lets whoever touches a path with /hung/ in it wait
# for as long as a file says, as a dead NFS server does. First when all is well, then from
# the start.
. "$(dirname "$0")/lib/lib.sh"

mkdir -m 755 "$dir/hung"
cat >"$dir/hang.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
static void hang(const char *path)
{
	while (path && strstr(path, "/hung/") && !access(getenv("HANG"), F_OK)) {
		struct timespec t = { 0, 20000000 };
		nanosleep(&t, NULL);
	}
}
#define OPEN(name)                                                                           \
	int name(const char *path, int flags, ...)                                           \
	{                                                                                    \
		int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);               \
		va_list ap;                                                                  \
		mode_t mode;                                                                 \
		va_start(ap, flags);                                                         \
		mode = va_arg(ap, mode_t);                                                   \
		va_end(ap);                                                                  \
		hang(path);                                                                  \
		return real(path, flags, mode);                                              \
	}
OPEN(open)
OPEN(open64)
#define STAT(name)                                                                           \
	int name(const char *path, struct stat *st)                                          \
	{                                                                                    \
		int (*real)(const char *, struct stat *) = dlsym(RTLD_NEXT, #name);          \
		hang(path);                                                                  \
		return real(path, st);                                                       \
	}
STAT(stat)
STAT(lstat)
END
${CC:-cc} -shared -fPIC -Wno-nonnull-compare -o "$dir/hang.so" "$dir/hang.c" -ldl
chmod 755 "$dir/hang.so"
export HANG=$dir/hang

sink chat http_sink.py
conf <<END
exporter edge { address = "127.0.0.1" }
squid { log = "$dir/hung/access.log" address = "192.0.2.2" }
names { dns = no hosts = "$dir/hung/hosts" leases = {"$dir/hung/leases"}
	as = "$dir/hung/as.mmdb" country = "$dir/hung/country.mmdb" }
rule busy { measure = "bytes" by = "dst" window = "1m" above = "1M" notify = {"chat"} }
notify chat { webhook = "http://127.0.0.1:$chat_port/x" }
END
echo '198.51.100.1 first.example.net' >"$dir/hung/hosts"
: >"$dir/hung/access.log"
chmod 644 "$dir"/hung/*
start_hung() {
	export LD_PRELOAD=$dir/hang.so ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0
	start_daemon
	unset LD_PRELOAD
}

# --- it hangs while the daemon runs ---
start_hung
burst 127.0.0.1 198.51.100.1
wait_until 20 "an alert before" has "$dir/chat.jsonl" first.example.net
touch "$dir/hang"
echo '198.51.100.2 second.example.net' >>"$dir/hung/hosts"
from=$SECONDS
while [ $((SECONDS - from)) -lt 3 ]; do # the files are looked at every two seconds
	get /healthz >/dev/null || fail "the daemon does not answer any more"
	sleep 0.2
done
burst 127.0.0.1 198.51.100.2
wait_until 10 "an alert while the files hang" has "$dir/chat.jsonl" 198.51.100.2
at_least 2 culprit_flows_total || fail "flows are not counted any more"
stop_daemon
has "$dir/culpritd.log" 'not waiting for it' || fail "it ended without a word of what hangs"

# --- it hangs from the start; then it answers ---
: >"$dir/chat.jsonl"
start_hung
burst 127.0.0.1 198.51.100.3
wait_until 10 "an alert of a daemon that began so" has "$dir/chat.jsonl" 198.51.100.3
has "$dir/culpritd.log" 'do not answer; going on without' || fail "nothing is said of it"
echo '198.51.100.4 fourth.example.net' >>"$dir/hung/hosts"
rm "$dir/hang"
# Names are there again some time; each alert until then goes without.
named() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" alerts --json |
	jq -e '[.alerts[].top_flows[] | select(.dst_name == "fourth.example.net")] | length > 0' >/dev/null; }
burst 127.0.0.1 198.51.100.4
wait_until 30 "the names are back" named
stop_daemon
say "ok: a file system that hangs holds nobody"

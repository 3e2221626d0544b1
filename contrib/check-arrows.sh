#!/bin/sh
# check-arrows.sh - fails when a folder includes one that it may not.
# SPDX-License-Identifier: ISC
#
# Each row: a folder, then the folders (or single headers) it may include beside
# itself. daemon/*.c is where everything meets and may include all. A folder
# that is not listed is an error too, so that a new one is thought about. The tool
# (daemon/cli) sends a test message by itself where no daemon runs: notify.h. It runs the
# daemon's engine over the past: backtest.h, and rule.h for what a rule says.
set -eu
cd "$(dirname "$0")/.."
low='daemon/model daemon/base'
stage="rules/filter $low"
front="daemon/window/view.h storage storage/archive daemon/evidence $stage"
may="
daemon/base
daemon/model daemon/base
rules/filter $low
daemon/collect $stage
daemon/window $stage
detectors $stage
rules daemon/model daemon/base rules/filter detectors
storage $stage
storage/archive $stage
daemon/evidence storage/archive $stage
daemon/notify $stage
daemon/act $low
daemon/http $front
daemon/import daemon/collect storage/archive $stage
daemon/cli daemon/collect daemon/act detectors daemon/config.h daemon/notify/notify.h daemon/backtest.h rules/rule.h $front
daemon/cli daemon/import daemon/refill.h daemon/learn.h
"
find daemon rules detectors storage -name '*.[ch]' -o -name '*.def' 2>/dev/null |
	sort | xargs grep -n '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' /dev/null |
	MAY="$may" awk '
	BEGIN {
		rows = split(ENVIRON["MAY"], row, "\n")
		for (i = 1; i <= rows; i++) {
			n = split(row[i], w, " ")
			if (n)
				known[w[1]] = ok[w[1], w[1]] = 1
			for (j = 2; j <= n; j++)
				ok[w[1], w[j]] = 1
		}
	}
	function dir(path) {
		return sub("/[^/]*$", "", path) ? path : ""
	}
	function bad(why) {
		print where ": " why
		failed = 1
	}
	{
		split($0, part, ":")
		where = part[1] ":" part[2]
		from = dir(part[1])
		split($0, quoted, "\"")
		to = dir(quoted[2])
		if (from == "daemon")
			next
		if (to == "")
			bad("write the include from the root, as in \"daemon/base/addr.h\"")
		else if (!(from in known))
			bad(from " is not listed in contrib/check-arrows.sh")
		else if (!((from, to) in ok) && !((from, quoted[2]) in ok))
			bad(from " may not include " quoted[2])
	}
	END { exit failed }'

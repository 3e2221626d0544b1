#!/bin/sh
# imports.sh - readers of other collectors' files, against files made here and of others.
# SPDX-License-Identifier: ISC
# timeout: 300
#
# Files of others are not in this repository; where CULPRIT_CAPTURES (or
# ../shared/data/flows) names a directory with a MANIFEST.tsv, those of nfdump and flow-tools
# are imported and held against its rows.
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
# In memory where that is possible: what is slow about many small imports is the disk.
dir=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
python3 tests/conformance/flowfiles.py "$build/culprit" "$dir" \
	"${CULPRIT_CAPTURES-../shared/data/flows}"

#!/bin/sh
# captures.sh - the decoders against fixtures of ours and captures of others.
# SPDX-License-Identifier: ISC
# timeout: 300
#
# tests/conformance/fixtures/*.txt always run. Captures of real devices belong to others
# and are not in this repository; where the variable CULPRIT_CAPTURES (or
# ../shared/data/flows) names a directory with a MANIFEST.tsv, each of its files is
# decoded and held against what its origin's own test asserts.
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
make --no-print-directory -s "$build/tests/tools/decode" ${SAN:+SAN=1} || exit 1
exec python3 tests/conformance/captures.py "$build/tests/tools/decode" \
	"${CULPRIT_CAPTURES-../shared/data/flows}"

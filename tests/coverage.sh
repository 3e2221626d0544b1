#!/bin/bash
# coverage.sh DIRECTORY PERCENT - how many lines of a directory the tests run.
# SPDX-License-Identifier: ISC
#
# For `make coverage`, which has built everything below $BUILD with gcc's --coverage: runs
# the unit tests that are there, the corpus of the fuzz targets and the fixtures, then asks
# gcov. Prints a line for each file, the lines that nothing ran, and the sum; fails when a
# test does, or when the sum is below PERCENT.
set -u
cd "$(dirname "$0")/.." || exit 1
directory=$1 least=$2
export BUILD=${BUILD:-build/cov} COV=1 CC=gcc CFLAGS='-O0 -g'
lists=$BUILD/gcov
rm -rf "$lists"
mkdir -p "$lists"
find "$BUILD" -name '*.gcda' -delete

mapfile -t tests < <(find "$BUILD/tests" -type f -executable \
	\( -name 'test_*' -o -name 'replay_fuzz_*' \) | sort)
tests/run.sh "${tests[@]}" tests/conformance/captures.sh || exit 1

for c in "$directory"/*.c; do
	gcov -p -o "$BUILD/$directory" "$c" 2>/dev/null |
		grep -A1 "^File '$c'" | sed -n 's/^Lines executed:\(.*\)% of \(.*\)/\1 \2/p' |
		while read -r percent lines; do
			printf '%-34s %6s %% of %4d lines\n' "$c" "$percent" "$lines"
		done
	mv -f -- *.gcov "$lists" 2>/dev/null
done | tee "$lists/files"
for list in "$lists/${directory//\//#}"#*.c.gcov; do
	sed -n "s|^ *#####: *|${list##*#}:|p" "$list"
done | sed 's/\.gcov:/:/' >"$lists/unrun"
echo "lines that no test runs: $lists/unrun ($(grep -c '' "$lists/unrun"))"
awk -v least="$least" -v d="$directory" '
	{ n += $5; run += $2 * $5 / 100 }
	END {
		percent = n ? 100 * run / n : 0
		printf "%s: %.1f %% of %d lines run, %d %% wanted\n", d, percent, n, least
		exit percent < least
	}' "$lists/files"

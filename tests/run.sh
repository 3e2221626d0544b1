#!/bin/bash
# run.sh TEST... - runs tests, several at a time; ends with "N passed, N failed".
# SPDX-License-Identifier: ISC
#
# As many at a time as there are processors, or JOBS. Scripts come first: they mostly wait,
# and programs fill the time. One that measures or needs the machine for itself says so in
# a line "# alone" and runs at the end, with nothing beside it.
#
# A TEST is a cmocka program, whose closing lines are counted, or any other
# program or script, which counts as one by its exit code. Every test has its
# own time-out: 120 s (600 s under sanitizers), a script 300 s, or the number in
# a line "# timeout: N" of the script's. What a failing test said is shown whole
# (its last 200 lines), and kept for all in $BUILD/tests/log/. A skipped
# test is a failed one: `make check` has installed what the tests need.
#
# BUILD (default build) tells scripts where the programs are: $BUILD/culpritd. A
# script that is not executable is no test but a part of others.
set -u
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$PWD/tests/lsan.supp:print_suppressions=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
jobs=${JOBS:-$(nproc)}
# glibc: what a test frees it may want again. Those that open an archive a thousand times
# spent most of their time in the kernel, which cleared the same pages for each. The
# daemon itself sets its own limits, and scripts start it as people do.
heap=(MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=1073741824)
logs=$BUILD/tests/log
mkdir -p "$logs"
sums=$(mktemp) || exit 1 # a line "PASSED FAILED" of each test
trap 'rm -f "$sums"' EXIT

# The sum of the numbers in cmocka's "[  WORD  ] N test(s)" lines of a log.
count() {
	sed -n "s/^\[  $1 *\] \([0-9][0-9]*\) test(s).*/\1/p" "$2" |
		awk '{ n += $1 } END { print n + 0 }'
}

limit_of() {
	local seconds=120

	case $1 in
	*.sh)
		seconds=$(sed -n 's/^# timeout: \([0-9]*\)$/\1/p' "$1")
		seconds=${seconds:-300}
		;;
	esac
	case $BUILD in */san) seconds=$((seconds * 5)) ;; esac
	echo "$seconds"
}

run() {
	local test=$1 name log limit rc good bad skipped began=$SECONDS note= out

	name=${test#"$BUILD"/}
	log=$logs/$(echo "${name#tests/}" | tr / _).log
	limit=$(limit_of "$test")
	case $test in
	*.sh) timeout -k 10 "$limit" "$test" >"$log" 2>&1 </dev/null ;;
	*) timeout -k 10 "$limit" env "${heap[@]}" "$test" >"$log" 2>&1 </dev/null ;;
	esac
	rc=$?
	good=$(count PASSED "$log")
	skipped=$(count SKIPPED "$log")
	bad=$(($(count FAILED "$log") + skipped))
	if ! grep -q '^\[==========\] .*test(s) run' "$log"; then # not cmocka, or it fell
		[ "$rc" = 0 ] && good=1 || bad=$((bad + 1))
	elif [ "$rc" != 0 ] && [ "$bad" = 0 ]; then
		bad=1
	elif [ "$rc" = 0 ] && [ $((good + bad)) = 0 ]; then
		bad=1 note=", no test in it"
	fi
	[ "$rc" = 124 ] || [ "$rc" = 137 ] && note="$note, stopped after $limit s"
	[ "$rc" -gt 128 ] && note="$note, signal $((rc - 128))"
	[ "$rc" != 77 ] || note="$note, skipped"
	[ "$skipped" = 0 ] || note="$note, $skipped of them skipped"
	echo "$good $bad" >>"$sums"
	if [ "$bad" = 0 ]; then
		printf '  ok   %-44s %4d  %3d s\n' "$name" "$good" $((SECONDS - began))
	else
		out=$(printf '  FAIL %-44s %4d failed (exit code %d%s)\n' "$name" "$bad" "$rc" "$note"
			tail -n 200 "$log" | sed 's/^/       | /')
		printf '%s\n' "$out" # in one piece, whoever else prints
	fi
}

scripts=() programs=() alone=()
for test in "$@"; do
	case $test in
	*.sh)
		[ -x "$test" ] || continue
		if grep -q '^# alone$' "$test"; then
			alone+=("$test")
		else
			scripts+=("$test")
		fi
		;;
	*) programs+=("$test") ;;
	esac
done
running=0
for test in "${scripts[@]}" "${programs[@]}"; do
	if [ "$running" -ge "$jobs" ]; then
		wait -n
		running=$((running - 1))
	fi
	run "$test" &
	running=$((running + 1))
done
wait
for test in "${alone[@]}"; do
	run "$test"
done
read -r passed failed < <(awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }' "$sums")
# A test whose sums are missing did not come to its end.
missing=$(($# - $(wc -l <"$sums")))
for test in "$@"; do
	case $test in *.sh) [ -x "$test" ] || missing=$((missing - 1)) ;; esac
done
failed=$((failed + missing))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]

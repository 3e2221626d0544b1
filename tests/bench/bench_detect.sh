#!/bin/sh
# bench_detect.sh - how well does a detector find what it should?
# SPDX-License-Identifier: ISC
#
# Feeds two benchmarks through `culprit score` and prints their scores, each beside what
# it is to reach, what baselines cost (tests/bench/bench_views), and how
# many scans and floods are found in days of ordinary traffic (bench_scan, bench_day):
#   trafficweeks  invented weeks of link traffic with labelled anomalies
#   NAB           the Numenta Anomaly Benchmark, or the part of it that is there
#
#   DETECT_TOOLS=DIR  where trafficweeks.py and nab_score.py are, which are no part of
#                     this project; default ../shared/tools beside the tree
#   NAB_DATA=DIR      the corpus (data/, labels/); default $DETECT_TOOLS/../data/nab
#   NAB_LIST=FILE     only the files it lists; default $NAB_DATA/dev.txt if there
#   SEEDS="1 2 3"     of trafficweeks and scans; default five at random, printed
#   BUDGETS           alarms a week and series; default "0.1 0.3 1"
#   DETECTOR          default seasonal         BUILD  default build
set -eu
BUILD=${BUILD:-build}
CULPRIT=${CULPRIT:-$BUILD/culprit}
DETECTOR=${DETECTOR:-seasonal}
BUDGETS=${BUDGETS:-0.1 0.3 1}
DETECT_TOOLS=${DETECT_TOOLS:-$(dirname "$0")/../../../shared/tools}
[ -x "$CULPRIT" ] || { echo "bench-detect: no $CULPRIT; run make first" >&2; exit 1; }
echo "== what baselines cost"
"$BUILD/tests/bench/bench_views"
SEEDS=${SEEDS:-$(od -An -N10 -tu2 /dev/urandom)}
echo "== scans in days of ordinary traffic, seeds" $SEEDS
"$BUILD/tests/bench/bench_scan" $SEEDS
echo "== floods and scans in mixed days of an office and a provider, all patterns on, same seeds"
"$BUILD/tests/bench/bench_day" $SEEDS
if [ ! -f "$DETECT_TOOLS/trafficweeks.py" ]; then
	echo "bench-detect: there is no trafficweeks.py in $DETECT_TOOLS, so detection was" \
	     "not measured. Say DETECT_TOOLS=DIR make bench-detect" >&2
	exit 0
fi
NAB_DATA=${NAB_DATA:-$DETECT_TOOLS/../data/nab}
NAB_LIST=${NAB_LIST:-$NAB_DATA/dev.txt}
dir=$(mktemp -d "${TMPDIR:-/tmp}/bench-detect.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# make_weeks SEED
make_weeks() {
	python3 "$DETECT_TOOLS/trafficweeks.py" make "$dir/$1" --seed "$1" >/dev/null
	python3 - "$dir/$1" <<'PY'
import json, sys
for name, label in json.load(open(sys.argv[1] + "/labels.json")).items():
    with open(f"{sys.argv[1]}/{name}.holidays", "w") as f:
        f.writelines(day + "\n" for day in label["holidays"])
PY
}

# score_weeks SEED BUDGET
score_weeks() {
	for csv in "$dir/$1"/*.csv; do
		name=$(basename "$csv" .csv)
		"$CULPRIT" score --detector "$DETECTOR" --timezone Europe/Amsterdam \
			--holidays "$dir/$1/$name.holidays" --budget "$2" "$csv" \
			>"$dir/alerts/$name.csv"
	done
	python3 "$DETECT_TOOLS/trafficweeks.py" score "$dir/$1" "$dir/alerts" |
		sed "s|^|seed $1 budget $2: |"
}

# sum_up FILE: of all seeds together
sum_up() {
python3 - "$1" <<'PY'
import re, sys
rows = {}
for line in open(sys.argv[1]):
    if m := re.match(r"seed \S+ budget (\S+): recall (\d+)/(\d+)", line):
        r = rows.setdefault(m[1], [0, 0, 0, 0.0])
        r[0] += int(m[2]); r[1] += int(m[3])
    elif m := re.match(r"seed \S+ budget (\S+): false episodes (\d+).* in (\d+)", line):
        rows[m[1]][2] += int(m[2]); rows[m[1]][3] += float(m[3])
def holds(text, ok):
    return f"{text} ({'holds' if ok else 'MISSED'})"
for budget, (hit, all_, false, weeks) in rows.items():
    recall, precision, rate = hit / all_, hit / max(1, hit + false), false / weeks
    f1, b = 2 * precision * recall / (precision + recall), float(budget)
    print(f"all seeds, budget {budget}:", "recall", f"{recall:.3f}, false episodes a series "
          f"and week {rate:.3f}, F1 {f1:.3f}")
    print("   ", holds(f"realised {rate / b:.2f} of what was stated, 0.5 to 2",
                       b / 2 <= rate <= b * 2), end="")
    if b == 0.1:
        print(", " + holds("recall >= 0.90", recall >= .9) + ", "
              + holds("false <= 0.15", rate <= .15) + ", "
              + holds("F1 >= 0.88", f1 >= .88), end="")
    print()
PY
}

echo "== trafficweeks, detector $DETECTOR, seeds" $SEEDS
mkdir "$dir/alerts"
for seed in $SEEDS; do
	make_weeks "$seed"
	for budget in $BUDGETS; do
		score_weeks "$seed" "$budget"
	done
	rm -rf "${dir:?}/$seed"
done | tee "$dir/weeks"
sum_up "$dir/weeks"

echo "== the same weeks as flows through the daemon's engine, which also judges windows"
for seed in $SEEDS; do
	make_weeks "$seed"
	for csv in "$dir/$seed"/*.csv; do
		name=$(basename "$csv" .csv)
		"$BUILD/tests/bench/bench_weeks" "$csv" "$dir/$seed/$name.holidays" \
			>"$dir/alerts/$name.csv"
	done
	python3 "$DETECT_TOOLS/trafficweeks.py" score "$dir/$seed" "$dir/alerts" |
		sed "s|^|seed $seed budget 0.1: |"
	rm -rf "${dir:?}/$seed"
done | tee "$dir/engine"
sum_up "$dir/engine"

if [ ! -f "$DETECT_TOOLS/nab_score.py" ] || [ ! -d "$NAB_DATA/data" ]; then
	echo "== NAB: not measured, no nab_score.py or no corpus in $NAB_DATA"
	exit 0
fi
echo "== NAB, detector $DETECTOR"
[ -f "$NAB_LIST" ] || (cd "$NAB_DATA/data" && find . -name '*.csv' | sed 's|^\./||') \
	>"$dir/list"
[ -f "$NAB_LIST" ] && grep -v '^#' "$NAB_LIST" >"$dir/list"
while read -r file; do
	mkdir -p "$dir/nab/$(dirname "$file")"
	"$CULPRIT" score --detector "$DETECTOR" "$NAB_DATA/data/$file" >"$dir/nab/$file"
done <"$dir/list"
python3 "$DETECT_TOOLS/nab_score.py" "$dir/nab" --nab "$NAB_DATA" --list "$dir/list"
echo "    to reach with the standard profile: 72, with at most 90 false episodes"

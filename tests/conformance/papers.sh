#!/bin/sh
# papers.sh - what is said outside of the program is what the program can do.
# SPDX-License-Identifier: ISC
#
# Every verb of `culprit` (daemon/cli/cmd_<verb>.c) is in its manual page and in the
# completions of three shells, and nothing else is; every option of culpritd's usage is
# in its page; pages are without mistakes; shell scripts parse; the unit is well formed.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
failed=0

complain() {
	echo "$*"
	failed=1
}

said=$(sed -n 's/^\.It Ic \([a-z-]*\).*/\1/p' contrib/man/culprit.1)
for file in daemon/cli/cmd_*.c; do
	verb=$(basename "$file" .c | sed 's/^cmd_//; s/_/-/g')
	echo "$said" | grep -qx -- "$verb" || complain "contrib/man/culprit.1 lacks $verb"
	for shell in culprit.bash _culprit culprit.fish; do
		grep -qw -- "$verb" "contrib/completions/$shell" ||
			complain "contrib/completions/$shell lacks $verb"
	done
done
if [ -x "$build/culprit" ]; then
	for verb in $said; do
		"$build/culprit" "$verb" --help >/dev/null 2>&1 ||
			complain "contrib/man/culprit.1 has $verb, which culprit does not know"
	done
fi
if [ -x "$build/culpritd" ]; then
	for option in $("$build/culpritd" --help | grep -o -- '--[a-z]*'); do
		grep -q -- "Fl .*-${option#--}" contrib/man/culpritd.8 ||
			complain "contrib/man/culpritd.8 lacks $option"
	done
fi
formats=$(sed -n '/^\.Sh FORMATS/,/^\.Sh ALERT/p' contrib/man/culprit.conf.5)
for word in $(sed -n 's/^FORMAT(\(.*\))/\1/p' daemon/notify/formats.def | tr _ -) \
	$(grep -o '{ "[a-z_]*", w_' daemon/notify/fmt_template.c | cut -d'"' -f2); do
	echo "$formats" | grep -qE "^\.(It )?Ic (.* )?$word( |\$)" ||
		complain "contrib/man/culprit.conf.5 lacks $word in FORMATS"
done
if command -v mandoc >/dev/null; then
	mandoc -T lint -W warning contrib/man/*.[158] || complain "manual pages have mistakes"
fi
for script in contrib/*.sh contrib/init.d/culpritd tests/*.sh; do
	case $(head -n 1 "$script") in
	*bash*) bash -n "$script" || complain "$script does not parse" ;;
	*) sh -n "$script" || complain "$script does not parse" ;;
	esac
done
bash -n contrib/completions/culprit.bash || complain "culprit.bash does not parse"
if command -v systemd-analyze >/dev/null && [ -x "$build/culpritd" ]; then
	dir=$(mktemp -d) || exit 1
	for unit in contrib/systemd/culpritd.*; do
		sed "s|/usr/sbin/culpritd|$PWD/$build/culpritd|; /^Documentation=/d" "$unit" \
			>"$dir/${unit##*/}"
	done
	systemd-analyze verify --man=no --recursive-errors=no "$dir"/culpritd.* ||
		complain "systemd-analyze finds mistakes in contrib/systemd"
	rm -rf "$dir"
fi
if command -v promtool >/dev/null; then
	promtool check rules contrib/prometheus/culprit.rules.yml >/dev/null ||
		complain "contrib/prometheus/culprit.rules.yml has mistakes"
fi
exit $failed

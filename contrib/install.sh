#!/bin/sh
# install.sh PROGRAM... - puts what is there where it belongs; `make install` calls it.
# SPDX-License-Identifier: ISC
#
# An existing configuration is never touched. Service files name /usr/sbin, the
# place distributions use; another PREFIX is written into them.
set -eu
cd "$(dirname "$0")/.."
dest=${DESTDIR-}
prefix=$dest$PREFIX

put() { # MODE FILE FOLDER [NAME]
	[ -e "$2" ] || return 0
	to=$3/${4:-${2##*/}}
	install -D -m "$1" "$2" "$to"
	echo "  INSTALL $to"
}

for program in "$@"; do
	case $program in
	*/culpritd) put 755 "$program" "$prefix/sbin" ;;
	*/culprit-*) put 755 "$program" "$prefix/lib/culprit" ;; # started by others
	*) put 755 "$program" "$prefix/bin" ;;
	esac
done
for page in contrib/man/*.[1-9]; do
	put 644 "$page" "$prefix/share/man/man${page##*.}"
done
units=$prefix/lib/systemd/system
for unit in contrib/systemd/*.service contrib/systemd/*.socket; do
	[ -e "$unit" ] || continue
	put 644 "$unit" "$units"
	if [ "$PREFIX" != /usr ]; then
		sed -i "s|/usr/sbin/|$PREFIX/sbin/|; s|/usr/bin/culprit|$PREFIX/bin/culprit|
			s|/usr/lib/culprit/|$PREFIX/lib/culprit/|" \
			"$units/${unit##*/}"
	fi
done
put 644 contrib/systemd/sysusers.conf "$prefix/lib/sysusers.d" culprit.conf
put 644 contrib/systemd/tmpfiles.conf "$prefix/lib/tmpfiles.d" culprit.conf
put 755 contrib/init.d/culpritd "$dest/etc/init.d"
sed -i "s|^DAEMON=.*|DAEMON=$PREFIX/sbin/culpritd|" "$dest/etc/init.d/culpritd"
for file in contrib/prometheus/*.yml; do
	put 644 "$file" "$prefix/share/culprit/prometheus"
done
# What others write programs against.
for file in alert.schema.json openapi.yaml archive-format.md; do
	put 644 "contrib/$file" "$prefix/share/culprit"
done
put 644 contrib/completions/culprit.bash "$prefix/share/bash-completion/completions" culprit
put 644 contrib/completions/_culprit "$prefix/share/zsh/site-functions"
put 644 contrib/completions/culprit.fish "$prefix/share/fish/vendor_completions.d"
# Shells look for a file with the name of the program.
ln -sf culprit "$prefix/share/bash-completion/completions/culpritd"
ln -sf culprit.fish "$prefix/share/fish/vendor_completions.d/culpritd.fish"
for folder in squid nftables; do
	for file in contrib/$folder/*; do
		put 644 "$file" "$prefix/share/culprit/$folder"
		sed -i "s|/usr/lib/culprit/|$PREFIX/lib/culprit/|g
			s|/usr/share/culprit/|$PREFIX/share/culprit/|g" \
			"$prefix/share/culprit/$folder/${file##*/}"
	done
done
if [ ! -e "$dest/etc/culprit/culprit.conf" ]; then
	put 640 contrib/culprit.conf "$dest/etc/culprit"
fi

#!/bin/sh
# deps.sh - names the packages that are missing, then installs them.
# SPDX-License-Identifier: ISC
#
# deps.sh MODE...: build (to compile), test (to check), fuzz; `list` only says
# what is missing to build. Asks nothing, uses sudo when not root, and is
# done in a moment when nothing is missing. Debian and Ubuntu are used daily; the
# names for Fedora and Alpine come from their package lists. On other systems
# the libraries are looked for by pkg-config and only named.
set -eu

# A|B: A, unless B is there already.
debian_build='gcc make libc6-dev pkg-config|pkgconf libmicrohttpd-dev libesmtp-dev
	libhiredis-dev libconfuse-dev libcurl4-openssl-dev|libcurl4-gnutls-dev libjansson-dev
	libsqlite3-dev libzstd-dev liblz4-dev libmaxminddb-dev libc-ares-dev libxxhash-dev
	libssl-dev libcairo2-dev liblzo2-dev libbz2-dev zlib1g-dev libsnmp-dev
	netbase' # the last: names of protocols and services
debian_test='libcmocka-dev redis-server softflowd nfdump prometheus python3-aiosmtpd
	python3-jsonschema python3-scapy python3-yaml tcpdump curl jq openssl
	prometheus-alertmanager squid nginx-light|nginx iproute2 nftables
	chromium snmpd
	postfix|exim4-daemon-light|exim4-daemon-heavy|opensmtpd|sendmail-bin
	sasl2-bin libsasl2-modules libsasl2-modules-db'
debian_fuzz='clang'
fedora_build='gcc make pkgconf-pkg-config libmicrohttpd-devel libesmtp-devel hiredis-devel
	libconfuse-devel libcurl-devel jansson-devel sqlite-devel libzstd-devel lz4-devel
	libmaxminddb-devel c-ares-devel xxhash-devel openssl-devel cairo-devel lzo-devel
	bzip2-devel zlib-devel|zlib-ng-compat-devel net-snmp-devel'
fedora_test='libcmocka-devel redis|valkey softflowd nfdump
	golang-github-prometheus|prometheus python3-aiosmtpd python3-jsonschema python3-scapy
	python3-pyyaml tcpdump curl jq
	openssl libasan libubsan chromium squid nginx iproute nftables net-snmp
	postfix|exim|sendmail|opensmtpd cyrus-sasl
	cyrus-sasl-plain'
fedora_fuzz='clang compiler-rt'
alpine_build='gcc make musl-dev linux-headers pkgconf libmicrohttpd-dev libesmtp-dev
	hiredis-dev confuse-dev curl-dev jansson-dev sqlite-dev zstd-dev lz4-dev
	libmaxminddb-dev c-ares-dev xxhash-dev openssl-dev cairo-dev lzo-dev bzip2-dev zlib-dev
	net-snmp-dev'
alpine_test='bash cmocka-dev redis softflowd nfdump prometheus py3-aiosmtpd py3-jsonschema py3-yaml scapy
	tcpdump
	curl jq openssl coreutils chromium squid nginx iproute2 nftables net-snmp
	postfix|exim|opensmtpd cyrus-sasl'
alpine_fuzz='clang compiler-rt'

if command -v dpkg-query >/dev/null; then
	system=debian
elif command -v dnf >/dev/null; then
	system=fedora
elif command -v apk >/dev/null; then
	system=alpine
else
	system=unknown
fi

# Every name in $@ that is installed, one a line; one call for all of them.
installed() {
	case $system in
	debian) dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p' ;;
	fedora) rpm -q --qf '%{NAME}\n' "$@" 2>/dev/null | grep -v ' ' ;;
	alpine) apk info -e "$@" 2>/dev/null ;;
	esac || true
}

missing() {
	# shellcheck disable=SC2046,SC2086 # lists of words
	have=" $(installed $(echo $1 | tr '|' ' ') | tr '\n' ' ') "
	for want in $1; do
		first=${want%%|*}
		found=
		IFS='|'
		for name in $want; do
			case $have in *" $name "*) found=1 ;; esac
		done
		unset IFS
		[ -n "$found" ] || printf '%s ' "$first"
	done
}

wanted=
for mode in "$@"; do
	case $mode in
	list) mode=build ;;
	build | test | fuzz) ;;
	*) echo "usage: $0 list | build | test | fuzz ..." >&2; exit 64 ;;
	esac
	eval "wanted=\"\$wanted \${${system}_$mode-}\""
done

if [ $system = unknown ]; then
	if pkg-config --exists libmicrohttpd libesmtp-1.0 hiredis libconfuse libcurl jansson \
		sqlite3 libzstd liblz4 libmaxminddb libcares libxxhash openssl cairo lzo2 zlib; then
		exit 0
	fi
	echo "Please install a C compiler, make, pkg-config and the development files of:"
	echo "libmicrohttpd libesmtp hiredis libconfuse libcurl jansson sqlite3 zstd lz4"
	echo "libmaxminddb c-ares xxhash openssl cairo (and cmocka, redis, softflowd, nfdump,"
	echo "prometheus, aiosmtpd, scapy, tcpdump, curl, jq for the tests)."
	exit 1
fi

need=$(missing "$wanted")
[ -n "$need" ] || exit 0
case $system in
debian)
	lean=--no-install-recommends
	case $need in *clang*) lean= ;; esac # newer ones only recommend the sanitizers
	install="apt-get install -y $lean $need"
	;;
fedora) install="dnf install -y $need" ;;
alpine) install="apk add $need" ;;
esac
echo "Missing: $need"
[ "${1-}" != list ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "Please run this as root, then try again:"
		echo "  $install"
		exit 1
	fi
	as_root=sudo
fi
echo "Running: ${as_root:+$as_root }$install"
if [ $system != debian ]; then
	# shellcheck disable=SC2086
	exec $as_root $install
fi

# Debian starts the services it installs. The tests start their own, and nobody
# asked for a Redis on this machine: tell it not to, this once. The lists
# may be absent or old: fetch them first, or after a failure.
# shellcheck disable=SC2016
exec $as_root env DEBIAN_FRONTEND=noninteractive INSTALL="$install" sh -c '
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		trap "rm -f $policy" EXIT
		trap "exit 1" INT TERM
		printf "#!/bin/sh\nexit 101\n" >$policy && chmod 755 $policy
	fi
	set -- /var/lib/apt/lists/*_Packages*
	[ -e "$1" ] || apt-get update -q || exit 1
	$INSTALL -q && exit 0
	apt-get update -q && $INSTALL -q'

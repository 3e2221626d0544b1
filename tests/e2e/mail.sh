#!/bin/bash
# mail.sh - a real mail server takes the mail, and a browser shows what people see.
# SPDX-License-Identifier: ISC
# timeout: 120
#
# Postfix, which asks for STARTTLS and AUTH and keeps mail in a Maildir. The HTML part is
# drawn by Chromium as on a phone and on a desk, light and dark; nothing may stick out of
# the page, and the pictures stay in $BUILD/tests/looks to be looked at.
#
# Postfix must be started by root, and is not installed over another mail server. Without,
# this says so; under CI that is a failure.
if [ "$(id -u)" != 0 ] || ! command -v postfix >/dev/null; then
	echo "NOT TESTED: this needs Postfix and root to start it." >&2
	[ "${CI:-}" != true ] || exit 1
	exit 0
fi
. "$(dirname "$0")/lib/lib.sh"

certificate
read -r smtp_port < <(free_ports 1)
mkdir "$dir"/{pf,pf/sasl,queue,data,box}
chown postfix "$dir/data"
chown nobody "$dir/box"
echo 'open sesame' | saslpasswd2 -p -c -f "$dir/pf/sasl/db" -u localhost culprit
chown postfix "$dir/pf/sasl/db"
cat >"$dir/pf/sasl/smtpd.conf" <<END
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: $dir/pf/sasl/db
END
cat >"$dir/pf/main.cf" <<END
compatibility_level = 3.6
queue_directory = $dir/queue
data_directory = $dir/data
maillog_file = $dir/postfix.log
maillog_file_prefixes = $dir
myhostname = localhost
mydestination =
inet_interfaces = 127.0.0.1
virtual_mailbox_domains = example.org
virtual_mailbox_base = $dir/box
virtual_mailbox_maps = static:noc/
virtual_minimum_uid = 1
virtual_uid_maps = static:$(id -u nobody)
virtual_gid_maps = static:$(id -g nobody)
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = $dir/cert.pem
smtpd_tls_key_file = $dir/key.pem
smtpd_tls_received_header = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = localhost
smtpd_sasl_authenticated_header = yes
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions =
END
# service type private unpriv chroot wakeup maxproc command
cat >"$dir/pf/master.cf" <<END
127.0.0.1:$smtp_port inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
END
postfix -c "$dir/pf" start-fg >"$dir/postfix-start.log" 2>&1 &
started+=($!)
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
wait_until 10 "Postfix listens" listens "$smtp_port"

secret password 'open sesame'
conf <<END
rule wan-busy {
	measure = "bits/s"  by = "exporter"  window = "10s"  above = "200M"  notify = "noc"
}
notify noc {
	email = {"noc@example.org"}
	from = "culprit@example.org"
	smtp = "smtp://localhost:$smtp_port"
	user = "culprit"
	password_file = "$dir/password"
	ca_file = "$dir/ca.pem"
}
END
start_daemon
burst 127.0.0.9 10.66.66.66
kept() { set -- "$dir"/box/noc/new/*; [ -e "$1" ]; }
wait_until 20 "the mail is in the Maildir" kept

# The sample of test-notify has all that a message can have; it is looked at, too.
"$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" test-notify noc \
	>"$dir/test-notify.log" 2>&1 || fail "test-notify"
two_kept() { set -- "$dir"/box/noc/new/*; [ $# -ge 2 ]; }
wait_until 20 "the sample is in the Maildir" two_kept

# A password that is no longer right is told as that, and nothing is given up for it.
secret password 'close sesame'
kill -HUP "$daemon"
refused() {
	"$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" test-notify noc \
		>"$dir/test-notify.log" 2>&1
	grep -q 'refuses the user culprit: 535' "$dir/test-notify.log"
}
wait_until 15 "test-notify says that the password is refused" refused
! grep -q 'close sesame' "$dir/test-notify.log" || fail "the password is shown"
stop_daemon
postfix -c "$dir/pf" stop >>"$dir/postfix-start.log" 2>&1

looks=$BUILD/tests/looks
mkdir -p "$looks"
"$python" tests/e2e/lib/mail.py "$dir" "$looks"
say "pictures: $looks"

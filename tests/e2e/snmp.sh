#!/bin/bash
# snmp.sh - interfaces of an exporter, named and measured by its real SNMP agent.
# SPDX-License-Identifier: ISC
#
# snmpd answers for the exporter, from a table that this script writes: names, an alias, a
# speed that `measure = "utilisation"` needs. Then indexes move as after a reboot, the
# community is wrong, the agent is gone, and SNMPv3 signs and encrypts.
. "$(dirname "$0")/lib/lib.sh"

read -r agent _ < <(free_ports 2)
culprit() { "$BUILD/culprit" -c "$dir/culprit.conf" --state "$dir/state" "$@"; }

# --- the agent: ifTable and ifXTable come out of $dir/table, "OID TYPE VALUE" in order ---
table() { # INDEX NAME ALIAS MBIT...
	local i=1.3.6.1.2.1.2.2.1 x=1.3.6.1.2.1.31.1.1.1

	: >"$dir/rows"
	while [ $# -gt 0 ]; do
		printf '%s\n' ".$i.2.$1 string port $2" ".$i.5.$1 gauge 4294967295" ".$x.1.$1 string $2" \
			".$x.15.$1 gauge $4" ".$x.18.$1 string $3" >>"$dir/rows"
		shift 4
	done
	sort -V "$dir/rows" >"$dir/table.new"
	chmod 644 "$dir/table.new"
	mv "$dir/table.new" "$dir/table"
}
cat >"$dir/pass" <<'END'
#!/bin/sh
awk -v how="$2" -v want="$3" '
	function after(a, b,    x, y, i, n, m) {
		n = split(substr(a, 2), x, ".")
		m = split(substr(b, 2), y, ".")
		for (i = 1; i <= n && i <= m; i++)
			if (x[i] + 0 != y[i] + 0)
				return x[i] + 0 > y[i] + 0
		return n > m
	}
	how == "-g" ? $1 == want : after($1, want) {
		print $1
		print $2
		print substr($0, length($1) + length($2) + 3)
		exit
	}' "$1"
END
chmod 755 "$dir/pass"
cat >"$dir/snmpd.conf" <<END
rocommunity forexample 127.0.0.1
createUser watcher SHA-256 "signed by watcher" AES "hidden by watcher"
rouser watcher priv
pass .1.3.6.1.2.1.2.2.1 $dir/pass $dir/table
pass .1.3.6.1.2.1.31.1.1.1 $dir/pass $dir/table
END
snmpd=$(PATH=$PATH:/usr/sbin command -v snmpd) || fail "snmpd is not there; contrib/deps.sh test names its package"
start_agent() {
	SNMP_PERSISTENT_DIR=$dir/persistent MIBS='' "$snmpd" -f -LE e -C -c "$dir/snmpd.conf" \
		-I -ifTable,ifXTable,ifTable_container -p "$dir/snmpd.pid" "udp:127.0.0.1:$agent" 2>"$dir/snmpd.err" &
	snmpd_pid=$!
	started+=("$snmpd_pid")
	disown "$snmpd_pid"
}

# --- names and a speed, with the right community ---
table 2 Gi0/2 'to the provider' 20 1 Gi0/0 '' 100000
start_agent
secret community forexample
secret wrong strangers
secret sign 'signed by watcher'
secret hide 'hidden by watcher'
configured() { # SNMP SETTINGS
	conf <<END
exporter edge {
	address = "127.0.0.1"
	snmp_address = "127.0.0.1:$agent"
	snmp_every = 1s
	$1
	interface 1 { name = "LAN" }
}
rule full { measure = "utilisation" by = "interface" window = 10s above = 50% }
END
}
configured 'snmp = v2c snmp_community_file = "community"'
start_daemon
wait_until 20 "the agent was asked" has "$dir/culpritd.log" 'exporter edge: SNMP tells 2 interfaces'
burst 127.0.0.1 198.51.100.7
alert() { culprit alerts --rule full --json 2>/dev/null | jq -e '.alerts[0].series.name' >"$dir/alert"; }
wait_until 20 "the link is full, by the speed that SNMP tells" alert
wait_until 10 "its name is the agent's" has "$dir/alert" 'Gi0/2'
archived() { # FILTER: how many flows
	culprit flows --from -10m --json "$1" 2>"$dir/flows.err" | jq ".flows | length"
}
some() { [ "$(archived "$1")" -ge 1 ]; }
wait_until 10 "flows are found by the name" some 'in if Gi0/2'
wait_until 10 "the configuration's name counts more" some 'out if LAN'

# --- as after a reboot: 2 is another port now ---
table 2 Gi0/1 '' 1000 5 Gi0/2 'to the provider' 20
wait_until 20 "moved indexes are said" has "$dir/culpritd.log" 'interface 2 was Gi0/2 and is Gi0/1 now'

# --- a wrong community, then no agent, is one sentence in the log and in status ---
configured 'snmp = v2c snmp_community_file = "wrong"'
kill -HUP "$daemon"
status_says() { culprit status >"$dir/status" 2>&1; grep -q "$1" "$dir/status"; }
wait_until 30 "no answer is in status" status_says 'cannot be named by SNMP: no answer from'
has "$dir/status" 'wrong community' || fail "$(cat "$dir/status")"
kill "$snmpd_pid"
wait_until 10 "the agent is gone" gone "$snmpd_pid"
expect "how often the log says it" 1 "$(grep -c 'SNMP: no answer' "$dir/culpritd.log")"

# --- SNMPv3: refused, then taken ---
start_agent
configured 'snmp = v3 snmp_user = watcher snmp_auth = sha256 snmp_auth_file = "hide" snmp_priv_file = "hide"'
kill -HUP "$daemon"
wait_until 30 "a wrong pass phrase is in status" status_says 'refuses the pass phrase'
configured 'snmp = v3 snmp_user = watcher snmp_auth = sha256 snmp_auth_file = "sign" snmp_priv_file = "hide"'
kill -HUP "$daemon"
told_twice() { [ "$(grep -c 'SNMP tells 2 interfaces' "$dir/culpritd.log")" -ge 2 ]; }
wait_until 30 "SNMPv3 is answered" told_twice
status_is_quiet() { ! status_says 'cannot be named by SNMP'; }
wait_until 10 "status is content again" status_is_quiet
stop_daemon
say "ok: names, speeds, moved indexes, wrong secrets and SNMPv3"

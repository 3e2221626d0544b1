#!/bin/bash
# tcp.sh - IPFIX over TCP: a connection's templates are its own, and withdrawn when it says so.
# SPDX-License-Identifier: ISC
# timeout: 120
. "$(dirname "$0")/lib/lib.sh"

ipfix=$(free_ports 1)
conf <<END
listen ipfix { address = "127.0.0.1" port = $ipfix }
exporter edge { address = "127.0.0.1" }
END
start_daemon
"$python" - "$ipfix" <<'END'
import socket, struct, sys, nf
port = int(sys.argv[1])

class Connection(nf.Exporter):
    def __init__(self):
        super().__init__(10, port)
        self.tcp = socket.create_connection(("127.0.0.1", port))
    def send(self, octets):
        self.tcp.sendall(octets)

def over(c):
    """The collector closes its end, and only then is everything read."""
    c.tcp.shutdown(socket.SHUT_WR)
    while c.tcp.recv(100):
        pass

a = Connection()
a.send_template()
whole = a.datagram([nf.flow(bytes=1000)] * 3)
for at in range(0, len(whole), 7): # in pieces
    a.send(whole[at:at + 7])
a.send(a.datagram([nf.flow(bytes=500)]) + a.datagram([nf.flow(bytes=500)])) # two at once
withdrawal = a._set(2, struct.pack("!HH", a.template, 0))
a.send(a._message(withdrawal, 0, 0, nf.now_ms()))
a.send(a.datagram([nf.flow(bytes=7)])) # of a template that is gone
over(a)
b = Connection() # whose templates are not those of the first
b.send(b.datagram([nf.flow(bytes=7)]))
over(b)
c = Connection()
c.send(b"GET / HTTP/1.1\r\n\r\n")
while c.tcp.recv(100): # closed by the collector at once
    pass
END
wait_until 20 "five flows are counted" at_least 5 culprit_flows_total 'protocol="ipfix"'
wait_until 20 "what is no IPFIX is counted" at_least 1 culprit_malformed_datagrams_total
wait_until 20 "what waited for its template is given up" at_least 2 culprit_sets_total \
	'outcome="no_template"'
ledger_holds
expect "flows" 5 "$(metric culprit_flows_total)"
expect "bytes" 4000 "$(metric culprit_bytes_total)"
expect "sets decoded" 5 "$(metric culprit_sets_total 'outcome="decoded"')"
expect "sets whose template was withdrawn, or another connection's" 2 \
	"$(metric culprit_sets_total 'outcome="no_template"')"
stop_daemon
say "templates of a connection were its own, and gone when it said so"

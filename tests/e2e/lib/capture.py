#!/usr/bin/env python3
# capture.py FILE - writes a capture of some hundred conversations, says what is in it.
# SPDX-License-Identifier: ISC
#
# TCP, UDP and ICMP over IPv4 and IPv6, both directions, spread over thirty seconds that
# ended a moment ago. Prints JSON: for each IP version packets, octets (from the IP
# header on) and flows (one for each direction).
import json
import random
import sys
import time

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import PcapWriter

CONVERSATIONS, SECONDS = 300, 30
draw = random.Random(42)
told = {v: {"packets": 0, "bytes": 0, "flows": 0} for v in (4, 6)}
packets = []


def layers(n, kind, back):
    v6 = n % 3 == 0
    a, b = ((f"2001:db8:20::{n + 1:x}", f"2001:db8:99::{n % 40 + 1:x}") if v6 else
            (f"10.20.{n // 200}.{n % 200 + 1}", f"198.51.100.{n % 40 + 1}"))
    a, b = (b, a) if back else (a, b)
    net = IPv6(src=a, dst=b) if v6 else IP(src=a, dst=b)
    client, server = 20000 + n, (443, 80, 53)[n % 3]
    sport, dport = (server, client) if back else (client, server)
    if kind == "icmp":
        if v6:
            return 6, net / (ICMPv6EchoReply(id=n) if back else ICMPv6EchoRequest(id=n))
        return 4, net / ICMP(type=0 if back else 8, id=n)
    upper = (TCP(sport=sport, dport=dport, flags="PA") if kind == "tcp" else
             UDP(sport=sport, dport=dport))
    return 6 if v6 else 4, net / upper


began = time.time() - SECONDS - 2
for n in range(CONVERSATIONS):
    kind = draw.choice(("tcp", "tcp", "udp", "icmp"))
    for back in (False, True) if draw.random() < 0.8 else (False,):
        version, head = layers(n, kind, back)
        told[version]["flows"] += 1
        for _ in range(draw.randint(1, 12)):
            p = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / head / \
                Raw(b"x" * draw.randint(0, 1200))
            p.time = began + draw.random() * SECONDS
            packets.append(p)
            told[version]["packets"] += 1
            told[version]["bytes"] += len(p) - 14
packets.sort(key=lambda p: p.time)
with PcapWriter(sys.argv[1], linktype=1) as w:
    for p in packets:
        w.write(p)
print(json.dumps({f"v{v}": told[v] for v in told}))

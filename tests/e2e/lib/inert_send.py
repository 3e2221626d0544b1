#!/usr/bin/env python3
# inert_send.py - every place where the outside can put a text gets the hostile ones.
# SPDX-License-Identifier: ISC
#
# usage: inert_send.py UDP_PORT SQUID_LOG
# Text i is the name of interface i+1 and of application i+1 (options data of IPFIX), the
# URL that 10.20.0.(i+1) fetched through the proxy (a line of Squid's log), and what a
# resolver (inert_ptr.py) calls 198.18.0.(i+1), who sends to the same client.
import struct
import sys
import time

import nf
from texts import TEXTS, place


def varlen(octets):
    n = len(octets)
    return (bytes([n]) if n < 255 else b"\xff" + struct.pack("!H", n)) + octets


def options_template(number, scope, name):
    return struct.pack("!HHHHHHH", number, 2, 1, *scope, *name)


# in and out are one interface, as a probe on a link says it: each flow counts once
FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (10, 4), (14, 4), (1, 4), (2, 4),
          (95, 4), (152, 8), (153, 8)]
e = nf.Exporter(10, int(sys.argv[1]), source="127.0.0.1")


def send(sets, records=0):
    e.send(e._message(sets, 1, records, nf.now_ms()))


send(e._set(3, options_template(400, (10, 4), (82, 65535))) +
     e._set(3, options_template(401, (95, 4), (96, 65535))) +
     e._set(2, struct.pack("!HH", 402, len(FIELDS)) +
            b"".join(struct.pack("!HH", *f) for f in FIELDS)))
for i, text in enumerate(TEXTS):
    one = struct.pack("!I", place(i)) + varlen(text)
    # no padding behind: it would be read as one more record
    send(struct.pack("!HH", 400, len(one) + 4) + one, 1)
    one = b"\x0d" + place(i).to_bytes(3, "big") + varlen(text)
    send(struct.pack("!HH", 401, len(one) + 4) + one, 1)

now = nf.now_ms()
with open(sys.argv[2], "ab", buffering=0) as log:
    for i, text in enumerate(TEXTS):
        log.write(b"%d.%03d   2000 10.20.0.%d TCP_MISS/200 2000000 GET http://u.example/%s - "
                  b"HIER_DIRECT/192.0.2.80 %s\n" % (now // 1000, now % 1000, place(i), text, text))
time.sleep(0.3)  # the log is followed by inotify; a line that comes later only explains less


def record(src, sport, dst, n):
    now = nf.now_ms()
    return struct.pack("!IIHHBIIIIIQQ", nf.ip(src), nf.ip(dst), sport, 50000, 6, n, n,
                       2_000_000, 1500, 0x0d << 24 | n, now - 1500, now - 20)


for i in range(len(TEXTS)):
    n = place(i)
    send(e._set(402, record(f"198.18.0.{n}", 443, f"10.20.0.{n}", n) +
                record("10.20.0.1", 3128, f"10.20.0.{n}", n)), 2)

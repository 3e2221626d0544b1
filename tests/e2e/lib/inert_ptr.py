#!/usr/bin/env python3
# inert_ptr.py - a resolver that calls 198.18.0.N by text N-1 of tests/texts.
# SPDX-License-Identifier: ISC
#
# A name is made of labels of any octets, so whoever has the reverse zone of an address
# can put there what he likes. Prints {"port": N} when it listens.
import json
import socket
import struct

from texts import TEXTS

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(json.dumps({"port": s.getsockname()[1]}), flush=True)


def labels(octets):
    """Cut at 60 octets, and at dots, as a name is; at most 240 in all."""
    out = b""
    for part in octets[:240].split(b"."):
        for at in range(0, len(part), 60):
            piece = part[at:at + 60]
            out += bytes([len(piece)]) + piece
    return out + b"\x04evil\x07example\0"


while True:
    q, who = s.recvfrom(2048)
    at, name = 12, []
    while q[at]:
        name.append(q[at + 1:at + 1 + q[at]].decode("latin-1"))
        at += 1 + q[at]
    question = q[12:at + 5]
    n = int(name[0]) - 1 if name[1:4] == ["0", "18", "198"] else -1
    head = q[:2] + struct.pack("!HHHHH", 0x8180 if 0 <= n < len(TEXTS) else 0x8183, 1,
                               int(0 <= n < len(TEXTS)), 0, 0)
    answer = b""
    if 0 <= n < len(TEXTS):
        data = labels(TEXTS[n])
        answer = b"\xc0\x0c" + struct.pack("!HHIH", 12, 1, 300, len(data)) + data
    s.sendto(head + question + answer, who)

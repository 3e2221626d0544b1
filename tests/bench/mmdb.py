#!/usr/bin/env python3
"""An MMDB file that gives every IPv4 /16 an AS of its own, for measuring.

SPDX-License-Identifier: ISC
usage: mmdb.py FILE

A full binary tree of 16 levels (MaxMind DB file format 2.0, records of 32 bits), so that a
look-up goes as deep as in a real file and touches memory all over.
"""
import struct
import sys

BITS = 16


def text(s):
    return bytes([2 << 5 | len(s)]) + s.encode() if len(s) < 29 else \
        bytes([2 << 5 | 29, len(s) - 29]) + s.encode()


def number(v, kind=6, size=4):
    return bytes([kind << 5 | size]) + v.to_bytes(size, "big")


def main():
    nodes = 2 ** BITS - 1
    records, data = [], []
    at = 0
    for i in range(2 ** BITS):
        item = bytes([7 << 5 | 1]) + text("autonomous_system_number") + number(64512 + i)
        records.append(nodes + 16 + at)
        data.append(item)
        at += len(item)
    inner = [i for i in range(1, nodes)]
    meta = b"".join([
        bytes([7 << 5 | 6]),
        text("node_count"), number(nodes), text("record_size"), number(32, 5, 2),
        text("ip_version"), number(4, 5, 2), text("database_type"), text("bench"),
        text("binary_format_major_version"), number(2, 5, 2),
        text("binary_format_minor_version"), number(0, 5, 2)])
    with open(sys.argv[1], "wb") as f:
        f.write(struct.pack(f">{2 * nodes}I", *(inner + records)))
        f.write(bytes(16) + b"".join(data) + b"\xab\xcd\xefMaxMind.com" + meta)


main()

# nf.py - datagrams made by hand, for end-to-end scripts.
# SPDX-License-Identifier: ISC
#
# An Exporter sends NetFlow v5, v9 or IPFIX from an address of its own and counts what it
# sent. Flows are dictionaries; what is missing is filled in. IPFIX carries absolute
# milliseconds, so a test knows to the octet which share of a flow falls into a window.
# CULPRIT_CLOCK="FROM_MS REAL_MS SPEED" is the clock of a culpritd with --clock.
import ipaddress
import os
import socket
import struct
import time

UPTIME = 360_000_000
COMMON = [(8, 4, "src"), (12, 4, "dst"), (7, 2, "sport"), (11, 2, "dport"), (4, 1, "proto"),
          (6, 1, "flags"), (10, 4, "in_if"), (14, 4, "out_if"), (1, 4, "bytes"),
          (2, 4, "packets")]
FIELDS = {9: COMMON + [(22, 4, "first"), (21, 4, "last")],
          10: COMMON + [(152, 8, "start"), (153, 8, "end")]}


FROM_MS, REAL_MS, SPEED = map(int, os.environ.get("CULPRIT_CLOCK", "0 0 1").split())


def now_ms():
    return FROM_MS + (time.time_ns() // 1_000_000 - REAL_MS) * SPEED


def ip(text):
    return int(ipaddress.IPv4Address(text))


def flow(**given):
    f = {"src": "198.51.100.1", "dst": "10.0.0.1", "sport": 443, "dport": 40000, "proto": 6,
         "flags": 0x1b, "in_if": 2, "out_if": 1, "bytes": 1000, "packets": 1,
         "end": now_ms() - 20}
    f.update(given)
    f.setdefault("start", f["end"] - 100)
    return f


class Exporter:
    def __init__(self, version, port, source="127.0.0.1", to="127.0.0.1", domain=7,
                 template=300, sequence=0):
        v6 = ":" in to
        self.socket = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET,
                                    socket.SOCK_DGRAM)
        self.socket.bind((source, 0))
        self.to = (to, port)
        self.version, self.domain, self.template = version, domain, template
        self.sequence = sequence
        self.uptime, self.clock_off_ms = UPTIME, 0
        self.datagrams = self.flows = self.bytes = self.packets = 0

    def send(self, octets):
        self.socket.sendto(octets, self.to)
        self.datagrams += 1

    def _set(self, number, body):
        body += bytes(-len(body) % 4)
        return struct.pack("!HH", number, len(body) + 4) + body

    def _values(self, f, now):
        v = dict(f)
        v["src"], v["dst"] = ip(f["src"]), ip(f["dst"])
        for name, at in ("first", f["start"]), ("last", f["end"]):
            v[name] = (self.uptime - (now - at)) % 2**32
        return v

    def _message(self, sets, count, records, now):
        now += self.clock_off_ms
        if self.version == 9:
            head = struct.pack("!HHIIII", 9, count, self.uptime, now // 1000, self.sequence,
                               self.domain)
            self.sequence += 1
        else:
            head = struct.pack("!HHIII", 10, 16 + len(sets), now // 1000, self.sequence,
                               self.domain)
            self.sequence += records
        return head + sets

    def template_set(self):
        fields = FIELDS[self.version]
        body = struct.pack("!HH", self.template, len(fields))
        body += b"".join(struct.pack("!HH", n, size) for n, size, _ in fields)
        return self._set(0 if self.version == 9 else 2, body)

    def send_template(self):
        self.send(self._message(self.template_set(), 1, 0, now_ms()))

    def datagram(self, flows):
        now = now_ms()
        if self.version == 5:
            body = b"".join(self._record5(self._values(f, now)) for f in flows)
            head = struct.pack("!HHIIIIBBH", 5, len(flows), self.uptime, now // 1000,
                               now % 1000 * 1_000_000, self.sequence, 0, 0, 0)
            self.sequence += len(flows)
            return head + body
        body = b"".join(
            int(v[name]).to_bytes(size, "big")
            for v in (self._values(f, now) for f in flows)
            for _, size, name in FIELDS[self.version])
        return self._message(self._set(self.template, body), len(flows), len(flows), now)

    def _record5(self, v):
        return struct.pack("!IIIHHIIIIHHBBBBHHBBH", v["src"], v["dst"], 0, v["in_if"],
                           v["out_if"], v["packets"], v["bytes"], v["first"], v["last"],
                           v["sport"], v["dport"], 0, v["flags"], v["proto"], 0, 64500,
                           64501, 24, 16, 0)

    def send_flows(self, flows):
        self.send(self.datagram(flows))
        self.flows += len(flows)
        self.bytes += sum(f["bytes"] for f in flows)
        self.packets += sum(f["packets"] for f in flows)

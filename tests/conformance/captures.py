"""captures.py - fixtures, then a manifest of captures, against the decoders.
SPDX-License-Identifier: ISC

A line of MANIFEST.tsv names a file, its protocol and, as JSON, what the test of the project
it comes from asserts about it. Those tests speak eight dialects; the tables below say which
member of a flow is meant. What has no member here (a vendor's latency, say) is not compared.
Where an origin is wrong by the standard, EXCEPTIONS says which bytes and which section.
"""
import datetime
import json
import os
import re
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fixtures
from decoder import Decoder

FROM, PORT = "192.0.2.1", 2000
DEFAULT_MS = 1700000000000

# Origin's word -> ours. Values are compared as text after `ours()`.
SAME = {
    "src": "ipv4_src_addr sourceIPv4Address src staIPv4Address",
    "dst": "ipv4_dst_addr destinationIPv4Address dst",
    "src_port": "l4_src_port sourceTransportPort src_port sport",
    "dst_port": "l4_dst_port destinationTransportPort dst_port dport",
    "proto": "protocol protocolIdentifier proto",
    "bytes": "octetDeltaCount bytes",
    "packets": "in_pkts packetDeltaCount packets in_packets",
    "tos": "src_tos ipClassOfService",
    "src_as": "src_as bgpSourceAsNumber",
    "dst_as": "dst_as bgpDestinationAsNumber",
    "src_mask": "src_mask", "dst_mask": "dst_mask",
    "next_hop": "ipv4_next_hop ipNextHopIPv4Address",
    "bgp_next_hop": "bgp_ipv4_next_hop",
    "in_if": "input_snmp ingressInterface in_if in_snmp",
    "out_if": "output_snmp egressInterface out_if out_snmp",
    "src_mac": "in_src_mac sourceMac", "dst_mac": "in_dst_mac postDestinationMac",
    "vlan": "src_vlan vlanId", "out_vlan": "dst_vlan",
    "nat_src": "xlate_src_addr_ipv4", "nat_dst": "xlate_dst_addr_ipv4",
    "nat_src_port": "xlate_src_port", "nat_dst_port": "xlate_dst_port",
    "fw_event": "fw_event", "user": "username",
    "vrf_in": "ingressVRFID", "vrf_out": "egressVRFID",
    "reason": "reason",
    "tcp_flags": "tcp_flags tcpControlBits",
    "direction": "direction flowDirection", "app": "application_id",
    "start": "first_switched_RECOMPUTED flowStartMilliseconds flowStartSeconds flow_start_ms",
    "end": "last_switched_RECOMPUTED flowEndMilliseconds flowEndSeconds flow_end_ms",
}
OURS = {word: ours for ours, words in SAME.items() for word in words.split()}
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "hopopt": 0, "igmp": 2, "ipv6-icmp": 58}
LETTERS = (("U", 32), ("A", 16), ("P", 8), ("R", 4), ("S", 2), ("F", 1), ("E", 64), ("C", 128))
NO_ADDRESS = ("", "0.0.0.0", "::")

# (file, origin's word) -> why what the origin asserts is not what the standard says.
T = "telegraf/plugins/inputs/netflow/testcases/"
L = "logstash-codec-netflow/spec/codecs/"
EXCEPTIONS = {
    (L + "netflow9_test_fortigate_fortios_521_data257.dat", "first_switched_RECOMPUTED"):
        "octets 4-7 (uptime) lie 7 days behind the record's FIRST_SWITCHED (RFC 3954 sec. 8, "
        "types 21, 22): a flow cannot begin after it was reported, so it is clamped (DESIGN D1)",
    (L + "netflow9_test_fortigate_fortios_521_data257.dat", "last_switched_RECOMPUTED"):
        "likewise; its duration of 9.000 s is kept",
    (T + "issue_14370/message.bin", "by_measurement"):
        "one record with an IPv4 and an IPv6 pair; a record is one flow (RFC 7011 sec. 8), not two",
    ("telegraf/plugins/inputs/netflow/testcases/issue_14370/message.bin", "sum_in_packets"):
        "likewise: that flow has one packet",
    (T + "sflow_issue_15918/message.bin", "in_snmp"):
        "octets 28-31 of sample 3 are input 0x65 = 101; the origin shows the data source, 0x3c = "
        "60, instead (sFlow v5 sec. 5.3, flow_sample: source_id, input, output are three members)",
    (T + "sflow_issue_15918/message.bin", "protocol=hopopt"):
        "next header 0 is a hop-by-hop options header (RFC 8200 sec. 4.3); the protocol is what "
        "follows it, ICMPv6 (58), as its own next header says",
    ("calmh-ipfix/TestParseTemplateIDAliasing_packet.bin", "templates"):
        "six template records, of which ids 0x1234 and 0xabcd come twice with the same fields: a "
        "repetition is no new template (RFC 7011 sec. 8.4); four are known",
    ("python-netflow/PACKET_IPFIX_TEMPLATE.bin", "flow0_options"):
        "export time 0x2d45a470 is 1994-01-25, systemInitTimeMilliseconds 2020-04-01: a system does "
        "not start 26 years after it sent this (RFC 7011 sec. 3.1, IE 160), so neither is used",
}
# The header's clock is wrong, the records' are right: received when the flows say.
RECEIVED = {T + "netflow_v9_example/netflow_v9.bin": 1666350482000}


def flags(value):
    if isinstance(value, str):  # telegraf: CEUAPRSF with dots
        return "".join(c for c, _ in LETTERS if c in value)
    return "".join(c for c, bit in LETTERS if int(value) & bit)


def when(value):
    """Unix seconds, ms or ISO text as ms; None when it says nothing."""
    if isinstance(value, str):
        t = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        return round(t.timestamp() * 1000)
    if not value:
        return None
    return int(value) * (1000 if value < 1 << 33 else 1)


def agrees(word, ours, value, flow):
    """Does the flow say what the origin says?"""
    got = flow.get(ours)
    if ours in ("start", "end"):
        want = when(value)
        # A v9 header says whole seconds (RFC 3954 sec. 5.1), so the origin's times are up to
        # a second early; ours get the milliseconds back from the exporter's other datagrams.
        slack = 999 if flow["via"] == "netflow9" and word.endswith("_RECOMPUTED") else 1
        return want is None or (got is not None and -1 <= when(got) - want <= slack)
    if ours in ("bytes", "packets") and got:  # as sent; ours are multiplied by the rate
        got //= flow.get("sampling", 1)
    if ours == "tcp_flags":
        return (got or "") == flags(value)
    if ours == "direction":
        return got in (None, {0: "ingress", 1: "egress"}.get(value, value))
    if ours == "app":
        engine, _, rest = value.partition("..")
        numbers = [int(n) for n in rest.split("..")]
        if int(engine) == 20 and len(numbers) == 2:  # RFC 6759 sec. 4.1: enterprise, selector
            return got == f"20:{numbers[0] << 24 | numbers[1]}" or got == f"20:{numbers[0] << 32 | numbers[1]}"
        return got == f"{engine}:{numbers[-1]}" or got is None and numbers[-1] == 0
    if ours == "proto" and isinstance(value, str):
        value = PROTOCOLS[value]
    if got is None:
        return value in (0, "") or value in NO_ADDRESS
    return str(got) == str(value)


class Record:
    """One record of an expectation: which flows are it?"""

    def __init__(self, file, words):
        self.words = {}
        for word, value in words.items():
            if word in OURS and not {(file, word), (file, f"{word}={value}")} & EXCEPTIONS.keys():
                self.words[word] = (OURS[word], value)
        if words.get("sourceIPv6Address", "::") != "::":
            self.words["sourceIPv6Address"] = ("src", words["sourceIPv6Address"])
        if words.get("destinationIPv6Address", "::") != "::":
            self.words["destinationIPv6Address"] = ("dst", words["destinationIPv6Address"])
        # Octets of the other direction alone (RFC 3954: 23, 24) stand for the flow's own.
        b = words.get("in_bytes", words.get("fwd_flow_delta_bytes"))
        if b is None and "in_permanent_bytes" not in words:
            b = words.get("out_bytes")
        if b == 0 and words.get("out_bytes"):
            b = None  # which of the two counts is said by the note of the file
        if b is not None and "metrics" not in words:
            self.words["in_bytes"] = ("bytes", b)
        if words.get("in_pkts") == 0 and words.get("out_pkts"):
            self.words.pop("in_pkts", None)

    def misses(self, flow):
        return [f"{word}={value!r} but {ours}={flow.get(ours)!r}"
                for word, (ours, value) in self.words.items() if not agrees(word, ours, value, flow)]

    def check(self, flows):
        """None, or what the nearest flow says otherwise."""
        if not flows:
            return "no flow at all"
        best = min((self.misses(f) for f in flows), key=len)
        return None if not best else "; ".join(best)


def clock(data):
    """When a datagram was sent by its own header, in ms."""
    version = struct.unpack(">H", data[:2])[0] if len(data) > 16 else 0
    if version in (1, 5):
        seconds, ns = struct.unpack(">II", data[8:16])
        return seconds * 1000 + ns // 1000000
    if version == 9:
        return struct.unpack(">I", data[8:12])[0] * 1000
    if version == 10:
        return struct.unpack(">I", data[4:8])[0] * 1000
    return DEFAULT_MS


def datagrams(data):
    """A file of several v5 datagrams or IPFIX messages back to back is taken apart."""
    while len(data) > 24 and data[:2] == b"\0\5":
        size = 24 + 48 * struct.unpack(">H", data[2:4])[0]
        if size >= len(data) or data[size:size + 2] != b"\0\5":
            break
        yield data[:size]
        data = data[size:]
    while len(data) > 16 and data[:2] == b"\0\x0a":
        size = struct.unpack(">H", data[2:4])[0]
        if size < 16 or size >= len(data) or data[size:size + 2] != b"\0\x0a":
            break
        yield data[:size]
        data = data[size:]
    yield data


class Capture:
    """One line of the manifest, decoded."""

    def __init__(self, top, line, decoder):
        cells = line.rstrip("\n").split("\t")
        self.path, self.protocol = cells[0], cells[3]
        self.want = json.loads(cells[5])
        self.walk = json.loads(cells[7]) if len(cells) > 7 and cells[7] else {}
        self.top, self.decoder = top, decoder

    def commands(self, path):
        if path.endswith(".pcap"):
            return [f"pcap {FROM} {PORT} {os.path.join(self.top, path)}"]
        with open(os.path.join(self.top, path), "rb") as f:
            return [f"send {FROM} {PORT} {RECEIVED.get(path) or clock(d)} {d.hex()}"
                    for d in datagrams(f.read())]

    def decode(self):
        before = [c for p in self.want.get("feed_first", []) for c in self.commands(p)]
        own = self.commands(self.path)
        self.sent = len(own)
        self.before = self.decoder.run(before) if before else None
        self.all = self.decoder.run(before + own + self.extra())
        n = len(self.before.flows) if self.before else 0
        self.own = self.all.flows[n:]

    def extra(self):
        return [f"app {FROM} " + " ".join(r["application_id"].split(".."))
                for r in self.records() if "application_description" in r]

    def records(self):
        r = self.want.get("records", [])
        return list(r.values()) if isinstance(r, dict) else r if isinstance(r, list) else []

    def more(self, title, word=None):
        """What this file alone added to a counter."""
        return self.all.total(title, word) - (self.before.total(title, word) if self.before else 0)

    # --- what expectations say, one method for each word ---

    def forward(self, flows):
        return [f for f in flows if "reverse" not in f.get("notes", "")]

    def check_events(self, n):
        """Flows and options records over this file and those fed first; the origin counts
        only the first message of a file of several."""
        got = len(self.forward(self.all.flows)) + self.all.total("options")
        return None if got == n or self.sent > 1 and got >= n else f"{n} events, got {got}"

    def check_records(self, records):
        if isinstance(records, int):
            return None
        seen = self.records()
        if (self.path, "by_measurement") in EXCEPTIONS:
            seen = seen[:1]
        for r in seen:
            words = Record(self.path, r)
            if "_measurement" in r and r["_measurement"] == "netflow_options":
                miss = self.option(r)
            elif self.protocol == "sflow5" and "speed" in r:
                miss = self.counter(r)
            elif self.is_option(r):
                miss = self.option(r)
            else:
                miss = words.check(self.all.flows)
            if miss:
                return miss
        return None

    @staticmethod
    def is_option(r):
        return any(w in r for w in ("scope_system", "meteringProcessId")) and "in_pkts" not in r

    def option(self, r):
        names = self.all.exporters[0]["interfaces"]
        if "systemInitTimeMilliseconds" in r and not re.search(
                rf"^domain .* {r['systemInitTimeMilliseconds']}$", self.all.saved, re.M):
            return f"systemInitTimeMilliseconds {r['systemInitTimeMilliseconds']} is not known"
        if "interface" in r and names.get(str(r["in_snmp"]), [""])[0] != r["interface"]:
            return f"interface {r['in_snmp']} is {names.get(str(r['in_snmp']))}, not {r['interface']}"
        if "if_desc" in r and names.get(str(r["input_snmp"]), [""])[0] != r["if_desc"]:
            return f"interface {r['input_snmp']} is {names.get(str(r['input_snmp']))}, not {r['if_desc']}"
        if "application_description" in r and r["application_name"] not in self.all.apps:
            return f"application {r['application_id']} is {self.all.apps}, not {r['application_name']}"
        return None

    def counter(self, r):
        for c in self.all.counters:
            if (c["index"], c["speed"], c["in_octets"], c["out_octets"]) == (
                    r["interface"], r["speed"], r["in_bytes"], r["out_bytes"]):
                return None
        return f"counters of interface {r['interface']}: {self.all.counters}"

    def check_metrics(self, n):
        if "caveat" in self.want and "twice" in self.want["caveat"]:
            n -= 1
        got = len(self.forward(self.all.flows)) + self.all.total("options") + len(self.all.counters)
        return None if got == n else f"{n} records, got {got}"

    def check_flows(self, n):
        got = len(self.forward(self.own))
        return None if got == n else f"{n} flows, got {got}"

    def check_flows_incl_1_options(self, n):
        got = len(self.forward(self.own)) + self.more("options")
        return None if got == n else f"{n} flows and options, got {got}"

    def check_data_records(self, n):
        return self.check_flows_incl_1_options(n)

    def check_templates(self, n):
        if n and self.want.get("feed_first"):
            return None
        got = len(re.findall(r"^template ", self.all.saved, re.M))
        return None if not n or got == n else f"{n} templates, got {got}"

    def check_templates_incl_1_options(self, n):
        return self.check_templates(n)

    def check_template_ids(self, ids):
        got = sorted(int(i) for i in re.findall(r"^template (\d+)", self.all.saved, re.M))
        return None if got == sorted(ids) else f"templates {ids}, got {got}"

    def check_fields_type_len(self, fields):
        text = "".join(f"00000000{i:04x}{n:04x}" for i, n in fields)
        return None if text in self.all.saved else "the template's fields are others"

    def check_samples(self, n):
        got = self.more("sets_seen")
        return None if got == n else f"{n} samples, got {got}"

    def check_sample_details(self, samples):
        for s in samples:
            miss = self.sample(s)
            if miss:
                return miss
        return None

    def sample(self, s):
        if "if_speed" in s or "in_octets" in s:
            for c in self.all.counters:
                if all(c[k] == s[w] for k, w in (("index", "if_index"), ("speed", "if_speed"),
                                                ("in_octets", "in_octets"),
                                                ("out_octets", "out_octets")) if w in s):
                    return None
            return f"counters {s}: got {self.all.counters}"
        if "rate" not in s:
            return None
        best = None
        for f in self.own:
            miss = [w for w, ours in (("rate", "sampling"), ("in_vlan", "vlan"), ("out_vlan", "out_vlan"))
                    if w in s and f.get(ours, 1 if w == "rate" else 0) != s[w]]
            miss += [w for w, ours in (("input", "in_if"), ("output", "out_if"))
                     if w in s and f.get(ours, 0) not in (s[w], 0 if s[w] >= 0x3fffffff else s[w])]
            if best is None or len(miss) < len(best):
                best = miss
        if best == [] or best is None and s.get("records") == 1:
            return None  # a sample with extended data alone tells of no packet
        return f"sample {s}: {best} differ in {self.own}"

    def check_sample0(self, s):
        return self.sample(s)

    def check_sflow5_datagrams(self, n):
        got = self.more("datagrams", "sflow5")
        return None if got == n else f"{n} sFlow datagrams, got {got}"

    def check_datagrams_printed(self, n):
        got = self.more("datagrams")
        return None if got == n else f"{n} datagrams, got {got}"

    def check_sum_header_samples(self, n):
        got = self.more("sets_seen")
        return None if got == n else f"{n} samples, got {got}"

    def check_invalid(self, n):
        got = self.more("malformed") + self.more("sets", "malformed")
        return None if bool(got) == bool(n) else f"{n} invalid, got {got}"

    def check_packets_accepted(self, n):
        got = self.more("datagrams") - self.more("malformed")
        return None if got == n else f"{n} accepted, got {got}"

    def check_error(self, text):
        bad = self.more("malformed") + self.more("sets", "malformed")
        return None if bool(bad) == bool(text) else f"error {text!r}, {bad} malformed"

    def check_first_record(self, r):
        return Record(self.path, r).check(self.own[:1])

    def check_flow0(self, r):
        return self.flow(r, 0)

    def check_flow1(self, r):
        return self.flow(r, 0)  # behind one options record

    def check_flow17(self, r):
        return self.flow(r, 16)

    def check_last(self, r):
        return self.flow(r, -1)

    def flow(self, r, i):
        if "src_in" in r:
            if self.own[i]["src"] not in r["src_in"]:
                return f"src {self.own[i]['src']} is not in {r['src_in']}"
        return Record(self.path, r).check(self.forward(self.own)[i:][:1])

    def check_flow0_options(self, r):
        return self.option(r)

    def check_last_record(self, r):
        return None if self.more("options") else "no options record"

    def check_per_message(self, r):
        n, m = self.want["messages_in_one_buffer"], r["data_records"]
        return None if len(self.own) == n * m else f"{n * m} flows, got {len(self.own)}"

    def check_without_template(self, n):
        if isinstance(n, dict):  # this file alone: nothing decoded, nothing malformed
            alone = self.decoder.run(self.commands(self.path))
            return None if not alone.flows and not alone.total("malformed") else "decoded without template"
        got = self.more("sets", "held") + self.more("sets", "no_template")
        return None if got == n else f"{n} sets without template, got {got}"

    def check_flows_without_template(self, n):
        return None if len(self.own) == n else f"{n} flows, got {len(self.own)}"

    def check_must_decode(self, _):
        return None if self.own or self.all.counters else "nothing decoded"

    def check_must_decode_without_error(self, _):
        return self.check_must_decode(_) or self.check_error(False)

    def check_version(self, v):
        word = {1: "netflow1", 5: "netflow5", 9: "netflow9", 10: "ipfix"}.get(v, "netflow5")
        if self.protocol == "sflow5":
            word = "sflow5"
        return None if self.more("datagrams", word) else f"no {word} datagram"

    def check_events_total_over_all_files_incl_options(self, n):
        return self.check_events(n)

    def check_sum_in_packets(self, n):
        if not n or self.protocol == "sflow5" or "options" in self.path:
            return None
        got = sum(f.get("packets", 0) // f.get("sampling", 1) for f in self.forward(self.all.flows))
        return None if got == n else f"{n} packets, got {got}"

    def check_by_measurement(self, want):
        n = want.get("netflow", 0)
        got = len(self.forward(self.all.flows))
        return None if self.protocol == "sflow5" or got == n else f"{n} flows, got {got}"

    def check_flow_samples(self, n):
        return None if len(self.own) == n else f"{n} samples, got {len(self.own)} flows"

    def check_expanded_flow_samples(self, n):
        return self.check_flow_samples(n)

    def check_sum_in_bytes(self, n):
        if not n or self.protocol == "sflow5" or "options" in self.path:
            return None  # theirs are interface counters or reports of the exporter itself
        got = sum(f.get("bytes", 0) // f.get("sampling", 1) for f in self.forward(self.all.flows))
        if "caveat" in self.want and "twice" in self.want["caveat"]:
            n //= 2
        return None if got == n else f"{n} octets, got {got}"

    def verdict(self):
        """(how many assertions held, what did not)."""
        held, failed = 0, []
        self.decode()
        books = self.all.books()
        if books:
            failed.append(books)
        for word, value in self.want.items():
            check = getattr(self, "check_" + re.sub(r"\W", "_", word), None)
            if not check or (self.path, word) in EXCEPTIONS:
                continue
            try:
                miss = check(value)
            except IndexError:
                miss = f"{value}: there are {len(self.own)} flows"
            if miss:
                failed.append(f"{word}: {miss}")
            else:
                held += 1
        return held, failed


def manifest(top, decoder):
    """Every datagram file of a manifest: (files, passed, failed, foreign)."""
    files = passed = foreign = checks = 0
    failures = []
    with open(os.path.join(top, "MANIFEST.tsv"), encoding="utf-8") as f:
        lines = f.readlines()[1:]
    for line in lines:
        c = Capture(top, line, decoder)
        if "file" in c.protocol:  # another collector's archive: `culprit import` reads it
            foreign += 1
            continue
        files += 1
        try:
            held, failed = c.verdict()
        except (RuntimeError, OSError) as e:
            held, failed = 0, [str(e)]
        checks += held
        passed += not failed
        failures += [f"{c.path}\n      expected {x}" for x in failed]
    return files, passed, failures, foreign, checks


def main():
    decoder, top = Decoder(sys.argv[1]), sys.argv[2]
    n, good, failures = fixtures.run(decoder)
    rows = [("our fixtures", n, good)]
    last = f"{n} fixtures"
    if os.path.exists(os.path.join(top, "MANIFEST.tsv")):
        files, passed, more, foreign, checks = manifest(top, decoder)
        rows.append(("captures", files, passed))
        failures += more
        last += f" and {files} captures ran ({checks} assertions held; {foreign} files are archives, not datagrams)"
    else:
        last += " ran; no captures here"
    print(f"{'':14}{'files':>7}{'passed':>8}{'failed':>8}")
    for title, n, good in rows:
        print(f"{title:14}{n:7}{good:8}{n - good:8}")
    for failure in failures:
        print(f"  FAILED {failure}")
    if top and EXCEPTIONS and len(rows) > 1:
        print(f"{len(EXCEPTIONS)} expectations are not asked for:")
        for (file, word), why in EXCEPTIONS.items():
            print(f"  {file}: {word}: {why}")
    print(last)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

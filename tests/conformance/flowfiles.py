# flowfiles.py - makes files as flow-tools and nfdump 1.6 do, and imports them.
# SPDX-License-Identifier: ISC
#
# flow-tools is in no distribution any more, so its files are made here: every record format
# in both byte orders, plain and compressed; layouts as its ftlib.h declares them, written
# down here once more and apart from the reader's tables. Then the files of others, where they
# are (see imports.sh), held against what the MANIFEST's rows say.
import json
import os
import struct
import subprocess
import sys
import zlib

culprit, work, shared = sys.argv[1:4]
T = 1_700_000_000
HEAD = "secs:I nsecs:I uptime:I exaddr:I"
SWAP = "secs:I nsecs:I exaddr:I uptime:I"
AGG = " flows:I pkts:I octets:I first:I last:I"
PLAIN = " pkts:I octets:I first:I last:I"
V1 = HEAD + (" src:I dst:I nexthop:I input:H output:H pkts:I octets:I first:I last:I sport:H"
             " dport:H prot:B tos:B flags:B pad:B")
V5 = V1 + " et:B ei:B smask:B dmask:B sas:H das:H"
LAYOUT = {
    (1, 0): V1 + " reserved:I", (5, 0): V5, (6, 0): V5 + " ie:B oe:B p2:H peer:I",
    (7, 0): V5 + " sc:I", (1005, 0): V5 + " stag:I dtag:I",
    (8, 1): HEAD + AGG + " sas:H das:H input:H output:H et:B ei:B p:H",
    (8, 2): HEAD + AGG + " prot:B p:B r:H sport:H dport:H et:B ei:B p2:H",
    (8, 3): SWAP + AGG + " src:I smask:B p:B sas:H input:H et:B ei:B",
    (8, 4): HEAD + AGG + " dst:I dmask:B p:B et:B ei:B das:H output:H",
    (8, 5): HEAD + AGG + " src:I dst:I dmask:B smask:B et:B ei:B sas:H das:H input:H output:H",
    (8, 6): HEAD + PLAIN + " dst:I xp:I sc:I output:H p:H tos:B mt:B et:B ei:B",
    (8, 7): HEAD + PLAIN + " dst:I src:I xp:I sc:I output:H input:H tos:B mt:B et:B ei:B",
    (8, 8): HEAD + PLAIN + (" dst:I src:I xp:I sc:I dport:H sport:H output:H input:H tos:B mt:B"
                            " et:B ei:B prot:B p1:B p2:H"),
    (8, 9): HEAD + AGG + " sas:H das:H input:H output:H et:B ei:B tos:B p:B",
    (8, 10): HEAD + AGG + " sport:H dport:H input:H output:H et:B ei:B prot:B tos:B",
    (8, 11): SWAP + AGG + " src:I smask:B tos:B sas:H input:H et:B ei:B",
    (8, 12): SWAP + AGG + " dst:I output:H das:H dmask:B tos:B et:B ei:B",
    (8, 13): HEAD + AGG + (" src:I dst:I sas:H das:H input:H output:H dmask:B smask:B et:B ei:B"
                           " tos:B p:B p2:H"),
    (8, 14): HEAD + AGG + (" src:I dst:I sport:H dport:H input:H output:H dmask:B smask:B et:B"
                           " ei:B tos:B prot:B p2:H"),
}
# ours: what the flow is called in `culprit flows --json`
OURS = {"src": "src", "dst": "dst", "nexthop": "next_hop", "input": "in_if", "output": "out_if",
        "pkts": "packets", "octets": "bytes", "sport": "src_port", "dport": "dst_port",
        "prot": "proto", "tos": "tos", "smask": "src_mask", "dmask": "dst_mask",
        "sas": "src_as", "das": "dst_as", "flows": "flows"}


def ip(n):
    return ".".join(str(n >> s & 255) for s in (24, 16, 8, 0))


def flowtools(version, method, order, packed):
    names, codes = zip(*(f.split(":") for f in LAYOUT[version, method].split()))
    s = struct.Struct(("<" if order == 1 else ">") + "".join(codes))
    o = "<" if order == 1 else ">"
    rows, want = b"", []
    for i in range(1, 8):
        v = {n: 0 for n in names}
        v.update(secs=T, nsecs=250_000_000, uptime=1000, exaddr=0xc0000201,
                 first=(1000 - 3000 * i) % 2**32, last=500)
        for k, x in dict(src=0x0a000000 + i, dst=0xc6336400 + i, nexthop=0x0a0000fe, input=i,
                         output=i + 10, pkts=i * 3, octets=i * 1500, sport=1000 + i, dport=443,
                         prot=6, tos=i, flags=0x1b, smask=24, dmask=16, sas=100 + i, das=200 + i,
                         flows=i + 1, et=1, ei=2).items():
            if k in v:
                v[k] = x
        rows += s.pack(*(v[n] for n in names))
        want.append({OURS[n]: ip(v[n]) if n in ("src", "dst", "nexthop") else v[n]
                     for n in names if n in OURS})
    tlv = struct.pack(o + "HHH", 2, 2, version) + struct.pack(o + "HHI", 8, 4, 2 * packed)
    tlv += struct.pack(o + "HHI", 10, 4, 7)
    if version == 8:
        tlv += struct.pack(o + "HHB", 4, 1, method) + struct.pack(o + "HHB", 3, 1, 2)
    head = struct.pack("BBBB", 0xcf, 0x10, order, 3) + struct.pack(o + "I", 8 + len(tlv))
    return head + tlv + (zlib.compress(rows) if packed else rows), want


def run(*args):
    return subprocess.run([culprit, *args], capture_output=True, text=True,
                          env=dict(os.environ, TZ="UTC0", LC_ALL="C.UTF-8"))


def import_(state, *paths):
    r = run("--state", state, "import", "--json", *paths)
    return json.loads(r.stdout), r.stderr


def flows(state):
    r = run("--state", state, "flows", "--from", "2000-01-01", "--to", "2037-01-01", "--json",
            "--whole", "-n", "10000")
    return json.loads(r.stdout)["flows"]


def check(what, want, seen):
    if want != seen:
        sys.exit(f"{what}: expected {want}, seen {seen}")


def made():
    n = 0
    for version, method in LAYOUT:
        for order in (1, 2):
            packed = (order + version + method) % 2
            octets, want = flowtools(version, method, order, packed)
            state = f"{work}/ft{n}"
            n += 1
            path = f"{state}.file"
            with open(path, "wb") as f:
                f.write(octets)
            told, err = import_(state, path)
            what = f"flow-tools {version}.{method}, order {order}, packed {packed}"
            check(what + err, (1, 0), (told["imported"], told["bad"]))
            seen = sorted(flows(state), key=lambda f: f["bytes"])
            check(what, 7, len(seen))
            for w, s in zip(want, seen):
                check(what, w, {k: s.get(k, 0) for k in w})
                check(what, "192.0.2.1", s["exporter"])
                check(what, "2023-11-14T22:13:19.750Z", s["end"])
            # cut anywhere, nothing of it comes in
            for cut in (9, len(octets) - 1) if order == 1 else ():
                with open(path, "wb") as f:
                    f.write(octets[:cut])
                told, err = import_(state + "c", path)
                check(what + " cut", (0, 1), (told["imported"], told["bad"]))
    print(f"flow-tools: {n} files made and imported")


def of_others():
    if not os.path.exists(f"{shared}/MANIFEST.tsv"):
        print("no files of others")
        return
    n = 0
    for line in open(f"{shared}/MANIFEST.tsv"):
        row = line.rstrip("\n").split("\t")
        if len(row) < 6 or not row[3].startswith(("nfdump-file", "flow-tools-file")):
            continue
        want = json.loads(row[5])
        state = f"{work}/o{n}"
        n += 1
        told, err = import_(state, f"{shared}/{row[0]}")
        if "error" in want:
            check(row[0], (0, 1), (told["imported"], told["bad"]))
            continue
        check(row[0] + err, (1, 0), (told["imported"], told["bad"]))
        total = told["files"][0]
        for key, ours in (("flows", "flows"), ("bytes", "bytes"), ("packets", "packets"),
                          ("records", "flows"), ("large_none_records", "flows")):
            if key in want:
                check(f"{row[0]}: {key}", want[key], total[ours])
        if "large_none_first_two" in want:
            two(row[0], state, want["large_none_first_two"])
        for key, proto in (("tcp", "proto tcp"), ("udp", "proto udp"), ("icmp", "proto icmp or proto icmp6")):
            if f"flows_{key}" in want:
                r = run("--state", state, "top", "--from", "2000-01-01", "--to", "2037-01-01",
                        "--whole", "--by", "none", "--json", proto)
                t = json.loads(r.stdout)["total"]
                check(row[0], [want[f"{m}_{key}"] for m in ("flows", "bytes", "packets")],
                      [t["flows"], t["bytes"], t["packets"]])
        if "sorted_by_first" in want:
            s = sorted(f["start"] for f in flows(state))
            for i, when in want["sorted_by_first"].items():
                check(row[0], when[:23], s[int(i)][:23])
        for i in range(1, 7):
            for k, x in want.get(f"flow[{i}]", {}).items():
                if k in ("src", "dst", "bytes", "packets"):
                    assert any(f[k] == x for f in flows(state)), (row[0], k, x)
    print(f"files of others: {n}")


def two(path, state, want):
    for w in want:
        r = run("--state", state, "flows", "--from", "2000-01-01", "--to", "2037-01-01", "--json",
                "--whole", f"src host {w['src']} and dst host {w['dst']} and src port {w['sport']}")
        seen = [{"in_if": f["in_if"], "out_if": f["out_if"], "src_as": f["src_as"],
                 "dst_as": f["dst_as"], "bytes": f["bytes"], "packets": f["packets"],
                 "next_hop": f["next_hop"]} for f in json.loads(r.stdout)["flows"]]
        one = {"in_if": w["in_if"], "out_if": w["out_if"], "src_as": w["srcas"],
               "dst_as": w["dstas"], "bytes": w["bytes"], "packets": w["packets"],
               "next_hop": w["nexthop"]}
        assert one in seen, (path, one, seen)


made()
of_others()

#!/usr/bin/env python3
# times.py - sends what times.sh is about, and judges the alerts.
# SPDX-License-Identifier: ISC
import json
import sys
from datetime import datetime

import nf

SECOND, MINUTE, HOUR = 1000, 60000, 3600000
BUSY = 150_000_000  # octets that make 20 Mbit/s of a minute


def exporter(last, version=10):
    return nf.Exporter(version, port, source=f"127.0.0.{last}")


def tell(e, *flows):
    if e.version != 5:
        e.send_template()
    for f in flows:
        e.send_flows([nf.flow(**f)])
    sent["exporter=" + e.socket.getsockname()[0]] = flows[0]["end"]


def minute(now, ago=0, **more):
    return {"start": now - ago - MINUTE, "end": now - ago, "bytes": BUSY, **more}


def send():
    now = nf.now_ms()
    # No alert: long flows that are told at their end.
    tell(exporter(61), {"start": now - 22 * HOUR, "end": now, "bytes": 4_200_000_000})
    tell(exporter(62), {"start": now - 30 * MINUTE, "end": now, "bytes": 2_250_000_000})
    # An alert each: a minute that was over 15 s ago,
    tell(exporter(63), minute(now, 15 * SECOND))
    # clocks an hour fast and slow,
    for last, off in (64, HOUR), (65, -HOUR):
        e = exporter(last, 9)
        e.clock_off_ms = off
        tell(e, minute(now))
    # its six parts, the newest first,
    tell(exporter(66), *({"start": now - (i + 1) * 10 * SECOND, "end": now - i * 10 * SECOND,
                          "bytes": BUSY // 6} for i in range(6)))
    # and an uptime that began anew in the midst of it, after 49.7 days.
    for last, version in (67, 9), (68, 5):
        e = exporter(last, version)
        e.uptime = 20 * SECOND
        tell(e, minute(now))
    # No alert: half as much in each of two minutes, told together.
    tell(exporter(69), minute(now, bytes=BUSY // 2), minute(now, MINUTE, bytes=BUSY // 2))
    print(json.dumps(sent))


def ms(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000


def judge(directory):
    sent = json.load(open(f"{directory}/sent.json"))
    alerts = [a for a in json.load(open(f"{directory}/alerts.json"))["alerts"]
              if a["rule"] == "busy"]
    expected = [f"exporter=127.0.0.{n}" for n in range(63, 69)]
    seen = sorted(a["series"]["id"] for a in alerts)
    if seen != expected:
        sys.exit(f"FAILED: alerts of {seen}, expected {expected}")
    for a in alerts:
        who, end = a["series"]["id"], sent[a["series"]["id"]]
        most = max(a["value"], a.get("peak") or 0)
        if not 16e6 < most < 20.1e6:
            sys.exit(f"FAILED: {who}: {most} bit/s, expected 18 to 20 Mbit/s")
        # It crosses with 48 of its 60 seconds in the window; v9 headers cut to seconds.
        if abs(ms(a["window"]["end"]) - end) > 14 * SECOND:
            sys.exit(f"FAILED: {who}: window to {a['window']['end']}, expected about {end}")


sent = {}
if sys.argv[1] == "send":
    port = int(sys.argv[2])
    send()
else:
    judge(sys.argv[2])

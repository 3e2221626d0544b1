#!/usr/bin/env python3
# clinic.py - judges what clinic.sh received.
# SPDX-License-Identifier: ISC
import datetime
import json
import re
import sys

directory = sys.argv[1]


def lines(name):
    return [json.loads(line) for line in open(f"{directory}/{name}")]


def ms(when):
    return datetime.datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp() * 1000


def firing(rule):
    told = [{**json.loads(r["body"]), "at_ms": r["at_ms"]} for r in lines("hook.jsonl")[1:]]
    found = [b for b in told if b["rule"] == rule and b["status"] == "firing"]
    assert len(found) == 1, f"{len(found)} messages of {rule}"
    return found[0]


alert = firing("wan-busy")
top = alert["top_flows"][0]
print(f"  {alert['why']}")
assert re.search("10.20.0.66 (still )?fetching cdn-7.example.net/music/track", alert["why"]), alert["why"]
assert "through the proxy" in alert["why"]
assert top["client"] == "10.20.0.66", top["client"]
tracks = [u for u in top["urls"] if u["url"].startswith("cdn-7.example.net/music/track")]
assert len(tracks) >= 4, top["urls"]
assert all(u["client"] == "10.20.0.66" for u in tracks)
explained = sum(u["bytes"] for u in top["urls"]) / top["bytes"]
print(f"  {len(tracks)} tracks; {explained:.1%} of the largest flow's bytes are explained")
assert 0.9 <= explained <= 1.001, explained
assert "secret" not in json.dumps(alert), "credentials or a query string were told"

# A track that was fetched wholly has Squid's own count.
logged = {}
for line in open(f"{directory}/squid/access.log"):
    word = line.split()
    if "/music/" in line:
        logged[word[6].split("@")[-1].split("?")[0].removeprefix("http://")] = int(word[4])
exact = [u for u in tracks if abs(u["bytes"] - logged.get(u["url"], 0)) <= 1]
print(f"  {len(exact)} of them with Squid's own byte count")
assert all(u["bytes"] <= 1.001 * logged.get(u["url"], 1 << 40) for u in tracks)

mail = lines("mail.jsonl")[1:]
for what, at_ms in (("webhook", alert["at_ms"]), ("mail", mail[0]["at_ms"])):
    late = (at_ms - ms(alert["crossed_at"])) / 1000
    print(f"  {what}: {late:.2f} s after the datagram that crossed the limit")
    assert 0 <= late <= 5, late
mail = json.dumps(mail)
for word in ("10.20.0.66", "cdn-7.example.net", "/music/track"):
    assert word in mail, f"the mail does not say {word}"

film = firing("film")
print(f"  {film['why']}")
assert "10.20.0.17 still fetching cdn-7.example.net/film.iso" in film["why"], film["why"]
assert film["top_flows"][0]["urls"][0]["url"] == "cdn-7.example.net/film.iso"
running = json.load(open(f"{directory}/running.json"))["rows"][0]
assert (running["url"], running["client"]) == ("cdn-7.example.net/film.iso", "10.20.0.17"), running

#!/usr/bin/env python3
# main_job.py - judges what main_job.sh received.
# SPDX-License-Identifier: ISC
import base64
import email
import email.policy
import hashlib
import hmac
import json
import sys
from datetime import datetime

import jsonschema

directory = sys.argv[1]


def load(name):
    return json.load(open(f"{directory}/{name}"))


def rows(name):
    return [json.loads(line) for line in open(f"{directory}/{name}")][1:]


def expect(what, expected, seen):
    if expected != seen:
        sys.exit(f"FAILED: {what}: expected {expected!r}, seen {seen!r}")


def expect_in(what, part, whole):
    if part not in whole:
        sys.exit(f"FAILED: {what}: expected {part!r} in {whole!r}")


def ms(text):
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def share(flow, start, end):
    """The octets of a flow in [start, end): D1's floor at both ends."""
    lasted = flow["end"] - flow["start"]

    def until(t):
        return flow["bytes"] * max(0, min(t - flow["start"], lasted)) // lasted
    return until(end) - until(start)


def signed(request):
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    h = request["headers"]
    text = f"{h['webhook-id']}.{h['webhook-timestamp']}.{request['body']}"
    mac = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
    expect("signature", "v1," + mac, h["webhook-signature"])
    return h["webhook-id"]


schema = json.load(open("contrib/alert.schema.json"))
sent = load("sent.json")
# Exporters that fell silent meanwhile have alerts of their own.
hooks = [h for h in rows("hook.jsonl") if json.loads(h["body"])["rule"] == "wan-busy"]
mails = [m for m in rows("mail.jsonl") if "wan-busy" in m["data"]]
expect("requests to the webhook", 2, len(hooks))
expect("mails", 2, len(mails))
firing, resolved = (json.loads(h["body"]) for h in hooks)
for body in firing, resolved:
    jsonschema.validate(body, schema)
if signed(hooks[0]) == signed(hooks[1]):
    sys.exit("FAILED: firing and resolved have the same webhook-id")

expect("first status", "firing", firing["status"])
expect("rule", "wan-busy", firing["rule"])
expect("severity", "critical", firing["severity"])
expect("series", "exporter=127.0.0.50", firing["series"]["id"])
expect("threshold", 200e6, firing["threshold"])
start, end = ms(firing["window"]["start"]), ms(firing["window"]["end"])
expect("octets", 0, (end - start) % 10000)
exact = sum(share(f, start, end) for f in sent["flows"])
first = firing["top_flows"][0]
expect("first top flow", ("203.0.113.99", 443, "10.66.66.66", 50000, 6),
       tuple(first[k] for k in ("src", "src_port", "dst", "dst_port", "proto")))
expect("its bytes in the window", exact, first["bytes"])
total = firing["evidence"]["bytes"]
expect("its share", round(exact / total, 6), round(first["share"], 6))
expect("the value", round(total * 8 * 1000 / (end - start), 3), round(firing["value"], 3))
expect("lost flows", 0, firing["quality"]["lost_flows"])
expect("flows cut off by the archive", False, firing["evidence"]["short"])



def told(body):
    return [[f[k] for k in ("src", "dst", "bytes", "packets", "flows")]
            for f in body["top_flows"]], body["evidence"]["bytes"]


def asked(name):
    answer = load(name)
    return [r["values"][:2] + [r[k] for k in ("bytes", "packets", "flows")]
            for r in answer["rows"]], answer["total"]["bytes"]


expect("top --as-of while it stands", told(firing), asked("as_of.json"))
expect("top --as-of when it is over", told(firing), asked("as_of_later.json"))
expect("top --as-of ALERT/end", told(resolved), asked("as_of_end.json"))

expect("second status", "resolved", resolved["status"])
expect("the same alert", (firing["id"], firing["fingerprint"]),
       (resolved["id"], resolved["fingerprint"]))
if not resolved["ended_at"] or ms(resolved["ended_at"]) < ms(firing["started_at"]):
    sys.exit(f"FAILED: resolved with ended_at {resolved['ended_at']!r}")

one, two = (email.message_from_string(m["data"], policy=email.policy.default) for m in mails)
for m in mails:
    expect("mail over TLS", True, m["tls"])
    expect("mail after AUTH as", "culprit", m["user"])
    expect("envelope", ("culprit@example.org", ["noc@example.org"]), (m["from"], m["to"]))
expect_in("subject", "edge", one["Subject"])
expect("subject begins", "[FIRING]", one["Subject"].split()[0])
expect("second subject begins", "[RESOLVED]", two["Subject"].split()[0])
expect("In-Reply-To", str(one["Message-ID"]), str(two["In-Reply-To"]))
text = one.get_body(("plain",)).get_content()
expect_in("mail, text", "10.66.66.66", text)
expect_in("mail, text", "203.0.113.99", text)
expect_in("mail, HTML", "10.66.66.66", one.get_body(("html",)).get_content())

delay = hooks[0]["at_ms"] - sent["at_ms"]
print(f"{one['Subject']}\n{two['Subject']}")
print(f"from the crossing datagram to the webhook: {delay} ms (at 20000 flows/s)")
if delay > 5000:
    sys.exit(f"FAILED: {delay} ms from the crossing datagram to the webhook")

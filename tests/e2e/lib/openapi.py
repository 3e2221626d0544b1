#!/usr/bin/env python3
# openapi.py URL OPENAPI ALERT_SCHEMA ROUTES TOKEN_FILE - holds answers of a daemon against the text.
# SPDX-License-Identifier: ISC
#
# Each address, parameter and schema must be described, each described one be there.
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import yaml

base, openapi, alert_schema, routes, token_file = sys.argv[1:]
token = open(token_file).read().strip()
api = yaml.safe_load(open(openapi))
alert = jsonschema.Draft202012Validator(json.load(open(alert_schema)))
asked = 0


def fail(what):
    sys.exit(f"FAILED: {what}")


def ask(path, method="GET", body=None, **headers):
    request = urllib.request.Request(base + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def parameters(operation):
    for p in operation.get("parameters", []):
        yield api["components"]["parameters"][p["$ref"].split("/")[-1]] if "$ref" in p else p


def schema_of(path, method, status):
    responses = api["paths"][path][method]["responses"]
    answer = responses.get(str(status), responses["default"])
    if "$ref" in answer:
        answer = api["components"]["responses"][answer["$ref"].split("/")[-1]]
    return {**answer["content"]["application/json"]["schema"],
            "components": api["components"]}


def change(path, status=200, **what):
    return check(path, status, "POST", json.dumps(what).encode(), token)


def check(path, status=200, method="GET", body=None, bearer=None, **params):
    global asked
    target = path + ("?" + urllib.parse.urlencode(params) if params else "")
    headers = {"Content-Type": "application/json"} if body else {}
    if bearer:
        headers["Authorization"] = "Bearer " + bearer
    seen, text = ask(target, method, body, **headers)
    if seen != status:
        fail(f"{target}: {seen} instead of {status}: {text[:300]!r}")
    answer = json.loads(text)
    known = {p["name"] for p in parameters(api["paths"][path][method.lower()])}
    if status == 200 and set(params) - known:
        fail(f"{target}: parameters that are not described: {set(params) - known}")
    for e in jsonschema.Draft202012Validator(schema_of(path, method.lower(), seen)) \
            .iter_errors(answer):
        fail(f"{target}: {'.'.join(map(str, e.absolute_path))}: {e.message[:300]}")
    asked += 1
    return answer


def described():
    """The addresses and parameters of the program are those of the text."""
    rows = re.findall(r'\{ "(/api/v1/[^"]+)", "(\w+)", \w+,\s+(?:\.params = )?'
                      r'(none|PARAMS\([^)]*\))', open(routes).read())
    has = {(path, method.lower()): set(re.findall(r'"(\w+)"', params))
           for path, method, params in rows}
    told = {(path, method): {p["name"] for p in parameters(operation)}
            for path, item in api["paths"].items() for method, operation in item.items()}
    if not has or has != told:
        fail(f"the program has {has}\nthe text tells {told}")


described()
check("/api/v1/status")
check("/api/v1/exporters")
check("/api/v1/rules")
series = check("/api/v1/series")["series"]
check("/api/v1/series", by="exporter", rule="anything", limit=1)
check("/api/v1/series", status=400, by="nothing")
alerts = check("/api/v1/alerts")["alerts"]
for a in alerts:
    for e in alert.iter_errors(a):
        fail(f"alert {a['id']}: {e.message}")
first = alerts[0]["id"]
check("/api/v1/alerts", id=first)
check("/api/v1/alerts", state="firing", rule="anything", limit=5)
check("/api/v1/alerts", **{"from": "-1h"}, to="now")
check("/api/v1/alerts", status=404, id="nobody")
for by in ("host", "src,dst", "flow", "port", "interface", "exporter", "network", "as", "proto",
           "tos", "vlan"):
    top = check("/api/v1/top", by=by, n=5, order="packets")
    if not 0 < top["total"]["flows"] or any(len(r["values"]) != len(top["by"])
                                            for r in top["rows"]):
        fail(f"top by {by}: {top}")
check("/api/v1/top", as_of=first)
check("/api/v1/top", whole="1", filter="proto tcp or proto udp", **{"from": "-10m"}, to="now")
check("/api/v1/top", status=400, filter="prto tcp")
check("/api/v1/top", status=404, as_of="nobody")
for by in ("client", "url", "site,client"):
    if check("/api/v1/proxy", by=by, n=3, **{"from": "-10m"}, to="now")["by"] != by.split(","):
        fail(f"proxy by {by}")
check("/api/v1/proxy", as_of=first)
check("/api/v1/proxy", status=400, by="host")
check("/api/v1/flows", limit=3)
check("/api/v1/flows", as_of=first, filter="any", limit=3)
check("/api/v1/history", prefix="")
check("/api/v1/history", series=series[0]["history"] or "none", step="5m")
check("/api/v1/bins", series=series[0]["history"] or "none")
check("/api/v1/history", series="none", step="1h", **{"from": "-30d"})
check("/api/v1/history", status=400)
check("/api/v1/test-notify", status=403, method="POST", body=b'{"channel":"noc"}')
check("/api/v1/alerts/ack", status=403, method="POST", body=b'{"alert":"x"}')
change("/api/v1/test-notify", status=502, channel="noc")
change("/api/v1/alerts/ack", alert=first, author="ann", comment="<b>")
change("/api/v1/alerts/ack", status=400, alert="nobody")
silence = change("/api/v1/silences", match="rule = anything", for_s=60, author="ann")
change("/api/v1/silences", alert=first)
change("/api/v1/silences", match="any", until="2099-01-01T00:00:00Z", status=400)
change("/api/v1/silences", match="rul = x", status=400)
change("/api/v1/silences", status=400)
check("/api/v1/silences")
change("/api/v1/silences/end", id=silence["id"])
change("/api/v1/silences/end", id=silence["id"], status=400)
check("/api/v1/notify")
change("/api/v1/notify/retry", channel=None)
for a in check("/api/v1/alerts")["alerts"]:
    for e in alert.iter_errors(a):
        fail(f"alert {a['id']}: {e.message}")
print(f"{asked} answers are as described")

#!/usr/bin/env python3
# clinic_after.py - judges what is known of the incident when the proxy's log is gone.
# SPDX-License-Identifier: ISC
import json
import sys

directory = sys.argv[1]


def load(name):
    return json.load(open(f"{directory}/{name}.json"))


logged = {}
for line in open(f"{directory}/logged"):
    word = line.split()
    if "/music/" in line:
        logged[word[6].split("@")[-1].split("?")[0].removeprefix("http://")] = int(word[4])

clients = load("by-client")
first = clients["rows"][0]
print(f"  {first['client']}: {first['bytes']} bytes in {first['requests']} requests, "
      f"{clients['explained'] / clients['bytes']:.1%} explained")
assert first["client"] == "10.20.0.66", first
assert 0.99 * sum(logged.values()) <= first["bytes"] <= sum(logged.values()) + 16, first
assert clients["rows"][0]["requests"] == 16, first

urls = {r["url"]: r["bytes"] for r in load("by-url")["rows"]}
exact = [u for u in logged if abs(urls.get(u, 0) - logged[u]) <= 1]
print(f"  {len(exact)} of {len(logged)} tracks with the log's own count")
assert all(urls.get(u, 0) <= logged[u] + 1 for u in logged), urls
assert len(exact) >= 14, (urls, logged)

sites = {r["site"]: r["bytes"] for r in load("by-site")["rows"]}
assert max(sites, key=sites.get) == "cdn-7.example.net", sites

flow = load("flows")["flows"][0]
assert flow["urls"] and flow["urls"][0]["url"].startswith("cdn-7.example.net/"), flow

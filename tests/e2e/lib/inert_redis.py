#!/usr/bin/env python3
# inert_redis.py - what Redis was told of the hostile texts: data, and no command.
# SPDX-License-Identifier: ISC
import subprocess
import sys

from texts import TEXTS


def redis(*words):
    return subprocess.run(["redis-cli", "-s", sys.argv[1], *words], check=True,
                          stdout=subprocess.PIPE).stdout


assert redis("get", "witness") == b"here\n", "somebody flushed it"
stats = redis("info", "commandstats").decode()
for word in "flushall", "config", "eval", "script":
    assert f"cmdstat_{word}:" not in stats, f"{word} was called"
keys = redis("--scan").splitlines()
bodies = b"".join(redis("--no-raw", "hgetall", k) for k in keys if b"alert" in k)
for word in b"FLUSHALL", b"DROP TABLE", b"jndi:ldap":
    assert word in bodies, f"{word} was not kept"
print(f"  Redis: {len(keys)} keys, {len(TEXTS)} texts")

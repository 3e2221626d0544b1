"""decoder.py - drives build/tests/tools/decode: what goes in, what came of it.
SPDX-License-Identifier: ISC
"""
import json
import subprocess


class Answer:
    """Everything between two `end` commands."""

    def __init__(self, lines):
        self.lines = [json.loads(line) for line in lines]
        self.flows = [x["flow"] for x in self.lines if "flow" in x]
        self.counters = [x["counters"] for x in self.lines if "counters" in x]
        self.apps = [x["app"] for x in self.lines if "app" in x]
        self.exporters = [x["exporter"] for x in self.lines if "exporter" in x]
        self.saved = next((x["saved"] for x in self.lines if "saved" in x), "")

    def total(self, title, word=None):
        """A counter of the ledgers, over all exporters and strays."""
        n = 0
        for e in self.exporters:
            v = e.get(title, 0)
            n += (sum(v.values()) if word is None else v.get(word, 0)) if isinstance(v, dict) else v
        return n

    def books(self):
        """The ledger's identities (DESIGN D3); a sentence, or None."""
        for e in self.exporters:
            refused = sum(e["malformed"].values()) + sum(e["shed"].values())
            if sum(e["datagrams"].values()) != e["accepted"] + refused:
                return f"{e['datagrams']} datagrams are not {e['accepted']} accepted and {refused} refused"
            if sum(e["sets"].values()) != e["sets_seen"]:
                return f"sets {e['sets']} are not the {e['sets_seen']} seen"
        return None


class Decoder:
    def __init__(self, program):
        self.program = program

    def run(self, commands):
        """One run of the program, from nothing; raises on a crash or a sanitizer."""
        text = "\n".join(commands + ["end"]) + "\n"
        p = subprocess.run([self.program], input=text, capture_output=True, text=True, timeout=120)
        if p.returncode:
            raise RuntimeError(f"decode ended with {p.returncode}: {p.stderr[-2000:]}")
        return Answer(p.stdout.splitlines())

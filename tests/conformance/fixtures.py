"""fixtures.py - our own fixtures: datagrams written for people, and what they mean.
SPDX-License-Identifier: ISC

fixtures/*.txt are cases, each with datagrams and expectations, in this order:

  case NAME
  send [from=ADDRESS] [port=N] [at=MS]    a datagram; what it holds stands indented below
  tick MS                                 time passes (milliseconds after AT)
  = {JSON}                                a flow, all of it but received and exporter
  flows N                                 so many flows, whatever is in them
  counters {JSON}                         of an interface, likewise
  ledger WORD=N …                         sets.decoded=2, lost.flows=0; over all exporters
  interface N NAME SPEED                  as it is called then; _ is a blank

What a datagram holds, word by word; # begins a comment:

  4:17            the number 17 in four octets       8:-1   all bits set
  x:00ff          octets                             "text" its octets
  ip:192.0.2.1    an address, of either kind         f:0.01 a double
  mac:02:00:…     a MAC address
  len             two octets: the length of the datagram
  (N … )          what is inside, after its length in N octets (XDR: padded when N is 4)
  N* ( … )        what is inside N times
  head5 COUNT SEQUENCE    24 octets of a v5 header; head9 SEQUENCE SOURCE; head10 SEQUENCE DOMAIN
  sflow5 SAMPLES, sample FORMAT ( … )     likewise for sFlow
  set ID ( … )    a set of v9 or IPFIX, its length before it
  template ID ELEMENT/LENGTH …            a template set; ENTERPRISE.ELEMENT/v for the rest
  options ID SCOPES ELEMENT/LENGTH …      an options template set
"""
import glob
import ipaddress
import json
import os
import re
import struct

AT = 1700000000400       # when datagrams are received
CLOCK = 1700000000       # what headers say
UPTIME = 3600000
FROM, PORT = "192.0.2.1", "2000"
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")


def number(word):
    n, value = word.split(":")
    v = int(value, 0)
    return (v & ((1 << 8 * int(n)) - 1)).to_bytes(int(n), "big")


class Assembler:
    """Words to octets."""

    def __init__(self, words):
        self.words, self.version = words, 0

    def whole(self):
        out = self.some()
        if self.words:
            raise ValueError(f"{self.words[0]!r} closes nothing")
        at = out.find(b"\0LENGTH\0")
        if at >= 0:
            out = out[:at] + struct.pack(">H", len(out) - 6) + out[at + 8:]
        return out

    def some(self):
        """Up to the closing bracket, or the end."""
        out = b""
        while self.words:
            word = self.words.pop(0)
            if word == ")":
                return out
            out += self.word(word)
        return out

    def next(self):
        return self.words.pop(0)

    def inner(self):
        if self.next() != "(":
            raise ValueError("a bracket is missing")
        return self.some()

    def word(self, word):
        if re.fullmatch(r"\d+:-?[0-9a-fx]+", word):
            if not self.version and word in ("2:9", "2:10"):
                self.version = int(word[2:])
            return number(word)
        if word[0] == '"':
            return json.loads(word).encode("latin-1")
        kind, _, rest = word.partition(":")
        if kind == "x":
            return bytes.fromhex(rest)
        if kind == "ip":
            return ipaddress.ip_address(rest).packed
        if kind == "mac":
            return bytes.fromhex(rest.replace(":", ""))
        if kind == "f":
            return struct.pack(">d", float(rest))
        if kind == "len":
            return b"\0LENGTH\0"
        if re.fullmatch(r"\(\d", word):
            n, inside = int(word[1:]), self.some()
            if n == 1 and len(inside) > 254:
                return b"\xff" + struct.pack(">H", len(inside)) + inside
            return len(inside).to_bytes(n, "big") + inside + b"\0" * (-len(inside) % 4 if n == 4 else 0)
        if re.fullmatch(r"\d+\*", word):
            return self.inner() * int(word[:-1])
        return getattr(self, "do_" + word)()

    def do_head5(self):
        return struct.pack(">HHIIIIHH", 5, int(self.next()), UPTIME, CLOCK, 0, int(self.next()), 0, 0)

    def do_head9(self):
        self.version = 9
        return struct.pack(">HHIIII", 9, 1, UPTIME, CLOCK, int(self.next()), int(self.next()))

    def do_head10(self):
        self.version = 10
        return struct.pack(">H", 10) + b"\0LENGTH\0" + struct.pack(">III", CLOCK, int(self.next()), int(self.next()))

    def do_sflow5(self):
        return struct.pack(">IIIIIII", 5, 1, 0xc00002fa, 0, 1, UPTIME, int(self.next()))

    def do_sample(self):
        kind, inside = int(self.next()), self.inner()
        return struct.pack(">II", kind, len(inside)) + inside

    def do_set(self):
        kind, inside = int(self.next()), self.inner()
        return struct.pack(">HH", kind, len(inside) + 4) + inside

    def elements(self):
        """[(octets of the specification)]"""
        out = []
        while self.words and re.fullmatch(r"[\d.]+/(\d+|v)", self.words[0]):
            name, _, n = self.next().partition("/")
            pen, _, element = name.rpartition(".")
            n = 65535 if n == "v" else int(n)
            if self.version == 10 and pen:
                out.append(struct.pack(">HHI", 0x8000 | int(element), n, int(pen)))
            else:
                out.append(struct.pack(">HH", int(element), n))
        return out

    def do_template(self):
        ident, fields = int(self.next()), self.elements()
        body = struct.pack(">HH", ident, len(fields)) + b"".join(fields)
        return struct.pack(">HH", 0 if self.version == 9 else 2, len(body) + 4) + body

    def do_options(self):
        ident, scopes, fields = int(self.next()), int(self.next()), self.elements()
        if self.version == 9:
            body = struct.pack(">HHH", ident, 4 * scopes, 4 * (len(fields) - scopes)) + b"".join(fields)
            body += b"\0" * (-len(body) % 4)
        else:
            body = struct.pack(">HHH", ident, len(fields), scopes) + b"".join(fields)
        return struct.pack(">HH", 1 if self.version == 9 else 3, len(body) + 4) + body


def words_of(line):
    line = re.sub(r'(^|\s)#.*', "", line)
    return re.findall(r'"(?:[^"\\]|\\.)*"|\(\d?|\)|[^\s()]+', line)


class Case:
    def __init__(self, file, name):
        self.name = f"{file}: {name}"
        self.commands, self.flows, self.counters, self.ledger, self.interfaces = [], [], [], {}, {}
        self.n_flows = None
        self.open = None

    def close(self):
        if self.open:
            head, words = self.open
            self.commands.append(f"{head} {Assembler(words).whole().hex()}")
            self.open = None

    def line(self, line):
        if self.open and line[0] in " \t":
            self.open[1].extend(words_of(line))
            return
        self.close()
        word, _, rest = line.strip().partition(" ")
        if word == "send":
            o = dict(w.split("=") for w in rest.split("#")[0].split())
            at = AT + int(o.get("at", 0))
            self.open = (f"send {o.get('from', FROM)} {o.get('port', PORT)} {at}", [])
        elif word == "tick":
            self.commands.append(f"tick {AT + int(rest)}")
        elif word in ("set", "known"):
            self.commands.append(line.strip())
        elif word == "=":
            self.flows.append(json.loads(rest))
        elif word == "flows":
            self.n_flows = int(rest)
        elif word == "counters":
            self.counters.append(json.loads(rest))
        elif word == "ledger":
            self.ledger.update((k, int(v)) for k, v in (w.split("=") for w in rest.split()))
        elif word == "interface":
            n, name, speed = rest.split(" ")
            self.interfaces[n] = [name.replace("_", " "), int(speed)]
        else:
            raise ValueError(f"{self.name}: what is {line!r}?")

    def misses(self, decoder):
        self.close()
        a = decoder.run(self.commands)
        got = [{k: v for k, v in f.items() if k not in ("received", "exporter")} for f in a.flows]
        out = []
        if self.n_flows is not None:
            if self.n_flows != len(got):
                out.append(f"{self.name}\n      expected {self.n_flows} flows\n      got      {len(got)}")
            got = []
        for i in range(max(len(got), len(self.flows))):
            want = self.flows[i] if i < len(self.flows) else None
            have = got[i] if i < len(got) else None
            if want != have:
                out.append(f"{self.name}\n      expected {json.dumps(want)}\n      got      {json.dumps(have)}")
        if self.counters != a.counters:
            out.append(f"{self.name}\n      expected {self.counters}\n      got      {a.counters}")
        for word, want in self.ledger.items():
            title, _, label = word.partition(".")
            if a.total(title, label or None) != want:
                out.append(f"{self.name}\n      expected {word}={want}\n      got      {a.total(title, label or None)}")
        names = a.exporters[0].get("interfaces", {}) if a.exporters else {}
        for n, want in self.interfaces.items():
            if names.get(n) != want:
                out.append(f"{self.name}\n      expected interface {n} {want}\n      got      {names.get(n)}")
        if a.books():
            out.append(f"{self.name}\n      {a.books()}")
        return out


def cases():
    for path in sorted(glob.glob(os.path.join(HERE, "*.txt"))):
        case = None
        with open(path, encoding="utf-8") as f:
            for line in f:
                line = line.rstrip("\n")
                if not line.strip() or line[0] == "#":
                    continue
                if line.startswith("case "):
                    if case:
                        yield case
                    case = Case(os.path.basename(path), line[5:])
                else:
                    case.line(line)
        if case:
            yield case


def run(decoder):
    """(how many, how many passed, failures)"""
    n = good = 0
    failures = []
    for case in cases():
        misses = case.misses(decoder)
        n += 1
        good += not misses
        failures += misses
    return n, good, failures

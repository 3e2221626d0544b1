#!/usr/bin/env python3
# inert.py - goes through the sinks one by one: the texts came through and do nothing.
# SPDX-License-Identifier: ISC
#
# usage: inert.py DIR CULPRIT PAGE_URL CULPRIT_ACL
import collections
import csv
import email
import email.policy
import html
import html.parser
import io
import json
import os
import pty
import re
import sqlite3
import struct
import subprocess
import sys
import unicodedata
import zlib

from browser import Browser
from texts import NAMES, TEXTS

directory, tool, page, acl = sys.argv[1:]
OWN = page  # the only address that a link may have


def lines(name):
    return [json.loads(line) for line in open(f"{directory}/{name}.jsonl")][1:]


def ok(sink, what):
    print(f"  {sink}: {what}")


def live_character(text, allowed="\n"):
    """The first one that a terminal or a reader would obey instead of showing."""
    for c in text:
        if c not in allowed and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") \
                and c != "\u200b":  # ours, behind @
            return f"U+{ord(c):04X}"
    return None


def strings(j):
    """All of them; Mattermost's `fallback` goes into notifications, which know no markup."""
    if isinstance(j, str):
        yield j
    for v in (v for k, v in j.items() if k != "fallback") if isinstance(j, dict) else j if isinstance(j, list) else ():
        yield from strings(v)


# --- mail ---

class Tags(html.parser.HTMLParser):
    """What a browser would find in it."""
    KNOWN = set("html head meta title style body div p table thead tbody tr th td a img pre "
                "span b strong small br h1 h2 h3 ul li hr code center".split())

    def __init__(self, text):
        super().__init__()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        assert tag in self.KNOWN, f"<{tag}> in a mail"
        for name, value in attrs:
            assert not name.startswith("on"), f"<{tag} {name}> in a mail"
            if name == "href":
                assert value.startswith(OWN), f"a link to {value}"
            if name == "src":
                assert value.startswith("cid:"), f"a picture from {value}"


HEADERS = set("""date from to subject message-id in-reply-to references auto-submitted
    x-auto-response-suppress precedence list-id x-culprit-alert importance mime-version
    content-type""".split())


def pixels(png):
    """Octets of the picture that are not background: a chart was drawn."""
    data, at = b"", 8
    while at < len(png):
        n, kind = struct.unpack(">I4s", png[at:at + 8])
        if kind == b"IDAT":
            data += png[at + 8:at + 8 + n]
        at += 12 + n
    raw = zlib.decompress(data)
    return len(raw) - raw.count(0)


def cells(text, sink):
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len({len(r) for r in rows if r}) <= 1, f"{sink}: rows of different length"
    for cell in (c for r in rows for c in r):
        assert cell[:1] not in tuple("=+-@\t\r") or re.fullmatch(r"-?[\d.]+|-", cell), \
            f"{sink}: a spreadsheet would run {cell!r}"
        assert not live_character(cell, "\n\r\t"), f"{sink}: {cell!r}"
    return len(rows)


mails, htmls = lines("mail"), []
assert len(mails) == len(TEXTS), f"{len(mails)} mails of {len(TEXTS)} alerts"
for m in mails:
    assert m["to"] == ["noc@example.org"], m["to"]
    raw = m["data"].encode("latin-1")
    head = raw.split(b"\r\n\r\n")[0]
    assert max(head) < 128 and min(c for c in head if c not in b"\r\n") >= 32, head
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    extra = {k.lower() for k in parsed.keys()} - HEADERS - {"received", "x-peer",
                                                           "x-mailfrom", "x-rcptto"}
    assert not extra, f"headers {extra}"
    assert len(parsed.get_all("subject")) == 1 and len(parsed["subject"]) <= 80
    assert not live_character(parsed["subject"], ""), parsed["subject"]
    text = parsed.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert not live_character(text), f"{live_character(text)} in the text of a mail"
    page_ = parsed.get_body(("html",)).get_content().replace("\r\n", "\n")
    assert not live_character(page_), f"{live_character(page_)} in the HTML of a mail"
    Tags(page_)
    parts = {p.get_content_type(): p for p in parsed.walk() if not p.is_multipart()}
    assert set(parts) == {"text/plain", "text/html", "text/csv", "image/png"}, set(parts)
    assert [p.get_filename() for p in parsed.walk() if p.get_filename()] == \
        ["chart.png", "flows.csv"]
    cells(parts["text/csv"].get_content(), "the mail's CSV")
    assert pixels(parts["image/png"].get_content()) > 5000, "an empty chart"
    htmls.append(page_)
everything = html.unescape("".join(htmls))
for i, t in enumerate(TEXTS):
    if NAMES[i] not in ("crlf", "ansi", "nul", "badutf8", "bidi", "redis", "prom", "huge"):
        assert t.decode()[:12] in everything, f"{NAMES[i]} did not come through"
ok("mail", f"{len(mails)} times headers, text, HTML, CSV and chart (which holds no text "
   "from outside)")


# --- webhooks ---

def slack(s):
    s = re.sub(r"<%s[^<>|]*(\|[^<>]*)?>" % re.escape(OWN), "", s)
    assert "<" not in s and ">" not in s, f"slack: {s}"
    assert not re.search(r"&(?!(amp|lt|gt);)", s), f"slack: {s}"


def outside_code(s):
    return re.sub(r"```.*?```|`[^`\n]*`", "", s, flags=re.S)


def markdown(s):
    s = outside_code(s)
    s = re.sub(r"\[[A-Za-z0-9 ]+\]\(%s[^\s()]*\)" % re.escape(OWN), "", s)
    bare = re.sub(r"\\.", "", s)  # what is quoted is text
    assert not re.search(r"\]\(|<[!@a-z/]|[*_]|~~", bare), f"markdown: {s}"
    assert not re.search(r"@(everyone|here|all|channel)", bare), f"a mention: {s}"


def telegram(s):
    left = re.sub(r"</?(b|i|code|pre)>|<a href=\"%s[^\"<>]*\">|</a>" % re.escape(OWN), "", s)
    assert "<" not in left and ">" not in left, f"telegram: {left}"


def googlechat(s):
    left = re.sub(r"</?(b|i|u|br|code|pre)>|<font color=\"#\w+\">|</font>|<br/?>"
                  r"|<a href=\"%s[^\"<>]*\">|</a>" % re.escape(OWN), "", s)
    assert not re.search(r"<[a-z!/]", left), f"googlechat: {left}"


def plain(s):
    pass


# what people read, and so shows no control characters; what machines read
PEOPLE = {"slack": slack, "mattermost": markdown, "teams": markdown, "discord": markdown,
          "googlechat": googlechat, "telegram": telegram, "ntfy": plain}
bodies = collections.defaultdict(list)
for r in lines("hook"):
    assert r["code"] == 200
    # ntfy posts to the root of its server
    kind = re.split("[/?]", r["path"] + "/")[2] or "ntfy"
    bodies[kind].append(json.loads(r["body"]))
    for name, value in r["headers"].items():
        assert name.isascii() and value.isprintable(), (name, value)
        assert name not in ("bcc", "x"), name
for kind, check in PEOPLE.items():
    assert len(bodies[kind]) == len(TEXTS), f"{kind}: {len(bodies[kind])} messages"
    for s in (s for b in bodies[kind] for s in strings(b)):
        assert not live_character(s), f"{kind}: {live_character(s)} in {s!r}"
        check(s)
    said = " ".join(s for b in bodies[kind] for s in strings(b))
    assert "DROP TABLE" in said.replace("\\", ""), f"{kind}: the texts did not come through"
    ok(kind, f"{len(bodies[kind])} messages")
alerts = bodies["json"]
alerts = [a for b in alerts for a in (b if isinstance(b, list) else [b])]
assert len({a["id"] for a in alerts}) == len(TEXTS), len(alerts)
for a in alerts:
    assert "x" not in a and "a" not in a, "a text became a member"
ids = [a["id"] for a in alerts]
ok("json", f"{len(alerts)} alerts")
for kind in "pagerduty", "alertmanager", "alertmanager-webhook", "cloudevents", "template":
    text = json.dumps(bodies[kind])
    assert "DROP TABLE" in text, f"{kind}: the texts did not come through"
    ok(kind, f"{len(bodies[kind])} bodies")
for b in bodies["template"]:
    assert set(b) == {"t", "w", "s", "all"} and json.loads(b["all"])["id"], b
for b in (x for l in bodies["alertmanager"] for x in l):
    assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", k) for k in b["labels"]), b["labels"]
    assert not live_character("".join(b["labels"].values()), ""), b["labels"]
# a schema for each is held against the same kind of texts by tests/unit/test_formats.c

# --- exec ---
ran = [f for f in os.listdir(f"{directory}/exec") if f.endswith(".json")]
assert len(ran) == len(TEXTS), f"{len(ran)} programs ran"
for f in ran:
    assert json.load(open(f"{directory}/exec/{f}"))["id"] in ids
    words = {re.sub("=.*", "", w) for w in open(f"{directory}/exec/{f[:-5]}.env").read().splitlines()}
    assert words <= {"PATH", "LANG", "PWD", "SHLVL", "_", "OLDPWD", "argument fixed"}, words
assert not os.path.exists("/tmp/pwn"), "a shell ran a text"
ok("exec", f"{len(ran)} programs, nothing in arguments or environment")


# --- the tool: on a terminal, CSV, JSON ---

def on_terminal(*words):
    """What a person with an 80x24 colour terminal sees."""
    out, (pid, fd) = b"", pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(tool, [tool, "-c", f"{directory}/culprit.conf", "--state",
                        f"{directory}/state", *words])
    while True:
        try:
            more = os.read(fd, 65536)
        except OSError:
            break
        if not more:
            break
        out += more
    os.waitpid(pid, 0)
    os.close(fd)
    text = out.decode("utf-8")  # strict: no broken octet passes
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert not live_character(text, "\r\n"), f"{words}: {live_character(text)} in {text[:3000]!r}"
    return text


def run(*words):
    return subprocess.run([tool, "-c", f"{directory}/culprit.conf", "--state",
                           f"{directory}/state", *words], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout.decode("utf-8")


VERBS = [["alerts"], ["top", "--by", "host", "--names", "-n", "100"],
         ["top", "--by", "app_name", "-n", "100"], ["top", "--by", "interface", "-n", "100"],
         ["top", "--by", "url", "-n", "100"], ["flows"], ["flows", "--urls"], ["status"], ["notify"],
         ["slow", "--list"]]
seen = ""
for verb in VERBS + [["show", i] for i in ids]:
    text = on_terminal(*verb)
    seen += text
    if verb[0] == "show":
        continue  # a process each is enough
    text = run(*verb)
    assert not live_character(text), f"{verb} into a file"
    seen += text
    if verb[:2] == ["top", "--by"] and verb[2] != "host":
        assert "jndi:ldap" in text, f"{verb}: the texts did not come through"
    json.loads(run(*verb, "--json"))
    if verb[0] in ("alerts", "top", "flows") and "--urls" not in verb:
        assert cells(run(*verb, "--csv"), " ".join(verb) + " --csv") > 1
assert "DROP TABLE" in seen and "HYPERLINK" in seen
ok("culprit", f"{len(VERBS) + len(ids)} commands on a terminal, in a file, --json, --csv")

# --- the daemon's log, the metrics, SQLite ---
log = open(f"{directory}/culpritd.log", "rb").read().decode("utf-8")
assert not live_character(log), f"{live_character(log)} in the log"
metrics = subprocess.run(["curl", "-sS", page + "/metrics"], check=True,
                         stdout=subprocess.PIPE).stdout.decode("utf-8")
ROW = re.compile(r'culprit_\w+(\{(\w+="([^"\\\n]|\\[\\"n])*",?)*\})? \S+|process_\w+ \S+')
for row in metrics.splitlines():
    assert row.startswith("# ") or ROW.fullmatch(row), f"a label broke out: {row}"
    assert not live_character(row, ""), row
assert "fake_metric" in metrics, "interface names are not among the labels"
ok("log and metrics", f"{log.count(chr(10))} lines, {metrics.count(chr(10))} rows")
db = sqlite3.connect(f"file:{directory}/state/history.db?mode=ro", uri=True)
tables = {r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
assert "alert" in tables and db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
assert db.execute("SELECT count(*) FROM alert").fetchone()[0] == len(TEXTS)
ok("SQLite", f"{len(tables)} tables as they were")

# --- Squid's helper ---
asked = b"".join(t.replace(b"\n", b" ").replace(b"\0", b" ") + b"\n" for t in TEXTS)
said = subprocess.run([acl, f"{directory}/run/act.sock"], input=asked + b"10.20.0.66\n",
                      stdout=subprocess.PIPE, check=True).stdout.decode()
answers = said.splitlines()
assert len(answers) == len(TEXTS) + 1 and answers[-1] == "OK slow=yes", said
assert all(re.fullmatch(r"(\d+ )?(ERR|BH message=.*)", a) for a in answers[:-1]), said
ok("Squid's helper", f"{len(answers)} answers, one a line")

# --- the browser: every mail, and the page ---
browser = Browser(directory)
for i, text in enumerate(htmls):
    name = f"{directory}/mail{i}.html"
    open(name, "w").write(text)
    browser.visit(f"file://{name}")
    assert browser.value("document.scripts.length") == 0
browser.asked.clear()
wait = "new Promise(done => { const look = () => %s ? done(1) : setTimeout(look, 50); look(); })"
for path in ["/"] + [f"/alert/{i}" for i in ids[::3]]:
    browser.visit(page + path)
    browser.value(wait % "document.querySelectorAll('#alert-list *').length > 20")
    if path != "/":
        browser.value("document.querySelectorAll('details').forEach(d => { d.open = true; })")
shown = browser.value("document.body.innerText")
assert "DROP TABLE" in shown and "<script>alert(1)</script>" in shown, shown[:2000]
browser.value("""(() => { document.querySelector("#by").value = "interface";
    document.querySelector("#top-form button:not([type])").click(); })()""")
browser.value(wait % "document.querySelectorAll('#top-rows tr').length >= 10")
assert browser.value("document.querySelectorAll('img').length") == 0
assert browser.value("document.scripts.length") == 1
assert not browser.dialogs, f"a script ran: {browser.dialogs}"
for url in browser.asked:
    assert url.startswith((page, "data:")), f"the page asked for {url}"
browser.close()
ok("browser", f"{len(htmls)} mails and {1 + len(ids[::3])} pages: no dialog, no script, no request "
   "to elsewhere")

#!/usr/bin/env python3
# mail.py - judges the mails that mail.sh received, and has a browser draw them.
# SPDX-License-Identifier: ISC
#
# usage: mail.py DIR LOOKS - reads the Maildir DIR/box/noc, leaves pictures in LOOKS.
import base64
import email
import email.policy
import pathlib
import struct
import sys
import zlib

from browser import Browser

directory, looks = map(pathlib.Path, sys.argv[1:])


def page_of(name):
    """The HTML part with its chart in it, after a look at all the rest."""
    m = email.message_from_binary_file(open(name, "rb"), policy=email.policy.default)
    seen = str(m["Received"])
    assert "ESMTPSA" in seen and "sender: culprit" in seen, f"without TLS or AUTH: {seen}"
    html = m.get_body(("html",)).get_content()
    for part in m.walk():
        if part["Content-ID"]:
            data = base64.b64encode(part.get_content()).decode()
            cid = part["Content-ID"].strip("<>")
            assert f"cid:{cid}" in html, "the chart is attached and not shown"
            html = html.replace(f"cid:{cid}", f"data:image/png;base64,{data}")
    names = [p.get_filename() for p in m.walk() if p.get_filename()]
    assert any(n.endswith(".csv") for n in names), names
    assert len(str(m["Subject"])) <= 80, m["Subject"]
    print(m["Subject"])
    print(m.get_body(("plain",)).get_content())
    return html


def light(name):
    """First octet of a PNG: how light the page's background is."""
    raw, data, at = open(name, "rb").read(), b"", 8
    while at < len(raw):
        n, kind = struct.unpack(">I4s", raw[at:at + 8])
        if kind == b"IDAT":
            data += raw[at + 8:at + 8 + n]
        at += 12 + n
    return zlib.decompress(data)[1]  # first pixel of the first row: no filter changes it


browser = Browser(directory)
mails = sorted((directory / "box/noc/new").iterdir(), key=lambda p: p.stat().st_mtime)
for name, path in zip(("mail", "sample"), mails):
    page = directory / f"{name}.html"
    page.write_text(page_of(path))
    for width in 390, 1200:
        for dark in False, True:
            browser.window(width, 1600, dark)
            browser.visit(page.as_uri())
            wide = browser.value("document.documentElement.scrollWidth")
            assert wide <= width, f"the mail is {wide} pixels wide in a window of {width}"
            picture = looks / f"{name}-{'dark' if dark else 'light'}-{width}.png"
            browser.picture(picture)
            ground = light(picture)
            assert ground < 60 if dark else ground > 200, f"{picture}: background {ground}"
browser.close()

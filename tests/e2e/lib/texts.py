# texts.py - what hostile people call their hosts, interfaces, applications and pages.
# SPDX-License-Identifier: ISC
import pathlib

NAMES = sorted(p.name for p in pathlib.Path("tests/texts").iterdir())
TEXTS = [pathlib.Path("tests/texts", name).read_bytes() for name in NAMES]



def place(i):
    """Interface and last octet of the addresses of text i."""
    return i + 1

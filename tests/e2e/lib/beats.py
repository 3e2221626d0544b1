#!/usr/bin/env python3
# beats.py PORT SOURCE BYTES [template] - an exporter that sends one flow each 100 ms.
# SPDX-License-Identifier: ISC
#
# NetFlow v9, with its template only when told. Prints what it has sent, in JSON, after
# each flow; ends in good order at SIGTERM.
import json
import signal
import sys
import time

import nf

go_on = [True]
signal.signal(signal.SIGTERM, lambda *_: go_on.clear())
edge = nf.Exporter(9, int(sys.argv[1]), source=sys.argv[2])
if sys.argv[4:] == ["template"]:
    edge.send_template()
while go_on:
    edge.send_flows([nf.flow(src="203.0.113.99", dst="10.66.66.66", bytes=int(sys.argv[3]))])
    print(json.dumps({"flows": edge.flows, "bytes": edge.bytes}), flush=True)
    time.sleep(0.1)

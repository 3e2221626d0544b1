#!/bin/bash
# kill.sh - a few turns of tests/torture/kill.sh.
# SPDX-License-Identifier: ISC
# timeout: 120
#
# With a fast clock, since an ordinary run should be short; the machine is given half as
# long again to write what must not be lost.
export KILLS=3 SPEED=20 LOAD_MS=3000 LOST_MS=15000
exec "$(dirname "$0")/../torture/kill.sh"

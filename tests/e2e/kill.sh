#!/bin/bash
# kill.sh - a few turns of tests/torture/kill.sh.
# SPDX-License-Identifier: ISC
# timeout: 120
#
# With a fast clock, since an ordinary run should be short. The tenths of a second that
# rows wait for their block, and the block for its turn, do not pass faster, so what must
# not be lost is twice as old: one second by the wall clock.
export KILLS=3 SPEED=20 LOAD_MS=4000 LOST_MS=20000
exec "$(dirname "$0")/../torture/kill.sh"

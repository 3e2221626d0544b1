#!/bin/bash
# storm.sh - ten thousand alerts in ten seconds: all in history, memory stays, people get ten messages.
# SPDX-License-Identifier: ISC
# timeout: 300
# alone
ALERTS=10000 SECONDS_OF=10 exec "$(dirname "$0")/../e2e/storm.sh"

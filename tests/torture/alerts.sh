#!/bin/bash
# alerts.sh - a thousand kills while alerts fire: none is lost, few come twice.
# SPDX-License-Identifier: ISC
# timeout: 3000
# alone
cd "$(dirname "$0")/../.." || exit 1
KILLS=1000 exec "${BUILD:-build}/tests/unit/test_notify_kill"

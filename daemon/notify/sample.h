/* sample.h - an invented alert that looks like a real one.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_SAMPLE_H
#define CUL_NOTIFY_SAMPLE_H

#include "daemon/model/alert.h"

/* A full downlink, five flows, a person behind the proxy, a normal band, an hour of
 * values: everything that a message can show. Gives. */
struct alert *sample_alert(int64_t now_ms, enum alert_state state);

#endif

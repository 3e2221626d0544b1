/* chart.h - an alert's last values against what is normal, as a picture.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_CHART_H
#define CUL_NOTIFY_CHART_H

#include <stdbool.h>

#include "daemon/base/strb.h"
#include "daemon/model/alert.h"

/* Adds a PNG of 480 by 190 points at two pixels each. False, and nothing added: the
 * alert has too few values to draw. */
bool chart_png(const struct alert *a, struct strb *png);

#endif

/* spark.h - a row of little bars.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_CLI_SPARK_H
#define CUL_CLI_SPARK_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/strb.h"

/* Adds at most `width` bars for the n values (several share one by their mean when there
 * are more), from 0 to the largest; NAN is a gap and stays blank. utf8 false: "_.-=*#". */
/* One of them, of a row whose highest is top; NAN: a blank. Static. */
const char *spark_bar(double v, double top, bool utf8);
void spark_add(struct strb *out, const double *values, size_t n, size_t width, bool utf8);

#endif

/* metrics.h - shared by the files that write /metrics.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_HTTP_METRICS_H
#define CUL_HTTP_METRICS_H

#include "daemon/http/http_impl.h"
#include "daemon/http/prom.h"

enum { METRICS_EXPORTERS = 256 };

void metrics_exporters(struct prom *p, struct http *h);
void metrics_sockets(struct prom *p, struct http *h);
void metrics_process(struct prom *p);

#endif

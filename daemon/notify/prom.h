/* prom.h - an alert as Prometheus's Alertmanager knows them: labels, annotations.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_PROM_H
#define CUL_NOTIFY_PROM_H

#include "daemon/notify/format.h"

/* Both give. Labels are an alert's identity: no number that changes is in them. */
json_t *prom_labels(const struct alert *a);
json_t *prom_annotations(const struct message *m);

#endif

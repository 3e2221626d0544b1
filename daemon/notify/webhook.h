/* webhook.h - the one thread that serves all webhooks.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_WEBHOOK_H
#define CUL_NOTIFY_WEBHOOK_H

#include "daemon/notify/lane.h"

struct webhooks;

/* NULL + err. curl_global_init has been called. */
struct webhooks *webhooks_start(struct err *err);
/* Serves these lanes (taken, also the array) from now on; transfers of the old ones end.
 */
void webhooks_set(struct webhooks *w, struct lane **lanes, size_t n);
void webhooks_wake(struct webhooks *w); /* something was committed; any thread */
/* Starts nothing more and gives transfers under way until timeout_ms. */
void webhooks_stop(struct webhooks *w, int timeout_ms);
/* After the outbox was closed, which still points into the lanes. */
void webhooks_free(struct webhooks **w);

#endif

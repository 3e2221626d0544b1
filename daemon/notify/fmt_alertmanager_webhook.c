/* fmt_alertmanager_webhook.c - what Alertmanager itself would post (version 4).
 * SPDX-License-Identifier: ISC
 *
 * For the many programs that take Alertmanager's webhooks: dashboards, bots,
 * home automation. One alert a body, its own group.
 */
#include <stdlib.h>

#include "daemon/base/mem.h"
#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"
#include "daemon/notify/prom.h"
#include "daemon/notify/story.h"

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	const struct alert *a = m->alert;
	bool over = a->state == ALERT_RESOLVED || a->was;
	const char *status = over ? "resolved" : "firing";
	json_t *labels = prom_labels(a), *notes = prom_annotations(m), *alert;
	char *group = xasprintf("{}:{fingerprint=\"%s\"}", a->fingerprint);
	struct strb link = { 0 };
	char from[48], to[48];

	(void)n;
	story_link(a, c->base_url, &link);
	alert = json_pack(
	    "{s:s, s:O, s:O, s:s, s:s, s:s, s:s}", "status", status, "labels", labels,
	    "annotations", notes, "startsAt", format_time(a->started_ms, from), "endsAt",
	    over ? format_time(a->ended_ms ? a->ended_ms : a->judged_ms, to)
		 : "0001-01-01T00:00:00Z",
	    "generatorURL", link.s ? link.s : "", "fingerprint", a->fingerprint);
	request_json(r,
		     json_pack("{s:s, s:s, s:s, s:i, s:s, s:[o], s:{s:s}, s:o, s:o, s:s}",
			       "version", "4", "groupKey", group, "receiver", c->name,
			       "truncatedAlerts", 0, "status", status, "alerts", alert,
			       "groupLabels", "fingerprint", a->fingerprint,
			       "commonLabels", labels, "commonAnnotations", notes,
			       "externalURL", c->base_url ? c->base_url : ""));
	free(group);
	strb_free(&link);
}

const struct format format_alertmanager_webhook = {
	.name = "alertmanager-webhook",
	.doc = "the body that Alertmanager posts, version 4",
	.machine = true,
	.make = make,
};

/* fmt_alertmanager.c - Prometheus's Alertmanager, POST /api/v2/alerts.
 * SPDX-License-Identifier: ISC
 *
 * Alertmanager keeps no promise about what it was told once: a firing alert
 * ends at endsAt unless it is sent again. So endsAt is four intervals ahead and
 * all that fires is re-sent each minute (webhook.c, outbox_active), and what
 * was resolved for five minutes more. Every replica gets everything: give all
 * their URLs, none of a load balancer. Bodies carry up to 64 alerts.
 */
#include <string.h>

#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"
#include "daemon/notify/prom.h"
#include "daemon/notify/story.h"

enum { BATCH = 64, RESEND_MS = 60000 };

static json_t *one(const struct channel *c, const struct message *m)
{
	const struct alert *a = m->alert;
	bool over = a->state == ALERT_RESOLVED || a->was;
	int64_t end =
	    over ? a->ended_ms ? a->ended_ms : a->judged_ms : m->now_ms + 4 * RESEND_MS;
	json_t *j = json_object();
	struct strb link = { 0 };
	char when[48];

	json_object_set_new(j, "labels", prom_labels(a));
	json_object_set_new(j, "annotations", prom_annotations(m));
	json_object_set_new(j, "startsAt", json_string(format_time(a->started_ms, when)));
	json_object_set_new(j, "endsAt", json_string(format_time(end, when)));
	story_link(a, c->base_url, &link);
	if (link.len)
		json_object_set_new(j, "generatorURL", json_string(link.s));
	strb_free(&link);
	return j;
}

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	static const char path[] = "/api/v2/alerts";
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, one(c, &m[i]));
	request_json(r, list);
	r->path = path;
}

const struct format format_alertmanager = {
	.name = "alertmanager",
	.doc = "Prometheus Alertmanager; give the URL of every replica",
	.machine = true,
	.batch = BATCH,
	.resend_ms = RESEND_MS,
	.make = make,
};

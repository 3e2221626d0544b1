/* fmt_cloudevents.c - CloudEvents 1.0, structured: an envelope around our own body.
 * SPDX-License-Identifier: ISC */
#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	const struct alert *a = m->alert;
	struct strb type = { 0 };
	char when[48];

	(void)n;
	strb_fmt(&type, "net.culprit.alert.%s", alert_state_word[a->state]);
	request_json(
	    r, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "specversion", "1.0",
			 "id", m->key, "source", "/culprit", "type", type.s, "subject",
			 a->series_id && *a->series_id ? a->series_id : "none", "time",
			 format_time(a->judged_ms, when), "datacontenttype",
			 "application/json", "data", alert_json(a, c->base_url)));
	r->content_type = "application/cloudevents+json";
	strb_free(&type);
}

const struct format format_cloudevents = {
	.name = "cloudevents", .doc = "CloudEvents 1.0 around the json body",
	.machine = true, .make = make,
};

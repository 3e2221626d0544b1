/* fmt_pagerduty.c - PagerDuty's Events API v2.
 * SPDX-License-Identifier: ISC
 *
 * token_file holds the routing key of the integration. The fingerprint is the
 * dedup key, so a resolve closes what its trigger opened, and an acknowledgement
 * here stops PagerDuty from calling the next one. Limits: summary
 * 1,024, dedup key 255, the event 512,000 octets. 202 is success. An alert that
 * was over before it was found is triggered with severity info and then closed
 * by hand or by the next: there is no "was" in this API.
 */
#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"
#include "daemon/notify/story.h"

enum { SUMMARY = 1024, TABLE_ROWS = 20 };

static json_t *details(const struct alert *a)
{
	struct fact f[STORY_FACTS];
	unsigned n = story_facts(a, f);
	json_t *j = json_object();
	struct strb b = { 0 };

	for (unsigned i = 0; i < n; i++)
		json_object_set_new(j, f[i].name, json_string(f[i].value));
	story_why(a, &b);
	json_object_set_new(j, "Why", format_text(&b, 4000));
	story_table(a, TABLE_ROWS, &b);
	json_object_set_new(j, "Top flows", format_text(&b, 8000));
	story_quality(a, &b);
	if (b.len)
		json_object_set_new(j, "Quality", format_text(&b, 2000));
	strb_free(&b);
	return j;
}

static json_t *payload(const struct message *m)
{
	const struct alert *a = m->alert;
	json_t *j = json_object();
	struct strb b = { 0 };
	char when[48];

	story_headline(m, &b);
	json_object_set_new(j, "summary", format_text(&b, SUMMARY));
	strb_tty(&b, a->series && *a->series ? a->series : a->rule);
	json_object_set_new(j, "source", format_text(&b, 255));
	json_object_set_new(j, "severity",
			    json_string(a->was ? "info" : severity_word[a->severity]));
	json_object_set_new(j, "timestamp", json_string(format_time(a->judged_ms, when)));
	strb_tty(&b, a->rule);
	json_object_set_new(j, "component", format_text(&b, 255));
	json_object_set_new(j, "group", json_string(by_word(a->by)));
	json_object_set_new(j, "class", json_string(measure_unit(&a->measure)));
	json_object_set_new(j, "custom_details", details(a));
	return j;
}

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	bool over = m->alert->state == ALERT_RESOLVED && !m->alert->was;
	json_t *j = json_object();
	struct strb link = { 0 };

	(void)n;
	json_object_set_new(j, "routing_key", json_string(c->token));
	json_object_set_new(j, "event_action",
			    json_string(over		     ? "resolve"
					: m->alert->ack_ms ? "acknowledge"
							     : "trigger"));
	json_object_set_new(j, "dedup_key", json_string(m->alert->fingerprint));
	json_object_set_new(j, "payload", payload(m));
	json_object_set_new(j, "client", json_string("culprit"));
	story_link(m->alert, c->base_url, &link);
	if (link.len) {
		json_object_set_new(j, "client_url", json_string(link.s));
		json_object_set_new(
		    j, "links",
		    json_pack("[{s:s, s:s}]", "href", link.s, "text", "Open this alert"));
	}
	strb_free(&link);
	request_json(r, j);
	r->auth = NULL; /* the token is in the body */
}

const struct format format_pagerduty = {
	.name = "pagerduty",
	.doc = "PagerDuty Events API v2: token_file holds the routing key",
	.machine = true,
	.acks = true,
	.needs_token = true,
	.default_url = "https://events.pagerduty.com/v2/enqueue",
	.make = make,
};

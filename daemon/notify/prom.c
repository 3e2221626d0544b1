/* prom.c - an alert as Prometheus's Alertmanager knows them: labels, annotations.
 * SPDX-License-Identifier: ISC */
#include "daemon/notify/prom.h"

#include <string.h>

#include "daemon/notify/story.h"

enum { TEXT = 4000, ROWS = 20 };

static void put(json_t *o, const char *key, struct strb *plain)
{
	if (plain->len)
		json_object_set_new(o, key, format_text(plain, TEXT));
	strb_free(plain);
}

json_t *prom_labels(const struct alert *a)
{
	json_t *o = json_object();
	struct strb b = { 0 };

	strb_tty(&b, a->rule);
	put(o, "alertname", &b);
	json_object_set_new(o, "severity", json_string(severity_word[a->severity]));
	strb_tty(&b, a->series_id);
	put(o, "series", &b);
	json_object_set_new(o, "by", json_string(by_word(a->by)));
	json_object_set_new(o, "fingerprint", json_string(a->fingerprint));
	json_object_set_new(o, "job", json_string("culprit"));
	return o;
}

json_t *prom_annotations(const struct message *m)
{
	json_t *o = json_object();
	struct strb b = { 0 };

	story_headline(m, &b);
	put(o, "summary", &b);
	story_why(m->alert, &b);
	put(o, "description", &b);
	story_table(m->alert, ROWS, &b);
	put(o, "top_flows", &b);
	story_quality(m->alert, &b);
	put(o, "quality", &b);
	json_object_set_new(o, "alert", json_string(m->alert->id));
	return o;
}

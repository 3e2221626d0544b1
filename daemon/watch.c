/* watch.c - alerts of the built-in rules about an exporter itself.
 * SPDX-License-Identifier: ISC
 *
 * What silence.c and lossy.c have in common: their rule, and the alert at the exporter.
 */
#include "daemon/analysis_impl.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"

const struct rule *watch_rule(const struct analysis *a, const struct pattern *p)
{
	for (unsigned i = 0; i < a->rules->n; i++)
		if (a->rules->at[i].pattern == p)
			return &a->rules->at[i];
	return NULL;
}

struct alert *watch_alert(struct analysis *a, const struct rule *r, uint32_t exporter,
			  int64_t from_ms, int64_t now_ms)
{
	struct alert *al = alert_new();
	char text[SERIES_TEXT];

	alert_new_id(al->id, now_ms);
	al->rule = xstrdup(r->name);
	al->filter = xstrdup("");
	al->by = BY_EXPORTER;
	memcpy(al->key.b, &exporter, sizeof(exporter));
	al->series = xstrdup(key_text(BY_EXPORTER, &al->key, a->opts.names, text));
	al->series_id = xstrdup(key_id(BY_EXPORTER, &al->key, a->opts.names, text));
	series_fingerprint(r->name, al->series_id, al->fingerprint);
	al->detector = xstrdup(r->pattern->name);
	al->measure.kind = MEASURE_FLOWS_S;
	al->severity = r->severity;
	al->judged_ms = now_ms;
	al->sampling = 1;
	al->state = ALERT_FIRING;
	al->pending_ms = al->started_ms = al->window_start_ms = from_ms;
	al->window_end_ms = now_ms;
	for (unsigned i = 0; i < ALERT_NOTIFY && r->notify[i]; i++)
		al->notify[i] = xstrdup(r->notify[i]);
	return al;
}

void watch_begin(struct analysis *a, struct alert **kept, struct alert *al)
{
	*kept = alert_copy(al); /* al itself goes on to other threads */
	analysis_emit(a, al);
}

void watch_end(struct analysis *a, struct alert **kept, char *why, int64_t now_ms)
{
	struct alert *al = alert_copy(*kept);

	al->state = ALERT_RESOLVED;
	al->ended_ms = al->judged_ms = now_ms;
	free(al->why);
	al->why = why;
	alert_unref(kept);
	analysis_emit(a, al);
}

char *watch_gone(const struct alert *al)
{
	return xasprintf("Nothing watches for it any more: rule %s was switched off or "
			 "changed.", al->rule);
}

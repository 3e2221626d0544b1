/* silence.c - the built-in rule "exporter-silent".
 * SPDX-License-Identifier: ISC
 *
 * One alert at the source instead of one for each series that fell to zero
 * (D3): while an exporter is silent, lower limits under it are held back.
 * How long is too long is learnt for each exporter (presence.h).
 */
#include "daemon/analysis_impl.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/window/presence.h"

#include <stdlib.h>
#include <string.h>

static const char rule_name[] = "exporter-silent";

static struct alert *new_alert(struct analysis *a, uint32_t id, int64_t now_ms)
{
	struct alert *al = alert_new();
	char text[SERIES_TEXT];

	alert_new_id(al->id, now_ms);
	al->rule = xstrdup(rule_name);
	al->filter = xstrdup("");
	al->by = BY_EXPORTER;
	memcpy(al->key.b, &id, sizeof(id));
	al->series = xstrdup(key_text(BY_EXPORTER, &al->key, a->opts.names, text));
	al->series_id = xstrdup(key_id(BY_EXPORTER, &al->key, a->opts.names, text));
	series_fingerprint(rule_name, al->series_id, al->fingerprint);
	al->measure.kind = MEASURE_FLOWS_S;
	al->severity = SEVERITY_WARNING;
	al->below = true;
	al->judged_ms = now_ms;
	al->sampling = 1;
	return al;
}

/* Who else should hear of it: every channel that any rule tells. */
static void tell_all(const struct analysis *a, struct alert *al)
{
	unsigned n = 0;

	for (unsigned r = 0; r < a->rules->n; r++) {
		for (unsigned i = 0; i < ALERT_NOTIFY && a->rules->at[r].notify[i]; i++) {
			const char *name = a->rules->at[r].notify[i];
			unsigned j = 0;

			while (j < n && strcmp(al->notify[j], name))
				j++;
			if (j == n && n < ALERT_NOTIFY - 1)
				al->notify[n++] = xstrdup(name);
		}
	}
}

static void fell_silent(struct analysis *a, uint32_t id, int64_t last_ms, int64_t now_ms)
{
	struct silence *s = &a->silent[id];
	struct alert *al = new_alert(a, id, now_ms);
	char d[UNIT_TEXT], t[UNIT_TEXT];

	al->state = ALERT_FIRING;
	al->pending_ms = al->started_ms = last_ms;
	al->window_start_ms = last_ms;
	al->window_end_ms = now_ms;
	al->why = xasprintf("Nothing has come from exporter %s for %s (last datagram %s). Look "
			    "whether it still runs, still points here, and whether the network "
			    "between lets UDP through; no flows means no alerts about its links.",
			    al->series, text_duration(now_ms - last_ms, d),
			    text_time(last_ms, t));
	tell_all(a, al);
	s->alert = alert_copy(al); /* al itself goes on to other threads */
	s->since_ms = last_ms;
	analysis_emit(a, al);
}

static void spoke_again(struct analysis *a, uint32_t id, int64_t now_ms)
{
	struct silence *s = &a->silent[id];
	struct alert *al = alert_copy(s->alert);
	char d[UNIT_TEXT];

	al->state = ALERT_RESOLVED;
	al->ended_ms = al->judged_ms = now_ms;
	free(al->why);
	al->why = xasprintf("Exporter %s sends again, after %s of silence.", al->series,
			    text_duration(now_ms - s->since_ms, d));
	alert_unref(&s->alert);
	analysis_emit(a, al);
}

void silence_tick(struct analysis *a, int64_t now_ms)
{
	struct presence *p = window_presence(a->window);
	uint32_t n = names_exporters(a->opts.names);

	if (n > a->n_silent) {
		a->silent = xrealloc(a->silent, n, sizeof(*a->silent));
		memset(a->silent + a->n_silent, 0, (n - a->n_silent) * sizeof(*a->silent));
		a->n_silent = n;
	}
	for (uint32_t id = 0; id < n; id++) {
		int64_t last = presence_last_ms(p, id);
		bool silent = last && now_ms - last > presence_patience_ms(p, id);

		if (silent && !a->silent[id].alert)
			fell_silent(a, id, last, now_ms);
		else if (!silent && last && a->silent[id].alert)
			spoke_again(a, id, now_ms);
	}
}

bool silence_of(const struct analysis *a, enum by by, const struct key *k)
{
	uint32_t id;

	if (by != BY_EXPORTER && by != BY_INTERFACE)
		return false;
	memcpy(&id, k->b, sizeof(id));
	return id < a->n_silent && a->silent[id].alert;
}

void silence_free(struct analysis *a)
{
	for (uint32_t i = 0; i < a->n_silent; i++)
		alert_unref(&a->silent[i].alert);
	free(a->silent);
	a->silent = NULL;
	a->n_silent = 0;
}

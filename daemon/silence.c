/* silence.c - the built-in rule "exporter-silent".
 * SPDX-License-Identifier: ISC
 *
 * One alert at the source instead of one for each series that fell to zero
 * (D3): while an exporter is silent, lower limits under it are held back, also when
 * the rule is off: missing is never zero. How long is too long is learnt for each
 * exporter (presence.h), unless the rule says it (`patience`).
 */
#include "daemon/analysis_impl.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/window/presence.h"
#include "detectors/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fell_silent(struct analysis *a, const struct rule *r, uint32_t id,
			int64_t last_ms, int64_t now_ms)
{
	struct alert *al = watch_alert(a, r, id, last_ms, now_ms);
	char d[UNIT_TEXT], t[UNIT_TEXT];

	al->below = true;
	al->why = xasprintf("Nothing has come from exporter %s for %s (last datagram %s). Look "
			    "whether it still runs, still points here, and whether the network "
			    "between lets UDP through; no flows means no alerts about its links.",
			    al->series, text_duration(now_ms - last_ms, d),
			    text_time(last_ms, t));
	watch_begin(a, &a->silent[id].alert, al);
}

static void spoke_again(struct analysis *a, uint32_t id, int64_t now_ms)
{
	struct silence *s = &a->silent[id];
	char d[UNIT_TEXT];

	watch_end(a, &s->alert,
		  xasprintf("Exporter %s sends again, after %s of silence.", s->alert->series,
			    text_duration(now_ms - s->since_ms, d)),
		  now_ms);
}

static int64_t patience_ms(const struct analysis *a, const struct rule *r, uint32_t id)
{
	const struct silence_conf *c = r ? r->conf : NULL;

	if (c && !isnan(c->patience_s))
		return (int64_t)(c->patience_s * 1000);
	return presence_patience_ms(window_presence(a->window), id);
}

static void look(struct analysis *a, const struct rule *r, uint32_t id, int64_t now_ms)
{
	struct silence *s = &a->silent[id];
	int64_t last = presence_last_ms(window_presence(a->window), id);

	s->on = last && now_ms - last > patience_ms(a, r, id);
	if (s->alert && (!r || strcmp(r->name, s->alert->rule)))
		watch_end(a, &s->alert, watch_gone(s->alert), now_ms);
	if (s->on && !s->alert && r) {
		s->since_ms = last;
		fell_silent(a, r, id, last, now_ms);
	} else if (!s->on && last && s->alert) {
		spoke_again(a, id, now_ms);
	}
}

void silence_tick(struct analysis *a, int64_t now_ms)
{
	const struct rule *r = watch_rule(a, &pattern_silence);
	uint32_t n = names_exporters(a->opts.names);

	if (n > a->n_silent) {
		a->silent = xrealloc(a->silent, n, sizeof(*a->silent));
		memset(a->silent + a->n_silent, 0, (n - a->n_silent) * sizeof(*a->silent));
		a->n_silent = n;
	}
	for (uint32_t id = 0; id < n; id++)
		look(a, r, id, now_ms);
}

bool silence_of(const struct analysis *a, enum by by, const struct key *k)
{
	uint32_t id;

	if (by != BY_EXPORTER && by != BY_INTERFACE)
		return false;
	memcpy(&id, k->b, sizeof(id));
	return id < a->n_silent && a->silent[id].on;
}

void silence_free(struct analysis *a)
{
	for (uint32_t i = 0; i < a->n_silent; i++)
		alert_unref(&a->silent[i].alert);
	free(a->silent);
	a->silent = NULL;
	a->n_silent = 0;
}

/* backtest_flows.c - the archive's flows once more through windows and rules.
 * SPDX-License-Identifier: ISC
 *
 * Parts of the archive come in the order of receipt, and so do the rows in them: they are
 * put into blocks again, each of which ends where the daemon would have judged, JUDGE_MS
 * after it last did. What the archive does not hold is made anew from it: names of
 * exporters and interfaces, and how late each exporter tells, by the very function
 * that learns it from datagrams.
 */
#include "daemon/backtest_impl.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/analysis.h"
#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/collect/exporter.h"

enum { JUDGE_MS = 200, TICK_MS = 1000, NAMES_SEEN = 1 << 16 };

struct named { /* an interface of the reader's exporter */
	uint32_t exporter, index;
};

struct flows {
	struct backtest_part *p;
	struct analysis *analysis;
	struct block *b;	      /* what has come since the last verdict */
	struct exporter_state **late; /* by our exporter id: for its lateness alone */
	uint32_t *ours; /* the reader's exporter id -> ours; UINT32_MAX: not yet */
	uint32_t n_ours, n_late;
	struct map named;
	int64_t now_ms, judged_ms, ticked_ms;
	uint64_t columns;
};

/* ---- names ---- */

static uint32_t our_exporter(struct flows *f, const struct names *theirs, uint32_t id)
{
	const struct exporter *e;
	struct exporter *x;

	if (id >= f->n_ours) {
		f->ours = xrealloc(f->ours, id + 1, sizeof(*f->ours));
		memset(f->ours + f->n_ours, 0xff,
		       (id + 1 - f->n_ours) * sizeof(*f->ours));
		f->n_ours = id + 1;
	}
	if (f->ours[id] != UINT32_MAX)
		return f->ours[id];
	e = theirs ? names_exporter_at(theirs, id) : NULL;
	x = e ? names_exporter(f->p->o->names, &e->addr, e->port) : NULL;
	f->ours[id] = x ? x->id : 0;
	return f->ours[id];
}

static void learn_interface(struct flows *f, const struct names *theirs, uint32_t id,
			    uint32_t index)
{
	struct named n = { id, index };
	struct interface i;
	bool fresh;

	if (!map_put(&f->named, &n, &fresh) || !fresh || !theirs)
		return;
	names_interface(theirs, id, index, &i);
	if (*i.name || i.speed_bps)
		names_interface_set(f->p->o->names, our_exporter(f, theirs, id), index,
				    *i.name ? i.name : NULL, i.speed_bps, TOLD_EXPORTER);
}

/* ---- lateness, as the collector learns it ---- */

static void note_lateness(struct flows *f, uint32_t id, int64_t ms)
{
	if (id >= f->n_late) {
		f->late = xrealloc(f->late, id + 1, sizeof(*f->late));
		memset(f->late + f->n_late, 0, (id + 1 - f->n_late) * sizeof(*f->late));
		f->n_late = id + 1;
	}
	if (!f->late[id])
		f->late[id] = xcalloc(1, sizeof(**f->late));
	lateness_add(f->late[id], ms);
}

static void publish_lateness(struct flows *f)
{
	for (uint32_t i = 0; i < f->n_late; i++)
		if (f->late[i])
			names_exporter_at(f->p->o->names, i)->ledger.lateness_ms =
			    lateness_of(f->late[i]);
}

/* ---- time ---- */

/* What has come by now is counted as of now. */
static void count(struct flows *f)
{
	if (!f->b->n)
		return;
	analysis_block(f->analysis, f->b, f->now_ms);
	block_reset(f->b);
}

static void judge(struct flows *f, int64_t now_ms)
{
	if (now_ms - f->ticked_ms >= TICK_MS) {
		publish_lateness(f);
		f->ticked_ms = now_ms;
	}
	analysis_tick(f->analysis, now_ms, true);
	f->judged_ms = now_ms;
}

/* Slice by slice to that time: the daemon's clock ticks while nothing comes. */
static void go_on(struct flows *f, int64_t to_ms)
{
	int64_t next = (f->now_ms / SLICE_MS + 1) * SLICE_MS;

	count(f);
	for (; next <= to_ms; next += SLICE_MS)
		judge(f, next);
	if (to_ms - f->judged_ms >= JUDGE_MS)
		judge(f, to_ms);
	if (to_ms > f->now_ms)
		f->now_ms = to_ms;
}

static void add_row(struct flows *f, const struct block *b, uint32_t r)
{
	struct block *to = f->b;
	uint32_t at = to->n++;

	for (int i = 0; i < FIELD_COUNT; i++) {
		if (!(b->used >> i & 1))
			continue;
		block_use(to, (enum field)i);
		if (field_info[i].kind == KIND_TEXT) {
			const char *s =
			    block_text_at(b, (uint32_t)block_u64(b, (enum field)i, r));

			*(uint32_t *)block_cell(to, (enum field)i, at) =
			    block_text(to, s, strlen(s));
			continue;
		}
		memcpy(block_cell(to, (enum field)i, at), block_cell(b, (enum field)i, r),
		       field_info[i].width);
	}
	block_use(to, F_exporter);
	to->exporter[at] = our_exporter(f, b->names, b->exporter[r]);
	to->counts[at] = 0; /* worked out anew */
	learn_interface(f, b->names, b->exporter[r], b->in_if[r]);
	learn_interface(f, b->names, b->exporter[r], b->out_if[r]);
	note_lateness(f, to->exporter[at], b->received_ms[r] - b->start_ms[r]);
	f->p->out->flows++;
}

static bool take_rows(void *arg, unsigned worker, const struct block *b,
		      const uint64_t *bits)
{
	struct flows *f = arg;
	const struct backtest_opts *o = f->p->o;

	(void)worker;
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1) {
			uint32_t r = w * 64 + (uint32_t)__builtin_ctzll(left);
			int64_t at = b->received_ms[r];

			if (at < o->from_ms || at >= o->to_ms)
				continue;
			if (at > f->now_ms)
				go_on(f, at);
			add_row(f, b, r);
			if (f->b->n == BLOCK_ROWS)
				count(f);
		}
	if (o->progress)
		o->progress(o->arg, (uint64_t)(f->now_ms - o->from_ms),
			    (uint64_t)(o->to_ms - o->from_ms));
	return true;
}

/* ---- the whole ---- */

static struct rules *shared(const struct backtest_part *p)
{
	struct rules *r = backtest_copies(&p->rules, 1);

	for (unsigned i = 0; i < r->n; i++) { /* names are what alerts are known by */
		free(r->at[i].name);
		r->at[i].name = xstrdup(p->rules.at[i].name);
	}
	return r;
}

static void count_series(void *arg, const struct series_value *v)
{
	struct flows *f = arg;
	const struct backtest_part *p = f->p;

	for (unsigned i = 0; i < p->rules.n; i++)
		if (!strcmp(p->rules.at[i].name, v->rule->name))
			p->out->rule[p->number[i]].series++;
}

bool backtest_flows(struct backtest_part *p, struct err *err)
{
	const struct backtest_opts *o = p->o;
	const struct config *c = o->config;
	struct analysis_opts ao = { .names = o->names,
				    .calendar = o->calendar,
				    .alert = backtest_take,
				    .arg = p,
				    .late_ms = c->late_ms,
				    .memory =
					c->memory / 2 * (o->copies ? o->copies : 1) };
	struct archive_query q = { .directory = c->archive.directory,
				   .from_ms = o->from_ms,
				   .to_ms = o->to_ms,
				   .names = o->names,
				   .columns = UINT64_MAX,
				   .slack_ms = c->late_ms,
				   .threads = 1 };
	struct flows f = { .p = p,
			   .now_ms = o->from_ms,
			   .judged_ms = o->from_ms,
			   .ticked_ms = o->from_ms };
	struct archive_result read;
	bool ok;

	if (!c->archive.enabled)
		return err_set(err,
			       "the configuration has the archive switched off, so no "
			       "flows are kept");
	map_init(&f.named, sizeof(struct named), 1, NAMES_SEEN);
	f.b = block_new(o->names);
	f.analysis = analysis_new(&ao, shared(p), o->from_ms);
	ok = archive_read(&q, take_rows, &f, &read, err);
	if (ok) {
		go_on(&f, o->to_ms);
		judge(&f, o->to_ms);
		analysis_values(f.analysis, count_series, &f);
	}
	for (unsigned i = 0; i < p->rules.n; i++) {
		struct backtest_rule *r = &p->out->rule[p->number[i]];

		r->first_ms = !read.oldest_ms || !p->out->flows ? 0
			      : read.oldest_ms > o->from_ms	? read.oldest_ms
								: o->from_ms;
		r->last_ms = o->to_ms;
	}
	analysis_free(&f.analysis);
	block_unref(&f.b);
	for (uint32_t i = 0; i < f.n_late; i++)
		free(f.late[i]);
	free(f.late);
	free(f.ours);
	map_fini(&f.named);
	return ok;
}

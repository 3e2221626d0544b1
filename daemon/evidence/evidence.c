/* evidence.c - top flows, what changed, and the sentences that name who did it.
 * SPDX-License-Identifier: ISC
 *
 * Three questions to the archive, all with the rule's filter, the series' key and the
 * alert's position: the largest flows, the largest hosts, and what is other than at
 * this hour of earlier weeks (change.c). why.c makes sentences of the answers.
 *
 * In a storm, alerts of hosts that wait together are asked for together (batch.c) and get
 * their flows, but nobody looks what changed or what the proxy knows: who reads the
 * thousandth alert of a minute can ask for that. They leave in the order they came.
 */
#include "daemon/evidence/evidence.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/queue.h"
#include "daemon/base/strb.h"
#include "daemon/evidence/batch.h"
#include "daemon/evidence/change.h"
#include "daemon/evidence/explain.h"
#include "daemon/evidence/geo.h"
#include "daemon/evidence/owners.h"
#include "daemon/evidence/squid.h"
#include "daemon/evidence/top.h"
#include "daemon/evidence/why.h"
#include "rules/filter/filter.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_ALERTS = 4096, HOSTS = 8, NAMED_MAX = 48, NAMES_MS = 500, STORM = 4,
       TOGETHER = 1024 };

struct evidence {
	struct evidence_opts opts;
	char *archive_dir;
	struct queue *queue;
	pthread_t thread;
};

/* What has lasted longer than its window is looked at wholly when it is over. */
static struct alert_sight sight_of(const struct alert *a)
{
	return alert_sight(a, a->state == ALERT_RESOLVED);
}

static bool ask(const struct evidence_opts *o, const struct alert *a,
		const struct filter *f, const char *by, unsigned n, struct top_result *out)
{
	struct alert_sight at = sight_of(a);
	struct top_query q = { .directory = o->archive_dir, .from_ms = at.from_ms,
			       .to_ms = at.to_ms, .filter = f, .names = o->names,
			       .only = &a->key, .only_by = a->by, .n = n,
			       .order = why_order(&a->measure), .as_of = at.position,
			       .memory = o->memory };
	struct err err = { "" };

	q.n_keys = top_keys_parse(by, q.keys, &err);
	if (q.n_keys && top_run(&q, out, &err))
		return true;
	log_seldom("evidence", 600, "the flows of %s could not be read: %s", a->series,
		   err.msg);
	return false;
}

static void take_flows(struct alert *a, const struct top_result *r)
{
	a->total_bytes = r->total.bytes;
	a->total_packets = r->total.packets;
	a->total_flows = r->total.flows;
	if (r->sampling > a->sampling)
		a->sampling = r->sampling;
	if (!r->read.oldest_ms || r->read.oldest_ms > a->window_start_ms ||
	    r->read.blocks_damaged) {
		a->evidence_short = true;
		a->evidence_from_ms = r->read.oldest_ms;
	}
	a->top = xcalloc(r->n ? r->n : 1, sizeof(*a->top));
	for (a->n_top = 0; a->n_top < r->n; a->n_top++) {
		const struct top_row *row = &r->rows[a->n_top];

		a->top[a->n_top] = (struct top_flow){
			.src = row->value[0].addr, .dst = row->value[1].addr,
			.src_port = (uint16_t)row->value[2].number,
			.dst_port = (uint16_t)row->value[3].number,
			.proto = (uint8_t)row->value[4].number,
			.bytes = row->sums.bytes, .packets = row->sums.packets,
			.flows = row->sums.flows,
			.share = why_share(why_order(&a->measure), &row->sums, &r->total),
		};
	}
}

/* What the alert's key says already explains nothing; neither does a window of which
 * flows are missing. */
static bool find_change(const struct evidence_opts *o, const struct alert *a,
			const struct filter *f, struct change *out)
{
	struct alert_sight at = sight_of(a);
	struct change_query q = { .directory = o->archive_dir, .from_ms = at.from_ms,
				  .to_ms = at.to_ms, .begun_ms = a->pending_ms, .filter = f,
				  .names = o->names, .calendar = o->calendar,
				  .only = a->by == BY_NONE ? NULL : &a->key, .by = a->by,
				  .measure = a->measure, .drop = a->below,
				  .as_of = at.position, .memory = o->memory };
	struct err err = { "" };

	if (!a->evidence_short && change_find(&q, out, &err))
		return true;
	if (*err.msg)
		log_seldom("change", 600, "what changed for %s could not be found: %s",
			   a->series, err.msg);
	return false;
}

/* Whoever asked the proxy is called as everywhere else. */
static void withhold_changed(struct change *c, const struct explained *e,
			     const struct veil *veil)
{
	for (unsigned i = 0; veil && i < c->n; i++) {
		struct strb s = { 0 };
		char text[ADDR_TEXT], *rest = c->row[i].text, *word;
		struct addr a;

		while ((word = strsep(&rest, " "))) {
			bool is = addr_parse(word, &a);

			if (is)
				a = explained_shown(e, veil, &a);
			strb_add(&s, s.len ? " " : "");
			strb_add(&s, is ? addr_text(&a, text) : word);
		}
		free(c->row[i].text);
		c->row[i].text = strb_take(&s);
	}
}

static void take_change(struct alert *a, const struct change *c)
{
	char when[CHANGE_WORDS];

	if (!c->n)
		return;
	a->compared = xstrdup(change_when(c, when));
	a->changed = xcalloc(c->n, sizeof(*a->changed));
	for (; a->n_changed < c->n; a->n_changed++) {
		const struct change_row *r = &c->row[a->n_changed];

		a->changed[a->n_changed] =
		    (struct changed){ xstrdup(r->text), r->value, r->before, r->share };
	}
}

struct named {
	struct owner list[NAMED_MAX];
	size_t n;
};

static void add_owner(struct named *to, const struct addr *a)
{
	size_t i = 0;

	while (i < to->n && !addr_eq(&to->list[i].addr, a))
		i++;
	if (i == to->n && to->n < NAMED_MAX && !addr_is_none(a) && !addr_is_veiled(a))
		to->list[to->n++].addr = *a;
}

static char *name_in(const struct named *in, const struct addr *a)
{
	for (size_t i = 0; i < in->n; i++)
		if (addr_eq(&in->list[i].addr, a))
			return *in->list[i].name ? xstrdup(in->list[i].name) : NULL;
	return NULL;
}

/* Names for everybody whom the alert will mention, the first to be named first. */
static void find_names(const struct evidence_opts *o, struct alert *a, struct found *f,
		       struct named *to)
{
	if (!o->owners)
		return;
	add_owner(to, &f->client->host);
	for (unsigned i = 0; f->change && i < f->change->n; i++)
		if (f->change->row[i].by == BY_HOST) {
			struct addr host;

			memcpy(host.b, f->change->row[i].key.b, sizeof(host.b));
			add_owner(to, &host);
		}
	for (unsigned i = 0; i < a->n_top; i++) {
		add_owner(to, &a->top[i].src);
		add_owner(to, &a->top[i].dst);
	}
	for (unsigned i = 0; f->hosts && i < f->hosts->n; i++)
		add_owner(to, &f->hosts->rows[i].value[0].addr);
	owners_find(o->owners, to->list, to->n, a->window_end_ms, o->wait_ms);
	for (unsigned i = 0; i < a->n_top; i++) {
		a->top[i].src_name = name_in(to, &a->top[i].src);
		a->top[i].dst_name = name_in(to, &a->top[i].dst);
	}
	f->owners = to->list;
	f->n_owners = to->n;
}

/* A pattern's sentence begins with the address that it is about: its name behind it. */
static void name_who(struct alert *a, const struct named *names)
{
	char text[ADDR_TEXT], *name, *why;
	struct addr who;
	size_t n;

	if (a->by != BY_SRC && a->by != BY_DST && a->by != BY_HOST)
		return;
	memcpy(who.b, a->key.b, sizeof(who.b));
	n = strlen(addr_text(&who, text));
	name = name_in(names, &who);
	if (name && !strncmp(a->why, text, n) && a->why[n] == ' ') {
		why = xasprintf("%s (%s)%s", text, name, a->why + n);
		free(a->why);
		a->why = why;
	}
	free(name);
}

/* The last step: names, and the sentence where there is none yet. */
static void put_in_words(const struct evidence_opts *o, struct alert *a, struct found *f)
{
	struct named names = { .n = 0 };

	find_names(o, a, f, &names);
	if (a->why) {
		name_who(a, &names);
		return;
	}
	a->who = why_who(o, a, f);
	a->why = why_text(o, a, f);
}

static const struct veil *veil_of(const struct evidence_opts *o)
{
	return o->squid ? squid_veil(o->squid) : NULL;
}

void evidence_fill(const struct evidence_opts *o, struct alert *a)
{
	struct top_result flows = { 0 }, hosts = { 0 };
	struct filter *f;
	struct change change = { .against = CHANGE_NOTHING };
	struct explained e = { .share = 0 };
	struct found found = { .client = &e, .veil = veil_of(o) };

	if (a->why && !a->kind) /* bare: everything is said already */
		return;
	f = filter_compile(a->filter, NULL);
	if (f && o->country)
		filter_geo(f, geo_filter, o->country);
	if (*o->archive_dir && f && a->window_end_ms > a->window_start_ms &&
	    ask(o, a, f, "flow", EVIDENCE_FLOWS, &flows)) {
		take_flows(a, &flows);
		explain_alert(o, a, f, sight_of(a), &e);
		if (ask(o, a, f, "host", HOSTS, &hosts))
			found.hosts = &hosts;
		if (find_change(o, a, f, &change)) {
			withhold_changed(&change, &e, found.veil);
			take_change(a, &change);
			found.change = &change;
		}
	} else {
		a->evidence_short = true;
	}
	put_in_words(o, a, &found);
	change_fini(&change);
	explained_fini(&e);
	top_free(&flows);
	top_free(&hosts);
	filter_free(&f);
}

/* What was not looked for, and how it can be asked for. */
static void say_unasked(struct alert *a, const char *what, const char *command)
{
	char *had = a->why;

	a->why = xasprintf("%s%sMany alerts came at once, so %s not looked for; it can be asked "
			   "for: culprit %s --as-of %s", had ? had : "", had ? " " : "", what,
			   command, a->id);
	free(had);
}

/* A batch_f. */
static void fill_from_batch(void *arg, struct alert *a, const struct top_result *flows)
{
	struct explained nothing = { .share = 0 };
	struct found found = { .client = &nothing };

	take_flows(a, flows);
	put_in_words(arg, a, &found);
	say_unasked(a, "what changed was", "changed");
}

/* Who is alike is asked together when the first of them has its turn; not where the
 * proxy's clients are not to be told, since only the proxy's part knows who they are. */
static void work_off(struct evidence *e, struct alert **list, size_t n)
{
	bool *filled = xcalloc(n, sizeof(*filled)), together = !veil_of(&e->opts);

	for (size_t i = 0; i < n; i++) {
		/* In a storm nobody waits for anybody's name. */
		e->opts.wait_ms = n - i - 1 + queue_len(e->queue) > STORM ? 0 : NAMES_MS;
		if (!filled[i] && !(together && batch_ask(&e->opts, list + i, n - i, filled + i,
							  fill_from_batch, &e->opts)))
			evidence_fill(&e->opts, list[i]);
		e->opts.done(e->opts.arg, list[i]);
	}
	free(filled);
}

static void *run(void *arg)
{
	struct evidence *e = arg;
	struct alert *list[TOGETHER];
	size_t n;

	while ((list[0] = queue_get(e->queue, -1))) {
		for (n = 1; n < TOGETHER && (list[n] = queue_get(e->queue, 0));)
			n++;
		work_off(e, list, n);
	}
	return NULL;
}

struct evidence *evidence_start(const struct evidence_opts *o)
{
	struct evidence *e = xcalloc(1, sizeof(*e));

	e->opts = *o;
	e->opts.archive_dir = e->archive_dir = xstrdup(o->archive_dir);
	e->queue = queue_new(QUEUE_ALERTS);
	if (!pthread_create(&e->thread, NULL, run, e))
		pthread_setname_np(e->thread, "evidence");
	return e;
}

void evidence_alert(struct evidence *e, struct alert *a)
{
	if (queue_try_put(e->queue, a))
		return;
	a->evidence_short = true; /* a storm: told without looking */
	if (!a->why)
		a->why = why_text(&e->opts, a, &(struct found){ .hosts = NULL });
	say_unasked(a, "who it is was", "top");
	e->opts.done(e->opts.arg, a);
}

void evidence_stop(struct evidence **ep)
{
	struct evidence *e = *ep;

	*ep = NULL;
	if (!e)
		return;
	queue_close(e->queue);
	pthread_join(e->thread, NULL);
	queue_free(&e->queue);
	free(e->archive_dir);
	free(e);
}

/* batch.c - the top flows of many alerts from one reading of the archive.
 * SPDX-License-Identifier: ISC
 *
 * A storm is one rule that fires for thousands of hosts within seconds. Each alone would
 * read the same blocks again, some ten milliseconds each, so the last would wait for
 * minutes. Alerts of hosts that were raised in the same look share filter, window and
 * archive position; they differ only in the host. So the archive is read once with the
 * host as first key, only rows of hosts that are asked for are counted, and each key goes
 * to its alert's short list as it comes out of the table. The answer is the same to the
 * byte as if each had asked alone (`culprit top --as-of` must agree with it), and memory
 * is the table's bound plus one short list an alert.
 *
 * Only for groups of hosts: of other things there are never thousands.
 */
#include "daemon/evidence/batch.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/evidence/geo.h"
#include "daemon/evidence/top_impl.h"
#include "daemon/evidence/why.h"

#include <stdlib.h>
#include <string.h>

/* Fewer are asked one by one: that also tells them what changed, and of the proxy. */
enum { BATCH_MIN = 16, HOST_OCTETS = sizeof(struct addr), FLOW_OCTETS = 44 };

struct place {
	struct sums total;
	unsigned n;
	struct sums sums[EVIDENCE_FLOWS];          /* largest first */
	uint8_t flow[EVIDENCE_FLOWS][FLOW_OCTETS]; /* the keys after the host */
};

struct batch {
	enum top_order order;
	struct map hosts;    /* address -> uint32_t number of its place */
	struct place *place;
	size_t n;
};

static bool alike(const struct alert *a, const struct alert *b)
{
	struct alert_sight x = alert_sight(a, a->state == ALERT_RESOLVED);
	struct alert_sight y = alert_sight(b, b->state == ALERT_RESOLVED);

	return a->by == b->by && why_order(&a->measure) == why_order(&b->measure) &&
	       x.from_ms == y.from_ms && x.to_ms == y.to_ms &&
	       x.position.file_s == y.position.file_s &&
	       x.position.offset == y.position.offset && !strcmp(a->filter, b->filter) &&
	       !(b->why && !b->kind);
}

static bool can_share(const struct alert *a)
{
	return (a->by == BY_HOST || a->by == BY_SRC || a->by == BY_DST) &&
	       a->window_end_ms > a->window_start_ms && !(a->why && !a->kind);
}

/* As top.c orders them: by the measure, bytes, packets, and then the key. */
static bool before(enum top_order order, const struct sums *x, const uint8_t *kx,
		   const struct sums *y, const uint8_t *ky)
{
	uint64_t a = top_measure(x, order), b = top_measure(y, order);

	if (a == b) {
		a = x->bytes;
		b = y->bytes;
	}
	if (a == b) {
		a = x->packets;
		b = y->packets;
	}
	return a != b ? a > b : memcmp(kx, ky, FLOW_OCTETS) < 0;
}

static void insert(struct place *p, enum top_order order, const uint8_t *flow,
		   const struct sums *s)
{
	unsigned at = p->n;

	while (at && before(order, s, flow, &p->sums[at - 1], p->flow[at - 1]))
		at--;
	if (at == EVIDENCE_FLOWS)
		return;
	if (p->n < EVIDENCE_FLOWS)
		p->n++;
	memmove(&p->sums[at + 1], &p->sums[at], (p->n - at - 1) * sizeof(p->sums[0]));
	memmove(&p->flow[at + 1], &p->flow[at], (p->n - at - 1) * sizeof(p->flow[0]));
	p->sums[at] = *s;
	memcpy(p->flow[at], flow, FLOW_OCTETS);
}

/* A top_each_f. */
static void take(void *arg, const uint8_t *key, const struct sums *s)
{
	struct batch *b = arg;
	const uint32_t *number;
	struct place *p;

	if (!key) { /* counting begins again */
		memset(b->place, 0, b->n * sizeof(*b->place));
		return;
	}
	number = map_get(&b->hosts, key);
	if (!number)
		return;
	p = &b->place[*number];
	sums_add(&p->total, s);
	insert(p, b->order, key + HOST_OCTETS, s);
}

/* Source, destination, both ports, protocol: what top_keys_parse() makes of "flow". */
static void fill_row(const uint8_t *flow, const struct sums *s, struct top_row *r)
{
	uint32_t number[3];

	r->sums = *s;
	memcpy(r->value[0].addr.b, flow, HOST_OCTETS);
	memcpy(r->value[1].addr.b, flow + HOST_OCTETS, HOST_OCTETS);
	memcpy(number, flow + 2 * HOST_OCTETS, sizeof(number));
	for (unsigned i = 0; i < ARRAY_LEN(number); i++)
		r->value[2 + i].number = number[i];
}

static void answer(const struct batch *b, struct alert *a, struct top_result *r,
		   batch_f *fn, void *arg)
{
	const uint32_t *number = map_get(&b->hosts, a->key.b);
	const struct place *p = &b->place[*number];

	memset(r->rows, 0, EVIDENCE_FLOWS * sizeof(*r->rows));
	r->total = p->total;
	for (r->n = 0; r->n < p->n; r->n++)
		fill_row(p->flow[r->n], &p->sums[r->n], &r->rows[r->n]);
	fn(arg, a, r);
}

static bool read_archive(const struct evidence_opts *o, const struct alert *a,
			 struct batch *b, struct top_result *r)
{
	struct alert_sight at = alert_sight(a, a->state == ALERT_RESOLVED);
	struct filter *f = filter_compile(a->filter, NULL);
	struct top_query q = { .directory = o->archive_dir, .from_ms = at.from_ms,
			       .to_ms = at.to_ms, .filter = f, .names = o->names,
			       .only_by = a->by, .among = &b->hosts, .each = take,
			       .each_arg = b, .order = b->order, .as_of = at.position,
			       .memory = o->memory };
	struct err err = { "" };
	char words[32];
	bool ok;

	if (f && o->country)
		filter_geo(f, geo_filter, o->country);
	snprintf(words, sizeof(words), "%s,flow", by_word(a->by));
	q.n_keys = top_keys_parse(words, q.keys, &err);
	ok = f && q.n_keys && top_run(&q, r, &err);
	if (!ok)
		log_seldom("evidence", 600, "the flows of %s and others could not be read: %s",
			   a->series, err.msg);
	filter_free(&f);
	return ok;
}

static size_t gather(struct alert *const *list, size_t n, const bool *done, struct batch *b,
		     size_t *which)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (!done[i] && alike(list[0], list[i]))
			which[found++] = i;
	if (found < BATCH_MIN)
		return 0;
	map_init(&b->hosts, HOST_OCTETS, sizeof(uint32_t), (uint32_t)found);
	for (size_t i = 0; i < found; i++) {
		bool fresh;
		uint32_t *number = map_put(&b->hosts, list[which[i]]->key.b, &fresh);

		if (fresh)
			*number = (uint32_t)b->n++;
	}
	b->place = xcalloc(b->n, sizeof(*b->place));
	return found;
}

size_t batch_ask(const struct evidence_opts *o, struct alert *const *list, size_t n,
		 bool *done, batch_f *fn, void *arg)
{
	struct batch b = { .order = TOP_BYTES };
	struct top_result r = { .n = 0 };
	size_t *which, found;

	if (n < BATCH_MIN || !*o->archive_dir || !can_share(list[0]))
		return 0;
	which = xcalloc(n, sizeof(*which));
	b.order = why_order(&list[0]->measure);
	found = gather(list, n, done, &b, which);
	if (found && read_archive(o, list[0], &b, &r)) {
		free(r.rows); /* of none */
		r.rows = xcalloc(EVIDENCE_FLOWS, sizeof(*r.rows));
		for (size_t i = 0; i < found; i++) {
			answer(&b, list[which[i]], &r, fn, arg);
			done[which[i]] = true;
		}
	} else {
		found = 0;
	}
	r.n = 0;
	top_free(&r);
	map_fini(&b.hosts);
	free(b.place);
	free(which);
	return found;
}

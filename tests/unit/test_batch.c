/* test_batch.c - many alerts asked together get what each alone would have got.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"
#include "daemon/evidence/batch.h"
#include "daemon/evidence/why.h"

enum { BLOCKS = 4, ROWS = 3000, ALERTS = 100, THREADED = 300, MIN = 60000 };

struct fixture {
	char *dir;
	struct names *names;
	struct archive_position position;
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	uint64_t seed = 7;
	struct archive *a;

	f->dir = kit_dir();
	f->names = kit_names(2);
	a = kit_start(f->dir, f->names, &f->position);
	for (int i = 0; i < BLOCKS; i++) {
		struct block *b = kit_block(f->names, ROWS, kit_t0 + i * 20000, &seed);

		block_use(b, F_counts);
		for (uint32_t r = 0; r < b->n; r++)
			b->counts[r] = r % 5 == 0 ? COUNT_IN : 0;
		archive_block(a, b, kit_t0 + i * 20000);
		if (i == BLOCKS - 2)
			archive_mark(a, alert_new()); /* what comes later does not count */
	}
	archive_stop(&a);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	names_free(&f->names);
	kit_rm(f->dir);
	free(f);
	return 0;
}

/* An alert of the host with that number: kit_block() has 0..199 and from 65536. */
static struct alert *alert_of(const struct fixture *f, enum by by, const char *filter,
			      enum measure_kind kind, unsigned host)
{
	struct alert *a = alert_new();
	struct addr addr;

	kit_addr(&addr, host);
	memcpy(a->key.b, addr.b, sizeof(addr.b));
	snprintf(a->id, sizeof(a->id), "%026u", host);
	a->by = by;
	a->rule = xstrdup("hosts");
	a->filter = xstrdup(filter);
	a->series = xasprintf("host %u", host);
	a->series_id = xasprintf("host=%u", host);
	a->state = ALERT_FIRING;
	a->measure.kind = kind;
	a->sampling = 1;
	a->window_start_ms = kit_t0 - 10000;
	a->window_end_ms = a->judged_ms = kit_t0 + MIN;
	a->pending_ms = a->started_ms = a->window_end_ms;
	a->position = f->position;
	return a;
}

static void same_flows(const struct alert *alone, const struct alert *a)
{
	assert_int_equal(a->n_top, alone->n_top);
	assert_int_equal(a->total_bytes, alone->total_bytes);
	assert_int_equal(a->total_packets, alone->total_packets);
	assert_int_equal(a->total_flows, alone->total_flows);
	assert_int_equal(a->sampling, alone->sampling);
	assert_int_equal(a->evidence_short, alone->evidence_short);
	for (unsigned i = 0; i < a->n_top; i++) {
		const struct top_flow *x = &alone->top[i], *y = &a->top[i];

		assert_memory_equal(&x->src, &y->src, sizeof(x->src));
		assert_memory_equal(&x->dst, &y->dst, sizeof(x->dst));
		assert_int_equal(x->src_port, y->src_port);
		assert_int_equal(x->dst_port, y->dst_port);
		assert_int_equal(x->proto, y->proto);
		assert_int_equal(x->bytes, y->bytes);
		assert_int_equal(x->packets, y->packets);
		assert_int_equal(x->flows, y->flows);
		assert_true(x->share == y->share);
	}
}

struct told {
	struct alert *list[THREADED];
	unsigned n;
};

static void done(void *arg, struct alert *a)
{
	struct told *t = arg;

	assert_true(t->n < THREADED);
	t->list[t->n++] = a;
}

static void flows_of_batch(void *arg, struct alert *a, const struct top_result *flows)
{
	enum top_order order = why_order(&a->measure);
	size_t *n = arg;

	++*n;
	assert_true(flows->n <= EVIDENCE_FLOWS);
	for (unsigned i = 1; i < flows->n; i++)
		assert_true(why_share(order, &flows->rows[i - 1].sums, &flows->total) >=
			    why_share(order, &flows->rows[i].sums, &flows->total));
}

static void asked_together_is_as_asked_alone(void **state)
{
	static const struct {
		enum by by;
		const char *filter;
		enum measure_kind kind;
	} rows[] = {
		{ BY_HOST, "", MEASURE_BITS_S },
		{ BY_SRC, "proto tcp", MEASURE_FLOWS_S },
		{ BY_DST, "not dst port 443", MEASURE_PACKETS },
	};
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int small = 0; small < 2; small++) {
			struct told told = { .n = 0 };
			/* The small table is full at once, and is read in lots. */
			struct evidence_opts o = { .archive_dir = f->dir, .names = f->names,
						   .memory = small ? 200000 : 0,
						   .done = done, .arg = &told };
			struct evidence *e = evidence_start(&o);

			for (unsigned k = 0; k < ALERTS; k++)
				evidence_alert(e, alert_of(f, rows[i].by, rows[i].filter,
							   rows[i].kind, 2 * k));
			evidence_stop(&e);
			assert_int_equal(told.n, ALERTS);
			for (unsigned k = 0; k < ALERTS; k++) {
				struct alert *alone = alert_of(f, rows[i].by, rows[i].filter,
							       rows[i].kind, 2 * k);

				o.memory = 0;
				evidence_fill(&o, alone);
				assert_string_equal(told.list[k]->id, alone->id);
				assert_true(alone->n_top > 0);
				assert_non_null(told.list[k]->why);
				same_flows(alone, told.list[k]);
				alert_unref(&alone);
				alert_unref(&told.list[k]);
			}
		}
}

static void only_what_asks_the_same_is_answered_together(void **state)
{
	const struct fixture *f = *state;
	struct evidence_opts o = { .archive_dir = f->dir, .names = f->names };
	struct alert *list[ALERTS];
	bool filled[ALERTS] = { false };
	size_t n = 0;

	for (unsigned k = 0; k < ALERTS; k++)
		list[k] = alert_of(f, BY_HOST, k % 2 ? "proto tcp" : "", MEASURE_BITS_S, k);
	list[10]->window_end_ms -= 10000;
	list[12]->position.offset++;
	list[14]->measure.kind = MEASURE_FLOWS;
	list[16]->by = BY_SRC;
	list[18]->why = xstrdup("nothing is heard of edge");
	filled[20] = true;
	assert_int_equal(batch_ask(&o, list, ALERTS, filled, flows_of_batch, &n),
			 ALERTS / 2 - 6);
	assert_int_equal(n, ALERTS / 2 - 6);
	for (unsigned k = 0; k < ALERTS; k++)
		assert_int_equal(filled[k], k % 2 == 0 && (k < 10 || k > 18));
	/* Few are left that ask what number 16 asks: it is asked alone. */
	assert_int_equal(batch_ask(&o, list + 16, ALERTS - 16, filled + 16, flows_of_batch, &n),
			 0);
	for (unsigned k = 0; k < ALERTS; k++)
		alert_unref(&list[k]);
}

static void ends_never_overtake_beginnings(void **state)
{
	const struct fixture *f = *state;
	struct told told = { .n = 0 };
	struct evidence_opts o = { .archive_dir = f->dir, .names = f->names, .done = done,
				   .arg = &told };
	struct evidence *e = evidence_start(&o);

	for (unsigned k = 0; k < THREADED; k++) {
		unsigned host = k / 2;
		struct alert *a = alert_of(f, BY_HOST, "", MEASURE_BITS_S, host);

		if (k % 2) {
			a->state = ALERT_RESOLVED;
			a->ended_ms = a->window_end_ms;
			a->end_position = f->position;
		}
		evidence_alert(e, a);
	}
	evidence_stop(&e);
	assert_int_equal(told.n, THREADED);
	for (unsigned k = 0; k < THREADED; k++) {
		assert_int_equal(atoi(told.list[k]->id), k / 2);
		assert_int_equal(told.list[k]->state, k % 2 ? ALERT_RESOLVED : ALERT_FIRING);
		alert_unref(&told.list[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asked_together_is_as_asked_alone),
		cmocka_unit_test(only_what_asks_the_same_is_answered_together),
		cmocka_unit_test(ends_never_overtake_beginnings),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

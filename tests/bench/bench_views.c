/* bench_views.c - what baselines cost: a point and view, memory, a slice.
 * SPDX-License-Identifier: ISC
 *
 *   bench_views [SERIES]
 *
 * Prints three lines, each with its budget:
 *   a point and view   the seasonal detector over ten weeks of bins, by its views
 *   full state         SERIES series by interface, each with a baseline of five weeks, as
 *                      they come back from history into the daemon's own analysis: what
 *                      the process grew by, over the same without baselines
 *   a slice            what analysis_tick() takes once every ten seconds with all of
 *                      them, bytes on each in each slice, never the same; median and worst of a bin's
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/wait.h>

#include "daemon/analysis.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "detectors/detector.h"
#include "detectors/views.h"
#include "storage/store.h"

enum { WEEK = 2016, SLICES = 3 * BIN_SLICES, VIEWS_USED = 13, SERIES = 10000 };

static const int64_t t0 = INT64_C(1793000000000) / BIN_MS * BIN_MS;

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t draw(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static double value(int bin, uint64_t *seed)
{
	double hour = bin % SLOTS_DAY / 12.0;

	return 3e7 * (1.3 + sin((hour - 9) / 24 * 2 * M_PI)) *
	       (0.9 + 0.2 * (double)(draw(seed) % 1000) / 1000);
}

static struct point point_at(int64_t from_s, int bin, uint64_t *seed)
{
	int slot = bin % WEEK;

	return (struct point){ .at_s = from_s + (int64_t)bin * 300, .step_s = 300,
			       .slot = (uint16_t)slot, .rest = slot >= 5 * SLOTS_DAY,
			       .train = true, .value = value(bin, seed) };
}

/* The state after those weeks, of which the last bin ends at t0. Gives. */
static void *train(const struct detector *d, const void *conf, int bins, double *took)
{
	void *state = xcalloc(1, d->state_size);
	uint64_t seed = 7;
	struct verdict v;
	double began = cpu_s();

	for (int i = 0; i < bins; i++) {
		struct point p = point_at(t0 / 1000 - (int64_t)bins * 300, i, &seed);

		d->step(conf, state, &p, &v);
	}
	*took = cpu_s() - began;
	return state;
}

static void bench_point(const struct detector *d, const void *conf)
{
	double s, all = 0;
	int n = 0;

	for (; n < 10; n++) {
		free(train(d, conf, 10 * WEEK, &s));
		all += s;
	}
	printf("a point and view: %.3f us (budget 0.3)\n",
	       all / (n * 10 * WEEK) / VIEWS_USED * 1e6);
}

/* ---- the daemon's analysis with many series ---- */

struct site {
	struct names *names;
	struct calendar *calendar;
	struct analysis *a;
	unsigned interfaces;
	int64_t now_ms;
	uint64_t seed;
	const char *url;
};

static void ignore(void *arg, struct alert *a)
{
	(void)arg;
	alert_unref(&a);
}

static struct rules *rules_of(const struct detector *d, const void *conf)
{
	struct rules *r = xcalloc(1, sizeof(*r));

	r->at = xcalloc(1, sizeof(*r->at));
	r->n = 1;
	*r->at = (struct rule){ .name = xstrdup("traffic"),
				.filter = filter_compile("", NULL), .by = BY_INTERFACE,
				.window = BIN_SLICES, .above = d ? NAN : 1e15,
				.below = NAN, .clear = NAN, .warn = NAN, .detector = d };
	if (d)
		r->at->conf = xmemdup(conf, d->conf_size);
	return r;
}

static void flows(struct site *s)
{
	static const enum field used[] = { F_start_ms, F_end_ms, F_received_ms, F_bytes,
					   F_packets, F_exporter, F_in_if, F_out_if };
	struct block *b = block_new(s->names);

	for (unsigned i = 0; i < s->interfaces; i++) {
		uint32_t r = b->n++;

		for (size_t f = 0; f < ARRAY_LEN(used); f++)
			block_use(b, used[f]);
		b->start_ms[r] = s->now_ms - SLICE_MS;
		b->end_ms[r] = b->received_ms[r] = s->now_ms;
		b->bytes[r] = 30000000 + draw(&s->seed) % 20000000;
		b->packets[r] = 40000;
		b->in_if[r] = i + 1;
		b->out_if[r] = (i + 1) % s->interfaces + 1;
		if (b->n == BLOCK_ROWS || i + 1 == s->interfaces) {
			analysis_block(s->a, b, s->now_ms);
			block_reset(b);
		}
	}
	block_unref(&b);
}

/* What a bin's slices take to judge. */
static void slices(struct site *s, unsigned n, double *took)
{
	for (unsigned i = 0; i < n; i++) {
		double began;

		flows(s);
		s->now_ms += SLICE_MS;
		began = cpu_s();
		analysis_tick(s->a, s->now_ms, true);
		took[i] = (cpu_s() - began) * 1000;
	}
}

static void keep_baselines(const struct site *s, const struct detector *d,
			   const void *state)
{
	struct baseline_head head = { d->version, (uint32_t)d->state_size, slice_of(t0), "" };
	struct store_opts so = { .keep_bins_s = 86400 };
	size_t len = sizeof(head) + d->state_size;
	char *blob = xcalloc(1, len), key[SERIES_TEXT];
	struct err err = { "" };
	struct store *store = store_open(s->url, &so, &err);
	uint64_t batch = 0;

	snprintf(head.detector, sizeof(head.detector), "%s", d->name);
	memcpy(blob, &head, sizeof(head));
	memcpy(blob + sizeof(head), state, d->state_size);
	for (unsigned i = 0; store && i < 2 * s->interfaces; i++) {
		struct put p = { .kind = PUT_BLOB, .space = "baseline", .key = key,
				 .data = blob, .len = len };

		snprintf(key, sizeof(key), "traffic|interface=192.0.2.1/#%u/%s",
			 i / 2 + 1, i % 2 ? "out" : "in");
		if (!store_put(store, ++batch, &p, 1, &err))
			break;
	}
	if (*err.msg)
		fprintf(stderr, "bench_views: %s\n", err.msg);
	if (store)
		store_close(&store);
	free(blob);
}

static double resident_mib(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0;

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct cost {
	double grew_mib, took_ms[SLICES];
};

static void run_site(struct site *s, const struct detector *d, const void *conf,
		     struct cost *c)
{
	struct analysis_opts o = { .names = s->names, .calendar = s->calendar,
				   .alert = ignore, .late_ms = 600000,
				   .memory = (size_t)1 << 30 };
	struct store_opts so = { .read_only = true };
	struct err err = { "" };
	struct store *store = store_open(s->url, &so, &err);
	double before = resident_mib();

	s->now_ms = t0;
	s->a = analysis_new(&o, rules_of(d, conf), t0);
	if (!store || !analysis_recall(s->a, store, t0, &err))
		fprintf(stderr, "bench_views: %s\n", err.msg);
	if (store)
		store_close(&store);
	slices(s, SLICES, c->took_ms);
	c->grew_mib = resident_mib() - before;
}

/* In a child, which begins clean and leaves nothing. */
static void bench_site(struct site *s, const struct detector *d, const void *conf,
		       struct cost *c)
{
	int end[2];

	fflush(stdout);
	if (pipe(end))
		exit(1);
	if (!fork()) {
		run_site(s, d, conf, c);
		_exit(write(end[1], c, sizeof(*c)) != (ssize_t)sizeof(*c));
	}
	close(end[1]);
	if (read(end[0], c, sizeof(*c)) != (ssize_t)sizeof(*c))
		exit(1);
	close(end[0]);
	wait(NULL);
}

static void bench_series(const struct detector *d, const void *conf, unsigned series)
{
	char dir[] = "/tmp/bench_views_XXXXXX", url[64], command[64];
	struct site s = { .interfaces = series / 2, .url = url };
	struct cost with, without;
	double trained;
	struct err err = { "" };
	struct addr addr;
	void *state;

	if (!mkdtemp(dir))
		exit(1);
	snprintf(url, sizeof(url), "sqlite:%s/history.db", dir);
	s.names = names_new(16);
	s.calendar = calendar_new("UTC", &err);
	addr_parse("192.0.2.1", &addr);
	names_exporter(s.names, &addr, 0)->ledger.lateness_ms = 30000;
	state = train(d, conf, 5 * WEEK, &trained);
	keep_baselines(&s, d, state);
	bench_site(&s, d, conf, &with);
	bench_site(&s, NULL, NULL, &without);
	qsort(with.took_ms, SLICES, sizeof(*with.took_ms), by_size);
	printf("full state of %u series: %.1f MiB (budget 96); %zu octets each, "
	       "windows beside them %.1f MiB\n",
	       2 * s.interfaces, with.grew_mib - without.grew_mib, d->state_size,
	       without.grew_mib);
	printf("a slice with %u series: %.1f ms, at the worst %.1f (budget 20)\n",
	       2 * s.interfaces, with.took_ms[SLICES / 2], with.took_ms[SLICES - 1]);
	free(state);
	names_free(&s.names);
	calendar_free(&s.calendar);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		exit(1);
}

int main(int argc, char **argv)
{
	const struct detector *d = detector_find("seasonal");
	unsigned series = argc > 1 ? (unsigned)atoi(argv[1]) : SERIES;
	void *conf = xcalloc(1, d->conf_size);

	opt_defaults(d->opts, conf);
	bench_point(d, conf);
	bench_series(d, conf, series);
	free(conf);
	return 0;
}

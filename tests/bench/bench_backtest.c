/* bench_backtest.c - a month of bins of 100 series, through the rules.
 * SPDX-License-Identifier: ISC
 *
 *   bench_backtest [SERIES [DAYS]]
 *
 * Fills a history (SQLite, in a directory of its own) with interfaces that breathe with
 * the day, then runs a limit and the seasonal detector over it, as `culprit backtest`
 * does. Prints one line of JSON for each: seconds, bins a second, alerts, and the seconds
 * with the table of limits behind it, which is what the verb takes. Budget: 5 s.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/backtest.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/model/series.h"
#include "rules/rule.h"
#include "storage/store.h"

enum { PUTS = 20000, DAY_BINS = 288 };

static const int64_t begin_s = INT64_C(1793000000) / STEP_BIN * STEP_BIN;

static const char conf[] =
    "history { url = \"sqlite:%s/history.db\" }\n"
    "timezone = \"UTC\"\n"
    "rule limit { by = \"interface\"  window = 5m  above = 60M }\n"
    "rule unusual { by = \"interface\"  detector = \"seasonal\" }\n";

static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void flush(struct store *s, uint64_t *batch, struct put *puts, size_t *n)
{
	struct err err = { "" };

	if (*n && !store_put(s, ++*batch, puts, *n, &err)) {
		fprintf(stderr, "bench_backtest: %s\n", err.msg);
		exit(1);
	}
	*n = 0;
}

static struct bin make_bin(int64_t at_s, unsigned series, uint64_t *seed)
{
	double hour = (double)(at_s % 86400) / 3600;
	double level = (2 + sin((hour - 9) / 24 * 2 * M_PI)) * (1 + series % 7) * 30e6;
	double v = level * (0.8 + 0.4 * (double)(draw(seed) % 1000) / 1000);

	if (draw(seed) % 4000 == 0) /* now and then something happens */
		v *= 6;
	return (struct bin){ .start_s = at_s,
			     .step = STEP_BIN,
			     .covered = 0x3fffffff,
			     .bytes = (uint64_t)v,
			     .packets = (uint64_t)v / 900,
			     .flows = (uint64_t)v / 20000,
			     .peak = v * 1.1 };
}

static void fill(struct store *s, unsigned series, int days)
{
	struct put *puts = xcalloc(PUTS, sizeof(*puts));
	char(*names)[64] = xcalloc(series, sizeof(*names));
	uint64_t batch = 0, seed = 88172645463325252u;
	size_t n = 0;

	puts[n++] = (struct put){ .kind = PUT_BLOB,
				  .space = "exporter",
				  .key = "192.0.2.1 0",
				  .data = "",
				  .len = 1 };
	for (unsigned i = 0; i < series; i++)
		snprintf(names[i], sizeof(names[i]), "any|interface=192.0.2.1/#%u/%s",
			 i / 2 + 1, i % 2 ? "out" : "in");
	for (int d = 0; d < days; d++)
		for (unsigned i = 0; i < series; i++)
			for (int b = 0; b < DAY_BINS; b++) {
				int64_t at =
				    begin_s + ((int64_t)d * DAY_BINS + b) * STEP_BIN;

				puts[n++] = (struct put){ .kind = PUT_BIN,
							  .series = names[i],
							  .bin = make_bin(at, i, &seed) };
				if (n == PUTS)
					flush(s, &batch, puts, &n);
			}
	flush(s, &batch, puts, &n);
	free(puts);
	free(names);
}

static void run(const struct config *c, const char *rule, int days)
{
	struct backtest_opts o = { .config = c,
				   .names = names_new(16),
				   .from_ms = begin_s * 1000,
				   .to_ms = (begin_s + (int64_t)days * 86400) * 1000,
				   .source = BACKTEST_BINS };
	struct rules *rules = backtest_rules(c, NULL, rule);
	struct err err = { "" };
	struct backtest b;
	int64_t began = clock_mono_ms();
	struct calendar *cal = calendar_new("UTC", &err);
	struct backtest_limits limits;
	double s, all;

	o.calendar = cal;
	if (!backtest_run(&o, rules, &b, &err)) {
		fprintf(stderr, "bench_backtest: %s\n", err.msg);
		exit(1);
	}
	s = (double)(clock_mono_ms() - began) / 1000;
	if (!backtest_limits(&o, rules->at, 1, &b, &limits, &err)) {
		fprintf(stderr, "bench_backtest: %s\n", err.msg);
		exit(1);
	}
	all = (double)(clock_mono_ms() - began) / 1000;
	printf(
	    "{\"rule\":\"%s\",\"series\":%u,\"days\":%d,\"bins\":%llu,\"seconds\":%.2f,"
	    "\"bins_per_s\":%.0f,\"alerts\":%zu,\"limits\":%u,\"with_limits_s\":%.2f}\n",
	    rule, b.rule[0].series, days, (unsigned long long)b.bins, s,
	    (double)b.bins / s, b.n, limits.n, all);
	backtest_fini(&b);
	backtest_rules_free(&rules);
	calendar_free(&cal);
	names_free(&o.names);
}

int main(int argc, char **argv)
{
	unsigned series = argc > 1 ? (unsigned)atoi(argv[1]) : 100;
	int days = argc > 2 ? atoi(argv[2]) : 30;
	char dir[] = "/tmp/bench_backtest_XXXXXX", path[64], url[64], command[64];
	struct store_opts so = { .keep_bins_s = INT64_C(3650) * 86400 };
	struct config_errors errs;
	struct err err = { "" };
	struct config *c;
	struct store *s;
	FILE *f;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/culprit.conf", dir);
	snprintf(url, sizeof(url), "sqlite:%s/history.db", dir);
	f = fopen(path, "w");
	if (!f)
		return 1;
	fprintf(f, conf, dir);
	fclose(f);
	c = config_load(path, dir, &errs);
	if (!c)
		config_errors_print(&errs, stderr);
	config_errors_free(&errs);
	s = store_open(url, &so, &err);
	if (!c || !s) {
		fprintf(stderr, "bench_backtest: %s\n", err.msg);
		return 1;
	}
	fill(s, series, days);
	store_close(&s);
	run(c, "limit", days);
	run(c, "unusual", days);
	config_free(&c);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) != 0;
}

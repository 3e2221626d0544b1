/* bench_weeks.c - weeks of a series in a file, through the daemon's own engine.
 * SPDX-License-Identifier: ISC
 *
 *   bench_weeks FILE.csv HOLIDAYS [BUDGET]
 *
 * FILE.csv has timestamp,value in bits/s every five minutes, UTC, an empty value for a gap,
 * as trafficweeks.py makes it; local time is Europe/Amsterdam. Each row becomes flows that
 * go through windows, rules and baselines (tests/unit/weeks.h); what comes out is
 * timestamp,alert, for trafficweeks.py to score: so what the daemon tells, which also
 * judges windows before they settle, is held against what `culprit score` says.
 */
#define _GNU_SOURCE 1
#include "tests/unit/weeks.h"

#include <stdio.h>
#include <time.h>

enum { ROWS_MAX = 1 << 16, BIN_S = 300 };

struct row {
	char stamp[24];
	double value;
};

static size_t read_rows(const char *path, struct row *rows)
{
	FILE *f = fopen(path, "re");
	char line[128];
	size_t n = 0;

	if (!f || !fgets(line, sizeof(line), f))
		return 0;
	while (n < ROWS_MAX && fgets(line, sizeof(line), f)) {
		char *comma = strchr(line, ',');

		if (!comma)
			continue;
		*comma = '\0';
		snprintf(rows[n].stamp, sizeof(rows[n].stamp), "%s", line);
		rows[n].value = comma[1] == '\n' ? NAN : strtod(comma + 1, NULL);
		n++;
	}
	fclose(f);
	return n;
}

int main(int argc, char **argv)
{
	struct row *rows = xcalloc(ROWS_MAX, sizeof(*rows));
	size_t n = argc > 2 ? read_rows(argv[1], rows) : 0;
	struct err err = { "" };
	struct calendar *cal = calendar_new("Europe/Amsterdam", &err);
	struct tm tm = { 0 };
	struct weeks *w;
	int64_t from_s;

	if (!n || !cal || !calendar_load_holidays(cal, argv[2], &err) ||
	    !strptime(rows[0].stamp, "%Y-%m-%dT%H:%M:%SZ", &tm)) {
		fprintf(stderr, "usage: bench_weeks FILE.csv HOLIDAYS [BUDGET] %s\n",
			err.msg);
		return 64;
	}
	from_s = timegm(&tm);
	w = weeks_new(cal, NULL, weeks_rules("seasonal", argc > 3 ? atof(argv[3]) : 0),
		      from_s);
	for (size_t i = 0; i < n; i++)
		weeks_bin(w, 1, &rows[i].value);
	puts("timestamp,alert");
	for (size_t i = 0; i < n; i++) {
		int64_t at_ms = (from_s + (int64_t)i * BIN_S) * 1000;
		int on = 0;

		for (size_t k = 0; k < w->n && !on; k++) {
			const struct weeks_alert *a = &w->alert[k];

			on = a->link && a->started_ms < at_ms + BIN_S * 1000 &&
			     (!a->ended_ms || a->ended_ms > at_ms);
		}
		printf("%s,%d\n", rows[i].stamp, on);
	}
	weeks_free(&w);
	calendar_free(&cal);
	free(rows);
	return 0;
}

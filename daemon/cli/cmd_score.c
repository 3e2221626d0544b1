/* cmd_score.c - culprit score: try a detector on any series in a file.
 * SPDX-License-Identifier: ISC
 *
 * Reads `timestamp,value` once, from a file or standard input, gives each row to
 * the detector as the daemon would, and writes a line at once:
 *
 *	timestamp,anomaly_score,alert
 *	2026-11-23T09:35:00Z,0.6123,1
 *
 * anomaly_score is in [0, 1): how newsworthy the row is. It is told once, so it is 0
 * while something stands that was told before and has not grown; for seasonal 0.5
 * is what comes once in three years. alert is 1 while an alert stands, which is
 * the detector's own verdict at its budget.
 *
 * An empty value is a gap. A time without a zone is wall-clock time in
 * --timezone, which is UTC when not given: the answer must not depend on the
 * machine it is asked on. The bin's length is the distance of the first two rows; the
 * detectors made of views gather bins under five minutes and judge when five are whole.
 */
#include "daemon/cli/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/err.h"
#include "daemon/base/mem.h"
#include "daemon/model/calendar.h"
#include "detectors/detector.h"
#include "detectors/pattern.h"

enum { EXIT_WRONG_USE = 64, LINE_MAX_OCTETS = 4096, STEP_DEFAULT_S = 300 };

struct row {
	char stamp[64];
	struct point p;
};

struct input {
	FILE *f;
	const char *name;
	const struct calendar *cal;
	unsigned long line;
	int col_time, col_value;
};

static void usage(FILE *to)
{
	fputs("usage: culprit score --detector NAME [--timezone ZONE] [--holidays FILE]\n"
	      "                     [--SETTING VALUE]... FILE.csv\n"
	      "       culprit score --list\n"
	      "FILE.csv has timestamp,value; an empty value is a gap; - is standard "
	      "input.\n",
	      to);
}

static void list(void)
{
	for (size_t i = 0; detector_at(i); i++) {
		const struct detector *d = detector_at(i);

		printf("%s\n    %s\n", d->name, d->doc);
		for (const struct opt *o = d->opts; o->name; o++) {
			printf("    --%-10s %s", o->name, o->doc);
			if (isnan(o->def))
				printf(" (not set)\n");
			else
				printf(" (%g)\n", o->def);
		}
	}
	for (size_t i = 0; pattern_at(i); i++) {
		const struct pattern *p = pattern_at(i);

		if (!p->feed)
			continue;
		printf("%s\n    %s; of flows, so not for a CSV file: culprit backtest\n", p->name,
		       p->doc);
		for (const struct opt *o = p->opts; o->name; o++)
			printf("    %-12s %s (%g)\n", o->name, o->doc, o->def);
	}
}

/* n-th comma-separated field of line, which is not quoted in such files; NULL when
 * there are fewer. */
static const char *field(const char *line, int n, char *buf, size_t size)
{
	for (; n > 0; n--) {
		line = strchr(line, ',');
		if (!line)
			return NULL;
		line++;
	}
	snprintf(buf, size, "%.*s", (int)strcspn(line, ",\r\n"), line);
	return buf;
}

static bool read_line(struct input *in, char *buf, struct err *e)
{
	if (!fgets(buf, LINE_MAX_OCTETS, in->f)) {
		*e->msg = '\0';
		if (ferror(in->f))
			err_set(e, "%s: %s", in->name, strerror(errno));
		return false;
	}
	in->line++;
	if (!strchr(buf, '\n') && !feof(in->f))
		return err_set(e, "%s:%lu: the line is too long", in->name, in->line);
	return true;
}

static bool read_header(struct input *in, struct err *e)
{
	char line[LINE_MAX_OCTETS], buf[64];

	in->col_time = in->col_value = -1;
	if (!read_line(in, line, e))
		return *e->msg ? false : err_set(e, "%s is empty", in->name);
	for (int i = 0; field(line, i, buf, sizeof(buf)); i++) {
		if (!strcmp(buf, "timestamp"))
			in->col_time = i;
		else if (!strcmp(buf, "value"))
			in->col_value = i;
	}
	if (in->col_time < 0 || in->col_value < 0)
		return err_set(e, "%s:1: expected a header with timestamp and value",
			       in->name);
	return true;
}

/* "2026-11-23T09:35:00Z", "... +01:00", "2026-11-23 09:35:00", Unix seconds. */
static bool parse_stamp(const char *s, const struct calendar *cal, int64_t *out)
{
	int y, mo, d, h, mi, n = 0, off_h, off_m;
	double sec;
	char sign;

	if (sscanf(s, "%d-%d-%d%*1[T ]%d:%d:%lf%n", &y, &mo, &d, &h, &mi, &sec, &n) ==
	    6) {
		if (mo < 1 || mo > 12 || d < 1 || d > 31 || h < 0 || h > 24 || mi < 0 ||
		    mi > 59 || !(sec >= 0 && sec < 61))
			return false;
		if (!s[n]) {
			*out = calendar_unix(cal, y, mo, d, h, mi, (int)sec);
			return true;
		}
		struct tm tm = { .tm_year = y - 1900, .tm_mon = mo - 1, .tm_mday = d,
				 .tm_hour = h, .tm_min = mi, .tm_sec = (int)sec };

		/* It says its own zone: not by way of ours, in which an hour of the
		 * year does not exist. */
		*out = (int64_t)timegm(&tm);
		if (!strcmp(s + n, "Z"))
			return true;
		if (sscanf(s + n, "%c%2d:%2d", &sign, &off_h, &off_m) != 3 ||
		    (sign != '+' && sign != '-'))
			return false;
		*out -= (sign == '-' ? -1 : 1) * (off_h * 3600 + off_m * 60);
		return true;
	}
	char *end;
	*out = strtoll(s, &end, 10);
	return end != s && !*end;
}

/* False at the end of the file (e empty) or on an error. */
static bool read_row(struct input *in, struct row *r, struct err *e)
{
	char line[LINE_MAX_OCTETS], value[64], *end;
	struct local_time t;

	do {
		if (!read_line(in, line, e))
			return false;
	} while (line[strspn(line, " \t\r\n")] == '\0');
	r->p = (struct point){ .train = true };
	if (!field(line, in->col_time, r->stamp, sizeof(r->stamp)) ||
	    !parse_stamp(r->stamp, in->cal, &r->p.at_s))
		return err_set(e, "%s:%lu: expected a time like 2026-11-23T09:35:00Z",
			       in->name, in->line);
	if (!field(line, in->col_value, value, sizeof(value)))
		return err_set(e, "%s:%lu: the row has no value", in->name, in->line);
	r->p.value = strtod(value, &end);
	r->p.gap = !*value || isnan(r->p.value);
	if (*end || isinf(r->p.value))
		return err_set(e, "%s:%lu: \"%s\" is not a number", in->name, in->line,
			       value);
	calendar_at(in->cal, r->p.at_s, &t);
	r->p.slot = (uint16_t)t.slot;
	r->p.rest = t.rest;
	r->p.holiday = t.holiday;
	return true;
}

static void judge_row(const struct detector *d, const void *conf, void *state,
		      const struct row *r)
{
	struct verdict v;

	d->step(conf, state, &r->p, &v);
	printf("%s,%.6f,%d\n", r->stamp, v.news / (1 + v.news), v.side != SIDE_NONE);
}

static bool score(const struct detector *d, const void *conf, struct input *in,
		  struct err *e)
{
	void *state = xcalloc(1, d->state_size);
	struct row first, r;
	bool has_first;
	uint32_t step_s = STEP_DEFAULT_S;

	puts("timestamp,anomaly_score,alert");
	has_first = read_header(in, e) && read_row(in, &first, e);
	if (has_first && read_row(in, &r, e)) {
		if (r.p.at_s > first.p.at_s && r.p.at_s - first.p.at_s <= 86400)
			step_s = (uint32_t)(r.p.at_s - first.p.at_s);
		first.p.step_s = step_s;
		judge_row(d, conf, state, &first);
		do {
			r.p.step_s = step_s;
			judge_row(d, conf, state, &r);
		} while (read_row(in, &r, e));
	} else if (has_first && !*e->msg) {
		first.p.step_s = step_s;
		judge_row(d, conf, state, &first);
	}
	free(state);
	if (!*e->msg && (fflush(stdout) || ferror(stdout)))
		err_set(e, "standard output: %s", strerror(errno));
	return !*e->msg;
}

struct args {
	const char *detector, *zone, *holidays, *file;
	bool list, help;
	const char *name[16], *value[16]; /* settings of the detector */
	size_t settings;
};

/* Every --word takes a value, save --list and --help; `--word=value` too. */
static bool parse_args(int argc, char **argv, struct args *a, struct err *e)
{
	for (int i = 1; i < argc; i++) {
		char *arg = argv[i],
		     *value = strncmp(arg, "--", 2) ? NULL : strchr(arg, '=');

		if (strncmp(arg, "--", 2)) {
			if (a->file)
				return err_set(e, "one file at a time: %s and %s",
					       a->file, arg);
			a->file = arg;
			continue;
		}
		if (!strcmp(arg, "--list") || !strcmp(arg, "--help")) {
			*(arg[2] == 'l' ? &a->list : &a->help) = true;
			continue;
		}
		if (value)
			*value++ = '\0';
		else if (++i < argc)
			value = argv[i];
		else
			return err_set(e, "%s needs a value", arg);
		if (!strcmp(arg, "--detector")) {
			a->detector = value;
		} else if (!strcmp(arg, "--timezone")) {
			a->zone = value;
		} else if (!strcmp(arg, "--holidays")) {
			a->holidays = value;
		} else {
			if (a->settings == ARRAY_LEN(a->name))
				return err_set(e, "too many settings");
			a->name[a->settings] = arg + 2;
			a->value[a->settings++] = value;
		}
	}
	if (!a->list && !a->help && !a->file)
		return err_set(e, "which file? - is standard input");
	return true;
}

static bool apply_settings(const struct detector *d, void *conf, const struct args *a,
			   struct err *e)
{
	opt_defaults(d->opts, conf);
	for (size_t i = 0; i < a->settings; i++) {
		const struct opt *o = opt_find(d->opts, a->name[i]);

		if (!o)
			return err_set(e, "--%s is no setting of %s (see --list)",
				       a->name[i], d->name);
		if (!opt_set(o, conf, a->value[i], e))
			return false;
	}
	return true;
}

int cmd_score(int argc, char **argv)
{
	struct args a = { .detector = "seasonal", .zone = "UTC" };
	struct err e = { 0 };
	struct input in = { 0 };
	struct calendar *cal = NULL;
	void *conf = NULL;
	int rc = EXIT_WRONG_USE;

	if (!parse_args(argc, argv, &a, &e))
		goto out;
	if (a.help || a.list) {
		a.help ? usage(stdout) : list();
		return EXIT_SUCCESS;
	}
	const struct detector *d = detector_find(a.detector);
	if (!d) {
		err_set(&e, "there is no detector \"%s\" (see --list)", a.detector);
		goto out;
	}
	conf = xcalloc(1, d->conf_size);
	if (!apply_settings(d, conf, &a, &e))
		goto out;
	rc = EXIT_FAILURE;
	cal = calendar_new(a.zone, &e);
	if (!cal || (a.holidays && !calendar_load_holidays(cal, a.holidays, &e)))
		goto out;
	in = (struct input){ .f = strcmp(a.file, "-") ? fopen(a.file, "re") : stdin,
			     .name = a.file, .cal = cal };
	if (!in.f) {
		err_set(&e, "%s: %s", a.file, strerror(errno));
		goto out;
	}
	if (score(d, conf, &in, &e))
		rc = EXIT_SUCCESS;
out:
	if (rc != EXIT_SUCCESS)
		fprintf(stderr, "culprit score: %s\n", e.msg);
	if (rc == EXIT_WRONG_USE)
		usage(stderr);
	if (in.f && in.f != stdin)
		fclose(in.f);
	calendar_free(&cal);
	free(conf);
	return rc;
}

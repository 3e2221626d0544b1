/* cmd_history.c - culprit history: a series through time.
 * SPDX-License-Identifier: ISC
 *
 * Straight from the store, which any number may read beside the daemon; with --url
 * from that daemon. A bin that is missing is a gap: in the table it is not there, in
 * the sparkline it is blank.
 */
#include "daemon/cli/cmd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/alerts.h"
#include "daemon/cli/ask.h"
#include "daemon/cli/spark.h"
#include "daemon/cli/when.h"

enum { NAMES_MAX = 10000, BINS_MAX = 20000, SPARK_MAX = 72, DAY_MS = 86400000 };

struct names_list {
	char **at;
	size_t n;
	const char *part; /* of their names; "" for all */
};

struct bins {
	struct bin *at;
	size_t n;
};

struct history {
	struct cli *c;
	const char *at, *from, *to, *step_word;
	uint32_t step;
	int64_t from_ms, to_ms;
	struct names_list names;
	struct bins bins;
};

static bool add_name(void *arg, const char *name)
{
	struct names_list *l = arg;

	if (!strstr(name, l->part))
		return true;
	l->at = xrealloc(l->at, l->n + 1, sizeof(*l->at));
	l->at[l->n++] = xstrdup(name);
	return l->n < NAMES_MAX;
}

static bool add_bin(void *arg, const struct bin *b)
{
	struct bins *l = arg;

	l->at = xrealloc(l->at, l->n + 1, sizeof(*l->at));
	l->at[l->n++] = *b;
	return l->n < BINS_MAX;
}

/* ---- where it comes from ---- */

static uint64_t count_of(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v > 0 ? (uint64_t)v : 0;
}

static double real_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void take_bins(struct history *h, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "bins"), *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct bin b = { .start_s = (int64_t)count_of(o, "start_s"),
				 .step = h->step,
				 .covered = (uint32_t)count_of(o, "seen_s") / 10,
				 .bytes = count_of(o, "bytes"),
				 .packets = count_of(o, "packets"),
				 .flows = count_of(o, "flows"),
				 .peak = real_of(o, "peak"),
				 .gauge = real_of(o, "gauge") };

		if (h->step == STEP_BIN) /* bits there, a number in the answer */
			b.covered = b.covered >= 30 ? 0x3fffffff : (1u << b.covered) - 1;
		add_bin(&h->bins, &b);
	}
}

static int from_daemon(struct history *h, const char *series)
{
	struct strb path = { 0 };
	struct err err = { "" };
	enum ask_outcome rc;
	char t[UNIT_TEXT], step[16];
	json_t *answer, *name;
	size_t i;

	strb_add(&path, "/api/v1/history");
	if (series) {
		ask_param(&path, "series", series);
		snprintf(step, sizeof(step), "%u", h->step);
		ask_param(&path, "step", step);
		ask_param(&path, "from", text_rfc3339(h->from_ms, t));
		ask_param(&path, "to", text_rfc3339(h->to_ms, t));
	} else {
		ask_param(&path, "prefix", "");
	}
	rc = ask(h->c, path.s, NULL, &answer, &err);
	strb_free(&path);
	if (rc == ASK_OK && series)
		take_bins(h, answer);
	if (rc == ASK_OK && !series)
		json_array_foreach(json_object_get(answer, "names"), i, name)
		    add_name(&h->names, json_string_value(name));
	json_decref(answer);
	if (rc == ASK_OK)
		return -1;
	return ask_failed(rc, &err);
}

static int from_store(struct history *h, const char *series)
{
	struct err err = { "" };
	struct store *s = cli_store(h->c, &err);
	bool ok = s != NULL;

	if (ok && series)
		ok = store_each_bin(s, series, h->step, h->from_ms / 1000,
				    (h->to_ms + 999) / 1000, add_bin, &h->bins, &err);
	else if (ok)
		ok = store_each_series(s, "", add_name, &h->names, &err);
	if (s)
		store_close(&s);
	return ok ? -1 : cli_fail(EX_UNAVAILABLE, "history: %s", err.msg);
}

static int read_history(struct history *h, const char *series)
{
	return h->c->url ? from_daemon(h, series) : from_store(h, series);
}

/* The series of that name; else the only one whose name has it as a part. Gives; NULL:
 * *code, said. */
static char *find_series(struct history *h, const char *word, int *code)
{
	char *found = NULL;

	h->names.part = word;
	*code = read_history(h, NULL);
	if (*code >= 0)
		return NULL;
	for (size_t i = 0; i < h->names.n; i++)
		if (!strcmp(h->names.at[i], word))
			return xstrdup(word);
	if (h->names.n == 1)
		found = xstrdup(h->names.at[0]);
	else if (h->names.n)
		*code = cli_fail(EX_USAGE,
				 "%zu series have \"%s\" in their name; `culprit "
				 "history list %s` shows them",
				 h->names.n, word, word);
	else
		*code = cli_fail(EXIT_FAILURE,
				 "no series has \"%s\" in its name; `culprit "
				 "history list` shows all",
				 word);
	return found;
}

/* ---- printing ---- */

static int print_names(struct history *h)
{
	static const struct column cols[] = { { "series", "series", COL_TEXT } };
	struct table *t = table_new(cols, 1);
	int code;

	for (size_t i = 0; i < h->names.n; i++) {
		table_row(t);
		table_text(t, h->names.at[i]);
	}
	code = cli_print(h->c, t, h->names.n ? NULL : "History has no such series yet.\n",
			 NULL, NULL);
	table_free(&t);
	return code;
}

static double seen_s(const struct bin *b)
{
	unsigned slices =
	    b->step == STEP_BIN ? (unsigned)__builtin_popcount(b->covered) : b->covered;

	return slices * 10.0;
}

/* Over the time that was seen; of the running bin, over what there is of it. */
static double rate_of(const struct history *h, const struct bin *b)
{
	double s = seen_s(b), gone = (double)(h->c->now_ms / 1000 - b->start_s);

	if (!(s > 0))
		s = gone < b->step ? gone : b->step;
	return s > 0 ? (double)b->bytes * 8 / s : NAN;
}

/* Whether the series is a gauge: peers, ports, entropy. */
static bool is_gauge(const struct bins *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->at[i].gauge != 0)
			return true;
	return false;
}

static void spark(const struct history *h, struct strb *out)
{
	int64_t from = h->from_ms / 1000 / h->step * h->step;
	size_t n = (size_t)((h->to_ms / 1000 - from + h->step - 1) / h->step);
	bool gauge = is_gauge(&h->bins);
	double *v, most = 0;
	char buf[UNIT_TEXT];

	if (!n || n > BINS_MAX)
		return;
	v = xcalloc(n, sizeof(*v));
	for (size_t i = 0; i < n; i++)
		v[i] = NAN;
	for (size_t i = 0; i < h->bins.n; i++) {
		const struct bin *b = &h->bins.at[i];
		int64_t at = (b->start_s - from + h->step / 2) / h->step;

		if (at < 0 || (size_t)at >= n)
			continue;
		v[at] = gauge ? b->gauge : rate_of(h, b);
		if (v[at] > most)
			most = v[at];
	}
	spark_add(out, v, n, SPARK_MAX, h->c->out.utf8);
	strb_fmt(out, "  up to %s\n\n",
		 gauge ? text_count(most, buf) : text_rate(most, buf));
	free(v);
}

static void fill(struct table *t, const struct history *h)
{
	bool gauge = is_gauge(&h->bins);
	double most = 0;
	char buf[UNIT_TEXT];

	for (size_t i = 0; i < h->bins.n; i++) {
		double v = gauge ? h->bins.at[i].gauge : rate_of(h, &h->bins.at[i]);

		most = v > most ? v : most;
	}
	for (size_t i = 0; i < h->bins.n; i++) {
		const struct bin *b = &h->bins.at[i];
		double v = gauge ? b->gauge : rate_of(h, b);

		table_row(t);
		table_time(t, b->start_s * 1000, NULL);
		table_count(t, b->bytes, text_bytes((double)b->bytes, buf));
		table_count(t, b->packets, text_count((double)b->packets, buf));
		table_count(t, b->flows, text_count((double)b->flows, buf));
		table_real(t, rate_of(h, b), text_rate(rate_of(h, b), buf));
		table_real(t, b->gauge, text_count(b->gauge, buf));
		table_real(t, seen_s(b) / b->step, NULL);
		if (!b->covered ||
		    seen_s(b) + 0.5 < b->step) /* only partly there to see */
			table_paint(t, PAINT_DIM);
		table_real(t, most > 0 && isfinite(v) ? v / most : 0, NULL);
	}
}

static int print_bins(struct history *h, const char *series)
{
	const struct column cols[] = {
		{ "start", "start", COL_VALUE },
		{ "bytes", "bytes", COL_VALUE },
		{ "packets", "packets", COL_VALUE },
		{ "flows", "flows", COL_VALUE },
		{ "bits_per_s", "mean rate", COL_VALUE },
		{ "gauge", "value", is_gauge(&h->bins) ? COL_VALUE : COL_DATA },
		{ "seen", "seen", COL_DATA },
		{ NULL, "", COL_BAR },
	};
	struct table *t = table_new(cols, 8);
	struct strb head = { 0 };
	json_t *wrap = NULL;
	int code;

	fill(t, h);
	if (h->c->json) {
		wrap = json_object();
		json_object_set_new(wrap, "series", j_text(series));
		json_object_set_new(wrap, "step_s", json_integer(h->step));
		json_object_set_new(wrap, "from", j_time(h->from_ms));
		json_object_set_new(wrap, "to", j_time(h->to_ms));
	} else {
		strb_tty(&head, series);
		strb_add(&head, "\n");
		if (h->bins.n)
			spark(h, &head);
		else
			strb_add(&head,
				 "Nothing is known of that time: a gap, not zero.\n");
	}
	code = cli_print(h->c, t, head.s, wrap, "bins");
	strb_free(&head);
	table_free(&t);
	return code;
}

/* ---- options ---- */

static bool parse_step(struct history *h, struct err *err)
{
	static const struct {
		const char *word;
		uint32_t step;
	} words[] = { { "5m", STEP_BIN }, { "1h", STEP_HOUR }, { "1d", STEP_DAY } };

	h->step = STEP_BIN;
	for (size_t i = 0; h->step_word && i < ARRAY_LEN(words); i++)
		if (!strcmp(words[i].word, h->step_word)) {
			h->step = words[i].step;
			return true;
		}
	return !h->step_word ||
	       err_set(err, "--step is 5m, 1h or 1d, not \"%s\"", h->step_word);
}

static bool parse_times(struct history *h, const struct calendar *cal, struct err *err)
{
	int64_t now = h->c->now_ms;

	if (h->at && (h->from || h->to))
		return err_set(err, "--at tells the whole range");
	if (h->at)
		return when_at(h->at, cal, now, &h->from_ms, &h->to_ms, err);
	if (!when_between(h->from, h->to, cal, now, &h->from_ms, &h->to_ms, err))
		return false;
	if (!h->from) /* five minutes would be one bin */
		h->from_ms = h->to_ms - DAY_MS;
	if ((h->to_ms - h->from_ms) / 1000 / h->step > BINS_MAX)
		return err_set(err, "that is more than %d bins; take a larger --step",
			       BINS_MAX);
	return true;
}

static int run(struct history *h, int argc, char **argv)
{
	const struct calendar *cal = cli_calendar(h->c);
	struct err err = { "" };
	char *series;
	int code;

	if (!cal)
		return EX_CONFIG;
	if (!parse_step(h, &err) || !parse_times(h, cal, &err))
		return cli_usage(h->c, "%s", err.msg);
	if (!strcmp(argv[1], "list")) {
		h->names.part = argc > 2 ? argv[2] : "";
		code = read_history(h, NULL);
		return code >= 0 ? code : print_names(h);
	}
	series = find_series(h, argv[1], &code);
	if (!series)
		return code;
	code = read_history(h, series);
	if (code < 0)
		code = print_bins(h, series);
	free(series);
	return code;
}

int cmd_history(struct cli *c, int argc, char **argv)
{
	struct history h = { .c = c };
	const struct arg args[] = {
		{ "at", 0, ARG_TEXT, "TIME/LEN", "a day, or a time with its length",
		  &h.at },
		{ "from", 0, ARG_TEXT, "TIME", "from then on (a day before now)",
		  &h.from },
		{ "to", 0, ARG_TEXT, "TIME", "until then", &h.to },
		{ "step", 0, ARG_TEXT, "STEP", "5m (as it is), 1h or 1d", &h.step_word },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);

	if (code >= 0)
		return code;
	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[1], "list") != 0))
		return cli_usage(
		    c, "one series, any part of its name that no other has, or list");
	code = run(&h, argc, argv);
	for (size_t i = 0; i < h.names.n; i++)
		free(h.names.at[i]);
	free(h.names.at);
	free(h.bins.at);
	return code;
}

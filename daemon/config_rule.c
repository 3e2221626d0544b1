/* config_rule.c - what a rule section means.
 * SPDX-License-Identifier: ISC
 *
 * A rule is a sentence: measure of filter by something over a window, above a limit
 * for a while. Most mistakes are sentences that cannot be judged (a quota of a rate, a
 * limit that clears on its wrong side), so each is told with what to write instead.
 */
#include "daemon/config_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

enum { HINT = 128, LIST = 512, MEASURES = MEASURE_UTILISATION + 1, WINDOW_MAX = 360 };

static const char *const period_word[] = { [WINDOW_SLICES] = "",
					   [WINDOW_DAY] = "day",
					   [WINDOW_WEEK] = "week",
					   [WINDOW_MONTH] = "month",
					   NULL };

/* `words`, comma separated. */
static const char *listed(const char *const *words, char buf[static LIST])
{
	size_t len = 0;

	buf[0] = '\0';
	for (; *words && len < LIST; words++)
		len += (size_t)snprintf(buf + len, LIST - len, "%s%s", len ? ", " : "",
					*words);
	return buf;
}

static void not_a_word(struct config_reader *r, const struct value *v,
		       const char *const *words)
{
	char hint[HINT], list[LIST];

	if (*config_hint(v->text, words, hint, sizeof(hint)))
		config_bad(r, v, "%s: there is no \"%s\"%s", v->name, v->text, hint);
	else
		config_bad(r, v, "%s: there is no \"%s\"; it is one of %s", v->name,
			   v->text, listed(words, list));
}

static void read_measure(struct config_reader *r, const struct value *v,
			 struct measure *out)
{
	static const char *const entropies[] = { "entropy(src)", "entropy(dst)",
						 "entropy(src_port)",
						 "entropy(dst_port)" };
	const char *words[MEASURES + ARRAY_LEN(entropies)];
	char text[MEASURES][32];
	struct measure m;
	size_t n = 0;

	if (measure_parse(v->text, &m)) {
		*out = m;
		return;
	}
	for (int k = 0; k < MEASURES; k++) {
		m = (struct measure){ .kind = (enum measure_kind)k };
		if (k != MEASURE_ENTROPY)
			words[n++] = measure_word(&m, text[k]);
	}
	for (size_t i = 0; i < ARRAY_LEN(entropies); i++)
		words[n++] = entropies[i];
	words[n] = NULL;
	not_a_word(r, v, words);
}

static void read_by(struct config_reader *r, const struct value *v, enum by *out)
{
	const char *words[BY_COUNT + 1];
	int by = by_find(v->text);

	if (by >= 0) {
		*out = (enum by)by;
		return;
	}
	for (int i = 0; i < BY_COUNT; i++)
		words[i] = by_word((enum by)i);
	words[BY_COUNT] = NULL;
	not_a_word(r, v, words);
}

static void read_severity(struct config_reader *r, const struct value *v,
			  enum severity *out)
{
	const char *words[] = { severity_word[0], severity_word[1], severity_word[2],
				NULL };
	int s = severity_find(v->text);

	if (s >= 0)
		*out = (enum severity)s;
	else
		not_a_word(r, v, words);
}

static void read_act(struct config_reader *r, const struct value *v, enum act_kind *out)
{
	const char *words[] = { act_word[ACT_NONE], act_word[ACT_SLOW],
				act_word[ACT_REFUSE], NULL };

	if (!act_parse(v->text, out))
		not_a_word(r, v, words);
}

static void read_window(struct config_reader *r, const struct value *v,
			struct rule_conf *rule)
{
	int64_t ms;

	for (size_t i = WINDOW_DAY; i <= WINDOW_MONTH; i++) {
		if (!strcmp(v->text, period_word[i])) {
			rule->window = (enum window_kind)i;
			rule->slices = 0;
			return;
		}
	}
	if (!parse_duration(v->text, &ms)) {
		char hint[HINT];

		config_bad(
		    r, v,
		    "window: \"%s\" is not a time; write it like 1m, or day, week, "
		    "month%s",
		    v->text, config_hint(v->text, period_word + 1, hint, sizeof(hint)));
	} else if (ms < SLICE_MS) {
		config_bad(r, v,
			   "window: %s is shorter than a slice; 10s is the shortest",
			   v->text);
	} else if (ms > (int64_t)WINDOW_MAX * SLICE_MS) {
		config_bad(r, v,
			   "window: %s is too long; write up to 1h, or day, week, month",
			   v->text);
	} else if (ms % SLICE_MS) {
		config_bad(r, v,
			   "window: %s is not whole slices of 10 seconds; write %" PRId64
			   "s",
			   v->text, (ms / SLICE_MS + 1) * SLICE_MS / 1000);
	} else {
		rule->slices = (uint32_t)(ms / SLICE_MS);
	}
}

/* Digits and a point, then a multiple: "0.5", "2.5k". Bits have no place here. */
static bool plain_number(const char *text, double *out)
{
	return text[strspn(text, "0123456789.kKMGTi")] == '\0' && parse_rate(text, out);
}

/* A limit in the rule's unit; false: told. */
static bool read_limit(struct config_reader *r, const struct value *v,
		       const struct measure *m, double *out)
{
	const char *like;
	uint64_t size;
	char word[32];
	bool ok;

	switch (m->kind) {
	case MEASURE_BITS_S:
		ok = parse_rate(v->text, out);
		like = "bits a second, like 16M";
		break;
	case MEASURE_UTILISATION:
		ok = parse_percent(v->text, out);
		like = "a share of the interface's speed, like 80%";
		break;
	case MEASURE_ENTROPY:
		ok = plain_number(v->text, out) && *out <= 64;
		like = "bits of entropy, like 7.5";
		break;
	case MEASURE_BYTES:
		ok = parse_size(v->text, &size);
		*out = ok ? (double)size : NAN;
		like = "an amount of bytes, like 20G";
		break;
	default: ok = plain_number(v->text, out); like = "a number, like 500 or 20k";
	}
	if (!ok) {
		*out = NAN;
		config_bad(r, v, "%s: \"%s\" is not a limit for %s; write %s", v->name,
			   v->text, measure_word(m, word), like);
	}
	return ok;
}

static void check_clear(struct config_reader *r, const struct node *n,
			struct rule_conf *rule)
{
	const struct value *v = config_value(n, "clear");

	if (!v || isnan(rule->clear))
		return;
	if (!isnan(rule->above) && rule->clear > rule->above)
		config_bad(
		    r, v,
		    "clear: %s is over the limit, so the alert would end while it is "
		    "still true; write less than above",
		    v->text);
	else if (!isnan(rule->above) && !isnan(rule->below) && rule->clear < rule->below)
		config_bad(r, v,
			   "clear: %s is under below, so one alert would end where the "
			   "other begins; write it between below and above",
			   v->text);
	else if (isnan(rule->above) && !isnan(rule->below) && rule->clear < rule->below)
		config_bad(
		    r, v,
		    "clear: %s is under the limit, so the alert would end while it "
		    "is still true; write more than below",
		    v->text);
}

static void read_limits(struct config_reader *r, const struct node *n,
			struct rule_conf *rule)
{
	const struct value *above = config_value(n, "above"),
			   *below = config_value(n, "below"),
			   *clear = config_value(n, "clear");
	bool ok = true;

	if (above)
		ok = read_limit(r, above, &rule->measure, &rule->above);
	if (below)
		ok = read_limit(r, below, &rule->measure, &rule->below) && ok;
	if (clear)
		ok = read_limit(r, clear, &rule->measure, &rule->clear) && ok;
	if (!ok)
		return;
	if (above && below && rule->below >= rule->above)
		config_bad(r, below,
			   "below: %s is not less than above, so the rule would always "
			   "alert",
			   below->text);
	else if (below && rule->below == 0)
		config_bad(r, below,
			   "below: nothing is less than 0; write a larger limit");
	if (clear && !above && !below)
		config_bad(r, clear,
			   "clear: there is no limit that it belongs to; write above "
			   "or below");
	check_clear(r, n, rule);
}

/* Who has that option, as "seasonal" or "seasonal, change". */
static const char *owners(const char *option, char buf[static LIST])
{
	const struct detector *d;
	const char *names[CONFIG_WORDS];
	size_t n = 0;

	for (size_t i = 0; (d = detector_at(i)) && n + 1 < CONFIG_WORDS; i++)
		if (opt_find(d->opts, option))
			names[n++] = d->name;
	for (size_t i = 0; pattern_at(i) && n + 1 < CONFIG_WORDS; i++)
		if (opt_find(pattern_at(i)->opts, option))
			names[n++] = pattern_at(i)->name;
	names[n] = NULL;
	return listed(names, buf);
}

static void read_options(struct config_reader *r, const struct node *n,
			 struct rule_conf *rule)
{
	const struct opt *opts = rule->detector	 ? rule->detector->opts
				 : rule->pattern ? rule->pattern->opts
						 : NULL;
	char list[LIST];

	for (size_t i = 0; i < n->n_values; i++) {
		const struct value *v = &n->values[i];
		const struct opt *o = opts ? opt_find(opts, v->name) : NULL;
		struct err err;

		if (o && (v->what == &config_option || !strcmp(v->name, "for"))) {
			if (!opt_set(o, rule->detector_conf, v->text, &err))
				config_bad(r, v, "%s", err.msg);
		} else if (v->what == &config_option) {
			config_bad(
			    r, v,
			    "%s is an option of the detector %s, which rule %s does "
			    "not use",
			    v->name, owners(v->name, list), n->title);
		}
	}
}

static void read_detector(struct config_reader *r, const struct node *n,
			  struct rule_conf *rule)
{
	const struct value *v = config_value(n, "detector");
	const char *names[CONFIG_WORDS];
	const struct detector *d;
	size_t count = 0;

	/* A plain limit is judged by the second, not by the bin, and needs no state. */
	if (v && strcmp(v->text, "threshold")) {
		for (size_t i = 0; (d = detector_at(i)) && count + 1 < CONFIG_WORDS; i++)
			names[count++] = d->name;
		for (size_t i = 0; pattern_at(i) && count + 1 < CONFIG_WORDS; i++)
			if (pattern_at(i)->feed)
				names[count++] = pattern_at(i)->name;
		names[count] = NULL;
		rule->detector = detector_find(v->text);
		rule->pattern = pattern_find(v->text);
		if (rule->pattern && !rule->pattern->feed &&
		    (!rule->builtin || strcmp(rule->builtin->detector, v->text)))
			rule->pattern = NULL; /* the daemon watches it in one rule only */
		if (!rule->detector && !rule->pattern)
			not_a_word(r, v, names);
	} else if (!v && rule->builtin && !config_value(n, "above") &&
		   !config_value(n, "below")) {
		rule->detector = detector_find(rule->builtin->detector);
		rule->pattern = pattern_find(rule->builtin->detector);
	}
	if (rule->detector) {
		rule->detector_conf = xcalloc(1, rule->detector->conf_size);
		opt_defaults(rule->detector->opts, rule->detector_conf);
	} else if (rule->pattern) {
		rule->detector_conf = xcalloc(1, rule->pattern->conf_size);
		opt_defaults(rule->pattern->opts, rule->detector_conf);
	}
	if (!v || rule->detector || rule->pattern)
		read_options(r, n, rule);
}

/* What looks at flows itself measures nothing else. */
static void check_pattern(struct config_reader *r, const struct node *n,
			  const struct rule_conf *rule)
{
	static const char *const foreign[] = { "measure", "by",	  "window", "above", "below",
					       "clear",	  "warn", "for",    "budget_total" };

	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		const struct value *v = config_value(n, foreign[i]);

		if (v && (strcmp(v->name, "for") || rule->for_ms))
			config_bad(r, v,
				   "%s: the detector %s looks at flows and has settings of "
				   "its own (`culprit score --list`); remove %s",
				   v->name, rule->pattern->name, v->name);
	}
}

/* What the daemon watches about itself has no flows to choose from. */
static void check_watch(struct config_reader *r, const struct node *n,
			const struct rule_conf *rule)
{
	const struct value *v = config_value(n, "filter");

	if (!rule->pattern->feed && v && *v->text)
		config_bad(r, v, "filter: %s watches every exporter; remove filter", n->title);
}

static void read_side(struct config_reader *r, const struct node *n, struct rule_conf *rule)
{
	static const char *const words[] = { "both", "up", "down", NULL };
	const struct value *v = config_value(n, "side");
	size_t i = 0;

	if (rule->detector && rule->builtin)
		rule->side = rule->builtin->side;
	if (!v)
		return;
	while (words[i] && strcmp(words[i], v->text))
		i++;
	if (!words[i])
		not_a_word(r, v, words);
	else if (!rule->detector)
		config_bad(r, v, "side: only a detector knows both sides of normal; write above "
			   "or below for a limit, and remove side");
	else
		rule->side = i == 1 ? SIDE_UP : i == 2 ? SIDE_DOWN : SIDE_NONE;
}

static void check_detector(struct config_reader *r, const struct node *n,
			   const struct rule_conf *rule)
{
	const struct value *window = config_value(n, "window");

	if (!isnan(rule->above) || !isnan(rule->below))
		config_bad_node(
		    r, n,
		    "rule %s has both a limit and a detector; make two rules of "
		    "it",
		    n->title);
	if (!strcmp(rule->detector->name, "entropy") && rule->measure.kind != MEASURE_ENTROPY)
		config_bad_node(r, n,
				"rule %s: the detector entropy judges a mix; write measure = "
				"\"entropy(dst_port)\", or of src, dst, src_port",
				n->title);
	if (window && (rule->window != WINDOW_SLICES || rule->slices != BIN_SLICES))
		config_bad(r, window,
			   "window: the detector %s judges five minutes; write 5m or "
			   "leave window out",
			   rule->detector->name);
}

/* Calendar windows are sums over bins. */
static void check_quota(struct config_reader *r, const struct node *n,
			const struct rule_conf *rule)
{
	const struct value *v = config_value(n, "measure");
	enum measure_kind k = rule->measure.kind;
	char word[32];

	if (k != MEASURE_BYTES && k != MEASURE_PACKETS && k != MEASURE_FLOWS) {
		if (v)
			config_bad(
			    r, v,
			    "measure: %s is not counted over a %s; write bytes, packets "
			    "or flows",
			    measure_word(&rule->measure, word),
			    period_word[rule->window]);
		else
			config_bad_node(
			    r, n,
			    "rule %s has window = \"%s\" and no measure; write "
			    "measure = \"bytes\"",
			    n->title, period_word[rule->window]);
	}
	if (!isnan(rule->below))
		config_bad(r, config_value(n, "below"),
			   "below: a %s only fills up; a quota has "
			   "above",
			   period_word[rule->window]);
	if (!isnan(rule->clear))
		config_bad(r, config_value(n, "clear"),
			   "clear: an alert about a quota ends with "
			   "its %s; remove clear",
			   period_word[rule->window]);
	if (rule->for_ms)
		config_bad(r, config_value(n, "for"),
			   "for: what is used up stays used up; remove "
			   "for");
}

static void read_warn(struct config_reader *r, const struct node *n,
		      struct rule_conf *rule)
{
	const struct value *v = config_value(n, "warn");

	rule->warn = rule->window != WINDOW_SLICES && !isnan(rule->above) ? 0.8 : 0;
	if (!v)
		return;
	if (rule->window == WINDOW_SLICES)
		config_bad(
		    r, v,
		    "warn: only a quota has a warning before its limit; write window "
		    "= \"month\", or remove warn");
	else if (!parse_percent(v->text, &rule->warn) || rule->warn > 1)
		config_bad(r, v,
			   "warn: \"%s\" is not a share of the limit; write 80%%, or 0",
			   v->text);
}

static void read_notify(const struct node *n, struct rule_conf *rule)
{
	const struct value **list = config_list(n, "notify", &rule->n_notify);

	rule->notify = xcalloc(rule->n_notify, sizeof(*rule->notify));
	for (size_t i = 0; i < rule->n_notify; i++)
		rule->notify[i] = xstrdup(list[i]->text);
	free(list);
}

static void read_total(struct config_reader *r, const struct node *n,
		       struct rule_conf *rule)
{
	const struct value *v = config_value(n, "budget_total");

	if (v && !parse_budget(v->text, &rule->budget_total))
		config_bad(
		    r, v,
		    "budget_total: \"%s\" is not a rate of alarms; write it like 2/day",
		    v->text);
	else if (v && rule->detector && !opt_find(rule->detector->opts, "budget"))
		config_bad(r, v,
			   "budget_total: the detector %s has no budget to lower; seasonal, "
			   "change and absence have one",
			   rule->detector->name);
	else if (v && !rule->detector)
		config_bad(r, v,
			   "budget_total: only a detector has a budget; write detector = "
			   "\"seasonal\", or remove it");
}

void config_read_rule(struct config_reader *r, const struct node *n,
		      struct rule_conf *rule)
{
	const struct value *measure = config_value(n, "measure"),
			   *by = config_value(n, "by"),
			   *window = config_value(n, "window"),
			   *severity = config_value(n, "severity"),
			   *act = config_value(n, "act");

	rule->above = rule->below = rule->clear = rule->budget_total = NAN;
	rule->builtin = builtin_find(n->title);
	rule->severity = rule->builtin ? rule->builtin->severity : SEVERITY_WARNING;
	if (rule->builtin) { /* what is not written is as built in */
		rule->by = rule->builtin->by;
		rule->measure.kind = rule->builtin->measure;
	}
	rule->slices = 60000 / SLICE_MS;
	rule->file = n->file ? xstrdup(n->file) : NULL;
	rule->line = n->line;
	config_fill(r, &config_rule, n, rule);
	read_detector(r, n, rule);
	if (measure)
		read_measure(r, measure, &rule->measure);
	if (by)
		read_by(r, by, &rule->by);
	if (rule->detector)
		rule->slices = BIN_SLICES;
	if (window)
		read_window(r, window, rule);
	if (severity)
		read_severity(r, severity, &rule->severity);
	if (act)
		read_act(r, act, &rule->act);
	read_notify(n, rule);
	rule->tell_all = rule->builtin && !rule->n_notify;
	read_side(r, n, rule);
	if (rule->pattern) {
		check_pattern(r, n, rule);
		check_watch(r, n, rule);
		return;
	}
	read_limits(r, n, rule);
	read_warn(r, n, rule);
	read_total(r, n, rule);
	if (rule->detector)
		check_detector(r, n, rule);
	else if (rule->window != WINDOW_SLICES)
		check_quota(r, n, rule);
	if (rule->enabled && !n->lost && !rule->detector &&
	    !config_value(n, "detector") && !config_value(n, "above") &&
	    !config_value(n, "below"))
		config_bad_node(
		    r, n,
		    "rule %s says what to watch, but not when to alert; write "
		    "above = \"16M\", below = \"1k\" or detector = \"seasonal\"",
		    n->title);
}

/* backtest.h - when rules would have fired, had they been there.
 * SPDX-License-Identifier: ISC
 *
 * The code that judges is the daemon's own, with the clock of the past: flows of the
 * archive go through windows and rules (struct analysis) as they came, bins of history
 * through the rules (struct eval) alone, which is fast and reaches back further.
 */
#ifndef CUL_BACKTEST_H
#define CUL_BACKTEST_H

#include "daemon/config.h"
#include "daemon/model/alert.h"
#include "daemon/model/calendar.h"
#include "daemon/model/names.h"

struct rules;

enum backtest_source { BACKTEST_AUTO, BACKTEST_BINS, BACKTEST_FLOWS };

struct backtest_opts {
	const struct config *config;
	const struct calendar *calendar;
	struct names *names; /* of the configuration; exporters are added */
	int64_t from_ms, to_ms;
	enum backtest_source source;
	unsigned copies; /* of each rule, so baselines may have as many times the memory;
			    0: one */
	/* NULL, or: of bins, only series of history with such names. */
	bool (*wanted)(void *arg, const char *series);
	/* NULL, or takes the baselines at the end, as they are kept (eval_save). */
	void (*baseline)(void *arg, const char *key, const void *data, size_t len);
	const _Atomic bool *stop; /* NULL, or: break it off when this is set */
	/* NULL, or how far: from time to time, the same thread. */
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *arg;
};

struct backtest_alert { /* a firing and its end */
	unsigned rule;	/* number in the rules */
	char id[ALERT_ID];
	char *series;
	struct measure measure;
	double value, peak, threshold;
	bool below, was, warning;
	char view[48];		      /* what the detector noticed */
	int64_t started_ms, ended_ms; /* event time; ended 0: it lasts */
};

struct backtest_rule {
	enum backtest_source source;
	unsigned series;	   /* that were seen */
	int64_t first_ms, last_ms; /* the time there were data of; 0: none */
	const char *why_flows;	   /* AUTO took the archive, because; or NULL */
};

struct backtest {
	struct backtest_rule *rule; /* as many as there are rules */
	struct backtest_alert *at;  /* by their begin, rule and series */
	size_t n, cap;
	uint64_t bins, flows; /* read */
};

/* Judges by these rules. Borrows them; views are numbered anew. False + err: neither
 * history nor archive could be read. Free with backtest_fini in any case. */
bool backtest_run(const struct backtest_opts *o, struct rules *rules,
		  struct backtest *out, struct err *err);
void backtest_fini(struct backtest *b);

/* Weeks that the rule was judged over. */
double backtest_weeks(const struct backtest_rule *r);

struct rule;

enum { BACKTEST_LIMITS = 64 };
struct backtest_limit {
	double limit; /* or a detector's budget, false alarms a week */
	unsigned alerts, series;
	double a_week;	   /* alerts, of all series together */
	int64_t lasted_ms; /* all alerts together */
};
struct backtest_limits {
	bool detector;
	struct backtest_limit at[BACKTEST_LIMITS]; /* by limit */
	unsigned n;
};
/* The setting that is a detector's or pattern's limit; NULL: the rule's own above or below
 * is, or there is none. */
const struct opt *backtest_option(const struct rule *r);
/* The rule's own limit (detector: budget; NAN: none), and how often it would have fired at others.
 */
double backtest_limit(const struct rule *r);
/* For n rules at once, out has as many. own: what backtest_run said of them, or NULL. */
bool backtest_limits(const struct backtest_opts *o, const struct rule *rules, unsigned n,
		     const struct backtest *own, struct backtest_limits *out, struct err *err);

struct backtest_suggestion {
	double limit, clear; /* NAN: none keeps the budget; none needed */
	int64_t for_ms;	     /* with this `for` */
	bool bounded;	     /* a limit nearer to alerts was tried, and was too near */
	struct backtest_limit expected;
	double rate; /* alerts a week: of each series, or of all hosts (any large
			group) together */
};
/* The limit nearest to alerts that keeps the budget. l: of backtest_limits, grows. */
bool backtest_suggest(const struct backtest_opts *o, const struct rule *r, double budget,
		      struct backtest_limits *l, struct backtest_suggestion *out,
		      struct err *err);

/* Rules that are on and tell somebody, of the configuration: of that file, of that name,
 * or (both NULL) all. Gives; none: NULL. */
struct rules *backtest_rules(const struct config *c, const char *file, const char *name);
/* The same rules n times, one after another: the i-th copy of rule r is number i * n + r.
 */
struct rules *backtest_copies(const struct rules *rules, unsigned n);
void backtest_rules_drop(struct rules *r, unsigned number); /* one of them */
void backtest_rules_free(struct rules **r);

#endif

/* eval.h - from what the windows say to alerts.
 * SPDX-License-Identifier: ISC
 *
 * One thread (analysis). eval_key() is told which keys changed, eval_tick() that
 * time went on; both look at the windows through struct slices and hand every
 * change of an alert's state to `emit`. Same flows and times in, same alerts
 * out: there is no other input, so replay and backtest use this very code.
 */
#ifndef CUL_RULES_EVAL_H
#define CUL_RULES_EVAL_H

#include "daemon/model/calendar.h"
#include "daemon/model/slice.h"
#include "rules/rule.h"

struct eval;

struct eval_opts {
	const struct names *names;
	const struct calendar *calendar;
	const struct slices *slices;
	/* Takes the alert: a firing, a resolved, or (was) both in one. */
	void (*emit)(void *arg, struct alert *a);
	/* Every series of a small view that the windows know, and the keys that were hot. */
	void (*known)(void *arg, unsigned view,
		      void (*fn)(void *arg, unsigned view, const struct key *k, int64_t newest),
		      void *fn_arg);
	/* May this key alert now? (The engine says no under a silent exporter.) */
	bool (*held)(void *arg, enum by by, const struct key *k);
	/* Must this bin of a series train no baseline (a silence, maintenance)? May be NULL. */
	bool (*untrained)(void *arg, const struct rule *r, const struct key *k,
			  int64_t from_ms, int64_t to_ms);
	unsigned late; /* slices that can still change, back from now */
	size_t detector_memory; /* octets for all baselines; 0: 64 MB */
	unsigned learn_max;     /* bins learnt in one tick, the others in the next, unless there
				 * are so many that they would never be; 0: all */
	void *arg;
};

struct eval *eval_new(const struct eval_opts *o);
void eval_free(struct eval **e);

/* Judges by these rules from now on; borrowed until the next call or eval_free. Series of
 * rules that stay the same keep their state; alerts of rules that went are resolved. */
void eval_rules(struct eval *e, const struct rules *r, int64_t now_ms);

struct span { /* slices that are open, as numbers */
	int64_t oldest, newest;
};

/* Key k of a view changed in `changed` or later. */
void eval_key(struct eval *e, unsigned view, const struct key *k, int64_t changed,
	      struct span open, int64_t now_ms);
/* Time went on; fresh: a slice has begun since the last tick. */
void eval_tick(struct eval *e, struct span open, int64_t now_ms, bool fresh);

/* An alert that was firing when the daemon stopped: takes it and goes on with it. False:
 * no rule knows its series any more; it stays the caller's. */
bool eval_restore(struct eval *e, struct alert *a);

struct series_value { /* what a series shows now */
	const struct rule *rule;
	const struct key *key;
	double value, threshold;   /* threshold NAN: none known */
	double low, median, high;  /* NAN: no baseline */
	enum alert_state state;    /* ALERT_RESOLVED: nothing is wrong */
	int64_t since_ms;          /* of the state, event time */
	uint32_t armed_in_s;       /* detector: not armed for so long */
};
typedef void eval_value_f(void *arg, const struct series_value *v);
/* All series that rules keep a state for. */
void eval_values(struct eval *e, eval_value_f *fn, void *arg);

struct budget_value { /* of one rule, how often alerts are to come and do come */
	double stated;  /* alarms a week and series, as configured; 0: it has no such thing */
	double total;   /* a week over all of its series; 0: no cap */
	double each;    /* what a series may spend so that both hold */
	double alerts, weeks; /* of late: alerts, and weeks of series that were armed */
	unsigned series;      /* that have a baseline */
	unsigned held;        /* alerts that the cap held back since one was told */
};
/* Of the i-th rule. */
struct budget_value eval_budget(const struct eval *e, unsigned i);

/* Baselines: state of the detector of one series, to keep in history and bring back. */
typedef void eval_blob_f(void *arg, const char *key, const void *data, size_t len);
void eval_save(struct eval *e, bool all, eval_blob_f *fn, void *arg);
bool eval_load(struct eval *e, const char *key, const void *data, size_t len);
/* How many were not taken, since the detector or its version is another now. */
unsigned eval_old_baselines(const struct eval *e);
/* The same of one that was learnt elsewhere meanwhile: it replaces one that is not armed. */
bool eval_learnt(struct eval *e, const char *key, const void *data, size_t len);
/* Whether a kept baseline is of the rule's detector as it is now, and armed. */
bool baseline_ripe(const struct rule *r, const void *data, size_t len, int64_t now_s);

#endif

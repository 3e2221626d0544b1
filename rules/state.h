/* state.h - what is remembered of one series of one rule; the files of eval.h share it.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_RULES_STATE_H
#define CUL_RULES_STATE_H

#include "daemon/base/map.h"
#include "rules/cap.h"
#include "rules/crowd.h"
#include "rules/eval.h"

enum { SERIES_MAX = 1 << 16, RING_MAX = 512 };

struct recent { /* what is judged before it settles, without looking all of it up again */
	int64_t stale;               /* from this slice on it must be looked up */
	uint64_t sum[BIN_SLICES];    /* of the measure, by slice */
};

struct state {
	struct key key;
	enum alert_state state;    /* ALERT_RESOLVED: idle */
	int64_t from, fired, last; /* slices of the run that is pending or open */
	double peak;
	int64_t handled;           /* runs up to this slice have been told */
	int64_t handled_below;     /* the same of a lower limit beside an upper one */
	struct alert *alert;       /* the firing one, or NULL */
	double value, threshold;
	/* detector */
	void *detector;            /* its state, or NULL */
	int64_t bin;               /* first slice of the next bin to learn */
	int64_t judged_ms;         /* when its window was judged last */
	int64_t calm_bin;          /* in which a window as large as `calm` was no alert */
	double calm;
	struct recent *recent;     /* as long as there is a detector */
	double low, median, high;
	uint32_t armed_in_s;
	bool unsaved;
};

struct rule_state { /* all series of one rule */
	const struct rule *rule;
	/* Tells of the other side of the same normal: what both know is kept once, at the
	 * first of the two; the second follows and has no states. */
	const struct rule *other;
	bool follows;
	struct map map; /* struct key -> struct state * */
	void *conf;     /* the detector's settings with a budget lowered for so many; or NULL */
	double each;    /* that budget, alarms a week and series; 0: the detector has none */
	unsigned watched;        /* series with a baseline */
	struct crowd *crowd;     /* of many hosts: which have one; or NULL */
	int64_t crowd_bin;       /* of its last turn */
	double alarms, armed_s;  /* of late: alerts raised, seconds that series were armed */
	int64_t faded_ms;        /* when they were last made less */
	struct cap cap;          /* of what is told, budget_total */
};

enum { AHEAD = 16 };

struct ahead { /* a series that is to be judged, while its memory is fetched */
	const struct rule *rule;
	struct state *s;
	int64_t changed;
};

struct eval {
	struct eval_opts opts;
	const struct rules *rules;
	struct rule_state *of; /* by rule */
	unsigned n;
	struct span open;
	int64_t now_ms;
	size_t detector_octets; /* of all baselines */
	unsigned learnt, learn_max; /* bins in this tick */
	unsigned old_baselines; /* that were of another detector or version */
	struct ahead ahead[AHEAD]; /* a ring; only within one tick */
	unsigned n_ahead, next;
	/* scratch of one judgement */
	struct sums sums[RING_MAX];
	double v[RING_MAX];
	bool known[RING_MAX];
};

/* The series' state, made when new; NULL when the rule has SERIES_MAX. */
struct state *state_get(struct rule_state *rs, const struct key *k);
void state_drop(struct eval *e, struct rule_state *rs, const struct key *k);

/* All of a rule's series and what is known of them; alerts are not told of. */
void rule_state_fini(struct eval *e, struct rule_state *rs);

/* Values of the windows of n slices that end in slices first .. last, into e->v and
 * e->known; returns the error of one window (sketches), in the measure's unit. */
double eval_windows(struct eval *e, const struct rule *r, const struct key *k, unsigned n,
		    int64_t first, int64_t last);
/* Bins spread evenly know no burst: what the largest window held that ended in the bin
 * which slice s ends, in the measure's unit; 0: not known, or s ends none. */
double eval_peak(const struct eval *e, const struct rule *r, const struct key *k, int64_t s,
		 double speed);
/* Its measure is no sum: peers, ports, entropy. */
bool eval_gauged(const struct rule *r);
double eval_speed(const struct eval *e, const struct rule *r, const struct key *k);
/* The newest slice of this key that has all its flows. */
int64_t eval_settled(const struct eval *e, const struct rule *r, const struct key *k);

/* The rule that tells of that side, r or its other; NULL: none does. */
const struct rule *eval_speaker(const struct eval *e, const struct rule *r, enum side side);
/* What the baselines of r are called in history. */
const char *eval_learns(const struct rule *r);

/* Tells the world; fill adds what the caller knows. */
struct alert *eval_alert(struct eval *e, const struct rule *r, struct state *s);
void eval_fire(struct eval *e, struct state *s, struct alert *a);
void eval_resolve(struct eval *e, struct state *s, int64_t ended_ms);
/* The same with what is to be said of it; takes why. NULL: evidence finds it. */
void eval_resolve_why(struct eval *e, struct state *s, int64_t ended_ms, char *why);

/* A rule with a detector: bins that have settled are learnt, the sliding window that
 * ends now is judged. */
void baseline_tick(struct eval *e, const struct rule *r, struct state *s);
void baseline_judge(struct eval *e, const struct rule *r, struct state *s);
/* Before a rule's series are looked at: what each may spend of its budget. */
void budget_share(struct rule_state *rs, int64_t now_ms);
void budget_fini(struct rule_state *rs);
/* Figures of the rates, to keep and bring back. */
void budget_save(const struct rule_state *rs, eval_blob_f *fn, void *arg);
bool budget_load(struct eval *e, const char *key, const void *data, size_t len);

/* Gives a rule over many hosts its seats, if it needs them and has none. */
void baseline_crowd(const struct eval *e, struct rule_state *rs);
/* Of a rule over many hosts: k changed, has it a baseline of its own? */
bool baseline_seated(struct eval *e, struct rule_state *rs, const struct key *k);
/* Once a slice: who has shown that it is heavier gets the seat of a light one. */
void baseline_seats(struct eval *e, struct rule_state *rs);

/* Slices of s from `changed` on are not what they were: it is judged before long, and by
 * baseline_now() at the latest. */
void baseline_soon(struct eval *e, const struct rule *r, struct state *s, int64_t changed);
void baseline_now(struct eval *e);

#endif

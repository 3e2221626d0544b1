/* rule.h - what is watched, when it is too much, who is told.
 * SPDX-License-Identifier: ISC
 *
 * Rules are compiled from the configuration once and never change; a reload
 * makes new ones. Rules that ask the same of the same flows share a view.
 */
#ifndef CUL_RULES_RULE_H
#define CUL_RULES_RULE_H

#include <limits.h>

#include "daemon/model/alert.h"
#include "daemon/model/series.h"
#include "detectors/detector.h"
#include "detectors/pattern.h"
#include "rules/filter/filter.h"

enum { WINDOW_SLICES_MAX = 360 };
#define RULE_NO_VIEW UINT_MAX

struct rule {
	char *name;
	struct filter *filter;    /* never NULL */
	struct measure measure;
	enum by by;
	unsigned window;          /* slices; 0 when period is set */
	enum period period;       /* calendar window */
	double above, below;      /* in the measure's unit; NAN: no such limit */
	double clear;             /* resolved on the other side of it; NAN: the limit itself */
	double warn;              /* period: warn at this share of `above`; NAN: never */
	int64_t for_ms;
	const struct detector *detector; /* NULL: limits only */
	const struct pattern *pattern; /* instead of all of these: looks at flows; or NULL */
	void *conf;               /* the detector's or pattern's settings */
	filter_country_f *country; /* of an address, for patterns; NULL: nobody knows */
	void *country_arg;
	double budget_total;      /* of the detector: alarms a week over all series; 0: no cap */
	enum side side;           /* detector: tells only of this one; SIDE_NONE: both */
	const char *learns;       /* what its baselines are called in history, not owned; NULL:
				     its own name */
	enum severity severity;
	char *notify[ALERT_NOTIFY]; /* NULL ends */
	bool quiet;               /* kept in history and judged, but tells nobody */
	unsigned view;            /* number in the views of the set; RULE_NO_VIEW: a pattern */
};

struct rules {
	struct rule *at;
	unsigned n;
};

/* A view that the rules need, as rules_views() works it out. */
struct rule_view {
	const struct filter *filter; /* borrowed from the first rule that asks for it */
	enum by by;
	struct measure measure;
	enum period period;
	double quota;                /* smallest slice sum that any of its rules cares for */
	bool history;
};

/* What precedes the bytes of a detector's state in history, under "rule|series". */
struct baseline_head {
	uint32_t version, size;
	int64_t bin; /* first slice of the next bin to learn */
	char detector[16];
};

/* Frees what the rules hold; r is empty then. */
void rules_fini(struct rules *r);

/* Numbers the views of r (rule.view) and gives them, *n of them; the caller frees. */
struct rule_view *rules_views(struct rules *r, unsigned *n);
/* What the names of the view's series in history begin with: "filter|". Gives. */
char *rule_view_series(const struct rule_view *v);
/* Slices of the longest window. */
unsigned rules_longest(const struct rules *r);

/* Its measure is no sum: peers, ports, entropy. */
bool rule_is_gauge(const struct rule *r);
/* The one of the sums that the measure is made of. */
uint64_t rule_sum(const struct measure *m, const struct sums *s);
/* The value of a rule's measure from sums over `seconds`; speed_bps for utilisation. */
double rule_value(const struct measure *m, const struct sums *s, double seconds,
		  double speed_bps);
/* The least sum (of octets, packets or flows) in ten seconds without which `limit`
 * cannot be crossed in a window of n slices; 0 when every change counts. */
double rule_quota(const struct rule *r);

#endif

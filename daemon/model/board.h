/* board.h - what the daemon shows now: to the page, the API, /metrics.
 * SPDX-License-Identifier: ISC
 *
 * The analysis thread hangs up a new immutable sheet about once a second;
 * readers take the newest one and give it back. Alerts are pinned one by one as
 * they change. Nobody ever waits for a reader.
 */
#ifndef CUL_MODEL_BOARD_H
#define CUL_MODEL_BOARD_H

#include "daemon/model/alert.h"

enum { BOARD_ALERTS = 1000 };

struct board_series {
	char rule[NAME_LEN];
	char *series, *series_id;
	char *history;             /* name of its bins in the store; NULL: keeps none */
	enum by by;
	struct measure measure;
	double value, threshold, low, median, high; /* NAN: not known */
	enum alert_state state;    /* ALERT_RESOLVED: nothing is wrong */
	int64_t since_ms;
	uint32_t armed_in_s;
};

/* What is watched, in the order of the configuration. */
struct board_rule {
	char name[NAME_LEN];
	char *filter, *window;     /* as a person reads them: "in if WAN", "1 minute", "month" */
	char *detector;            /* NULL: limits only */
	enum by by;
	struct measure measure;
	double above, below, clear; /* NAN: none */
	int64_t for_ms;
	enum severity severity;
	bool quiet;
	int64_t learns_ms;         /* of a pattern in flows: it only learns yet; -1: no such rule */
	/* Of a detector with a budget, in alarms a week and series: as configured, a cap over
	 * all series (0: none), what is left for each; and of late, alerts and the weeks of
	 * armed series that they came in. budget 0: it has none. */
	double budget, budget_total, budget_each, alerts, series_weeks;
	unsigned held; /* alerts that the cap held back since one was told */
};

struct board_interface { /* totals since start, as D13 counts them */
	char exporter[NAME_LEN], name[NAME_LEN]; /* name: "#2" when nobody told */
	bool out;
	uint64_t bytes;
};

struct board_table { /* memory, for culprit_memory_bytes */
	const char *name;
	uint64_t octets;
};

struct sheet {
	int64_t at_ms;
	struct board_series *series;
	size_t n_series;
	struct board_rule *rules;      /* freed with the sheet, as is all it points to */
	size_t n_rules;
	struct board_interface *interfaces;
	size_t n_interfaces;
	struct board_table tables[8];
	size_t n_tables;
	uint64_t flows, late_flows, cut_shares, thinned_keys; /* of the windows */
	uint64_t archive_octets, archive_files, archive_dropped, archive_flows;
	bool archive_on, archive_paused;
	char archive_why[256];
	uint64_t spool_bins, spool_dropped;
	bool history_up;
	char history_why[256];
	int64_t started_ms;
	uint32_t refs;
};

struct board;

struct board *board_new(void);
void board_free(struct board **b);

void board_hang(struct board *b, struct sheet *s);       /* takes; refs are set here */
const struct sheet *board_take(struct board *b);         /* NULL: none yet */
void board_give(struct board *b, const struct sheet **s);
struct sheet *sheet_new(size_t n_series);

/* Pins the newest state of an alert (takes a reference of its own). The oldest resolved
 * one goes when there are BOARD_ALERTS. */
void board_pin(struct board *b, const struct alert *a);
/* Alerts, newest first; fn returns false to stop. The alert is lent for the call. */
void board_alerts(struct board *b, bool (*fn)(void *arg, const struct alert *a), void *arg);
/* The alert with that id (or whose id begins so, if it is the only one); gives, or NULL. */
struct alert *board_alert(struct board *b, const char *id);
/* How many fire now; more than BOARD_ALERTS in a storm. */
unsigned board_firing(struct board *b);
/* How often each rule fired since start, and how many of its alerts fire now, also those
 * that fired before. */
void board_fired(struct board *b, void (*fn)(void *arg, const char *rule, enum severity s,
					     uint64_t total, uint64_t firing), void *arg);
/* Seconds from the datagram that crossed to the verdict: counts under each bound. */
enum { DELAY_BUCKETS = 8 };
extern const double board_delay_bounds[DELAY_BUCKETS]; /* the last is +Inf */
void board_delays(struct board *b, uint64_t counts[DELAY_BUCKETS], double *sum);

#endif

/* window.h - from flows to slices, bins and what rules ask of them.
 * SPDX-License-Identifier: ISC
 *
 * One thread owns everything here: the analysis thread. Blocks come in the
 * order of arrival from all workers and leave their sums in every view. This
 * is simpler than slices of the workers' own, merged later: no locks, no
 * second hash of the same key, one order of events, and one core takes a million
 * of flows a second (make bench); beyond that several daemons share a store.
 */
#ifndef CUL_WINDOW_WINDOW_H
#define CUL_WINDOW_WINDOW_H

#include "daemon/model/bin.h"
#include "daemon/model/slice.h"
#include "rules/filter/filter.h"

struct window;

struct view_spec {
	const struct filter *filter; /* borrowed until the next window_views() */
	enum by by;
	struct measure measure;      /* what it orders by, or the gauge it keeps */
	double quota;                /* a slice's sum of the ordering measure under which no
					key need be looked at; 0: every change counts */
	enum period period;          /* totals since its start are kept too */
	bool history;                /* its bins are kept */
};

struct window_opts {
	const struct names *names;
	const struct calendar *calendar; /* of the time zone that people live in */
	int64_t late_ms;  /* how long slices stay open */
	size_t memory;    /* octets for all tables together */
};

struct window *window_new(const struct window_opts *o, int64_t now_ms);
void window_free(struct window **w);

/* From now on these views, numbered as given. One that was there before (same filter,
 * group and measure) keeps what it has. longest: slices of the longest window. */
void window_views(struct window *w, const struct view_spec *specs, unsigned n,
		  unsigned longest);

/* Counts b (and fills its counts column). now_ms: wall clock. */
void window_block(struct window *w, struct block *b, int64_t now_ms);
/* Time goes on: opens slices. Returns true when a new slice has begun. */
bool window_tick(struct window *w, int64_t now_ms);

/* Calls fn once for each key that changed since the last call and may matter; `oldest` is
 * the oldest slice that changed. */
typedef void window_key_f(void *arg, unsigned view, const struct key *k, int64_t oldest);
void window_changed(struct window *w, window_key_f *fn, void *arg);
/* Every key of a small view that was ever seen (oldest: the newest slice it is in). */
void window_known(struct window *w, unsigned view, window_key_f *fn, void *arg);

/* How rules look at it; valid as long as w. */
const struct slices *window_slices(struct window *w);
int64_t window_newest(const struct window *w); /* number of the slice that is now */
int64_t window_oldest(const struct window *w); /* the oldest one that is open */

/* Bins of views with history that changed since the last call, whole truth each; small
 * views: all known keys, and their hours (step STEP_HOUR) as far as bins have settled;
 * others: the largest keys of each closed bin. settled: nothing will change it any more
 * but an amendment. */
typedef void window_bin_f(void *arg, unsigned view, const struct key *k,
			  const struct bin *bin, bool amend, bool settled);
void window_bins(struct window *w, int64_t now_ms, window_bin_f *fn, void *arg);
/* After a restart: what history holds of a bin that is still open, or of one of this hour
 * and the last that has settled. */
void window_carry(struct window *w, unsigned view, const struct key *k,
		  const struct bin *bin);

/* Calendar totals that changed since the last call (fn gets start of the period). */
typedef void window_total_f(void *arg, unsigned view, const struct key *k,
			    int64_t start_s, const struct sums *total);
void window_totals(struct window *w, window_total_f *fn, void *arg);
/* A calendar window that has just come and knows of nothing may ask elsewhere what there
 * was before: returns a ticket for the answer, 0: it has no question. *start_ms: since
 * when. Its totals are held back from window_totals() until all is told. */
unsigned window_total_ask(struct window *w, unsigned view, int64_t *start_ms);
/* Adds what was asked for; false: too late, the ticket is no longer good. */
bool window_total_past(struct window *w, unsigned view, unsigned ticket, const struct key *k,
		       const struct sums *past);
void window_total_told(struct window *w, unsigned view, unsigned ticket); /* that was all */
void window_total_set(struct window *w, unsigned view, const struct key *k,
		      int64_t start_s, const struct sums *total);

/* Octets of each interface since start, as D13 counts them; needs a view of all flows by
 * interface. */
void window_interfaces(struct window *w,
		       void (*fn)(void *arg, const struct key *k, uint64_t octets), void *arg);

struct window_stats {
	uint64_t flows, late_flows; /* late: with shares before the oldest open slice */
	uint64_t cut_shares, thinned_keys;
	size_t octets;              /* of all tables */
};
void window_stats(const struct window *w, struct window_stats *out);
struct presence *window_presence(struct window *w);

#endif

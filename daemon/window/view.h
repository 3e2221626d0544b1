/* view.h - one view inside the windows: what window.c, bins.c and period.c share.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_WINDOW_VIEW_H
#define CUL_WINDOW_VIEW_H

#include "daemon/window/share.h"
#include "daemon/window/table.h"
#include "daemon/window/window.h"

enum { WINDOW_FUTURE = 6 }; /* slices that are open before their time has come */

struct binkey { /* a key in one bin */
	struct key key;
	int64_t slice; /* the bin's first */
};

struct carried { /* what a bin had before the daemon was restarted, or gets afterwards */
	struct sums sums;
	uint32_t covered;
};

struct totals { /* since the start of a local day, week or month */
	const struct calendar *calendar;
	enum period period;
	int64_t start_ms, end_ms;
	struct map map;   /* struct key -> struct sums */
	struct map dirty; /* struct key -> nothing */
	bool young;       /* just made: nobody asked what came before */
	unsigned ticket;  /* of who was asked, until that has come; 0: nobody */
};

struct view {
	struct view_spec spec;
	char *filter_text; /* to know the view again */
	unsigned leader;   /* small.c; its own number when it has none before it */
	struct table table;
	struct map hot;     /* struct key -> int64_t newest hot slice; unused when all are */
	struct map changed; /* struct key -> int64_t oldest changed slice */
	struct map known;   /* small views: struct key -> int64_t newest slice */
	struct map carried; /* struct binkey -> struct carried */
	struct map hours;   /* struct binkey -> struct carried: settled bins of an hour */
	struct map amended; /* struct binkey -> struct sums: for bins no longer open */
	struct map amended_hours; /* the same for their hours, and for what is kept by hours */
	struct totals totals;
	bool all_interfaces; /* by interface, every flow: feeds window_interfaces() */
	uint64_t *touched;  /* a bit for each ring place: slice changed since last bins */
	int64_t bins_from;  /* large views: next bin (first slice) to write */
	int64_t bins_settled;
};

struct window {
	struct window_opts opts;
	unsigned n_ring;
	int64_t now_slice;
	int64_t settled; /* bins before this slice are history: what comes amends them */
	struct view *views;
	unsigned n_views;
	unsigned tickets; /* given out, see struct totals */
	struct count_once *count;
	struct presence *presence;
	struct shares *shares;
	bool large; /* some view needs the shares of every row (small.c) */
	struct gauge_union *gauges;
	struct small *small;
	struct map interfaces; /* struct key -> uint64_t octets since start */
	uint32_t round; /* of window_changed */
	uint32_t rows_left; /* of history's past that have been earned */
	struct slices slices;
	struct window_stats stats;
};

/* Sums of k over n slices from `first`; returns the error. */
struct sums view_sums(const struct view *v, const struct key *k, int64_t first, unsigned n,
		      struct sums *out);
/* Adds to the cell of k in open slice s, and notes the change where it matters. */
void view_add(struct window *w, struct view *v, const struct key *k, int64_t s,
	      const struct sums *sum);
/* The same for what is older than the open slices. */
void view_add_old(struct window *w, struct view *v, const struct key *k, int64_t slice,
		  enum share_kind kind, const struct sums *sum);
uint64_t view_weight(const struct view *v, const struct sums *s);
/* look.c */
struct slices window_look(struct window *w);
bool window_covered(const struct window *w, enum by by, const struct key *k, int64_t s);

/* small.c: views of few keys that are sums. All with the same filter are served at once,
 * under the number of the first of them: v->leader. */
struct small *small_new(void);
void small_free(struct small **s);
bool small_takes(const struct view *v);
void small_block(struct window *w, unsigned leader, const struct block *b,
		 const uint64_t *bits);

void period_init(struct totals *t, const struct calendar *c, enum period p,
		 size_t key_octets, int64_t now_ms);
void period_fini(struct totals *t);
void period_tick(struct totals *t, int64_t now_ms);
struct sums period_of(const struct totals *t, const struct key *k, int64_t *start_ms,
		      int64_t *end_ms);
void period_add(struct totals *t, const struct key *k, const struct sums *s);

#endif

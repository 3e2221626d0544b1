/* analysis_impl.h - shared by analysis.c, history.c, silence.c and pattern.c.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_ANALYSIS_IMPL_H
#define CUL_ANALYSIS_IMPL_H

#include "daemon/analysis.h"
#include "daemon/base/queue.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LOSS_SLICES = 512 };

struct loss_mark { /* totals, and the rate that was told last */
	uint64_t lost, seen;
	uint32_t sampling;
};

struct loss { /* of one exporter */
	struct loss_mark at[LOSS_SLICES]; /* at the begin of each slice */
	struct alert *alert; /* of the built-in rule "lossy-export" */
};

struct silence { /* the built-in rule "exporter-silent", one for each exporter */
	struct alert *alert;
	int64_t since_ms;
	bool on; /* also when nobody is told */
};

struct analysis {
	struct analysis_opts opts;
	struct rules *rules;
	struct window *window;
	struct eval *eval;
	struct queue *queue;
	pthread_t thread;
	bool running;
	_Atomic(struct rules *) next_rules;
	_Atomic(struct learnt *) learnt;
	_Atomic(struct past *) past;
	uint64_t seq;
	int64_t now_ms, started_ms;
	int64_t judged_ms, patterns_ms, posted_ms, baselines_ms;
	int64_t block_ms; /* receive time of the newest block */
	struct loss *loss; /* by exporter id */
	uint64_t dropped[LOSS_SLICES];
	struct silence *silent;
	struct pattern_run *patterns; /* rules whose detector looks at flows */
	unsigned n_patterns;
	uint32_t n_loss, n_silent, n_kept; /* exporters that history knows */
	struct books *books; /* books.c */
	char **series; /* history name of each view: "filter|" */
};

/* history.c: bins, totals and baselines on their way to the store. */
void history_names(struct analysis *a);
void history_slice(struct analysis *a, int64_t now_ms);
void history_baselines(struct analysis *a, bool all);
void history_stop(struct analysis *a);

/* period_past.c: what calendar windows that have just come ask for, and the answers. */
void period_past_ask(struct analysis *a);
void period_past_take(struct analysis *a);

/* watch.c: alerts about an exporter itself. NULL: no rule asks for that. */
const struct rule *watch_rule(const struct analysis *a, const struct pattern *p);
struct alert *watch_alert(struct analysis *a, const struct rule *r, uint32_t exporter,
			  int64_t from_ms, int64_t now_ms); /* gives */
void watch_begin(struct analysis *a, struct alert **kept, struct alert *al); /* takes al */
void watch_end(struct analysis *a, struct alert **kept, char *why, int64_t now_ms);
char *watch_gone(const struct alert *al);

/* lossy.c: flows lost on their way. */
void lossy_note(struct analysis *a, int64_t slice); /* it begins */
void lossy_quality(const struct analysis *a, struct alert *al);
void lossy_tick(struct analysis *a, int64_t now_ms);
void lossy_free(struct analysis *a);
uint64_t lossy_flows(const struct ledger *l); /* so many were lost, as far as is known */

/* history.c: what interfaces counted themselves, of bins that are over, or of all. */
void history_meters(struct analysis *a, int64_t now_ms, bool last);

/* books.c: the ledger in history. A slice has begun; last: nothing comes any more. */
void books_slice(struct analysis *a, int64_t now_ms, bool last);
void books_free(struct analysis *a);

/* silence.c: exporters that stopped sending. */
void silence_tick(struct analysis *a, int64_t now_ms);
bool silence_of(const struct analysis *a, enum by by, const struct key *k);
void silence_free(struct analysis *a);

/* pattern.c: rules whose detector looks at flows. */
typedef void pattern_blob_f(void *arg, const char *rule, const void *data, size_t len);
void pattern_rules(struct analysis *a, const struct rules *rules); /* before the old go */
void pattern_block(struct analysis *a, const struct block *b, int64_t now_ms);
void pattern_tick(struct analysis *a, int64_t now_ms); /* once a second */
bool pattern_restore(struct analysis *a, struct alert *al); /* as eval_restore */
void pattern_save(struct analysis *a, pattern_blob_f *fn, void *arg);
void pattern_load(struct analysis *a, const char *rule, const void *data, size_t len);
/* How long the rule only learns yet; -1: it looks at no flows. */
int64_t pattern_learns_ms(const struct analysis *a, const struct rule *r);
uint64_t pattern_octets(const struct analysis *a); /* the memory they were given */
void pattern_free(struct analysis *a);

/* post.c: the sheet for the board. */
void post_sheet(struct analysis *a, int64_t now_ms);

/* Judges by these from now on; takes them. On the thread that judges. */
void analysis_set_rules(struct analysis *a, struct rules *rules);

/* Sends an alert on its way; takes it. */
void analysis_emit(struct analysis *a, struct alert *alert);

#endif

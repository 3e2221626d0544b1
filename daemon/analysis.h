/* analysis.h - the thread that sees every flow.
 * SPDX-License-Identifier: ISC
 *
 * Blocks come from the collector workers through one bounded queue, are counted
 * in the windows, passed to the archive and forgotten. A few times a second the
 * rules judge what changed; alerts leave through the archive's queue, behind the
 * blocks that made them. The same object without its thread runs a backtest or a
 * replay: analysis_block() and analysis_tick() with times of the past.
 */
#ifndef CUL_ANALYSIS_H
#define CUL_ANALYSIS_H

#include "daemon/model/board.h"
#include "daemon/model/calendar.h"
#include "daemon/window/window.h"
#include "rules/eval.h"
#include "storage/archive/archive.h"
#include "storage/writer.h"

struct analysis;
struct meters;
struct past;

struct analysis_opts {
	struct names *names;
	const struct calendar *calendar;
	struct archive *archive; /* NULL: no flows are kept */
	struct writer *writer;   /* NULL: no history */
	struct board *board;     /* NULL: nobody looks */
	/* Takes an alert when there is no archive to pass it through. */
	void (*alert)(void *arg, struct alert *a);
	/* An alert of history goes on firing; borrows it. May be NULL. */
	void (*restored)(void *arg, const struct alert *a);
	/* Must this bin of a series train no baseline? May be NULL: each does. */
	bool (*untrained)(void *arg, const struct rule *r, const struct key *k,
			  int64_t from_ms, int64_t to_ms);
	struct meters *meters; /* meters.h: of interfaces, for history; may be NULL */
	/* Takes a question that analysis_past() is to answer, from any thread. NULL: a calendar
	 * window begins with nothing. Wants an archive. */
	void (*past)(void *arg, struct past *p);
	/* Datagrams that the kernel has dropped so far, all sockets; may be NULL. */
	uint64_t (*dropped)(void *arg);
	void *arg;
	int64_t late_ms;
	size_t memory;
};

/* Takes the rules. now_ms: where time begins. */
struct analysis *analysis_new(const struct analysis_opts *o, struct rules *rules,
			      int64_t now_ms);
void analysis_free(struct analysis **a);

/* What history knows: open bins, totals, baselines, alerts that were firing. Before the
 * first block. false + err: history could not be read; then it starts without. */
bool analysis_recall(struct analysis *a, struct store *s, int64_t now_ms, struct err *err);

void analysis_block(struct analysis *a, struct block *b, int64_t now_ms); /* borrows */
/* judge: rules look at what changed; else only time goes on. */
void analysis_tick(struct analysis *a, int64_t now_ms, bool judge);

/* All series that rules keep a state for; not while the thread runs. */
void analysis_values(struct analysis *a, eval_value_f *fn, void *arg);

/* The same of the i-th rule's budget. */
struct budget_value analysis_budget(const struct analysis *a, unsigned i);

/* --- with its thread --- */
void analysis_start(struct analysis *a);
/* For workers: takes the block; waits while the queue is full; false: stopping. */
bool analysis_sink(void *arg, struct block *b);
/* Other rules from now on; takes them. Any thread. */
void analysis_rules(struct analysis *a, struct rules *rules);
/* Baselines that were learnt elsewhere; takes the list. Any thread. */
struct learnt {
	struct learnt *next;
	char *key;
	size_t len;
	char data[];
};
void analysis_learnt(struct analysis *a, struct learnt *list);
void learnt_free(struct learnt *list);
/* What a calendar window asked for: what there was of it before its rule came. */
struct past {
	struct past *next;
	struct analysis *analysis;
	char *series, *filter; /* of the view, as history and as rules write it */
	enum by by;
	struct measure measure;
	int64_t from_ms, to_ms;
	unsigned ticket;
	struct archive_position as_of; /* flows behind it are counted already */
	/* the answer */
	struct key *key;
	struct sums *sums;
	unsigned n;
};
void analysis_past(struct analysis *a, struct past *answer); /* takes it; any thread */
void past_free(struct past *list);
/* Lets what is queued be counted, judges once more, writes bins and baselines. */
void analysis_stop(struct analysis *a);

#endif

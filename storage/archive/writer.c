/* writer.c - the archive's thread.
 * SPDX-License-Identifier: ISC
 *
 * Everything reaches the thread through one list in order: blocks, marks and
 * the second's tick. Blocks are bounded in number and dropped beyond that;
 * marks are few and never dropped, ticks fold into one.
 *
 * Rows are gathered for at most FLUSH_MS or until a frame is full. The file of a row
 * is that of its receive time, and a closed file is never opened again:
 * when the clock steps back, rows go to the first file from then on that is not
 * closed, which mostly is the open one.
 *
 * Without room the archive pauses: oldest files go first, then what comes is
 * dropped and counted, and every RETRY_MS a write is tried. Alerts pass at
 * once all the while, with the last position there is and evidence_short set.
 */
#include "storage/archive/archive.h"

#include "daemon/base/log.h"
#include "storage/archive/closed.h"
#include "storage/archive/gather.h"
#include "storage/archive/summarizer.h"
#include "storage/archive/tip.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	QUEUE_BLOCKS = 96, /* of about 450 KB: 43 MB */
	FLUSH_MS = 8500,   /* and a tick a second: 10 s are not passed */
	SYNC_MS = 30000,
	RETRY_MS = 5000,
	EXPIRE_MS = 30000,
	RECOVER = 16, /* newest files looked at for a missing end */
	TRIES = 4096,
};

enum kind { BLOCK, MARK, NOTE, TICK, SUMMED, STOP };

struct item {
	struct item *next;
	enum kind kind;
	int64_t now_ms;
	struct block *block;
	struct alert *alert;
	archive_note_f *note;
	void *note_arg;
	int64_t file_s;	 /* SUMMED: has a summary now */
	uint64_t octets; /* of that */
};

struct archive {
	char *directory;
	struct archive_opts opts;
	pthread_t thread;
	struct summarizer *summarizer;

	pthread_mutex_t lock; /* of what follows up to the blank line */
	pthread_cond_t filled;
	struct item *first, *last;
	unsigned blocks;
	struct archive_stats stats;

	/* The thread's own. */
	struct closed closed;
	struct tip tip;
	struct gather *gather;
	struct naming *naming;
	int64_t names_ordinal; /* in the tip */
	int64_t gather_s;      /* file of the gathered rows */
	int64_t oldest_ms;     /* when the first of them came */
	struct out head, body;
	struct archive_position position;
	int64_t retry_ms, sync_ms, expire_ms;
	bool paused;
};

/* ---- files ---- */

static int64_t file_for(const struct archive *a, int64_t now_ms)
{
	int64_t s = file_s_of(now_ms);

	while (closed_find(&a->closed, s))
		s += BIN_S;
	return s;
}

static void expire(struct archive *a, int64_t now_ms)
{
	const struct archive_opts *o = &a->opts;

	a->expire_ms = now_ms;
	closed_expire(&a->closed,
		      &(struct closed_limits){ o->keep_ms, o->max_octets, o->min_free },
		      a->tip.fd >= 0 ? a->tip.size : 0, now_ms);
}

/* ---- pausing ---- */

static void tell_state(struct archive *a, const char *why)
{
	pthread_mutex_lock(&a->lock);
	a->stats.paused = a->paused;
	snprintf(a->stats.why, sizeof(a->stats.why), "%.255s", why);
	pthread_mutex_unlock(&a->lock);
}

static bool pause_for(struct archive *a, const struct err *err, int64_t now_ms)
{
	a->retry_ms = now_ms + RETRY_MS;
	if (a->tip.fd >= 0 && a->tip.suspect) {
		closed_note(&a->closed, a->tip.file_s, a->tip.size);
		tip_drop(&a->tip);
	}
	if (!a->paused)
		log_err("archive pauses, flows are not kept: %s", err->msg);
	a->paused = true;
	tell_state(a, err->msg);
	return false;
}

static void resume(struct archive *a)
{
	if (!a->paused)
		return;
	a->paused = false;
	log_info("archive goes on");
	tell_state(a, "");
}

/* A paused archive tries again only now and then; a clock that stepped back does not
 * make it wait longer. */
static bool may_try(const struct archive *a, int64_t now_ms)
{
	return !a->paused || now_ms >= a->retry_ms || now_ms < a->retry_ms - RETRY_MS;
}

/* ---- writing ---- */

static bool need_tip(struct archive *a, int64_t file_s, struct err *err)
{
	if (a->tip.fd >= 0 && a->tip.file_s == file_s)
		return true;
	assert(a->tip.fd < 0);
	for (int i = 0; i < TRIES; i++, file_s += BIN_S) {
		enum tip_got got;

		if (closed_find(&a->closed, file_s))
			continue;
		got = tip_open(&a->tip, a->directory, file_s, true, err);
		if (got == TIP_FAILED)
			return false;
		if (got == TIP_OPEN) {
			naming_retell(a->naming);
			a->names_ordinal = NO_NAMES;
			a->gather_s = file_s;
			return true;
		}
		closed_note(&a->closed, file_s, 0);
	}
	return err_set(err, "archive: every file of the next two weeks is taken");
}

static bool write_names(struct archive *a, struct err *err)
{
	for (;;) {
		uint32_t ordinal = a->tip.ordinal;

		a->head.len = 0;
		if (!naming_write(a->naming, &a->head, a->names_ordinal))
			return true;
		if (!tip_append(&a->tip, FRAME_NAMES, 0, &a->head, NULL, err)) {
			naming_retell(a->naming);
			a->names_ordinal = NO_NAMES;
			return false;
		}
		a->names_ordinal = ordinal;
	}
}

static bool write_out(struct archive *a, struct err *err)
{
	struct totals t;

	if (!need_tip(a, a->gather_s, err) || !write_names(a, err))
		return false;
	a->head.len = a->body.len = 0;
	gather_write(a->gather, a->names_ordinal, &a->head, &a->body, &t);
	if (!tip_append(&a->tip, FRAME_FLOWS, gather_rows(a->gather), &a->head, &a->body,
			err))
		return false;
	totals_add(&a->tip.totals, &t);
	a->position = (struct archive_position){ a->tip.file_s, a->tip.size };
	pthread_mutex_lock(&a->lock);
	a->stats.flows_written += gather_rows(a->gather);
	a->stats.octets = a->closed.octets + a->tip.size;
	a->stats.files = a->closed.files.n + 1;
	pthread_mutex_unlock(&a->lock);
	gather_clear(a->gather);
	return true;
}

/* Writes out what is gathered; false: not now. */
static bool flush(struct archive *a, int64_t now_ms)
{
	struct err err = { "" };

	if (!may_try(a, now_ms))
		return false;
	if (!gather_rows(a->gather))
		return true;
	if (!write_out(a, &err)) {
		if (a->tip.error == ENOSPC || a->tip.error == EDQUOT)
			expire(a, now_ms);
		if (a->tip.suspect || !write_out(a, &err))
			return pause_for(a, &err, now_ms);
	}
	resume(a);
	return true;
}

/* Closes the open file, when what belongs to it could be written. */
static bool close_file(struct archive *a, int64_t now_ms)
{
	struct err err = { "" };
	int64_t file_s;

	if (!flush(a, now_ms))
		return false;
	file_s = a->tip.file_s; /* the flush may have begun it */
	naming_reset(a->naming);
	if (a->tip.fd < 0)
		return true;
	if (!tip_close(&a->tip, &err))
		return pause_for(a, &err, now_ms);
	closed_note(&a->closed, file_s, a->tip.size);
	summarizer_closed(a->summarizer, file_s);
	resume(a);
	expire(a, now_ms);
	return true;
}

static void drop(struct archive *a, const struct block *b)
{
	pthread_mutex_lock(&a->lock);
	a->stats.flows_dropped += b->n;
	pthread_mutex_unlock(&a->lock);
}

/* Whether what is open, or gathered for a file not yet begun, belongs to another one. */
static bool is_other(const struct archive *a, int64_t file_s)
{
	return a->tip.fd >= 0 ? a->tip.file_s != file_s
			      : gather_rows(a->gather) && a->gather_s != file_s;
}

static void on_block(struct archive *a, const struct block *b, int64_t now_ms)
{
	int64_t file_s = file_for(a, now_ms);

	if (!b->n)
		return;
	if (is_other(a, file_s) && !close_file(a, now_ms)) {
		drop(a, b);
		return;
	}
	if (!gather_rows(a->gather)) {
		a->gather_s = file_s;
		a->oldest_ms = now_ms;
	}
	if (gather_add(a->gather, b, a->naming))
		return;
	if (!flush(a, now_ms)) {
		drop(a, b);
		return;
	}
	a->oldest_ms = now_ms;
	gather_add(a->gather, b, a->naming);
}

static void on_mark(struct archive *a, struct alert *alert, int64_t now_ms)
{
	alert->evidence_short |= !flush(a, now_ms) || a->paused;
	if (alert->state == ALERT_RESOLVED && !alert->was)
		alert->end_position = a->position;
	else
		alert->position = a->position;
	a->opts.mark_done(a->opts.arg, alert);
}

static void on_note(struct archive *a, const struct item *i, int64_t now_ms)
{
	flush(a, now_ms);
	i->note(i->note_arg, &a->position);
}

static void sync_now(struct archive *a, int64_t now_ms)
{
	struct err err = { "" };

	a->sync_ms = now_ms;
	if (a->tip.fd >= 0 && !tip_sync(&a->tip, &err))
		pause_for(a, &err, now_ms);
}

static bool passed(int64_t *since_ms, int64_t now_ms, int64_t span_ms)
{
	return now_ms < *since_ms || now_ms - *since_ms >= span_ms;
}

static void on_tick(struct archive *a, int64_t now_ms)
{
	closed_clock(&a->closed, now_ms);
	if (is_other(a, file_for(a, now_ms)))
		close_file(a, now_ms);
	else if (gather_rows(a->gather) &&
		 (a->paused || passed(&a->oldest_ms, now_ms, FLUSH_MS)))
		flush(a, now_ms);
	if (passed(&a->sync_ms, now_ms, SYNC_MS))
		sync_now(a, now_ms);
	if (passed(&a->expire_ms, now_ms, EXPIRE_MS))
		expire(a, now_ms);
}

/* ---- the thread ---- */

static struct item *next_item(struct archive *a)
{
	struct item *i;

	pthread_mutex_lock(&a->lock);
	while (!a->first)
		pthread_cond_wait(&a->filled, &a->lock);
	i = a->first;
	a->first = i->next;
	if (!a->first)
		a->last = NULL;
	a->blocks -= i->kind == BLOCK;
	a->stats.queued_blocks = a->blocks;
	pthread_mutex_unlock(&a->lock);
	return i;
}

static void *run(void *arg)
{
	struct archive *a = arg;
	int64_t now_ms = 0;
	bool stop = false;

	while (!stop) {
		struct item *i = next_item(a);

		if (i->kind != STOP && i->now_ms)
			now_ms = i->now_ms;
		switch (i->kind) {
		case BLOCK:
			on_block(a, i->block, now_ms);
			block_unref(&i->block);
			break;
		case MARK: on_mark(a, i->alert, now_ms); break;
		case NOTE: on_note(a, i, now_ms); break;
		case TICK: on_tick(a, now_ms); break;
		case SUMMED: closed_summed(&a->closed, i->file_s, i->octets); break;
		case STOP: stop = true; break;
		}
		free(i);
	}
	a->retry_ms = now_ms;
	flush(a, now_ms);
	sync_now(a, now_ms);
	return NULL;
}

static void append(struct archive *a, const struct item *what)
{
	struct item *i;

	pthread_mutex_lock(&a->lock);
	if (what->kind == TICK && a->last && a->last->kind == TICK) {
		a->last->now_ms = what->now_ms;
		pthread_mutex_unlock(&a->lock);
		return;
	}
	if (what->kind == BLOCK && a->blocks >= a->opts.queue_blocks) {
		struct block *b = what->block;

		a->stats.flows_dropped += b->n;
		pthread_mutex_unlock(&a->lock);
		block_unref(&b);
		return;
	}
	i = xmemdup(what, sizeof(*what));
	a->blocks += i->kind == BLOCK;
	a->stats.queued_blocks = a->blocks;
	if (a->last)
		a->last->next = i;
	else
		a->first = i;
	a->last = i;
	pthread_cond_signal(&a->filled);
	pthread_mutex_unlock(&a->lock);
}

void archive_block(struct archive *a, struct block *b, int64_t now_ms)
{
	append(a, &(struct item){ .kind = BLOCK, .block = b, .now_ms = now_ms });
}

void archive_mark(struct archive *a, struct alert *alert)
{
	append(a, &(struct item){ .kind = MARK, .alert = alert });
}

void archive_note(struct archive *a, archive_note_f *fn, void *arg)
{
	append(a, &(struct item){ .kind = NOTE, .note = fn, .note_arg = arg });
}

void archive_tick(struct archive *a, int64_t now_ms)
{
	append(a, &(struct item){ .kind = TICK, .now_ms = now_ms });
}

static void summed(void *arg, int64_t file_s, uint64_t octets)
{
	append(arg, &(struct item){ .kind = SUMMED, .file_s = file_s, .octets = octets });
}

void archive_stats(struct archive *a, struct archive_stats *out)
{
	pthread_mutex_lock(&a->lock);
	*out = a->stats;
	pthread_mutex_unlock(&a->lock);
}

/* Gives files that a crash left without an end their end. The newest stays open: the
 * thread goes on with it if its five minutes are not over. */
static void recover(struct archive *a)
{
	struct dir_list *l = &a->closed.files;
	struct dir_entry *e;
	struct err err = { "" };
	size_t newest = l->n;
	struct tip t;

	for (size_t i = 0; i < l->n; i++)
		if (!dir_imported(l->at[i].file_s))
			newest = i;
	if (newest == l->n)
		return;
	for (size_t i = newest > RECOVER ? newest - RECOVER : 0; i < newest; i++) {
		if (dir_imported(l->at[i].file_s) ||
		    tip_open(&t, a->directory, l->at[i].file_s, false, &err) !=
			TIP_OPEN ||
		    tip_close(&t, &err))
			continue;
		log_warn("%s", err.msg);
		tip_drop(&t);
	}
	e = &l->at[newest];
	a->position = (struct archive_position){ e->file_s, e->octets };
	if (tip_open(&t, a->directory, e->file_s, false, &err) != TIP_OPEN)
		return;
	closed_reopen(&a->closed, newest);
	a->position.offset = t.size;
	a->tip = t;
}

struct archive *archive_start(const struct archive_opts *o, struct err *err)
{
	struct archive *a = xcalloc(1, sizeof(*a));

	a->opts = *o;
	a->directory = xstrdup(o->directory);
	if (!a->opts.queue_blocks)
		a->opts.queue_blocks = QUEUE_BLOCKS;
	a->tip.fd = -1;
	a->names_ordinal = NO_NAMES;
	a->gather = gather_new();
	a->naming = naming_new(o->names);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->filled, NULL);
	if (!closed_open(&a->closed, a->directory)) {
		err_set(err, "archive directory %s: %s", a->directory, strerror(errno));
		goto fail;
	}
	a->stats.octets = a->closed.octets;
	a->stats.files = a->closed.files.n;
	recover(a);
	if (!o->no_summaries)
		a->summarizer = summarizer_start(a->directory, summed, a);
	if (pthread_create(&a->thread, NULL, run, a)) {
		err_set(err, "archive: cannot start a thread");
		goto fail;
	}
	return a;
fail:
	summarizer_stop(a->summarizer);
	summarizer_free(&a->summarizer);
	tip_drop(&a->tip);
	closed_fini(&a->closed);
	gather_free(&a->gather);
	naming_free(&a->naming);
	free(a->directory);
	free(a);
	return NULL;
}

void archive_stop(struct archive **ap)
{
	struct archive *a = *ap;

	if (!a)
		return;
	summarizer_stop(a->summarizer); /* what it made is in the queue before the end */
	append(a, &(struct item){ .kind = STOP });
	pthread_join(a->thread, NULL);
	summarizer_free(&a->summarizer);
	tip_drop(&a->tip);
	closed_fini(&a->closed);
	gather_free(&a->gather);
	naming_free(&a->naming);
	free(a->head.p);
	free(a->body.p);
	free(a->directory);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->filled);
	free(a);
	*ap = NULL;
}

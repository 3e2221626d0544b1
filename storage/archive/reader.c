/* reader.c - all parts of an archive, one after another, to several threads.
 * SPDX-License-Identifier: ISC
 *
 * One cursor walks files and frames under a lock, which costs one small read
 * for 65,536 flows; the workers then read, check and unpack columns by
 * themselves. Which files matter is known from their names, since a flow
 * arrives after it ended, and from what closed files tell in their last frame
 * about flows that came late.
 */
#include "storage/archive/scan.h"

#include "daemon/base/cpus.h"
#include "storage/archive/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS_MAX = 64, DAY_MS = 86400 * 1000, EARLY_MS = 60 * 1000, FEW_OF = 4 };

struct file { /* open while the cursor is in it or a worker works on a part of it */
	int fd;
	unsigned users;
	struct columns columns;
};

struct scan {
	const struct archive_query *q;
	const struct scan_summaries *sums;
	struct summary_reader *reader;
	scan_part_f *fn;
	void *arg;

	pthread_mutex_t lock;
	struct dir_list files;
	size_t next, first; /* file */
	struct file *file; /* the cursor's, NULL: open the next one */
	int64_t file_s;
	int64_t newest_s; /* of the files that culpritd writes */
	uint64_t at, size;
	bool closed, have_columns, whole;
	struct file_names names;
	struct name_sink sink;
	struct archive_result result;
	uint64_t parts; /* handed out */
	bool stop;
};

struct work { /* a part for a worker */
	struct file *file;
	uint64_t at, number;
	struct frame frame;
	struct out head;
	struct file_names names;
	const struct names *all;
};

static void file_put(struct file *f)
{
	if (--f->users)
		return;
	close(f->fd);
	free(f);
}

/* Whether the file's summary is all that is needed of it. */
static bool summary_stands(struct scan *s, int64_t file_s, const struct totals *t,
			   uint64_t check)
{
	const struct archive_query *q = s->q;
	bool inside = t->start_ms >= q->from_ms && t->end_ms < q->to_ms;
	const struct summary *sum;

	if (!s->sums || !s->whole || (!inside && !s->sums->whole))
		return false;
	sum = summary_open(s->reader, q->directory, file_s, s->size, check);
	if (sum && !inside)
		inside = sum->latest_start_ms < q->to_ms &&
			 (t->start_ms >= q->from_ms || sum->earliest_end_ms > q->from_ms);
	return sum && inside && s->sums->stands(s->sums->arg, sum, s->reader, &s->sink);
}

static void tell_progress(const struct scan *s);

/* Opens the next file that matters. */
static bool next_file(struct scan *s)
{
	const struct archive_query *q = s->q;

	while (s->next < s->files.n) {
		int64_t file_s = s->files.at[s->next++].file_s;
		char path[DIR_PATH];
		struct totals t;
		uint64_t check;
		struct stat st;
		int fd;

		if (q->as_of.file_s && file_s > q->as_of.file_s)
			return false;
		/* No alert has judged what was imported. */
		if (q->as_of.file_s && dir_imported(file_s))
			continue;
		fd = open(dir_path(q->directory, file_s, path),
			  O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 ||
		    fstat(fd, &st)) { /* expired just now, or not ours to read */
			s->result.blocks_damaged += errno != ENOENT;
			if (fd >= 0)
				close(fd);
			continue;
		}
		s->size = (uint64_t)st.st_size;
		s->closed = file_closed(fd, s->size, &t, &check);
		s->whole = !q->as_of.file_s || file_s < q->as_of.file_s;
		if (s->closed && (t.start_ms >= q->to_ms || t.end_ms < q->from_ms)) {
			close(fd);
			continue;
		}
		if (s->closed && summary_stands(s, file_s, &t, check)) {
			s->result.files++;
			s->result.summaries++;
			s->at = s->size;
			tell_progress(s);
			close(fd);
			continue;
		}
		if (!s->whole && q->as_of.offset < s->size)
			s->size = q->as_of.offset;
		else if (!s->whole && q->as_of.offset > s->size)
			s->result.blocks_damaged++; /* something has gone since */
		s->file = xcalloc(1, sizeof(*s->file));
		s->file->fd = fd;
		s->file->users = 1;
		s->file_s = file_s;
		s->at = 0;
		s->have_columns = false;
		s->names = (struct file_names){ .ordinal = NO_NAMES };
		s->result.files++;
		return true;
	}
	return false;
}

static void end_file(struct scan *s)
{
	/* Only the newest file may be without an end: it is being written. */
	bool newest = s->file_s == s->newest_s;

	if (s->whole && (s->at < s->size || !s->closed) && !newest)
		s->result.blocks_damaged++;
	if (!s->whole && s->at < s->size)
		s->result.blocks_damaged++;
	file_names_clear(&s->sink, &s->names);
	file_put(s->file);
	s->file = NULL;
}

/* The part that the cursor stands on; false: not one to work on. */
static bool take(struct scan *s, struct work *w)
{
	struct in r = in_over(w->head.p, w->head.len);
	struct totals t;

	switch (w->frame.type) {
	case FRAME_HEAD:
		in_u64(&r);
		s->have_columns = columns_read(&r, &s->file->columns);
		s->result.blocks_damaged += !s->have_columns;
		return false;
	case FRAME_NAMES:
		if (!names_apply(&s->sink, &s->names, w->frame.ordinal, &r))
			s->result.blocks_damaged++;
		return false;
	case FRAME_FLOWS: break;
	default: return false;
	}
	s->result.blocks++;
	totals_read(&r, &t);
	if (t.start_ms >= s->q->to_ms || t.end_ms < s->q->from_ms) {
		s->result.blocks_skipped++;
		return false;
	}
	if (!s->have_columns) {
		s->result.blocks_damaged++;
		return false;
	}
	w->file = s->file;
	w->file->users++;
	w->at = s->at;
	w->number = s->parts++;
	w->names = s->names;
	w->all = s->sink.names;
	return true;
}

/* In thousandths of files: they all are five minutes. */
static void tell_progress(const struct scan *s)
{
	uint64_t all = (s->files.n - s->first) * UINT64_C(1000), done;

	if (!s->q->progress || s->next <= s->first)
		return;
	done = (s->next - s->first - 1) * UINT64_C(1000);
	done += s->size ? (s->at < s->size ? s->at : s->size) * 1000 / s->size : 0;
	s->q->progress(s->q->progress_arg, done, all);
}

static bool next_part(struct scan *s, struct work *w)
{
	bool got = false;

	while (!s->stop && !got && (s->file || next_file(s))) {
		int found = frame_next(s->file->fd, s->size, &s->at, &w->frame, &w->head);

		if (!found) {
			end_file(s);
			continue;
		}
		s->result.blocks_damaged += found < 0;
		got = take(s, w);
		s->at += frame_octets(&w->frame);
		tell_progress(s);
	}
	return got;
}

static bool range_of(void *arg, enum field f, uint64_t *min, uint64_t *max)
{
	return part_range(arg, f, min, max);
}

static bool may_have(void *arg, enum field f, const struct prefix *x)
{
	return part_may_have(arg, f, x);
}

struct worker {
	struct scan *s;
	unsigned number;
	pthread_t thread;
};

static void work_on(struct worker *me, struct part *p, struct work *w, bool *damaged,
		    bool *skipped, bool *stop)
{
	const struct archive_query *q = me->s->q;
	const struct totals *t;

	if (!part_open(p, w->file->fd, w->at, &w->frame, w->head.p, &w->file->columns,
		       &w->names, w->all)) {
		*damaged = true;
		return;
	}
	t = part_totals(p);
	if (!filter_is_all(q->filter) &&
	    !filter_may_match(q->filter, range_of, may_have, p)) {
		*skipped = true;
		return;
	}
	*stop = !me->s->fn(me->s->arg, me->number, p,
			   t->start_ms >= q->from_ms && t->end_ms < q->to_ms, damaged);
}

static void tell_part(const struct worker *me, const struct work *w, bool ends)
{
	const struct archive_query *q = me->s->q;

	if (q->part)
		q->part(q->part_arg, me->number, w->number, ends);
}

static void *run(void *arg)
{
	struct worker *me = arg;
	struct scan *s = me->s;
	struct part *p = part_new();
	struct work w = { 0 };
	bool damaged, skipped, stop;

	pthread_mutex_lock(&s->lock);
	while (next_part(s, &w)) {
		pthread_mutex_unlock(&s->lock);
		damaged = skipped = stop = false;
		tell_part(me, &w, false);
		work_on(me, p, &w, &damaged, &skipped, &stop);
		tell_part(me, &w, true);
		pthread_mutex_lock(&s->lock);
		s->result.blocks_damaged += damaged;
		s->result.blocks_skipped += skipped;
		s->stop |= stop;
		file_put(w.file);
	}
	pthread_mutex_unlock(&s->lock);
	free(w.head.p);
	part_free(&p);
	return NULL;
}

unsigned scan_threads(const struct archive_query *q)
{
	if (!q->threads)
		return cpus(THREADS_MAX);
	return q->threads > THREADS_MAX ? THREADS_MAX : q->threads;
}

/* The first worker is the calling thread. */
static void run_all(struct scan *s, unsigned n)
{
	struct worker w[THREADS_MAX];
	unsigned started = 1;

	for (unsigned i = 0; i < n; i++)
		w[i] = (struct worker){ .s = s, .number = i };
	while (started < n && !pthread_create(&w[started].thread, NULL, run, &w[started]))
		started++;
	run(&w[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(w[i].thread, NULL);
}

/* Seconds of the files that can hold flows between q's times. */
static void file_range(const struct archive_query *q, int64_t *from_s, int64_t *to_s)
{
	int64_t slack = q->slack_ms > 0 ? q->slack_ms : (int64_t)31 * DAY_MS;

	*from_s = q->from_ms < EARLY_MS ? 0 : file_s_of(q->from_ms - EARLY_MS) - BIN_S;
	*to_s =
	    q->to_ms > INT64_MAX - slack ? INT64_MAX - DAY_MS : (q->to_ms + slack) / 1000;
}

bool scan_parts(const struct archive_query *q, const struct scan_summaries *sums,
		scan_part_f *fn, void (*done)(void *arg, const struct names *names),
		void *arg, struct archive_result *out, struct err *err)
{
	struct scan s = { .q = q, .sums = sums, .fn = fn, .arg = arg };
	struct dir_list all;
	int64_t from_s, to_s;

	*out = (struct archive_result){ 0 };
	if (!dir_scan(q->directory, 0, INT64_MAX - DAY_MS, &all))
		return err_set(err, "archive directory %s: %s", q->directory,
			       strerror(errno));
	if (all.n)
		out->oldest_ms = file_s_of(all.at[0].file_s * 1000) * 1000;
	file_range(q, &from_s, &to_s);
	s.files = all;
	for (size_t i = 0; i < all.n; i++)
		if (!dir_imported(all.at[i].file_s))
			s.newest_s = all.at[i].file_s;
	while (s.next < all.n && all.at[s.next].file_s < from_s)
		s.next++;
	s.first = s.next;
	while (s.files.n > s.next && s.files.at[s.files.n - 1].file_s > to_s)
		s.files.n--;
	s.result.oldest_ms = out->oldest_ms;
	pthread_mutex_init(&s.lock, NULL);
	name_sink_init(&s.sink, q->names);
	s.reader = sums ? summary_reader_new() : NULL;
	run_all(&s, scan_threads(q));
	if (s.file)
		end_file(&s);
	if (done)
		done(arg, s.sink.names);
	name_sink_fini(&s.sink);
	summary_reader_free(&s.reader);
	pthread_mutex_destroy(&s.lock);
	dir_list_free(&all);
	*out = s.result;
	return true;
}

/* ---- rows ---- */

static uint32_t overlap(const struct block *b, int64_t from, int64_t to, uint64_t *bits)
{
	uint32_t count = 0;

	for (uint32_t w = 0; w * 64 < b->n; w++) {
		uint64_t keep = 0;

		if (!bits[w])
			continue;
		for (uint32_t i = 0; i < 64 && w * 64 + i < b->n; i++) {
			int64_t start = b->start_ms[w * 64 + i],
				end = b->end_ms[w * 64 + i];
			/* A flow lasts until just before its end; one without duration
			 * has its one moment. */
			bool in = start < to && (end > from || start >= from);

			keep |= (uint64_t)in << i;
		}
		bits[w] &= keep;
		count += (uint32_t)__builtin_popcountll(bits[w]);
	}
	return count;
}

/* The address column that the filter reads and nothing else; -1: there is none. */
static int only_address(const struct filter *f)
{
	uint64_t columns = filter_is_all(f) ? 0 : filter_columns(f);
	int c = columns ? __builtin_ctzll(columns) : -1;

	return c >= 0 && !(columns & (columns - 1)) && field_info[c].kind == KIND_ADDR
		   ? c
		   : -1;
}

static uint32_t take_passing(const uint8_t *pass, const uint32_t *codes, uint32_t n,
			     uint64_t bits[static FILTER_WORDS])
{
	uint32_t count = 0;

	memset(bits, 0, FILTER_WORDS * sizeof(*bits));
	for (uint32_t r = 0; r < n; r++) {
		uint64_t yes = pass[codes[r]];

		bits[r / 64] |= yes << r % 64;
		count += (uint32_t)yes;
	}
	return count;
}

/* The filter's rows; -1: damaged. A filter on one address column is asked of the part's
 * addresses instead of its rows. */
static int64_t filtered(const struct archive_query *q, struct part *p, uint32_t at,
			uint32_t n, uint64_t bits[static FILTER_WORDS])
{
	int f = only_address(q->filter);
	const uint8_t *pass = f < 0 ? NULL : part_pass(p, (enum field)f, q->filter);
	const struct addr *list;
	uint32_t n_list;
	bool damaged;

	if (pass)
		return take_passing(
		    pass, part_codes(p, (enum field)f, &list, &n_list, &damaged) + at, n,
		    bits);
	if (!filter_is_all(q->filter) && !part_load(p, filter_columns(q->filter)))
		return -1;
	return filter_run(q->filter, part_block(p, at, n), bits);
}

bool scan_select(const struct archive_query *q, struct part *p, bool inside,
		 struct scan_rows *s)
{
	s->count = 0;
	s->of = part_rows(p);
	for (uint32_t at = 0, i = 0; at < part_rows(p); at += BLOCK_ROWS, i++) {
		uint32_t n =
		    part_rows(p) - at < BLOCK_ROWS ? part_rows(p) - at : BLOCK_ROWS;
		int64_t count = filtered(q, p, at, n, s->bits[i]);

		if (count > 0 && !inside) {
			if (!part_load(p, UINT64_C(1) << F_start_ms | UINT64_C(1)
									  << F_end_ms))
				return false;
			count = overlap(part_block(p, at, n), q->from_ms, q->to_ms,
					s->bits[i]);
		}
		if (count < 0)
			return false;
		s->count += (uint32_t)count;
	}
	return true;
}

bool scan_few(const struct scan_rows *s, uint32_t rows[static SCAN_FEW])
{
	uint32_t n = 0;

	if (s->count > SCAN_FEW || s->count > s->of / FEW_OF)
		return false;
	for (uint32_t w = 0; n < s->count; w++)
		for (uint64_t left = s->bits[w / FILTER_WORDS][w % FILTER_WORDS]; left;
		     left &= left - 1)
			rows[n++] = w * 64 + (uint32_t)__builtin_ctzll(left);
	return true;
}

struct rows {
	const struct archive_query *q;
	archive_rows_f *fn;
	void *arg;
};

static bool rows_of(void *arg, unsigned worker, struct part *p, bool inside,
		    bool *damaged)
{
	const struct rows *r = arg;
	const struct block *b;
	uint32_t few[SCAN_FEW];
	struct scan_rows s;

	*damaged = !scan_select(r->q, p, inside, &s);
	if (*damaged || !s.count)
		return true;
	if (scan_few(&s, few)) {
		b = part_pick(p, r->q->columns, few, s.count);
		*damaged = !b;
		memset(s.bits[0], 0, sizeof(s.bits[0]));
		for (uint32_t i = 0; i < s.count; i++)
			s.bits[0][i / 64] |= UINT64_C(1) << i % 64;
		return !b || r->fn(r->arg, worker, b, s.bits[0]);
	}
	*damaged = !part_load(p, r->q->columns);
	for (uint32_t at = 0, i = 0; !*damaged && at < part_rows(p);
	     at += BLOCK_ROWS, i++) {
		uint32_t n =
		    part_rows(p) - at < BLOCK_ROWS ? part_rows(p) - at : BLOCK_ROWS;
		uint64_t any = 0;

		for (uint32_t w = 0; w < FILTER_WORDS; w++)
			any |= s.bits[i][w];
		if (any && !r->fn(r->arg, worker, part_block(p, at, n), s.bits[i]))
			return false;
	}
	return true;
}

bool archive_read(const struct archive_query *q, archive_rows_f *fn, void *arg,
		  struct archive_result *out, struct err *err)
{
	struct rows r = { q, fn, arg };

	return scan_parts(q, NULL, rows_of, NULL, &r, out, err);
}

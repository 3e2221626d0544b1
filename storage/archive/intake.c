/* intake.c - flows of another collector on their way into the archive.
 * SPDX-License-Identifier: ISC
 *
 * A source (one file of nfdump's, say) becomes one archive file for each five minutes
 * that its flows were received in. Closed files never change, and the open one is the
 * daemon's: so these are files of their own beside them, 1035-001.cul (dir.h), and an
 * import needs neither the daemon's leave nor its rest.
 *
 * All of a source or nothing:
 *   1. its files are written below DIRECTORY/import/ID.new/, which nobody reads;
 *   2. ID.pending lists the names they will have, and is synced;
 *   3. they are moved to those names; a reader leaves out what a .pending lists;
 *   4. ID.pending is renamed to ID.done: at this moment all of them are there.
 * Before 4 the time of its flows is added to DIRECTORY/import/owed: history has to be told
 * of them, by whoever comes first after a crash.
 * Whatever was killed before 4 is taken away by the next import; after it, the source is
 * known by its id and is not read again. So a repeated import doubles nothing.
 *
 * Rows wait in at most SLOTS gathers (20 MB each at most), one for each five minutes;
 * a source that is in no order at all is written in small frames, and larger for it.
 */
#include "storage/archive/intake.h"

#include "storage/archive/dir.h"
#include "storage/archive/gather.h"
#include "storage/archive/summary.h"
#include "storage/archive/tip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOTS = 8, STAGE_PATH = DIR_PATH - 128 };

struct slot {
	int64_t file_s; /* 0: free */
	uint64_t used;  /* when last, for the one that goes first */
	struct gather *gather;
	struct naming *naming;
	struct tip tip;
	int64_t names_ordinal;
};

struct intake {
	char *directory;
	char path[STAGE_PATH]; /* DIRECTORY/import */
	int lock;
	uid_t uid; /* whose the archive is, when we are root */
	gid_t gid;
	bool give;
	int64_t *made; /* files without a summary */
	size_t n_made, cap_made;
	struct intake_source *spare; /* its gathers are used again */
};

struct intake_source {
	struct intake *in;
	char id[INTAKE_ID];
	char stage[DIR_PATH];
	const struct names *names;
	struct slot slot[SLOTS];
	uint64_t clock;
	int64_t *files; /* in the order of their beginning */
	size_t n_files, cap_files;
	struct block *part; /* rows of one file out of a block */
	struct out head, body;
	struct totals totals;
	bool failed;
};

/* ---- books ---- */

static const char *book(const struct intake *in, const char *id, const char *tail,
			char buf[static DIR_PATH])
{
	snprintf(buf, DIR_PATH, "%s/%s%s", in->path, id, tail);
	return buf;
}

static bool sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && !fsync(fd);

	if (fd >= 0)
		close(fd);
	return ok;
}

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char sub[DIR_PATH];

	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if ((size_t)snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name) >=
		    sizeof(sub))
			continue;
		if (unlink(sub))
			remove_tree(sub);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

/* Takes away the files that a book lists, and then the book. */
static void roll_back(const struct intake *in, const char *name)
{
	char path[DIR_PATH];
	long long file_s;
	FILE *f = fopen(book(in, name, "", path), "re");

	while (f && fscanf(f, "%lld", &file_s) == 1)
		if (dir_imported(file_s))
			dir_remove(in->directory, file_s);
	if (f)
		fclose(f);
	unlink(path);
}

static bool ends(const char *name, const char *tail)
{
	size_t n = strlen(name), t = strlen(tail);

	return n > t && !strcmp(name + n - t, tail);
}

/* What an import that was killed has left. */
static void clean(const struct intake *in)
{
	DIR *d = opendir(in->path);
	char path[DIR_PATH];
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (ends(e->d_name, DIR_PENDING))
			roll_back(in, e->d_name);
		else if (ends(e->d_name, ".new"))
			remove_tree(book(in, e->d_name, "", path));
	}
	if (d)
		closedir(d);
}

struct intake *intake_open(const char *directory, struct err *err)
{
	struct intake *in = xcalloc(1, sizeof(*in));
	char path[DIR_PATH];
	struct stat st;

	in->lock = -1;
	in->directory = xstrdup(directory);
	if ((size_t)snprintf(in->path, sizeof(in->path), "%s/%s", directory,
			     DIR_IMPORTS) >= sizeof(in->path)) {
		err_set(err, "archive directory %s: the name is too long", directory);
		goto fail;
	}
	if (!dir_make_root(directory) || stat(directory, &st) ||
	    (mkdir(in->path, 0750) && errno != EEXIST)) {
		err_set(err, "archive directory %s: %s", directory, strerror(errno));
		goto fail;
	}
	in->give = !geteuid() && st.st_uid;
	in->uid = st.st_uid;
	in->gid = st.st_gid;
	in->lock = open(book(in, "lock", "", path), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (in->lock < 0) {
		err_set(err, "%s: %s", path, strerror(errno));
		goto fail;
	}
	if (flock(in->lock, LOCK_EX | LOCK_NB)) {
		err_set(err, "another import into %s is at work; wait for it", directory);
		goto fail;
	}
	if (in->give && (chown(in->path, in->uid, in->gid) ||
			 fchown(in->lock, in->uid, in->gid))) {
		err_set(err, "%s: %s", in->path, strerror(errno));
		goto fail;
	}
	clean(in);
	return in;
fail:
	intake_close(&in);
	return NULL;
}

/* ---- sources known ---- */

bool intake_has(struct intake *in, const char *id, struct intake_done *done)
{
	unsigned long long rows, bytes, packets, flows;
	long long start, end, file_s;
	struct intake_done d = { 0 };
	char path[DIR_PATH];
	struct stat st;
	FILE *f = fopen(book(in, id, DIR_DONE, path), "re");
	bool any = false, whole;

	if (!f)
		return false;
	while (fscanf(f, "%lld", &file_s) == 1) {
		any |= !stat(dir_path(in->directory, file_s, path), &st);
		d.files++;
	}
	whole = fscanf(f, " rows %llu bytes %llu packets %llu flows %llu from %lld to %lld",
		       &rows, &bytes, &packets, &flows, &start, &end) == 6;
	fclose(f);
	if (whole && done)
		*done = (struct intake_done){ rows, bytes, packets, flows,
					      start, end, d.files };
	/* One whose files have all expired may come again. */
	return whole && (any || !d.files);
}

/* ---- writing ---- */

static struct intake_source *source_new(void)
{
	struct intake_source *s = xcalloc(1, sizeof(*s));

	for (int i = 0; i < SLOTS; i++)
		s->slot[i].tip.fd = -1;
	return s;
}

static void source_free(struct intake_source *s)
{
	if (!s)
		return;
	for (int i = 0; i < SLOTS; i++) {
		gather_free(&s->slot[i].gather);
		naming_free(&s->slot[i].naming);
	}
	block_unref(&s->part);
	free(s->files);
	free(s->head.p);
	free(s->body.p);
	free(s);
}

void intake_close(struct intake **inp)
{
	struct intake *in = *inp;

	if (!in)
		return;
	source_free(in->spare);
	if (in->lock >= 0)
		close(in->lock);
	free(in->made);
	free(in->directory);
	free(in);
	*inp = NULL;
}

struct intake_source *intake_begin(struct intake *in, const char *id,
				   const struct names *names, struct err *err)
{
	struct intake_source *s = in->spare ? in->spare : source_new();

	in->spare = NULL;
	s->in = in;
	s->names = names;
	snprintf(s->id, sizeof(s->id), "%s", id);
	book(in, id, ".new", s->stage);
	totals_none(&s->totals);
	s->n_files = 0;
	s->failed = false;
	if (!s->part)
		s->part = block_new(names);
	remove_tree(s->stage);
	if (mkdir(s->stage, 0750)) {
		err_set(err, "%s: %s", s->stage, strerror(errno));
		intake_abort(&s);
	}
	return s;
}

static bool write_names(struct intake_source *s, struct slot *t, struct err *err)
{
	for (;;) {
		uint32_t ordinal = t->tip.ordinal;

		s->head.len = 0;
		if (!naming_write(t->naming, &s->head, t->names_ordinal))
			return true;
		if (!tip_append(&t->tip, FRAME_NAMES, 0, &s->head, NULL, err))
			return false;
		t->names_ordinal = ordinal;
	}
}

static bool flush(struct intake_source *s, struct slot *t, struct err *err)
{
	struct totals more;

	if (!gather_rows(t->gather))
		return true;
	if (!write_names(s, t, err))
		return false;
	s->head.len = s->body.len = 0;
	gather_write(t->gather, t->names_ordinal, &s->head, &s->body, &more);
	if (!tip_append(&t->tip, FRAME_FLOWS, gather_rows(t->gather), &s->head, &s->body,
			err))
		return false;
	totals_add(&t->tip.totals, &more);
	totals_add(&s->totals, &more);
	gather_clear(t->gather);
	return true;
}

static void leave(struct slot *t)
{
	tip_drop(&t->tip);
	if (t->gather)
		gather_clear(t->gather);
	t->file_s = 0;
}

static void note_file(struct intake_source *s, int64_t file_s)
{
	for (size_t i = 0; i < s->n_files; i++)
		if (s->files[i] == file_s)
			return;
	if (s->n_files == s->cap_files) {
		s->cap_files = s->cap_files ? s->cap_files * 2 : 64;
		s->files = xrealloc(s->files, s->cap_files, sizeof(*s->files));
	}
	s->files[s->n_files++] = file_s;
}

static struct slot *slot_for(struct intake_source *s, int64_t file_s, struct err *err)
{
	struct slot *t = &s->slot[0];

	for (int i = 0; i < SLOTS; i++) {
		if (s->slot[i].file_s == file_s) {
			s->slot[i].used = ++s->clock;
			return &s->slot[i];
		}
		if (!s->slot[i].file_s || (t->file_s && s->slot[i].used < t->used))
			t = &s->slot[i];
	}
	if (t->file_s) {
		if (!flush(s, t, err))
			return NULL;
		leave(t);
	}
	if (!t->gather)
		t->gather = gather_new();
	naming_free(&t->naming);
	t->naming = naming_new(s->names);
	t->names_ordinal = NO_NAMES;
	if (tip_open(&t->tip, s->stage, file_s, true, err) != TIP_OPEN) {
		t->tip.fd = -1;
		if (err && !err->msg[0])
			err_set(err, "%s: a file of the import is taken", s->stage);
		return NULL;
	}
	t->file_s = file_s;
	t->used = ++s->clock;
	note_file(s, file_s);
	return t;
}

static bool add(struct intake_source *s, int64_t file_s, const struct block *b,
		struct err *err)
{
	struct slot *t = slot_for(s, file_s, err);

	if (!t)
		return false;
	if (gather_add(t->gather, b, t->naming))
		return true;
	return flush(s, t, err) && gather_add(t->gather, b, t->naming);
}

static void take_row(struct block *to, const struct block *b, uint32_t row)
{
	uint32_t at = to->n++;

	for (uint64_t left = b->used; left; left &= left - 1) {
		enum field f = (enum field)__builtin_ctzll(left);

		if (field_info[f].kind == KIND_TEXT) {
			uint32_t text = *(uint32_t *)block_cell(b, f, row);
			const char *s = block_text_at(b, text);

			*(uint32_t *)block_cell(to, f, at) =
			    block_text(to, s, strlen(s));
		} else {
			memcpy(block_cell(to, f, at), block_cell(b, f, row),
			       field_info[f].width);
		}
	}
}

/* Rows of a block that come in several five minutes: each of them once around. */
static bool split(struct intake_source *s, const struct block *b, struct err *err)
{
	uint64_t done[BLOCK_ROWS / 64] = { 0 };

	for (uint32_t first = 0; first < b->n; first++) {
		int64_t file_s;

		if (done[first / 64] >> first % 64 & 1)
			continue;
		file_s = file_s_of(b->received_ms[first]);
		block_reset(s->part);
		s->part->names = s->names;
		s->part->used = b->used;
		for (uint32_t r = first; r < b->n; r++) {
			if (done[r / 64] >> r % 64 & 1 ||
			    file_s_of(b->received_ms[r]) != file_s)
				continue;
			done[r / 64] |= UINT64_C(1) << r % 64;
			take_row(s->part, b, r);
		}
		if (!add(s, file_s, s->part, err))
			return false;
	}
	return true;
}

bool intake_block(struct intake_source *s, const struct block *b, struct err *err)
{
	int64_t file_s = b->n ? file_s_of(b->received_ms[0]) : 0;
	bool one = true, ok;

	if (s->failed)
		return err_set(err, "the import has failed before");
	for (uint32_t r = 1; r < b->n && one; r++)
		one = file_s_of(b->received_ms[r]) == file_s;
	ok = !b->n || (one ? add(s, file_s, b, err) : split(s, b, err));
	s->failed |= !ok;
	return ok;
}

/* ---- the end of a source ---- */

static bool close_one(struct intake_source *s, int64_t file_s, struct err *err)
{
	struct tip t;
	bool ok;

	for (int i = 0; i < SLOTS; i++)
		if (s->slot[i].file_s == file_s) {
			ok = flush(s, &s->slot[i], err) && tip_close(&s->slot[i].tip, err);
			leave(&s->slot[i]);
			return ok;
		}
	if (tip_open(&t, s->stage, file_s, false, err) != TIP_OPEN)
		return err_set(err, "a file of the import has gone");
	ok = tip_close(&t, err);
	tip_drop(&t);
	return ok;
}

static void give(const struct intake *in, char *path, int folders)
{
	if (!in->give)
		return;
	for (int i = 0; i <= folders; i++) {
		if (lchown(path, in->uid, in->gid))
			return;
		*strrchr(path, '/') = '\0';
	}
}

/* The first number behind file_s that is free; when all 299 are taken, one of the next
 * five minutes: a file may hold what was received before them. */
static int64_t free_number(const struct intake *in, int64_t file_s, const int64_t *mine,
			   size_t n)
{
	char path[DIR_PATH];
	struct stat st;

	for (int64_t s = file_s + 1;; s++) {
		bool taken = !dir_imported(s);

		for (size_t i = 0; i < n && !taken; i++)
			taken = mine[i] == s;
		if (!taken && lstat(dir_path(in->directory, s, path), &st))
			return s;
	}
}

/* Numbers of its files, one a line, which is what dir.c reads; then what it was. */
static bool write_book(const struct intake_source *s, const int64_t *numbers,
		       const char *what, struct err *err)
{
	const struct intake *in = s->in;
	const struct totals *t = &s->totals;
	char path[DIR_PATH], draft[DIR_PATH];
	FILE *f;
	bool ok;

	book(in, s->id, DIR_PENDING, path);
	book(in, s->id, ".part", draft);
	f = fopen(draft, "we");
	if (!f)
		return err_set(err, "%s: %s", draft, strerror(errno));
	for (size_t i = 0; i < s->n_files; i++)
		fprintf(f, "%lld\n", (long long)numbers[i]);
	fprintf(f, "rows %llu bytes %llu packets %llu flows %llu from %lld to %lld\nof %s\n",
		(unsigned long long)t->rows, (unsigned long long)t->bytes,
		(unsigned long long)t->packets, (unsigned long long)t->flows,
		(long long)t->start_ms, (long long)t->end_ms, what);
	ok = !in->give || !fchown(fileno(f), in->uid, in->gid);
	ok = !fflush(f) && !fsync(fileno(f)) && ok;
	ok = !fclose(f) && ok && !rename(draft, path) && sync_folder(in->path);
	return ok || err_set(err, "%s: %s", path, strerror(errno));
}

static bool move(struct intake_source *s, const int64_t *numbers, struct err *err)
{
	const struct intake *in = s->in;
	char from[DIR_PATH], to[DIR_PATH];

	for (size_t i = 0; i < s->n_files; i++) {
		dir_path(s->stage, s->files[i], from);
		dir_path(in->directory, numbers[i], to);
		if (!dir_make(in->directory, numbers[i]) || rename(from, to) ||
		    !dir_sync(in->directory, numbers[i]))
			return err_set(err, "%s: %s", to, strerror(errno));
		give(in, to, 3);
	}
	return true;
}

static void note_made(struct intake *in, const int64_t *numbers, size_t n)
{
	if (in->n_made + n > in->cap_made) {
		in->cap_made = (in->n_made + n) * 2;
		in->made = xrealloc(in->made, in->cap_made, sizeof(*in->made));
	}
	if (n)
		memcpy(in->made + in->n_made, numbers, n * sizeof(*numbers));
	in->n_made += n;
}

static void finish(struct intake_source *s)
{
	remove_tree(s->stage);
	for (int i = 0; i < SLOTS; i++)
		leave(&s->slot[i]);
	s->in->spare = s;
}

void intake_abort(struct intake_source **sp)
{
	if (*sp)
		finish(*sp);
	*sp = NULL;
}

/* ---- what history is owed ---- */

static bool owe(const struct intake_source *s, struct err *err)
{
	const struct intake *in = s->in;
	char path[DIR_PATH], line[64];
	int fd, n;
	bool ok;

	if (!s->totals.rows)
		return true;
	fd = open(book(in, "owed", "", path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	n = snprintf(line, sizeof(line), "%lld %lld\n", (long long)s->totals.start_ms,
		     (long long)s->totals.end_ms);
	ok = fd >= 0 && (!in->give || !fchown(fd, in->uid, in->gid)) &&
	     write(fd, line, (size_t)n) == n && !fdatasync(fd);
	if (fd >= 0)
		close(fd);
	return ok || err_set(err, "%s: %s", path, strerror(errno));
}

bool intake_owed(struct intake *in, int64_t *from_ms, int64_t *to_ms)
{
	char path[DIR_PATH];
	FILE *f = fopen(book(in, "owed", "", path), "re");
	long long from, to;
	bool any = false;

	while (f && fscanf(f, "%lld %lld", &from, &to) == 2) {
		if (!any || from < *from_ms)
			*from_ms = from;
		if (!any || to > *to_ms)
			*to_ms = to;
		any = true;
	}
	if (f)
		fclose(f);
	return any;
}

void intake_paid(struct intake *in)
{
	char path[DIR_PATH];

	unlink(book(in, "owed", "", path));
}

static bool commit(struct intake_source *s, const char *what, int64_t *numbers,
		   struct err *err)
{
	char pending[DIR_PATH], done[DIR_PATH], name[INTAKE_ID + 16];

	for (size_t i = 0; i < s->n_files; i++)
		if (!close_one(s, s->files[i], err))
			return false;
	for (size_t i = 0; i < s->n_files; i++)
		numbers[i] = free_number(s->in, s->files[i], numbers, i);
	if (!write_book(s, numbers, what, err))
		return false;
	book(s->in, s->id, DIR_PENDING, pending);
	book(s->in, s->id, DIR_DONE, done);
	if (owe(s, err) && move(s, numbers, err)) {
		if (!rename(pending, done)) {
			sync_folder(s->in->path);
			return true;
		}
		err_set(err, "%s: %s", done, strerror(errno));
	}
	snprintf(name, sizeof(name), "%s%s", s->id, DIR_PENDING);
	roll_back(s->in, name);
	return false;
}

bool intake_commit(struct intake_source **sp, const char *what, struct intake_done *out,
		   struct err *err)
{
	struct intake_source *s = *sp;
	int64_t *numbers = xcalloc(s->n_files + 1, sizeof(*numbers));
	const struct totals *t = &s->totals;
	bool ok;

	if (s->failed)
		ok = err_set(err, "the import has failed before");
	else
		ok = commit(s, what, numbers, err);
	if (ok)
		note_made(s->in, numbers, s->n_files);
	*out = (struct intake_done){ t->rows, t->bytes, t->packets, t->flows, t->start_ms,
				     t->end_ms, (uint32_t)s->n_files };
	free(numbers);
	intake_abort(sp);
	return ok;
}

void intake_summaries(struct intake *in, void (*tell)(void *arg, uint64_t done, uint64_t all),
		      void *arg)
{
	char path[DIR_PATH];

	for (size_t i = 0; i < in->n_made; i++) {
		if (summary_make(in->directory, in->made[i], NULL, NULL))
			give(in, (char *)dir_summary_path(in->directory, in->made[i], path),
			     0);
		if (tell)
			tell(arg, i + 1, in->n_made);
	}
	in->n_made = 0;
}

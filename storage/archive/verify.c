/* verify.c - is every block of an archive whole?
 * SPDX-License-Identifier: ISC
 *
 * Reads every column of every block as a query would, and holds the sums that
 * the directory tells against those of the rows, so that a fault of the writer
 * would show as well as one of the disk.
 */
#include "storage/archive/archive.h"
#include "storage/archive/dir.h"
#include "storage/archive/part.h"
#include "storage/archive/summary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct verify {
	const char *directory;
	archive_verify_f *tell;
	void *arg;
	struct part *part;
	struct name_sink sink;
	struct out head;
	struct archive_result *res;
	bool bad;
};

struct walk { /* through one file */
	const char *path;
	int fd;
	uint64_t at, size;
	struct columns columns;
	bool have_columns, ended;
	struct file_names names;
	struct totals totals;
};

static void say(struct verify *v, const struct walk *w, uint64_t flows, const char *what)
{
	if (what) {
		v->bad = true;
		v->res->blocks_damaged++;
	}
	if (v->tell)
		v->tell(v->arg, w->path, w->at, flows, what);
}

static bool sums_fit(struct part *p)
{
	const struct totals *t = part_totals(p);
	const uint64_t *bytes = part_column(p, F_bytes);
	uint64_t sum = 0;

	for (uint32_t i = 0; bytes && i < part_rows(p); i++)
		if (__builtin_add_overflow(sum, bytes[i], &sum))
			return t->bytes == UINT64_MAX;
	return sum == t->bytes;
}

static void verify_flows(struct verify *v, struct walk *w, const struct frame *f)
{
	const char *what = NULL;

	v->res->blocks++;
	if (!w->have_columns)
		what = "the list of columns is missing";
	else if (!part_open(v->part, w->fd, w->at, f, v->head.p, &w->columns, &w->names,
			    v->sink.names))
		what = "its directory does not fit";
	else if (!part_load(v->part, ~UINT64_C(0)))
		what = "a column is damaged";
	else if (!sums_fit(v->part))
		what = "its sums do not fit its rows";
	else
		totals_add(&w->totals, part_totals(v->part));
	say(v, w, f->rows, what);
}

static void verify_frame(struct verify *v, struct walk *w, const struct frame *f)
{
	struct in r = in_over(v->head.p, v->head.len);
	struct totals t;

	switch (f->type) {
	case FRAME_HEAD:
		in_u64(&r);
		w->have_columns = columns_read(&r, &w->columns);
		if (!w->have_columns)
			say(v, w, 0, "the list of columns is damaged");
		break;
	case FRAME_NAMES:
		if (!names_apply(&v->sink, &w->names, f->ordinal, &r))
			say(v, w, 0, "names of exporters are damaged");
		break;
	case FRAME_FLOWS: verify_flows(v, w, f); break;
	case FRAME_END:
		totals_read(&r, &t);
		w->ended = true;
		if (t.rows != w->totals.rows || t.flows != w->totals.flows)
			say(v, w, t.rows, "its end tells of other flows than there are");
		break;
	default: say(v, w, 0, "a block of an unknown kind"); break;
	}
}

/* It costs nothing to lose one, but its disk is not to be trusted. */
static void verify_summary(struct verify *v, const struct walk *w, int64_t file_s)
{
	if (!summary_there(v->directory, file_s))
		say(v, w, 0, "the summary is damaged or another file's (questions read the "
			     "flows instead, and culpritd makes a new one)");
}

static void verify_file(struct verify *v, const char *path, int64_t file_s, bool newest)
{
	char sum[DIR_PATH];
	struct walk w = { .path = path, .names = { .ordinal = NO_NAMES } };
	struct stat st;
	struct frame f;
	int found;

	w.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (w.fd < 0 || fstat(w.fd, &st)) {
		if (errno != ENOENT)
			say(v, &w, 0, strerror(errno));
		if (w.fd >= 0)
			close(w.fd);
		return;
	}
	v->res->files++;
	w.size = (uint64_t)st.st_size;
	totals_none(&w.totals);
	while ((found = frame_next(w.fd, w.size, &w.at, &f, &v->head))) {
		if (found < 0)
			say(v, &w, 0, "octets before this block belong to no block");
		verify_frame(v, &w, &f);
		w.at += frame_octets(&f);
	}
	if (w.at < w.size && (w.ended || !newest))
		say(v, &w, 0, "the end of the file is damaged");
	else if (!w.ended && !newest)
		say(v, &w, 0, "the file was not closed");
	file_names_clear(&v->sink, &w.names);
	if (w.ended && access(dir_summary_path(v->directory, file_s, sum), F_OK) == 0) {
		w.path = sum;
		w.at = 0;
		verify_summary(v, &w, file_s);
	}
	close(w.fd);
}

bool archive_verify(const char *directory, archive_verify_f *tell, void *arg,
		    struct archive_result *out, struct err *err)
{
	struct verify v = { .directory = directory, .tell = tell, .arg = arg, .res = out };
	struct dir_list files;
	char path[DIR_PATH];
	int64_t newest_s = 0;

	*out = (struct archive_result){ 0 };
	if (!dir_scan(directory, 0, INT64_MAX, &files))
		return err_set(err, "archive directory %s: %s", directory,
			       strerror(errno));
	if (files.n)
		out->oldest_ms = file_s_of(files.at[0].file_s * 1000) * 1000;
	v.part = part_new();
	name_sink_init(&v.sink, NULL);
	for (size_t i = 0; i < files.n; i++)
		if (!dir_imported(files.at[i].file_s))
			newest_s = files.at[i].file_s;
	for (size_t i = 0; i < files.n; i++)
		verify_file(&v, dir_path(directory, files.at[i].file_s, path),
			    files.at[i].file_s, files.at[i].file_s == newest_s);
	name_sink_fini(&v.sink);
	part_free(&v.part);
	free(v.head.p);
	dir_list_free(&files);
	if (v.bad)
		err_set(err, "%s: %llu blocks are damaged", directory,
			(unsigned long long)out->blocks_damaged);
	return !v.bad;
}

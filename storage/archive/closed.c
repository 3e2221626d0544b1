/* closed.c - the closed files of an archive, and which of them go.
 * SPDX-License-Identifier: ISC
 *
 * All files but the open one, with their octets, so that limits are held without asking
 * the disk each time. Oldest go first: by age, by size of all, and while the file
 * system has too little room. A clock that jumps by more than an hour may be wrong:
 * then nothing goes by age for as long.
 */
#include "storage/archive/closed.h"

#include "daemon/base/log.h"
#include "storage/archive/beside.h"
#include "storage/archive/format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { STEP_MS = 3600 * 1000 };
static const uint64_t min_free = 256 * 1000 * 1000;

bool closed_open(struct closed *c, const char *directory)
{
	*c = (struct closed){ .directory = directory };
	if (!dir_make_root(directory) ||
	    !dir_scan(directory, INT64_MIN, INT64_MAX - 86400, &c->files))
		return false;
	for (size_t i = 0; i < c->files.n; i++) {
		struct dir_entry *e = &c->files.at[i];

		e->beside = beside_octets(directory, e->file_s, BESIDE_REQUESTS);
		c->octets += e->octets + e->summary + e->beside;
	}
	return true;
}

void closed_fini(struct closed *c)
{
	dir_list_free(&c->files);
}

struct dir_entry *closed_find(const struct closed *c, int64_t file_s)
{
	size_t lo = 0, hi = c->files.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->files.at[mid].file_s < file_s)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->files.n && c->files.at[lo].file_s == file_s ? &c->files.at[lo]
								   : NULL;
}

void closed_note(struct closed *c, int64_t file_s, uint64_t octets)
{
	struct dir_list *l = &c->files;
	size_t i;

	if (closed_find(c, file_s))
		return;
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->at = xrealloc(l->at, l->cap, sizeof(*l->at));
	}
	for (i = l->n++; i && l->at[i - 1].file_s > file_s; i--)
		l->at[i] = l->at[i - 1];
	l->at[i] =
	    (struct dir_entry){ file_s,
				octets,
				0,
				true,
				beside_octets(c->directory, file_s, BESIDE_REQUESTS),
				file_s + BIN_S };
	c->octets += octets + l->at[i].beside;
}

void closed_reopen(struct closed *c, size_t i)
{
	struct dir_entry *e = &c->files.at[i];

	c->octets -= e->octets + e->beside;
	memmove(e, e + 1, (--c->files.n - i) * sizeof(*e));
}

static void remove_at(struct closed *c, size_t i)
{
	struct dir_entry *e = c->files.at + i;

	if (!dir_remove(c->directory, e->file_s))
		log_seldom("archive-remove", 3600,
			   "archive: cannot remove an old file: %s", strerror(errno));
	c->octets -= e->octets + e->summary + e->beside;
	memmove(e, e + 1, (--c->files.n - i) * sizeof(*e));
}

/* Octets missing on the file system. */
static uint64_t short_of_room(const struct closed *c, uint64_t want)
{
	struct statvfs v;
	uint64_t most, have;

	if (statvfs(c->directory, &v))
		return 0;
	have = (uint64_t)v.f_bavail * v.f_frsize;
	most = (uint64_t)v.f_blocks * v.f_frsize / 20;
	want = want ? want : min_free;
	want = want < most ? want : most;
	return have < want ? want - have : 0;
}

/* `culprit import` writes beside us: from now on its files count and grow old as
 * ours do. */
static void note_imports(struct closed *c)
{
	char path[DIR_PATH];
	struct dir_list all;
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", c->directory, DIR_IMPORTS);
	if (stat(path, &st) || (st.st_mtim.tv_sec == c->looked.tv_sec &&
				st.st_mtim.tv_nsec == c->looked.tv_nsec))
		return;
	if (!dir_scan(c->directory, INT64_MIN, INT64_MAX - 86400, &all))
		return;
	c->looked = st.st_mtim;
	for (size_t i = 0; i < all.n; i++) {
		const struct dir_entry *e = &all.at[i];

		if (!dir_imported(e->file_s) || closed_find(c, e->file_s))
			continue;
		closed_note(c, e->file_s, e->octets);
		*closed_find(c, e->file_s) = *e;
		c->octets += e->summary;
	}
	dir_list_free(&all);
}

void closed_expire(struct closed *c, const struct closed_limits *l, uint64_t open,
		   int64_t now_ms)
{
	note_imports(c);
	for (size_t i = 0; l->keep_ms && now_ms >= c->hold_ms && i < c->files.n;) {
		const struct dir_entry *e = &c->files.at[i];

		if (e->since_s * 1000 + l->keep_ms < now_ms)
			remove_at(c, i);
		else if (dir_imported(e->file_s)) /* old flows that came today */
			i++;
		else
			break;
	}
	while (c->files.n && l->max_octets && c->octets + open > l->max_octets)
		remove_at(c, 0);
	while (c->files.n && short_of_room(c, l->min_free))
		remove_at(c, 0);
}

void closed_summed(struct closed *c, int64_t file_s, uint64_t octets)
{
	struct dir_entry *e = closed_find(c, file_s);
	char path[DIR_PATH];

	/* It may have gone meanwhile: then its summary, and nothing else, goes. */
	if (!e) {
		if (access(dir_path(c->directory, file_s, path), F_OK))
			dir_remove(c->directory, file_s);
		return;
	}
	c->octets += octets - e->summary;
	e->summary = octets;
}

void closed_clock(struct closed *c, int64_t now_ms)
{
	if (c->seen_ms &&
	    (now_ms > c->seen_ms + STEP_MS || now_ms < c->seen_ms - STEP_MS))
		c->hold_ms = now_ms + STEP_MS;
	c->seen_ms = now_ms;
}

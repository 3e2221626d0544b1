/* beside.c - files of another kind beside the five-minute files of flows.
 * SPDX-License-Identifier: ISC
 */
#include "storage/archive/beside.h"

#include "daemon/base/mem.h"
#include "storage/archive/format.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *beside_path(const char *directory, int64_t file_s, const char *tail,
			char buf[static DIR_PATH])
{
	size_t dot;

	dir_path(directory, file_s, buf);
	dot = (size_t)(strrchr(buf, '.') - buf);
	snprintf(buf + dot, DIR_PATH - dot, "%s", tail);
	return buf;
}

struct walk {
	const char *tail;
	struct dir_list *list;
	int at[4]; /* year, month, day, hour and minute */
};

/* Exactly so many digits, then tail; -1 when it is not. */
static int number(const char *name, int digits, const char *tail)
{
	int v = 0;

	for (int i = 0; i < digits; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		v = v * 10 + name[i] - '0';
	}
	return strcmp(name + digits, tail) ? -1 : v;
}

static void found(struct walk *w, const char *path)
{
	int hm = w->at[3];
	struct tm tm = { .tm_year = w->at[0] - 1900, .tm_mon = w->at[1] - 1,
			 .tm_mday = w->at[2], .tm_hour = hm / 100, .tm_min = hm % 100 };
	struct dir_list *l = w->list;
	struct stat st;
	int64_t s;

	if (hm / 100 > 23 || hm % 100 > 59 || lstat(path, &st) || !S_ISREG(st.st_mode))
		return;
	s = (int64_t)timegm(&tm);
	if (s % BIN_S)
		return;
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->at = xrealloc(l->at, l->cap, sizeof(*l->at));
	}
	l->at[l->n++] = (struct dir_entry){ .file_s = s, .octets = (uint64_t)st.st_size };
}

static bool walk(struct walk *w, const char *path, int depth)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char sub[DIR_PATH];
	bool ok = true;

	if (!d)
		return errno == ENOENT;
	while (ok && (e = readdir(d))) {
		w->at[depth] = number(e->d_name, depth == 0 || depth == 3 ? 4 : 2,
				      depth == 3 ? w->tail : "");
		if (w->at[depth] < 0 || (size_t)snprintf(sub, sizeof(sub), "%s/%s", path,
							 e->d_name) >= sizeof(sub))
			continue;
		if (depth == 3)
			found(w, sub);
		else
			ok = walk(w, sub, depth + 1);
	}
	closedir(d);
	return ok;
}

static int by_time(const void *a, const void *b)
{
	const struct dir_entry *x = a, *y = b;

	return (x->file_s > y->file_s) - (x->file_s < y->file_s);
}

bool beside_scan(const char *directory, const char *tail, struct dir_list *list)
{
	struct walk w = { .tail = tail, .list = list };

	*list = (struct dir_list){ 0 };
	if (!walk(&w, directory, 0)) {
		dir_list_free(list);
		return false;
	}
	if (list->n)
		qsort(list->at, list->n, sizeof(*list->at), by_time);
	return true;
}

uint64_t beside_octets(const char *directory, int64_t file_s, const char *tail)
{
	char path[DIR_PATH];
	struct stat st;

	return lstat(beside_path(directory, file_s, tail, path), &st) ? 0
								      : (uint64_t)st.st_size;
}

void beside_remove(const char *directory, int64_t file_s, const char *tail)
{
	char path[DIR_PATH];

	if (unlink(beside_path(directory, file_s, tail, path)))
		return;
	for (int i = 0; i < 3; i++) { /* day, month, year, while empty */
		*strrchr(path, '/') = '\0';
		if (rmdir(path))
			break;
	}
}

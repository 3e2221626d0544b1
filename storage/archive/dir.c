/* dir.c - the tree of five-minute files.
 * SPDX-License-Identifier: ISC
 *
 * One folder a day, named in UTC, so that a change of the time zone or of
 * summer time moves nothing. What is not named like ours is left alone.
 */
#include "storage/archive/dir.h"

#include "daemon/base/mem.h"
#include "storage/archive/beside.h"
#include "storage/archive/format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DAY_S = 86400, SCANS = 20 };

int64_t file_s_of(int64_t ms)
{
	int64_t s = ms / 1000;

	return s > 0 ? s / BIN_S * BIN_S : 0;
}

const char *dir_path(const char *directory, int64_t file_s, char buf[static DIR_PATH])
{
	time_t t = (time_t)(file_s - file_s % BIN_S);
	char import[8] = "";
	struct tm tm;

	gmtime_r(&t, &tm);
	if (dir_imported(file_s))
		snprintf(import, sizeof(import), "-%03d", (int)(file_s % BIN_S));
	snprintf(buf, DIR_PATH, "%s/%04d/%02d/%02d/%02d%02d%s.cul", directory,
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		 import);
	return buf;
}

const char *dir_summary_path(const char *directory, int64_t file_s,
			     char buf[static DIR_PATH])
{
	dir_path(directory, file_s, buf);
	strcpy(strrchr(buf, '.'), ".sum");
	return buf;
}

/* Every folder of the path that a slash ends. */
static bool make_folders(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0750) && errno != EEXIST)
			return false;
		*p = '/';
	}
	return true;
}

bool dir_imported(int64_t file_s)
{
	return file_s % BIN_S != 0;
}

bool dir_make_root(const char *directory)
{
	char path[DIR_PATH];

	snprintf(path, sizeof(path), "%s/", directory);
	return make_folders(path);
}

bool dir_make(const char *directory, int64_t file_s)
{
	char path[DIR_PATH];

	dir_path(directory, file_s, path);
	return make_folders(path);
}

/* A name of exactly `digits` digits and then `tail`; -1 when it is not. */
static int number(const char *name, size_t digits, const char *tail)
{
	int v = 0;

	for (size_t i = 0; i < digits; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		v = v * 10 + name[i] - '0';
	}
	return strcmp(name + digits, tail) ? -1 : v;
}

/* "1035.cul" or "1035-017.cul": seconds of the day, and the number of the import; -1 for
 * what is not ours. */
static int of_day(const char *name, const char *tail)
{
	char own[8] = "";
	int hm, import = 0;

	if (strlen(name) > 8 && name[4] == '-') {
		snprintf(own, sizeof(own), "%.4s", name);
		import = number(name + 5, 3, tail);
		if (import < 1 || import >= BIN_S)
			return -1;
		hm = number(own, 4, "");
	} else {
		hm = number(name, 4, tail);
	}
	if (hm < 0 || hm / 100 > 23 || hm % 100 > 59 || hm % 5)
		return -1;
	return hm / 100 * 3600 + hm % 100 * 60 + import;
}

static void found(struct dir_list *list, struct dir_entry e)
{
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 64;
		list->at = xrealloc(list->at, list->cap, sizeof(*list->at));
	}
	list->at[list->n++] = e;
}

static bool scan_day(const char *path, int64_t day_s, int64_t from_s, int64_t to_s,
		     struct dir_list *list)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		return errno == ENOENT;
	while ((e = readdir(d))) {
		int cul = of_day(e->d_name, ".cul"), sum = of_day(e->d_name, ".sum");
		int v = cul >= 0 ? cul : sum;
		int64_t s = day_s + v, since_s = day_s + v - v % BIN_S + BIN_S;
		struct stat st;

		if (v < 0 || s < from_s || s > to_s ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		if (dir_imported(s) && cul >= 0 && st.st_mtime > since_s)
			since_s = st.st_mtime;
		found(list, (struct dir_entry){ s, cul >= 0 ? (uint64_t)st.st_size : 0,
						sum >= 0 ? (uint64_t)st.st_size : 0,
						cul >= 0, 0, since_s });
	}
	closedir(d);
	return true;
}

/* depth 0 holds years, 1 months, 2 days. */
static bool scan(const char *path, int depth, struct tm tm, int64_t from_s, int64_t to_s,
		 struct dir_list *list)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool ok = true;

	if (!d)
		return errno == ENOENT;
	while (ok && (e = readdir(d))) {
		int v = number(e->d_name, depth ? 2 : 4, "");
		char sub[DIR_PATH];
		int64_t s;

		if (v < 0 || (depth && v < 1) || v > (int[]){ 9999, 12, 31 }[depth])
			continue;
		*(int *[]){ &tm.tm_year, &tm.tm_mon, &tm.tm_mday }[depth] =
		    v - (int[]){ 1900, 1, 0 }[depth];
		if ((size_t)snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name) >=
		    sizeof(sub))
			continue;
		if (depth < 2) {
			ok = scan(sub, depth + 1, tm, from_s, to_s, list);
			continue;
		}
		s = (int64_t)timegm(&(struct tm){
		    .tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday });
		if (s <= to_s && s + DAY_S > from_s)
			ok = scan_day(sub, s, from_s, to_s, list);
	}
	closedir(d);
	return ok;
}

static int by_time(const void *a, const void *b)
{
	const struct dir_entry *x = a, *y = b;

	return (x->file_s > y->file_s) - (x->file_s < y->file_s);
}

/* A file and its summary were found apart; what is a summary's alone is no file. */
static void join(struct dir_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct dir_entry e = list->at[i];

		if (i + 1 < list->n && list->at[i + 1].file_s == e.file_s) {
			e.octets += list->at[++i].octets;
			e.summary += list->at[i].summary;
			e.is_file |= list->at[i].is_file;
			if (list->at[i].since_s > e.since_s)
				e.since_s = list->at[i].since_s;
		}
		if (e.is_file)
			list->at[n++] = e;
	}
	list->n = n;
}

/* ---- what an import has not brought to its end ---- */

static void drop(struct dir_list *list, int64_t file_s)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].file_s == file_s) {
			memmove(list->at + i, list->at + i + 1,
				(--list->n - i) * sizeof(*list->at));
			return;
		}
}

static void drop_pending(const char *directory, struct dir_list *list)
{
	char path[DIR_PATH];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", directory, DIR_IMPORTS);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		const char *dot = strrchr(e->d_name, '.');
		long long file_s;
		FILE *f;
		int fd;

		if (!dot || strcmp(dot, DIR_PENDING))
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		f = fd < 0 ? NULL : fdopen(fd, "r");
		while (f && fscanf(f, "%lld", &file_s) == 1)
			drop(list, file_s);
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
}

/* Changes whenever an import begins to show its files, and when it has. */
static struct timespec imports_at(const char *directory)
{
	char path[DIR_PATH];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", directory, DIR_IMPORTS);
	return stat(path, &st) ? (struct timespec){ 0 } : st.st_mtim;
}

static bool look(const char *directory, int64_t from_s, int64_t to_s,
		 struct dir_list *list)
{
	*list = (struct dir_list){ 0 };
	if (!scan(directory, 0, (struct tm){ 0 }, from_s, to_s, list)) {
		dir_list_free(list);
		return false;
	}
	if (list->n)
		qsort(list->at, list->n, sizeof(*list->at), by_time);
	join(list);
	drop_pending(directory, list);
	return true;
}

bool dir_scan(const char *directory, int64_t from_s, int64_t to_s, struct dir_list *list)
{
	for (int tries = 0;; tries++) {
		struct timespec before = imports_at(directory), after;

		if (!look(directory, from_s, to_s, list))
			return false;
		after = imports_at(directory);
		if ((before.tv_sec == after.tv_sec && before.tv_nsec == after.tv_nsec) ||
		    tries == SCANS)
			return true;
		dir_list_free(list);
	}
}

void dir_list_free(struct dir_list *list)
{
	free(list->at);
	*list = (struct dir_list){ 0 };
}

bool dir_remove(const char *directory, int64_t file_s)
{
	char path[DIR_PATH], torn[DIR_PATH + 8];

	if (unlink(dir_summary_path(directory, file_s, path)) && errno != ENOENT)
		return false;
	snprintf(torn, sizeof(torn), "%s.new", path); /* a crash may have left it */
	unlink(torn);
	if (unlink(dir_path(directory, file_s, path)) && errno != ENOENT)
		return false;
	beside_remove(directory, file_s, BESIDE_REQUESTS);
	for (int i = 0; i < 3; i++) { /* day, month, year, while empty */
		*strrchr(path, '/') = '\0';
		if (rmdir(path))
			break;
	}
	return true;
}

bool dir_sync(const char *directory, int64_t file_s)
{
	char path[DIR_PATH];
	int fd;
	bool ok;

	dir_path(directory, file_s, path);
	*strrchr(path, '/') = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && !fsync(fd);
	if (fd >= 0)
		close(fd);
	return ok;
}

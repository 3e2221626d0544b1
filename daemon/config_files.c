/* config_files.c - which files make up a configuration, and in what order.
 * SPDX-License-Identifier: ISC
 *
 * A file, what it includes at the place where it does so, then conf.d beside it in the
 * order of names: what is read later has the last word where both set the same.
 */
#include "daemon/config_impl.h"

#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/mem.h"

enum { FILE_MAX = 16 << 20, OPEN_MAX = 16 };

/* A daemon that root started reads its files again as the account that it has become. */
static bool closed_to_us(const char *file, struct err *err)
{
	int why = errno;
	const struct passwd *p = why == EACCES ? getpwuid(geteuid()) : NULL;
	const struct group *g = p ? getgrgid(p->pw_gid) : NULL;

	if (!g)
		return err_set(err, "%s: %s", file, strerror(why));
	return err_set(err, "%s: %s for the user %s; chgrp %s it and chmod 640 it", file,
		       strerror(why), p->pw_name, g->gr_name);
}


/* The whole file; NULL + err. */
static char *read_file(const char *file, size_t *len, struct err *err)
{
	struct stat st;
	char *buf;
	FILE *f;

	if (stat(file, &st) == 0 &&
	    !S_ISREG(st.st_mode)) { /* opening a pipe could wait */
		err_set(err,
			S_ISDIR(st.st_mode) ? "%s is a directory; name a file in it"
					    : "%s is not a plain file",
			file);
		return NULL;
	}
	f = fopen(file, "re");
	if (!f) {
		closed_to_us(file, err);
		return NULL;
	}
	if (fstat(fileno(f), &st) < 0 || st.st_size > FILE_MAX) {
		err_set(err, "%s is larger than 16 MB, so it is no configuration", file);
		fclose(f);
		return NULL;
	}
	buf = xcalloc(1, (size_t)st.st_size + 1);
	*len = fread(buf, 1, (size_t)st.st_size, f);
	if (ferror(f)) {
		err_set(err, "%s: %s", file, strerror(errno));
		free(buf);
		buf = NULL;
	}
	fclose(f);
	return buf;
}

/* Whether reading the file now would go on for ever. */
static bool in_a_circle(const struct config_scan *s, const char *real)
{
	for (size_t i = 0; i < s->n_open; i++)
		if (!strcmp(s->open[i], real))
			return true;
	return s->n_open >= OPEN_MAX;
}

bool config_scan_file(struct config_scan *s, const char *file, struct err *err)
{
	char *src, *real = realpath(file, NULL);
	size_t len;

	if (!real)
		return closed_to_us(file, err);
	if (in_a_circle(s, real)) {
		free(real);
		return err_set(
		    err, "%s would include itself for ever; remove one include", file);
	}
	src = read_file(file, &len, err);
	if (!src) {
		free(real);
		return false;
	}
	s->open = xrealloc(s->open, s->n_open + 1, sizeof(*s->open));
	s->open[s->n_open++] = real;
	config_scan_text(s, file, src, len);
	free(src);
	free(s->open[--s->n_open]);
	return true;
}

/* `name` as written in `file`: relative to the directory of that file. */
static char *beside(const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');

	if (*name == '/' || !slash)
		return xstrdup(name);
	return xasprintf("%.*s/%s", (int)(slash - file), file, name);
}

void config_scan_include(struct config_scan *s, const char *from, int line,
			 const char *name)
{
	char *pattern = beside(from, name);
	bool wild = strpbrk(name, "*?[");
	glob_t found = { 0 };

	/* A pattern may match nothing, a plain name must be there. */
	if (glob(pattern, wild ? 0 : GLOB_NOCHECK, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			struct err err;

			if (!config_scan_file(s, found.gl_pathv[i], &err))
				config_errors_add(s->errs, false, line ? from : NULL,
						  line, "%s", err.msg);
		}
	}
	globfree(&found);
	free(pattern);
}

void config_scan_free(struct config_scan *s)
{
	for (size_t i = 0; i < s->n_texts; i++) {
		free(s->texts[i].file);
		free(s->texts[i].text);
	}
	free(s->texts);
	for (size_t i = 0; i < s->n_titles; i++) {
		free(s->titles[i].title);
		free(s->titles[i].file);
	}
	free(s->titles);
	free(s->open);
	*s = (struct config_scan){ 0 };
}
